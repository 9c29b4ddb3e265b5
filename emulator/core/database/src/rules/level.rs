//! The tree of rules beside the tree of data: what holds at one place, and what below it.
//!
//! Must not know: how rules are written, who asks.

use super::language::{Expression, Facts, Meter};
use crate::tree::{Key, Path};
use std::collections::BTreeMap;

/// The rules of one place.
#[derive(Debug, Default)]
pub(super) struct Level {
    pub(super) read: Option<Condition>,
    pub(super) write: Option<Condition>,
    pub(super) validate: Option<Condition>,
    pub(super) index_on: Vec<Index>,
    /// By key. One that is named here is no business of the wildcard's.
    pub(super) children: BTreeMap<String, Level>,
    /// The rules of all other children.
    pub(super) wildcard: Option<Box<Level>>,
    /// Whether there is a `.validate` here or below.
    pub(super) validates: bool,
}

/// What a rule asks for.
#[derive(Debug)]
pub(super) enum Condition {
    Constant(bool),
    Expression(Expression),
}

/// What the children of a place are indexed by.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Index {
    Value,
    Child(Path),
}

impl Condition {
    /// Whether it is true. An expression that cannot be evaluated is not.
    pub(super) fn holds(&self, facts: Facts<'_>, meter: &Meter) -> bool {
        match self {
            Self::Constant(constant) => *constant,
            Self::Expression(expression) => expression.holds(facts, meter) == Ok(true),
        }
    }
}

impl Level {
    /// The rules of the child called `key`, and whether they are those of a wildcard.
    pub(super) fn child(&self, key: &Key) -> Option<(&Self, bool)> {
        match self.children.get(key.as_str()) {
            Some(named) => Some((named, false)),
            None => self.wildcard.as_deref().map(|wildcard| (wildcard, true)),
        }
    }
}
