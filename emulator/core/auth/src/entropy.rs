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
