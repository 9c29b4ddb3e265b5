//! Session codes and refresh tokens, drawn from the house's random bytes.

use crate::ports::Entropy;

/// A session code has so many characters.
const CODE_LENGTH: usize = 5;
/// A refresh token has so many characters.
const REFRESH_TOKEN_LENGTH: usize = 64;
/// The 36 symbols of session codes; the original has no `v`.
const SYMBOLS: [char; 36] = [
    'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'w', 'x',
    'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '-',
];

/// Draws a session code.
pub(super) fn session_code(entropy: &dyn Entropy) -> String {
    nanoid::format(|size| bytes(entropy, size), &SYMBOLS, CODE_LENGTH)
}

/// Draws a refresh token: 64 of `A-Za-z0-9_-`.
pub(super) fn refresh_token(entropy: &dyn Entropy) -> String {
    nanoid::format(|size| bytes(entropy, size), &nanoid::alphabet::SAFE, REFRESH_TOKEN_LENGTH)
}

fn bytes(entropy: &dyn Entropy, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    entropy.fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Counts up, slowly enough that every byte comes at every place.
    struct Counting(AtomicU32);

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill_with(|| (self.0.fetch_add(3, Ordering::Relaxed) / 7) as u8);
        }
    }

    #[test]
    fn codes_use_every_symbol_and_no_other() {
        let entropy = Counting(AtomicU32::new(0));
        let codes: Vec<String> = (0..200).map(|_| session_code(&entropy)).collect();
        assert!(codes.iter().all(|code| code.len() == 5));
        let seen: HashSet<char> = codes.iter().flat_map(|code| code.chars()).collect();
        assert_eq!(seen, "abcdefghijklmnopqrstuwxyz0123456789-".chars().collect());
    }

    #[test]
    fn refresh_tokens_are_64_url_safe_characters() {
        let token = refresh_token(&Counting(AtomicU32::new(9)));
        assert_eq!(token.len(), 64);
        assert!(token.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'));
    }
}
