//! By which places one node differs from an earlier one.
//!
//! Must not know: who is told.

use crate::tree::{Key, Location, Node, Path};

/// The places below a node, `before` and `after` a change, that have to be set to make the one of the other, in any
/// order. `at` is where the node lies for those who are told, `depth` how many keys lie above it in the absolute
/// locations `touched`, which are all that was set at or below it and sorted by path.
pub(crate) fn changes(at: &Path, depth: usize, before: &Node, after: &Node, touched: &[&Location]) -> Vec<Part> {
    if before.is_same(after) {
        return Vec::new();
    }
    let whole = || vec![(Location::from(at.clone()), after.clone())];
    let here = |location: &&&Location| location.path.depth() <= depth;
    if touched.iter().filter(here).any(|location| !location.priority) {
        return whole();
    }
    let mut parts = Vec::new();
    let ranked = touched.iter().any(|location| here(&location));
    if ranked && !after.is_null() && before.priority() != after.priority() {
        parts.push((Location { path: at.clone(), priority: true }, Node::from(after.priority())));
    }
    for (key, touched) in by_child(depth, touched) {
        let (before, after) = (before.child(key.as_str()), after.child(key.as_str()));
        parts.extend(changes(&at.child(key.clone()), depth + 1, before, after, touched));
    }
    // A leaf that was made a branch and emptied again.
    let vanished = parts.is_empty() && before.as_leaf().is_some();
    // One that was emptied and filled again.
    let lost = !ranked && !after.is_null() && before.priority() != after.priority();
    // A priority needs a node to belong to, so the order of the parts would matter.
    let orderly = parts.len() < 2 || (before.priority().is_none() && after.priority().is_none());
    let shaky = !orderly && (before.is_null() || parts.iter().any(|(_, node)| node.is_null()));
    if vanished || lost || shaky { whole() } else { parts }
}

/// A place and what it holds now.
pub(crate) type Part = (Location, Node);

/// The locations that lie below a node, together with those of the same child; `touched` is sorted by path.
pub(crate) fn by_child<'a, 'l>(
    depth: usize,
    touched: &'a [&'l Location],
) -> impl Iterator<Item = (&'l Key, &'a [&'l Location])> {
    touched
        .chunk_by(move |one, other| one.path.keys().get(depth) == other.path.keys().get(depth))
        .filter_map(move |touched| touched.first()?.path.keys().get(depth).map(|key| (key, touched)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::json;

    fn check(before: &str, set: &[(&str, &str)], expect: &[(&str, &str)]) {
        let node = |text: &str| json::parse(text.as_bytes(), 0).unwrap().node;
        let before = node(before);
        let places: Vec<_> = set.iter().map(|(at, text)| (Location::parse(at).unwrap(), node(text))).collect();
        let after = places.iter().fold(before.clone(), |root, (at, node)| {
            let priority = || node.as_leaf().cloned().and_then(crate::tree::Priority::new);
            let there = root.get(&at.path);
            root.set(&at.path, if at.priority { there.with_priority(priority()) } else { node.clone() })
        });
        let mut touched: Vec<_> = places.iter().map(|(at, _)| at).collect();
        touched.sort_by(|one, other| one.path.cmp(&other.path));
        let found: Vec<_> = changes(&Path::ROOT, 0, &before, &after, &touched)
            .into_iter()
            .map(|(at, node)| (at.to_string(), format!("{node:?}")))
            .collect();
        let expect: Vec<_> = expect.iter().map(|(at, text)| ((*at).to_owned(), (*text).to_owned())).collect();
        assert_eq!(found, expect, "{before:?} {set:?}");
    }

    #[test]
    fn only_what_changed_is_told_and_whole_where_order_would_matter() {
        check(r#"{"a":1,"b":2}"#, &[("a", "1")], &[]);
        check(r#"{"a":1,"b":2}"#, &[("a", "3"), ("b", "2")], &[("/a", "3")]);
        check(r#"{"a":1,"b":2}"#, &[("b", "null"), ("c/d", "1")], &[("/b", "null"), ("/c/d", "1")]);
        check(r#"{"a":{"b":1}}"#, &[("a/b", "2"), ("a", "3")], &[("/a", "3")]);
        check(r#"{"a":{"b":1}}"#, &[("a/.priority", "2")], &[("/a/.priority", "2")]);
        check(r#"{"a":{"b":1}}"#, &[("a/.priority", "2"), ("a/c", "1")], &[("/a/.priority", "2"), ("/a/c", "1")]);
        // The leaf was made a branch, which was emptied.
        check(r#"{"a":1,"b":2}"#, &[("a/x", "1"), ("a/x", "null")], &[("/a", "null")]);
        // The priority went with what was emptied.
        let ranked = r#"{"a":{"b":1,".priority":2}}"#;
        check(ranked, &[("a/b", "null"), ("a/b", "2")], &[("/a", r#"{"b":2}"#)]);
        // It would go, if the removal came first.
        check(ranked, &[("a/c", "1"), ("a/b", "null")], &[("/a", r#"{"c":1,".priority":2}"#)]);
        check(r#"{"b":1}"#, &[("a/c", "1"), ("a/.priority", "2")], &[("/a", r#"{"c":1,".priority":2}"#)]);
    }
}
