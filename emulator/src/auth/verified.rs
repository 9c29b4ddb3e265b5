//! ID tokens that have been found genuine, so that the next request with one need not check its signature again.
//!
//! A token is known by the SHA-256 of all its text. Must not know: the time, nor whether a token's account still exists;
//! both are asked at every use.

use hearth_auth::token::Genuine;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a token's claims weigh besides their text, about.
const OVERHEAD: usize = 2048;

/// Genuine tokens of one policy and one project, the latest used ones.
pub(super) struct Verified {
    /// A generation is full with so many bytes.
    most_bytes: usize,
    generations: Mutex<Generations>,
}

/// When the young generation is full it becomes the old one, and what was old by then, not used since, is forgotten.
#[derive(Default)]
struct Generations {
    young: HashMap<Key, Entry>,
    young_bytes: usize,
    old: HashMap<Key, Entry>,
}

type Key = [u8; 32];

struct Entry {
    genuine: Arc<Genuine>,
    bytes: usize,
}

impl Verified {
    /// Remembers about so many bytes of tokens.
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { most_bytes: most_bytes / 2, generations: Mutex::default() }
    }

    /// What was kept of exactly this token.
    pub(super) fn get(&self, token: &str) -> Option<Arc<Genuine>> {
        let key = key(token);
        let mut generations = self.generations();
        if let Some(entry) = generations.young.get(&key) {
            return Some(Arc::clone(&entry.genuine));
        }
        let entry = generations.old.remove(&key)?;
        let genuine = Arc::clone(&entry.genuine);
        generations.keep(key, entry, self.most_bytes);
        Some(genuine)
    }

    /// Keeps what was found of the token, unless it is a very long one.
    pub(super) fn keep(&self, token: &str, genuine: Arc<Genuine>) {
        let bytes = OVERHEAD + 2 * token.len();
        if bytes <= self.most_bytes {
            self.generations().keep(key(token), Entry { genuine, bytes }, self.most_bytes);
        }
    }

    fn generations(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn keep(&mut self, key: Key, entry: Entry, most_bytes: usize) {
        if self.young_bytes + entry.bytes > most_bytes {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += entry.bytes;
        if let Some(same) = self.young.insert(key, entry) {
            self.young_bytes -= same.bytes;
        }
    }
}

fn key(token: &str) -> Key {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_auth::token::Tokens;
    use serde_json::json;

    fn token(number: usize) -> (String, Arc<Genuine>) {
        let claims = json!({
            "auth_time": 1, "iat": 1, "exp": 2, "aud": "demo", "iss": "https://securetoken.google.com/demo",
            "sub": number.to_string(),
        });
        let token = Tokens::Unsigned.encode(claims.as_object().unwrap()).unwrap();
        let genuine = Tokens::Unsigned.authenticate(&token, "demo").unwrap();
        (token, Arc::new(genuine))
    }

    fn knows(verified: &Verified, number: usize) -> bool {
        let (token, genuine) = token(number);
        let found = verified.get(&token);
        assert!(found.as_ref().is_none_or(|found| *found == genuine));
        found.is_some()
    }

    /// Room for five to a generation.
    fn verified() -> Verified {
        Verified::new(2 * (5 * (OVERHEAD + 2 * token(0).0.len()) + 100))
    }

    fn keep(verified: &Verified, number: usize) {
        let (token, genuine) = token(number);
        verified.keep(&token, genuine);
    }

    #[test]
    fn only_the_same_text_is_known() {
        let verified = verified();
        keep(&verified, 1);
        assert!(knows(&verified, 1) && !knows(&verified, 2));
        let (token, _) = token(1);
        for other in [format!("{token}x"), token.trim_end_matches('.').to_owned(), String::new()] {
            assert_eq!(verified.get(&other), None, "{other}");
        }
    }

    #[test]
    fn it_is_bounded_and_forgets_what_is_not_used() {
        let verified = verified();
        for number in 0..1000 {
            keep(&verified, number);
            // Seen again and again, it stays.
            assert!(knows(&verified, 0), "{number}");
            let generations = verified.generations();
            assert!(generations.young.len() <= 5 && generations.old.len() <= 5);
            assert_eq!(generations.young_bytes, generations.young.values().map(|entry| entry.bytes).sum::<usize>());
        }
        assert!(knows(&verified, 999) && !knows(&verified, 1));
        // Kept twice, by two requests at once, it counts once.
        let verified = self::verified();
        (0..20).for_each(|_| keep(&verified, 1));
        assert_eq!(verified.generations().young.len(), 1);
        keep(&verified, 2);
        assert!(knows(&verified, 1) && knows(&verified, 2));
    }

    #[test]
    fn what_is_too_long_is_not_kept() {
        let verified = Verified::new(2 * OVERHEAD);
        keep(&verified, 1);
        assert!(!knows(&verified, 1));
    }
}
