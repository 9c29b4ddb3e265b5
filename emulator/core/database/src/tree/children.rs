//! The children of one node, in key order: a slice while they are few, a tree that shares its parts beyond.
//!
//! No other file knows which of the two it is.

use super::key::{Key, Named, compare};
use super::node::Node;
use imbl::OrdMap;
use std::ops::Bound;

/// With more children than this a change copies part of a tree instead of the whole slice.
const MOST_IN_SLICE: usize = 16;
/// With fewer than this a tree becomes a slice again; less than above, so that one child more or less does not
/// convert back and forth.
const FEWEST_IN_TREE: usize = 8;

/// Children by key. None of them is null.
#[derive(Clone, Debug)]
pub(super) enum ChildMap {
    Slice(Box<[(Key, Node)]>),
    Tree(OrdMap<Key, Node>),
}

impl ChildMap {
    /// The children of a list in key order, without duplicates and nulls.
    pub(super) fn from_sorted(children: Vec<(Key, Node)>) -> Self {
        if children.len() <= MOST_IN_SLICE {
            Self::Slice(children.into_boxed_slice())
        } else {
            Self::Tree(children.into_iter().collect())
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Slice(slice) => slice.len(),
            Self::Tree(tree) => tree.len(),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        match self {
            Self::Slice(slice) => slice.iter().find(|(key, _)| key.as_str() == name).map(|(_, node)| node),
            Self::Tree(tree) => tree.get(&name as &dyn Named),
        }
    }

    pub(super) fn last_key(&self) -> Option<&Key> {
        match self {
            Self::Slice(slice) => slice.last().map(|(key, _)| key),
            Self::Tree(tree) => tree.get_max().map(|(key, _)| key),
        }
    }

    /// These children with `node` at `key`, which may be new or not.
    pub(super) fn with(&self, key: &Key, node: Node) -> Self {
        match self {
            Self::Slice(slice) => match slice.binary_search_by(|(at, _)| at.cmp(key)) {
                Ok(at) => {
                    let mut copy = slice.clone();
                    if let Some((_, place)) = copy.get_mut(at) {
                        *place = node;
                    }
                    Self::Slice(copy)
                }
                Err(at) => {
                    let (before, after) = slice.split_at(at);
                    let mut copy = Vec::with_capacity(slice.len() + 1);
                    copy.extend_from_slice(before);
                    copy.push((key.clone(), node));
                    copy.extend_from_slice(after);
                    Self::from_sorted(copy)
                }
            },
            Self::Tree(tree) => Self::Tree(tree.update(key.clone(), node)),
        }
    }

    /// These children without the one at `key`.
    pub(super) fn without(&self, key: &Key) -> Self {
        match self {
            Self::Slice(slice) => Self::Slice(slice.iter().filter(|(at, _)| at != key).cloned().collect()),
            Self::Tree(tree) => {
                let tree = tree.without(key);
                if tree.len() < FEWEST_IN_TREE { Self::Slice(tree.into_iter().collect()) } else { Self::Tree(tree) }
            }
        }
    }

    pub(super) fn iter(&self) -> Iter<'_> {
        match self {
            Self::Slice(slice) => Iter::Slice(slice.iter()),
            Self::Tree(tree) => Iter::Tree(tree.iter()),
        }
    }

    /// The children between two keys, whether there are children at these or not; none if the bounds cross.
    pub(super) fn range(&self, from: Bound<&str>, to: Bound<&str>) -> Iter<'_> {
        match self {
            Self::Slice(slice) => {
                let start = match from {
                    Bound::Unbounded => 0,
                    Bound::Included(name) => slice.partition_point(|(key, _)| compare(key.as_str(), name).is_lt()),
                    Bound::Excluded(name) => slice.partition_point(|(key, _)| compare(key.as_str(), name).is_le()),
                };
                let end = match to {
                    Bound::Unbounded => slice.len(),
                    Bound::Included(name) => slice.partition_point(|(key, _)| compare(key.as_str(), name).is_le()),
                    Bound::Excluded(name) => slice.partition_point(|(key, _)| compare(key.as_str(), name).is_lt()),
                };
                Iter::Slice(slice.get(start..end).unwrap_or_default().iter())
            }
            Self::Tree(_) if cross(from, to) => Iter::Slice([].iter()),
            Self::Tree(tree) => {
                let (from, to) = (from.as_ref().map(named), to.as_ref().map(named));
                Iter::Range(tree.range::<(Bound<&dyn Named>, Bound<&dyn Named>), dyn Named>((from, to)))
            }
        }
    }
}

