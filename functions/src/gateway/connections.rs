//! The connections that are open now, and when each has to be looked at.
//!
//! Must not know: what is kept of them over a restart, or what ends them.

use crate::feed::{Outlet, Unsent};
use crate::ports::Millis;
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One client's connection.
pub(super) struct Connection {
    pub(super) id: String,
    pub(super) stage: String,
    pub(super) user: String,
    pub(super) outlet: Outlet,
    pub(super) connected: Millis,
    /// Where it comes from.
    pub(super) source: Option<IpAddr>,
    /// `User-Agent`.
    pub(super) agent: Box<str>,
    active: AtomicU64,
    /// When its limits are looked at next.
    looked_at: AtomicU64,
    ended: AtomicBool,
}

/// What a connection is, for [`Connection::new`].
pub(super) struct Arrival {
    pub(super) id: String,
    pub(super) stage: String,
    pub(super) user: String,
    pub(super) outlet: Outlet,
    pub(super) source: Option<IpAddr>,
    pub(super) agent: Box<str>,
}

impl Connection {
    /// One that comes at `now`.
    pub(super) fn new(arrival: Arrival, now: Millis) -> Self {
        let Arrival { id, stage, user, outlet, source, agent } = arrival;
        Self {
            id,
            stage,
            user,
            outlet,
            connected: now,
            source,
            agent,
            active: AtomicU64::new(now),
            looked_at: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        }
    }

    /// When something was last sent or received on it.
    pub(super) fn active(&self) -> Millis {
        self.active.load(Ordering::Relaxed)
    }

    /// Something is sent or received at `now`.
    pub(super) fn touch(&self, now: Millis) {
        self.active.store(now, Ordering::Relaxed);
    }

    /// Ends it; whether it had not ended before.
    pub(super) fn end(&self) -> bool {
        !self.ended.swap(true, Ordering::SeqCst)
    }

    /// Sends a text.
    pub(super) fn send(&self, text: Bytes, now: Millis) -> Result<(), Unsent> {
        self.outlet.send(text)?;
        self.touch(now);
        Ok(())
    }
}

/// How long a connection may last, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) idle: Millis,
    pub(super) lifetime: Millis,
}

/// All that are open.
#[derive(Default)]
pub(super) struct Connections(Mutex<Open>);

#[derive(Default)]
struct Open {
    by_id: HashMap<String, Arc<Connection>>,
    looks: BTreeSet<(Millis, String)>,
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one; whether its limits have to be looked at sooner than those of all others.
    pub(super) fn add(&self, connection: &Arc<Connection>, limits: Limits) -> bool {
        let mut open = self.lock();
        let first = open.looks.first().map(|(due, _)| *due);
        let due = connection.connected + limits.idle.min(limits.lifetime);
        connection.looked_at.store(due, Ordering::Relaxed);
        open.looks.insert((due, connection.id.clone()));
        open.by_id.insert(connection.id.clone(), Arc::clone(connection));
        first.is_none_or(|first| due < first)
    }

    /// That of an id, in a stage if one is named.
    pub(super) fn find(&self, stage: Option<&str>, id: &str) -> Option<Arc<Connection>> {
        let connection = self.lock().by_id.get(id).cloned()?;
        stage.is_none_or(|stage| connection.stage == stage).then_some(connection)
    }

    /// Removes one.
    pub(super) fn remove(&self, connection: &Connection) {
        let mut open = self.lock();
        open.by_id.remove(&connection.id);
        open.looks.remove(&(connection.looked_at.load(Ordering::Relaxed), connection.id.clone()));
    }

    /// When limits have to be looked at next.
    pub(super) fn due(&self) -> Option<Millis> {
        self.lock().looks.first().map(|(due, _)| *due)
    }

    /// Those that have reached a limit at `now`; the others are looked at again when they may.
    pub(super) fn over(&self, now: Millis, limits: Limits) -> Vec<Arc<Connection>> {
        let mut open = self.lock();
        let (mut over, mut later) = (Vec::new(), Vec::new());
        while open.looks.first().is_some_and(|(due, _)| *due <= now)
            && let Some((_, id)) = open.looks.pop_first()
        {
            let Some(connection) = open.by_id.get(&id) else { continue };
            let due = (connection.connected + limits.lifetime).min(connection.active() + limits.idle);
            if due <= now {
                over.push(Arc::clone(connection));
            } else {
                connection.looked_at.store(due, Ordering::Relaxed);
                later.push((due, id));
            }
        }
        open.looks.extend(later);
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::feed;

    const LIMITS: Limits = Limits { idle: 10, lifetime: 100 };

    fn connection(id: &str, now: Millis) -> Arc<Connection> {
        let (outlet, _) = feed(100);
        let (id, stage, user) = (id.to_owned(), "dev".to_owned(), "u".to_owned());
        Arc::new(Connection::new(Arrival { id, stage, user, outlet, source: None, agent: "".into() }, now))
    }

    #[test]
    fn limits_are_looked_at_when_they_may_be_reached() {
        let connections = Connections::default();
        let (quiet, lively) = (connection("quiet", 0), connection("lively", 1));
        assert!(connections.add(&quiet, LIMITS));
        assert!(!connections.add(&lively, LIMITS));
        let mut now = 10;
        let over = |now| connections.over(now, LIMITS).iter().map(|over| over.id.clone()).collect::<Vec<_>>();
        assert_eq!((connections.due(), over(9), over(10)), (Some(10), vec![], vec!["quiet".to_owned()]));
        connections.remove(&quiet);
        while now < 100 {
            lively.touch(now);
            now += 9;
            assert_eq!(over(now), Vec::<String>::new(), "{now}");
        }
        assert_eq!(connections.due(), Some(101));
        assert_eq!(over(101), ["lively"]);
        connections.remove(&lively);
        assert_eq!(connections.due(), None);
    }

    #[test]
    fn a_connection_is_found_in_its_stage_only() {
        let connections = Connections::default();
        connections.add(&connection("a", 0), LIMITS);
        let found = |stage, id| connections.find(stage, id).is_some();
        assert_eq!(
            [found(Some("dev"), "a"), found(None, "a"), found(Some("prod"), "a"), found(None, "b")],
            [true, true, false, false]
        );
        let one = connection("b", 0);
        assert_eq!([one.end(), one.end()], [true, false]);
    }
}
