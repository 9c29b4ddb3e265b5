//! The children of one node, in key order: a slice while they are few, a B+ tree of such slices beyond.
//!
//! All parts are shared between the versions of a node, and a change copies those on its way that somebody else holds
//! too. Copying a part counts one reference more of each branch in it, wherever in memory that lies, so parts are small.
//! No other file knows of them.

#[cfg(test)]
mod tests;
mod walk;

use super::key::{Key, Sought};
use super::node::Node;
use std::ops::Bound;
use std::sync::Arc;

pub(super) use walk::Iter;

/// So many children may stand in one slice without a tree.
const MOST_ALONE: usize = 16;
/// So many stand in one slice of a tree. With 48 bytes each it fills 640, which is how allocators cut memory.
const MOST_IN_SLICE: usize = 13;
/// So many parts make a larger one.
const MOST_PARTS: usize = 11;
/// A part with fewer elements is joined with a neighbour if both fit into one; far enough below half, so that one
/// child more or less does not split and join in turn.
const FEW: usize = 4;

/// Children by key. None of them is null.
#[derive(Clone)]
pub(super) struct ChildMap(Part);

type Slice = Arc<[(Key, Node)]>;

#[derive(Clone)]
enum Part {
    Slice(Slice),
    /// All of the same depth, and none of them empty.
    Parts(Arc<[Entry]>),
}

/// A part and where it stands.
#[derive(Clone)]
struct Entry {
    /// No key in the part is less, none before it is greater or equal.
    first: Key,
    /// How many children the part holds.
    len: usize,
    part: Part,
}

/// What an insertion did.
struct Inserted {
    /// Whether there is one child more.
    new: bool,
    /// What the part has given away because it had become too large; it stands after it.
    split: Option<Entry>,
}

impl ChildMap {
    /// The children of a list in key order, without duplicates and nulls.
    pub(super) fn from_sorted(children: Vec<(Key, Node)>) -> Self {
        if children.len() <= MOST_ALONE {
            return Self(Part::Slice(children.into()));
        }
        let mut parts: Vec<Entry> = even(children, MOST_IN_SLICE).filter_map(Entry::of_slice).collect();
        while parts.len() > MOST_PARTS {
            parts = even(parts, MOST_PARTS).filter_map(Entry::of_parts).collect();
        }
        Self(Part::Parts(parts.into()))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        let slice = match &self.0 {
            Part::Slice(slice) => slice,
            Part::Parts(_) => self.0.slice(&Sought::new(name))?,
        };
        // One after the other: the processor fetches them ahead, which it cannot do for halves.
        slice.iter().find(|(key, _)| key.is(name)).map(|(_, node)| node)
    }

    pub(super) fn last_key(&self) -> Option<&Key> {
        self.iter().next_back().map(|(key, _)| key)
    }

    /// These children with `node` at `key`, which may be new or not.
    pub(super) fn with(&self, key: &Key, node: Node) -> Self {
        let mut changed = self.clone();
        changed.insert(key, node);
        changed
    }

    /// These children without the one at `key`.
    pub(super) fn without(&self, key: &Key) -> Self {
        let mut changed = self.clone();
        changed.remove(key);
        changed
    }

    fn insert(&mut self, key: &Key, node: Node) {
        let alone = matches!(self.0, Part::Slice(_));
        let most = if alone { MOST_ALONE } else { MOST_IN_SLICE };
        let inserted = self.0.insert(key, &Sought::new(key.as_str()), node, most, !alone);
        if let Some(second) = inserted.split
            && let Some(first) = Entry::of(self.0.clone())
        {
            self.0 = Part::Parts([first, second].into());
        }
    }

    fn remove(&mut self, key: &Key) {
        self.0.remove(&Sought::new(key.as_str()));
        while let Part::Parts(parts) = &self.0 {
            match &parts[..] {
                [] => self.0 = Part::Slice(Arc::default()),
                [only] => self.0 = only.part.clone(),
                _ => break,
            }
        }
    }

