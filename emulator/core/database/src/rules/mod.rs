//! Who may read and write what.
//!
//! The engine and all readers ask here and nowhere else. Must not know: how a caller has proved who it is.

use crate::query::Order;
use crate::tree::{Node, Path};

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
}

impl Ruleset {
    /// Whether `caller` may read `path` while the tree is `root`.
    pub fn may_read(&self, caller: Caller, _path: &Path, _root: &Node) -> bool {
        self.admits(caller)
    }

    /// Whether `caller` may change `path` so that the tree, which is `before`, becomes `after`.
    pub fn may_write(&self, caller: Caller, _path: &Path, _before: &Node, _after: &Node) -> bool {
        self.admits(caller)
    }

    /// Whether there is anything at all that `caller` may change. Asked before a body is read: nobody shall cost
    /// memory who cannot write anyway.
    pub fn may_write_anything(&self, caller: Caller) -> bool {
        self.admits(caller)
    }

    /// Whether the children of `path` may be queried in `order` at the cost of what is found. In key and priority order
    /// they always may.
    pub fn indexes(&self, _path: &Path, order: &Order) -> bool {
        match order {
            Order::Key | Order::Priority => true,
            Order::Value | Order::Child(_) => false,
        }
    }

    fn admits(&self, caller: Caller) -> bool {
        match (self, caller) {
            (Self::Open, _) | (_, Caller::Admin) => true,
            (Self::Locked, Caller::Client) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admins_bypass_the_rules() {
        for (ruleset, caller, may) in [
            (Ruleset::Open, Caller::Client, true),
            (Ruleset::Open, Caller::Admin, true),
            (Ruleset::Locked, Caller::Client, false),
            (Ruleset::Locked, Caller::Admin, true),
        ] {
            let null = Node::NULL;
            assert_eq!(ruleset.may_read(caller, &Path::ROOT, &null), may);
            assert_eq!(ruleset.may_write(caller, &Path::ROOT, &null, &null), may);
            assert_eq!(ruleset.may_write_anything(caller), may);
        }
    }
}
