//! Functions that run on the writer: they see each other's results, and nobody sees half of one.

use super::command::WriteError;
use super::stage::Stage;
use crate::tree::{Key, Location, Node, Unresolved};
use std::any::Any;

/// What a transaction does. It must be quick and must not wait for anything: all other writes wait for it.
pub type TransactionBody =
    Box<dyn FnOnce(&mut Transaction<'_>) -> Result<Box<dyn Any + Send>, TransactionError> + Send>;

/// Why a transaction gave up; what it had set is undone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// Something it set cannot be written there.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Its own reason.
    #[error("{0}")]
    Aborted(String),
}

/// The tree as one transaction sees and changes it.
#[derive(Debug)]
pub struct Transaction<'s> {
    stage: &'s mut Stage,
    now: u64,
}

impl<'s> Transaction<'s> {
    pub(super) fn new(stage: &'s mut Stage, now: u64) -> Self {
        Self { stage, now }
    }

    /// The time, in milliseconds since the epoch, which a server timestamp gets as well.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The node at `a/b`; null where there is nothing, also where the text is no path.
    pub fn get(&self, path: &str) -> &Node {
        self.stage.root.find(path)
    }

    /// Replaces the node, or the priority, at `a/b`; null removes.
    ///
    /// # Errors
    /// The path or the data cannot be, and nothing was set. The transaction may go on.
    pub fn set(&mut self, path: &str, data: impl Into<Unresolved>) -> Result<(), WriteError> {
        self.stage.set(Location::parse(path)?, data.into(), self.now).map(drop)
    }

    /// Up to `limit` children of `path`, in key order, after the key `after`.
    pub fn children(&self, path: &str, after: Option<&str>, limit: usize) -> Vec<(Key, Node)> {
        let node = self.get(path);
        let children = after.map_or_else(|| node.children(), |after| node.children_after(after));
        children.take(limit).map(|(key, child)| (key.clone(), child.clone())).collect()
    }
}
