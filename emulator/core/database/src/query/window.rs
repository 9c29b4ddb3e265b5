//! Windows: the first or last so many children of a range.
//!
//! Of a window only its far edge matters, which stays where it is at most changes. It is kept beside the node that it
//! belongs to and handed on to the changed node. Must not know: who is told.

use super::index::{FEW, Member};
use super::kept::Kept;
use super::order::{Span, Spot};
use super::{Limit, Plan, Query};
use crate::tree::{Key, Node};
use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

/// Edges are kept for so many queries over one node; those of the others are looked for at each change.
const MOST_KEPT: usize = 32;

/// The edges of the windows over one branch.
pub(crate) type Windows = Kept<Window>;

/// The window of a query over one branch.
pub(crate) struct Window {
    query: Query,
    edge: Edge,
}

/// Where a window ends.
#[derive(Clone, Debug)]
pub(super) enum Edge {
    /// Where the range ends. There are so many children in it, fewer than are wanted; not counted without a limit.
    Open(usize),
    /// At this child, the last that is wanted.
    At(Member),
}

/// A child before and after a change.
#[derive(Clone, Copy)]
pub(super) struct Change<'a> {
    pub(super) key: &'a Key,
    pub(super) before: &'a Node,
    pub(super) after: &'a Node,
}

impl Query {
    /// Whether a child lies in the window that ends at `edge`.
    pub(super) fn wants(&self, key: &Key, child: &Node, edge: &Edge) -> bool {
        let near = match edge {
            Edge::Open(_) => true,
            Edge::At(member) => self.sooner(self.order.spot(key, child), member.spot()).is_le(),
        };
        near && self.contains(key, child)
    }

    /// Which of two children is wanted first.
    pub(super) fn sooner(&self, one: Spot<'_>, other: Spot<'_>) -> Ordering {
        match self.limit {
            Some(Limit::First(_)) | None => one.compare(other),
            Some(Limit::Last(_)) => other.compare(one),
        }
    }

    /// Where the window over `before` ends, and where the one over `after`, which differs in `changes` only.
    pub(super) fn edges(&self, plan: Plan, before: &Node, after: &Node, changes: &[Change<'_>]) -> (Edge, Edge) {
        let Some(limit) = self.limit else { return (Edge::Open(0), Edge::Open(0)) };
        let kept = before.kept().and_then(|derived| derived.windows.iter().find(|window| window.query == *self));
        // An index of the past would not be used again.
        let had = kept.map_or_else(|| self.edge(limit, Plan::Scan, before), |window| window.edge.clone());
        let has = self.edge_after(limit, &had, changes).unwrap_or_else(|| self.edge(limit, plan, after));
        if after.len() > FEW
            && let Some(windows) = after.derived().map(|derived| &derived.windows)
            && windows.iter().all(|window| window.query != *self)
            && windows.iter().count() < MOST_KEPT
        {
            let same = kept.filter(|window| self.compare(&window.edge, &has).is_eq() && matches!(has, Edge::At(_)));
            let window = || Arc::new(Window { query: self.clone(), edge: has.clone() });
            windows.push(same.map_or_else(window, Arc::clone));
        }
        (had, has)
    }

    /// Where an edge is after `changes`, if that is known without a look at other children.
    fn edge_after(&self, limit: Limit, edge: &Edge, changes: &[Change<'_>]) -> Option<Edge> {
        let were = changes.iter().filter(|change| self.wants(change.key, change.before, edge)).count();
        let are = changes.iter().filter(|change| self.wants(change.key, change.after, edge)).count();
        match edge {
            Edge::Open(count) => Some(count + are - were).filter(|count| *count < limit.most()).map(Edge::Open),
            Edge::At(member) => {
                let own = changes.iter().find(|change| change.key == member.key());
                let stays = own.is_none_or(|Change { key, after, .. }| {
                    !after.is_null() && self.order.spot(key, after).compare(member.spot()).is_eq()
                });
                (were == are && stays).then(|| edge.clone())
            }
        }
    }

    /// Where the window over `node` ends.
    fn edge(&self, limit: Limit, plan: Plan, node: &Node) -> Edge {
        let span = self.span();
        let mut count = 0;
        let mut is_last = |_: &(&Key, &Node)| {
            count += 1;
            count == limit.most()
        };
        let last = match (self.ordered(node, plan, span), limit) {
            (Some(mut walk), Limit::First(_)) => walk.find(|child| is_last(child)),
            (Some(walk), Limit::Last(_)) => walk.rev().find(|child| is_last(child)),
            (None, Limit::First(most) | Limit::Last(most)) => {
                let mut range: Vec<_> = self.scan(node, span).collect();
                count = range.len();
                most.checked_sub(1).filter(|last| *last < count).map(|last| {
                    *range.select_nth_unstable_by(last, |one, other| self.sooner(self.spot(one), self.spot(other))).1
                })
            }
        };
        last.map_or(Edge::Open(count), |child| Edge::At(Member::new(self.spot(&child), child.0)))
    }

    /// Which of two edges is the nearer one.
    fn compare(&self, one: &Edge, other: &Edge) -> Ordering {
        match (one, other) {
            (Edge::At(one), Edge::At(other)) => self.sooner(one.spot(), other.spot()),
            (Edge::At(_), Edge::Open(_)) => Ordering::Less,
            (Edge::Open(_), Edge::At(_)) => Ordering::Greater,
            (Edge::Open(_), Edge::Open(_)) => Ordering::Equal,
        }
    }

    /// The children of `node` that are in the window because its edge has moved, or are not in it because of that,
    /// and whether they are. Those that have changed themselves may be among them.
    pub(super) fn moved<'a>(
        &'a self,
        plan: Plan,
        node: &'a Node,
        had: &'a Edge,
        has: &'a Edge,
    ) -> Vec<(&'a Key, &'a Node, bool)> {
        let (near, far, entered) = match self.compare(had, has) {
            Ordering::Less => (had, has, true),
            Ordering::Greater => (has, had, false),
            Ordering::Equal => return Vec::new(),
        };
        let Edge::At(near) = near else { return Vec::new() };
        let near = Bound::Excluded(near.spot());
        let far = match far {
            Edge::Open(_) => None,
            Edge::At(member) => Some(Bound::Included(member.spot())),
        };
        let range = self.span();
        let span = match self.limit {
            Some(Limit::First(_)) | None => Span { from: near, to: far.unwrap_or(range.to) },
            Some(Limit::Last(_)) => Span { from: far.unwrap_or(range.from), to: near },
        };
        let moved = |(key, child)| (key, child, entered);
        match self.ordered(node, plan, span) {
            Some(walk) => walk.map(moved).collect(),
            None => self.scan(node, span).map(moved).collect(),
        }
    }
}
