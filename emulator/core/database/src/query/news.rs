//! What a change is for those who see only what a query wants.
//!
//! Windows are not kept anywhere: they follow from the tree before and after the change. Must not know: who listens.

use super::changes::{Part, by_child, changes};
use super::{Plan, Query};
use crate::engine::News;
use crate::tree::{Key, Location, Node, Path};
use std::collections::HashMap;

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
        if before.is_same(after) {
            return None;
        }
        if touched.iter().any(|location| !location.priority && location.path.contains(path)) {
            let seen = self.select(after, plan);
            return (self.select(before, plan) != seen).then(|| News::Put(path.clone().into(), seen));
        }
        let mut touched: Vec<_> = touched.iter().filter(|location| path.contains(&location.path)).collect();
        touched.sort_by(|one, other| one.path.cmp(&other.path));
        let depth = path.depth();
        let had = self.window(before, plan);
        let has = self.window(after, plan);
        let had_keys: HashMap<&Key, &Node> = had.iter().map(|(key, node)| (key, node)).collect();
        let has_keys: HashMap<&Key, &Node> = has.iter().map(|(key, node)| (key, node)).collect();
        let mut parts: Vec<Part> = Vec::new();
        let whole = |key: &Key, node: Node| (Location::from(path.child(key.clone())), node);
        parts.extend(had.iter().filter(|(key, _)| !has_keys.contains_key(key)).map(|(key, _)| whole(key, Node::NULL)));
        parts.extend(
            has.iter().filter(|(key, _)| !had_keys.contains_key(key)).map(|(key, node)| whole(key, node.clone())),
        );
        for (key, touched) in by_child(depth, &touched) {
            if let (Some(before), Some(after)) = (had_keys.get(key), has_keys.get(key)) {
                parts.extend(changes(&path.child(key.clone()), depth + 1, before, after, touched));
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
