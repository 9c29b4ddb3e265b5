//! What is drawn at random: account ids, and whatever fills bytes. Must not know: where the random bytes come from.

/// A source of random bytes.
pub trait Entropy {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Length of an account's id, as Firebase draws them.
const LOCAL_ID: usize = 28;

/// 28 characters of A-Z, a-z, 0-9.
pub fn local_id(entropy: &dyn Entropy) -> String {
    alphanumeric(entropy, LOCAL_ID)
}

/// Characters of A-Z, a-z, 0-9.
pub fn alphanumeric(entropy: &dyn Entropy, length: usize) -> String {
    draw(entropy, ALPHABET, length)
}

/// Characters of base64url.
pub fn base64url(entropy: &dyn Entropy, length: usize) -> String {
    draw(entropy, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", length)
}

/// Decimal digits.
pub fn digits(entropy: &dyn Entropy, length: usize) -> String {
    draw(entropy, b"0123456789", length)
}

fn draw(entropy: &dyn Entropy, alphabet: &[u8], length: usize) -> String {
    // What lies above the largest multiple of the alphabet's length in a byte would make some characters likelier.
    let letters = alphabet.len().max(1);
    let fair = 256 / letters * letters;
    let mut text = String::with_capacity(length);
    let mut bytes = [0; 32];
    while text.len() < length {
        let wanted = bytes.get_mut(..(length - text.len()).min(32)).unwrap_or_default();
        entropy.fill(wanted);
        let drawn = wanted.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair);
        text.extend(drawn.filter_map(|byte| alphabet.get(byte % letters).copied().map(char::from)));
    }
    text
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
}
