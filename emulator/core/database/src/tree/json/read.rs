//! JSON to nodes, without a tree of JSON values in between.
//!
//! Arrays become objects with the keys `0`, `1`, …; `.value`, `.priority` and `.sv` are read as what they stand for.
//! Of names that occur twice in an object the last one counts, as in JavaScript.

use super::JsonError;
use super::single::{PlainSeed, Single, server_value};
use crate::tree::key::Key;
use crate::tree::leaf::{Leaf, MOST_STRING_BYTES, Priority};
use crate::tree::node::Node;
use crate::tree::path::{Location, MOST_DEPTH};
use crate::tree::server_values::{Recorder, ServerValue, Unresolved, stand_in};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::ops::Range;

/// What is read at once may take about so many bytes in memory: far more than its text if it is made of many small
/// values, so that a bound on the text is none.
const MOST_BYTES: usize = 2 * 1024 * 1024 * 1024;
/// What a member takes besides its text: key, node, and its place in the parent (measured).
pub(super) const MEMBER_BYTES: usize = 128;
/// What a part of an update, or a server value, takes besides its path.
const PART_BYTES: usize = 256;

/// The parts of an update: where, below the updated node, and what.
pub type Update = Vec<(Location, Unresolved)>;

/// Reads data that is to lie `depth` keys below the root.
///
/// # Errors
/// See [`JsonError`].
pub fn parse(text: &[u8], depth: usize) -> Result<Unresolved, JsonError> {
    parse_within(text, depth, MOST_BYTES)
}

fn parse_within(text: &[u8], depth: usize, room: usize) -> Result<Unresolved, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let mut reader = Reader::new(depth, room);
    let node = NodeSeed(&mut reader).deserialize(&mut deserializer);
    let node = node.and_then(|node| deserializer.end().map(|()| node));
    reader.finish(node)
}

/// As [`parse`], for data that is a JSON value already.
///
/// # Errors
/// See [`JsonError`].
pub fn from_value(value: &Value, depth: usize) -> Result<Unresolved, JsonError> {
    let mut reader = Reader::new(depth, MOST_BYTES);
    let node = NodeSeed(&mut reader).deserialize(value);
    reader.finish(node)
}

/// Reads an update of a node that lies `depth` keys below the root: an object whose names are paths. `None` for
/// `null`, which stands for the removal of the node.
///
/// # Errors
/// See [`JsonError`].
pub fn parse_update(text: &[u8], depth: usize) -> Result<Option<Update>, JsonError> {
    parse_update_within(text, depth, MOST_BYTES)
}

fn parse_update_within(text: &[u8], depth: usize, room: usize) -> Result<Option<Update>, JsonError> {
    let mut error = None;
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let update = UpdateSeed { depth, room, error: &mut error }
        .deserialize(&mut deserializer)
        .and_then(|update| deserializer.end().map(|()| update));
    update.map_err(|syntax| error.unwrap_or_else(|| JsonError::Syntax(syntax.to_string())))
}

/// What is known while data is read.
pub(super) struct Reader {
    /// Keys above the data's top.
    depth: usize,
    /// So many more bytes of memory may be taken.
    room: usize,
    recorder: Recorder,
    /// serde's errors are texts; the real one waits here.
    error: Option<JsonError>,
}

impl Reader {
    fn new(depth: usize, room: usize) -> Self {
        Self { depth, room, recorder: Recorder::default(), error: None }
    }

    pub(super) fn charge<E: Error>(&mut self, bytes: usize) -> Result<(), E> {
        let left = self.room.checked_sub(bytes).ok_or(JsonError::TooLarge);
        self.room = self.check(left)?;
        Ok(())
    }

    fn record<E: Error>(&mut self, priority: bool, value: ServerValue) -> Result<(), E> {
        self.charge(PART_BYTES + self.recorder.depth() * size_of::<Key>())?;
        self.recorder.record(priority, value);
        Ok(())
    }

    fn finish(self, node: serde_json::Result<Node>) -> Result<Unresolved, JsonError> {
        match node {
            Ok(node) => Ok(self.recorder.finish(node)),
            Err(syntax) => Err(self.error.unwrap_or_else(|| JsonError::Syntax(syntax.to_string()))),
        }
    }

