//! One command's change, as its listeners hear of it: what is new for each view.
//!
//! Must not know: who listens, beyond the views it is shown; what the journal is.

use super::Version;
use super::listen::{Event, News};
use super::listeners::{Branch, View};
use crate::query::{Part, Plan, changes};
use crate::rules::Ruleset;
use crate::tree::{Key, Location, Node, Path};
use std::sync::Arc;

/// A change that somebody may hear of.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) version: Version,
    pub(super) before: Node,
    pub(super) after: Node,
    /// What the parts of an update were relative to; the root if it was none.
    pub(super) base: Path,
    /// Where the two may differ.
    pub(super) touched: Vec<Location>,
}

/// A node of the tree before the change, and the same place after it.
#[derive(Clone, Copy)]
struct Pair<'a> {
    before: &'a Node,
    after: &'a Node,
}

impl<'a> Pair<'a> {
    fn child(self, key: &Key) -> Self {
        Self { before: self.before.child(key.as_str()), after: self.after.child(key.as_str()) }
    }

    fn is_same(self) -> bool {
        self.before.is_same(self.after)
    }
}

impl Commit {
    /// Tells the views in the tree below `root` that see something else than before.
    pub(super) fn tell(&self, root: &Branch, rules: &Ruleset) {
        let mut touched: Vec<&Location> = self.touched.iter().collect();
        touched.sort_by(|one, other| one.path.cmp(&other.path));
        let places = changes(&Path::ROOT, 0, &self.before, &self.after, &touched);
        if !places.is_empty() {
            let mut telling = Telling { commit: self, rules, places: &places, whole: None };
            telling.walk(root, 0, &places, Pair { before: &self.before, after: &self.after });
        }
    }

    fn event(&self, news: News) -> Arc<Event> {
        Arc::new(Event::new(self.version, news))
    }
}

/// A walk through the views along the places.
struct Telling<'c> {
    commit: &'c Commit,
    rules: &'c Ruleset,
    /// All of them, in the order of their paths.
    places: &'c [Part],
    /// What those are told who see all of the change.
    whole: Option<Arc<Event>>,
}

impl Telling<'_> {
    /// `places` are those that lie at the branch or below it: at least one.
    fn walk(&mut self, branch: &Branch, depth: usize, places: &[Part], pair: Pair<'_>) {
        let Some((first, _)) = places.first() else { return };
        let here = first.path.depth() == depth;
        for view in &branch.views {
            self.tell(view, places, pair);
        }
        if here && !first.priority {
            for (key, child) in &branch.children {
                self.walk_below(child, pair.child(key));
            }
            return;
        }
        if branch.children.is_empty() {
            return;
        }
        for group in places.chunk_by(|(one, _), (other, _)| one.path.keys().get(depth) == other.path.keys().get(depth))
        {
            let key = group.first().and_then(|(first, _)| first.path.keys().get(depth));
            if let Some((key, child)) = key.and_then(|key| Some((key, branch.children.get(key)?))) {
                self.walk(child, depth + 1, group, pair.child(key));
            }
        }
    }

    /// All that the branch sees lies below one of the places.
    fn walk_below(&mut self, branch: &Branch, pair: Pair<'_>) {
        if pair.is_same() {
            return;
        }
        for view in &branch.views {
            let path = &view.key.path;
            self.tell(view, &[(path.clone().into(), pair.after.clone())], pair);
        }
        for (key, child) in &branch.children {
            self.walk_below(child, pair.child(key));
        }
    }

    fn tell(&mut self, view: &View, places: &[Part], pair: Pair<'_>) {
        let Some(event) = self.event(view, places, pair) else { return };
        for seat in &view.seats {
            seat.audience.hear(seat.listener, &event);
        }
    }

    /// What is new for a view of which `places` are those at its path and below.
    fn event(&mut self, view: &View, places: &[Part], pair: Pair<'_>) -> Option<Arc<Event>> {
        let (path, query) = (&view.key.path, view.key.query());
        if !query.takes_all() {
            let plan = Plan::new(self.rules.indexes(path, &query.order));
            let Commit { base, touched, .. } = self.commit;
            let news = query.news(plan, path, base, pair.before, pair.after, touched);
            return news.map(|news| self.commit.event(news));
        }
        // Whoever sees all of the change is told the same.
        let whole = places.len() == self.places.len() && places.first() == self.places.first();
        if !whole || (places.len() > 1 && !path.contains(&self.commit.base)) {
            return Some(self.commit.event(self.news(path, places)));
        }
        if self.whole.is_none() {
            self.whole = Some(self.commit.event(self.news(&self.commit.base, places)));
        }
        self.whole.clone()
    }

    fn news(&self, path: &Path, places: &[Part]) -> News {
        if let [(location, node)] = places {
            return News::Put(location.clone(), node.clone());
        }
        let below = |at: &Location| Location { path: at.path.skip(path.depth()), priority: at.priority };
        let parts = places.iter().map(|(location, node)| (below(location), node.clone())).collect();
        News::Patch { path: path.clone(), parts }
    }
}
