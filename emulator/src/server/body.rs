//! Request bodies, read whole, within bounds of size, time and memory.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// A body that stands still this long is given up.
const IDLE: Duration = Duration::from_secs(30);
/// Beyond that time a body has to come this fast on the whole, in bytes a second: one that trickles would hold its share
/// of the memory for hours.
const PACE: u64 = 8 * 1024;
/// All bodies under way may hold this many units together.
const BUDGET_UNITS: usize = 512 * 1024;
/// Bytes a unit.
const UNIT: usize = 1024;

/// Reads bodies; its clones share one memory budget.
#[derive(Clone, Debug)]
pub struct Bodies(Arc<Semaphore>);

impl Default for Bodies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BUDGET_UNITS)))
    }
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is longer than allowed (413).
    #[error("the request body is too large")]
    TooLarge,
    /// It did not arrive in time (408).
    #[error("the request body did not arrive in time")]
    TimedOut,
    /// The client broke off, or framed it wrongly (400).
    #[error("the request body is incomplete")]
    Incomplete,
    /// Too many large bodies are under way (503).
    #[error("the server is busy with other large requests")]
    Busy,
}

/// A body, counted against the budget for as long as it is kept.
#[derive(Debug)]
pub struct ReadBody {
    bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

impl ReadBody {
    /// The bytes, no longer counted: for bodies whose limit is small.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

impl Deref for ReadBody {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.bytes
    }
}

impl Bodies {
    /// Reads `body`, at most `limit` bytes of it.
    ///
    /// # Errors
    /// See [`BodyError`]. What was read is dropped, and the rest is not waited for.
    pub async fn read(&self, mut body: Body, limit: usize) -> Result<ReadBody, BodyError> {
        if let Some(announced) = http_body::Body::size_hint(&body).exact()
            && announced > limit as u64
        {
            return Err(BodyError::TooLarge);
        }
        let mut first: Option<Bytes> = None;
        let mut joined = BytesMut::new();
        let mut share: Option<OwnedSemaphorePermit> = None;
        let mut length = 0;
        let begun = Instant::now();
        loop {
            let by = (begun + IDLE + Duration::from_secs(length as u64 / PACE)).min(Instant::now() + IDLE);
            let frame = tokio::time::timeout_at(by, body.frame()).await.map_err(|_| BodyError::TimedOut)?;
            let Some(frame) = frame else { break };
            let Ok(data) = frame.map_err(|_| BodyError::Incomplete)?.into_data() else { continue };
            length += data.len();
            if length > limit {
                return Err(BodyError::TooLarge);
            }
            let held = share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let more = u32::try_from(length.div_ceil(UNIT) - held).map_err(|_| BodyError::TooLarge)?;
            if more > 0 {
                let permit = Arc::clone(&self.0).try_acquire_many_owned(more).map_err(|_| BodyError::Busy)?;
                match &mut share {
                    Some(share) => share.merge(permit),
                    None => share = Some(permit),
                }
            }
            // Most bodies come in one piece, which is passed on as it is.
            match first.take() {
                None if joined.is_empty() => first = Some(data),
                None => joined.extend_from_slice(&data),
                Some(start) => {
                    joined.extend_from_slice(&start);
                    joined.extend_from_slice(&data);
                }
            }
        }
        Ok(ReadBody { bytes: first.unwrap_or_else(|| joined.freeze()), _share: share })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use std::convert::Infallible;

    fn pieces(pieces: &[&'static str]) -> Body {
        Body::from_stream(stream::iter(
            pieces.iter().map(|piece| Ok::<_, Infallible>(Bytes::from_static(piece.as_bytes()))).collect::<Vec<_>>(),
        ))
    }

    #[tokio::test]
    async fn pieces_are_joined() {
        let bodies = Bodies::default();
        for (given, joined) in [(&[][..], ""), (&["ab"], "ab"), (&["a", "", "b", "c"], "abc")] {
            assert_eq!(&bodies.read(pieces(given), 3).await.unwrap()[..], joined.as_bytes());
        }
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_announced_or_not() {
        let bodies = Bodies::default();
        assert_eq!(bodies.read(pieces(&["ab", "cd"]), 3).await.unwrap_err(), BodyError::TooLarge);
        assert_eq!(bodies.read(Body::from("abcd"), 3).await.unwrap_err(), BodyError::TooLarge);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stands_still_or_trickles_is_given_up() {
        let every = |pause: u64, piece: &'static [u8], pieces: usize| {
            Body::from_stream(stream::unfold(pieces, move |left| async move {
                tokio::time::sleep(Duration::from_secs(pause)).await;
                (left > 0).then(|| (Ok::<_, Infallible>(Bytes::from_static(piece)), left - 1))
            }))
        };
        let bodies = Bodies::default();
        for (pause, piece, pieces, arrives) in [
            (31, &b"x"[..], 1, false),
            (20, b"x", 1, false),
            (10, b"x", 1, true),
            (10, b"x", 1000, false),
            (10, &[b'x'; 100 * 1024], 100, true),
        ] {
            let read = bodies.read(every(pause, piece, pieces), usize::MAX).await;
            assert_eq!(read.err(), (!arrives).then_some(BodyError::TimedOut), "{pieces} every {pause} s");
        }
    }

    #[tokio::test]
    async fn bodies_share_a_budget_and_give_it_back() {
        let bodies = Bodies(Arc::new(Semaphore::new(1)));
        let held = bodies.read(Body::from("a"), 10).await.unwrap();
        assert_eq!(bodies.read(Body::from("b"), 10).await.unwrap_err(), BodyError::Busy);
        drop(held);
        assert!(bodies.read(Body::from("b"), 10).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stands_still_is_given_up() {
        let stuck = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        assert_eq!(Bodies::default().read(stuck, 10).await.unwrap_err(), BodyError::TimedOut);
    }
}