    pub(super) fn iter(&self) -> Iter<'_> {
        Iter::new(&self.0, 0, self.len())
    }

    /// The children between two keys, whether there are children at these or not; none if the bounds cross.
    pub(super) fn range(&self, from: Bound<&str>, to: Bound<&str>) -> Iter<'_> {
        let start = match from {
            Bound::Unbounded => 0,
            Bound::Included(name) => self.0.rank(&Sought::new(name), false),
            Bound::Excluded(name) => self.0.rank(&Sought::new(name), true),
        };
        let end = match to {
            Bound::Unbounded => self.len(),
            Bound::Included(name) => self.0.rank(&Sought::new(name), true),
            Bound::Excluded(name) => self.0.rank(&Sought::new(name), false),
        };
        Iter::new(&self.0, start, end)
    }
}

/// The list cut into pieces of about the same length, none longer than `most`.
fn even<T>(list: Vec<T>, most: usize) -> impl Iterator<Item = Arc<[T]>> {
    let mut pieces = list.len().div_ceil(most);
    let mut rest = list.into_iter();
    std::iter::from_fn(move || {
        let piece = rest.len().checked_div(pieces)?;
        pieces -= 1;
        Some(rest.by_ref().take(piece).collect())
    })
}

/// The list with the elements of `places` replaced.
fn splice<T: Clone>(list: &[T], places: std::ops::Range<usize>, with: Option<T>) -> impl Iterator<Item = T> {
    let before = list.get(..places.start).unwrap_or_default();
    let after = list.get(places.end..).unwrap_or_default();
    before.iter().cloned().chain(with).chain(after.iter().cloned())
}

/// Which of the parts holds a key, if any of them does.
#[inline]
fn way(parts: &[Entry], sought: &Sought<'_>) -> usize {
    parts.iter().skip(1).take_while(|entry| sought.compare(&entry.first).is_ge()).count()
}

/// Where to split a list that one element, put in at `at`, has made too long. At the end of everything a list is likely
/// to grow on, so all of it stays together there.
fn middle(len: usize, at: usize, last: bool) -> usize {
    if last && at + 1 == len { at } else { len / 2 }
}

impl Entry {
    fn of_slice(slice: Slice) -> Option<Self> {
        let first = slice.first()?.0.clone();
        Some(Self { first, len: slice.len(), part: Part::Slice(slice) })
    }

    fn of_parts(parts: Arc<[Self]>) -> Option<Self> {
        let first = parts.first()?.first.clone();
        let part = Part::Parts(parts);
        Some(Self { first, len: part.len(), part })
    }

