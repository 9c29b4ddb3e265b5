//! What one subscriber has yet to be written: frames it shares with others, bounded in bytes.
//!
//! Publishers put in and never wait; the connection takes out when its socket has room. Must not know: channels.

use crate::server::connections::HangUp;
use bytes::{Bytes, BytesMut};
use hearth_pubsub::message::Stamp;
use hearth_pubsub::subscriber::{Delivery, Outlet};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// What a queued frame costs besides its bytes, so that many small ones are bounded as well.
const FRAME_COST: usize = size_of::<Bytes>();
/// Waiting frames are joined up to this many bytes: copying so few is cheaper than writing them one by one.
const JOINED: usize = 16 * 1024;

/// A subscriber's queue; its clones are the same queue.
#[derive(Clone, Debug)]
pub(in crate::pubsub) struct Outbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queue: Mutex<Queue>,
    limit: usize,
    /// A frame may wait for so many seconds, about: at least, and at most twice as long.
    patience: u64,
    /// Closes the connection; a body's end alone does not reach a client that does not read.
    hang_up: Option<HangUp>,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    /// The cost of the frames that count, those beyond the first `uncounted`.
    cost: usize,
    /// How many frames at the front the subscriber was given to begin with.
    uncounted: usize,
    ended: bool,
    /// It was cut off, for this reason.
    cut: Option<&'static str>,
    /// How many frames there are up to the one whose age is watched; zero for none.
    watched: usize,
    /// When that frame's message was published, in seconds since the epoch.
    since: u64,
    reader: Option<Waker>,
}

impl Outbox {
    /// A queue with what the stream begins with. What is queued later may cost `limit` bytes together,
    /// and be `patience` seconds old.
    pub(in crate::pubsub) fn new(backlog: Vec<Bytes>, limit: usize, patience: u64, hang_up: Option<HangUp>) -> Self {
        let queue = Queue { uncounted: backlog.len(), frames: backlog.into(), ..Queue::default() };
        Self(Arc::new(Inner { queue: Mutex::new(queue), limit, patience, hang_up }))
    }

    /// Whether there is something to take.
    pub(super) fn has_frames(&self) -> bool {
        !self.lock().frames.is_empty()
    }

    /// The next bytes; none once the stream has ended and everything was taken.
    pub(super) fn poll_take(&self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut queue = self.lock();
        match queue.take() {
            Some(bytes) => Poll::Ready(Some(bytes)),
            None if queue.ended => Poll::Ready(None),
            None => {
                if !queue.reader.as_ref().is_some_and(|reader| reader.will_wake(context.waker())) {
                    queue.reader = Some(context.waker().clone());
                }
                Poll::Pending
            }
        }
    }

