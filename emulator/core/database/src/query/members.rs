//! A sorted set of children that shares its parts with the sets it was made from.
//!
//! It is a map of slices, so that one of many children is made quickly and takes little beyond them. Must not know: what
//! the order is by.

use super::order::{Name, Rank, Span, Spot};
use crate::tree::{Key, Leaf};
use imbl::OrdMap;
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

/// A slice with more members than this becomes two. (Tests that make random trees shall have several.)
const MOST_IN_SLICE: usize = if cfg!(test) { 8 } else { 64 };
/// Slices of a new set have room left.
const NEW_IN_SLICE: usize = MOST_IN_SLICE / 4 * 3;
/// A slice with fewer joins the next one, if there is room.
const FEWEST_IN_SLICE: usize = MOST_IN_SLICE / 4;

/// A child and what it is ordered by.
#[derive(Clone, Debug)]
pub(super) struct Member {
    rank: Held,
    key: Key,
}

/// A [`Rank`] that is held by itself.
#[derive(Clone, Debug)]
enum Held {
    Null,
    Leaf(Leaf),
    Object,
}

/// Members in order: slices that are not empty, each under a member before or at its first one, and after the last one
/// of the slice before.
#[derive(Clone)]
pub(super) struct Members(OrdMap<Member, Arc<[Member]>>);

/// Something that has a spot; lets a map of members be searched by one.
trait Placed {
    fn spot(&self) -> Spot<'_>;
}

impl Member {
    pub(super) fn new(spot: Spot<'_>, key: &Key) -> Self {
        let rank = match spot.rank {
            Rank::Null => Held::Null,
            Rank::Leaf(leaf) => Held::Leaf(leaf.clone()),
            Rank::Object => Held::Object,
        };
        Self { rank, key: key.clone() }
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn spot(&self) -> Spot<'_> {
        let rank = match &self.rank {
            Held::Null => Rank::Null,
            Held::Leaf(leaf) => Rank::Leaf(leaf),
            Held::Object => Rank::Object,
        };
        Spot { rank, name: Name::Key(self.key.as_str()) }
    }
}

impl Members {
    pub(super) fn from_sorted(mut members: impl Iterator<Item = Member>) -> Self {
        let mut slices = OrdMap::new();
        loop {
            let slice: Arc<[Member]> = members.by_ref().take(NEW_IN_SLICE).collect();
            let Some(first) = slice.first().cloned() else { return Self(slices) };
            slices.insert(first, slice);
        }
    }

    /// The slice where a member at `spot` is, or would be.
    fn slice(&self, spot: Spot<'_>) -> Option<(&Member, &Arc<[Member]>)> {
        self.0.get_prev(placed(&spot)).or_else(|| self.0.iter().next())
    }

    /// Adds a member that is not there.
    pub(super) fn insert(&mut self, member: Member) {
        let Some((start, slice)) = self.slice(member.spot()) else {
            self.0.insert(member.clone(), [member].into());
            return;
        };
        let at = slice.partition_point(|other| *other < member);
        let (before, after) = slice.split_at(at);
        // A list that grows at its end shall have full slices.
        let half = if after.is_empty() { at } else { slice.len().div_ceil(2) };
        let full = slice.len() >= MOST_IN_SLICE;
        let slice: Vec<_> = before.iter().chain([&member]).chain(after).cloned().collect();
        let start = start.clone();
        let first = if member < start {
            self.0.remove(&start);
            member
        } else {
            start
        };
        let (one, other) = if full { slice.split_at(half) } else { (slice.as_slice(), [].as_slice()) };
        self.0.insert(first, one.into());
        if let Some(first) = other.first() {
            self.0.insert(first.clone(), other.into());
        }
    }

    /// Removes the member at `spot`.
    pub(super) fn remove(&mut self, spot: Spot<'_>) {
        let Some((start, slice)) = self.slice(spot) else { return };
        let Ok(at) = slice.binary_search_by(|member| member.spot().compare(spot)) else { return };
        let mut left: Vec<_> = slice.iter().take(at).chain(slice.iter().skip(at + 1)).cloned().collect();
        let start = start.clone();
        if left.len() < FEWEST_IN_SLICE
            && let Some((next, slice)) = self.0.range::<_, Member>((Bound::Excluded(&start), Bound::Unbounded)).next()
            && left.len() + slice.len() <= NEW_IN_SLICE
        {
            left.extend_from_slice(slice);
            let next = next.clone();
            self.0.remove(&next);
        }
        if left.is_empty() {
            self.0.remove(&start);
        } else {
            self.0.insert(start, left.into());
        }
    }

