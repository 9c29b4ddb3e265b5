//! A subscriber's place among the listeners. Dropping it, as a lost connection does, is how a subscriber leaves.
//!
//! Must not know: what the bytes mean.

use super::outbox::Outbox;
use crate::pubsub::PubsubService;
use crate::pubsub::service::Seat;
use bytes::Bytes;
use http_body::{Body, Frame};
use std::convert::Infallible;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A subscription, and where its frames come.
#[derive(Debug)]
pub(in crate::pubsub) struct Subscription<O> {
    frames: O,
    seat: Seat,
    service: Arc<PubsubService>,
}

impl<O> Subscription<O> {
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

/// A stream, until its subscriber leaves or the server ends it.
impl Body for Subscription<Outbox> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.frames.poll_take(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

impl<O> Drop for Subscription<O> {
    fn drop(&mut self) {
        self.service.unsubscribe(self.seat);
    }
}
