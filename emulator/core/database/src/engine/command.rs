//! What the engine is asked to do, and what it answers.

use super::Version;
use super::listen::{ConnectionId, Listen, ListenerId};
use super::on_disconnect::{Intent, OnDisconnect, SessionId};
use super::transaction::{TransactionBody, TransactionError};
use crate::query::Query;
use crate::rules::{Caller, Denial, Ruleset};
use crate::tree::{Key, Location, MOST_DEPTH, Node, NotFinite, Path, PathError, Unresolved};
use std::any::Any;
use std::fmt;

/// One thing to do. It happens whole or not at all.
pub enum Command {
    /// A change on behalf of a caller.
    Write(Write),
    /// A function that reads and writes alone on the writer, with an admin's rights.
    Transaction(TransactionBody),
    /// Reads, after all that was asked before.
    Get(Get),
    /// Begins to listen, from the state that all that was asked before has made.
    Listen(Listen),
    /// Ends one listener.
    Unlisten(ConnectionId, ListenerId),
    /// Ends all listeners of a connection.
    Leave(ConnectionId),
    /// From now on the connection's listeners listen on this caller's behalf; those that may not are revoked.
    Become(ConnectionId, Caller),
    /// Changes what happens when a session ends, if its caller may do it now. Durable before it is answered: when the
    /// process ends, it happens as the database is opened again.
    OnDisconnect(OnDisconnect),
    /// A session has ended: what was intended for that happens, once; what the rules forbid by then is left out. When
    /// the journal fails, it is tried again with the next batch, whoever asks for that.
    Disconnect(SessionId),
    /// Other rules hold from now on; listeners that they forbid are revoked.
    Rules(Ruleset),
}

impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(write) => write.fmt(formatter),
            Self::Transaction(_) => formatter.write_str("Transaction"),
            Self::Get(get) => get.fmt(formatter),
            Self::Listen(listen) => listen.fmt(formatter),
            Self::Unlisten(connection, listener) => write!(formatter, "Unlisten({connection:?}, {listener:?})"),
            Self::Leave(connection) => write!(formatter, "Leave({connection:?})"),
            Self::Become(connection, _) => write!(formatter, "Become({connection:?})"),
            Self::OnDisconnect(change) => change.fmt(formatter),
            Self::Disconnect(session) => write!(formatter, "Disconnect({session:?})"),
            Self::Rules(_) => formatter.write_str("Rules"),
        }
    }
}

impl Command {
    /// On whose behalf it reads, what, and what of that.
    pub fn query(&self) -> Option<(&Caller, &Path, &Query)> {
        match self {
            Self::Get(get) => Some((&get.caller, &get.path, &get.query)),
            Self::Listen(listen) => Some((&listen.caller, &listen.path, &listen.query)),
            Self::Write(_)
            | Self::Transaction(_)
            | Self::Unlisten(..)
            | Self::Leave(_)
            | Self::Become(..)
            | Self::OnDisconnect(_)
            | Self::Disconnect(_)
            | Self::Rules(_) => None,
        }
    }

    /// About how many bytes it takes in memory while it waits.
    pub fn weight(&self) -> u64 {
        const EACH: u64 = 256;
        EACH + match self {
            Self::Write(write) => match &write.change {
                Change::Set(data) | Change::Push(data) => data.weight(),
                Change::Update(parts) => parts.iter().map(|(_, data)| EACH + data.weight()).sum(),
                Change::Remove => 0,
            },
            Self::OnDisconnect(change) => match &change.intent {
                Intent::Set(_, data) => data.weight(),
                Intent::Update(_, parts) => parts.iter().map(|(_, data)| EACH + data.weight()).sum(),
                Intent::Cancel(_) => 0,
            },
            Self::Transaction(_)
            | Self::Get(_)
            | Self::Listen(_)
            | Self::Unlisten(..)
            | Self::Leave(_)
            | Self::Become(..)
            | Self::Disconnect(_)
            | Self::Rules(_) => 0,
        }
    }
}

/// A read of one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Get {
    /// Who wants to know.
    pub caller: Caller,
    /// Where.
    pub path: Path,
    /// What of the node there.
    pub query: Query,
}

/// A change of one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// Who wants it.
    pub caller: Caller,
    /// Where.
    pub location: Location,
    /// What the place must hold for the change to happen.
    pub if_match: Option<Tag>,
    /// What.
    pub change: Change,
}

/// What a place is expected to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Data of this ETag (REST).
    Etag(String),
    /// Data of this hash (the wire protocol's compare-and-set).
    Hash(String),
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
    /// What a read found: of a query only what it wants.
    Got(Node),
    /// A listener has begun.
    Listening {
        /// What it sees, unless it holds just that already.
        data: Option<Node>,
        /// Whether its query is over an index that the rules do not define.
        unindexed: bool,
        /// The state it begins from.
        version: Version,
    },
    /// It is so.
    Accepted,
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(node) => formatter.debug_tuple("Written").field(node).finish(),
            Self::Updated(nodes) => formatter.debug_tuple("Updated").field(nodes).finish(),
            Self::Pushed { key, node } => formatter.debug_tuple("Pushed").field(key).field(node).finish(),
            Self::Done(_) => formatter.write_str("Done"),
            Self::Got(node) => formatter.debug_tuple("Got").field(node).finish(),
            Self::Listening { data, unindexed, .. } => {
                formatter.debug_struct("Listening").field("data", data).field("unindexed", unindexed).finish()
            }
            Self::Accepted => formatter.write_str("Accepted"),
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
    Denied(Denial),
    /// The place does not have the ETag that was asked for; it holds this.
    #[error("the data has another ETag")]
    Stale(Node),
    /// The query is over an index that the rules do not define: `.value`, or a child's path.
    #[error("Index not defined, add \".indexOn\": \"{index}\", for path \"{path}\", to the rules")]
    Unindexed {
        /// What the rules would have to define.
        index: String,
        /// Where.
        path: Path,
    },
    /// More is intended for the end of the session than is kept for one.
    #[error("too much is intended for the end of the session")]
    TooManyIntents,
    /// The data cannot be written there.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The transaction's own error.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// The command panicked.
    #[error("the command panicked")]
    Panicked,
    /// The journal did not take it. Nothing is known of what it would have found, so every command of the batch that
    /// could change what is stored gets this error; the others are carried out with the state before.
    #[error("the data could not be stored")]
    NotStored,
}
