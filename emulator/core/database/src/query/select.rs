//! The children of a node that a query wants.
//!
//! Must not know: who wants them, and what has changed.

use super::{Limit, Plan, Query};
use crate::tree::{Key, Node};

impl Query {
    /// The wanted children of `node`, as a node with these children only. Unless all is wanted, a leaf has nothing to
    /// give, and the node's own priority is left out: clients keep neither with a query (`RangedFilter` and
    /// `LimitedFilter` of the JavaScript SDK), and compare hashes made without them.
    #[must_use]
    pub fn select(&self, node: &Node, plan: Plan) -> Node {
        if self.takes_all() { node.clone() } else { Node::branch(self.window(node, plan)) }
    }

    /// The wanted children, in any order.
    pub(super) fn window(&self, node: &Node, _plan: Plan) -> Vec<(Key, Node)> {
        let mut range: Vec<_> = node.children().filter(|(key, child)| self.contains(key, child)).collect();
        let wanted = match self.limit {
            Some(Limit::First(most) | Limit::Last(most)) => most,
            None => usize::MAX,
        };
        if wanted < range.len() {
            range.sort_by(|one, other| {
                let order = self.order.spot(one.0, one.1).compare(self.order.spot(other.0, other.1));
                if matches!(self.limit, Some(Limit::Last(_))) { order.reverse() } else { order }
            });
            range.truncate(wanted);
        }
        range.into_iter().map(|(key, child)| (key.clone(), child.clone())).collect()
    }
}
