//! Counts what is tried, and sends away who tries too often. Must not know: what is tried, or how it is counted.

use crate::clock::{Entropy, Millis};
use hearth_auth::Error;
use hearth_auth::operations::guard::{Action, Budget, Limits};
use hearth_auth::throttle::{Charge, Throttle};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many buckets, of sixteen bytes.
const BUCKETS: usize = 1 << 17;

/// The counts of one server.
#[derive(Debug)]
pub(super) struct Guard {
    limits: Limits,
    throttle: Mutex<Throttle>,
}

/// What a request has taken, until it is known what came of it.
#[derive(Debug)]
#[must_use]
pub(super) struct Taken {
    pub(super) action: Action,
    charges: Vec<Charge<Budget>>,
}

impl Guard {
    /// One that holds these limits.
    pub(super) fn new(limits: Limits, entropy: &Entropy) -> Self {
        let mut secret = [0; 32];
        let mut buckets = 0;
        if limits != Limits::NONE {
            entropy.fill(&mut secret);
            buckets = BUCKETS;
        }
        Self { limits, throttle: Mutex::new(Throttle::new(buckets, secret)) }
    }

    /// The limits, if there are any.
    pub(super) fn limits(&self) -> Option<&Limits> {
        (self.limits != Limits::NONE).then_some(&self.limits)
    }

    /// Takes what a request may cost.
    ///
    /// # Errors
    /// There is not enough of it.
    pub(super) fn take(&self, action: Action, charges: Vec<Charge<Budget>>, now: Millis) -> Result<Taken, Error> {
        match self.throttle().take(&charges, now) {
            Ok(()) => Ok(Taken { action, charges }),
            Err(budget) => {
                // Not who: whoever reads the log shall not learn who uses the app.
                tracing::warn!(?budget, "too many attempts; one is refused");
                Err(budget.refusal())
            }
        }
    }

    /// Gives back what turned out not to be due.
    pub(super) fn give_back(&self, taken: &Taken, now: Millis) {
        self.throttle().give_back(&taken.charges, now);
    }

    /// Forgets what was counted.
    pub(super) fn forgive(&self, charges: &[Charge<Budget>], now: Millis) {
        self.throttle().forgive(charges, now);
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
