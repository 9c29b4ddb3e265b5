//! Values that the server fills in: what they are, and how they are resolved against what was there before.

use super::key::Key;
use super::leaf::{Leaf, NotFinite, Priority};
use super::node::Node;
use super::path::{Location, Path};
use std::ops::Range;

/// A value that only the server knows (`{".sv": …}`).
#[derive(Clone, Debug, PartialEq)]
pub enum ServerValue {
    /// Milliseconds since the epoch; one value for all of an operation.
    Timestamp,
    /// The number that is there, and this much more; 0 if there is none.
    Increment(Leaf),
}

impl ServerValue {
    fn resolve(&self, before: &Node, now: u64) -> Result<Leaf, NotFinite> {
        match self {
            Self::Timestamp => Ok(Leaf::Int(i64::try_from(now).unwrap_or(i64::MAX))),
            Self::Increment(by) => match (before.as_leaf(), by) {
                (Some(Leaf::Int(from)), Leaf::Int(by)) =>
                {
                    #[expect(clippy::cast_precision_loss, reason = "an overflow goes on as a double")]
                    from.checked_add(*by)
                        .map_or_else(|| Leaf::number(*from as f64 + *by as f64), |sum| Ok(Leaf::Int(sum)))
                }
                (from, by) => match from.and_then(Leaf::as_f64) {
                    Some(from) => Leaf::number(from + by.as_f64().unwrap_or_default()),
                    None => Ok(by.clone()),
                },
            },
        }
    }
}

/// Where a server value belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct Placeholder {
    /// The node, from the top of the data that holds it.
    pub path: Path,
    /// Whether it is the node's priority.
    pub priority: bool,
    /// What to fill in.
    pub value: ServerValue,
}

/// Data as it was sent. Where a server value belongs, the node holds a stand-in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unresolved {
    /// The data.
    pub node: Node,
    /// The server values in it.
    pub placeholders: Vec<Placeholder>,
}

impl From<Node> for Unresolved {
    fn from(node: Node) -> Self {
        Self { node, placeholders: Vec::new() }
    }
}

impl Unresolved {
    /// The data with its server values filled in. `before` is what was in its place before the operation, `now` the
    /// time of the operation.
    ///
    /// # Errors
    /// A sum is out of range.
    pub fn resolve(self, before: &Node, now: u64) -> Result<Node, NotFinite> {
        let mut node = self.node;
        for placeholder in &self.placeholders {
            let Placeholder { path, priority, value } = placeholder;
            let there = node.get(path);
            let filled = if *priority {
                there.with_priority(Priority::new(value.resolve(&Node::from(before.get(path).priority()), now)?))
            } else {
                Node::from(value.resolve(before.get(path), now)?).with_priority(there.priority().cloned())
            };
            node = node.set(path, filled);
        }
        Ok(node)
    }

    /// This data with other data at a place in it. A leaf on the way becomes a branch, unless there is nothing to set
    /// below it.
    #[must_use]
    pub fn with(mut self, at: &Location, data: Self) -> Self {
        let there = self.node.get(&at.path);
        if at.priority {
            self.placeholders.retain(|one| one.path != at.path || !one.priority);
            self.node =
                self.node.set(&at.path, there.with_priority(data.node.as_leaf().cloned().and_then(Priority::new)));
            let value = data.placeholders.into_iter().find(|one| one.path == Path::ROOT && !one.priority);
            self.placeholders.extend(value.map(|one| Placeholder { path: at.path.clone(), priority: true, ..one }));
            return self;
        }
        if there.is_null() && data.node.is_null() {
            return self;
        }
        // A leaf on the way is none any more.
        self.placeholders.retain(|one| !at.path.contains(&one.path) && (one.priority || !one.path.contains(&at.path)));
        self.node = self.node.set(&at.path, data.node);
        self.placeholders
            .extend(data.placeholders.into_iter().map(|one| Placeholder { path: at.path.join(&one.path), ..one }));
        self
    }

    /// The data of each of its children.
    pub fn children(&self) -> impl Iterator<Item = (&Key, Self)> {
        self.node.children().map(|(key, node)| {
            let below = self.placeholders.iter().filter(|one| one.path.keys().first() == Some(key));
            let placeholders = below.map(|one| Placeholder { path: one.path.skip(1), ..one.clone() }).collect();
            (key, Self { node: node.clone(), placeholders })
        })
    }

