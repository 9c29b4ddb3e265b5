//! Where passwords are hashed: beside the writer and the connections, a few at a time. Must not know: accounts.

use super::service::ServiceError;
use crate::clock::Entropy;
use hearth_auth::errand::{self, Errand, Outcome};
use hearth_auth::password::Hashing;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// So many may wait; whoever comes later is sent away.
const LONGEST_QUEUE: usize = 256;

/// Hashes on half of the processors, so that sign-ins leave the others to everybody else.
#[derive(Debug)]
pub(super) struct HashingPool {
    turns: Semaphore,
    waiting: AtomicUsize,
}

impl Default for HashingPool {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { turns: Semaphore::new((processors / 2).max(1)), waiting: AtomicUsize::new(0) }
    }
}

/// Gives a place in the queue back, whatever becomes of the one who waits.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl HashingPool {
    /// Runs an errand when its turn has come.
    pub(super) async fn run(
        &self,
        errand: Errand,
        hashing: Hashing,
        entropy: Entropy,
    ) -> Result<Outcome, ServiceError> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _place = Place(&self.waiting);
        if before >= LONGEST_QUEUE {
            return Err(ServiceError::Busy);
        }
        let _turn = self.turns.acquire().await.map_err(|_| ServiceError::Stopped)?;
        let entropy = Arc::new(entropy);
        let run = move || errand::run(&errand, hashing, &*entropy);
        Ok(tokio::task::spawn_blocking(run).await.map_err(|_| ServiceError::Stopped)??)
    }
}
