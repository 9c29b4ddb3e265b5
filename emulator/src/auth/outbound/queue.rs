//! Where messages wait for their carriers: bounded in bytes, tried again with growing pauses. Kept in memory: what waits
//! when the process ends is lost, as a user would notice by an email that does not come. Must not know: what is carried.

use super::parcel::Parcel;
use super::{Carrier, Failure};
use crate::clock::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// So many bytes may wait: some thousands of emails.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Room that must be left for a request to be let on: more than any message needs.
const SPARE_BYTES: usize = 256 * 1024;
/// So many are being carried at once.
const MOST_AT_ONCE: usize = 8;
/// What is being carried when the process ends has this long.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// How long it is tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// One attempt.
    pub(super) attempt: Duration,
    /// All attempts and the pauses between them.
    pub(super) total: Duration,
    /// The first pause; each further one is twice as long.
    pub(super) first_pause: Duration,
}

impl Patience {
    /// Codes in emails last an hour and more.
    pub(super) const EMAIL: Self = Self {
        attempt: Duration::from_secs(30),
        total: Duration::from_secs(30 * 60),
        first_pause: Duration::from_secs(1),
    };
    /// Codes in text messages last five minutes.
    pub(super) const TEXT: Self = Self {
        attempt: Duration::from_secs(20),
        total: Duration::from_secs(3 * 60),
        first_pause: Duration::from_secs(1),
    };
}

/// What waits.
#[derive(Debug)]
pub(super) struct Queue {
    clock: Clock,
    room: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Queue {
    /// An empty one; webhooks are told the time of each attempt.
    pub(super) fn new(clock: Clock) -> Self {
        Self::of_bytes(MOST_BYTES, clock)
    }

    pub(super) fn of_bytes(bytes: usize, clock: Clock) -> Self {
        Self {
            clock,
            room: Arc::new(Semaphore::new(bytes)),
            turns: Arc::new(Semaphore::new(MOST_AT_ONCE)),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Whether another message will find room.
    pub(super) fn has_room(&self) -> bool {
        self.room.available_permits() >= SPARE_BYTES && !self.stop.is_cancelled()
    }

    /// Has it carried; false if there is no room for it.
    pub(super) fn add(&self, carrier: Arc<Carrier>, parcel: Parcel, patience: Patience) -> bool {
        let bytes = u32::try_from(parcel.bytes()).unwrap_or(u32::MAX);
        let Ok(share) = Arc::clone(&self.room).try_acquire_many_owned(bytes) else { return false };
        let (turns, stop, clock) = (Arc::clone(&self.turns), self.stop.clone(), self.clock.clone());
        self.tasks.spawn(async move {
            persist(&carrier, &parcel, patience, &turns, &stop, &clock).await;
            drop(share);
        });
        true
    }

    /// Lets what is being carried arrive, if that is soon, and gives up the rest.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(LAST_WORDS, self.tasks.wait()).await.is_err() {
            tracing::warn!(messages = self.tasks.len(), "messages to users are still being sent; they may be lost");
        }
    }
}

/// Tries until it works, cannot work, or time is up.
async fn persist(
    carrier: &Carrier,
    parcel: &Parcel,
    patience: Patience,
    turns: &Semaphore,
    stop: &CancellationToken,
    clock: &Clock,
) {
    let end = Instant::now() + patience.total;
    let mut pause = patience.first_pause;
    let mut attempt = 1;
    loop {
        let failed = {
            let Ok(_turn) = turns.acquire().await else { return };
            match tokio::time::timeout(patience.attempt, carrier.carry(parcel, clock.now())).await {
                Ok(Ok(())) => return tracing::debug!(id = parcel.id, attempt, "a message to a user has been sent"),
                Ok(Err(failed)) => failed,
                Err(_) => Failure::again(format!("no answer within {} s", patience.attempt.as_secs())),
            }
        };
        let is_over = !failed.again || Instant::now() + pause >= end;
        if is_over {
            return tracing::error!(id = parcel.id, attempt, reason = failed.reason, "a message to a user is given up");
        }
        tracing::warn!(id = parcel.id, attempt, reason = failed.reason, "a message to a user was not taken");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => {
                return tracing::error!(id = parcel.id, "a message to a user is given up: the server stops");
            }
        }
        pause *= 2;
        attempt += 1;
    }
}
