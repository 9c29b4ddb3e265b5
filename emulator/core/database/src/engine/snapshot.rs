//! A published state, and reads of it: on the writer and beside it.
//!
//! Must not know: how the state came about, or who is told of changes.

use super::command::{CommandError, Get};
use crate::query::{Plan, Query};
use crate::rules::{Caller, Ruleset};
use crate::tree::{Location, Node, Path};

/// The place of a change in the history of a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// How often the database had been opened.
    pub epoch: u64,
    /// How many changes there had been, over all epochs.
    pub seq: u64,
}

/// A published state, which never changes.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The tree.
    pub root: Node,
    /// The last change in it.
    pub version: Version,
    /// The rules it is read by.
    pub rules: Ruleset,
}

impl Snapshot {
    /// What `location` holds, if `caller` may know at `now`, in milliseconds since the epoch.
    ///
    /// # Errors
    /// [`CommandError::Denied`].
    pub fn read(&self, caller: &Caller, location: &Location, now: u64) -> Result<Node, CommandError> {
        let may = self.rules.check_read(caller, &location.path, &Query::default(), &self.root, now);
        may.map_err(CommandError::Denied)?;
        Ok(holds(&self.root, location))
    }

    /// What a read finds at `now`, in milliseconds since the epoch: of a query only what it wants.
    ///
    /// # Errors
    /// [`CommandError::Denied`], [`CommandError::Unindexed`].
    pub fn get(&self, get: &Get, now: u64) -> Result<Node, CommandError> {
        read(&self.rules, &self.root, get, now)
    }

    /// How many children would have to be put in order before this query of the node at `path` is answered: none if they
    /// are, or if the rules define no index. Where there are many, [`Self::prepare`] can do it beside the writer, whom
    /// the query then does not hold up.
    pub fn unprepared(&self, path: &Path, query: &Query) -> usize {
        let node = self.root.get(path);
        let lacks = self.rules.indexes(path, &query.order) && query.lacks_index(node);
        if lacks { node.len() } else { 0 }
    }

    /// Whether `caller` may read this at `now`, in milliseconds since the epoch.
    pub fn may_read(&self, caller: &Caller, path: &Path, query: &Query, now: u64) -> bool {
        self.rules.check_read(caller, path, query, &self.root, now).is_ok()
    }

    /// Puts the children of the node at `path` in the order of `query`. Later states have them in order as well, unless
    /// one of the children has changed meanwhile.
    pub fn prepare(&self, path: &Path, query: &Query) {
        query.make_index(self.root.get(path));
    }
}

/// What `location` holds.
pub(super) fn holds(root: &Node, location: &Location) -> Node {
    let node = root.get(&location.path);
    if location.priority { Node::from(node.priority()) } else { node.clone() }
}

/// What a read finds.
pub(super) fn read(rules: &Ruleset, root: &Node, get: &Get, now: u64) -> Result<Node, CommandError> {
    let Get { caller, path, query } = get;
    rules.check_read(caller, path, query, root, now).map_err(CommandError::Denied)?;
    match unindexed(rules, path, query) {
        Some(index) => Err(CommandError::Unindexed { index, path: path.clone() }),
        None => Ok(query.select(root.get(path), Plan::Index)),
    }
}

/// The index that the rules would have to define for this query.
pub(super) fn unindexed(rules: &Ruleset, path: &Path, query: &Query) -> Option<String> {
    if query.takes_all() { None } else { rules.missing_index(path, &query.order) }
}
