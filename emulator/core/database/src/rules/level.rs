//! The tree of rules beside the tree of data: what holds at one place, and what below it.
//!
//! Must not know: how rules are written, who asks.

use super::language::{Expression, Facts, Failure, Meter, RuleId, Sees, Trace};
use crate::tree::{Key, Path, same_text};
use std::sync::Arc;

/// So many names are looked through more quickly one after the other than by halves.
const FEW: usize = 8;

/// The rules of one place.
#[derive(Debug, Default)]
pub(super) struct Level {
    pub(super) read: Option<Rule>,
    pub(super) write: Option<Rule>,
    pub(super) validate: Option<Rule>,
    pub(super) index_on: Vec<Index>,
    /// By key. One that is named here is no business of the wildcard's.
    pub(super) children: Named,
    /// The rules of all other children.
    pub(super) wildcard: Option<Box<Level>>,
    /// Whether there is a `.validate` here or below.
    pub(super) validates: bool,
}

/// Levels by key, in the order of the keys' bytes.
#[derive(Debug, Default)]
pub(super) struct Named {
    levels: Vec<(Key, Level)>,
    /// The keys again, side by side, where they are looked through.
    names: Vec<Box<str>>,
}

/// A `.read`, `.write` or `.validate`.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: RuleId,
    pub(super) condition: Condition,
}

/// What a rule asks for.
#[derive(Debug)]
pub(super) enum Condition {
    Constant(bool),
    /// Rules that say the same share one.
    Expression(Arc<Expression>),
}

/// What the children of a place are indexed by.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Index {
    Value,
    Child(Path),
}

impl From<Vec<(Key, Level)>> for Named {
    fn from(mut levels: Vec<(Key, Level)>) -> Self {
        levels.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        let names = levels.iter().map(|(key, _)| key.as_str().into()).collect();
        Self { levels, names }
    }
}

impl Named {
    pub(super) fn iter(&self) -> impl Iterator<Item = &(Key, Level)> {
        self.levels.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.levels.len()
    }

    #[inline]
    fn get(&self, key: &Key) -> Option<&Level> {
        let name = key.as_str();
        let place = if self.names.len() <= FEW {
            self.names.iter().position(|known| same_text(known, name))?
        } else {
            self.names.binary_search_by(|known| (**known).cmp(name)).ok()?
        };
        self.levels.get(place).map(|(_, level)| level)
    }
}

impl Rule {
    /// Whether it is true. An expression that cannot be evaluated is not.
    #[inline]
    pub(super) fn holds(&self, facts: &Facts<'_>, meter: &Meter, trace: &impl Trace) -> bool {
        trace.asks(self.id, facts.wildcards);
        let found = self.condition.comes_to(facts, meter, trace);
        trace.answers(found);
        found == Ok(true)
    }
}

impl Condition {
    /// What it may look at.
    pub(super) fn sees(&self) -> Sees {
        match self {
            Self::Constant(_) => Sees::default(),
            Self::Expression(expression) => expression.sees(),
        }
    }

    fn comes_to(&self, facts: &Facts<'_>, meter: &Meter, trace: &impl Trace) -> Result<bool, Failure> {
        match self {
            Self::Constant(constant) => Ok(*constant),
            Self::Expression(expression) => expression.holds(facts, meter, trace),
        }
    }
}

impl Level {
    /// The rules of the child called `key`, and whether they are those of a wildcard.
    #[inline]
    pub(super) fn child(&self, key: &Key) -> Option<(&Self, bool)> {
        match self.children.get(key) {
            Some(named) => Some((named, false)),
            None => self.wildcard.as_deref().map(|wildcard| (wildcard, true)),
        }
    }
}
