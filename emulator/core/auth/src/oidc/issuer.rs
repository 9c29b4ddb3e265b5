//! Who issues ID tokens, and from where its keys may be fetched. Must not know: how they are fetched.

use crate::uri::Uri;
use serde_json::Value;

/// The longest URL, in bytes.
const LONGEST: usize = 2048;
/// Where an issuer describes itself (OpenID Connect Discovery 1.0, section 4).
const DISCOVERY: &str = "/.well-known/openid-configuration";
/// This machine, by the names that no resolver is asked for.
const THIS_MACHINE: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// An issuer: an `https` URL without query and fragment. One on this machine may do with `http`, since nobody is on the
/// way to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Issuer(String);

impl Issuer {
    /// `None` unless it can be one.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = is_fetchable(text, true) && !text.contains(['?', '#']);
        fits.then(|| Self(text.to_owned()))
    }

    /// As tokens name it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it describes itself.
    pub fn discovery_url(&self) -> String {
        format!("{}{DISCOVERY}", self.0.trim_end_matches('/'))
    }

    /// Where its keys are, as its description says. An issuer out there leads to `https` only, so that it cannot have
    /// this machine's own services asked.
    pub fn keys_url(&self, description: &[u8]) -> Option<String> {
        let description: Value = serde_json::from_slice(description).ok()?;
        let text = |name: &str| description.get(name).and_then(Value::as_str);
        // Whoever describes another issuer is not the one that was asked for.
        let url = text("jwks_uri").filter(|_| text("issuer") == Some(&self.0))?;
        self.may_lead_to(url).then(|| url.to_owned())
    }

    /// Whether what the issuer says may have this asked.
    pub(super) fn may_lead_to(&self, url: &str) -> bool {
        is_fetchable(url, self.0.starts_with("http://"))
    }
}

/// Whether a URL can be fetched without anybody listening.
fn is_fetchable(url: &str, or_here: bool) -> bool {
    let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\@\"<>".contains(&byte));
    if url.len() > LONGEST || !is_plain {
        return false;
    }
    let Some(uri) = Uri::parse(url) else { return false };
    url.starts_with("https://") || or_here && url.starts_with("http://") && THIS_MACHINE.contains(&uri.host())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_reached_unheard() {
        for (text, expected) in [
            ("https://accounts.google.com", true),
            ("https://a.b/realms/c/", true),
            ("http://127.0.0.1:8080/realm", true),
            ("http://[::1]:8080", true),
            ("http://localhost:1", true),
            ("http://a.b", false),
            ("http://127.0.0.1.a.b", false),
            ("http://localhost.a.b", false),
            ("http://127.0.0.1@a.b", false),
            ("http://a.b\\@127.0.0.1", false),
            ("HTTPS://a.b", false),
            ("https://a.b?c", false),
            ("https://a.b#c", false),
            ("https://", false),
            ("https://a b", false),
            ("https://a.b/\n", false),
            ("ftp://a.b", false),
            ("a.b", false),
            ("", false),
        ] {
            assert_eq!(Issuer::parse(text).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn an_issuer_says_where_its_keys_are() {
        let out_there = "https://a.b/c/";
        let here = "http://127.0.0.1:1";
        for (issuer, description, expected) in [
            (out_there, r#"{"issuer":"https://a.b/c/","jwks_uri":"https://d.e/k"}"#, Some("https://d.e/k")),
            (out_there, r#"{"issuer":"https://a.b/c","jwks_uri":"https://d.e/k"}"#, None),
            (out_there, r#"{"issuer":"https://a.b/c/","jwks_uri":"http://d.e/k"}"#, None),
            (out_there, r#"{"issuer":"https://a.b/c/","jwks_uri":"http://127.0.0.1/k"}"#, None),
            (out_there, r#"{"issuer":"https://a.b/c/","jwks_uri":"file:///etc/passwd"}"#, None),
            (out_there, r#"{"issuer":"https://a.b/c/"}"#, None),
            (out_there, "[]", None),
            (out_there, "<html>", None),
            (
                here,
                r#"{"issuer":"http://127.0.0.1:1","jwks_uri":"http://localhost:2/k"}"#,
                Some("http://localhost:2/k"),
            ),
            (here, r#"{"issuer":"http://127.0.0.1:1","jwks_uri":"http://d.e/k"}"#, None),
        ] {
            let issuer = Issuer::parse(issuer).unwrap();
            assert_eq!(issuer.keys_url(description.as_bytes()).as_deref(), expected, "{description}");
        }
        let url = |issuer: &str| Issuer::parse(issuer).unwrap().discovery_url();
        assert_eq!(url(out_there), "https://a.b/c/.well-known/openid-configuration");
        assert_eq!(url("https://a.b"), "https://a.b/.well-known/openid-configuration");
    }
}
