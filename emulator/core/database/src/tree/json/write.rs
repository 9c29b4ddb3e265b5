//! Nodes to JSON, with numbers as JavaScript writes them.

use crate::tree::key::Key;
use crate::tree::leaf::Leaf;
use crate::tree::node::Node;
use serde_json::{Map, Value};

/// So much memory is asked for at most before a text is begun; beyond it the text finds its own size.
const MOST_RESERVED: u64 = 16 * 1024;

/// How a node is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Values only; objects whose keys are mostly indices as arrays.
    Value,
    /// Values and priorities (`.value`, `.priority`); never an array.
    Export,
}

/// How the text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// On one line, without spaces.
    Compact,
    /// Indented by two spaces a level.
    Pretty,
}

/// The node as JSON text, on one line.
pub fn to_text(node: &Node, form: Form) -> String {
    String::from_utf8(encode(node, form, Layout::Compact)).unwrap_or_default()
}

/// The node as JSON text.
pub fn encode(node: &Node, form: Form, layout: Layout) -> Vec<u8> {
    let mut writer = Writer::new(layout);
    // About what it will be, so that a short text is written into one piece of memory.
    writer.out.reserve(node.weight().min(MOST_RESERVED) as usize);
    writer.node(node, form);
    writer.out
}

/// Adds the node as JSON text, on one line, to `out`.
pub fn append(out: &mut Vec<u8>, node: &Node, form: Form) {
    let mut writer = Writer { out: std::mem::take(out), ..Writer::new(Layout::Compact) };
    writer.node(node, form);
    *out = writer.out;
}

/// Adds `text` as a JSON string to `out`.
pub fn append_string(out: &mut Vec<u8>, text: &str) {
    let mut writer = Writer { out: std::mem::take(out), ..Writer::new(Layout::Compact) };
    writer.string(text);
    *out = writer.out;
}

/// The node without what lies below its children: a leaf as itself, a branch as an object of `true`s, of which only
/// `limit` are written, those after the key `after`.
pub fn encode_shallow(node: &Node, after: Option<&str>, limit: usize, layout: Layout) -> Vec<u8> {
    let mut writer = Writer::new(layout);
    if node.is_empty() {
        writer.node(node, Form::Value);
    } else {
        let children = after.map_or_else(|| node.children(), |after| node.children_after(after));
        writer.open(b'{');
        for (place, (key, _)) in children.take(limit).enumerate() {
            writer.member(place, key.as_str());
            writer.out.extend_from_slice(b"true");
        }
        writer.close(b'}');
    }
    writer.out
}

/// The parts of an update as one object, under the names they were sent with.
pub fn encode_update<'a>(parts: impl IntoIterator<Item = (&'a str, &'a Node)>, layout: Layout) -> Vec<u8> {
    let mut writer = Writer::new(layout);
    writer.open(b'{');
    for (place, (name, node)) in parts.into_iter().enumerate() {
        writer.member(place, name);
        writer.node(node, Form::Value);
    }
    writer.close(b'}');
    writer.out
}

/// The node as a JSON value, in [`Form::Value`].
pub fn to_value(node: &Node) -> Value {
    match node.as_leaf() {
        Some(Leaf::Bool(bool)) => Value::Bool(*bool),
        Some(Leaf::Int(int)) => Value::from(*int),
        Some(Leaf::Double(double)) => Value::from(*double),
        Some(Leaf::Text(text)) => Value::from(&**text),
        None if node.is_null() => Value::Null,
        None if is_array(node) => {
            let mut array = Vec::new();
            each_element(node, |element| array.push(element.map_or(Value::Null, to_value)));
            Value::Array(array)
        }
        None => {
            Value::Object(node.children().map(|(key, child)| (key.to_string(), to_value(child))).collect::<Map<_, _>>())
        }
    }
}

/// Whether the clients would make an array of it: every key is an index, and more than half of the places are taken.
fn is_array(node: &Node) -> bool {
    let dense = |key: &Key| key.as_index().is_some_and(|index| index < 2 * node.len());
    // The highest index stands last, so most objects are told by one look.
    node.last_key().is_some_and(dense) && node.children().all(|(key, _)| dense(key))
}

/// Calls `each` for every place of an array, also the empty ones.
fn each_element(node: &Node, mut each: impl FnMut(Option<&Node>)) {
    let mut next = 0;
    for (key, child) in node.children() {
        let index = key.as_index().unwrap_or(next);
        (next..index).for_each(|_| each(None));
        each(Some(child));
        next = index + 1;
    }
}

