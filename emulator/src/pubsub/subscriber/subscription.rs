//! A subscriber's place among the listeners. Dropping it, as a lost connection does, is how a subscriber leaves.
//!
//! Must not know: what the bytes mean.

use super::outbox::Outbox;
use crate::pubsub::PubsubService;
use crate::pubsub::service::Seat;
use std::ops::Deref;
use std::sync::Arc;

/// A subscription, and where its frames come.
#[derive(Debug)]
pub(in crate::pubsub) struct Subscription<O> {
    frames: O,
    seat: Seat,
    service: Arc<PubsubService>,
}

impl<O> Subscription<O> {
    /// The push stream it is with.
    pub(super) fn service(&self) -> &Arc<PubsubService> {
        &self.service
    }

    pub(in crate::pubsub) fn new(frames: O, seat: Seat, service: Arc<PubsubService>) -> Self {
        Self { frames, seat, service }
    }
}

impl<O> Deref for Subscription<O> {
    type Target = O;

    fn deref(&self) -> &O {
        &self.frames
    }
}

impl Subscription<Outbox> {
    /// Whether its stream ends because the server does.
    pub(super) fn server_stops(&self) -> bool {
        self.service.stop().is_cancelled()
    }
}

impl<O> Drop for Subscription<O> {
    fn drop(&mut self) {
        self.service.unsubscribe(self.seat);
    }
}
