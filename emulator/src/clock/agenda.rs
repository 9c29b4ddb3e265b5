//! What falls due when: schedules, expiries, sweeps.
//!
//! With the machine's clock [`Agenda::run`] waits for each job's time. With a manual clock nothing waits:
//! [`Agenda::set`] walks from one due time to the next, runs each job to its end, and only then returns.

use super::{Clock, Millis};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// One run of a job.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Something that has to be done at a time it knows itself.
pub trait Job: Send + Sync {
    /// A name for the log.
    fn name(&self) -> &str;

    /// When the next run is due; `None` while there is nothing to do.
    fn due(&self) -> Option<Millis>;

    /// Takes the run that is due at `now` and moves [`Job::due`] past `now`; the work itself happens in the future.
    fn begin(&self, now: Millis) -> Work;

    /// A manual clock was set back to `now`: a job that plans ahead plans again from there.
    fn set_back(&self, _now: Millis) {}
}

/// A walk of a manual clock makes so many runs and jumps the rest of the way: whoever moves the clock by a century, or
/// has a job that never moves its due time, must not wait for minutes.
const MOST_RUNS_A_STEP: usize = 10_000;

/// Without any job due the machine's clock is looked at this often, in case it was set.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// All jobs, and the clock they follow.
#[derive(Clone)]
pub struct Agenda(Arc<Inner>);

struct Inner {
    clock: Clock,
    jobs: Mutex<Vec<Arc<dyn Job>>>,
    changed: Notify,
    /// Held while a manual clock walks, so that two callers do not interleave.
    walk: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Agenda {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Agenda").field("clock", &self.0.clock).finish_non_exhaustive()
    }
}

