//! What listeners ask for and what they are told.
//!
//! Must not know: how an audience is reached, and in which words.

use super::Version;
use crate::query::Query;
use crate::rules::Caller;
use crate::tree::{Location, Node, Path};
use bytes::Bytes;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A connection, whatever its transport. No two ever have the same number in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// A listener, among those of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(pub u64);

/// A wish to be told of every change.
#[derive(Clone)]
pub struct Listen {
    /// Who listens.
    pub connection: ConnectionId,
    /// Which of the connection's listeners it is. One of the same number is replaced.
    pub listener: ListenerId,
    /// On whose behalf.
    pub caller: Caller,
    /// What of the tree.
    pub path: Path,
    /// What of the node there.
    pub query: Query,
    /// The hash of what the listener holds already.
    pub known: Option<String>,
    /// Who is told.
    pub audience: Arc<dyn Audience>,
}

impl fmt::Debug for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Listen")
            .field("connection", &self.connection)
            .field("listener", &self.listener)
            .field("path", &self.path)
            .field("query", &self.query)
            .finish_non_exhaustive()
    }
}

/// Someone who is told of changes. Called on the writer, in the order of the changes, before those who made them get
/// their answers: it must not wait for anything.
pub trait Audience: Send + Sync {
    /// What `listener` sees has changed. All who see the same change the same way are given the same event, so that
    /// it need be encoded once.
    fn hear(&self, listener: ListenerId, event: &Arc<Event>);

    /// `listener` may no longer read what it listened to, and is told nothing more.
    fn revoke(&self, listener: ListenerId);
}

/// A change of what a listener sees. Locations are absolute.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The change of the database that it came with.
    pub version: Version,
    /// What has changed.
    pub news: News,
    /// How it is told, once somebody has put it into words.
    pub words: Words,
}

impl Event {
    /// An event that nobody has put into words yet.
    pub fn new(version: Version, news: News) -> Self {
        Self { version, news, words: Words::default() }
    }
}

/// An event's texts: made by the first who needs one, shared by all others. They follow from the event, so that any two
/// are equal here.
#[derive(Clone, Default)]
pub struct Words {
    /// In the wire protocol, for a listener without a tag.
    pub wire: OnceLock<Bytes>,
}

impl PartialEq for Words {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Words")
    }
}

/// What has changed for a listener.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// A place, at or below the listener's path, now holds this. The node of a priority's location is the priority.
    Put(Location, Node),
    /// Places strictly below `path`, which is at, above or below the listener's path, now hold these, all at once.
    /// Given relative to `path`; never empty, and none lies below another one.
    Patch {
        /// What the parts are relative to.
        path: Path,
        /// The places and what they hold.
        parts: Vec<(Location, Node)>,
    },
}
