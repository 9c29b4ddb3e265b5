//! A certificate that a key gives itself, the form in which Google publishes public keys to Admin SDKs (X.509, RFC
//! 5280). Nobody checks more of it than the key. Must not know: whose key it is.

use super::der::{bits, element, elements, sequence, unsigned};
use super::keys::VerifyingKey;
use crate::Millis;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Datelike, Utc};

/// `sha256WithRSAEncryption`, with its absent parameters.
const SHA256_WITH_RSA: [u8; 13] = [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11, 0x05, 0];
/// `rsaEncryption`, with its absent parameters.
const RSA: [u8; 13] = [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0];
/// `commonName`.
const COMMON_NAME: [u8; 5] = [0x06, 3, 0x55, 4, 3];
/// `basicConstraints`, critical: no authority.
const NO_AUTHORITY: [u8; 14] = [0x30, 12, 0x06, 3, 0x55, 0x1d, 0x13, 0x01, 1, 0xff, 0x04, 2, 0x30, 0];
/// `keyUsage`, critical: signatures.
const SIGNS: [u8; 16] = [0x30, 14, 0x06, 3, 0x55, 0x1d, 0x0f, 0x01, 1, 0xff, 0x04, 4, 0x03, 2, 7, 0x80];
/// Bytes to a line of base64.
const LINE: usize = 48;

/// Whom a certificate names, and when it is valid.
pub(super) struct Subject<'a> {
    pub(super) common_name: &'a str,
    pub(super) from: Millis,
    pub(super) until: Millis,
}

/// The certificate as PEM; `sign` makes an RS256 signature.
pub(super) fn pem<E>(
    key: &VerifyingKey,
    subject: &Subject<'_>,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<String, E> {
    let algorithm = element(0x30, &SHA256_WITH_RSA);
    let common_name = sequence(&[COMMON_NAME.to_vec(), element(0x0c, subject.common_name.as_bytes())]);
    let name = sequence(&[elements(0x31, &[common_name])]);
    // Any number will do that another key's certificate has not.
    let serial: Vec<u8> = key.modulus().iter().rev().take(8).copied().collect();
    let body = sequence(&[
        elements(0xa0, &[unsigned(&[2])]),
        unsigned(&serial),
        algorithm.clone(),
        name.clone(),
        sequence(&[time(subject.from), time(subject.until)]),
        name,
        public_key_info(key),
        elements(0xa3, &[sequence(&[NO_AUTHORITY.to_vec(), SIGNS.to_vec()])]),
    ]);
    let signature = sign(&body)?;
    Ok(armour("CERTIFICATE", &sequence(&[body, algorithm, bits(&signature)])))
}

/// Bytes as PEM (RFC 7468).
pub fn armour(label: &str, bytes: &[u8]) -> String {
    let lines: String = bytes.chunks(LINE).map(|line| STANDARD.encode(line) + "\n").collect();
    format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n")
}

fn public_key_info(key: &VerifyingKey) -> Vec<u8> {
    let numbers = sequence(&[unsigned(key.modulus()), unsigned(key.exponent())]);
    sequence(&[element(0x30, &RSA), bits(&numbers)])
}

/// Until 2049 the year has two digits.
fn time(at: Millis) -> Vec<u8> {
    let at = i64::try_from(at).ok().and_then(DateTime::<Utc>::from_timestamp_millis).unwrap_or(DateTime::UNIX_EPOCH);
    if at.year() < 2050 {
        element(0x17, at.format("%y%m%d%H%M%SZ").to_string().as_bytes())
    } else {
        element(0x18, at.format("%Y%m%d%H%M%SZ").to_string().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_form_of_their_century() {
        assert_eq!(time(1_893_456_000_000), [&[0x17, 13][..], b"300101000000Z"].concat());
        assert_eq!(time(2_524_608_000_000), [&[0x18, 15][..], b"20500101000000Z"].concat());
    }

    #[test]
    fn armour_has_lines_of_64_characters() {
        let text = armour("X", &[0; 50]);
        assert_eq!(text, format!("-----BEGIN X-----\n{}\nAAA=\n-----END X-----\n", "A".repeat(64)));
    }
}
