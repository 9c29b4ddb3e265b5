//! What the browser or the app says of a ceremony (WebAuthn, section 5.8.1): which, by which challenge, from where. Must
//! not know: what is expected.

use super::Refused;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ceremony {
    /// A passkey was made.
    Registration,
    /// A passkey was shown.
    Authentication,
}

impl Ceremony {
    fn name(self) -> &'static str {
        match self {
            Self::Registration => "webauthn.create",
            Self::Authentication => "webauthn.get",
        }
    }
}

/// What the client says. Of a field that comes twice nobody knows which one counts: that cannot be read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClientData {
    #[serde(rename = "type")]
    ceremony: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
}

impl ClientData {
    /// Reads it.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn read(json: &[u8]) -> Result<Self, Refused> {
        serde_json::from_slice(json).map_err(|_| Refused::ClientData)
    }

    /// The challenge, of whoever made it, if the rest is as expected.
    ///
    /// # Errors
    /// It is of another ceremony, from elsewhere, or from inside a page from elsewhere.
    pub(super) fn challenge(&self, ceremony: Ceremony, origins: &[String]) -> Result<Vec<u8>, Refused> {
        if self.ceremony != ceremony.name() {
            return Err(Refused::Ceremony);
        }
        if !origins.contains(&self.origin) {
            return Err(Refused::Origin);
        }
        if self.cross_origin {
            return Err(Refused::CrossOrigin);
        }
        URL_SAFE_NO_PAD.decode(&self.challenge).map_err(|_| Refused::ClientData)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn it_is_of_this_ceremony_and_from_here() {
        let origins = ["https://a.b".to_owned(), "android:apk-key-hash:x".to_owned()];
        let good = json!({"type": "webauthn.get", "challenge": "AQI", "origin": "https://a.b"});
        let with = |field: &str, value: Value| {
            let mut changed = good.clone();
            changed[field] = value;
            changed.to_string()
        };
        let twice = good.to_string().replace('{', r#"{"origin":"https://c.d","#);
        for (text, expected) in [
            (good.to_string(), Ok(vec![1, 2])),
            (with("crossOrigin", json!(false)), Ok(vec![1, 2])),
            (with("origin", json!("android:apk-key-hash:x")), Ok(vec![1, 2])),
            (with("other", json!({"a": [1]})), Ok(vec![1, 2])),
            (with("type", json!("webauthn.create")), Err(Refused::Ceremony)),
            (with("type", json!("payment.get")), Err(Refused::Ceremony)),
            (with("origin", json!("https://a.b.c")), Err(Refused::Origin)),
            (with("origin", json!("http://a.b")), Err(Refused::Origin)),
            (with("origin", json!("https://a.b:1")), Err(Refused::Origin)),
            (with("origin", json!("https://a.b/")), Err(Refused::Origin)),
            (with("origin", json!("null")), Err(Refused::Origin)),
            (with("crossOrigin", json!(true)), Err(Refused::CrossOrigin)),
            (with("crossOrigin", json!("false")), Err(Refused::ClientData)),
            (with("challenge", json!("A+/=")), Err(Refused::ClientData)),
            (with("challenge", json!(1)), Err(Refused::ClientData)),
            (twice, Err(Refused::ClientData)),
            ("{}".to_owned(), Err(Refused::ClientData)),
            ("[".repeat(1_000_000), Err(Refused::ClientData)),
            (String::new(), Err(Refused::ClientData)),
        ] {
            let found =
                ClientData::read(text.as_bytes()).and_then(|said| said.challenge(Ceremony::Authentication, &origins));
            assert_eq!(found, expected, "{}", text.get(..text.len().min(200)).unwrap());
        }
    }
}
