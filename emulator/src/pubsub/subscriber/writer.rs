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

/// A listener that is cut off, or still there when the server stops, has this long to take what is half written, and any
/// to close after the end.
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
    /// None once everything is written: the place is given up, and the client is to close.
    subscription: Option<Subscription<Outbox>>,
    /// HTTP/1.0 knows no chunks: there the stream ends with the connection.
    chunked: bool,
    part: Option<Part>,
    /// So many bytes of the part are written, its chunk's head included.
    written: usize,
    /// It has let others go first, and writes now.
    has_waited: bool,
    /// Runs when the client is waited for only so long.
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
        Self {
            stream,
            subscription: Some(subscription),
            chunked,
            part: None,
            written: 0,
            has_waited: false,
            grace: None,
        }
    }

    /// Writes as much as there is room for: ready once the stream is over.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let Some(subscription) = &self.subscription else { return Poll::Ready(Ok(())) };
            let Some(part) = &self.part else {
                self.part = match ready!(subscription.poll_take(context)) {
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
        let Some(subscription) = &self.subscription else { return Poll::Ready(Ok(())) };
        let cut = ready!(subscription.poll_ended(context));
        if cut.is_some() || subscription.server_stops() {
            return self.poll_patience(context).map(|()| Err(ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }

    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.grace.get_or_insert_with(|| Box::pin(tokio::time::sleep(GRACE))).as_mut().poll(context)
    }

    /// Ends our side and waits a moment for the client's: closing on what it has said meanwhile would break the
    /// connection, and what is under way to it would be lost.
    fn poll_farewell(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if ready!(Pin::new(&mut self.stream).poll_shutdown(context)).is_err() || self.poll_gone(context).is_ready() {
            return Poll::Ready(());
        }
        self.poll_patience(context)
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
        if let Some(subscription) = &self.subscription {
            // Publishers whose requests have come together are answered together, and after that listeners are written
            // to: whoever is at the other end is woken less often, and reads what several of them have published at once.
            let waits = !self.has_waited && self.part.is_none() && subscription.has_frames();
            self.has_waited = waits;
            if waits {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            match self.poll_write(context) {
                Poll::Ready(Ok(())) => self.subscription = None,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return self.poll_gone(context),
            }
        }
        self.poll_farewell(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Agenda, Clock, MANUAL_START};
    use crate::pubsub::access::Pass;
    use crate::pubsub::settings::SubscriberSettings;
    use crate::pubsub::{PubsubService, PubsubSettings, service};
    use crate::server::credentials::Credentials;
    use hearth_pubsub::path::ChannelPath;
    use hearth_pubsub::replay::Resume;
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::task::JoinHandle;
    use tokio_util::sync::CancellationToken;

    struct Place {
        service: Arc<PubsubService>,
        stop: CancellationToken,
        client: DuplexStream,
        writing: JoinHandle<()>,
    }

    /// A listener to channel `a`, with so much room between it and the server.
    async fn listener(room: usize, chunked: bool) -> Place {
        let (agenda, stop) = (Agenda::new(Clock::manual(MANUAL_START)), CancellationToken::new());
        let service =
            PubsubService::new(PubsubSettings::pogify(""), Credentials::new(None, true), 1, &agenda, stop.clone());
        service.publish("a", "first".into()).await.unwrap();
        let (path, resume) = (ChannelPath::parse(b"a"), Resume::default());
        let terms = SubscriberSettings::terms as fn(&SubscriberSettings, _) -> _;
        let request =
            service::Request { location: 1, padding: None, path: &path, resume: &resume, terms, pass: &Pass::open() };
        let subscription = service.subscribe(&request, None).unwrap();
        let (client, server) = tokio::io::duplex(room);
        let writing = tokio::spawn(Writer::new(server, subscription, chunked));
        Place { service, stop, client, writing }
    }

    fn without_chunks(mut bytes: &[u8]) -> String {
        let mut text = String::new();
        loop {
            let line = bytes.windows(2).position(|pair| pair == LINE_END).unwrap();
            let length = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).unwrap(), 16).unwrap();
            text.push_str(std::str::from_utf8(&bytes[line + 2..line + 2 + length]).unwrap());
            assert_eq!(&bytes[line + 2 + length..line + 4 + length], LINE_END);
            bytes = &bytes[line + 4 + length..];
            if length == 0 {
                assert!(bytes.is_empty());
                return text;
            }
        }
    }

    #[tokio::test]
    async fn whatever_room_there_is_all_of_it_comes_in_order() {
        let lengths = [1, 5, 600, 20_000, 3, 17_000, 2, 2];
        let expect: String = lengths.iter().map(|length| format!("data: {}\n\n", "x".repeat(*length))).collect();
        for chunked in [true, false] {
            for room in [1, 7, 100, 1 << 20] {
                let mut place = listener(room, chunked).await;
                for length in lengths {
                    place.service.publish("a", "x".repeat(length).into()).await.unwrap();
                    tokio::task::yield_now().await;
                }
                // What a listener says means nothing.
                place.client.write_u8(b'!').await.unwrap();
                place.service.delete(&ChannelPath::parse(b"a").ids(), None).await.unwrap();
                let mut received = Vec::new();
                place.client.read_to_end(&mut received).await.unwrap();
                let text = if chunked { without_chunks(&received) } else { String::from_utf8(received).unwrap() };
                assert!(
                    text == format!(": \n{expect}data: Channel deleted\n\n"),
                    "room for {room}, chunked: {chunked}"
                );
                drop(place.client);
                place.writing.await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn a_listener_that_goes_is_missed_at_once() {
        let place = listener(100, true).await;
        drop(place.client);
        place.writing.await.unwrap();
        assert_eq!(place.service.publish("a", "x".into()).await.unwrap().subscribers, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_not_waited_for_once_it_is_cut_off_or_the_server_stops() {
        for stops in [true, false] {
            let place = listener(10, true).await;
            tokio::task::yield_now().await;
            let limit = SubscriberSettings::default().unread_limit;
            place.service.publish("a", "x".repeat(limit).into()).await.unwrap();
            tokio::task::yield_now().await;
            if stops {
                place.stop.cancel();
            } else {
                for _ in 0..3 {
                    place.service.publish("a", "x".repeat(limit / 2).into()).await.unwrap();
                }
                assert_eq!(place.service.cut_off_count(), 1);
            }
            let begun = tokio::time::Instant::now();
            place.writing.await.unwrap();
            assert_eq!(begun.elapsed().as_millis() / 10, GRACE.as_millis() / 10, "{stops}");
        }
    }
}
