//! The Realtime Database without I/O: tree, engine, rules.
//!
//! Reading order: `tree` (what is stored), `rules` (who may), `engine` (how it changes), `journal` (what the engine
//! needs of a disk). Time comes in as milliseconds since the Unix epoch, chance as a function that fills bytes. Must
//! not know: sockets, files, threads, clocks.

pub mod engine;
pub mod journal;
pub mod query;
pub mod rules;
pub mod tree;

pub use engine::{
    Answer, Audience, Change, Command, CommandError, ConnectionId, Engine, Event, Get, Intent, Listen, ListenerId,
    News, OnDisconnect, SessionId, Snapshot, Tag, Transaction, TransactionBody, TransactionError, Version, Write,
    WriteError,
};
pub use journal::{Batch, Journal, JournalError, Loaded};
pub use query::{Bound, BoundKey, Limit, Order, Plan, Query, QueryError};
pub use rules::{Caller, RulesErrors, Ruleset, Unjudged};
pub use tree::{Key, Leaf, Location, Node, Path, PathError, Priority, Unresolved, json};
