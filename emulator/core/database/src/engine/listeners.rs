//! Who listens where: a tree of views by path. All who listen alike share a view, and so what they are told.
//!
//! Whom a change concerns is found along its paths, so that listeners elsewhere cost it nothing. Must not know: how
//! news are made, or what the journal is.

use super::change::Commit;
use super::listen::{Audience, ConnectionId, Listen, ListenerId};
use crate::query::{Bound, Query};
use crate::rules::{Caller, Ruleset};
use crate::tree::{Key, Leaf, Node, Path};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// All listeners of a database.
#[derive(Default)]
pub(super) struct Listeners {
    root: Branch,
    connections: BTreeMap<ConnectionId, BTreeMap<ListenerId, Registered>>,
    /// How many of them another tree could take the right to read from.
    by_data: usize,
}

/// Where a listener sits, and on whose behalf.
struct Registered {
    view: Arc<ViewKey>,
    seat: usize,
    caller: Caller,
    /// As it was asked; the view's may be a simpler one that finds the same.
    query: Query,
    /// Whether another tree could take its right to read away.
    by_data: bool,
}

/// Why listeners are judged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The tree is another one.
    Data,
    /// The connection has become another caller's.
    Caller(ConnectionId),
    /// The rules are others.
    Rules,
}

/// What one view is of.
pub(super) struct ViewKey {
    pub(super) path: Path,
    query: Asked,
}

impl ViewKey {
    /// What of the node at the path is wanted.
    pub(super) fn query(&self) -> &Query {
        &self.query.0
    }
}

/// All who listen alike.
pub(super) struct View {
    pub(super) key: Arc<ViewKey>,
    pub(super) seats: Vec<Seat>,
}

/// One of those who see a view.
pub(super) struct Seat {
    connection: ConnectionId,
    pub(super) listener: ListenerId,
    pub(super) audience: Arc<dyn Audience>,
}

/// The views of one path, and those below it. Kept only while there are any.
#[derive(Default)]
pub(super) struct Branch {
    pub(super) views: Vec<View>,
    places: HashMap<Asked, usize>,
    pub(super) children: BTreeMap<Key, Self>,
}

/// A query as it stands in a map. Its doubles are finite and no zero is negative, so that equality holds.
#[derive(Clone, PartialEq)]
struct Asked(Query);

impl Eq for Asked {}

impl Hash for Asked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Query { order, start, end, limit } = &self.0;
        order.hash(state);
        for bound in [start, end] {
            // The rest of a bound is left to the comparison.
            match bound {
                None => 0_u8.hash(state),
                Some(Bound { value: None, .. }) => 1_u8.hash(state),
                Some(Bound { value: Some(leaf), .. }) => match leaf {
                    Leaf::Bool(bool) => bool.hash(state),
                    Leaf::Int(int) => int.hash(state),
                    Leaf::Double(double) => double.to_bits().hash(state),
                    Leaf::Text(text) => text.hash(state),
                },
            }
        }
        limit.is_some().hash(state);
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listeners: usize = self.connections.values().map(BTreeMap::len).sum();
        write!(formatter, "Listeners({listeners})")
    }
}

impl Listeners {
    /// Adds a listener, in the place of one of the same number.
    /// `by_data` says whether its right to read depends on the tree.
    pub(super) fn add(&mut self, listen: Listen, by_data: bool) {
        let Listen { connection, listener, caller, path, query, known: _, audience } = listen;
        self.remove(connection, listener);
        // Of a node as a whole the order does not matter.
        let asked = query.clone();
        let query = Asked(if query.takes_all() { Query::default() } else { query });
        let mut branch = &mut self.root;
        for key in path.keys() {
            branch = branch.children.entry(key.clone()).or_default();
        }
        let place = *branch.places.entry(query.clone()).or_insert_with(|| {
            branch.views.push(View { key: Arc::new(ViewKey { path, query }), seats: Vec::new() });
            branch.views.len() - 1
        });
        let Some(view) = branch.views.get_mut(place) else { return };
        let registered =
            Registered { view: Arc::clone(&view.key), seat: view.seats.len(), caller, query: asked, by_data };
        self.by_data += usize::from(by_data);
        view.seats.push(Seat { connection, listener, audience });
        self.connections.entry(connection).or_default().insert(listener, registered);
    }

