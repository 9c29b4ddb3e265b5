//! What a change is for those who see only what a query wants.
//!
//! Nothing is remembered of what they were told: it follows from the tree before and after the change. Must not know:
//! who listens.

use super::changes::{Part, by_child, changes};
use super::window::Change;
use super::{Plan, Query};
use crate::engine::News;
use crate::tree::{Location, Node, Path};

impl Query {
    /// What has changed for those who listen to this query, which does not take all, at `path`, where the node
    /// `before` became `after`: children that enter come whole, those that leave are null, those that stay come with
    /// what changed in them. `touched` are the locations, from the root, that were set by one command, and `base` is
    /// the path they were given relative to.
    pub fn news(
        &self,
        plan: Plan,
        path: &Path,
        base: &Path,
        before: &Node,
        after: &Node,
        touched: &[Location],
    ) -> Option<News> {
        if before.is_same(after) || self.limit.is_some_and(|limit| limit.most() == 0) {
            return None;
        }
        if touched.iter().any(|location| !location.priority && location.path.contains(path)) {
            let sees = self.select(after, plan);
            // An index of the past would not be used again.
            return (self.select(before, Plan::Scan) != sees).then(|| News::Put(path.clone().into(), sees));
        }
        let mut touched: Vec<_> = touched.iter().filter(|location| path.contains(&location.path)).collect();
        touched.sort_by(|one, other| one.path.cmp(&other.path));
        let touched: Vec<_> = by_child(path.depth(), &touched)
            .map(|(key, touched)| {
                let name = key.as_str();
                (Change { key, before: before.child(name), after: after.child(name) }, touched)
            })
            .collect();
        let changed: Vec<_> = touched.iter().map(|(change, _)| *change).collect();
        let (had, has) = self.edges(plan, before, after, &changed);
        let mut parts: Vec<Part> = Vec::new();
        for (key, child, entered) in self.moved(plan, after, &had, &has) {
            if changed.binary_search_by(|change| change.key.cmp(key)).is_err() {
                parts.push((path.child(key.clone()).into(), if entered { child.clone() } else { Node::NULL }));
            }
        }
        for (change, touched) in touched {
            let at = path.child(change.key.clone());
            let was = self.wants(change.key, change.before, &had);
            let is = self.wants(change.key, change.after, &has);
            match (was, is) {
                (false, false) => {}
                (true, false) => parts.push((at.into(), Node::NULL)),
                (false, true) => parts.push((at.into(), change.after.clone())),
                (true, true) => parts.extend(changes(&at, at.depth(), change.before, change.after, touched)),
            }
        }
        told(parts, path, base)
    }
}

/// Parts, with absolute locations below `path`, as news.
fn told(mut parts: Vec<Part>, path: &Path, base: &Path) -> Option<News> {
    if parts.len() < 2 {
        return parts.pop().map(|(location, node)| News::Put(location, node));
    }
    let below = |base: &Path| parts.iter().all(|(at, _)| base.contains(&at.path) && at.path.depth() > base.depth());
    let path = if path.contains(base) && below(base) { base } else { path };
    for (location, _) in &mut parts {
        location.path = location.path.skip(path.depth());
    }
    Some(News::Patch { path: path.clone(), parts })
}
