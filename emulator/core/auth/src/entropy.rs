//! What is drawn at random: account ids and opaque refresh tokens. Must not know: where the random bytes come from.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A source of random bytes.
pub trait Entropy {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Length of an account's id, as Firebase draws them.
const LOCAL_ID: usize = 28;
/// Bytes of an opaque refresh token.
const REFRESH_TOKEN: usize = 32;

/// 28 characters of A-Z, a-z, 0-9.
pub fn local_id(entropy: &dyn Entropy) -> String {
    // The largest multiple of 62 in a byte; what lies above would make some characters likelier.
    const FAIR: u8 = 248;
    let mut id = String::with_capacity(LOCAL_ID);
    let mut bytes = [0; LOCAL_ID];
    while id.len() < LOCAL_ID {
        entropy.fill(&mut bytes);
        let fair = bytes.iter().filter(|byte| **byte < FAIR);
        let letters = fair.filter_map(|byte| ALPHABET.get(usize::from(byte % 62)).copied().map(char::from));
        id.extend(letters.take(LOCAL_ID - id.len()));
    }
    id
}

/// 256 random bits in base64url.
pub fn opaque_token(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; REFRESH_TOKEN];
    entropy.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Counting;

    #[test]
    fn ids_have_firebases_form() {
        let entropy = Counting::default();
        let (one, two) = (local_id(&entropy), local_id(&entropy));
        assert!(one.len() == 28 && one.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{one}");
        assert_ne!(one, two);
    }

    #[test]
    fn opaque_tokens_are_256_bits_of_base64url() {
        let entropy = Counting::default();
        let (one, two) = (opaque_token(&entropy), opaque_token(&entropy));
        assert_eq!(URL_SAFE_NO_PAD.decode(&one).map(|bytes| bytes.len()), Ok(32));
        assert_ne!(one, two);
    }
}
