//! RS256: the key that signs ID tokens and verifies them. Must not know: where it comes from.

use super::Refused;
use super::compact::{Compact, signing_input};
use crate::errors::Error;
use jsonwebtoken::crypto::{sign, verify};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::{Map, Value};
use std::fmt;

/// The key that signs and verifies. A token names it by its id, which is compared and nothing else.
pub struct Keys {
    id: String,
    header: String,
    signing: EncodingKey,
    verifying: DecodingKey,
}

/// A key's id is not one that can be named in a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signing key's id {0:?} is not made of letters and digits")]
pub struct UnusableKey(String);

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Keys").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Keys {
    /// `private` and `public` are an RSA key pair's halves as PKCS#1 DER.
    ///
    /// # Errors
    /// The id is not made of letters and digits.
    pub fn new(id: &str, private: &[u8], public: &[u8]) -> Result<Self, UnusableKey> {
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(UnusableKey(id.to_owned()));
        }
        Ok(Self {
            id: id.to_owned(),
            header: format!(r#"{{"alg":"RS256","kid":"{id}","typ":"JWT"}}"#),
            signing: EncodingKey::from_rsa_der(private),
            verifying: DecodingKey::from_rsa_der(public),
        })
    }

    pub(super) fn sign(&self, claims: &Map<String, Value>) -> Result<String, Error> {
        let mut token = signing_input(&self.header, claims);
        let signature = sign(token.as_bytes(), &self.signing, Algorithm::RS256);
        let signature = signature.map_err(|error| Error::Signing(error.to_string()))?;
        token.push('.');
        token.push_str(&signature);
        Ok(token)
    }

    pub(super) fn verify(&self, token: &Compact<'_>) -> Result<(), Refused> {
        if token.algorithm() != Some("RS256") || token.key_id() != Some(&self.id) {
            return Err(Refused::Signature);
        }
        match verify(token.signature, token.signed.as_bytes(), &self.verifying, Algorithm::RS256) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Refused::Signature),
        }
    }
}
