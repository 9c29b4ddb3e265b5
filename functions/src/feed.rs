//! What a client's stream has yet to be sent: a queue bounded in bytes between a service and a connection.
//!
//! The service puts in and never waits; the connection takes out when its socket has room. A client that lags behind the
//! bound is cut off, and what waits for it is let go. Must not know: what the bytes mean, or what they are sent over.

use bytes::Bytes;
use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// What a queued piece costs besides its bytes, so that many small ones are bounded as well.
const PIECE_COST: usize = size_of::<Bytes>();

/// How a stream ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The service has closed it, after what was queued. A WebSocket's client is told the code and the reason.
    Closed {
        /// As RFC 6455, section 7.4 numbers them.
        code: u16,
        /// At most 123 bytes.
        reason: String,
    },
    /// Its client was too slow; what was queued is lost.
    TooSlow,
}

/// Why something was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsent {
    /// The client has gone, or the stream was closed before.
    #[error("the client is gone")]
    Gone,
    /// There was no room: with this the client is cut off.
    #[error("the client is too slow")]
    TooSlow,
}

/// Called once.
type Callback = Box<dyn FnOnce() + Send>;

/// The service's end; its clones are the same end.
#[derive(Clone)]
pub struct Outlet(Arc<Shared>);

/// The connection's end.
pub struct Feed(Arc<Shared>);

struct Shared {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Bytes>,
    cost: usize,
    ending: Option<Ending>,
    gone: bool,
    reader: Option<Waker>,
    when_gone: Option<Callback>,
    when_cut: Option<Callback>,
}

/// The two ends of a stream for which so many bytes may wait.
pub fn feed(limit: usize) -> (Outlet, Feed) {
    let shared = Arc::new(Shared { limit, state: Mutex::default() });
    (Outlet(Arc::clone(&shared)), Feed(shared))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outlet {
    /// Queues a piece: bytes of a body, or one text of a WebSocket.
    ///
    /// # Errors
    /// See [`Unsent`]. Nobody but this client is concerned.
    pub fn send(&self, piece: Bytes) -> Result<(), Unsent> {
        let mut state = self.0.lock();
        if state.gone || state.ending.is_some() {
            return Err(Unsent::Gone);
        }
        let cost = piece.len() + PIECE_COST;
        let sent = if state.cost + cost > self.0.limit {
            state.ending = Some(Ending::TooSlow);
            state.queue = VecDeque::new();
            state.cost = 0;
            Err(Unsent::TooSlow)
        } else {
            state.cost += cost;
            state.queue.push_back(piece);
            Ok(())
        };
        let cut = state.when_cut.take_if(|_| sent.is_err());
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        cut.into_iter().for_each(|cut| cut());
        sent
    }

    /// Closes the stream once what is queued is sent. A stream that has ended stays as it is.
    pub fn close(&self, code: u16, reason: &str) {
        let mut state = self.0.lock();
        state.ending.get_or_insert_with(|| Ending::Closed { code, reason: reason.to_owned() });
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }

    /// Whether anything can still be queued.
    pub fn is_open(&self) -> bool {
        let state = self.0.lock();
        !state.gone && state.ending.is_none()
    }

    /// Has `callback` called when the connection is over, at once if it is. A later callback replaces it.
    pub fn when_gone(&self, callback: impl FnOnce() + Send + 'static) {
        let mut state = self.0.lock();
        if state.gone {
            drop(state);
            callback();
        } else {
            state.when_gone = Some(Box::new(callback));
        }
    }

    /// Whether both are ends of the same stream.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Feed {
    /// The next piece; none once the stream has ended and everything was taken.
    pub fn poll_take(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.0.lock();
        match state.queue.pop_front() {
            Some(piece) => {
                state.cost -= piece.len() + PIECE_COST;
                Poll::Ready(Some(piece))
            }
            None if state.ending.is_some() => Poll::Ready(None),
            None => {
                state.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Ready once the client was too slow: what a connection that can write nothing waits for.
    pub fn poll_cut(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if state.ending == Some(Ending::TooSlow) {
            return Poll::Ready(());
        }
        state.reader = Some(context.waker().clone());
        Poll::Pending
    }

    /// How the stream ends; `None` while it does not.
    pub fn ending(&self) -> Option<Ending> {
        self.0.lock().ending.clone()
    }

    /// Has `callback` called when the client is cut off for being too slow.
    pub fn when_cut(&self, callback: impl FnOnce() + Send + 'static) {
        self.0.lock().when_cut = Some(Box::new(callback));
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.gone = true;
        state.cost = 0;
        let queue = mem::take(&mut state.queue);
        let (gone, cut) = (state.when_gone.take(), state.when_cut.take());
        drop(state);
        drop((queue, cut));
        gone.into_iter().for_each(|gone| gone());
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Outlet")
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Feed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn take(feed: &mut Feed) -> Poll<Option<Bytes>> {
        feed.poll_take(&mut Context::from_waker(Waker::noop()))
    }

    /// A callback, and how often it was called.
    fn counted() -> (impl FnOnce() + Send + 'static, Arc<AtomicU32>) {
        let count = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&count);
        (
            move || {
                counter.fetch_add(1, Ordering::SeqCst);
            },
            count,
        )
    }

    #[test]
    fn pieces_come_in_order_and_then_the_end() {
        let (outlet, mut feed) = feed(1000);
        assert_eq!(take(&mut feed), Poll::Pending);
        for piece in ["a", "b"] {
            outlet.send(Bytes::from(piece)).unwrap();
        }
        outlet.close(1000, "done");
        assert_eq!(outlet.send(Bytes::from("c")), Err(Unsent::Gone));
        outlet.close(1011, "later");
        assert_eq!(take(&mut feed), Poll::Ready(Some(Bytes::from("a"))));
        assert_eq!(take(&mut feed), Poll::Ready(Some(Bytes::from("b"))));
        assert_eq!(take(&mut feed), Poll::Ready(None));
        assert_eq!(feed.ending(), Some(Ending::Closed { code: 1000, reason: "done".to_owned() }));
    }

    #[test]
    fn a_client_that_lags_behind_the_bound_is_cut_off() {
        let (outlet, mut feed) = feed(2 * (PIECE_COST + 1));
        let (cut, calls) = counted();
        feed.when_cut(cut);
        for _ in 0..100 {
            outlet.send(Bytes::from("a")).unwrap();
            outlet.send(Bytes::from("b")).unwrap();
            assert_eq!(
                (take(&mut feed), take(&mut feed)),
                (Poll::Ready(Some("a".into())), Poll::Ready(Some("b".into())))
            );
        }
        outlet.send(Bytes::from("a")).unwrap();
        assert_eq!(outlet.send(Bytes::from("bc")), Err(Unsent::TooSlow));
        assert_eq!(outlet.send(Bytes::new()), Err(Unsent::Gone));
        assert_eq!((take(&mut feed), feed.ending()), (Poll::Ready(None), Some(Ending::TooSlow)));
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_service_hears_of_a_client_that_goes_once_and_at_once() {
        let (outlet, feed) = feed(1000);
        let (gone, calls) = counted();
        outlet.when_gone(gone);
        assert!(outlet.is_open());
        drop(feed);
        assert_eq!((outlet.is_open(), calls.load(Ordering::SeqCst)), (false, 1));
        let (gone, calls) = counted();
        outlet.when_gone(gone);
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        assert_eq!(outlet.send(Bytes::from("a")), Err(Unsent::Gone));
    }
}
