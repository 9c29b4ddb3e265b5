//! In which order children stand, and where a query's bounds lie in it.
//!
//! Must not know: how children are found.

use super::{Bound, BoundKey, Order, Query};
use crate::tree::{Key, Leaf, Node, compare_keys, compare_text};
use std::cmp::Ordering;
use std::ops::Bound as End;

/// What a child is ordered by. Ties, as between any two objects, are broken by key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rank<'a> {
    Null,
    Leaf(&'a Leaf),
    Object,
}

/// A key, or what stands beyond all keys.
#[derive(Clone, Copy, Debug)]
pub(super) enum Name<'a> {
    Min,
    Key(&'a str),
    Max,
}

/// Where a child, or a bound, stands in an order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot<'a> {
    pub(super) rank: Rank<'a>,
    pub(super) name: Name<'a>,
}

impl Rank<'_> {
    /// Null, booleans, numbers, strings, objects. Numbers are compared as the doubles that the clients take them for.
    pub(super) fn compare(self, other: Rank<'_>) -> Ordering {
        match (self, other) {
            (Rank::Leaf(Leaf::Bool(one)), Rank::Leaf(Leaf::Bool(other))) => one.cmp(other),
            (Rank::Leaf(Leaf::Text(one)), Rank::Leaf(Leaf::Text(other))) => compare_text(one, other),
            (Rank::Leaf(one), Rank::Leaf(other)) if kind(one) == kind(other) => {
                one.as_f64().partial_cmp(&other.as_f64()).unwrap_or(Ordering::Equal)
            }
            _ => self.kind().cmp(&other.kind()),
        }
    }

    fn kind(self) -> u8 {
        match self {
            Rank::Null => 0,
            Rank::Leaf(leaf) => kind(leaf),
            Rank::Object => 4,
        }
    }
}

fn kind(leaf: &Leaf) -> u8 {
    match leaf {
        Leaf::Bool(_) => 1,
        Leaf::Int(_) | Leaf::Double(_) => 2,
        Leaf::Text(_) => 3,
    }
}

impl Name<'_> {
    pub(super) fn compare(self, other: Name<'_>) -> Ordering {
        match (self, other) {
            (Name::Key(one), Name::Key(other)) => compare_keys(one, other),
            (Name::Min, Name::Min) | (Name::Max, Name::Max) => Ordering::Equal,
            (Name::Min, Name::Key(_) | Name::Max) | (Name::Key(_), Name::Max) => Ordering::Less,
            (Name::Max, Name::Key(_) | Name::Min) | (Name::Key(_), Name::Min) => Ordering::Greater,
        }
    }
}

impl Spot<'_> {
    pub(super) fn compare(self, other: Spot<'_>) -> Ordering {
        self.rank.compare(other.rank).then_with(|| self.name.compare(other.name))
    }
}

impl<'a> From<&'a BoundKey> for Name<'a> {
    fn from(key: &'a BoundKey) -> Self {
        match key {
            BoundKey::Min => Self::Min,
            BoundKey::Name(name) => Self::Key(name),
            BoundKey::Max => Self::Max,
        }
    }
}

impl Order {
    /// What a child is ordered by. In key order nothing but the key counts.
    pub(super) fn rank<'a>(&self, child: &'a Node) -> Rank<'a> {
        match self {
            Self::Key => Rank::Null,
            Self::Priority => child.priority().map_or(Rank::Null, |priority| Rank::Leaf(priority.leaf())),
            Self::Value => value(child),
            Self::Child(path) => value(child.get(path)),
        }
    }

    pub(super) fn spot<'a>(&self, key: &'a Key, child: &'a Node) -> Spot<'a> {
        Spot { rank: self.rank(child), name: Name::Key(key.as_str()) }
    }
}

fn value(node: &Node) -> Rank<'_> {
    match node.as_leaf() {
        Some(leaf) => Rank::Leaf(leaf),
        None if node.is_null() => Rank::Null,
        None => Rank::Object,
    }
}

impl Bound {
    /// Where it lies; `open` is where it lies if it names no key.
    fn spot<'a>(&'a self, order: &Order, open: Name<'a>) -> Spot<'a> {
        let rank = self.value.as_ref().map_or(Rank::Null, Rank::Leaf);
        match order {
            Order::Key => {
                let name = match &self.value {
                    Some(Leaf::Text(text)) if **text == *super::MIN_NAME => Name::Min,
                    Some(Leaf::Text(text)) if **text == *super::MAX_NAME => Name::Max,
                    Some(Leaf::Text(text)) => Name::Key(text),
                    Some(Leaf::Bool(_) | Leaf::Int(_) | Leaf::Double(_)) | None => open,
                };
                Spot { rank: Rank::Null, name }
            }
            Order::Priority | Order::Value | Order::Child(_) => {
                Spot { rank, name: self.key.as_ref().map_or(open, Name::from) }
            }
        }
    }
}

impl Query {
    fn end<'a>(&self, bound: &'a Option<Bound>, open: Name<'a>) -> End<Spot<'a>> {
        match bound {
            Some(bound) if bound.inclusive => End::Included(bound.spot(&self.order, open)),
            Some(bound) => End::Excluded(bound.spot(&self.order, open)),
            None => End::Unbounded,
        }
    }

    /// Between which spots the children of the range stand.
    pub(super) fn range(&self) -> (End<Spot<'_>>, End<Spot<'_>>) {
        (self.end(&self.start, Name::Min), self.end(&self.end, Name::Max))
    }

    /// Whether a child lies in the range; nothing does if it is null. The limit is not asked.
    pub fn contains(&self, key: &Key, child: &Node) -> bool {
        let spot = self.order.spot(key, child);
        let (start, end) = self.range();
        let after = match start {
            End::Included(start) => start.compare(spot).is_le(),
            End::Excluded(start) => start.compare(spot).is_lt(),
            End::Unbounded => true,
        };
        let before = match end {
            End::Included(end) => spot.compare(end).is_le(),
            End::Excluded(end) => spot.compare(end).is_lt(),
            End::Unbounded => true,
        };
        !child.is_null() && after && before
    }
}
