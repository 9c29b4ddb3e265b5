//! Puts scheduled functions on the agenda. Must not know: what they do, nor how they are run.
//!
//! They follow the agenda's clock, so a manual clock that is moved fires them on the way. Runs of one function never
//! overlap; a run that fails, panics or is ended leaves the next one as it is.

use super::host::{Host, Scheduled};
use super::schedule::{Schedule, ScheduleError};
use crate::clock::{Agenda, Job, Millis, Work};
use std::sync::{Arc, Mutex, PoisonError};

/// Reads the schedules of all of `host`'s scheduled functions and puts them on `agenda`; none if one is wrong.
///
/// # Errors
/// A schedule is not understood, or never comes.
pub fn start(host: &Arc<Host>, agenda: &Agenda) -> Result<(), ScheduleError> {
    let now = agenda.clock().now();
    let jobs: Result<Vec<Run>, ScheduleError> = host
        .scheduled()
        .iter()
        .map(|scheduled| {
            let function = &scheduled.function;
            let schedule = Schedule::parse(&function.schedule, &function.time_zone)?;
            let next = schedule.next(now).ok_or_else(|| ScheduleError::Never(function.schedule.clone()))?;
            Ok(Run {
                host: Arc::clone(host),
                scheduled: Arc::clone(scheduled),
                schedule: Arc::new(schedule),
                next: Mutex::new(Some(next)),
            })
        })
        .collect();
    for job in jobs? {
        agenda.add(Arc::new(job));
    }
    Ok(())
}

/// A scheduled function's next run.
struct Run {
    host: Arc<Host>,
    scheduled: Arc<Scheduled>,
    schedule: Arc<Schedule>,
    next: Mutex<Option<Millis>>,
}

impl Job for Run {
    fn name(&self) -> &str {
        &self.scheduled.function.name
    }

    fn due(&self) -> Option<Millis> {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, now: Millis) -> Work {
        // Runs that were missed, while the machine slept say, are not made up for.
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = self.schedule.next(now);
        let (host, scheduled) = (Arc::clone(&self.host), Arc::clone(&self.scheduled));
        Box::pin(async move { host.fire(&scheduled).await })
    }

    fn set_back(&self, now: Millis) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = self.schedule.next(now);
    }
}

#[cfg(test)]
mod tests {
    use super::super::doubles::{host, settings};
    use super::*;
    use crate::clock::{Clock, MANUAL_START};
    use hearth_functions::registry::{Registry, ScheduledFunction};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Notify;

    const HOUR: Millis = 3_600_000;

    fn only(function: ScheduledFunction) -> Registry {
        Registry { scheduled: vec![function], ..Registry::default() }
    }

    fn agenda() -> Agenda {
        Agenda::new(Clock::manual(MANUAL_START))
    }

    #[tokio::test]
    async fn functions_run_when_the_clock_passes_their_times() {
        let (agenda, seen) = (agenda(), Arc::new(Mutex::new(Vec::new())));
        let (clock, notes) = (agenda.clock().clone(), Arc::clone(&seen));
        let function = ScheduledFunction::new("f", "every day 02:30", "Europe/Prague", move |_| {
            let (clock, notes) = (clock.clone(), Arc::clone(&notes));
            async move {
                notes.lock().unwrap().push((clock.now() - MANUAL_START) as f64 / HOUR as f64);
                Ok(())
            }
        });
        let host = host(only(function), &settings());
        start(&host, &agenda).unwrap();
        assert_eq!(agenda.advance(HOUR).await, Some((MANUAL_START + HOUR, 0)));
        agenda.advance(48 * HOUR).await;
        assert_eq!(*seen.lock().unwrap(), [1.5, 25.5]);
        host.set_background_triggers(false);
        agenda.advance(48 * HOUR).await;
        host.set_background_triggers(true);
        agenda.advance(24 * HOUR).await;
        assert_eq!(*seen.lock().unwrap(), [1.5, 25.5, 97.5]);
    }

    #[tokio::test]
    async fn a_clock_set_back_is_followed_from_there() {
        let agenda = agenda();
        let function = ScheduledFunction::new("f", "every 1 hours", "UTC", |_| async { Ok(()) });
        start(&host(only(function), &settings()), &agenda).unwrap();
        assert_eq!(agenda.set(0).await, Some((0, 0)));
        assert_eq!(agenda.advance(2 * HOUR).await, Some((2 * HOUR, 2)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_wrong_in_a_run_leaves_the_next_one_as_it_is() {
        let (agenda, runs) = (agenda(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&runs);
        let function = ScheduledFunction::new("f", "every 1 hours", "UTC", move |_| {
            let run = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                match run {
                    0 => panic!("as it should"),
                    1 => std::future::pending().await,
                    2 => Err("as it should".to_owned()),
                    _ => Ok(()),
                }
            }
        });
        start(&host(only(function), &settings()), &agenda).unwrap();
        agenda.advance(4 * HOUR).await;
        assert_eq!(runs.load(Ordering::SeqCst), 4);
    }

    #[tokio::test]
    async fn runs_do_not_overlap() {
        let (agenda, runs) = (agenda(), Arc::new(AtomicUsize::new(0)));
        let (begun, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let notes = (Arc::clone(&runs), Arc::clone(&begun), Arc::clone(&release));
        let function = ScheduledFunction::new("f", "every 1 hours", "UTC", move |_| {
            let (runs, begun, release) = notes.clone();
            async move {
                runs.fetch_add(1, Ordering::SeqCst);
                begun.notify_one();
                release.notified().await;
                Ok(())
            }
        });
        let host = host(only(function), &settings());
        start(&host, &agenda).unwrap();
        // One is run by hand and stays, even when its caller goes away.
        let by_hand = Arc::clone(&host);
        let caller = tokio::spawn(async move { by_hand.trigger("us-central1-f", None).await });
        begun.notified().await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        assert_eq!(agenda.advance(2 * HOUR).await, Some((MANUAL_START + 2 * HOUR, 2)));
        assert_eq!(runs.load(Ordering::SeqCst), 1, "those that fell due meanwhile are left out");
        // Another by hand waits for its turn.
        let by_hand = Arc::clone(&host);
        let caller = tokio::spawn(async move { by_hand.trigger("us-central1-f", None).await });
        release.notify_one();
        begun.notified().await;
        release.notify_one();
        assert_eq!(caller.await.unwrap(), Ok(()));
        assert_eq!(runs.load(Ordering::SeqCst), 2);
        release.notify_one();
        agenda.advance(HOUR).await;
        assert_eq!(runs.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn one_wrong_schedule_and_none_is_taken() {
        let function = |schedule: &str| ScheduledFunction::new("f", schedule, "UTC", |_| async { Ok(()) });
        for (schedule, expect) in [
            ("every now", "schedule \"every now\", character 7: expected a number, `day` or a weekday"),
            ("31 of june 00:00", "schedule \"31 of june 00:00\": no day ever fits it"),
        ] {
            let agenda = agenda();
            let scheduled = vec![function("every 1 hours"), function(schedule)];
            let host = host(Registry { scheduled, ..Registry::default() }, &settings());
            assert_eq!(start(&host, &agenda).unwrap_err().to_string(), expect);
            assert_eq!(agenda.advance(2 * HOUR).await, Some((MANUAL_START + 2 * HOUR, 0)));
        }
    }
}
