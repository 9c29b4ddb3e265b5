//! RSA key pairs: made, read, and used to sign. Must not know: what is signed.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use hearth_auth::token::{Signer, UnusableKey, VerifyingKey};
use sha2::{Digest, Sha256};

/// What comes before the RSA key in the PKCS#8 form of one, from the version on: `INTEGER 0`, the algorithm
/// `rsaEncryption`, and the tag and length-of-length of the octets that are the key (RFC 5208, RFC 8017).
const PKCS8_PREFIX: [u8; 20] =
    [0x02, 1, 0, 0x30, 13, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0, 0x04, 0x82];
/// Tag and three bytes of length before the prefix, as any key of 2048 bits and more has them.
const PKCS8_START: usize = 4;
/// Bytes of the key's own length after the prefix.
const KEY_LENGTH: usize = 2;

/// A key pair, parsed once: that takes as long as a signature.
pub(super) struct Pair(KeyPair);

/// A new key pair of 2048 bits as PKCS#8.
pub(super) fn generate() -> Option<Vec<u8>> {
    let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    Some(pkcs8.as_ref().to_vec())
}

/// The PKCS#1 form of what [`generate`] makes.
pub(super) fn pkcs1(pkcs8: &[u8]) -> Option<&[u8]> {
    pkcs8.get(PKCS8_START..)?.strip_prefix(&PKCS8_PREFIX)?.get(KEY_LENGTH..)
}

impl Pair {
    /// `pkcs1` is a key pair as PKCS#1.
    pub(super) fn read(pkcs1: &[u8]) -> Option<Self> {
        KeyPair::from_der(pkcs1).ok().map(Self)
    }

    /// The public half as PKCS#1.
    pub(super) fn public(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    /// The id that the public half makes: 40 hexadecimal digits, as Google's have.
    pub(super) fn id(&self) -> String {
        Sha256::digest(self.public()).iter().take(20).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The public half, under its id.
    ///
    /// # Errors
    /// The key is too short or too long.
    pub(super) fn verifying(&self) -> Result<VerifyingKey, UnusableKey> {
        VerifyingKey::new(&self.id(), self.public())
    }
}

impl Signer for Pair {
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, String> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        let signed = self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input, &mut signature);
        signed.map(|()| signature).map_err(|_| "the RSA key cannot sign".to_owned())
    }
}