    fn check<T, E: Error>(&mut self, result: Result<T, impl Into<JsonError>>) -> Result<T, E> {
        result.map_err(|error| {
            self.error = Some(error.into());
            E::custom("")
        })
    }

    fn enter<E: Error>(&mut self, key: Key) -> Result<(), E> {
        let fits = self.depth + self.recorder.depth() < MOST_DEPTH;
        self.check(fits.then_some(()).ok_or(JsonError::TooDeep))?;
        self.charge(MEMBER_BYTES)?;
        self.recorder.enter(key);
        Ok(())
    }
}

struct NodeSeed<'r>(&'r mut Reader);

impl<'de> DeserializeSeed<'de> for NodeSeed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Reads a node below the one at hand.
struct ChildSeed<'r> {
    reader: &'r mut Reader,
    key: Key,
}

impl<'de> DeserializeSeed<'de> for ChildSeed<'_> {
    type Value = (Key, Node);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(Key, Node), D::Error> {
        self.reader.enter(self.key.clone())?;
        let node = NodeSeed(&mut *self.reader).deserialize(deserializer)?;
        self.reader.recorder.leave();
        Ok((self.key, node))
    }
}

impl<'de> Visitor<'de> for NodeSeed<'_> {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::NULL)
    }

    fn visit_bool<E: Error>(self, bool: bool) -> Result<Node, E> {
        Ok(Leaf::Bool(bool).into())
    }

    fn visit_i64<E: Error>(self, int: i64) -> Result<Node, E> {
        Ok(Leaf::Int(int).into())
    }

    fn visit_u64<E: Error>(self, int: u64) -> Result<Node, E> {
        match i64::try_from(int) {
            Ok(int) => self.visit_i64(int),
            #[expect(clippy::cast_precision_loss, reason = "beyond 64 bits a number is a double")]
            Err(_) => self.visit_f64(int as f64),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Node, E> {
        self.0.check(Leaf::number(number)).map(Node::from)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
        self.0.charge(text.len())?;
        self.0.check(string(text)).map(Node::from)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Node, A::Error> {
        let mut children = Vec::new();
        for index in 0.. {
            match elements.next_element_seed(ChildSeed { reader: &mut *self.0, key: Key::index(index) })? {
                None => break,
                Some((_, node)) if node.is_null() => {}
                Some(child) => children.push(child),
            }
        }
        Ok(Node::branch(children))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let reader = self.0;
        let mut children = Vec::new();
        let mut marks = Vec::new();
        let (mut value, mut priority) = (None, None);
        while let Some(name) = members.next_key_seed(NameSeed(&mut *reader))? {
            match name {
                Name::Value => {
                    let plain = members.next_value_seed(PlainSeed(&mut *reader))?;
                    value = reader.check(Single::of(&plain))?;
                }
                Name::ServerValue => {
                    let plain = members.next_value_seed(PlainSeed(&mut *reader))?;
                    value = Some(Single::Server(reader.check(server_value(&plain))?));
                }
                Name::Priority => {
                    let plain = members.next_value_seed(PlainSeed(&mut *reader))?;
                    priority = reader.check(Single::of(&plain))?;
                }
                Name::Key(key) => {
                    let mark = reader.recorder.mark();
                    let child = members.next_value_seed(ChildSeed { reader: &mut *reader, key })?;
                    if reader.recorder.mark() > mark {
                        marks.push((children.len(), mark..reader.recorder.mark()));
                    }
                    children.push(child);
                }
            }
        }
        if value.is_some() && !children.is_empty() {
            return reader.check(Err(JsonError::Value));
        }
        forget_replaced(&children, marks, &mut reader.recorder);
        let node = match value {
            None => Node::branch(children),
            Some(Single::Leaf(leaf)) => leaf.into(),
            Some(Single::Server(value)) => {
                reader.record(false, value)?;
                stand_in()
            }
        };
        match priority {
            None => Ok(node),
            Some(Single::Leaf(leaf)) => {
                let priority = reader.check(Priority::new(leaf).ok_or(JsonError::Priority))?;
                Ok(node.with_priority(Some(priority)))
            }
            Some(Single::Server(ServerValue::Timestamp)) => {
                reader.record(true, ServerValue::Timestamp)?;
                Ok(node)
            }
            Some(Single::Server(ServerValue::Increment(_))) => reader.check(Err(JsonError::Priority)),
        }
    }
}

/// Drops the server values of members that a later one of the same name replaces. `marks` holds the place of each
/// member with server values, and which ones they are.
fn forget_replaced(children: &[(Key, Node)], marks: Vec<(usize, Range<usize>)>, recorder: &mut Recorder) {
    if marks.is_empty() {
        return;
    }
    let last: HashMap<&Key, usize> = children.iter().enumerate().map(|(place, (key, _))| (key, place)).collect();
    for (place, values) in marks.into_iter().rev() {
        if children.get(place).and_then(|(key, _)| last.get(key)) != Some(&place) {
            recorder.forget(values);
        }
    }
}

pub(super) fn string(text: &str) -> Result<Leaf, JsonError> {
    if text.len() > MOST_STRING_BYTES { Err(JsonError::StringTooLong(text.len())) } else { Ok(Leaf::text(text)) }
}

/// A name in an object.
enum Name {
    Key(Key),
    Value,
    Priority,
    ServerValue,
}

struct NameSeed<'r>(&'r mut Reader);

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Name;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
        match name {
            ".value" => Ok(Name::Value),
            ".priority" => Ok(Name::Priority),
            ".sv" => Ok(Name::ServerValue),
            _ => self.0.check(Key::new(name)).map(Name::Key),
        }
    }
}