    /// The members in `span`, from either end.
    pub(super) fn walk<'a>(&'a self, span: Span<'a>) -> Box<dyn DoubleEndedIterator<Item = &'a Member> + 'a> {
        let from = match span.from {
            Bound::Included(from) | Bound::Excluded(from) => self.slice(from).map(|(start, _)| start.spot()),
            Bound::Unbounded => None,
        };
        let to = span.to.as_ref().map(|to| to as &dyn Placed);
        if span.is_crossed() || from.is_some_and(|from| Span { from: Bound::Included(from), to: span.to }.is_crossed())
        {
            return Box::new(std::iter::empty());
        }
        let from = from.as_ref().map_or(Bound::Unbounded, |from| Bound::Included(placed(from)));
        let slices = self.0.range::<(Bound<&dyn Placed>, Bound<&dyn Placed>), dyn Placed>((from, to));
        Box::new(slices.flat_map(move |(_, slice)| within(slice, span)))
    }
}

/// The members of a slice that are in `span`.
fn within<'a>(slice: &'a [Member], span: Span<'_>) -> std::slice::Iter<'a, Member> {
    let start = match span.from {
        Bound::Included(from) => slice.partition_point(|member| member.spot().compare(from).is_lt()),
        Bound::Excluded(from) => slice.partition_point(|member| member.spot().compare(from).is_le()),
        Bound::Unbounded => 0,
    };
    let end = match span.to {
        Bound::Included(to) => slice.partition_point(|member| member.spot().compare(to).is_le()),
        Bound::Excluded(to) => slice.partition_point(|member| member.spot().compare(to).is_lt()),
        Bound::Unbounded => slice.len(),
    };
    slice.get(start..end).unwrap_or_default().iter()
}

fn placed<'a>(spot: &'a Spot<'_>) -> &'a (dyn Placed + 'a) {
    spot
}

impl Placed for Member {
    fn spot(&self) -> Spot<'_> {
        self.spot()
    }
}

impl Placed for Spot<'_> {
    fn spot(&self) -> Spot<'_> {
        *self
    }
}

impl<'a> Borrow<dyn Placed + 'a> for Member {
    fn borrow(&self) -> &(dyn Placed + 'a) {
        self
    }
}

impl Ord for dyn Placed + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.spot().compare(other.spot())
    }
}

impl PartialOrd for dyn Placed + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn Placed + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for dyn Placed + '_ {}

impl Ord for Member {
    fn cmp(&self, other: &Self) -> Ordering {
        self.spot().compare(other.spot())
    }
}

impl PartialOrd for Member {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Member {}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: usize) -> Member {
        let leaf = Leaf::Int(number as i64 / 3);
        Member::new(Spot { rank: Rank::Leaf(&leaf), name: Name::Min }, &Key::index(number))
    }

    fn check(members: &Members, expect: &[Member]) {
        let all = Span { from: Bound::Unbounded, to: Bound::Unbounded };
        assert!(members.walk(all).eq(expect) && members.walk(all).rev().eq(expect.iter().rev()));
        let slices: Vec<_> = members.0.iter().collect();
        assert!(slices.iter().all(|(start, slice)| (1..=MOST_IN_SLICE).contains(&slice.len()) && **start <= slice[0]));
        assert!(slices.windows(2).all(|two| two[0].1.last().unwrap() < two[1].0));
        for (one, other) in [(3, 30), (0, 7), (30, 3), (50, 50), (99, 1000)].map(|(a, b)| (member(a), member(b))) {
            for (from, to) in [
                (Bound::Included(one.spot()), Bound::Included(other.spot())),
                (Bound::Excluded(one.spot()), Bound::Excluded(other.spot())),
                (Bound::Excluded(one.spot()), Bound::Unbounded),
                (Bound::Unbounded, Bound::Excluded(other.spot())),
            ] {
                let span = Span { from, to };
                let expect = expect.iter().filter(|member| span.contains(member.spot()));
                assert!(members.walk(span).eq(expect.clone()) && members.walk(span).rev().eq(expect.rev()), "{span:?}");
            }
        }
    }

    #[test]
    fn a_set_of_slices_is_a_sorted_set() {
        let all: Vec<_> = (0..100).map(member).collect();
        check(&Members::from_sorted([].into_iter()), &[]);
        check(&Members::from_sorted(all.iter().cloned()), &all);
        // Every step of these meets all numbers once.
        for step in [1, 99, 37, 63] {
            let mut members = Members::from_sorted([].into_iter());
            let mut model = std::collections::BTreeSet::new();
            for number in (0..100).map(|at| at * step % 100) {
                members.insert(member(number));
                model.insert(number);
                check(&members, &model.iter().map(|number| all[*number].clone()).collect::<Vec<_>>());
            }
            let full = members.clone();
            for number in (0..100).map(|at| at * 37 % 100) {
                members.remove(member(number).spot());
                model.remove(&number);
                check(&members, &model.iter().map(|number| all[*number].clone()).collect::<Vec<_>>());
            }
            check(&full, &all);
        }
    }
}
