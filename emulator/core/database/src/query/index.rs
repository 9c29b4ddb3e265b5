//! Indices: the children of a branch in another order than that of their keys.
//!
//! One is made when a query first asks for it and is kept beside the branch. A path copy carries it along at the cost
//! of one child, whatever has changed below that. Must not know: what is wanted of the children.

use super::Order;
use super::kept::Kept;
use super::members::{Member, Members};
use super::order::{Rank, Span};
use crate::tree::{Children, Key, Node};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// With fewer children than this looking at each of them is as good. An index goes when half of them are left. (Tests
/// that make random trees shall have some on either side.)
pub(super) const FEW: usize = if cfg!(test) { 8 } else { 64 };

/// An index that was carried along more often than this, and more often than there are children, without having been
/// used, has cost more than making it anew would.
const LEAST_PATIENCE: usize = 4096;

/// The indices of a branch. Each order has its own.
pub(crate) type Indices = Kept<Index>;

/// The children of a branch in one order.
pub(crate) struct Index {
    order: Order,
    ranks: Ranks,
    /// How often it was changed since it was last used.
    idle: AtomicUsize,
}

enum Ranks {
    /// All children are ordered by null, so that their keys are the order: the usual case of priorities.
    Null,
    /// All children.
    Any(Members),
}

impl Index {
    fn new(order: &Order, node: &Node) -> Self {
        let mut members: Vec<_> = node
            .children()
            .map(|(key, child)| {
                let spot = order.spot(key, child);
                (spot.rank.head(), Member::new(spot, key))
            })
            .collect();
        let ranks = if members.iter().all(|(_, member)| matches!(member.spot().rank, Rank::Null)) {
            Ranks::Null
        } else {
            // They stand in key order already, and the sort is stable.
            members.sort_by(|(head, one), (other_head, other)| {
                head.cmp(other_head).then_with(|| one.spot().rank.compare(other.spot().rank))
            });
            Ranks::Any(Members::from_sorted(members.into_iter().map(|(_, member)| member)))
        };
        Self { order: order.clone(), ranks, idle: AtomicUsize::new(0) }
    }

    /// The index of `node` in `order`, if one is kept, or may be made.
    pub(super) fn of<'a>(node: &'a Node, order: &Order, make: bool) -> Option<&'a Self> {
        let find = |indices: &'a Indices| indices.iter().find(|index| index.order == *order);
        let index = match node.kept().and_then(|derived| find(&derived.indices)) {
            Some(index) => index,
            None if make && node.len() > FEW => {
                let indices = &node.derived()?.indices;
                indices.push(Arc::new(Self::new(order, node)));
                find(indices)?
            }
            None => return None,
        };
        index.idle.store(0, Relaxed);
        Some(index)
    }

    /// The children of `node`, whose index it is, that lie in `span`, in order.
    pub(super) fn walk<'a>(&'a self, node: &'a Node, span: Span<'a>) -> Walk<'a> {
        match &self.ranks {
            Ranks::Null => Walk::by_key(node, span),
            Ranks::Any(members) => Walk::Members(node, members.walk(span)),
        }
    }

    /// This index after the child at `key`, which was `before`, has become `after`, where there were `len` children;
    /// none if making it anew is the better choice.
    fn carried(self: &Arc<Self>, key: &Key, before: &Node, after: &Node, len: usize) -> Option<Arc<Self>> {
        if len <= FEW / 2 {
            return None;
        }
        let (was, is) = (self.order.spot(key, before), self.order.spot(key, after));
        let Ranks::Any(members) = &self.ranks else {
            return matches!(is.rank, Rank::Null).then(|| Arc::clone(self));
        };
        if before.is_null() == after.is_null() && was.compare(is).is_eq() {
            return Some(Arc::clone(self));
        }
        let idle = self.idle.load(Relaxed) + 1;
        if idle > len.max(LEAST_PATIENCE) {
            return None;
        }
        let mut members = members.clone();
        if !before.is_null() {
            members.remove(was);
        }
        if !after.is_null() {
            members.insert(Member::new(is, key));
        }
        Some(Arc::new(Self { order: self.order.clone(), ranks: Ranks::Any(members), idle: AtomicUsize::new(idle) }))
    }
}

