//! Which rows differ between two trees.
//!
//! A row's path is the keys joined by `/`. A branch has a row only for its priority. Must not know: where rows are
//! kept.

use hearth_database::{Key, Leaf, Node, Path, Priority};
use std::cmp::Ordering;

/// Takes the changes of rows, in the order in which they have to be made.
pub(super) trait Changes {
    type Error;

    /// The row of `path` holds `value`, unless the node is a branch, and `priority`.
    fn put(&mut self, path: &str, value: Option<&Leaf>, priority: Option<&Leaf>) -> Result<(), Self::Error>;

    /// `path` has no row.
    fn delete(&mut self, path: &str) -> Result<(), Self::Error>;

    /// Nothing below `path` has a row.
    fn delete_below(&mut self, path: &str) -> Result<(), Self::Error>;
}

/// The least paths that cover all that `touched` covers, sorted by the bytes of their keys, which is about the order of
/// the rows, and quicker than the order of children.
pub(super) fn cover<'p>(touched: impl IntoIterator<Item = &'p Path>) -> Vec<&'p Path> {
    let mut paths: Vec<&Path> = touched.into_iter().collect();
    paths.sort_unstable_by(|one, other| keys(one).cmp(keys(other)));
    // A path stands right before those below it, whose changes it covers.
    paths.dedup_by(|below, above| above.contains(below));
    paths
}

fn keys(path: &Path) -> impl Iterator<Item = &str> {
    path.keys().iter().map(Key::as_str)
}

/// Tells `changes` what brings the rows of `before` to those of `after`, if the trees differ at `paths`, below them,
/// and above them by what follows from that.
pub(super) fn diff<'n, C: Changes>(
    changes: &mut C,
    paths: &[&'n Path],
    before: &'n Node,
    after: &'n Node,
) -> Result<(), C::Error> {
    let mut diff = Diff { changes, path: String::new(), way: vec![(0, before, after)], last: &[] };
    paths.iter().try_for_each(|path| diff.touch(path))
}

struct Diff<'c, 'n, C> {
    changes: &'c mut C,
    /// The path of the node at hand.
    path: String,
    /// The nodes from the root to where `last` leads, before and after, and how long `path` is there.
    way: Vec<(usize, &'n Node, &'n Node)>,
    last: &'n [Key],
}

/// What a node's own row holds: its value, unless it is a branch, and its priority.
type Row<'n> = (Option<&'n Leaf>, Option<&'n Leaf>);

fn row(node: &Node) -> Option<Row<'_>> {
    let row = (node.as_leaf(), node.priority().map(Priority::leaf));
    (row != (None, None)).then_some(row)
}

impl<'n, C: Changes> Diff<'_, 'n, C> {
    /// The rows of `path`, of all below it and of its parents.
    fn touch(&mut self, path: &'n Path) -> Result<(), C::Error> {
        // Neighbours share most of their way, and to look up a child among very many takes time.
        let shared = self.last.iter().zip(path.keys()).take_while(|(last, key)| last == key).count();
        self.way.truncate(shared + 1);
        self.last = path.keys();
        let Some(&(length, mut before, mut after)) = self.way.last() else { return Ok(()) };
        self.path.truncate(length);
        for key in path.keys().iter().skip(shared) {
            self.own(before, after)?;
            (before, after) = (before.child(key.as_str()), after.child(key.as_str()));
            self.enter(key);
            self.way.push((self.path.len(), before, after));
        }
        self.differ(before, after)
    }

    fn differ(&mut self, before: &Node, after: &Node) -> Result<(), C::Error> {
        if before.is_same(after) {
            return Ok(());
        }
        self.own(before, after)?;
        if after.is_empty() && !before.is_empty() {
            return self.changes.delete_below(&self.path);
        }
        let (mut olds, mut news) = (before.children().peekable(), after.children().peekable());
        loop {
            let order = match (olds.peek(), news.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((old, _)), Some((new, _))) => old.cmp(new),
            };
            let old = if order.is_le() { olds.next() } else { None };
            let new = if order.is_ge() { news.next() } else { None };
            if let Some((key, _)) = old.or(new) {
                let length = self.path.len();
                self.enter(key);
                self.differ(old.map_or(&Node::NULL, |(_, node)| node), new.map_or(&Node::NULL, |(_, node)| node))?;
                self.path.truncate(length);
            }
        }
    }

    fn own(&mut self, before: &Node, after: &Node) -> Result<(), C::Error> {
        match (row(before), row(after)) {
            (before, after) if before == after => Ok(()),
            (_, Some((value, priority))) => self.changes.put(&self.path, value, priority),
            (_, None) => self.changes.delete(&self.path),
        }
    }

    fn enter(&mut self, key: &Key) {
        if !self.path.is_empty() {
            self.path.push('/');
        }
        self.path.push_str(key.as_str());
    }
}
