//! What the engine needs of a disk: a port, implemented by the shell.

use crate::engine::{Intended, IntentChange, SessionId, Version};
use crate::tree::{Node, Path};
use std::error::Error;

/// What a journal holds when it is opened.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The tree, as the last commit left it.
    pub root: Node,
    /// The number of this opening, greater than any before, and the number of the last change.
    pub version: Version,
    /// What is intended for the ends of sessions of earlier openings.
    pub intents: Vec<(SessionId, Intended)>,
}

/// All that one commit changes.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The tree as it is stored now.
    pub before: &'a Node,
    /// The tree as it has to be stored.
    pub after: &'a Node,
    /// Where the two may differ: at these paths and below them. Above them only what follows from that: a leaf may
    /// have become a branch, a branch may have gone with its last child. In no order, with repetitions.
    pub touched: &'a [Path],
    /// What changes of the sessions' intents, in this order. There may be nothing else.
    pub intents: &'a [IntentChange],
    /// The last change of the batch.
    pub version: Version,
}

/// A journal did not do what it was asked; nothing of a failed batch is stored.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct JournalError(pub Box<dyn Error + Send + Sync>);

/// Keeps a tree, and what is intended for the ends of sessions.
pub trait Journal {
    /// Reads what it keeps and counts the opening.
    ///
    /// # Errors
    /// It cannot be read, or what is there is no tree.
    fn load(&mut self) -> Result<Loaded, JournalError>;

    /// Stores a batch, whole or not at all, and returns once it is durable.
    ///
    /// # Errors
    /// It is not stored.
    fn commit(&mut self, batch: Batch<'_>) -> Result<(), JournalError>;
}
