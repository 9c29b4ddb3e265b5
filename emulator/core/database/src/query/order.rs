//! In which order children stand, and where a query's bounds lie in it.
//!
//! Must not know: how children are found.

use super::{Bound, BoundKey, MAX_NAME, MIN_NAME, Order, Query};
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

    /// Numbers that never stand in another order than the ranks do, so that many are sorted without a look at the
    /// texts, wherever in memory these lie.
    pub(super) fn head(self) -> (u8, u128) {
        const SIGN: u64 = 1 << 63;
        let head = match self {
            Rank::Null | Rank::Object => 0,
            Rank::Leaf(Leaf::Bool(bool)) => u128::from(*bool),
            Rank::Leaf(Leaf::Text(text)) => text.bytes().chain(std::iter::repeat(0)).take(16).fold(0, |head, byte| {
                // UTF-16 has U+10000 and above before U+E000.
                let byte = match byte {
                    0xee | 0xef => byte + 5,
                    0xf0.. => byte - 2,
                    _ => byte,
                };
                head << 8 | u128::from(byte)
            }),
            Rank::Leaf(number @ (Leaf::Int(_) | Leaf::Double(_))) => {
                match number.as_f64().unwrap_or_default().to_bits() {
                    bits if bits < SIGN => (bits | SIGN).into(),
                    bits => (!bits).into(),
                }
            }
        };
        (self.kind(), head)
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
                    Some(Leaf::Text(text)) if **text == *MIN_NAME => Name::Min,
                    Some(Leaf::Text(text)) if **text == *MAX_NAME => Name::Max,
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

/// A part of an order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'a> {
    pub(super) from: End<Spot<'a>>,
    pub(super) to: End<Spot<'a>>,
}

impl<'a> Span<'a> {
    pub(super) fn contains(self, spot: Spot<'_>) -> bool {
        let after = match self.from {
            End::Included(from) => from.compare(spot).is_le(),
            End::Excluded(from) => from.compare(spot).is_lt(),
            End::Unbounded => true,
        };
        after
            && match self.to {
                End::Included(to) => spot.compare(to).is_le(),
                End::Excluded(to) => spot.compare(to).is_lt(),
                End::Unbounded => true,
            }
    }

    /// Whether nothing can lie in it.
    pub(super) fn is_crossed(self) -> bool {
        match (self.from, self.to) {
            (End::Unbounded, _) | (_, End::Unbounded) => false,
            (End::Included(from), End::Included(to)) => from.compare(to).is_gt(),
            (End::Included(from) | End::Excluded(from), End::Included(to) | End::Excluded(to)) => {
                from.compare(to).is_ge()
            }
        }
    }

    /// The keys between which it lies where every child is ordered by null, unless nothing can lie in it.
    pub(super) fn names(self) -> Option<(End<&'a str>, End<&'a str>)> {
        let from = match self.from {
            End::Unbounded => End::Unbounded,
            End::Included(from) | End::Excluded(from) => match (from.rank, from.name) {
                (Rank::Leaf(_) | Rank::Object, _) | (Rank::Null, Name::Max) => return None,
                (Rank::Null, Name::Min) => End::Unbounded,
                (Rank::Null, Name::Key(name)) => self.from.map(|_| name),
            },
        };
        let to = match self.to {
            End::Unbounded => End::Unbounded,
            End::Included(to) | End::Excluded(to) => match (to.rank, to.name) {
                (Rank::Null, Name::Min) => return None,
                (Rank::Leaf(_) | Rank::Object, _) | (Rank::Null, Name::Max) => End::Unbounded,
                (Rank::Null, Name::Key(name)) => self.to.map(|_| name),
            },
        };
        Some((from, to))
    }
}

impl Query {
    /// Where the children of the range stand.
    pub(super) fn span(&self) -> Span<'_> {
        Span { from: self.end(&self.start, Name::Min), to: self.end(&self.end, Name::Max) }
    }

    fn end<'a>(&self, bound: &'a Option<Bound>, open: Name<'a>) -> End<Spot<'a>> {
        match bound {
            Some(bound) if bound.inclusive => End::Included(bound.spot(&self.order, open)),
            Some(bound) => End::Excluded(bound.spot(&self.order, open)),
            None => End::Unbounded,
        }
    }

    /// Whether a child lies in the range; nothing does if it is null. The limit is not asked.
    pub fn contains(&self, key: &Key, child: &Node) -> bool {
        !child.is_null() && self.span().contains(self.order.spot(key, child))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_stand_in_the_clients_order_and_so_do_their_heads() {
        let sorted = [
            vec![Leaf::Bool(false)],
            vec![Leaf::Bool(true)],
            vec![Leaf::Double(-1e300)],
            vec![Leaf::Int(-2)],
            vec![Leaf::Double(-1.5)],
            vec![Leaf::Int(0)],
            vec![Leaf::Double(0.5)],
            vec![Leaf::Int(1)],
            // The clients cannot tell them apart.
            vec![Leaf::Int(1 << 53), Leaf::Int((1 << 53) + 1), Leaf::Double(9_007_199_254_740_992.0)],
            vec![Leaf::text("")],
            vec![Leaf::text("10")],
            vec![Leaf::text("9")],
            vec![Leaf::text("a")],
            vec![Leaf::text("a\u{0}")],
            vec![Leaf::text("abcdefghijklmnop")],
            vec![Leaf::text("abcdefghijklmnopq")],
            vec![Leaf::text("abcdefgz")],
            vec![Leaf::text("a\u{10000}")],
            vec![Leaf::text("a\u{10ffff}")],
            vec![Leaf::text("a\u{e000}")],
            vec![Leaf::text("a\u{ffff}")],
            vec![Leaf::text("é")],
        ];
        let leaves =
            sorted.iter().enumerate().flat_map(|(i, same)| same.iter().map(move |leaf| (i + 1, Rank::Leaf(leaf))));
        let ranks: Vec<_> =
            [(0, Rank::Null)].into_iter().chain(leaves).chain([(sorted.len() + 1, Rank::Object)]).collect();
        for ((i, one), (j, other)) in ranks.iter().flat_map(|one| ranks.iter().map(move |other| (one, other))) {
            assert_eq!(one.compare(*other), i.cmp(j), "{one:?} {other:?}");
            assert!(one.head().cmp(&other.head()) == i.cmp(j) || one.head() == other.head(), "{one:?} {other:?}");
        }
    }
}
