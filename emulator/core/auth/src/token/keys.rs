//! RS256: the keys that sign tokens and verify them. Must not know: where they come from, nor when they change.

use super::certificate::{self, Subject};
use super::compact::{Compact, signing_input};
use super::{Refused, der};
use crate::Millis;
use crate::errors::Error;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Whose certificate it is, as Google writes it.
const COMMON_NAME: &str = "securetoken.system.gserviceaccount.com";

/// Bytes of a modulus: 2048 to 8192 bits.
const SIZES: RangeInclusive<usize> = 256..=1024;
/// A certificate is valid for so long: longer than any key is used, a server's long sleep aside. (No client asks.)
const CERTIFIED_FOR: Millis = 90 * 24 * 60 * 60 * 1000;

/// The private half of a key, wherever it is kept.
pub trait Signer: Send + Sync {
    /// The RS256 signature (RSASSA-PKCS1-v1_5 with SHA-256) of `input`.
    ///
    /// # Errors
    /// The key cannot sign; why, for the log.
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, String>;
}

/// A key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableKey {
    /// Its id cannot be named in a header.
    #[error("the key's id {0:?} is not made of letters and digits")]
    Id(String),
    /// It is no RSA key of 2048 to 8192 bits.
    #[error("the key is no RSA key of 2048 to 8192 bits")]
    Form,
}

/// The public half of a key. A token names it by its id, which is compared and nothing else.
pub struct VerifyingKey {
    id: String,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    key: ParsedPublicKey,
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("VerifyingKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl VerifyingKey {
    /// `public` is an RSA public key as PKCS#1 DER.
    ///
    /// # Errors
    /// See [`UnusableKey`].
    pub fn new(id: &str, public: &[u8]) -> Result<Self, UnusableKey> {
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(UnusableKey::Id(id.to_owned()));
        }
        let (modulus, exponent) = der::rsa_public_key(public).ok_or(UnusableKey::Form)?;
        if !SIZES.contains(&modulus.len()) {
            return Err(UnusableKey::Form);
        }
        let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public).map_err(|_| UnusableKey::Form)?;
        Ok(Self { id: id.to_owned(), modulus: modulus.to_vec(), exponent: exponent.to_vec(), key })
    }

    /// The id.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    pub(super) fn exponent(&self) -> &[u8] {
        &self.exponent
    }

    /// Whatever algorithm the token names, this one is meant: it has to be the one named, too.
    pub(super) fn verify(&self, token: &Compact<'_>) -> Result<(), Refused> {
        if token.key_id() == Some(&self.id) { self.has_signed(token) } else { Err(Refused::Signature) }
    }

    /// [`VerifyingKey::verify`] of a token that need not name the key.
    pub(super) fn has_signed(&self, token: &Compact<'_>) -> Result<(), Refused> {
        if token.algorithm() != Some("RS256") {
            return Err(Refused::Signature);
        }
        let signature = URL_SAFE_NO_PAD.decode(token.signature).map_err(|_| Refused::Signature)?;
        self.key.verify_sig(token.signed.as_bytes(), &signature).map_err(|_| Refused::Signature)
    }

    fn jwk(&self) -> Value {
        let [modulus, exponent] = [&self.modulus, &self.exponent].map(|number| URL_SAFE_NO_PAD.encode(number));
        json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id, "n": modulus, "e": exponent})
    }
}

/// A key that signs.
pub struct Key {
    verifying: VerifyingKey,
    header: String,
    created_at: Millis,
    signer: Box<dyn Signer>,
    has_signed: AtomicBool,
    certificate: OnceLock<String>,
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Key").field("id", &self.verifying.id).finish_non_exhaustive()
    }
}

impl Key {
    /// `signer` is the private half of `verifying`.
    pub fn new(verifying: VerifyingKey, created_at: Millis, signer: Box<dyn Signer>) -> Self {
        let header = format!(r#"{{"alg":"RS256","kid":"{}","typ":"JWT"}}"#, verifying.id);
        Self { verifying, header, created_at, signer, has_signed: AtomicBool::new(false), certificate: OnceLock::new() }
    }

    /// The public half.
    pub fn verifying(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// When it was made.
    pub fn created_at(&self) -> Millis {
        self.created_at
    }

    /// Whether a token has been signed.
    pub fn has_signed(&self) -> bool {
        self.has_signed.load(Ordering::Relaxed)
    }

    /// Says that a token has been signed, in an earlier life.
    pub fn mark_signed(&self) {
        self.has_signed.store(true, Ordering::Relaxed);
    }

    /// The token with these claims.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn sign(&self, claims: &Map<String, Value>) -> Result<String, Error> {
        self.mark_signed();
        let mut token = signing_input(&self.header, claims);
        let signature = self.signer.sign(token.as_bytes()).map_err(Error::Signing)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn certificate(&self) -> Result<&str, Error> {
        if let Some(made) = self.certificate.get() {
            return Ok(made);
        }
        let until = self.created_at.saturating_add(CERTIFIED_FOR);
        let subject = Subject { common_name: COMMON_NAME, from: self.created_at, until };
        let pem = certificate::pem(&self.verifying, &subject, |body| self.signer.sign(body)).map_err(Error::Signing)?;
        Ok(self.certificate.get_or_init(|| pem))
    }
}

/// The keys of one purpose at one time: one signs, all verify.
#[derive(Debug)]
pub struct KeyRing {
    keys: Vec<Arc<Key>>,
    signing: usize,
}

impl KeyRing {
    /// `signing` is the place of the one that signs; if there is none, nothing can be signed.
    pub fn new(keys: Vec<Arc<Key>>, signing: usize) -> Self {
        Self { keys, signing }
    }

    /// All of them.
    pub fn keys(&self) -> &[Arc<Key>] {
        &self.keys
    }

    /// The one that signs.
    pub fn signing(&self) -> Option<&Arc<Key>> {
        self.keys.get(self.signing)
    }

    pub(super) fn sign(&self, claims: &Map<String, Value>) -> Result<String, Error> {
        self.signing().ok_or_else(|| Error::Signing("there is no key".to_owned()))?.sign(claims)
    }

    pub(super) fn verify(&self, token: &Compact<'_>) -> Result<(), Refused> {
        let named = self.keys.iter().find(|key| token.key_id() == Some(key.verifying.id()));
        named.ok_or(Refused::Signature)?.verifying.verify(token)
    }

    /// `{"keys": [{"kty": "RSA", "kid", "n", "e", …}]}` (RFC 7517).
    pub(super) fn jwks(&self) -> Value {
        json!({"keys": self.keys.iter().map(|key| key.verifying.jwk()).collect::<Vec<_>>()})
    }

    /// `{"<key id>": "<certificate>"}`.
    pub(super) fn certificates(&self) -> Result<Value, Error> {
        let mut certificates = Map::new();
        for key in &self.keys {
            certificates.insert(key.verifying.id.clone(), key.certificate()?.into());
        }
        Ok(Value::Object(certificates))
    }
}