    /// Removes a listener, if there is one.
    pub(super) fn remove(&mut self, connection: ConnectionId, listener: ListenerId) -> Option<Arc<dyn Audience>> {
        let listeners = self.connections.get_mut(&connection)?;
        let registered = listeners.remove(&listener)?;
        self.by_data -= usize::from(registered.by_data);
        if listeners.is_empty() {
            self.connections.remove(&connection);
        }
        self.stand_up(&registered)
    }

    /// Removes all listeners of a connection.
    pub(super) fn leave(&mut self, connection: ConnectionId) {
        // One by one, because who is moved to another's seat must be found.
        while let Some(listener) = self.connections.get(&connection).and_then(|all| all.keys().next().copied()) {
            self.remove(connection, listener);
        }
    }

    fn stand_up(&mut self, registered: &Registered) -> Option<Arc<dyn Audience>> {
        let (left, moved) = self.root.stand_up(registered.view.path.keys(), registered)?;
        if let Some((connection, listener)) = moved {
            let listener = self.connections.get_mut(&connection).and_then(|all| all.get_mut(&listener));
            if let Some(listener) = listener {
                listener.seat = registered.seat;
            }
        }
        Some(left)
    }

    /// Has the connection's listeners listen on this caller's behalf.
    pub(super) fn become_caller(&mut self, connection: ConnectionId, caller: Caller) {
        for listener in self.connections.get_mut(&connection).into_iter().flat_map(BTreeMap::values_mut) {
            listener.caller = caller.clone();
        }
    }

    /// Revokes the listeners that may not read what they listen to any more: those that `cause` gives a reason to
    /// judge. The one place where listeners are judged again.
    pub(super) fn judge(&mut self, cause: Cause, rules: &Ruleset, root: &Node, now: u64) {
        if cause == Cause::Data && self.by_data == 0 {
            return;
        }
        let concerns = |connection: ConnectionId, at: &Registered| match cause {
            Cause::Data => at.by_data,
            Cause::Caller(of) => connection == of,
            Cause::Rules => true,
        };
        let mut revoked = Vec::new();
        for (connection, listeners) in &mut self.connections {
            for (listener, at) in listeners.iter_mut().filter(|(_, at)| concerns(*connection, at)) {
                let reading = rules.judge_reading(&at.caller, &at.view.path, &at.query, root, now);
                self.by_data = self.by_data - usize::from(at.by_data) + usize::from(reading.by_data);
                at.by_data = reading.by_data;
                if !reading.allowed {
                    // Whoever watches hears of it; the listener is told no reasons.
                    rules.deny_read(&at.caller, &at.view.path, &at.query, root, now);
                    revoked.push((*connection, *listener));
                }
            }
        }
        for (connection, listener) in revoked {
            if let Some(audience) = self.remove(connection, listener) {
                audience.revoke(listener);
            }
        }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Whether a change at one of the paths could concern somebody.
    pub(super) fn concern(&self, paths: &[Path]) -> bool {
        !self.is_empty() && paths.iter().any(|path| self.root.concerns(path.keys()))
    }

    /// Tells everyone whom it concerns of a change.
    pub(super) fn tell(&self, commit: &Commit, rules: &Ruleset) {
        commit.tell(&self.root, rules);
    }
}

/// Who has left, and who sits there now.
type Left = (Arc<dyn Audience>, Option<(ConnectionId, ListenerId)>);

impl Branch {
    fn is_empty(&self) -> bool {
        self.views.is_empty() && self.children.is_empty()
    }

    fn concerns(&self, below: &[Key]) -> bool {
        let Some((key, rest)) = below.split_first() else { return !self.is_empty() };
        !self.views.is_empty() || self.children.get(key).is_some_and(|child| child.concerns(rest))
    }

    fn stand_up(&mut self, below: &[Key], registered: &Registered) -> Option<Left> {
        if let Some((key, rest)) = below.split_first() {
            let child = self.children.get_mut(key)?;
            let left = child.stand_up(rest, registered);
            if child.is_empty() {
                self.children.remove(key);
            }
            return left;
        }
        let place = *self.places.get(&registered.view.query)?;
        let view = self.views.get_mut(place)?;
        if registered.seat >= view.seats.len() {
            return None;
        }
        let left = view.seats.swap_remove(registered.seat);
        let moved = view.seats.get(registered.seat).map(|seat| (seat.connection, seat.listener));
        if view.seats.is_empty() {
            self.places.remove(&registered.view.query);
            self.views.swap_remove(place);
            if let Some(view) = self.views.get(place) {
                self.places.insert(view.key.query.clone(), place);
            }
        }
        Some((left.audience, moved))
    }
}
