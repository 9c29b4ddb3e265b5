//! Where a subscriber's frames go: into the queue of a stream, or to one who waits for a single message.
//!
//! Must not know: channels, connections.

use super::outbox::Outbox;
use bytes::Bytes;
use hearth_pubsub::message::Stamp;
use hearth_pubsub::subscriber::{Delivery, Outlet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A subscriber, as the channels know it.
#[derive(Clone, Debug)]
pub(in crate::pubsub) enum Line {
    /// A stream.
    Stream(Outbox),
    /// A long poll.
    Once(Wait),
}

impl Outlet for Line {
    fn deliver(&self, frame: &Bytes, stamp: Stamp) -> Delivery {
        match self {
            Self::Stream(outbox) => outbox.deliver(frame, stamp),
            Self::Once(wait) => {
                wait.answer(Some((frame.clone(), stamp)));
                Delivery::Last
            }
        }
    }

    fn end(&self, last: Bytes) {
        match self {
            Self::Stream(outbox) => outbox.end(last),
            Self::Once(wait) => wait.answer(None),
        }
    }

    fn cut_off(&self, last: Bytes, reason: &'static str) {
        match self {
            Self::Stream(outbox) => outbox.cut_off(last, reason),
            Self::Once(wait) => wait.answer(None),
        }
    }
}

/// What a long poll waits for; its clones are the same wait.
#[derive(Clone, Debug, Default)]
pub(in crate::pubsub) struct Wait(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The first answer counts; an inner `None` is that there is no message.
    answer: Option<Option<(Bytes, Stamp)>>,
    reader: Option<Waker>,
}

impl Wait {
    fn answer(&self, answer: Option<(Bytes, Stamp)>) {
        let mut state = self.lock();
        state.answer.get_or_insert(answer);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// The message and its stamp; none if the time is over.
    pub(super) fn poll_answer(&self, context: &mut Context<'_>) -> Poll<Option<(Bytes, Stamp)>> {
        let mut state = self.lock();
        match &state.answer {
            Some(answer) => Poll::Ready(answer.clone()),
            None => {
                state.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_answer_counts() {
        let wait = Wait::default();
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(wait.poll_answer(&mut context), Poll::Pending);
        let (line, stamp) = (Line::Once(wait.clone()), Stamp { time: 1, tag: 2 });
        assert_eq!(line.deliver(&Bytes::from_static(b"x"), stamp), Delivery::Last);
        line.deliver(&Bytes::from_static(b"y"), stamp);
        line.end(Bytes::new());
        assert_eq!(wait.poll_answer(&mut context), Poll::Ready(Some((Bytes::from_static(b"x"), stamp))));
    }
}
