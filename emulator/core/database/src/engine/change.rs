//! One command's change, as its listeners hear of it: what is new for each view.
//!
//! Must not know: who listens, beyond the views it is shown; what the journal is.

use super::Version;
use super::listen::{Event, News};
use super::listeners::{Branch, View};
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

/// A place that holds something else than before.
type Place = (Location, Node);

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
    pub(super) fn tell(&self, root: &Branch) {
        let mut touched: Vec<&Location> = self.touched.iter().collect();
        // Of one node the node itself comes first, its priority second, what lies below it after both.
        touched.sort_by(|one, other| one.path.cmp(&other.path).then(one.priority.cmp(&other.priority)));
        touched.dedup();
        let pair = Pair { before: &self.before, after: &self.after };
        let mut places = Vec::new();
        collect(&touched, 0, pair, &mut places);
        if !places.is_empty() {
            let mut telling = Telling { commit: self, places: &places, whole: None };
            telling.walk(root, 0, &places, pair);
        }
    }

    fn event(&self, news: News) -> Arc<Event> {
        Arc::new(Event { version: self.version, news })
    }
}

/// Adds the places that hold something else than before; none lies below another one, and in whatever order they are
/// set, they make the tree after out of the tree before.
///
/// A node goes with its last child and takes its priority along. So one that has a priority, and of which no child is
/// sure to stay meanwhile, is sent whole. `touched` is sorted and lies at `depth` or below.
fn collect(touched: &[&Location], depth: usize, pair: Pair<'_>, places: &mut Vec<Place>) {
    let Some(first) = touched.first() else { return };
    if pair.is_same() {
        return;
    }
    let path = || Path::from(first.path.keys().get(..depth).unwrap_or_default());
    let here = first.path.depth() == depth;
    let ranked = pair.before.priority().is_some() || pair.after.priority().is_some();
    if here && !first.priority {
        places.push((path().into(), pair.after.clone()));
        return;
    }
    let below = if here { touched.get(1..).unwrap_or_default() } else { touched };
    if touched.len() > 1 && ranked {
        let gone = below.chunk_by(|one, other| one.path.keys().get(depth) == other.path.keys().get(depth));
        let heads = gone.filter_map(|group| group.first()?.path.keys().get(depth));
        if heads.filter(|key| !pair.before.child(key.as_str()).is_null()).count() == pair.before.len() {
            places.push((path().into(), pair.after.clone()));
            return;
        }
    }
    if here && pair.before.priority() != pair.after.priority() {
        places.push((Location { path: path(), priority: true }, Node::from(pair.after.priority())));
    }
    for group in below.chunk_by(|one, other| one.path.keys().get(depth) == other.path.keys().get(depth)) {
        if let Some(key) = group.first().and_then(|first| first.path.keys().get(depth)) {
            collect(group, depth + 1, pair.child(key), places);
        }
    }
}

/// A walk through the views along the places.
struct Telling<'c> {
    commit: &'c Commit,
    /// All of them.
    places: &'c [Place],
    /// What those are told who see all of the change.
    whole: Option<Arc<Event>>,
}

impl Telling<'_> {
    /// `places` are those that lie at the branch or below it: at least one.
    fn walk(&mut self, branch: &Branch, depth: usize, places: &[Place], pair: Pair<'_>) {
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

    fn tell(&mut self, view: &View, places: &[Place], pair: Pair<'_>) {
        let Some(event) = self.event(view, places, pair) else { return };
        for seat in &view.seats {
            seat.audience.hear(seat.listener, &event);
        }
    }

    /// What is new for a view of which `places` are those at its path and below.
    fn event(&mut self, view: &View, places: &[Place], _pair: Pair<'_>) -> Option<Arc<Event>> {
        if !view.key.query().takes_all() {
            return None;
        }
        // Whoever sees all of the change is told the same.
        let whole = places.len() == self.places.len() && places.first() == self.places.first();
        if !whole || (places.len() > 1 && !view.key.path.contains(&self.commit.base)) {
            return Some(self.commit.event(self.news(&view.key.path, places)));
        }
        if self.whole.is_none() {
            self.whole = Some(self.commit.event(self.news(&self.commit.base, places)));
        }
        self.whole.clone()
    }

    fn news(&self, path: &Path, places: &[Place]) -> News {
        if let [(location, node)] = places {
            return News::Put(location.clone(), node.clone());
        }
        let parts = places.iter().map(|(location, node)| (location.from_base(path), node.clone())).collect();
        News::Patch { path: path.clone(), parts }
    }
}
