//! Changes the signing keys when their time has come. Must not know: how.

use super::service::AuthService;
use crate::clock::{Job, Millis, Work};
use std::sync::Arc;

/// After a turn that failed the next try is so much later.
const RETRY: Millis = 60_000;

/// The job of an [`AuthService`]'s keys.
#[derive(Debug)]
pub struct KeyRotation(Arc<AuthService>);

impl KeyRotation {
    /// For the agenda.
    pub fn new(service: Arc<AuthService>) -> Arc<Self> {
        Arc::new(Self(service))
    }
}

impl Job for KeyRotation {
    fn name(&self) -> &'static str {
        "signing keys"
    }

    fn due(&self) -> Option<Millis> {
        self.0.next_turn()
    }

    fn begin(&self, now: Millis) -> Work {
        let service = Arc::clone(&self.0);
        // Until this turn is done nobody shall begin another.
        service.put_turn_off(now.saturating_add(RETRY));
        Box::pin(async move {
            match service.turn_keys(now).await {
                Ok(()) => tracing::info!("the signing keys have been looked after"),
                Err(error) => tracing::error!(%error, "the signing keys cannot be changed; the present ones go on"),
            }
        })
    }

    fn set_back(&self, now: Millis) {
        self.0.put_turn_off(now);
    }
}
