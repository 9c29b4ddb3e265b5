//! The body of a subscriber's answer. Dropping it, as a lost connection does, is how a subscriber leaves.
//!
//! Must not know: what the bytes mean.

use super::outbox::Outbox;
use crate::pubsub::PubsubService;
use bytes::Bytes;
use hearth_pubsub::subscriber::SubscriberId;
use http_body::{Body, Frame};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A stream of events, until its subscriber leaves or the server ends it.
#[derive(Debug)]
pub(in crate::pubsub) struct EventStream {
    outbox: Outbox,
    subscriber: SubscriberId,
    service: Arc<PubsubService>,
}

impl EventStream {
    pub(in crate::pubsub) fn new(outbox: Outbox, subscriber: SubscriberId, service: Arc<PubsubService>) -> Self {
        Self { outbox, subscriber, service }
    }
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.outbox.poll_take(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.service.unsubscribe(self.subscriber);
    }
}