impl Agenda {
    /// An empty agenda that follows `clock`.
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner {
            clock,
            jobs: Mutex::new(Vec::new()),
            changed: Notify::new(),
            walk: tokio::sync::Mutex::new(()),
        }))
    }

    /// The clock that the jobs follow.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Adds a job; it stays until the process ends.
    pub fn add(&self, job: Arc<dyn Job>) {
        self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner).push(job);
        self.touch();
    }

    /// Says that some job's due time has changed.
    pub fn touch(&self) {
        self.0.changed.notify_one();
    }

    /// Runs what is due, by the machine's clock, until `stop`. With a manual clock it only waits for `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        if self.0.clock.is_manual() {
            stop.cancelled().await;
            return;
        }
        loop {
            let now = self.0.clock.now();
            while let Some((_, job)) = self.earliest(now) {
                tracing::debug!(job = job.name(), "due");
                tokio::spawn(job.begin(now));
            }
            let wait = self
                .earliest(Millis::MAX)
                .map_or(LONGEST_WAIT, |(due, _)| Duration::from_millis(due.saturating_sub(now)).min(LONGEST_WAIT));
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.changed.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Sets a manual clock to `target` and runs, in order and to its end, everything that falls due on the way.
    /// After 10,000 runs it jumps: what is due then runs once, at `target`, and what lay between is left out, as after a
    /// machine's sleep. Going back runs nothing. Returns the time, and how many jobs ran; `None` if the clock is the
    /// machine's.
    pub async fn set(&self, target: Millis) -> Option<(Millis, usize)> {
        if !self.0.clock.is_manual() {
            return None;
        }
        let _walking = self.0.walk.lock().await;
        Some(self.walk_to(target).await)
    }

    /// Moves a manual clock forward by `step` milliseconds, as [`Agenda::set`] does.
    pub async fn advance(&self, step: Millis) -> Option<(Millis, usize)> {
        if !self.0.clock.is_manual() {
            return None;
        }
        let _walking = self.0.walk.lock().await;
        Some(self.walk_to(self.0.clock.now().saturating_add(step)).await)
    }

    async fn walk_to(&self, target: Millis) -> (Millis, usize) {
        let mut runs = 0;
        if target < self.0.clock.now() {
            self.0.clock.set(target);
            self.jobs().iter().for_each(|job| job.set_back(target));
            return (target, runs);
        }
        while runs < MOST_RUNS_A_STEP
            && let Some((due, job)) = self.earliest(target)
        {
            self.run_at(due.max(self.0.clock.now()), &job).await;
            runs += 1;
        }
        self.0.clock.set(target);
        for job in self.jobs() {
            if job.due().is_some_and(|due| due <= target) {
                self.run_at(target, &job).await;
                runs += 1;
            }
        }
        (target, runs)
    }

    /// Sets a manual clock to `now` and runs `job` to its end.
    async fn run_at(&self, now: Millis, job: &Arc<dyn Job>) {
        self.0.clock.set(now);
        // A task of its own, so that a panic ends the job and not the walk.
        if tokio::spawn(job.begin(now)).await.is_err() {
            tracing::error!(job = job.name(), "job panicked");
        }
    }

    fn jobs(&self) -> Vec<Arc<dyn Job>> {
        self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The job that is due first, if it is due by `limit`.
    fn earliest(&self, limit: Millis) -> Option<(Millis, Arc<dyn Job>)> {
        let jobs = self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.iter()
            .filter_map(|job| Some((job.due()?, job)))
            .filter(|(due, _)| *due <= limit)
            .min_by_key(|(due, _)| *due)
            .map(|(due, job)| (due, Arc::clone(job)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Runs every `period`, and notes when.
    struct Every {
        period: Millis,
        next: AtomicU64,
        seen: Seen,
        clock: Clock,
    }

    impl Job for Every {
        fn name(&self) -> &str {
            "every"
        }

        fn due(&self) -> Option<Millis> {
            Some(self.next.load(Ordering::SeqCst))
        }

        fn begin(&self, now: Millis) -> Work {
            self.next.store(now + self.period, Ordering::SeqCst);
            let (seen, clock, period) = (Arc::clone(&self.seen), self.clock.clone(), self.period);
            Box::pin(async move {
                tokio::task::yield_now().await;
                seen.lock().unwrap_or_else(PoisonError::into_inner).push((period, clock.now()));
            })
        }
    }

    /// Period and time of each run.
    type Seen = Arc<Mutex<Vec<(Millis, Millis)>>>;

    fn agenda_with(periods: &[Millis]) -> (Agenda, Seen) {
        let agenda = Agenda::new(Clock::manual(0));
        let seen = Seen::default();
        for &period in periods {
            agenda.add(Arc::new(Every {
                period,
                next: AtomicU64::new(period),
                seen: Arc::clone(&seen),
                clock: agenda.clock().clone(),
            }));
        }
        (agenda, seen)
    }

    #[tokio::test]
    async fn a_walk_runs_all_that_is_due_in_order_and_at_its_time() {
        let (agenda, seen) = agenda_with(&[4, 10]);
        assert_eq!(agenda.advance(12).await, Some((12, 4)));
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert_eq!(seen, [(4, 4), (4, 8), (10, 10), (4, 12)]);
    }

    #[tokio::test]
    async fn going_back_runs_nothing() {
        let (agenda, seen) = agenda_with(&[4]);
        agenda.set(5).await;
        assert_eq!(agenda.set(1).await, Some((1, 0)));
        assert_eq!(seen.lock().unwrap_or_else(PoisonError::into_inner).len(), 1);
    }

    #[tokio::test]
    async fn a_long_way_is_jumped() {
        let (agenda, seen) = agenda_with(&[1, 1_000_000_000]);
        assert_eq!(agenda.set(5_000_000_000).await, Some((5_000_000_000, MOST_RUNS_A_STEP + 2)));
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let end = [(1, 10_000), (1, 5_000_000_000), (1_000_000_000, 5_000_000_000)];
        assert_eq!(seen.get(MOST_RUNS_A_STEP - 1..), Some(&end[..]));
        assert_eq!(agenda.advance(1).await, Some((5_000_000_001, 1)));
    }

    #[tokio::test]
    async fn the_machines_clock_cannot_be_set() {
        let agenda = Agenda::new(Clock::system());
        assert_eq!((agenda.set(5).await, agenda.advance(5).await), (None, None));
    }
}
