//! Comments that keep quiet streams open: to each stream one every 25 seconds, counted from its own start.

use crate::event::COMMENT;
use crate::feed::Outlet;
use crate::ports::{Clock, Millis, Timer, Timers};
use futures_util::future::BoxFuture;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Between two comments of a stream.
const INTERVAL: Millis = 25_000;

/// The comments of all streams of a service.
pub(crate) struct KeepAlive {
    name: &'static str,
    clock: Arc<dyn Clock>,
    timers: Arc<dyn Timers>,
    plan: Mutex<Plan>,
}

#[derive(Default)]
struct Plan {
    streams: HashMap<u64, (Millis, Outlet)>,
    due: BTreeSet<(Millis, u64)>,
}

impl KeepAlive {
    /// Those of the service that the timer is named after.
    pub(crate) fn new(name: &'static str, clock: Arc<dyn Clock>, timers: Arc<dyn Timers>) -> Arc<Self> {
        Arc::new(Self { name, clock, timers, plan: Mutex::default() })
    }

    /// Begins to run.
    pub(crate) fn start(self: &Arc<Self>) {
        self.timers.add(Arc::clone(self) as Arc<dyn Timer>);
    }

    /// A stream begins; `id` is its own.
    pub(crate) fn add(&self, id: u64, outlet: Outlet) {
        let due = self.clock.now().saturating_add(INTERVAL);
        let mut plan = self.lock();
        plan.streams.insert(id, (due, outlet));
        plan.due.insert((due, id));
        let first = plan.due.first() == Some(&(due, id));
        drop(plan);
        if first {
            self.timers.touch();
        }
    }

    /// A stream has ended.
    pub(crate) fn remove(&self, id: u64) {
        let mut plan = self.lock();
        let removed = plan.streams.remove(&id);
        if let Some((due, _)) = &removed {
            plan.due.remove(&(*due, id));
        }
        drop(plan);
        drop(removed);
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plan {
    /// Takes the streams that are due at `now`, and plans their next comments. What was missed is not made up for.
    fn take(&mut self, now: Millis) -> Vec<Outlet> {
        let later = self.due.split_off(&(now.saturating_add(1), 0));
        let due = std::mem::replace(&mut self.due, later);
        let mut outlets = Vec::with_capacity(due.len());
        for (time, id) in due {
            let next = time.saturating_add(((now - time) / INTERVAL + 1) * INTERVAL);
            if let Some((due, outlet)) = self.streams.get_mut(&id) {
                *due = next;
                self.due.insert((next, id));
                outlets.push(outlet.clone());
            }
        }
        outlets
    }
}

impl Timer for KeepAlive {
    fn name(&self) -> &str {
        self.name
    }

    fn due(&self) -> Option<Millis> {
        self.lock().due.first().map(|(due, _)| *due)
    }

    fn begin(&self, now: Millis) -> BoxFuture<'static, ()> {
        let outlets = self.lock().take(now);
        Box::pin(async move {
            for outlet in outlets {
                // One that has gone, or lags behind, is taken out when its connection ends.
                let _ = outlet.send(COMMENT);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{Feed, feed};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::{Context, Poll, Waker};

    #[derive(Default)]
    struct House {
        now: AtomicU64,
        touched: AtomicU64,
    }

    impl Clock for House {
        fn now(&self) -> Millis {
            self.now.load(Ordering::SeqCst)
        }
    }

    impl Timers for House {
        fn add(&self, _timer: Arc<dyn Timer>) {}

        fn touch(&self) {
            self.touched.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn comments(feed: &mut Feed) -> usize {
        let mut context = Context::from_waker(Waker::noop());
        std::iter::from_fn(|| match feed.poll_take(&mut context) {
            Poll::Ready(piece) => piece,
            Poll::Pending => None,
        })
        .inspect(|piece| assert_eq!(piece, &COMMENT))
        .count()
    }

    #[tokio::test]
    async fn each_stream_has_a_rhythm_of_its_own() {
        let house = Arc::<House>::default();
        let keep_alive = KeepAlive::new("test", house.clone(), house.clone());
        assert_eq!(keep_alive.due(), None);
        let mut feeds: Vec<Feed> = [1_000, 2_000, 11_000]
            .into_iter()
            .zip(0..)
            .map(|(start, id)| {
                house.now.store(start, Ordering::SeqCst);
                let (outlet, feed) = feed(1000);
                keep_alive.add(id, outlet);
                feed
            })
            .collect();
        assert_eq!(house.touched.load(Ordering::SeqCst), 1);
        let mut run = async |now: Millis, expect: [usize; 3], next: Option<Millis>| {
            keep_alive.begin(now).await;
            let heard: Vec<usize> = feeds.iter_mut().map(comments).collect();
            assert_eq!((heard.as_slice(), keep_alive.due()), (&expect[..], next), "{now}");
        };
        run(25_999, [0, 0, 0], Some(26_000)).await;
        run(26_000, [1, 0, 0], Some(27_000)).await;
        run(27_000, [0, 1, 0], Some(36_000)).await;
        // The machine has slept: one comment each, and then the old rhythm.
        run(130_000, [1, 1, 1], Some(136_000)).await;
        keep_alive.remove(2);
        run(136_000, [0, 0, 0], Some(151_000)).await;
        keep_alive.remove(0);
        keep_alive.remove(1);
        run(500_000, [0, 0, 0], None).await;
    }
}
