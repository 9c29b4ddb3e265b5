//! Whose passkeys they are: the domain that authenticators tie them to, and the pages and apps that may ask for them.
//! Must not know: where that is configured.

/// The longest id, as a name of the Domain Name System.
const LONGEST_ID: usize = 253;
/// The longest origin, in bytes.
const LONGEST_ORIGIN: usize = 512;
/// The most origins.
const MOST_ORIGINS: usize = 64;
/// This machine, where browsers do without TLS.
const LOCALHOST: &str = "localhost";
/// How Android's apps name themselves.
const ANDROID: &str = "android:apk-key-hash:";

/// A relying party, as WebAuthn calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    id: String,
    origins: Vec<String>,
}

/// Why there is no such relying party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// The id is no domain.
    Id,
    /// An origin is none, or there are too many.
    Origin,
}

impl RelyingParty {
    /// `id` is a domain (`example.com`); passkeys hold for it and what is below. `origins` are those of pages
    /// (`https://app.example.com`, `http://localhost:5173`) and of Android's apps (`android:apk-key-hash:…`); without any
    /// it is the domain's own.
    ///
    /// # Errors
    /// One of them cannot be.
    pub fn new(id: &str, origins: &[String]) -> Result<Self, Unusable> {
        if !is_domain(id) {
            return Err(Unusable::Id);
        }
        if origins.len() > MOST_ORIGINS {
            return Err(Unusable::Origin);
        }
        let origins = match origins {
            [] => vec![format!("https://{id}")],
            given => given.iter().map(|text| origin(text).ok_or(Unusable::Origin)).collect::<Result<_, _>>()?,
        };
        Ok(Self { id: id.to_owned(), origins })
    }

    /// The domain.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Who may ask, as clients write it.
    pub fn origins(&self) -> &[String] {
        &self.origins
    }
}

/// Labels of lower-case letters, digits and hyphens, as browsers compare them; an address is none.
fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(fits) && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_address = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    text.len() <= LONGEST_ID && text.split('.').all(label) && !is_address
}

/// An origin as clients write it.
fn origin(text: &str) -> Option<String> {
    if text.len() > LONGEST_ORIGIN {
        return None;
    }
    if let Some(hash) = text.strip_prefix(ANDROID) {
        let is_hash = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        return (!hash.is_empty() && hash.bytes().all(is_hash)).then(|| text.to_owned());
    }
    let text = text.strip_suffix('/').unwrap_or(text);
    let (scheme, authority) = text.split_once("://")?;
    let (host, port) = match authority.split_once(':') {
        None => (authority, None),
        Some((host, port)) => (host, Some(port.parse::<u16>().ok().filter(|number| number.to_string() == port)?)),
    };
    // A browser leaves out the port that everyone knows.
    let fits = match scheme {
        "https" => port != Some(443),
        "http" => port != Some(80) && (host == LOCALHOST || host.ends_with(".localhost")),
        _ => false,
    };
    (fits && is_domain(host)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_domains() {
        for (id, expected) in [
            ("example.com", true),
            ("localhost", true),
            ("a-b.example.co.uk", true),
            ("xn--bcher-kva.example", true),
            ("Example.com", false),
            ("https://example.com", false),
            ("example.com:443", false),
            ("example.com/", false),
            (".example.com", false),
            ("example..com", false),
            ("-a.com", false),
            ("127.0.0.1", false),
            ("[::1]", false),
            ("bücher.example", false),
            ("", false),
        ] {
            assert_eq!(RelyingParty::new(id, &[]).is_ok(), expected, "{id}");
        }
        let long = ["a"; 128].join(".");
        assert_eq!(RelyingParty::new(&long, &[]), Err(Unusable::Id));
        assert_eq!(RelyingParty::new("a.b", &[]).unwrap().origins(), ["https://a.b"]);
    }

    #[test]
    fn origins_are_as_clients_write_them() {
        for (origin, expected) in [
            ("https://example.com", Some("https://example.com")),
            ("https://app.example.com:8443", Some("https://app.example.com:8443")),
            ("https://example.com/", Some("https://example.com")),
            ("http://localhost:5173", Some("http://localhost:5173")),
            ("http://localhost", Some("http://localhost")),
            ("http://app.localhost:1", Some("http://app.localhost:1")),
            ("android:apk-key-hash:a-B_9", Some("android:apk-key-hash:a-B_9")),
            ("android:apk-key-hash:", None),
            ("http://example.com", None),
            ("http://127.0.0.1:5173", None),
            ("https://example.com:443", None),
            ("https://example.com:0443", None),
            ("https://example.com:", None),
            ("https://example.com:x", None),
            ("https://example.com/x", None),
            ("https://example.com?x", None),
            ("https://a@example.com", None),
            ("https://Example.com", None),
            ("https://*.example.com", None),
            ("example.com", None),
            ("ftp://example.com", None),
            ("null", None),
            ("", None),
        ] {
            let made = RelyingParty::new("example.com", &[origin.to_owned()]);
            let found = made.as_ref().ok().and_then(|party| party.origins().first());
            assert_eq!(found.map(String::as_str), expected, "{origin}");
        }
        let many = vec!["https://a.b".to_owned(); MOST_ORIGINS + 1];
        assert_eq!(RelyingParty::new("a.b", &many), Err(Unusable::Origin));
    }
}
