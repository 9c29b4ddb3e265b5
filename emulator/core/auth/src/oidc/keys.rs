//! An issuer's public keys: a JSON Web Key Set, read for RS256 and ES256. Must not know: where it comes from.
//!
//! A key says by its type what it verifies; a token's header only has to agree. So a public key is never taken for a
//! secret, and "none" is no algorithm (RFC 8725, sections 3.1 and 3.2).

use super::Endpoints;
use crate::token::Compact;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// Issuers have a handful; of more than this the rest is not looked at.
const MOST_KEYS: usize = 64;
/// Bytes of a coordinate of P-256.
const COORDINATE: usize = 32;
/// A point follows in full (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// The keys of an issuer at one time, and where it can be asked for more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderKeys {
    keys: Vec<ProviderKey>,
    endpoints: Endpoints,
}

/// It is no JSON Web Key Set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is no JSON Web Key Set")]
pub struct UnusableKeys;

#[derive(Clone, Debug, PartialEq, Eq)]
struct ProviderKey {
    id: Option<String>,
    material: Material,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    /// Modulus and exponent.
    Rsa(Vec<u8>, Vec<u8>),
    /// A point.
    P256(Vec<u8>),
}

impl ProviderKeys {
    /// Reads a set. Keys for something else, of an unknown kind, or damaged are left out: another one may still do.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(json: &[u8]) -> Result<Self, UnusableKeys> {
        let set: Value = serde_json::from_slice(json).map_err(|_| UnusableKeys)?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or(UnusableKeys)?;
        let keys = keys.iter().take(MOST_KEYS).filter_map(Value::as_object);
        Ok(Self { keys: keys.filter_map(ProviderKey::read).collect(), endpoints: Endpoints::default() })
    }

    /// The same, with what the issuer's description says besides.
    #[must_use]
    pub fn with(self, endpoints: Endpoints) -> Self {
        Self { endpoints, ..self }
    }

    /// Where the issuer signs users in.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Whether there is a key that a token may mean by this id, or without one.
    pub fn have(&self, id: Option<&str>) -> bool {
        id.is_none() || self.keys.iter().any(|key| key.id.as_deref() == id)
    }

    /// Whether the key that a token names has signed it. A token may name none where there is only one (OpenID Connect
    /// Core 1.0, section 10.1).
    pub(super) fn have_signed(&self, token: &Compact<'_>) -> bool {
        let mut fitting = self.keys.iter().filter(|key| Some(key.material.algorithm()) == token.algorithm());
        let key = match token.key_id() {
            Some(id) => fitting.find(|key| key.id.as_deref() == Some(id)),
            None => fitting.next().filter(|_| fitting.next().is_none()),
        };
        let signature = URL_SAFE_NO_PAD.decode(token.signature);
        key.zip(signature.ok()).is_some_and(|(key, signature)| key.material.verifies(token.signed, &signature))
    }
}

impl ProviderKey {
    fn read(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let number = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?.trim_end_matches('=')).ok();
        let material = match text("kty")? {
            "RSA" => Material::Rsa(number("n")?, number("e")?),
            "EC" if text("crv") == Some("P-256") => {
                let [x, y] = [number("x")?, number("y")?];
                if x.len() != COORDINATE || y.len() != COORDINATE {
                    return None;
                }
                Material::P256([&[UNCOMPRESSED], x.as_slice(), y.as_slice()].concat())
            }
            _ => return None,
        };
        let is_for_this = text("use").is_none_or(|purpose| purpose == "sig")
            && text("alg").is_none_or(|algorithm| algorithm == material.algorithm());
        is_for_this.then(|| Self { id: text("kid").map(str::to_owned), material })
    }
}

impl Material {
    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(..) => "RS256",
            Self::P256(_) => "ES256",
        }
    }

    fn verifies(&self, signed: &str, signature: &[u8]) -> bool {
        let verified = match self {
            Self::Rsa(n, e) => {
                PublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), signature)
            }
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed.as_bytes(), signature)
            }
        };
        verified.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_for_something_else_are_left_out() {
        let point = URL_SAFE_NO_PAD.encode([7; 32]);
        for (key, expected) in [
            (json!({"kty": "RSA", "kid": "k", "n": "AQAB", "e": "AQAB"}), true),
            (json!({"kty": "RSA", "kid": "k", "n": "AQAB", "e": "AQAB", "use": "sig", "alg": "RS256"}), true),
            (json!({"kty": "RSA", "kid": "k", "n": "AQAB", "e": "AQAB", "use": "enc"}), false),
            (json!({"kty": "RSA", "kid": "k", "n": "AQAB", "e": "AQAB", "alg": "RS512"}), false),
            (json!({"kty": "RSA", "kid": "k", "n": "?", "e": "AQAB"}), false),
            (json!({"kty": "RSA", "kid": "k", "n": "AQAB"}), false),
            (json!({"kty": "EC", "crv": "P-256", "kid": "k", "x": point, "y": point}), true),
            (json!({"kty": "EC", "crv": "P-256", "kid": "k", "x": point, "y": "AQAB"}), false),
            (json!({"kty": "EC", "crv": "P-384", "kid": "k", "x": point, "y": point}), false),
            (json!({"kty": "oct", "kid": "k", "k": "c2VjcmV0", "alg": "HS256"}), false),
            (json!({"kid": "k"}), false),
            (json!("k"), false),
        ] {
            let set = json!({"keys": [key]}).to_string();
            assert_eq!(ProviderKeys::parse(set.as_bytes()).unwrap().have(Some("k")), expected, "{set}");
        }
        for text in ["", "[]", "{}", r#"{"keys": {}}"#] {
            assert_eq!(ProviderKeys::parse(text.as_bytes()), Err(UnusableKeys), "{text}");
        }
        let many = json!({"keys": vec![json!({"kty": "RSA", "kid": "k", "n": "AQAB", "e": "AQAB"}); 1000]}).to_string();
        assert_eq!(ProviderKeys::parse(many.as_bytes()).unwrap().keys.len(), MOST_KEYS);
    }
}
