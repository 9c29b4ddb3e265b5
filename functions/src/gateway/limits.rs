//! Connections that have been idle, or open, for too long.

use super::Gateway;
use crate::ports::{Millis, Timer};
use futures_util::future::{BoxFuture, join_all};
use std::sync::{Arc, Weak};

/// RFC 6455's code for an end that going away brings, which API Gateway uses for its limits.
const GOING_AWAY: u16 = 1001;

/// Looks at limits when they may be reached.
pub(super) struct Watch(Weak<Gateway>);

impl Watch {
    pub(super) fn new(gateway: &Arc<Gateway>) -> Self {
        Self(Arc::downgrade(gateway))
    }
}

impl Timer for Watch {
    fn name(&self) -> &str {
        "gateway connections"
    }

    fn due(&self) -> Option<Millis> {
        self.0.upgrade()?.connections.due()
    }

    fn begin(&self, now: Millis) -> BoxFuture<'static, ()> {
        let Some(gateway) = self.0.upgrade() else { return Box::pin(std::future::ready(())) };
        let over = gateway.connections.over(now, gateway.limits());
        Box::pin(async move {
            for connection in &over {
                connection.outlet.close(GOING_AWAY, "Going away");
            }
            join_all(over.iter().map(|connection| gateway.end(connection))).await;
        })
    }
}
