//! Where passwords are hashed: on threads of its own, a few at a time, beside the writer and the connections. Must not
//! know: accounts.

use super::service::ServiceError;
use crate::clock::Entropy;
use hearth_auth::Error;
use hearth_auth::errand::{self, Errand, Outcome};
use hearth_auth::password::Hashing;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// So many may wait; whoever comes later is sent away.
const LONGEST_QUEUE: usize = 256;
/// How much the threads step back (`nice`). A hash keeps a processor busy for tens of milliseconds, and without this
/// whoever wakes up meanwhile waits for its turn; with it they go first, and hashing still gets a tenth of a processor
/// that everybody wants.
#[cfg(target_os = "linux")]
const STEPS_BACK: i32 = 10;

/// Hashes on half of the processors, so that sign-ins leave the others to everybody else.
#[derive(Debug)]
pub(super) struct HashingPool(SyncSender<Job>);

struct Job {
    errand: Errand,
    hashing: Hashing,
    entropy: Entropy,
    reply: oneshot::Sender<Result<Outcome, Error>>,
}

impl HashingPool {
    /// Starts the threads, which end with the pool.
    ///
    /// # Errors
    /// They cannot be started.
    pub(super) fn start() -> io::Result<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let (jobs, queue) = sync_channel(LONGEST_QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..(processors / 2).max(1) {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name("auth-hashing".to_owned()).spawn(move || work(&queue))?;
        }
        Ok(Self(jobs))
    }

    /// Runs an errand when its turn has come.
    pub(super) async fn run(
        &self,
        errand: Errand,
        hashing: Hashing,
        entropy: Entropy,
    ) -> Result<Outcome, ServiceError> {
        let (reply, outcome) = oneshot::channel();
        self.0.try_send(Job { errand, hashing, entropy, reply }).map_err(|error| match error {
            TrySendError::Full(_) => ServiceError::Busy,
            TrySendError::Disconnected(_) => ServiceError::Stopped,
        })?;
        Ok(outcome.await.map_err(|_| ServiceError::Stopped)??)
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    step_back();
    loop {
        // Whoever waits for a job holds the lock, and the others wait for that one.
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { errand, hashing, entropy, reply }) = job else { return };
        // Who has gone meanwhile costs nothing.
        if reply.is_closed() {
            continue;
        }
        // A panic is that one errand's: its reply is dropped.
        if let Ok(outcome) = catch_unwind(AssertUnwindSafe(|| errand::run(&errand, hashing, &entropy))) {
            let _ = reply.send(outcome);
        }
    }
}

/// On Linux alone a thread has a priority of its own.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(STEPS_BACK) {
        tracing::debug!(%error, "password hashing has everybody's priority");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use hearth_auth::password::{Password, Verdict};

    fn hash() -> Errand {
        Errand::Hash(Password::new("secret").unwrap())
    }

    #[tokio::test]
    async fn what_is_hashed_verifies() {
        let (pool, entropy) = (HashingPool::start().unwrap(), Entropy::seeded(1));
        let run = |errand| pool.run(errand, Hashing::Argon2id, entropy.clone());
        let Ok(Outcome::Hashed(secret)) = run(hash()).await else { panic!("no hash") };
        for (password, expected) in [("secret", Verdict::Right), ("other!", Verdict::Wrong)] {
            let errand = Errand::Verify(Password::new(password).unwrap(), secret.clone());
            assert_eq!(run(errand).await, Ok(Outcome::Verified(expected)), "{password}");
        }
    }

    #[test]
    fn the_queue_is_bounded() {
        let (jobs, queue) = sync_channel(LONGEST_QUEUE);
        let (pool, entropy) = (HashingPool(jobs), Entropy::seeded(1));
        let run = || Box::pin(pool.run(hash(), Hashing::Fake, entropy.clone()));
        let mut waiting: Vec<_> = (0..LONGEST_QUEUE).map(|_| run()).collect();
        assert!(waiting.iter_mut().all(|waits| waits.now_or_never().is_none()));
        assert_eq!(run().now_or_never(), Some(Err(ServiceError::Busy)));
        drop(queue);
        assert_eq!(run().now_or_never(), Some(Err(ServiceError::Stopped)));
    }
}
