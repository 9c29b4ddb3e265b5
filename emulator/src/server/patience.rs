//! The time that a request's head may take, told without a timer for each request.
//!
//! A connection keeps one timer, which is set anew only when it goes off too early: nearly every head comes in time.
//! Must not know: what is waited for.

use hyper::rt::{Sleep, Timer};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

type Shared = Arc<Mutex<Option<Pin<Box<tokio::time::Sleep>>>>>;

/// The timer of one connection, for one thing that is waited for at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct PatientTimer(Shared);

/// Waits for a deadline.
struct Patience {
    shared: Shared,
    deadline: Instant,
}

impl Timer for PatientTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Patience { shared: Arc::clone(&self.0), deadline })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

impl Sleep for Patience {}

impl Future for Patience {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let deadline = tokio::time::Instant::from_std(self.deadline);
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let timer = shared.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(context));
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_its_own_deadline() {
        let timer = PatientTimer::default();
        let started = timer.now();
        let waited = || (timer.now() - started).as_secs();
        // One that is given up leaves the timer set.
        assert!(futures_util::poll!(timer.sleep(LIMIT)).is_pending());
        tokio::time::advance(Duration::from_secs(20)).await;
        timer.sleep(LIMIT).await;
        assert_eq!(waited(), 50);
        timer.sleep(LIMIT).await;
        assert_eq!(waited(), 80);
        // A shorter one after a longer.
        assert!(futures_util::poll!(timer.sleep(LIMIT)).is_pending());
        timer.sleep(Duration::from_secs(1)).await;
        assert_eq!(waited(), 81);
        timer.sleep_until(started).await;
        assert_eq!(waited(), 81);
    }
}
