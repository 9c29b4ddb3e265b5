//! What the engine is asked to do, and what it answers.

use super::transaction::{TransactionBody, TransactionError};
use crate::rules::Caller;
use crate::tree::{Key, Location, MOST_DEPTH, Node, NotFinite, PathError, Unresolved};
use std::any::Any;
use std::fmt;

/// One thing to do. It happens whole or not at all.
pub enum Command {
    /// A change on behalf of a caller.
    Write(Write),
    /// A function that reads and writes alone on the writer, with an admin's rights.
    Transaction(TransactionBody),
}

impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(write) => write.fmt(formatter),
            Self::Transaction(_) => formatter.write_str("Transaction"),
        }
    }
}

impl Command {
    /// About how many bytes it takes in memory while it waits.
    pub fn weight(&self) -> u64 {
        const EACH: u64 = 256;
        EACH + match self {
            Self::Write(write) => match &write.change {
                Change::Set(data) | Change::Push(data) => data.weight(),
                Change::Update(parts) => parts.iter().map(|(_, data)| EACH + data.weight()).sum(),
                Change::Remove => 0,
            },
            Self::Transaction(_) => 0,
        }
    }
}

/// A change of one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// Who wants it.
    pub caller: Caller,
    /// Where.
    pub location: Location,
    /// The ETag that the place must have for the change to happen.
    pub if_match: Option<String>,
    /// What.
    pub change: Change,
}

/// What a write does to its place.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Replaces all that is there.
    Set(Unresolved),
    /// Replaces some of what lies below, all at once. No part may lie below another one.
    Update(Vec<(Location, Unresolved)>),
    /// Adds a child under a new push id.
    Push(Unresolved),
    /// Removes all that is there.
    Remove,
}

/// What came of a command.
pub enum Answer {
    /// A place was set or removed and now holds this.
    Written(Node),
    /// The parts of an update, in the order they were given, now hold these.
    Updated(Vec<Node>),
    /// A child was added.
    Pushed {
        /// Its push id.
        key: Key,
        /// What it holds.
        node: Node,
    },
    /// What a transaction returned.
    Done(Box<dyn Any + Send>),
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(node) => formatter.debug_tuple("Written").field(node).finish(),
            Self::Updated(nodes) => formatter.debug_tuple("Updated").field(nodes).finish(),
            Self::Pushed { key, node } => formatter.debug_tuple("Pushed").field(key).field(node).finish(),
            Self::Done(_) => formatter.write_str("Done"),
        }
    }
}

/// Why data was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The place is none.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A leaf would lie too far from the root.
    #[error("the data is nested deeper than {MOST_DEPTH} keys, counted from the root")]
    TooDeep,
    /// A priority is neither a number nor a string.
    #[error("a priority must be a number or a string")]
    Priority,
    /// Of two parts of an update one lies below the other, or both are the same.
    #[error("the update's path {below} lies below its path {above}")]
    Conflict {
        /// The upper one.
        above: Location,
        /// The lower one.
        below: Location,
    },
    /// An update or a push was addressed to a priority.
    #[error("a priority can only be set or removed")]
    NotOnPriority,
    /// An increment leaves the range of numbers.
    #[error(transparent)]
    Number(#[from] NotFinite),
}

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CommandError {
    /// The rules forbid it.
    #[error("Permission denied")]
    Denied,
    /// The place does not have the ETag that was asked for; it holds this.
    #[error("the data has another ETag")]
    Stale(Node),
    /// The data cannot be written there.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The transaction's own error.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// The command panicked.
    #[error("the command panicked")]
    Panicked,
    /// The journal did not take it. Nothing is known of what it would have found, so every command of the batch
    /// gets this error.
    #[error("the data could not be stored")]
    NotStored,
}
