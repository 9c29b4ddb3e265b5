//! The parts against a sorted map.

use super::*;
use crate::random::Random;
use crate::tree::Leaf;
use crate::tree::key::compare;
use std::collections::BTreeMap;

type Model = BTreeMap<Key, Node>;
type List = Vec<(String, Node)>;

fn list<'a>(children: impl Iterator<Item = (&'a Key, &'a Node)>) -> List {
    children.map(|(key, node)| (key.to_string(), node.clone())).collect()
}

/// Integers and texts, so that both kinds of order occur.
fn key(number: usize) -> Key {
    if number.is_multiple_of(3) { Key::new(&format!("k{number}")).unwrap() } else { Key::index(number) }
}

/// How deep the part is; all that has to be true of parts holds.
fn depth(part: &Part, most: usize, end: Option<&Key>) -> usize {
    match part {
        Part::Slice(slice) => {
            assert!(slice.len() <= most && slice.is_sorted_by(|(one, _), (other, _)| one < other));
            assert!(slice.last().zip(end).is_none_or(|((key, _), end)| key < end));
            0
        }
        Part::Parts(parts) => {
            assert!((1..=MOST_PARTS).contains(&parts.len()));
            let ends = parts.iter().skip(1).map(|entry| Some(&entry.first)).chain([end]);
            let depths: Vec<_> = parts
                .iter()
                .zip(ends)
                .map(|(entry, end)| {
                    assert!(entry.len > 0 && entry.len == entry.part.len());
                    let first = Iter::new(&entry.part, 0, 1).next().unwrap().0;
                    assert!(entry.first <= *first);
                    depth(&entry.part, MOST_IN_SLICE, end)
                })
                .collect();
            assert!(depths.iter().all(|depth| *depth == depths[0]));
            depths[0] + 1
        }
    }
}

/// Answers how deep the parts are.
fn check(map: &ChildMap, model: &Model) -> usize {
    let expect: List = model.iter().map(|(key, node)| (key.to_string(), node.clone())).collect();
    assert_eq!(list(map.iter()), expect);
    assert_eq!((map.len(), map.last_key()), (model.len(), model.keys().next_back()));
    depth(&map.0, MOST_ALONE, None)
}

/// The range walked from the front, from the back, and from both in turn.
fn check_range(map: &ChildMap, model: &Model, from: Bound<&str>, to: Bound<&str>, random: &mut Random) {
    let within = |key: &Key| {
        let after = match from {
            Bound::Included(from) => compare(key.as_str(), from).is_ge(),
            Bound::Excluded(from) => compare(key.as_str(), from).is_gt(),
            Bound::Unbounded => true,
        };
        let before = match to {
            Bound::Included(to) => compare(key.as_str(), to).is_le(),
            Bound::Excluded(to) => compare(key.as_str(), to).is_lt(),
            Bound::Unbounded => true,
        };
        after && before
    };
    let mut expect = list(model.iter().filter(|(key, _)| within(key)));
    assert_eq!(list(map.range(from, to)), expect, "{from:?} {to:?}");
    assert_eq!(map.range(from, to).size_hint(), (expect.len(), Some(expect.len())));
    let (mut both, mut front, mut back) = (map.range(from, to), Vec::new(), Vec::new());
    loop {
        let turn = random.below(3) == 0;
        let (end, next) = if turn { (&mut back, both.next_back()) } else { (&mut front, both.next()) };
        let Some((key, node)) = next else { break };
        end.push((key.to_string(), node.clone()));
    }
    assert!(both.next().is_none() && both.next_back().is_none());
    front.extend(back.into_iter().rev());
    assert_eq!(front, expect, "{from:?} {to:?}");
    expect.reverse();
    assert_eq!(list(map.range(from, to).rev()), expect, "{from:?} {to:?}");
}

/// Bounds at, before and after the children there are.
fn check_ranges(map: &ChildMap, model: &Model, random: &mut Random, span: usize) {
    for _ in 0..8 {
        let names = [key(random.below(span)), key(random.below(span))];
        let [from, to] = names.each_ref().map(|name| match random.below(5) {
            0 => Bound::Unbounded,
            1 | 2 => Bound::Included(name.as_str()),
            _ => Bound::Excluded(name.as_str()),
        });
        check_range(map, model, from, to, random);
    }
}

#[test]
fn parts_behave_like_a_sorted_map_while_they_grow_and_shrink() {
    let mut deepest = 0;
    for seed in 0..12 {
        let mut random = Random::new(seed);
        let span: usize = [12, 40, 300, 1500][seed as usize % 4];
        let mut model = Model::new();
        let mut map = ChildMap::from_sorted(Vec::new());
        let mut kept = Vec::new();
        for step in 0..span * 4 {
            // It grows, shrinks, and grows again.
            let growing = step * 2 / (span * 3) != 1;
            let at = key(random.below(span));
            if random.below(8) < if growing { 7 } else { 1 } {
                let node = Node::from(Leaf::Int(step as i64));
                map.insert(&at, node.clone());
                model.insert(at.clone(), node);
            } else if model.remove(&at).is_some() {
                map.remove(&at);
            } else if let Some(first) = model.keys().next().cloned() {
                map.remove(&first);
                model.remove(&first);
            }
            assert_eq!((map.get(at.as_str()), map.len()), (model.get(&at), model.len()));
            if random.below(span / 8) == 0 {
                deepest = deepest.max(check(&map, &model));
                check_ranges(&map, &model, &mut random, span);
                kept.push((map.clone(), model.clone()));
            }
        }
        // Older versions are as they were.
        for (map, model) in &kept {
            check(map, model);
        }
    }
    assert!(deepest >= 3, "{deepest}");
}

#[test]
fn children_may_come_in_order_or_all_at_once() {
    for count in [0, 1, 15, 16, 17, 18, 72, 73, 1000] {
        let children: Vec<_> = (0..count).map(|i| (Key::index(i), Node::from(Leaf::Int(i as i64)))).collect();
        let model: Model = children.iter().cloned().collect();
        let at_once = ChildMap::from_sorted(children.clone());
        check(&at_once, &model);
        let (mut rising, mut falling) = (ChildMap::from_sorted(Vec::new()), ChildMap::from_sorted(Vec::new()));
        children.iter().for_each(|(key, node)| rising.insert(key, node.clone()));
        children.iter().rev().for_each(|(key, node)| falling.insert(key, node.clone()));
        check(&rising, &model);
        check(&falling, &model);
        let mut emptied = at_once.clone();
        children.iter().for_each(|(key, _)| emptied.remove(key));
        check(&emptied, &Model::new());
        check_range(&at_once, &model, Bound::Included("3"), Bound::Excluded("1"), &mut Random::new(0));
        check_range(&at_once, &model, Bound::Excluded("3"), Bound::Excluded("3"), &mut Random::new(0));
    }
}

#[test]
fn a_list_that_grows_at_its_end_fills_its_parts() {
    let mut map = ChildMap::from_sorted(Vec::new());
    (0..10_000).for_each(|i| map.insert(&Key::index(i), Leaf::Int(0).into()));
    fn slices(part: &Part) -> usize {
        match part {
            Part::Slice(_) => 1,
            Part::Parts(parts) => parts.iter().map(|entry| slices(&entry.part)).sum(),
        }
    }
    assert!(slices(&map.0) < 10_000 / MOST_IN_SLICE + 3);
}