impl Indices {
    /// The indices of the branch that a path copy makes. See [`Index::carried`].
    pub(crate) fn carried(&self, key: &Key, before: &Node, after: &Node, len: usize) -> Self {
        self.iter().filter_map(|index| index.carried(key, before, after, len)).collect()
    }

    /// The indices of a branch with the same children.
    pub(crate) fn same(&self) -> Self {
        self.iter().cloned().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

/// Children in an order, from either end.
pub(super) enum Walk<'a> {
    Nothing,
    ByKey(Children<'a>),
    Members(&'a Node, Box<dyn DoubleEndedIterator<Item = &'a Member> + 'a>),
}

impl<'a> Walk<'a> {
    /// The children of a node that are all ordered by null.
    pub(super) fn by_key(node: &'a Node, span: Span<'a>) -> Self {
        span.names().map_or(Self::Nothing, |(from, to)| Self::ByKey(node.children_range(from, to)))
    }
}

fn child<'a>(node: &'a Node, member: &'a Member) -> (&'a Key, &'a Node) {
    (member.key(), node.child(member.key().as_str()))
}

impl<'a> Iterator for Walk<'a> {
    type Item = (&'a Key, &'a Node);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Nothing => None,
            Self::ByKey(children) => children.next(),
            Self::Members(node, members) => members.next().map(|member| child(node, member)),
        }
    }
}

impl DoubleEndedIterator for Walk<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Self::Nothing => None,
            Self::ByKey(children) => children.next_back(),
            Self::Members(node, members) => members.next_back().map(|member| child(node, member)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Leaf, Path, Priority};
    use std::ops::Bound;

    fn list(len: usize) -> Node {
        Node::branch((0..len).map(|i| (Key::index(i), Leaf::Int(i as i64 % 7).into())).collect())
    }

    fn kept(node: &Node) -> usize {
        node.kept().map_or(0, |derived| derived.indices.iter().count())
    }

    fn at(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    #[test]
    fn an_index_is_made_when_asked_for_and_carried_along() {
        let node = list(100);
        assert!(Index::of(&node, &Order::Value, false).is_none() && kept(&node) == 0);
        assert!(Index::of(&list(FEW), &Order::Value, true).is_none());
        assert!(Index::of(&node, &Order::Value, true).is_some() && Index::of(&node, &Order::Priority, true).is_some());
        assert!(Index::of(&node, &Order::Value, false).is_some() && kept(&node) == 2);
        let changed = node.set(&at("5"), Leaf::Int(9).into()).set(&at("x/y"), Leaf::Int(1).into());
        let changed = changed.with_priority(Priority::new(Leaf::Int(1)));
        assert_eq!(kept(&changed), 2);
        let by_value = Index::of(&changed, &Order::Value, false).unwrap();
        let all = Span { from: Bound::Unbounded, to: Bound::Unbounded };
        let last: Vec<_> = by_value.walk(&changed, all).rev().take(2).map(|(key, _)| key.as_str()).collect();
        assert_eq!(last, ["x", "5"]);
        // No child had a priority before.
        assert_eq!(kept(&changed.set(&at("5"), list(1).with_priority(Priority::new(Leaf::Int(1))))), 1);
    }

    #[test]
    fn an_index_goes_when_it_is_of_no_more_use() {
        let mut node = list(100);
        assert!(Index::of(&node, &Order::Value, true).is_some());
        let change = |node: &Node, step: usize| node.set(&at("5"), Leaf::Int(step as i64).into());
        for step in 0..LEAST_PATIENCE {
            node = change(&node, step);
        }
        assert_eq!(kept(&node), 1);
        assert_eq!(kept(&change(&node, LEAST_PATIENCE)), 0);
        assert!(Index::of(&node, &Order::Value, false).is_some());
        assert_eq!(kept(&change(&node, LEAST_PATIENCE)), 1);
        let few = (FEW / 2 - 1..100).fold(node, |node, i| node.set(&at(&i.to_string()), Node::NULL));
        assert_eq!((few.len(), kept(&few)), (FEW / 2 - 1, 0));
    }
}
