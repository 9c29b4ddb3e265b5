//! What one session has yet to be told, bounded in bytes.
//!
//! The database's writer puts in and never waits; the session's transport takes out when it has room. Must not know:
//! transports, or how anything is put into words.

use hearth_database::wire::Outgoing;
use hearth_database::{Audience, Event, ListenerId};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// So many bytes may wait for a session, besides the data that it asked for.
pub(super) const MOST_WAITING_BYTES: u64 = 16 * 1024 * 1024;

/// Why a session's transport has to be closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// More waits than a session may have waiting.
    TooSlow,
    /// Its client has come back on another connection.
    TakenOver,
    /// It sent something that is no message; the words say what.
    Malformed(String),
    /// It sent a message that is too long.
    TooLong,
    /// Its credential could not be changed, as the database takes nothing more now.
    Overloaded,
    /// The client was not heard of for too long.
    Silent,
    /// The server has failed.
    Failed,
    /// The server stops.
    Stopping,
}

/// A session's queue.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    limit: u64,
}

#[derive(Debug, Default)]
struct Queue {
    /// With what each was counted as: an event weighs something else once it has been put into words.
    waiting: VecDeque<(Outgoing, u64)>,
    cost: u64,
    closing: Option<Closing>,
    reader: Option<Waker>,
}

impl Outbox {
    /// An empty queue of at most so many bytes.
    pub(super) fn new(limit: u64) -> Self {
        Self { queue: Mutex::default(), limit }
    }

    /// Leaves something for the transport. Beyond the bound the session is closed; what waited is dropped, as its client
    /// begins anew.
    pub(super) fn tell(&self, outgoing: Outgoing) {
        let weight = outgoing.weight();
        let mut queue = self.lock();
        if queue.closing.is_some() {
            return;
        }
        if queue.cost > 0 && queue.cost + weight > self.limit {
            drop(queue);
            self.close(Closing::TooSlow);
            return;
        }
        queue.cost += weight;
        queue.waiting.push_back((outgoing, weight));
        wake(queue);
    }

    /// Has the transport closed, at once; the first reason counts.
    pub(super) fn close(&self, closing: Closing) {
        let mut queue = self.lock();
        if queue.closing.is_none() {
            queue.closing = Some(closing);
        }
        let dropped = std::mem::take(&mut queue.waiting);
        queue.cost = 0;
        wake(queue);
        drop(dropped);
    }

    /// The next thing to tell, or why the transport has to be closed.
    pub(super) fn poll_take(&self, context: &mut Context<'_>) -> Poll<Result<Outgoing, Closing>> {
        let mut queue = self.lock();
        if let Some(closing) = &queue.closing {
            return Poll::Ready(Err(closing.clone()));
        }
        if let Some((outgoing, weight)) = queue.waiting.pop_front() {
            queue.cost -= weight;
            if queue.waiting.is_empty() {
                // An idle session keeps no buffer.
                queue.waiting = VecDeque::new();
            }
            return Poll::Ready(Ok(outgoing));
        }
        Self::remember(&mut queue, context);
        Poll::Pending
    }

    /// As [`Self::poll_take`] while there is no room: tells only why the transport has to be closed.
    pub(super) fn poll_closing(&self, context: &mut Context<'_>) -> Poll<Closing> {
        let mut queue = self.lock();
        if let Some(closing) = &queue.closing {
            return Poll::Ready(closing.clone());
        }
        Self::remember(&mut queue, context);
        Poll::Pending
    }

    /// The transport is awake, and asks again before it sleeps: until then nothing need wake it.
    pub(super) fn attend(&self) {
        self.lock().reader = None;
    }

    fn remember(queue: &mut Queue, context: &Context<'_>) {
        match &mut queue.reader {
            Some(reader) => reader.clone_from(context.waker()),
            None => queue.reader = Some(context.waker().clone()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets go of the lock, then wakes who waits for the queue.
fn wake(mut queue: MutexGuard<'_, Queue>) {
    let reader = queue.reader.take();
    drop(queue);
    if let Some(reader) = reader {
        reader.wake();
    }
}

impl Audience for Outbox {
    fn hear(&self, listener: ListenerId, event: &Arc<Event>) {
        self.tell(Outgoing::Event(listener, Arc::clone(event)));
    }

    fn revoke(&self, listener: ListenerId) {
        self.tell(Outgoing::Revoked(listener));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    fn text(length: usize) -> Outgoing {
        Outgoing::Text(Bytes::from("x".repeat(length)))
    }

    /// Takes until nothing is left: lengths, then why it is closed.
    fn drain(outbox: &Outbox) -> (Vec<usize>, Option<Closing>) {
        let mut lengths = Vec::new();
        loop {
            match outbox.poll_take(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(outgoing)) => outgoing.frames(|frame| lengths.push(frame.len())),
                Poll::Ready(Err(closing)) => return (lengths, Some(closing)),
                Poll::Pending => return (lengths, None),
            }
        }
    }

    #[test]
    fn over_the_bound_it_is_closed_and_one_thing_of_any_size_fits() {
        let outbox = Outbox::new(300);
        outbox.tell(text(1000));
        assert_eq!(drain(&outbox), (vec![1000], None));
        for length in [10, 20, 30] {
            outbox.tell(text(length));
        }
        assert_eq!(drain(&outbox), (vec![10, 20, 30], None));
        (0..9).for_each(|_| outbox.tell(text(10)));
        assert_eq!(drain(&outbox), (vec![], Some(Closing::TooSlow)));
        outbox.close(Closing::Stopping);
        outbox.tell(text(1));
        assert_eq!(drain(&outbox), (vec![], Some(Closing::TooSlow)));
    }

    #[test]
    fn data_that_was_asked_for_does_not_count() {
        let outbox = Outbox::new(1000);
        let node = hearth_database::Node::from(hearth_database::Leaf::text(&"x".repeat(10_000)));
        (0..9).for_each(|number| outbox.tell(Outgoing::Got { number, node: node.clone() }));
        assert_eq!(drain(&outbox).1, None);
        assert_eq!(outbox.lock().cost, 0);
        assert_eq!(outbox.lock().waiting.capacity(), 0);
    }

    #[test]
    fn many_things_wake_the_transport_once() {
        struct Count(AtomicUsize);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let outbox = Outbox::new(1000);
        assert!(outbox.poll_take(&mut Context::from_waker(&waker)).is_pending());
        (0..3).for_each(|_| outbox.tell(text(1)));
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        drain(&outbox);
        assert!(outbox.poll_take(&mut Context::from_waker(&waker)).is_pending());
        outbox.attend();
        outbox.tell(text(1));
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        drain(&outbox);
        assert!(outbox.poll_closing(&mut Context::from_waker(&waker)).is_pending());
        outbox.close(Closing::Silent);
        assert_eq!(count.0.load(Ordering::SeqCst), 2);
    }
}
