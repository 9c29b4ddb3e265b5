//! How long a client may read nothing of what waits for it. Must not know: what is written.
//!
//! Busy connections stand still for a moment all the time. One timer serves many such moments: it is set when the first
//! begins, and looked at when it goes off.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// The watch on one connection.
#[derive(Debug)]
pub(super) struct Stall {
    patience: Duration,
    /// Since when the system has taken nothing.
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, since: None, timer: None }
    }

    /// The system has taken something.
    pub(super) fn progress(&mut self) {
        self.since = None;
    }

    /// Nothing waits any more. A timer that has gone off by now is given back.
    pub(super) fn over(&mut self, context: &mut Context<'_>) {
        self.since = None;
        if let Some(timer) = &mut self.timer
            && timer.as_mut().poll(context).is_ready()
        {
            self.timer = None;
        }
    }

    /// The system takes nothing: ready once that has lasted for too long.
    pub(super) fn poll_longer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let end = *self.since.get_or_insert_with(Instant::now) + self.patience;
        loop {
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
            ready!(timer.as_mut().poll(context));
            if timer.deadline() >= end {
                return Poll::Ready(());
            }
            timer.as_mut().reset(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    const PATIENCE: Duration = Duration::from_secs(30);

    async fn lasts(stall: &mut Stall, time: Duration) -> bool {
        tokio::time::timeout(time, poll_fn(|context| stall.poll_longer(context))).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn only_an_unbroken_stall_counts() {
        let mut stall = Stall::new(PATIENCE);
        for _ in 0..10 {
            assert!(lasts(&mut stall, PATIENCE - Duration::from_secs(1)).await);
            stall.progress();
        }
        let started = Instant::now();
        poll_fn(|context| stall.poll_longer(context)).await;
        assert_eq!(started.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_has_caught_up_keeps_no_timer_for_long() {
        let mut stall = Stall::new(PATIENCE);
        let over = |stall: &mut Stall| stall.over(&mut Context::from_waker(std::task::Waker::noop()));
        assert!(lasts(&mut stall, Duration::from_secs(1)).await);
        over(&mut stall);
        assert!(stall.timer.is_some() && stall.since.is_none());
        tokio::time::advance(PATIENCE).await;
        over(&mut stall);
        assert!(stall.timer.is_none());
    }
}
