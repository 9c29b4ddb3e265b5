//! When something has to be looked after: queues in which a message falls due, and waits that end.
//!
//! Must not know: what is done then.

use super::waiters::Slot;
use crate::ports::Millis;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// What is due when.
#[derive(Debug, Default)]
pub(super) struct Plan {
    queues: HashMap<String, Millis>,
    order: BTreeSet<(Millis, String)>,
    waits: BTreeMap<(Millis, u64), Arc<Slot>>,
}

/// What has fallen due.
#[derive(Debug, Default)]
pub(super) struct Due {
    pub(super) queues: Vec<String>,
    pub(super) waits: Vec<Arc<Slot>>,
}

impl Plan {
    /// The earliest time of all.
    pub(super) fn due(&self) -> Option<Millis> {
        let queue = self.order.first().map(|(due, _)| *due);
        let wait = self.waits.keys().next().map(|(due, _)| *due);
        queue.into_iter().chain(wait).min()
    }

    /// A queue has to be looked at by `at`; whether that is earlier than all that was planned.
    pub(super) fn look_at(&mut self, queue: &str, at: Millis) -> bool {
        let before = self.due();
        match self.queues.get_mut(queue) {
            Some(planned) if *planned <= at => return false,
            Some(planned) => {
                self.order.remove(&(*planned, queue.to_owned()));
                *planned = at;
            }
            None => {
                self.queues.insert(queue.to_owned(), at);
            }
        }
        self.order.insert((at, queue.to_owned()));
        before.is_none_or(|before| at < before)
    }

    /// A wait ends at `at`; whether that is earlier than all that was planned.
    pub(super) fn end_wait(&mut self, number: u64, at: Millis, slot: Arc<Slot>) -> bool {
        let before = self.due();
        self.waits.insert((at, number), slot);
        before.is_none_or(|before| at < before)
    }

    /// A wait has ended by itself.
    pub(super) fn forget_wait(&mut self, number: u64, at: Millis) {
        self.waits.remove(&(at, number));
    }

    /// Takes what is due at `now`.
    pub(super) fn take(&mut self, now: Millis) -> Due {
        let mut due = Due::default();
        while self.order.first().is_some_and(|(at, _)| *at <= now)
            && let Some((_, queue)) = self.order.pop_first()
        {
            self.queues.remove(&queue);
            due.queues.push(queue);
        }
        while let Some(wait) = self.waits.first_entry().filter(|wait| wait.key().0 <= now) {
            due.waits.push(wait.remove());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_time_counts() {
        let mut plan = Plan::default();
        assert_eq!(plan.due(), None);
        assert!(plan.look_at("a", 20));
        assert!(!plan.look_at("a", 30));
        assert!(!plan.look_at("b", 25));
        assert!(plan.look_at("a", 10));
        assert!(plan.end_wait(1, 5, Arc::default()));
        assert!(!plan.end_wait(2, 5, Arc::default()));
        plan.forget_wait(1, 5);
        assert_eq!(plan.due(), Some(5));
        let due = plan.take(10);
        assert_eq!((due.queues, due.waits.len(), plan.due()), (vec!["a".to_owned()], 1, Some(25)));
        assert_eq!(plan.take(24).queues, Vec::<String>::new());
        assert_eq!((plan.take(25).queues, plan.due()), (vec!["b".to_owned()], None));
    }
}
