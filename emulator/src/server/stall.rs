//! A stream whose writes may stand still only so long. Must not know: what is written.
//!
//! A client that asks for much and reads nothing would hold its answer in memory for as long as it likes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// So many bytes are written as one buffer.
const TOGETHER: usize = 512;

/// How long a write may stand still; its clones are the same limit.
#[derive(Clone, Debug)]
pub(super) struct Limit(Arc<AtomicU64>);

impl Limit {
    pub(super) fn new(limit: Duration) -> Self {
        Self(Arc::new(AtomicU64::new(millis(limit))))
    }

    /// Holds for writes that stand still from now on.
    pub(super) fn set(&self, limit: Duration) {
        self.0.store(millis(limit), Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Fails with [`io::ErrorKind::TimedOut`] once a write has made no progress for the limit. Reads wait without limit.
#[derive(Debug)]
pub(crate) struct Impatient<S> {
    stream: S,
    limit: Limit,
    /// Runs while a write stands still.
    deadline: Option<Pin<Box<Sleep>>>,
    standing: Standing,
}

/// Whether what was last to be written stands still; its clones tell of the same stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing(Arc<AtomicBool>);

impl Standing {
    /// Asked and told by the one task of a connection.
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S> Impatient<S> {
    pub(super) fn new(stream: S, limit: Limit) -> Self {
        Self { stream, limit, deadline: None, standing: Standing::default() }
    }

    /// Tells whether a write stands still.
    pub(super) fn standing(&self) -> Standing {
        self.standing.clone()
    }

    /// The stream, without a limit.
    pub(super) fn into_inner(self) -> S {
        self.stream
    }

    fn watch<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.standing.0.store(written.is_pending(), Ordering::Relaxed);
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let limit = &self.limit;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit.get())));
        deadline.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut together = [0; TOGETHER];
        let length = gather(slices, &mut together);
        // One buffer is written more quickly than several, by more than a small one costs to copy.
        let written = match length.and_then(|length| together.get(..length)) {
            Some(bytes) => Pin::new(&mut self.stream).poll_write(context, bytes),
            None => Pin::new(&mut self.stream).poll_write_vectored(context, slices),
        };
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Copies what fits whole into `together`; its length.
fn gather(slices: &[io::IoSlice<'_>], together: &mut [u8]) -> Option<usize> {
    let mut length = 0;
    for slice in slices {
        together.get_mut(length..length + slice.len())?.copy_from_slice(slice);
        length += slice.len();
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stands_still_is_given_up_and_a_slow_one_is_not() {
        for (pause, reads, arrives) in [(1, 100, true), (29, 100, true), (31, 100, false), (1, 3, false)] {
            let (ours, mut theirs) = tokio::io::duplex(1);
            let reader = tokio::spawn(async move {
                for _ in 0..reads {
                    tokio::time::sleep(Duration::from_secs(pause)).await;
                    if theirs.read_u8().await.is_err() {
                        return;
                    }
                }
                // Open, and no longer read.
                tokio::time::sleep(100 * LIMIT).await;
            });
            let written = Impatient::new(ours, Limit::new(LIMIT)).write_all(&[b'x'; 100]).await;
            let expected = (!arrives).then_some(io::ErrorKind::TimedOut);
            assert_eq!(written.err().map(|error| error.kind()), expected, "{reads} reads, {pause} s apart");
            reader.abort();
        }
    }

    #[tokio::test]
    async fn pieces_are_written_in_order_whatever_their_size() {
        for lengths in [[0, 0, 0], [1, 0, 2], [100, 200, 212], [100, 200, 213], [600, 1, 1]] {
            let (ours, mut theirs) = tokio::io::duplex(10_000);
            let pieces = lengths.map(|length| vec![length as u8; length]);
            let slices = [0, 1, 2].map(|piece| io::IoSlice::new(&pieces[piece]));
            let mut ours = Impatient::new(ours, Limit::new(LIMIT));
            let written = ours.write_vectored(&slices).await.unwrap();
            drop(ours);
            let mut read = Vec::new();
            theirs.read_to_end(&mut read).await.unwrap();
            assert!(read == pieces.concat() && written == read.len(), "{lengths:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silence_of_any_length_is_none_of_its_business() {
        let (ours, mut theirs) = tokio::io::duplex(10);
        let mut ours = Impatient::new(ours, Limit::new(LIMIT));
        ours.write_all(b"a").await.unwrap();
        tokio::time::sleep(100 * LIMIT).await;
        ours.write_all(b"b").await.unwrap();
        let mut read = [0; 2];
        theirs.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"ab");
    }
}
