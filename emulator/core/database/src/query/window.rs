//! Windows: the first or last so many children of a range.
//!
//! Of a window only its far edge matters, which stays where it is at most changes. It is kept beside the node that it
//! belongs to and handed on to the changed node. Must not know: who is told.

use super::index::FEW;
use super::kept::Kept;
use super::members::Member;
use super::order::{Span, Spot};
use super::select::Child;
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
    /// At this spot: just as many children as are wanted stand there or nearer. There need not be one right there.
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
        let has = self.edge_after(limit, plan, &had, after, changes);
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

    /// Where the edge is after `changes`: as many steps from where it was as children have come in or gone.
    fn edge_after(&self, limit: Limit, plan: Plan, edge: &Edge, after: &Node, changes: &[Change<'_>]) -> Edge {
        let were = changes.iter().filter(|change| self.wants(change.key, change.before, edge)).count();
        let are = changes.iter().filter(|change| self.wants(change.key, change.after, edge)).count();
        let member = match edge {
            Edge::Open(count) if count + are - were < limit.most() => return Edge::Open(count + are - were),
            Edge::Open(_) => return self.edge(limit, plan, after),
            Edge::At(_) if were == are => return edge.clone(),
            Edge::At(member) => member,
        };
        let gone = were.saturating_sub(are);
        let (near, far) = if gone > 0 {
            (Some(Bound::Excluded(member.spot())), None)
        } else {
            (None, Some(Bound::Included(member.spot())))
        };
        let Some(walk) = self.ordered(after, plan, self.part(near, far)) else { return self.edge(limit, plan, after) };
        match (limit, gone) {
            (Limit::First(_), 0) => self.edge_at(walk.rev(), are - were + 1, 0),
            (Limit::Last(_), 0) => self.edge_at(walk, are - were + 1, 0),
            (Limit::First(most), _) => self.edge_at(walk, gone, most - gone),
            (Limit::Last(most), _) => self.edge_at(walk.rev(), gone, most - gone),
        }
    }

    /// Where the window over `node` ends.
    fn edge(&self, limit: Limit, plan: Plan, node: &Node) -> Edge {
        let span = self.span();
        match (self.ordered(node, plan, span), limit) {
            (Some(walk), Limit::First(most)) => self.edge_at(walk, most, 0),
            (Some(walk), Limit::Last(most)) => self.edge_at(walk.rev(), most, 0),
            (None, Limit::First(most) | Limit::Last(most)) => {
                let mut range: Vec<_> = self.scan(node, span).collect();
                let count = range.len();
                let Some(last) = most.checked_sub(1).filter(|last| *last < count) else { return Edge::Open(count) };
                let order = |one: &Child<'_>, other: &Child<'_>| self.sooner(self.spot(one), self.spot(other));
                let (_, last, _) = range.select_nth_unstable_by(last, order);
                Edge::At(Member::new(self.spot(last), last.0))
            }
        }
    }

    /// The edge at the `wanted`th of some children; if there are not so many, all of them and `others` are in the
    /// window.
    fn edge_at<'a>(&self, children: impl Iterator<Item = Child<'a>>, wanted: usize, others: usize) -> Edge {
        let mut count = 0;
        for child in children {
            count += 1;
            if count == wanted {
                return Edge::At(Member::new(self.spot(&child), child.0));
            }
        }
        Edge::Open(others + count)
    }

    /// The part of the range between two spots, of which the near one is wanted sooner.
    fn part<'a>(&'a self, near: Option<Bound<Spot<'a>>>, far: Option<Bound<Spot<'a>>>) -> Span<'a> {
        let range = self.span();
        match self.limit {
            Some(Limit::First(_)) | None => Span { from: near.unwrap_or(range.from), to: far.unwrap_or(range.to) },
            Some(Limit::Last(_)) => Span { from: far.unwrap_or(range.from), to: near.unwrap_or(range.to) },
        }
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
        let far = match far {
            Edge::Open(_) => None,
            Edge::At(member) => Some(Bound::Included(member.spot())),
        };
        let span = self.part(Some(Bound::Excluded(near.spot())), far);
        let moved = |(key, child)| (key, child, entered);
        match self.ordered(node, plan, span) {
            Some(walk) => walk.map(moved).collect(),
            None => self.scan(node, span).map(moved).collect(),
        }
    }
}
