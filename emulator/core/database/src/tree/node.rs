//! The tree itself: a node is nothing, a leaf, or a branch, and never changes.
//!
//! A change makes a new root that shares all that stayed the same. There is no empty branch: it is null.

use super::children::{ChildMap, Iter};
use super::derived::{Derived, Place};
use super::key::Key;
use super::leaf::{Leaf, Priority};
use super::path::Path;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

/// One node with all below it. Cheap to clone.
#[derive(Clone, Default)]
pub struct Node(Kind);

#[derive(Clone, Default)]
enum Kind {
    #[default]
    Null,
    Leaf(Leaf),
    /// A leaf with a priority, apart so that the many without one stay small.
    Ranked(Arc<(Leaf, Priority)>),
    Branch(Arc<Branch>),
}

pub(super) struct Branch {
    pub(super) children: ChildMap,
    pub(super) priority: Option<Priority>,
    /// See [`Node::weight`].
    weight: u64,
    /// Most branches are never hashed or ordered otherwise.
    derived: Place,
}

/// What a node is, for those who walk the tree.
pub(super) enum View<'a> {
    Null,
    Leaf(&'a Leaf),
    Branch(&'a Branch),
}

/// Quotes, colon, comma.
const CHILD_OVERHEAD: u64 = 4;

fn child_weight(key: &Key, node: &Node) -> u64 {
    key.as_str().len() as u64 + CHILD_OVERHEAD + node.weight()
}

impl Node {
    /// Nothing.
    pub const NULL: Self = Self(Kind::Null);

    /// The branch with these children, in any order; nulls are dropped, and of children with the same key the last
    /// one counts.
    pub fn branch(mut children: Vec<(Key, Self)>) -> Self {
        if !children.is_sorted_by(|(one, _), (other, _)| one < other) {
            children.sort_by(|(one, _), (other, _)| one.cmp(other));
            // `dedup_by` keeps the first of equals and hands it over second.
            children.dedup_by(|later, first| {
                let same = later.0 == first.0;
                if same {
                    std::mem::swap(&mut later.1, &mut first.1);
                }
                same
            });
        }
        children.retain(|(_, node)| !node.is_null());
        let weight = children.iter().map(|(key, node)| child_weight(key, node)).sum();
        Self::of(ChildMap::from_sorted(children), None, weight, Place::default())
    }

    fn of(children: ChildMap, priority: Option<Priority>, weight: u64, derived: Place) -> Self {
        if children.len() == 0 {
            return Self::NULL;
        }
        Self(Kind::Branch(Arc::new(Branch { children, priority, weight, derived })))
    }

    pub(super) fn view(&self) -> View<'_> {
        match &self.0 {
            Kind::Null => View::Null,
            Kind::Leaf(leaf) => View::Leaf(leaf),
            Kind::Ranked(ranked) => View::Leaf(&ranked.0),
            Kind::Branch(branch) => View::Branch(branch),
        }
    }

    /// What is kept beside it, if it is a branch.
    pub(crate) fn derived(&self) -> Option<&Derived> {
        match self.view() {
            View::Branch(branch) => Some(branch.derived.derived()),
            View::Null | View::Leaf(_) => None,
        }
    }

    /// What is kept beside it so far.
    pub(crate) fn kept(&self) -> Option<&Derived> {
        match self.view() {
            View::Branch(branch) => branch.derived.kept(),
            View::Null | View::Leaf(_) => None,
        }
    }

    /// Whether there is nothing.
    pub fn is_null(&self) -> bool {
        matches!(self.0, Kind::Null)
    }

    /// The value, if it is a leaf.
    pub fn as_leaf(&self) -> Option<&Leaf> {
        match self.view() {
            View::Leaf(leaf) => Some(leaf),
            View::Null | View::Branch(_) => None,
        }
    }

    /// The priority, if it has one.
    pub fn priority(&self) -> Option<&Priority> {
        match &self.0 {
            Kind::Null | Kind::Leaf(_) => None,
            Kind::Ranked(ranked) => Some(&ranked.1),
            Kind::Branch(branch) => branch.priority.as_ref(),
        }
    }

    /// This node with another priority; nothing has none.
    #[must_use]
    pub fn with_priority(&self, priority: Option<Priority>) -> Self {
        match (self.view(), priority) {
            (View::Null, _) => Self::NULL,
            (View::Leaf(leaf), None) => leaf.clone().into(),
            (View::Leaf(leaf), Some(priority)) => Self(Kind::Ranked(Arc::new((leaf.clone(), priority)))),
            (View::Branch(branch), priority) => {
                Self::of(branch.children.clone(), priority, branch.weight, branch.derived.same())
            }
        }
    }

    /// How many children it has.
    pub fn len(&self) -> usize {
        match self.view() {
            View::Branch(branch) => branch.children.len(),
            View::Null | View::Leaf(_) => 0,
        }
    }

    /// Whether it has no children.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The children, in key order.
    pub fn children(&self) -> Children<'_> {
        Children(match self.view() {
            View::Branch(branch) => Some(branch.children.iter()),
            View::Null | View::Leaf(_) => None,
        })
    }

    /// The children after the key `name`, in key order, whether there is a child of that name or not.
    pub fn children_after(&self, name: &str) -> Children<'_> {
        self.children_range(Bound::Excluded(name), Bound::Unbounded)
    }

    /// The children between two keys, in key order, whether there are children of these names or not; none if the
    /// bounds cross. Finding either end takes time that grows with the logarithm of their number.
    pub fn children_range(&self, from: Bound<&str>, to: Bound<&str>) -> Children<'_> {
        Children(match self.view() {
            View::Branch(branch) => Some(branch.children.range(from, to)),
            View::Null | View::Leaf(_) => None,
        })
    }

    /// The last key of its children.
    pub fn last_key(&self) -> Option<&Key> {
        match self.view() {
            View::Branch(branch) => branch.children.last_key(),
            View::Null | View::Leaf(_) => None,
        }
    }

    /// The child called `name`, or null.
    pub fn child(&self, name: &str) -> &Self {
        match self.view() {
            View::Branch(branch) => branch.children.get(name).unwrap_or(&Self::NULL),
            View::Null | View::Leaf(_) => &Self::NULL,
        }
    }

    /// The node at `path`, or null.
    pub fn get(&self, path: &Path) -> &Self {
        path.keys().iter().fold(self, |node, key| node.child(key.as_str()))
    }

    /// The node at `a/b`, or null; nothing lies where the text is no path.
    pub fn find(&self, path: &str) -> &Self {
        let (mut node, mut rest) = (self, path);
        // Keys are short: looking at each byte takes less than calling someone who looks at many at once.
        while let Some(end) = rest.bytes().position(|byte| byte == b'/') {
            let (key, after) = rest.split_at(end);
            if !key.is_empty() {
                node = node.child(key);
            }
            rest = after.get(1..).unwrap_or_default();
        }
        if rest.is_empty() { node } else { node.child(rest) }
    }

    /// This node with `value` at `path`, whatever was there; null removes, and takes the branches along that are
    /// left empty. A leaf on the way becomes a branch and keeps its priority.
    #[must_use]
    pub fn set(&self, path: &Path, value: Self) -> Self {
        self.set_keys(path.keys(), value)
    }

    fn set_keys(&self, keys: &[Key], value: Self) -> Self {
        let Some((key, rest)) = keys.split_first() else { return value };
        let child = self.child(key.as_str());
        if child.is_null() && value.is_null() {
            return self.clone();
        }
        self.with_child(key, child.set_keys(rest, value))
    }

    fn with_child(&self, key: &Key, value: Self) -> Self {
        match self.view() {
            View::Null | View::Leaf(_) if value.is_null() => self.clone(),
            View::Null | View::Leaf(_) => {
                let weight = child_weight(key, &value);
                let children = ChildMap::from_sorted(vec![(key.clone(), value)]);
                Self::of(children, self.priority().cloned(), weight, Place::default())
            }
            View::Branch(branch) => {
                let there = self.child(key.as_str());
                let weight = |node: &Self| if node.is_null() { 0 } else { child_weight(key, node) };
                let weight = branch.weight - weight(there) + weight(&value);
                let derived = branch.derived.carried(key, there, &value, branch.children.len());
                let children =
                    if value.is_null() { branch.children.without(key) } else { branch.children.with(key, value) };
                Self::of(children, branch.priority.clone(), weight, derived)
            }
        }
    }

    /// About how many bytes it takes as JSON, known without a walk. Priorities and escapes are not counted.
    pub fn weight(&self) -> u64 {
        match self.view() {
            View::Null => 4,
            View::Leaf(leaf) => leaf.weight(),
            View::Branch(branch) => branch.weight + 2,
        }
    }

    /// How many keys its deepest leaf lies below it.
    pub fn depth(&self) -> usize {
        self.children().map(|(_, child)| child.depth() + 1).max().unwrap_or(0)
    }

    /// Whether both are the same node in memory, so that nothing below can differ; known without a walk.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Kind::Branch(one), Kind::Branch(other)) => Arc::ptr_eq(one, other),
            (Kind::Ranked(one), Kind::Ranked(other)) => Arc::ptr_eq(one, other) || one == other,
            (Kind::Leaf(one), Kind::Leaf(other)) => one == other,
            (Kind::Null, Kind::Null) => true,
            (Kind::Null | Kind::Leaf(_) | Kind::Ranked(_) | Kind::Branch(_), _) => false,
        }
    }
}

