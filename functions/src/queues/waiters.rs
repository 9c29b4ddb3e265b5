//! Who waits for a message of which queue: long polls.
//!
//! A message wakes the one that has waited longest. One that was woken and goes away before it has looked wakes the
//! next, so that no message waits while somebody waits for it. Must not know: the time.

use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// Everyone who waits.
#[derive(Debug, Default)]
pub(super) struct Waiters(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    /// By queue, in the order of arrival.
    lines: HashMap<String, BTreeMap<u64, Arc<Slot>>>,
    arrived: u64,
}

/// Where somebody is told something.
#[derive(Debug, Default)]
pub(super) struct Slot(Mutex<(Option<Woken>, Option<Waker>)>);

/// Why somebody waits no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// There may be a message.
    Rung,
    /// It has waited long enough.
    Expired,
}

/// One who waits.
#[derive(Debug)]
pub(super) struct Waiter {
    waiters: Arc<Waiters>,
    queue: String,
    number: u64,
    slot: Arc<Slot>,
}

impl Slot {
    /// Tells it; whether it had not been told anything before.
    pub(super) fn tell(&self, woken: Woken) -> bool {
        let (first, waker) = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let first = state.0.is_none();
            state.0.get_or_insert(woken);
            (first, state.1.take())
        };
        waker.into_iter().for_each(Waker::wake);
        first
    }
}

impl Waiters {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits at the end of a queue's line.
    pub(super) fn wait(self: &Arc<Self>, queue: &str) -> Waiter {
        let mut lines = self.lock();
        lines.arrived += 1;
        let (number, slot) = (lines.arrived, Arc::<Slot>::default());
        lines.lines.entry(queue.to_owned()).or_default().insert(number, Arc::clone(&slot));
        Waiter { waiters: Arc::clone(self), queue: queue.to_owned(), number, slot }
    }

    /// Wakes up to so many of a queue.
    pub(super) fn wake(&self, queue: &str, most: usize) {
        let mut lines = self.lock();
        let Some(line) = lines.lines.get_mut(queue) else { return };
        let mut woken = 0;
        while woken < most
            && let Some((_, slot)) = line.pop_first()
        {
            woken += usize::from(slot.tell(Woken::Rung));
        }
        if line.is_empty() {
            lines.lines.remove(queue);
        }
    }

    fn leave(&self, queue: &str, number: u64) {
        let mut lines = self.lock();
        if let Some(line) = lines.lines.get_mut(queue) {
            line.remove(&number);
            if line.is_empty() {
                lines.lines.remove(queue);
            }
        }
    }
}

impl Waiter {
    /// Where it is told.
    pub(super) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// Its place, which no other has.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Waits until it is told something.
    pub(super) async fn woken(self) -> Woken {
        let slot = Arc::clone(&self.slot);
        let woken = poll_fn(move |context| {
            let mut state = slot.0.lock().unwrap_or_else(PoisonError::into_inner);
            match state.0 {
                Some(woken) => Poll::Ready(woken),
                None => {
                    state.1 = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await;
        self.forget();
        woken
    }

    /// Leaves; what it was told is its own business.
    fn forget(mut self) {
        self.waiters.leave(&self.queue, self.number);
        self.queue = String::new();
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let queue = mem::take(&mut self.queue);
        if queue.is_empty() {
            return;
        }
        self.waiters.leave(&queue, self.number);
        let rung = self.slot.0.lock().unwrap_or_else(PoisonError::into_inner).0 == Some(Woken::Rung);
        if rung {
            self.waiters.wake(&queue, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn the_first_in_line_is_woken_first() {
        let waiters = Arc::<Waiters>::default();
        let mut waiting: Vec<_> = ["a", "a", "b", "a"].map(|queue| Box::pin(waiters.wait(queue).woken())).into();
        let mut woken = || waiting.iter_mut().map(|waiter| waiter.now_or_never().is_some()).collect::<Vec<_>>();
        waiters.wake("c", 1);
        assert_eq!(woken(), [false; 4]);
        waiters.wake("a", 1);
        assert_eq!(woken(), [true, false, false, false]);
    }

    #[test]
    fn who_goes_away_wakes_the_next() {
        let waiters = Arc::<Waiters>::default();
        let (first, second, third) = (waiters.wait("a"), waiters.wait("a"), waiters.wait("a"));
        drop(first);
        waiters.wake("a", 1);
        drop(second);
        assert_eq!(third.woken().now_or_never(), Some(Woken::Rung));
        let (expired, next) = (waiters.wait("a"), waiters.wait("a"));
        expired.slot().tell(Woken::Expired);
        waiters.wake("a", 1);
        assert_eq!(expired.woken().now_or_never(), Some(Woken::Expired));
        assert_eq!(next.woken().now_or_never(), Some(Woken::Rung));
        assert!(waiters.lock().lines.is_empty());
    }
}