    /// `None` if it is empty.
    fn of(part: Part) -> Option<Self> {
        match part {
            Part::Slice(slice) => Self::of_slice(slice),
            Part::Parts(parts) => Self::of_parts(parts),
        }
    }
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Slice(slice) => slice.len(),
            Self::Parts(parts) => parts.iter().map(|entry| entry.len).sum(),
        }
    }

    /// The slice that a child would be in.
    fn slice(&self, sought: &Sought<'_>) -> Option<&Slice> {
        let mut part = self;
        loop {
            match part {
                Self::Slice(slice) => return Some(slice),
                Self::Parts(parts) => part = &parts.get(way(parts, sought))?.part,
            }
        }
    }

    /// How many elements it has itself.
    fn elements(&self) -> usize {
        match self {
            Self::Slice(slice) => slice.len(),
            Self::Parts(parts) => parts.len(),
        }
    }

    fn most_elements(&self) -> usize {
        match self {
            Self::Slice(_) => MOST_IN_SLICE,
            Self::Parts(_) => MOST_PARTS,
        }
    }

    /// How many children stand before a key, or up to it and including it.
    fn rank(&self, sought: &Sought<'_>, including: bool) -> usize {
        let (mut part, mut before) = (self, 0);
        loop {
            match part {
                Self::Slice(slice) => {
                    let is_before = |(key, _): &(Key, Node)| {
                        let order = sought.compare(key);
                        order.is_gt() || (including && order.is_eq())
                    };
                    return before + slice.partition_point(is_before);
                }
                Self::Parts(parts) => {
                    let (left, right) = parts.split_at(way(parts, sought));
                    before += left.iter().map(|entry| entry.len).sum::<usize>();
                    let Some(entry) = right.first() else { return before };
                    part = &entry.part;
                }
            }
        }
    }

    /// `most` is how many children a slice may hold, `last` whether no other part stands after this one.
    fn insert(&mut self, key: &Key, sought: &Sought<'_>, node: Node, most: usize, last: bool) -> Inserted {
        match self {
            Self::Slice(slice) => match slice.binary_search_by(|(at, _)| sought.compare(at).reverse()) {
                Ok(at) => {
                    if let Some((_, place)) = Arc::make_mut(slice).get_mut(at) {
                        *place = node;
                    }
                    Inserted { new: false, split: None }
                }
                Err(at) => {
                    let longer = splice(slice, at..at, Some((key.clone(), node)));
                    let (kept, given) = cut(longer, slice.len() + 1, at, most, last);
                    *slice = kept;
                    Inserted { new: true, split: given.and_then(Entry::of_slice) }
                }
            },
            Self::Parts(parts) => {
                let at = way(parts, sought);
                let last = last && at + 1 == parts.len();
                let Some(entry) = Arc::make_mut(parts).get_mut(at) else {
                    return Inserted { new: false, split: None };
                };
                if sought.compare(&entry.first).is_lt() {
                    entry.first = key.clone();
                }
                let mut inserted = entry.part.insert(key, sought, node, most, last);
                entry.len += usize::from(inserted.new);
                if let Some(split) = inserted.split.take() {
                    entry.len -= split.len;
                    let at = at + 1;
                    let longer = splice(parts, at..at, Some(split));
                    let (kept, given) = cut(longer, parts.len() + 1, at, MOST_PARTS, last);
                    *parts = kept;
                    inserted.split = given.and_then(Entry::of_parts);
                }
                inserted
            }
        }
    }

    /// Takes away the child at a key; there is one.
    fn remove(&mut self, sought: &Sought<'_>) {
        match self {
            Self::Slice(slice) => {
                if let Ok(at) = slice.binary_search_by(|(key, _)| sought.compare(key).reverse()) {
                    *slice = splice(slice, at..at + 1, None).collect();
                }
            }
            Self::Parts(parts) => {
                let at = way(parts, sought);
                let Some(entry) = Arc::make_mut(parts).get_mut(at) else { return };
                entry.part.remove(sought);
                entry.len = entry.part.len();
                let (empty, few) = (entry.len == 0, entry.part.elements() < FEW);
                if empty {
                    *parts = splice(parts, at..at + 1, None).collect();
                } else if few && let Some((at, joined)) = join_neighbours(parts, at) {
                    *parts = splice(parts, at..at + 2, Some(joined)).collect();
                }
            }
        }
    }
}

/// Collects a list of `len` elements, of which the one at `at` is new: one part, or two if it is longer than `most`.
fn cut<T>(
    mut list: impl Iterator<Item = T>,
    len: usize,
    at: usize,
    most: usize,
    last: bool,
) -> (Arc<[T]>, Option<Arc<[T]>>) {
    if len <= most {
        return (list.collect(), None);
    }
    let kept = list.by_ref().take(middle(len, at, last)).collect();
    (kept, Some(list.collect()))
}

/// The part at `at` in one with its neighbour before or after it, if both fit into one; and the place of the first.
fn join_neighbours(parts: &[Entry], at: usize) -> Option<(usize, Entry)> {
    [at.checked_sub(1), Some(at)].into_iter().flatten().find_map(|at| {
        let (one, other) = (parts.get(at)?, parts.get(at + 1)?);
        if one.part.elements() + other.part.elements() > one.part.most_elements() {
            return None;
        }
        let part = match (&one.part, &other.part) {
            (Part::Slice(one), Part::Slice(other)) => Part::Slice(one.iter().chain(&other[..]).cloned().collect()),
            (Part::Parts(one), Part::Parts(other)) => Part::Parts(one.iter().chain(&other[..]).cloned().collect()),
            (Part::Slice(_), Part::Parts(_)) | (Part::Parts(_), Part::Slice(_)) => return None,
        };
        Some((at, Entry { first: one.first.clone(), len: one.len + other.len, part }))
    })
}
