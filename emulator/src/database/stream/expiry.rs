//! Whose token ends when: streams are told of it in time, by the server's clock.
//!
//! Must not know: tokens.

use super::outbox::{End, Outbox};
use crate::clock::{Agenda, Job, Millis, Work};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// All streams that end at a time known already.
pub(super) struct Expiries {
    agenda: Agenda,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    by_time: BTreeMap<Entry, Weak<Outbox>>,
    next: u64,
}

/// One of them: when, and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry(Millis, u64);

impl fmt::Debug for Expiries {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Expiries").finish_non_exhaustive()
    }
}

impl Expiries {
    pub(super) fn new(agenda: &Agenda) -> Arc<Self> {
        let expiries = Arc::new(Self { agenda: agenda.clone(), entries: Mutex::default() });
        agenda.add(Arc::new(Due(Arc::downgrade(&expiries))));
        expiries
    }

    /// Ends `outbox` at `expires`, unless it is removed before.
    pub(super) fn add(&self, expires: Millis, outbox: &Arc<Outbox>) -> Entry {
        let mut entries = self.lock();
        entries.next += 1;
        let entry = Entry(expires, entries.next);
        entries.by_time.insert(entry, Arc::downgrade(outbox));
        let is_first = entries.by_time.keys().next() == Some(&entry);
        drop(entries);
        if is_first {
            self.agenda.touch();
        }
        entry
    }

    pub(super) fn remove(&self, entry: Entry) {
        self.lock().by_time.remove(&entry);
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Due(Weak<Expiries>);

impl Job for Due {
    fn name(&self) -> &str {
        "tokens of event streams"
    }

    fn due(&self) -> Option<Millis> {
        self.0.upgrade()?.lock().by_time.keys().next().map(|Entry(expires, _)| *expires)
    }

    fn begin(&self, now: Millis) -> Work {
        if let Some(expiries) = self.0.upgrade() {
            let mut entries = expiries.lock();
            let later = entries.by_time.split_off(&Entry(now + 1, 0));
            let due = std::mem::replace(&mut entries.by_time, later);
            drop(entries);
            due.into_values().filter_map(|outbox| outbox.upgrade()).for_each(|outbox| outbox.end(End::Expired));
        }
        Box::pin(std::future::ready(()))
    }
}
