//! Asks from time to time whether the accounts behind open streams still have access. Must not know: channels.

use super::PubsubService;
use super::service::Seat;
use crate::clock::{Job, Millis, Work};
use crate::server::credentials::TokenRefused;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// What a subscriber reads whose account has lost access.
const NO_ACCESS: &str = "closed by the server: the token is no longer accepted";

/// The streams that were opened with ID tokens.
#[derive(Debug, Default)]
pub(super) struct Watches(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    tokens: BTreeMap<Seat, Watch>,
    due: BTreeSet<(Millis, Seat)>,
}

#[derive(Clone, Debug)]
struct Watch {
    token: Arc<str>,
    every: NonZeroU64,
    due: Millis,
}

impl Watches {
    /// Asks about `token` every so many milliseconds, as long as the seat is taken.
    pub(super) fn add(&self, seat: Seat, token: Arc<str>, every: NonZeroU64, now: Millis) {
        let due = now.saturating_add(every.get());
        let mut watched = self.lock();
        watched.due.insert((due, seat));
        watched.tokens.insert(seat, Watch { token, every, due });
    }

    pub(super) fn remove(&self, seat: Seat) {
        let mut watched = self.lock();
        if let Some(watch) = watched.tokens.remove(&seat) {
            watched.due.remove(&(watch.due, seat));
        }
    }

    /// Whether there is nothing to be asked about.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let watched = self.lock();
        watched.tokens.is_empty() && watched.due.is_empty()
    }

    fn next(&self) -> Option<Millis> {
        self.lock().due.first().map(|(due, _)| *due)
    }

    /// What is to be asked about now; the next time follows after the interval.
    fn take(&self, now: Millis) -> Vec<(Seat, Arc<str>)> {
        let mut watched = self.lock();
        let mut taken = Vec::new();
        while let Some(&(due, seat)) = watched.due.first()
            && due <= now
        {
            watched.due.pop_first();
            let Watched { tokens, due } = &mut *watched;
            if let Some(watch) = tokens.get_mut(&seat) {
                watch.due = now.saturating_add(watch.every.get());
                due.insert((watch.due, seat));
                taken.push((seat, Arc::clone(&watch.token)));
            }
        }
        taken
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The asking.
pub(super) struct Reauthorization(pub(super) Weak<PubsubService>);

impl Job for Reauthorization {
    fn name(&self) -> &str {
        "push stream access"
    }

    fn due(&self) -> Option<Millis> {
        self.0.upgrade()?.watches().next()
    }

    fn begin(&self, now: Millis) -> Work {
        let Some(service) = self.0.upgrade() else { return Box::pin(std::future::ready(())) };
        let due = service.watches().take(now);
        Box::pin(async move {
            for (seat, token) in due {
                match service.credentials().verify_or_made_up(&token).await {
                    Ok(_) => {}
                    // A stream that may outlive its token is asked about no longer; others have ended by now.
                    Err(TokenRefused::Expired) => service.watches().remove(seat),
                    // The next time will tell.
                    Err(TokenRefused::Unavailable) => {}
                    Err(
                        TokenRefused::Account
                        | TokenRefused::Signature
                        | TokenRefused::Project
                        | TokenRefused::Malformed,
                    ) => service.expel(seat, NO_ACCESS),
                }
            }
        })
    }
}
