//! An answer that goes on: a feed as the body of a response.

use bytes::Bytes;
use hearth_functions::feed::Feed;
use http_body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A body; it ends with its feed, or when the server stops.
pub(super) struct Streamed {
    feed: Feed,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Streamed {
    pub(super) fn new(feed: Feed, stop: CancellationToken) -> Self {
        Self { feed, stop: Box::pin(stop.cancelled_owned()) }
    }
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Poll::Ready(piece) = self.feed.poll_take(context) {
            return Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))));
        }
        self.stop.as_mut().poll(context).map(|()| None)
    }
}
