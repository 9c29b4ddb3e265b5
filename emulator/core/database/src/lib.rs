//! The Realtime Database without I/O: tree, queries, rules, engine, wire.
//!
//! Reading order: `tree` (what is stored), `query` (what of it is wanted), `rules` (who may), `engine` (how it
//! changes), `journal` (what the engine needs of a disk), `wire` (how the SDKs speak). Time comes in as milliseconds
//! since the Unix epoch, chance as a function that fills bytes. Must not know: sockets, files, threads, clocks.

pub mod engine;
pub mod journal;
pub mod query;
#[cfg(test)]
mod random;
pub mod rules;
pub mod tree;
pub mod wire;

pub use engine::{
    Answer, Audience, Change, Command, CommandError, ConnectionId, Engine, Event, Get, Intended, Intent, IntentChange,
    Listen, ListenerId, News, OnDisconnect, SessionId, Snapshot, Tag, Transaction, TransactionBody, TransactionError,
    Version, Write, WriteError,
};
pub use journal::{Batch, Journal, JournalError, Loaded};
pub use query::{Bound, BoundKey, Limit, Order, Plan, Query, QueryError};
pub use rules::{Auth, Caller, Denial, Explanation, RulesErrors, Ruleset, Witness};
pub use tree::{Key, Leaf, Location, Node, Path, PathError, Priority, Unresolved, json};