fn named<'n>(name: &'n &str) -> &'n dyn Named {
    name
}

/// Whether nothing can lie between two bounds.
fn cross(from: Bound<&str>, to: Bound<&str>) -> bool {
    match (from, to) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from), Bound::Included(to)) => compare(from, to).is_gt(),
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => {
            compare(from, to).is_ge()
        }
    }
}

/// Walks children in key order.
pub(super) enum Iter<'a> {
    Slice(std::slice::Iter<'a, (Key, Node)>),
    Tree(imbl::ordmap::Iter<'a, Key, Node, imbl::shared_ptr::DefaultSharedPtr>),
    Range(imbl::ordmap::RangedIter<'a, Key, Node, imbl::shared_ptr::DefaultSharedPtr>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a Key, &'a Node);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Slice(iter) => iter.next().map(|(key, node)| (key, node)),
            Self::Tree(iter) => iter.next(),
            Self::Range(iter) => iter.next(),
        }
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Self::Slice(iter) => iter.next_back().map(|(key, node)| (key, node)),
            Self::Tree(iter) => iter.next_back(),
            Self::Range(iter) => iter.next_back(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Leaf;
    use std::collections::BTreeMap;

    fn list<'a>(children: impl Iterator<Item = (&'a Key, &'a Node)>) -> Vec<(String, Node)> {
        children.map(|(key, node)| (key.to_string(), node.clone())).collect()
    }

    #[test]
    fn both_forms_behave_like_a_sorted_map_while_they_grow_and_shrink() {
        let mut map = ChildMap::from_sorted(Vec::new());
        let mut model = BTreeMap::new();
        let keys: Vec<Key> = (0..40).map(|i| Key::index(i * 7 % 40)).collect();
        let (mut trees, mut slices) = (0, 0);
        for step in 0..keys.len() * 4 {
            let key = &keys[step % keys.len()];
            if (step / keys.len()).is_multiple_of(2) {
                let node = Node::from(Leaf::Int(step as i64));
                map = map.with(key, node.clone());
                model.insert(key.clone(), node);
            } else {
                map = map.without(key);
                model.remove(key);
            }
            match map {
                ChildMap::Slice(_) => slices += 1,
                ChildMap::Tree(_) => trees += 1,
            }
            let expect: Vec<_> = model.iter().map(|(key, node)| (key.to_string(), node.clone())).collect();
            assert_eq!(list(map.iter()), expect);
            assert_eq!((map.len(), map.last_key()), (model.len(), model.keys().next_back()));
            assert_eq!(map.get(key.as_str()), model.get(key));
            check_ranges(&map, &expect, step);
        }
        assert!(trees > 20 && slices > 20);
    }

    /// Every pair of bounds at, before and after some keys, walked from the front, from the back, and from both.
    fn check_ranges(map: &ChildMap, model: &[(String, Node)], step: usize) {
        let names = ["-1", "3", "20", "3x"].map(|name| [Bound::Included(name), Bound::Excluded(name)]);
        let bounds: Vec<_> = names.into_iter().flatten().chain([Bound::Unbounded]).collect();
        for (from, to) in bounds.iter().flat_map(|from| bounds.iter().map(move |to| (*from, *to))) {
            let within = |name: &str| {
                let after = match from {
                    Bound::Included(from) => compare(name, from).is_ge(),
                    Bound::Excluded(from) => compare(name, from).is_gt(),
                    Bound::Unbounded => true,
                };
                let before = match to {
                    Bound::Included(to) => compare(name, to).is_le(),
                    Bound::Excluded(to) => compare(name, to).is_lt(),
                    Bound::Unbounded => true,
                };
                after && before
            };
            let mut expect: Vec<_> = model.iter().filter(|(name, _)| within(name)).cloned().collect();
            assert_eq!(list(map.range(from, to)), expect, "{from:?} {to:?}");
            let (mut both, mut front, mut back) = (map.range(from, to), Vec::new(), Vec::new());
            for turn in step.. {
                let (end, next) = if turn % 3 == 0 { (&mut back, both.next_back()) } else { (&mut front, both.next()) };
                let Some((key, node)) = next else { break };
                end.push((key.to_string(), node.clone()));
            }
            assert!(both.next().is_none() && both.next_back().is_none());
            front.extend(back.into_iter().rev());
            assert_eq!(front, expect, "{from:?} {to:?}");
            expect.reverse();
            assert_eq!(list(map.range(from, to).rev()), expect, "{from:?} {to:?}");
        }
    }
}