    /// Ready once nothing more will be queued: with the reason, if the reader was cut off.
    pub(super) fn poll_ended(&self, context: &mut Context<'_>) -> Poll<Option<&'static str>> {
        let mut queue = self.lock();
        if queue.ended {
            return Poll::Ready(queue.cut);
        }
        queue.reader = Some(context.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the queue, and wakes its reader after letting go of the lock.
    fn change(&self, change: impl FnOnce(&mut Queue)) {
        let mut queue = self.lock();
        change(&mut queue);
        let reader = queue.reader.take();
        drop(queue);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Queue {
    fn push(&mut self, frame: Bytes) {
        self.cost += frame.len() + FRAME_COST;
        self.frames.push_back(frame);
    }

    /// Whether a frame has waited for longer than `patience` seconds when a message is published.
    fn is_older_than(&self, patience: u64, stamp: Stamp) -> bool {
        self.watched > 0 && stamp.time > self.since.saturating_add(patience)
    }

    /// Watches the age of the frame that was just queued, unless one before it is watched. The time that a subscriber
    /// takes for what it was given to begin with does not count.
    fn watch_age(&mut self, stamp: Stamp) {
        if self.watched == 0 && self.uncounted == 0 && stamp.time > 0 {
            (self.watched, self.since) = (self.frames.len(), stamp.time);
        }
    }

    fn pop(&mut self) -> Option<Bytes> {
        let frame = self.frames.pop_front()?;
        self.watched = self.watched.saturating_sub(1);
        if self.uncounted > 0 {
            self.uncounted -= 1;
        } else {
            self.cost -= frame.len() + FRAME_COST;
        }
        Some(frame)
    }

    /// The first frame, joined with those after it as long as that is cheap.
    fn take(&mut self) -> Option<Bytes> {
        let first = self.pop()?;
        let mut joined = first.len();
        let mut others = 0;
        for frame in &self.frames {
            joined += frame.len();
            if joined > JOINED {
                break;
            }
            others += 1;
        }
        let bytes = if others == 0 {
            first
        } else {
            let mut bytes = BytesMut::with_capacity(joined.min(JOINED));
            bytes.extend_from_slice(&first);
            for _ in 0..others {
                bytes.extend_from_slice(&self.pop().unwrap_or_default());
            }
            bytes.freeze()
        };
        if self.frames.is_empty() {
            // An idle subscriber keeps no buffer.
            self.frames = VecDeque::new();
        }
        Some(bytes)
    }
}

impl Outlet for Outbox {
    fn deliver(&self, frame: &Bytes, stamp: Stamp) -> Delivery {
        let mut queue = self.lock();
        let full = queue.cost > 0 && queue.cost + frame.len() + FRAME_COST > self.0.limit;
        if full || queue.is_older_than(self.0.patience, stamp) {
            return Delivery::Full;
        }
        queue.push(frame.clone());
        queue.watch_age(stamp);
        let reader = queue.reader.take();
        drop(queue);
        if let Some(reader) = reader {
            reader.wake();
        }
        Delivery::Queued
    }

    fn end(&self, last: Bytes) {
        self.change(|queue| {
            if !last.is_empty() {
                queue.push(last);
            }
            queue.ended = true;
        });
    }

    fn cut_off(&self, last: Bytes, reason: &'static str) {
        self.change(|queue| {
            *queue = Queue { reader: queue.reader.take(), ended: true, cut: Some(reason), ..Queue::default() };
            if !last.is_empty() {
                queue.push(last);
            }
        });
        if let Some(hang_up) = &self.0.hang_up {
            hang_up.soon();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Outbox {
        fn put(&self, frame: &Bytes) -> Delivery {
            self.deliver(frame, Stamp::default())
        }
    }

    /// Takes until nothing is left: the pieces, and whether the stream has ended.
    fn drain(outbox: &Outbox) -> (Vec<String>, bool) {
        let mut pieces = Vec::new();
        loop {
            match outbox.poll_take(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Some(bytes)) => pieces.push(String::from_utf8(bytes.to_vec()).unwrap()),
                Poll::Ready(None) => return (pieces, true),
                Poll::Pending => return (pieces, false),
            }
        }
    }

    fn frame(length: usize) -> Bytes {
        Bytes::from("x".repeat(length))
    }

    #[test]
    fn small_frames_are_joined_and_large_ones_are_passed_on_as_they_are() {
        let outbox = Outbox::new(vec![frame(2), frame(3)], 1 << 20, 30, None);
        outbox.put(&frame(4));
        assert_eq!(drain(&outbox), (vec!["x".repeat(9)], false));
        let large = frame(JOINED);
        for frame in [&large, &frame(1), &frame(1), &large] {
            outbox.put(frame);
        }
        let lengths: Vec<_> = drain(&outbox).0.iter().map(String::len).collect();
        assert_eq!(lengths, [JOINED, 2, JOINED]);
        outbox.put(&large);
        let Poll::Ready(Some(taken)) = outbox.poll_take(&mut Context::from_waker(Waker::noop())) else { panic!() };
        assert_eq!(taken.as_ptr(), large.as_ptr());
    }

    #[test]
    fn the_bound_counts_bytes_but_not_the_backlog_and_one_frame_always_fits() {
        let cost = 10 + FRAME_COST;
        let outbox = Outbox::new(vec![frame(1000)], 2 * cost, 30, None);
        for expect in [Delivery::Queued, Delivery::Queued, Delivery::Full] {
            assert_eq!(outbox.put(&frame(10)), expect);
        }
        drain(&outbox);
        assert_eq!(outbox.put(&frame(1000)), Delivery::Queued);
        assert_eq!(outbox.put(&frame(0)), Delivery::Full);
        drain(&outbox);
        assert_eq!(outbox.lock().cost, 0);
    }

    #[test]
    fn an_end_comes_after_what_is_queued_and_a_cut_instead_of_it() {
        let ended = Outbox::new(vec![Bytes::from_static(b"a")], 10, 30, None);
        ended.end(Bytes::from_static(b"z"));
        assert_eq!(drain(&ended), (vec!["az".to_owned()], true));
        let cut = Outbox::new(vec![Bytes::from_static(b"a")], 10, 30, None);
        cut.cut_off(Bytes::from_static(b"z"), "z");
        assert_eq!(drain(&cut), (vec!["z".to_owned()], true));
    }

    #[test]
    fn the_bound_on_age_is_of_what_waits_and_not_of_the_backlog() {
        let published = |outbox: &Outbox, time: u64| outbox.deliver(&frame(1), Stamp { time, tag: 1 });
        let outbox = Outbox::new(vec![frame(1)], 1 << 20, 30, None);
        // Behind the backlog nothing ages, and what the server says of its own has no age.
        assert_eq!([100, 200].map(|time| published(&outbox, time)), [Delivery::Queued; 2]);
        drain(&outbox);
        outbox.put(&frame(1));
        assert_eq!([300, 330].map(|time| published(&outbox, time)), [Delivery::Queued; 2]);
        // Whoever reads, however late, starts anew.
        drain(&outbox);
        assert_eq!([331, 361].map(|time| published(&outbox, time)), [Delivery::Queued; 2]);
        assert_eq!(published(&outbox, 362), Delivery::Full);
    }

    #[test]
    fn an_idle_queue_holds_no_buffer() {
        let outbox = Outbox::new(vec![frame(1)], 1000, 30, None);
        outbox.put(&frame(1));
        drain(&outbox);
        assert_eq!(outbox.lock().frames.capacity(), 0);
    }
}
