//! What waits for a database's writer: bounded in number and in bytes, taken in batches.
//!
//! One works at a time: the taker, or, while nothing waits and the taker sleeps, whoever brings the next item. Must not
//! know: what it holds.

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
    /// Somebody has a turn, so the taker may not begin.
    lent: bool,
}

/// What became of an item that was brought by somebody who can work on it himself.
pub(super) enum Brought<'i, T> {
    /// It waits for the taker.
    Waits,
    /// Its bringer works on it now, and nobody else works until the turn is dropped.
    Turn(T, Turn<'i, T>),
}

/// The right to work, while it is held.
pub(super) struct Turn<'i, T>(&'i Inbox<T>);

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.lent = false;
        if !state.waiting.is_empty() || state.closed {
            state.wake_at = 0;
            drop(state);
            self.0.arrived.notify_one();
        }
    }
}

impl<T> fmt::Debug for Inbox<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Inbox").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

impl<T> Inbox<T> {
    pub(super) fn new(bounds: Bounds) -> Self {
        let state = State { waiting: VecDeque::new(), bytes: 0, closed: false, wake_at: 0, last: 0, lent: false };
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

    /// As [`Self::push`]; but if nothing waits, nobody works and the last batch was no larger, the bringer gets the item
    /// back, and a turn to work on it himself.
    pub(super) fn bring(&self, item: T, bytes: u64) -> Result<Brought<'_, T>, Refused> {
        let mut state = self.state();
        let alone = state.waiting.is_empty() && state.wake_at == 1 && state.last <= 1 && !state.lent;
        if !alone || state.closed {
            drop(state);
            return self.push(item, bytes).map(|()| Brought::Waits);
        }
        state.lent = true;
        state.last = 1;
        drop(state);
        Ok(Brought::Turn(item, Turn(self)))
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
        // Who has a turn wakes the taker at its end.
        if !state.lent && state.wake_at > 0 && state.waiting.len() >= state.wake_at {
            state.wake_at = 0;
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// Waits until there is something, and moves as much of it as a batch may have into `batch`. False once the
    /// inbox is closed and empty.
    pub(super) fn take(&self, batch: &mut Vec<T>) -> bool {
        let mut state = self.state();
        while state.waiting.is_empty() || state.lent {
            if state.closed && !state.lent {
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
    use std::sync::atomic::{AtomicBool, Ordering};

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
    fn one_who_comes_alone_works_himself_and_others_wait_for_him() {
        let inbox = Arc::new(Inbox::new(BOUNDS));
        // Nobody can know that the taker sleeps, which is when it has let go of the lock that it takes first.
        let taker = std::thread::spawn({
            let inbox = Arc::clone(&inbox);
            move || std::iter::from_fn(|| take(&inbox)).collect::<Vec<_>>()
        });
        let (item, turn) = loop {
            match inbox.bring(1, 1) {
                Ok(Brought::Turn(item, turn)) => break (item, turn),
                Ok(Brought::Waits) | Err(_) => std::thread::yield_now(),
            }
        };
        assert_eq!(item, 1);
        assert!(matches!(inbox.bring(2, 1), Ok(Brought::Waits)));
        assert_eq!(inbox.push(3, 1), Ok(()));
        inbox.close();
        assert!(inbox.bring(4, 1).is_err());
        // The taker hands nothing out and does not end while the turn lasts.
        assert_eq!(inbox.state().waiting.len(), 2);
        drop(turn);
        let taken = taker.join().unwrap();
        assert_eq!(taken.last(), Some(&vec![2, 3]));
    }

    #[test]
    fn nobody_works_beside_another() {
        let inbox = Arc::new(Inbox::new(Bounds { items: 1000, bytes: 1000, batch_items: 3, batch_bytes: 100 }));
        let working = Arc::new(AtomicBool::new(false));
        let work = |working: &AtomicBool| {
            assert!(!working.swap(true, Ordering::SeqCst));
            std::thread::yield_now();
            working.store(false, Ordering::SeqCst);
        };
        let taker = std::thread::spawn({
            let (inbox, working) = (Arc::clone(&inbox), Arc::clone(&working));
            move || {
                let mut taken = 0;
                while let Some(batch) = take(&inbox) {
                    work(&working);
                    taken += batch.len();
                }
                taken
            }
        });
        let bringers: Vec<_> = (0..3)
            .map(|_| {
                let (inbox, working) = (Arc::clone(&inbox), Arc::clone(&working));
                std::thread::spawn(move || {
                    let mut done = 0;
                    for item in 0..200 {
                        if let Brought::Turn(_, _turn) = inbox.bring(item, 0).unwrap_or(Brought::Waits) {
                            work(&working);
                            done += 1;
                        }
                    }
                    done
                })
            })
            .collect();
        let done: usize = bringers.into_iter().map(|bringer| bringer.join().unwrap()).sum();
        inbox.close();
        assert_eq!(taker.join().unwrap() + done, 600);
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