struct Writer {
    out: Vec<u8>,
    layout: Layout,
    indent: usize,
    /// Whether the innermost bracket has something in it.
    filled: bool,
}

impl Writer {
    fn new(layout: Layout) -> Self {
        Self { out: Vec::new(), layout, indent: 0, filled: false }
    }

    fn open(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.indent += 1;
        self.filled = false;
    }

    fn close(&mut self, bracket: u8) {
        self.indent -= 1;
        if self.filled {
            self.line();
        }
        self.out.push(bracket);
        self.filled = true;
    }

    fn line(&mut self) {
        match self.layout {
            Layout::Compact => {}
            Layout::Pretty => {
                self.out.push(b'\n');
                self.out.resize(self.out.len() + 2 * self.indent, b' ');
            }
        }
    }

    /// Begins the element at `place` of the innermost bracket.
    fn element(&mut self, place: usize) {
        if place > 0 {
            self.out.push(b',');
        }
        self.line();
        self.filled = true;
    }

    /// Begins the member at `place` of the innermost bracket.
    fn member(&mut self, place: usize, name: &str) {
        self.element(place);
        self.string(name);
        self.out.extend_from_slice(match self.layout {
            Layout::Compact => b":",
            Layout::Pretty => b" : ",
        });
    }

    fn node(&mut self, node: &Node, form: Form) {
        let priority = match form {
            Form::Value => None,
            Form::Export => node.priority(),
        };
        match (node.as_leaf(), priority) {
            (Some(leaf), None) => self.leaf(leaf),
            (Some(leaf), Some(priority)) => {
                self.open(b'{');
                self.member(0, ".value");
                self.leaf(leaf);
                self.member(1, ".priority");
                self.leaf(priority.leaf());
                self.close(b'}');
            }
            (None, _) if node.is_null() => self.out.extend_from_slice(b"null"),
            (None, _) if form == Form::Value && is_array(node) => {
                self.open(b'[');
                let mut place = 0;
                each_element(node, |element| {
                    self.element(place);
                    self.node(element.unwrap_or(&Node::NULL), form);
                    place += 1;
                });
                self.close(b']');
            }
            (None, priority) => {
                self.open(b'{');
                for (place, (key, child)) in node.children().enumerate() {
                    self.member(place, key.as_str());
                    self.node(child, form);
                }
                if let Some(priority) = priority {
                    self.member(node.len(), ".priority");
                    self.leaf(priority.leaf());
                }
                self.close(b'}');
            }
        }
    }

    fn leaf(&mut self, leaf: &Leaf) {
        match leaf {
            Leaf::Bool(true) => self.out.extend_from_slice(b"true"),
            Leaf::Bool(false) => self.out.extend_from_slice(b"false"),
            Leaf::Int(int) => self.out.extend_from_slice(int.to_string().as_bytes()),
            Leaf::Double(double) => self.out.extend_from_slice(double_text(*double).as_bytes()),
            Leaf::Text(text) => self.string(text),
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push(b'"');
        let mut rest = text.as_bytes();
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
            let (plain, from) = rest.split_at(at);
            self.out.extend_from_slice(plain);
            let Some((byte, after)) = from.split_first() else { break };
            match byte {
                b'"' => self.out.extend_from_slice(b"\\\""),
                b'\\' => self.out.extend_from_slice(b"\\\\"),
                b'\n' => self.out.extend_from_slice(b"\\n"),
                b'\r' => self.out.extend_from_slice(b"\\r"),
                b'\t' => self.out.extend_from_slice(b"\\t"),
                control => self.out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
            }
            rest = after;
        }
        self.out.extend_from_slice(rest);
        self.out.push(b'"');
    }
}

/// The shortest digits that give the same double, with an exponent where JavaScript writes one.
pub(crate) fn double_text(double: f64) -> String {
    if (1e-6..1e21).contains(&double.abs()) || double == 0.0 {
        return shortest(double);
    }
    let text = format!("{double:e}");
    if text.contains("e-") { text } else { text.replace('e', "e+") }
}

