//! What handles a queue's messages inside this process, as a function that is triggered by a queue does.
//!
//! Messages are handed over one by one, several at a time. What was handled is deleted; the rest can be received again
//! when its visibility timeout is over. Must not know: how messages are taken or deleted.

use super::message::Received;
use futures_util::future::BoxFuture;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Handles messages.
pub trait Consumer: Send + Sync {
    /// Handles one message; an error says why it has to be tried again.
    fn consume(self: Arc<Self>, message: Received) -> BoxFuture<'static, Result<(), String>>;
}

/// A consumer at its queue: at most one run takes messages, until there are none.
pub(super) struct Line {
    pub(super) consumer: Arc<dyn Consumer>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: bool,
    /// There was news during the run.
    news: bool,
}

/// A run; the next can begin when it is over.
pub(super) struct Run<'l> {
    line: &'l Line,
    over: bool,
}

impl Line {
    pub(super) fn new(consumer: Arc<dyn Consumer>) -> Self {
        Self { consumer, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a run; none if one is under way, which will look again.
    pub(super) fn begin(&self) -> Option<Run<'_>> {
        let mut state = self.lock();
        if state.running {
            state.news = true;
            return None;
        }
        *state = State { running: true, news: false };
        Some(Run { line: self, over: false })
    }
}

impl Run<'_> {
    /// The run has found nothing more; whether there was news meanwhile, so that it has to look again.
    pub(super) fn looks_again(&mut self) -> bool {
        let mut state = self.line.lock();
        self.over = !std::mem::take(&mut state.news);
        state.running = !self.over;
        !self.over
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        if !self.over {
            // It was given up in the middle.
            self.line.lock().running = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl Consumer for Nobody {
        fn consume(self: Arc<Self>, _message: Received) -> BoxFuture<'static, Result<(), String>> {
            Box::pin(std::future::ready(Ok(())))
        }
    }

    #[test]
    fn news_during_a_run_are_looked_at_by_it() {
        let line = Line::new(Arc::new(Nobody));
        let mut run = line.begin().unwrap();
        assert!(line.begin().is_none());
        assert!(run.looks_again());
        assert!(!run.looks_again());
        let next = line.begin().unwrap();
        drop(run);
        assert!(line.begin().is_none());
        drop(next);
        assert!(line.begin().is_some());
    }
}
