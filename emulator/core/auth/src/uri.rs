//! URIs as far as Auth reads them: whether one is absolute, and its parameters. Must not know: what the parameters mean.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What a form leaves as it is, beside letters and digits (WHATWG URL, `application/x-www-form-urlencoded`).
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_').remove(b' ');

/// Schemes that cannot do without a host.
const WITH_HOST: [&str; 5] = ["http", "https", "ftp", "ws", "wss"];

/// An absolute URI in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    /// Scheme, host and path.
    base: String,
    host: String,
    /// The parameters of the query, in their order.
    parameters: Vec<(String, String)>,
    /// What comes behind `#`.
    fragment: Option<String>,
}

impl Uri {
    /// Reads an absolute URI.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (scheme, rest) = text.split_once(':')?;
        let scheme = scheme.to_ascii_lowercase();
        let mut letters = scheme.chars();
        if !letters.next()?.is_ascii_alphabetic() || !letters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) {
            return None;
        }
        let (rest, fragment) = match rest.split_once('#') {
            Some((rest, fragment)) => (rest, Some(fragment.to_owned())),
            None => (rest, None),
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (base, host) = if WITH_HOST.contains(&scheme.as_str()) {
            let path = path.trim_start_matches(['/', '\\']);
            let (authority, path) = path.split_at_checked(path.find(['/', '\\']).unwrap_or(path.len()))?;
            let (user, host) = match authority.rsplit_once('@') {
                Some((user, host)) => (format!("{user}@"), host),
                None => (String::new(), authority),
            };
            let name = match host.rsplit_once(':') {
                Some((name, port)) if !port.ends_with(']') => {
                    if !port.is_empty() && port.parse::<u16>().is_err() {
                        return None;
                    }
                    name
                }
                Some(_) | None => host,
            };
            if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control() || "<>^|%".contains(c)) {
                return None;
            }
            // Browsers take one for the other.
            let path = if path.is_empty() { "/".to_owned() } else { path.replace('\\', "/") };
            (format!("{scheme}://{user}{}{path}", host.to_lowercase()), name.to_lowercase())
        } else {
            (format!("{scheme}:{path}"), String::new())
        };
        Some(Self { base, host, parameters: parameters(query), fragment })
    }

    /// The host, without a port; empty where the scheme needs none.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The first parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Sets a parameter, in place of those of its name.
    pub fn set(&mut self, name: &str, value: &str) {
        let mut found = false;
        self.parameters.retain_mut(|(known, old)| {
            if known != name {
                return true;
            }
            value.clone_into(old);
            !std::mem::replace(&mut found, true)
        });
        if !found {
            self.parameters.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Sets each parameter of `form`; of those that come twice the first one counts.
    pub fn set_all(&mut self, form: &str) {
        let form = parameters(form);
        for (name, _) in &form {
            if let Some((_, first)) = form.iter().find(|(other, _)| other == name) {
                self.set(name, first);
            }
        }
    }

    /// Takes the fragment away.
    pub fn take_fragment(&mut self) -> Option<String> {
        self.fragment.take().filter(|fragment| !fragment.is_empty())
    }
}

impl std::fmt::Display for Uri {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.base)?;
        if !self.parameters.is_empty() {
            write!(formatter, "?{}", form(&self.parameters))?;
        }
        match &self.fragment {
            Some(fragment) => write!(formatter, "#{fragment}"),
            None => Ok(()),
        }
    }
}

/// The parameters of a query or a form.
pub fn parameters(text: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(n, v)| (decode(n), decode(v))).collect()
}

/// A query or a form with these parameters.
pub fn form<'p>(parameters: impl IntoIterator<Item = &'p (String, String)>) -> String {
    let encode = |text: &str| utf8_percent_encode(text, FORM).to_string().replace(' ', "+");
    let pairs = parameters.into_iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_uris_are_told_from_others() {
        for (text, expected) in [
            ("http://localhost", Some("http://localhost/")),
            ("HTTP://LocalHost:80/A?b=c d#e", Some("http://localhost:80/A?b=c+d#e")),
            ("https://[::1]:9099/x", Some("https://[::1]:9099/x")),
            ("my-app:callback?x", Some("my-app:callback?x=")),
            ("localhost:3000", Some("localhost:3000")),
            ("", None),
            ("localhost", None),
            ("/relative", None),
            ("//host/path", None),
            ("http://", None),
            ("http:///", None),
            ("http://host:port/", None),
            ("http://a b/", None),
            ("1http://a", None),
        ] {
            assert_eq!(Uri::parse(text).map(|uri| uri.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_host_is_what_a_browser_goes_to() {
        for (text, expected) in [
            ("https://App.example:8443/x", "app.example"),
            ("https://good.example@evil.example/", "evil.example"),
            ("https://evil.example\\@good.example/", "evil.example"),
            ("http://[::1]:80/", "[::1]"),
            ("http://[::1]/", "[::1]"),
            ("my-app:callback", ""),
        ] {
            assert_eq!(Uri::parse(text).unwrap().host(), expected, "{text}");
        }
    }

    #[test]
    fn parameters_are_set_in_their_place() {
        let mut uri = Uri::parse("http://h/p?a=1&b=2&a=3#f=4&g").unwrap();
        uri.set("a", "x y");
        uri.set("c", "ü&=");
        assert_eq!(uri.to_string(), "http://h/p?a=x+y&b=2&c=%C3%BC%26%3D#f=4&g");
        let fragment = uri.take_fragment().unwrap();
        uri.set_all(&fragment);
        assert_eq!(uri.to_string(), "http://h/p?a=x+y&b=2&c=%C3%BC%26%3D&f=4&g=");
        assert_eq!((uri.parameter("c"), uri.parameter("d")), (Some("ü&="), None));
        uri.set_all("b=5&b=6");
        assert_eq!(uri.parameter("b"), Some("5"));
    }
}