/// Digits without an exponent. `{}` writes out all digits of a large number, JavaScript fills up with zeros.
fn shortest(double: f64) -> String {
    let exponential = format!("{double:e}");
    match exponential.split_once('e').map(|(digits, exponent)| (digits, exponent.parse::<usize>())) {
        Some((digits, Ok(exponent))) if exponent >= 16 => {
            let whole = digits.replace('.', "");
            let missing = (exponent + 1 + usize::from(double < 0.0)).saturating_sub(whole.len());
            whole + &"0".repeat(missing)
        }
        _ => double.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::json::parse;

    fn node(text: &str) -> Node {
        parse(text.as_bytes(), 0).unwrap().node
    }

    #[test]
    fn arrays_are_told_from_objects_as_the_clients_do() {
        for (text, value) in [
            (r#"{"0":"a","1":"b"}"#, r#"["a","b"]"#),
            (r#"{"0":"a","2":"b"}"#, r#"["a",null,"b"]"#),
            (r#"{"1":"a"}"#, r#"[null,"a"]"#),
            (r#"{"2":"a"}"#, r#"{"2":"a"}"#),
            (r#"{"0":1,"1":2,"5":3}"#, r#"[1,2,null,null,null,3]"#),
            (r#"{"0":1,"1":2,"6":3}"#, r#"{"0":1,"1":2,"6":3}"#),
            (r#"{"00":1,"1":2}"#, r#"{"00":1,"1":2}"#),
            (r#"{"-1":1,"0":2,"1":3}"#, r#"{"-1":1,"0":2,"1":3}"#),
            (r#"{"0":1,"a":2}"#, r#"{"0":1,"a":2}"#),
            (r#"{"x":[[1]]}"#, r#"{"x":[[1]]}"#),
        ] {
            assert_eq!(to_text(&node(text), Form::Value), value, "{text}");
            assert_eq!(to_value(&node(text)).to_string(), value, "{text}");
        }
    }

    #[test]
    fn priorities_are_written_in_the_export_form_only() {
        let ranked = node(r#"{"0":{".value":1,".priority":2},"1":3,".priority":"p"}"#);
        assert_eq!(to_text(&ranked, Form::Value), "[1,3]");
        assert_eq!(to_text(&ranked, Form::Export), r#"{"0":{".value":1,".priority":2},"1":3,".priority":"p"}"#);
        assert_eq!(node(&to_text(&ranked, Form::Export)), ranked);
    }

    #[test]
    fn shallow_shows_keys_only() {
        for (text, after, limit, expect) in [
            ("null", None, 9, "null"),
            ("5", None, 9, "5"),
            (r#"{"a":{"b":1},"c":2}"#, None, 9, r#"{"a":true,"c":true}"#),
            ("[1,2,3]", None, 2, r#"{"0":true,"1":true}"#),
            ("[1,2,3]", Some("0"), 1, r#"{"1":true}"#),
            ("[1,2,3]", Some("2"), 1, "{}"),
        ] {
            let shallow = encode_shallow(&node(text), after, limit, Layout::Compact);
            assert_eq!(String::from_utf8(shallow).unwrap(), expect, "{text}");
        }
    }

    #[test]
    fn pretty_indents() {
        let pretty = encode(&node(r#"{"a":{"b":[1,2]},"c":"x"}"#), Form::Value, Layout::Pretty);
        let expect = "{\n  \"a\" : {\n    \"b\" : [\n      1,\n      2\n    ]\n  },\n  \"c\" : \"x\"\n}";
        assert_eq!(String::from_utf8(pretty).unwrap(), expect);
        let empty: [(&str, &Node); 0] = [];
        assert_eq!(encode_update(empty, Layout::Pretty), b"{}");
    }

    #[test]
    fn an_update_keeps_its_names() {
        let (one, none) = (node("1"), Node::NULL);
        assert_eq!(encode_update([("a/b", &one), ("c", &none)], Layout::Compact), br#"{"a/b":1,"c":null}"#);
    }

    #[test]
    fn numbers_are_written_as_javascript_does() {
        for (number, text) in [
            (0.1, "0.1"),
            (-1.5, "-1.5"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (1e20, "100000000000000000000"),
            (-123_456_789_012_345_680_000.0, "-123456789012345680000"),
            (1e21, "1e+21"),
            (1.797_693_134_862_315_7e308, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(double_text(number), text);
            assert_eq!(text.parse(), Ok(number));
        }
    }

    #[test]
    fn strings_are_escaped() {
        let text = "\"\\\n\r\t\u{1}\u{7f}é\u{2028}/";
        assert_eq!(to_text(&Leaf::text(text).into(), Form::Value), serde_json::to_string(text).unwrap());
    }
}
