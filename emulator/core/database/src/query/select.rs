//! The children of a node that a query wants.
//!
//! Must not know: who wants them, and what has changed.

use super::index::{Index, Walk};
use super::order::{Span, Spot};
use super::{Limit, Order, Plan, Query};
use crate::tree::{Key, Node};

impl Query {
    /// The wanted children of `node`, as a node with these children only. Unless all is wanted, a leaf has nothing to
    /// give, and the node's own priority is left out: clients keep neither with a query (`RangedFilter` and
    /// `LimitedFilter` of the JavaScript SDK), and compare hashes made without them.
    #[must_use]
    pub fn select(&self, node: &Node, plan: Plan) -> Node {
        if self.takes_all() {
            return node.clone();
        }
        let span = self.span();
        let chosen = match (self.ordered(node, plan, span), self.limit) {
            (Some(walk), None) => copy(walk),
            (Some(walk), Some(Limit::First(most))) => copy(walk.take(most)),
            (Some(walk), Some(Limit::Last(most))) => copy(walk.rev().take(most)),
            (None, None) => copy(self.scan(node, span)),
            (None, Some(limit)) => {
                let mut range: Vec<_> = self.scan(node, span).collect();
                let most = limit.most();
                if most < range.len() {
                    range.select_nth_unstable_by(most, |one, other| self.sooner(self.spot(one), self.spot(other)));
                    range.truncate(most);
                }
                copy(range.into_iter())
            }
        };
        Node::branch(chosen)
    }

    /// Whether all children of `node` would have to be put in order first.
    pub(crate) fn lacks_index(&self, node: &Node) -> bool {
        let by_key = match self.order {
            Order::Key => true,
            Order::Priority | Order::Value | Order::Child(_) => false,
        };
        !by_key && !self.takes_all() && Index::of(node, &self.order, false).is_none()
    }

    /// Puts the children of `node` in order, for this query and all in the same order that come.
    pub(crate) fn make_index(&self, node: &Node) {
        Index::of(node, &self.order, true);
    }

    /// The children that lie in `span`, in order, if that takes no look at all of them.
    pub(super) fn ordered<'a>(&self, node: &'a Node, plan: Plan, span: Span<'a>) -> Option<Walk<'a>> {
        match self.order {
            Order::Key => Some(Walk::by_key(node, span)),
            Order::Priority | Order::Value | Order::Child(_) => {
                Index::of(node, &self.order, plan == Plan::Index).map(|index| index.walk(node, span))
            }
        }
    }

    /// The children that lie in `span`, in key order, by a look at all of them.
    pub(super) fn scan<'a>(&'a self, node: &'a Node, span: Span<'a>) -> impl Iterator<Item = Child<'a>> {
        node.children().filter(move |child| span.contains(self.spot(child)))
    }

    pub(super) fn spot<'a>(&self, (key, child): &Child<'a>) -> Spot<'a> {
        self.order.spot(key, child)
    }
}

/// A child and its key.
pub(super) type Child<'a> = (&'a Key, &'a Node);

fn copy<'a>(children: impl Iterator<Item = Child<'a>>) -> Vec<(Key, Node)> {
    children.map(|(key, child)| (key.clone(), child.clone())).collect()
}

impl Limit {
    /// How many are wanted.
    pub(super) fn most(self) -> usize {
        match self {
            Self::First(most) | Self::Last(most) => most,
        }
    }
}
