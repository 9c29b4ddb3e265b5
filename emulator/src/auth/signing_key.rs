//! The RSA key that signs ID tokens in self-host mode: made once, kept in the accounts' file. Must not know: tokens.

use super::service::OpenError;
use crate::clock::Millis;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use hearth_auth::token::Keys;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

/// What comes before the RSA key in the PKCS#8 form of one, from the version on: `INTEGER 0`, the algorithm
/// `rsaEncryption`, and the tag and length-of-length of the octets that are the key (RFC 5208, RFC 8017).
const PKCS8_PREFIX: [u8; 20] =
    [0x02, 1, 0, 0x30, 13, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0, 0x04, 0x82];
/// Tag and three bytes of length before the prefix, as any key of 2048 bits and more has them.
const PKCS8_START: usize = 4;
/// Bytes of the key's own length after the prefix.
const KEY_LENGTH: usize = 2;

/// The newest key of the file; the first time, a new one.
pub(super) fn load(file: &Connection, now: Millis) -> Result<Keys, OpenError> {
    let newest = "SELECT pkcs1 FROM signing_key ORDER BY created_at DESC LIMIT 1";
    let kept: Option<Vec<u8>> =
        file.query_row(newest, [], |row| row.get(0)).optional().map_err(OpenError::SigningKey)?;
    let private = match &kept {
        Some(private) => private.clone(),
        None => generate().ok_or(OpenError::NoKey)?,
    };
    let pair = KeyPair::from_der(&private).map_err(|_| OpenError::UnreadableKey)?;
    let public = pair.public_key().as_ref();
    // As Google's: 40 hexadecimal digits.
    let id: String = Sha256::digest(public).iter().take(20).map(|byte| format!("{byte:02x}")).collect();
    if kept.is_none() {
        let created = i64::try_from(now).unwrap_or(i64::MAX);
        file.execute("INSERT INTO signing_key VALUES (?1, ?2, ?3)", params![id, created, private])
            .map_err(OpenError::SigningKey)?;
    }
    Keys::new(&id, &private, public).map_err(|_| OpenError::UnreadableKey)
}

/// A new key of 2048 bits as PKCS#1.
fn generate() -> Option<Vec<u8>> {
    let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    let key = pkcs8.as_ref().get(PKCS8_START..)?.strip_prefix(&PKCS8_PREFIX)?.get(KEY_LENGTH..)?;
    Some(key.to_vec())
}
