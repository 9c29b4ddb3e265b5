//! A stream as an answer's body. Where there is a connection below it, the stream takes that over as soon as its head is
//! written; elsewhere the frames are the body.
//!
//! Must not know: channels.

use super::writer::Writer;
use super::{Outbox, Subscription};
use crate::server::detach::Detach;
use bytes::Bytes;
use http_body::{Body, Frame};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A body, until its subscriber leaves or the server ends it.
#[derive(Debug)]
pub(in crate::pubsub) struct Stream {
    /// None once it has gone over to the socket.
    subscription: Option<Subscription<Outbox>>,
    chunked: bool,
}

impl Stream {
    /// What is sent to this subscriber, in chunks or up to the end of the connection.
    pub(in crate::pubsub) fn new(subscription: Subscription<Outbox>, chunked: bool) -> Self {
        Self { subscription: Some(subscription), chunked }
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(detach) = Detach::of_this_connection() {
            if let Some(subscription) = self.subscription.take() {
                let (service, chunked) = (Arc::clone(subscription.service()), self.chunked);
                detach.ask(move |socket| {
                    service.streams().spawn(Writer::new(socket, subscription, chunked));
                });
            }
            return Poll::Pending;
        }
        let Some(subscription) = &self.subscription else { return Poll::Pending };
        subscription.poll_take(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