struct UpdateSeed<'e> {
    depth: usize,
    room: usize,
    error: &'e mut Option<JsonError>,
}

impl<'de> DeserializeSeed<'de> for UpdateSeed<'_> {
    type Value = Option<Update>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl UpdateSeed<'_> {
    fn refuse<T, E: Error>(self, error: JsonError) -> Result<T, E> {
        *self.error = Some(error);
        Err(E::custom(""))
    }
}

impl<'de> Visitor<'de> for UpdateSeed<'_> {
    type Value = Option<Update>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        self.refuse(JsonError::NotAnObject)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        self.refuse(JsonError::NotAnObject)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        self.refuse(JsonError::NotAnObject)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        self.refuse(JsonError::NotAnObject)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        self.refuse(JsonError::NotAnObject)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        self.refuse(JsonError::NotAnObject)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut update = Update::new();
        let mut left = self.room;
        let mut places = HashMap::new();
        while let Some(name) = members.next_key::<String>()? {
            let location = match Location::parse(&name) {
                Ok(location) if location == Location::default() => {
                    return self.refuse(JsonError::Key(crate::tree::KeyError::Empty));
                }
                Ok(location) => location,
                Err(error) => return self.refuse(error.into()),
            };
            let depth = self.depth + location.path.depth();
            if depth > MOST_DEPTH {
                return self.refuse(JsonError::TooDeep);
            }
            let Some(room) = left.checked_sub(PART_BYTES + location.path.depth() * size_of::<Key>()) else {
                return self.refuse(JsonError::TooLarge);
            };
            let mut reader = Reader::new(depth, room);
            match members.next_value_seed(NodeSeed(&mut reader)) {
                Ok(node) => {
                    left = reader.room;
                    let data = reader.recorder.finish(node);
                    // The last one of a name counts.
                    match places.entry(location) {
                        Entry::Vacant(entry) => {
                            update.push((entry.key().clone(), data));
                            entry.insert(update.len() - 1);
                        }
                        Entry::Occupied(entry) => {
                            if let Some((_, place)) = update.get_mut(*entry.get()) {
                                *place = data;
                            }
                        }
                    }
                }
                Err(error) => {
                    *self.error = reader.error;
                    return Err(error);
                }
            }
        }
        Ok(Some(update))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::json::{Form, to_text};
    use crate::tree::{KeyError, PathError};

    #[test]
    fn what_takes_too_much_memory_is_refused_as_it_is_read() {
        let fits = 100 * MEMBER_BYTES + 100;
        for (text, expect) in [
            (format!("[{}0]", "0,".repeat(98)), true),
            (format!("[{}0]", "0,".repeat(200)), false),
            (format!("[{}0]", "{},".repeat(200)), false),
            (format!("[{}0]", "[[[]]],".repeat(40)), false),
            (format!("\"{}\"", "x".repeat(fits)), true),
            (format!("\"{}\"", "x".repeat(fits + 1)), false),
            (format!("[{}0]", "{\".sv\":\"timestamp\"},".repeat(60)), false),
            (format!("{{\".value\":[{}0]}}", "0,".repeat(200)), false),
            (format!("{{\".sv\":{{\"a\":\"{}\"}}}}", "x".repeat(2 * fits)), false),
        ] {
            let parsed = parse_within(text.as_bytes(), 0, fits);
            assert_eq!(parsed.is_ok(), expect, "{text}");
            assert!(parsed.err().is_none_or(|error| error == JsonError::TooLarge), "{text}");
        }
        let update = |parts: usize| {
            let parts: Vec<_> = (0..parts).map(|part| format!("\"{part}\":[0,0,0]")).collect();
            parse_update_within(format!("{{{}}}", parts.join(",")).as_bytes(), 0, fits).map(|_| ())
        };
        assert_eq!((update(10), update(30)), (Ok(()), Err(JsonError::TooLarge)));
    }

    fn check(text: &str, expect: Result<&str, JsonError>) {
        let parsed = parse(text.as_bytes(), 0).map(|data| to_text(&data.node, Form::Export));
        assert_eq!(parsed, expect.clone().map(str::to_owned), "{text}");
        if let Ok(value) = serde_json::from_str::<Value>(text) {
            let parsed = from_value(&value, 0).map(|data| to_text(&data.node, Form::Export));
            assert_eq!(parsed.is_ok(), expect.is_ok(), "{text}");
        }
    }

    #[test]
    fn every_kind_of_value_is_read() {
        for (text, export) in [
            ("null", "null"),
            (" true ", "true"),
            ("-7", "-7"),
            ("1.0", "1"),
            ("9223372036854775807", "9223372036854775807"),
            ("9223372036854775808", "9223372036854776000"),
            ("0.30000000000000004", "0.30000000000000004"),
            ("1e21", "1e+21"),
            ("1.5e-7", "1.5e-7"),
            (r#""a\"\u0000é""#, r#""a\"\u0000é""#),
            ("{}", "null"),
            ("[]", "null"),
            (r#"{"a":{"b":{}},"c":[null,{}]}"#, "null"),
            ("[1,null,2]", r#"{"0":1,"2":2}"#),
            (r#"{"b":1,"10":2,"9":3,"a":null}"#, r#"{"9":3,"10":2,"b":1}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#"{".value":5,".priority":"p"}"#, r#"{".value":5,".priority":"p"}"#),
            (r#"{".priority":1,".value":5}"#, r#"{".value":5,".priority":1}"#),
            (r#"{".value":null,".priority":1}"#, "null"),
            (r#"{"a":1,".priority":1.5}"#, r#"{"a":1,".priority":1.5}"#),
            (r#"{"a":1,".priority":null}"#, r#"{"a":1}"#),
            (r#"{".priority":1}"#, "null"),
        ] {
            check(text, Ok(export));
        }
    }

    #[test]
    fn each_fault_has_its_error() {
        for text in ["", "{", "[1,]", "nul", "1 2", "{\"a\" 1}", "'a'", "\u{feff}1", "1e400"] {
            let error = parse(text.as_bytes(), 0);
            assert!(matches!(error, Err(JsonError::Syntax(_))), "{text} {error:?}");
        }
        assert!(matches!(parse(b"\"\xff\"", 0), Err(JsonError::Syntax(_))));
        let character = |key: &str| JsonError::Key(KeyError::Character(key.to_owned()));
        for (text, error) in [
            (r#"{"a.b":1}"#, character("a.b")),
            (r#"{"a":{".x":1}}"#, character(".x")),
            (r#"{"":1}"#, JsonError::Key(KeyError::Empty)),
            (r#"{"a":{".value":1,"b":2}}"#, JsonError::Value),
            (r#"{".value":{"a":1}}"#, JsonError::Value),
            (r#"{".value":[]}"#, JsonError::Value),
            (r#"{".sv":"timestamp","b":2}"#, JsonError::Value),
            (r#"{".value":1,".priority":true}"#, JsonError::Priority),
            (r#"{".value":1,".priority":{".sv":{"increment":1}}}"#, JsonError::Priority),
            (r#"{".sv":"now"}"#, JsonError::ServerValue("\"now\"".to_owned())),
            (r#"{".sv":{"increment":"1"}}"#, JsonError::ServerValue(r#"{"increment":"1"}"#.to_owned())),
            (r#"{".sv":null}"#, JsonError::ServerValue("null".to_owned())),
        ] {
            check(text, Err(error));
        }
        let long = "x".repeat(MOST_STRING_BYTES);
        assert!(parse(format!("\"{long}\"").as_bytes(), 0).is_ok());
        check(&format!("[\"{long}x\"]"), Err(JsonError::StringTooLong(MOST_STRING_BYTES + 1)));
        check(&format!("{{\"{}\":1}}", "x".repeat(769)), Err(JsonError::Key(KeyError::TooLong(769))));
    }

    #[test]
    fn depth_is_counted_from_the_root() {
        for (open, close) in [("{\"a\":", "}"), ("[", "]")] {
            let nested = |depth| format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert!(parse(nested(32).as_bytes(), 0).is_ok());
            assert_eq!(parse(nested(33).as_bytes(), 0), Err(JsonError::TooDeep));
            assert!(parse(nested(2).as_bytes(), 30).is_ok());
            assert_eq!(parse(nested(3).as_bytes(), 30), Err(JsonError::TooDeep));
            assert_eq!(parse(open.repeat(1_000_000).as_bytes(), 0), Err(JsonError::TooDeep));
        }
        assert!(parse(b"[]", 32).is_ok() && parse(b"{}", 32).is_ok() && parse(b"1", 32).is_ok());
    }

    #[test]
    fn server_values_of_replaced_members_are_forgotten() {
        let paths = |text: &str| {
            let data = parse(text.as_bytes(), 0).unwrap();
            data.placeholders.into_iter().map(|each| each.path.to_string()).collect::<Vec<_>>()
        };
        let stamp = r#"{".sv":"timestamp"}"#;
        assert_eq!(paths(&format!(r#"{{"a":{stamp},"b":{stamp},"a":1}}"#)), ["/b"]);
        assert_eq!(paths(&format!(r#"{{"a":{{"x":{stamp}}},"a":{{"y":{stamp}}}}}"#)), ["/a/y"]);
        assert_eq!(paths(&format!(r#"{{"a":1,"a":{stamp}}}"#)), ["/a"]);
    }

    #[test]
    fn an_update_has_paths_for_names() {
        let read = |text: &str| {
            let update = parse_update(text.as_bytes(), 1)?;
            Ok(update.map(|update| {
                let parts = update.iter().map(|(at, data)| format!("{at}={}", to_text(&data.node, Form::Value)));
                parts.collect::<Vec<_>>().join(" ")
            }))
        };
        for (text, expect) in [
            ("null", Ok(None)),
            ("{}", Ok(Some(""))),
            (
                r#"{"a":1,"b/c":{"d":2},"e/.priority":3,".priority":4}"#,
                Ok(Some("/a=1 /b/c={\"d\":2} /e/.priority=3 /.priority=4")),
            ),
            (r#"{"a":1,"a":null}"#, Ok(Some("/a=null"))),
            ("1", Err(JsonError::NotAnObject)),
            ("[1]", Err(JsonError::NotAnObject)),
            ("\"a\"", Err(JsonError::NotAnObject)),
            (r#"{"/":1}"#, Err(JsonError::Key(KeyError::Empty))),
            (r#"{"a.b":1}"#, Err(JsonError::Path(PathError::Key(KeyError::Character("a.b".to_owned()))))),
            (r#"{"a":{"b.c":1}}"#, Err(JsonError::Key(KeyError::Character("b.c".to_owned())))),
            (&format!(r#"{{"{}":1}}"#, "a/".repeat(32)), Err(JsonError::TooDeep)),
        ] {
            assert_eq!(read(text), expect.map(|parts| parts.map(str::to_owned)), "{text}");
        }
        assert!(matches!(read("{\"a\":}"), Err(JsonError::Syntax(_))));
        assert!(matches!(read("{} x"), Err(JsonError::Syntax(_))));
    }
}
