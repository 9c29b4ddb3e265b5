//! Values as they are shown to people: JSON, cut where it gets long.
//!
//! However large a value is, only what is shown of it is looked at. Must not know: whose values they are.

use super::super::language::{Value, number_text};
use crate::tree::{Leaf, Node};
use serde_json::{Map, Value as Json};
use std::fmt;

/// So many characters are shown of a value.
const MOST_CHARACTERS: usize = 120;

/// A value as JSON, or its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    text: String,
    whole: bool,
}

impl Shown {
    pub(super) fn value(value: &Value<'_>) -> Self {
        Self::written(|text| match value {
            Value::Null => text.push("null"),
            Value::Bool(bool) => text.push(&bool.to_string()),
            Value::Number(number) => text.push(&number_text(*number)),
            Value::Text(content) => text.string(content),
            Value::Branch(node) => text.node(node),
            Value::Object(claim) => text.json(claim),
            Value::Auth(members) => text.object(members),
        })
    }

    pub(super) fn node(node: &Node) -> Self {
        Self::written(|text| text.node(node))
    }

    pub(super) fn object(members: &Map<String, Json>) -> Self {
        Self::written(|text| text.object(members))
    }

    pub(super) fn null() -> Self {
        Self { text: "null".to_owned(), whole: true }
    }

    fn written(write: impl FnOnce(&mut Text)) -> Self {
        let mut text = Text { text: String::new(), left: MOST_CHARACTERS, whole: true };
        write(&mut text);
        Self { text: text.text, whole: text.whole }
    }

    pub(super) fn is_false(&self) -> bool {
        self.text == "false"
    }

    /// As JSON: the value itself, or as much of it as is shown, as a string that ends in `…`.
    pub(super) fn to_json(&self) -> Json {
        let itself = self.whole.then(|| serde_json::from_str(&self.text).ok()).flatten();
        itself.unwrap_or_else(|| self.to_string().into())
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)?;
        if self.whole { Ok(()) } else { formatter.write_str("…") }
    }
}

/// A text that does not get long.
struct Text {
    text: String,
    left: usize,
    whole: bool,
}

impl Text {
    fn push(&mut self, part: &str) {
        for next in part.chars() {
            if self.left == 0 {
                self.whole = false;
                return;
            }
            self.left -= 1;
            self.text.push(next);
        }
    }

    fn string(&mut self, content: &str) {
        // One more than can be shown, so that it shows that there are more.
        let end = content.char_indices().nth(self.left + 1).map_or(content.len(), |(end, _)| end);
        let shown = content.get(..end).unwrap_or_default();
        self.push(&Json::from(shown).to_string());
        self.whole &= end == content.len();
    }

    fn leaf(&mut self, leaf: &Leaf) {
        match leaf {
            Leaf::Bool(bool) => self.push(&bool.to_string()),
            Leaf::Int(int) => self.push(&int.to_string()),
            Leaf::Double(double) => self.push(&number_text(*double)),
            Leaf::Text(text) => self.string(text),
        }
    }

    fn node(&mut self, node: &Node) {
        if let Some(leaf) = node.as_leaf() {
            self.leaf(leaf);
        } else if node.is_null() {
            self.push("null");
        } else {
            self.members(node.children().map(|(key, child)| (key.as_str(), child)), Self::node);
        }
    }

    fn object(&mut self, members: &Map<String, Json>) {
        self.members(members.iter().map(|(name, member)| (name.as_str(), member)), Self::json);
    }

    fn members<'m, M: 'm>(
        &mut self,
        members: impl Iterator<Item = (&'m str, &'m M)>,
        write: impl Fn(&mut Self, &'m M),
    ) {
        self.push("{");
        for (number, (name, member)) in members.enumerate() {
            if !self.whole {
                return;
            }
            if number > 0 {
                self.push(",");
            }
            self.string(name);
            self.push(":");
            write(self, member);
        }
        self.push("}");
    }

    fn json(&mut self, value: &Json) {
        match value {
            Json::Null => self.push("null"),
            Json::Bool(bool) => self.push(&bool.to_string()),
            Json::Number(number) => self.push(&number.to_string()),
            Json::String(content) => self.string(content),
            Json::Array(elements) => {
                self.push("[");
                for (number, element) in elements.iter().enumerate() {
                    if !self.whole {
                        return;
                    }
                    if number > 0 {
                        self.push(",");
                    }
                    self.json(element);
                }
                self.push("]");
            }
            Json::Object(members) => self.object(members),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;

    fn check(text: &str, expect: &str) {
        let node = tree::json::parse(text.as_bytes(), 0).unwrap().node;
        assert_eq!(Shown::node(&node).to_string(), expect, "{text}");
        let claim: Json = serde_json::from_str(text).unwrap();
        assert_eq!(Shown::value(&Value::Object(&claim)).to_string(), expect, "{text}");
    }

    #[test]
    fn values_are_json_and_never_long() {
        for same in ["true", "-1", "1.5", r#""a\"b\né""#, r#"{"a":{"b":1},"c":"d"}"#] {
            check(same, same);
        }
        let long = "é".repeat(200);
        check(&format!("\"{long}\""), &format!("\"{}…", "é".repeat(119)));
        check(&format!("{{\"a\":\"{long}\"}}"), &format!("{{\"a\":\"{}…", "é".repeat(114)));
        let exact = format!("\"{}\"", "x".repeat(118));
        check(&exact, &exact);
        let many: Vec<_> = (0..1_000).map(|number| format!("\"k{number}\":true")).collect();
        let node = tree::json::parse(format!("{{{}}}", many.join(",")).as_bytes(), 0).unwrap().node;
        assert_eq!(Shown::node(&node).to_string().chars().count(), 121);
        assert_eq!(Shown::node(&Node::NULL), Shown::null());
    }

    #[test]
    fn what_is_whole_is_itself_as_json() {
        assert_eq!(Shown::value(&Value::Number(1.5)).to_json(), Json::from(1.5));
        assert_eq!(Shown::value(&Value::Number(f64::NAN)).to_json(), Json::from("NaN"));
        let long = Shown::value(&Value::Text(&"x".repeat(300))).to_json();
        assert!(long.as_str().unwrap().ends_with('…'));
    }
}
