//! The compact form of a JSON Web Token: three parts in base64url (RFC 7515, RFC 7519). Must not know: what a token is
//! accepted for.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// A token taken apart; nothing about it is verified.
pub(crate) struct Compact<'t> {
    /// The header.
    pub(crate) header: Map<String, Value>,
    /// The claims.
    pub(crate) claims: Map<String, Value>,
    /// What a signature covers.
    pub(crate) signed: &'t str,
    /// The signature, in base64url.
    pub(crate) signature: &'t str,
}

impl<'t> Compact<'t> {
    /// `None` unless there are three parts, the first two of them JSON objects.
    pub(crate) fn parse(token: &'t str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        Some(Self { header: object(header)?, claims: object(claims)?, signed, signature })
    }

    /// What the header says of the algorithm.
    pub(crate) fn algorithm(&self) -> Option<&str> {
        self.header.get("alg")?.as_str()
    }

    /// What the header says of the key.
    pub(crate) fn key_id(&self) -> Option<&str> {
        self.header.get("kid")?.as_str()
    }
}

/// A token without a signature; it ends with a dot.
pub(super) fn unsigned(claims: &Map<String, Value>) -> String {
    format!("{}.", signing_input(r#"{"alg":"none","typ":"JWT"}"#, claims))
}

/// Header and claims, as a signature covers them.
pub(super) fn signing_input(header: &str, claims: &Map<String, Value>) -> String {
    let mut input = URL_SAFE_NO_PAD.encode(header);
    input.push('.');
    // `Value`'s own rendering: a map with text keys cannot fail to become JSON.
    URL_SAFE_NO_PAD.encode_string(Value::Object(claims.clone()).to_string(), &mut input);
    input
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