    /// Its priority, as data that can be set there; null if it has none.
    pub fn priority(&self) -> Self {
        let value = self.placeholders.iter().find(|one| one.path == Path::ROOT && one.priority);
        match value {
            None => Node::from(self.node.priority()).into(),
            Some(one) => Self { node: stand_in(), placeholders: vec![Placeholder { priority: false, ..one.clone() }] },
        }
    }

    /// The deepest of its leaves, in keys below its top.
    pub fn depth(&self) -> usize {
        self.node.depth()
    }

    /// About how many bytes it takes in memory while it waits.
    pub fn weight(&self) -> u64 {
        const EACH: u64 = 64;
        self.node.weight() + self.placeholders.len() as u64 * EACH
    }
}

/// Makes the stand-in for a server value, which keeps its place until it is resolved.
pub(super) fn stand_in() -> Node {
    Leaf::Int(0).into()
}

/// The placeholders of data under way, with the path to where its reader stands.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    path: Path,
    placeholders: Vec<Placeholder>,
}

impl Recorder {
    pub(super) fn enter(&mut self, key: Key) {
        self.path.push(key);
    }

    pub(super) fn leave(&mut self) {
        self.path.pop();
    }

    pub(super) fn depth(&self) -> usize {
        self.path.depth()
    }

    pub(super) fn record(&mut self, priority: bool, value: ServerValue) {
        self.placeholders.push(Placeholder { path: self.path.clone(), priority, value });
    }

    /// How many there are.
    pub(super) fn mark(&self) -> usize {
        self.placeholders.len()
    }

    /// Forgets those recorded between two marks.
    pub(super) fn forget(&mut self, values: Range<usize>) {
        if values.start <= values.end && values.end <= self.placeholders.len() {
            self.placeholders.drain(values);
        }
    }

    pub(super) fn finish(self, node: Node) -> Unresolved {
        Unresolved { node, placeholders: self.placeholders }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::json;

    fn check(before: &str, data: &str, after: &str) {
        let before = json::parse(before.as_bytes(), 0).unwrap().node;
        let resolved = json::parse(data.as_bytes(), 0).unwrap().resolve(&before, 1000);
        assert_eq!(resolved.map(|node| json::to_text(&node, json::Form::Export)), Ok(after.to_owned()), "{data}");
    }

    #[test]
    fn a_server_value_is_filled_in() {
        check("null", r#"{".sv":"timestamp"}"#, "1000");
        check("null", r#"{"a":{".sv":"timestamp"},"b":[{".sv":"timestamp"}]}"#, r#"{"a":1000,"b":{"0":1000}}"#);
        check("5", r#"{".sv":"timestamp",".priority":3}"#, r#"{".value":1000,".priority":3}"#);
        check(
            "5",
            r#"{".value":{".sv":"timestamp"},".priority":{".sv":"timestamp"}}"#,
            r#"{".value":1000,".priority":1000}"#,
        );
        check("5", r#"{"a":{".sv":"timestamp"},".priority":1}"#, r#"{"a":1000,".priority":1}"#);
        check("5", r#"{"a":1,".priority":{".sv":"timestamp"}}"#, r#"{"a":1,".priority":1000}"#);
    }

    #[test]
    fn an_increment_starts_from_what_was_there() {
        for (before, by, after) in [
            ("null", "2", "2"),
            (r#""x""#, "2", "2"),
            ("true", "2", "2"),
            (r#"{"a":1}"#, "2", "2"),
            ("5", "-2", "3"),
            ("5", "0.5", "5.5"),
            ("0.5", "0.5", "1"),
            ("9007199254740993", "1", "9007199254740994"),
            ("9223372036854775807", "1", "9223372036854776000"),
            ("-9223372036854775808", "-1", "-9223372036854776000"),
        ] {
            check(before, &format!(r#"{{".sv":{{"increment":{by}}}}}"#), after);
        }
        check(r#"{"a":{"n":1}}"#, r#"{"a":{"n":{".sv":{"increment":1}}}}"#, r#"{"a":{"n":2}}"#);
    }

    #[test]
    fn a_sum_out_of_range_is_an_error() {
        let before = json::parse(b"1.7e308", 0).unwrap().node;
        let data = json::parse(br#"{".sv":{"increment":1.7e308}}"#, 0).unwrap();
        assert_eq!(data.resolve(&before, 0), Err(NotFinite));
    }
}
