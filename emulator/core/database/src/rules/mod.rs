//! Who may read and write what.
//!
//! The engine and all readers ask here and nowhere else. Must not know: how a caller has proved who it is.

mod errors;
mod given;
mod json;
#[cfg(test)]
mod tests;

pub use errors::{RulesError, RulesErrors};
pub use given::{Given, Unjudged};

use crate::query::Order;
use crate::tree::{Node, Path};
use std::sync::Arc;

/// On whose behalf the database is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Bypasses every rule: functions, the server itself, and who holds its credentials.
    Admin,
    /// Is subject to the rules, signed in or not.
    Client,
}

/// The rules of a database. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruleset {
    /// Everyone may read and write everything.
    Open,
    /// Only admins may.
    Locked,
    /// As a developer has written them.
    Given(Arc<Given>),
}

impl Ruleset {
    /// Reads a file of rules: JSON with comments, `{"rules":{…}}` (firebase.google.com/docs/database/security).
    /// `unjudged` says what holds of conditions that are expressions.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str, unjudged: Unjudged) -> Result<Self, RulesErrors> {
        Ok(Self::Given(Arc::new(Given::parse(text, unjudged)?)))
    }

    /// The rules as text: as they were given, where they were.
    pub fn text(&self) -> &str {
        match self {
            Self::Open => "{\n  \"rules\": {\n    \".read\": true,\n    \".write\": true\n  }\n}\n",
            Self::Locked => "{\n  \"rules\": {\n    \".read\": false,\n    \".write\": false\n  }\n}\n",
            Self::Given(given) => given.text(),
        }
    }

    /// The rules as plain JSON, without comments.
    pub fn plain_text(&self) -> String {
        // What was read once can be read again.
        json::parse(self.text()).map(|value| value.to_string()).unwrap_or_default()
    }

    /// How many conditions are expressions, which nothing evaluates.
    pub fn unjudged(&self) -> usize {
        match self {
            Self::Open | Self::Locked => 0,
            Self::Given(given) => given.expressions(),
        }
    }

    /// Whether `caller` may read `path` while the tree is `root`: a `.read` from the root down to there holds.
    pub fn may_read(&self, caller: Caller, path: &Path, _root: &Node) -> bool {
        match (self, caller) {
            (_, Caller::Admin) | (Self::Open, Caller::Client) => true,
            (Self::Locked, Caller::Client) => false,
            (Self::Given(given), Caller::Client) => given.may_read(path),
        }
    }

    /// Whether `caller` may change `path` so that the tree, which is `before`, becomes `after`: a `.write` from the
    /// root down to there holds, and so does every `.validate` down to there and of the data that is there then.
    pub fn may_write(&self, caller: Caller, path: &Path, _before: &Node, after: &Node) -> bool {
        match (self, caller) {
            (_, Caller::Admin) | (Self::Open, Caller::Client) => true,
            (Self::Locked, Caller::Client) => false,
            (Self::Given(given), Caller::Client) => given.may_write(path, after),
        }
    }

    /// Whether there is anything at all that `caller` may change. Asked before a body is read: nobody shall cost
    /// memory who cannot write anyway.
    pub fn may_write_anything(&self, caller: Caller) -> bool {
        match (self, caller) {
            (_, Caller::Admin) | (Self::Open, Caller::Client) => true,
            (Self::Locked, Caller::Client) => false,
            (Self::Given(given), Caller::Client) => given.may_write_anything(),
        }
    }

    /// Whether the children of `path` may be queried in `order` at the cost of what is found. In key and priority order
    /// they always may; else `.indexOn` has to say so.
    pub fn indexes(&self, path: &Path, order: &Order) -> bool {
        match (self, order) {
            (_, Order::Key | Order::Priority) => true,
            (Self::Open | Self::Locked, Order::Value | Order::Child(_)) => false,
            (Self::Given(given), order) => given.indexes(path, order),
        }
    }

    /// What `.indexOn` at `path` would have to name for [`Ruleset::indexes`] to hold: `.value`, or a child's path.
    pub fn missing_index(&self, path: &Path, order: &Order) -> Option<String> {
        match order {
            _ if self.indexes(path, order) => None,
            Order::Key | Order::Priority => None,
            Order::Value => Some(".value".to_owned()),
            Order::Child(child) => Some(child.to_string().trim_start_matches('/').to_owned()),
        }
    }
}
