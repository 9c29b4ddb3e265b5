//! Takes expired tokens out of the database. That they have expired is seen whenever one is used; this is for the room.

use super::tokens;
use crate::ports::{Clock, Database, Millis, Timer, Timers};
use futures_util::future::BoxFuture;
use std::sync::{Arc, Mutex, PoisonError};

/// Between two rounds.
const PAUSE: Millis = 60 * 1000;
/// So many tokens go in one transaction.
const BATCH: usize = 200;

/// The rounds.
pub(super) struct Sweep {
    database: Arc<dyn Database>,
    clock: Arc<dyn Clock>,
    timers: Arc<dyn Timers>,
    due: Mutex<Option<Millis>>,
}

impl Sweep {
    /// Rounds through `database`.
    pub(super) fn new(database: Arc<dyn Database>, clock: Arc<dyn Clock>, timers: Arc<dyn Timers>) -> Arc<Self> {
        Arc::new(Self { database, clock, timers, due: Mutex::default() })
    }

    /// Has a round made at that time, unless one is sooner.
    pub(super) fn plan(&self, time: Millis) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if due.is_none_or(|due| time < due) {
            *due = Some(time);
            drop(due);
            self.timers.touch();
        }
    }

    /// Makes a round, and plans the next one.
    pub(super) async fn round(&self) {
        loop {
            match self.database.transact(|transaction| tokens::sweep(transaction, BATCH)).await {
                Ok((BATCH, Some(_))) => {}
                Ok((_, None)) => return,
                Ok((_, Some(expires))) => return self.plan(expires.max(self.pause())),
                Err(error) => {
                    tracing::error!(%error, "chat: expired tokens stay for now");
                    return self.plan(self.pause());
                }
            }
        }
    }

    fn pause(&self) -> Millis {
        self.clock.now().saturating_add(PAUSE)
    }
}

/// The timer.
pub(super) struct Rounds(pub(super) Arc<Sweep>);

impl Timer for Rounds {
    fn name(&self) -> &str {
        "chat.tokens"
    }

    fn due(&self) -> Option<Millis> {
        *self.0.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, _now: Millis) -> BoxFuture<'static, ()> {
        *self.0.due.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let sweep = Arc::clone(&self.0);
        Box::pin(async move { sweep.round().await })
    }
}
