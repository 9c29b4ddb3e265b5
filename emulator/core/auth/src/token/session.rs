//! Opaque refresh tokens: one family of them to a sign-in, of which one is good at a time.
//!
//! A token is a family's name and a secret. Each use makes the next one; whoever comes with an older one ends the family
//! (RFC 9700, section 4.14.2), since either they or the holder of the newest one has stolen it. A client whose answer
//! got lost, and tabs that ask at once, get the same next token again for a minute: it follows from the one they have.
//! Only hashes are kept. Must not know: ID tokens, accounts.

use super::refresh::RefreshToken;
use crate::Millis;
use crate::entropy::Entropy;
use crate::errors::Error;
use crate::store::Store;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Bytes of a family's name.
const NAME: usize = 16;
/// Bytes of a secret.
const SECRET: usize = 32;
/// For so long the last but one token still gets the answer that it got before.
const GRACE: Millis = 60_000;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// What is kept of a family, under the hash of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Whose tokens it renews.
    pub of: RefreshToken,
    /// When the user signed in.
    pub issued_at: Millis,
    /// Makes the next secret from one.
    pub seed: [u8; 32],
    /// The hash of the secret that is good.
    pub current: Hash,
    /// The hash of the one before, and when it was used.
    pub previous: Option<(Hash, Millis)>,
}

/// Starts a family: the first token.
///
/// # Errors
/// The store failed.
pub fn begin(store: &mut dyn Store, entropy: &dyn Entropy, of: RefreshToken, now: Millis) -> Result<String, Error> {
    let mut name = [0; NAME];
    let mut seed = [0; 32];
    let mut secret = [0; SECRET];
    entropy.fill(&mut name);
    entropy.fill(&mut seed);
    entropy.fill(&mut secret);
    let family = Family { of, issued_at: now, seed, current: hash(&secret), previous: None };
    store.put_refresh_family(&hash(&name), &family)?;
    Ok(text(&name, &secret))
}

/// A token that came in.
pub struct Presented {
    name: [u8; NAME],
    secret: [u8; SECRET],
    family: Family,
}

/// Finds what a token stands for, whether or not it is still good.
///
/// # Errors
/// `INVALID_REFRESH_TOKEN`: it is none, or its family has ended.
pub fn find(store: &dyn Store, token: &str) -> Result<Presented, Error> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| Error::InvalidRefreshToken)?;
    let (name, secret) = bytes.split_first_chunk::<NAME>().ok_or(Error::InvalidRefreshToken)?;
    let secret: [u8; SECRET] = secret.try_into().map_err(|_| Error::InvalidRefreshToken)?;
    let family = store.refresh_family(&hash(name))?.ok_or(Error::InvalidRefreshToken)?;
    Ok(Presented { name: *name, secret, family })
}

impl Presented {
    /// Whose tokens it renews.
    pub fn of(&self) -> &RefreshToken {
        &self.family.of
    }

    /// When the user signed in.
    pub fn issued_at(&self) -> Millis {
        self.family.issued_at
    }

    /// Uses the token: the next one.
    ///
    /// # Errors
    /// [`Error::RefreshTokenReused`]: it has been used before, and its family has ended with this; that has to be kept.
    pub fn rotate(mut self, store: &mut dyn Store, now: Millis) -> Result<String, Error> {
        let id = hash(&self.name);
        let presented = hash(&self.secret);
        let next = successor(&self.family.seed, &self.secret);
        // Hashes of secrets: how long a comparison takes tells nothing that could be used.
        if presented == self.family.current {
            self.family.current = hash(&next);
            self.family.previous = Some((presented, now));
            store.put_refresh_family(&id, &self.family)?;
            return Ok(text(&self.name, &next));
        }
        match self.family.previous {
            Some((previous, used)) if previous == presented && now.saturating_sub(used) <= GRACE => {
                Ok(text(&self.name, &next))
            }
            Some(_) | None => {
                store.delete_refresh_family(&id)?;
                Err(Error::RefreshTokenReused)
            }
        }
    }
}

fn successor(seed: &[u8; 32], secret: &[u8; SECRET]) -> [u8; SECRET] {
    // Any length will do for a key, so there is always one.
    Hmac::<Sha256>::new_from_slice(seed)
        .map_or([0; SECRET], |mac| mac.chain_update(secret).finalize().into_bytes().into())
}

fn text(name: &[u8; NAME], secret: &[u8; SECRET]) -> String {
    URL_SAFE_NO_PAD.encode([&name[..], &secret[..]].concat())
}

fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Counting, Memory};
    use crate::store::Scope;

    const NOW: Millis = 1_893_456_000_000;

    fn begin(store: &mut Memory) -> String {
        let of = RefreshToken {
            scope: Scope::project("demo"),
            local_id: "u".to_owned(),
            provider: "password".to_owned(),
            ..RefreshToken::default()
        };
        super::begin(store, &Counting::default(), of, NOW).unwrap()
    }

    fn rotate(store: &mut Memory, token: &str, now: Millis) -> Result<String, Error> {
        find(store, token)?.rotate(store, now)
    }

    #[test]
    fn each_use_makes_the_next() {
        let mut store = Memory::default();
        let first = begin(&mut store);
        assert_eq!(URL_SAFE_NO_PAD.decode(&first).map(|bytes| bytes.len()), Ok(48));
        let mut token = first.clone();
        for day in 1..5 {
            let next = rotate(&mut store, &token, NOW + day * 86_400_000).unwrap();
            assert_ne!(next, token);
            token = next;
        }
        assert_eq!(find(&store, &token).unwrap().issued_at(), NOW);
    }

    #[test]
    fn a_lost_answer_is_given_again_for_a_minute() {
        let mut store = Memory::default();
        let first = begin(&mut store);
        let second = rotate(&mut store, &first, NOW).unwrap();
        assert_eq!(rotate(&mut store, &first, NOW + GRACE), Ok(second.clone()));
        assert_eq!(rotate(&mut store, &first, NOW + GRACE + 1), Err(Error::RefreshTokenReused));
        assert_eq!(rotate(&mut store, &second, NOW), Err(Error::InvalidRefreshToken), "the whole family has ended");
    }

    #[test]
    fn reuse_ends_the_family() {
        let mut store = Memory::default();
        let first = begin(&mut store);
        let second = rotate(&mut store, &first, NOW).unwrap();
        let third = rotate(&mut store, &second, NOW).unwrap();
        assert_eq!(rotate(&mut store, &first, NOW), Err(Error::RefreshTokenReused), "older than the last but one");
        assert_eq!(rotate(&mut store, &third, NOW), Err(Error::InvalidRefreshToken));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let mut store = Memory::default();
        let first = begin(&mut store);
        for token in ["", "x", "====", first.get(..60).unwrap(), &format!("{first}AAAA"), &"A".repeat(64)] {
            assert_eq!(find(&store, token).err(), Some(Error::InvalidRefreshToken), "{token}");
        }
        // Who knows a family's name but no secret of it ends it, and gets nothing.
        let guess = format!("{}{}", first.get(..22).unwrap(), "A".repeat(42));
        assert_eq!(rotate(&mut store, &guess, NOW), Err(Error::RefreshTokenReused));
    }
}
