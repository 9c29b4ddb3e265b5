//! A stream on the bare socket: what its listener has yet to get is written as chunks of HTTP, one for all that waits.
//!
//! HTTP has left the connection with the answer's head, and a listener keeps no more than its place and its queue. Must
//! not know: channels.

use super::{Outbox, Subscription};
use bytes::Bytes;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A listener that is cut off, or still there when the server stops, has this long to take what is half written.
const GRACE: Duration = Duration::from_millis(450);
/// The size of a chunk in hexadecimal digits, and the line's end.
const HEAD_BYTES: usize = 2 * size_of::<usize>() + 2;
const LINE_END: &[u8] = b"\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// What a listener sends is read in pieces of this size, and means nothing.
const READ_BYTES: usize = 256;

/// One listener's connection, until it or its stream ends.
#[derive(Debug)]
pub(super) struct Writer<S> {
    stream: S,
    subscription: Subscription<Outbox>,
    /// HTTP/1.0 knows no chunks: there the stream ends with the connection.
    chunked: bool,
    part: Option<Part>,
    /// So many bytes of the part are written, its chunk's head included.
    written: usize,
    /// Runs when the rest of the part is waited for only so long.
    grace: Option<Pin<Box<Sleep>>>,
}

/// What is being written.
#[derive(Debug)]
enum Part {
    Frames(Bytes),
    /// The end of the stream.
    Last,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Writer<S> {
    pub(super) fn new(stream: S, subscription: Subscription<Outbox>, chunked: bool) -> Self {
        Self { stream, subscription, chunked, part: None, written: 0, grace: None }
    }

    /// Writes as much as there is room for: ready once the stream is over.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let Some(part) = &self.part else {
                self.part = match ready!(self.subscription.poll_take(context)) {
                    Some(frames) => Some(Part::Frames(frames)),
                    None if self.chunked => Some(Part::Last),
                    None => return Poll::Ready(Ok(())),
                };
                continue;
            };
            let mut head = [0; HEAD_BYTES];
            let mut slices = match part {
                Part::Frames(frames) if self.chunked => {
                    let mut rest = &mut head[..];
                    write!(rest, "{:X}\r\n", frames.len())?;
                    let unused = rest.len();
                    let head = head.get(..HEAD_BYTES - unused).unwrap_or_default();
                    [IoSlice::new(head), IoSlice::new(frames), IoSlice::new(LINE_END)]
                }
                Part::Frames(frames) => [IoSlice::new(frames), IoSlice::new(&[]), IoSlice::new(&[])],
                Part::Last => [IoSlice::new(LAST_CHUNK), IoSlice::new(&[]), IoSlice::new(&[])],
            };
            let length: usize = slices.iter().map(|slice| slice.len()).sum();
            let mut rest = &mut slices[..];
            IoSlice::advance_slices(&mut rest, self.written);
            match Pin::new(&mut self.stream).poll_write_vectored(context, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => self.written += written,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return self.poll_grace(context),
            }
            if self.written == length {
                self.written = 0;
                if let Some(Part::Last) = self.part.take() {
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }

    /// There is no room: a listener whose stream is not to go on is not waited for as long as others.
    fn poll_grace(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let cut = ready!(self.subscription.poll_ended(context));
        if cut || self.subscription.server_stops() {
            let grace = self.grace.get_or_insert_with(|| Box::pin(tokio::time::sleep(GRACE)));
            return grace.as_mut().poll(context).map(|()| Err(ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }

    /// Ready once the listener has gone.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; READ_BYTES];
        loop {
            let mut read = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut read)) {
                Ok(()) if !read.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }
}

/// Ready when the connection is to be closed.
impl<S: AsyncRead + AsyncWrite + Unpin> Future for Writer<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.poll_write(context) {
            Poll::Ready(Ok(()) | Err(_)) => Poll::Ready(()),
            Poll::Pending => self.poll_gone(context),
        }
    }
}
