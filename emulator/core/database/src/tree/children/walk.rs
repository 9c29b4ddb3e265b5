//! Walks over children, from either end.
//!
//! Both ends count the children between them, so that they know where they meet. Must not know: how parts change.

use super::{Entry, Part};
use crate::tree::key::Key;
use crate::tree::node::Node;
use std::slice;

/// Walks children in key order, from either end.
pub(in crate::tree) struct Iter<'a> {
    root: &'a Part,
    /// The numbers of the children that are yet to come.
    start: usize,
    end: usize,
    /// Where the ends stand, once somebody has asked for them.
    front: Option<Way<'a>>,
    back: Option<Way<'a>>,
}

impl<'a> Iter<'a> {
    /// Over the children from the number `start` on, up to the number `end`.
    pub(super) fn new(root: &'a Part, start: usize, end: usize) -> Self {
        Self { root, start, end: end.max(start), front: None, back: None }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a Key, &'a Node);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.start == self.end {
            return None;
        }
        let (root, start) = (self.root, self.start);
        self.start += 1;
        self.front.get_or_insert_with(|| Way::after(root, start)).next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.end - self.start;
        (left, Some(left))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.start == self.end {
            return None;
        }
        let (root, end) = (self.root, self.end);
        self.end -= 1;
        self.back.get_or_insert_with(|| Way::before(root, end)).next_back()
    }
}

/// All that stands on one side of a place: what is left of the slice it is in, and of each part above that.
struct Way<'a> {
    above: Vec<slice::Iter<'a, Entry>>,
    slice: slice::Iter<'a, (Key, Node)>,
}

impl<'a> Way<'a> {
    /// The child of number `rank` and all after it.
    fn after(root: &'a Part, mut rank: usize) -> Self {
        let (mut part, mut above) = (root, Vec::new());
        loop {
            match part {
                Part::Slice(slice) => return Self { above, slice: slice.get(rank..).unwrap_or_default().iter() },
                Part::Parts(parts) => {
                    let mut rest = parts.iter();
                    let Some(entry) = rest.find(|entry| leads(&mut rank, entry, false)) else {
                        return Self { above, slice: [].iter() };
                    };
                    above.push(rest);
                    part = &entry.part;
                }
            }
        }
    }

    /// All children before the one of number `rank`.
    fn before(root: &'a Part, mut rank: usize) -> Self {
        let (mut part, mut above) = (root, Vec::new());
        loop {
            match part {
                Part::Slice(slice) => return Self { above, slice: slice.get(..rank).unwrap_or_default().iter() },
                Part::Parts(parts) => {
                    let place = parts.iter().position(|entry| leads(&mut rank, entry, true));
                    let (before, from) = parts.split_at(place.unwrap_or(parts.len()));
                    above.push(before.iter());
                    let Some(entry) = from.first() else { return Self { above, slice: [].iter() } };
                    part = &entry.part;
                }
            }
        }
    }

    #[inline]
    fn next(&mut self) -> Option<(&'a Key, &'a Node)> {
        match self.slice.next() {
            Some((key, node)) => Some((key, node)),
            None => self.next_slice(),
        }
    }

    fn next_slice(&mut self) -> Option<(&'a Key, &'a Node)> {
        loop {
            if let Some((key, node)) = self.slice.next() {
                return Some((key, node));
            }
            match self.above.last_mut()?.next().map(|entry| &entry.part) {
                None => drop(self.above.pop()),
                Some(Part::Slice(slice)) => self.slice = slice.iter(),
                Some(Part::Parts(parts)) => self.above.push(parts.iter()),
            }
        }
    }

    fn next_back(&mut self) -> Option<(&'a Key, &'a Node)> {
        loop {
            if let Some((key, node)) = self.slice.next_back() {
                return Some((key, node));
            }
            match self.above.last_mut()?.next_back().map(|entry| &entry.part) {
                None => drop(self.above.pop()),
                Some(Part::Slice(slice)) => self.slice = slice.iter(),
                Some(Part::Parts(parts)) => self.above.push(parts.iter()),
            }
        }
    }
}

/// Whether the way to a child leads through `entry`; if not, `rank` becomes its number in what follows. `last` is
/// whether a part's end counts as within it.
fn leads(rank: &mut usize, entry: &Entry, last: bool) -> bool {
    let within = *rank < entry.len || (last && *rank == entry.len);
    if !within {
        *rank -= entry.len;
    }
    within
}
