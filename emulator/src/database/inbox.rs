//! What waits for a database's writer: bounded in number and in bytes, taken in batches.
//!
//! Must not know: what it holds.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The taker waits at most so long for as many items as the last batch had.
const GATHER: Duration = Duration::from_micros(100);

/// Bounds of an inbox and of the batches taken from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// So many items may wait.
    pub(super) items: usize,
    /// So many bytes may wait, or a single item of any size.
    pub(super) bytes: u64,
    /// A batch has at most so many items.
    pub(super) batch_items: usize,
    /// A batch has at most so many bytes, or is a single item.
    pub(super) batch_bytes: u64,
}

/// Why an item was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Too much waits already.
    Full,
    /// Nobody takes items any more.
    Closed,
}

/// A queue from many to one.
pub(super) struct Inbox<T> {
    bounds: Bounds,
    state: Mutex<State<T>>,
    arrived: Condvar,
}

struct State<T> {
    waiting: VecDeque<(T, u64)>,
    bytes: u64,
    closed: bool,
    /// The taker sleeps until so many wait; 0 while it is awake.
    wake_at: usize,
    /// How many the last batch had.
    last: usize,
}

impl<T> fmt::Debug for Inbox<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Inbox").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

impl<T> Inbox<T> {
    pub(super) fn new(bounds: Bounds) -> Self {
        let state = State { waiting: VecDeque::new(), bytes: 0, closed: false, wake_at: 0, last: 0 };
        Self { bounds, state: Mutex::new(state), arrived: Condvar::new() }
    }

    /// Leaves an item of about so many bytes.
    pub(super) fn push(&self, item: T, bytes: u64) -> Result<(), Refused> {
        let state = self.state();
        if state.closed {
            return Err(Refused::Closed);
        }
        let crowded = state.bytes.saturating_add(bytes) > self.bounds.bytes && !state.waiting.is_empty();
        if crowded || state.waiting.len() >= self.bounds.items {
            return Err(Refused::Full);
        }
        self.add(state, item, bytes);
        Ok(())
    }

    /// Leaves an item whatever waits already: for the few whose number is bounded otherwise.
    pub(super) fn push_anyway(&self, item: T, bytes: u64) -> Result<(), Refused> {
        let state = self.state();
        if state.closed {
            return Err(Refused::Closed);
        }
        self.add(state, item, bytes);
        Ok(())
    }

    fn add(&self, mut state: MutexGuard<'_, State<T>>, item: T, bytes: u64) {
        state.waiting.push_back((item, bytes));
        state.bytes += bytes;
        if state.wake_at > 0 && state.waiting.len() >= state.wake_at {
            state.wake_at = 0;
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// Waits until there is something, and moves as much of it as a batch may have into `batch`. False once the
    /// inbox is closed and empty.
    pub(super) fn take(&self, batch: &mut Vec<T>) -> bool {
        let mut state = self.state();
        while state.waiting.is_empty() {
            if state.closed {
                return false;
            }
            state.wake_at = 1;
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        // Those who were answered together come back together, but not at once: without a short wait the first of
        // them would have a commit of its own, which all others wait for.
        let expected = state.last.min(self.bounds.batch_items);
        if state.waiting.len() < expected && !state.closed {
            state.wake_at = expected;
            let few = |state: &mut State<T>| state.waiting.len() < expected && !state.closed;
            let (gathered, _) =
                self.arrived.wait_timeout_while(state, GATHER, few).unwrap_or_else(PoisonError::into_inner);
            state = gathered;
        }
        state.wake_at = 0;
        let mut bytes = 0_u64;
        while batch.len() < self.bounds.batch_items
            && let Some((item, weight)) = state
                .waiting
                .pop_front_if(|(_, next)| bytes == 0 || bytes.saturating_add(*next) <= self.bounds.batch_bytes)
        {
            bytes = bytes.saturating_add(weight);
            state.bytes -= weight;
            batch.push(item);
        }
        state.last = batch.len();
        true
    }

    /// Takes no more items; those that wait are still handed out.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.arrived.notify_all();
    }

    /// Closes, and drops what waits: for when the taker has gone.
    pub(super) fn abandon(&self) {
        self.close();
        let waiting = std::mem::take(&mut self.state().waiting);
        drop(waiting);
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const BOUNDS: Bounds = Bounds { items: 4, bytes: 10, batch_items: 3, batch_bytes: 6 };

    fn take(inbox: &Inbox<u8>) -> Option<Vec<u8>> {
        let mut batch = Vec::new();
        inbox.take(&mut batch).then_some(batch)
    }

    #[test]
    fn it_is_bounded_in_number_and_bytes() {
        let inbox = Inbox::new(BOUNDS);
        assert_eq!(inbox.push(0, 100), Ok(()));
        assert_eq!(inbox.push(1, 1), Err(Refused::Full));
        assert_eq!(take(&inbox), Some(vec![0]));
        for (item, bytes, result) in [(1, 5, Ok(())), (2, 5, Ok(())), (3, 1, Err(Refused::Full)), (4, 0, Ok(()))] {
            assert_eq!(inbox.push(item, bytes), result);
        }
        assert_eq!((inbox.push(5, 0), inbox.push(6, 0)), (Ok(()), Err(Refused::Full)));
        assert_eq!(inbox.push_anyway(7, 100), Ok(()));
        inbox.close();
        assert_eq!(inbox.push_anyway(8, 0), Err(Refused::Closed));
    }

    #[test]
    fn batches_are_bounded_and_in_order() {
        let inbox = Inbox::new(BOUNDS);
        for (item, bytes) in [(1, 4), (2, 4), (3, 0), (4, 0)] {
            inbox.push(item, bytes).unwrap();
        }
        assert_eq!(take(&inbox), Some(vec![1]));
        assert_eq!(take(&inbox), Some(vec![2, 3, 4]));
    }

    #[test]
    fn closed_it_hands_out_the_rest() {
        let inbox = Inbox::new(BOUNDS);
        inbox.push(1, 1).unwrap();
        inbox.close();
        assert_eq!(inbox.push(2, 1), Err(Refused::Closed));
        assert_eq!((take(&inbox), take(&inbox)), (Some(vec![1]), None));
    }

    #[test]
    fn a_sleeping_taker_is_woken() {
        let inbox = Arc::new(Inbox::new(BOUNDS));
        let taker = std::thread::spawn({
            let inbox = Arc::clone(&inbox);
            move || std::iter::from_fn(|| take(&inbox)).flatten().collect::<Vec<_>>()
        });
        for item in 0..100 {
            while inbox.push(item, 1) == Err(Refused::Full) {
                std::thread::yield_now();
            }
        }
        inbox.close();
        assert_eq!(taker.join().unwrap(), (0..100).collect::<Vec<_>>());
    }
}
