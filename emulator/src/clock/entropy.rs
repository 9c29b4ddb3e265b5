//! Random bytes: the machine's, or repeatable ones from a seed.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A stream of random bytes that its clones share.
#[derive(Clone)]
pub struct Entropy {
    seed: [u8; 32],
    source: Arc<Mutex<ChaCha20Rng>>,
}

impl fmt::Debug for Entropy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Entropy")
    }
}

impl Entropy {
    /// Bytes nobody can foretell.
    ///
    /// # Errors
    /// The operating system has no random source.
    pub fn from_system() -> Result<Self, getrandom::Error> {
        let mut seed = [0; 32];
        // Not the cryptography library's generator, which gathers entropy of its own for 50 ms before its first byte.
        getrandom::fill(&mut seed)?;
        Ok(Self::from_bytes(seed))
    }

    /// The same bytes for the same seed, for snapshots. Never for a server that others rely on.
    pub fn seeded(seed: u64) -> Self {
        Self::from_bytes(Sha256::digest(seed.to_le_bytes()).into())
    }

    /// A stream of its own for `name`, so that what one product draws does not shift what another gets.
    #[must_use]
    pub fn stream(&self, name: &str) -> Self {
        Self::from_bytes(Sha256::new().chain_update(self.seed).chain_update(name).finalize().into())
    }

    /// Fills `bytes`.
    pub fn fill(&self, bytes: &mut [u8]) {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }

    fn from_bytes(seed: [u8; 32]) -> Self {
        Self { seed, source: Arc::new(Mutex::new(ChaCha20Rng::from_seed(seed))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(entropy: &Entropy) -> [u8; 16] {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        bytes
    }

    #[test]
    fn a_seed_repeats_and_its_streams_differ() {
        let (one, two) = (Entropy::seeded(7), Entropy::seeded(7));
        assert_eq!(draw(&one), draw(&two));
        assert_eq!(draw(&one.stream("a")), draw(&two.stream("a")));
        assert_ne!(draw(&one.stream("a")), draw(&one.stream("b")));
        assert_ne!(draw(&Entropy::seeded(8)), draw(&Entropy::seeded(7)));
    }

    #[test]
    fn the_systems_bytes_do_not_repeat() {
        let both = (Entropy::from_system().map(|e| draw(&e)), Entropy::from_system().map(|e| draw(&e)));
        assert!(matches!(both, (Ok(one), Ok(two)) if one != two));
    }
}