impl From<Leaf> for Node {
    fn from(leaf: Leaf) -> Self {
        Self(Kind::Leaf(leaf))
    }
}

impl From<Option<&Priority>> for Node {
    /// A priority as a node of its own, which is how `.priority` is read.
    fn from(priority: Option<&Priority>) -> Self {
        priority.map_or(Self::NULL, |priority| priority.leaf().clone().into())
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        if self.is_same(other) {
            return true;
        }
        match (self.view(), other.view()) {
            (View::Branch(one), View::Branch(other)) => {
                one.priority == other.priority
                    && one.children.len() == other.children.len()
                    && one.children.iter().eq(other.children.iter())
            }
            (View::Null | View::Leaf(_) | View::Branch(_), _) => false,
        }
    }
}

impl fmt::Debug for Node {
    /// The export form: what it holds with all priorities.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&super::json::to_text(self, super::json::Form::Export))
    }
}

/// Children in key order, from either end.
pub struct Children<'a>(Option<Iter<'a>>);

impl fmt::Debug for Children<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Children")
    }
}

impl<'a> Iterator for Children<'a> {
    type Item = (&'a Key, &'a Node);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.as_mut()?.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.as_ref().map_or((0, Some(0)), Iter::size_hint)
    }
}

impl DoubleEndedIterator for Children<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.as_mut()?.next_back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    fn int(int: i64) -> Node {
        Leaf::Int(int).into()
    }

    fn ranked(node: &Node, priority: i64) -> Node {
        node.with_priority(Priority::new(Leaf::Int(priority)))
    }

    #[test]
    fn a_set_is_seen_at_its_path_and_prunes_what_it_empties() {
        let root = Node::NULL.set(&path("a/b/c"), int(1)).set(&path("a/d"), int(2));
        assert_eq!(root.find("a/b/c"), &int(1));
        assert_eq!(root.find("/a//d/"), &int(2));
        assert_eq!(root.find("a/b.c"), &Node::NULL);
        assert_eq!(root.set(&path("a/b/c"), Node::NULL).find("a/b"), &Node::NULL);
        assert!(root.set(&path("a/b"), Node::NULL).set(&path("a/d"), Node::NULL).is_null());
        assert!(root.set(&path("x/y"), Node::NULL).is_same(&root));
        assert_eq!((root.depth(), root.find("a").len(), root.find("a/d").depth()), (3, 2, 0));
    }

    #[test]
    fn a_leaf_on_the_way_becomes_a_branch_and_keeps_its_priority() {
        let root = Node::NULL.set(&path("a"), ranked(&int(1), 7));
        assert_eq!(root.set(&path("a/b"), Node::NULL), root);
        let root = root.set(&path("a/b"), int(2));
        assert_eq!(root.find("a/b"), &int(2));
        assert_eq!(Node::from(root.find("a").priority()), int(7));
        assert!(root.set(&path("a/b"), Node::NULL).is_null());
        assert!(ranked(&Node::NULL, 1).is_null());
    }

    #[test]
    fn what_stays_the_same_is_shared() {
        let before = Node::NULL.set(&path("a/x"), int(1)).set(&path("b/y"), int(2));
        let after = before.set(&path("a/x"), int(3));
        assert!(before.find("b").is_same(after.find("b")) && !before.find("a").is_same(after.find("a")));
        assert_ne!(before, after);
        assert_eq!(before, after.set(&path("a/x"), int(1)));
        assert_ne!(before, ranked(&before, 1));
    }

    #[test]
    fn of_children_with_one_key_the_last_counts() {
        let child = |key, value| (Key::index(key), int(value));
        let node = Node::branch(vec![child(2, 1), child(1, 2), child(2, 3), child(1, 4), child(2, 5)]);
        assert_eq!(node, Node::branch(vec![child(1, 4), child(2, 5)]));
        assert!(Node::branch(vec![child(1, 2), (Key::index(1), Node::NULL)]).is_null());
    }

    #[test]
    fn the_weight_follows_every_change() {
        let mut root = Node::NULL;
        for step in 0..200_i64 {
            let value = if step % 3 == 0 { Node::NULL } else { Leaf::text(&"x".repeat(step as usize)).into() };
            root = root.set(&path(&format!("{}/{}", step % 7, step % 19)), value);
        }
        fn walk(node: &Node) -> Node {
            match node.as_leaf() {
                Some(leaf) => leaf.clone().into(),
                None => Node::branch(node.children().map(|(key, child)| (key.clone(), walk(child))).collect()),
            }
        }
        assert_eq!(root.weight(), walk(&root).weight());
        assert!(root.weight() > 1000);
    }
}
