//! Data as it was sent, to JSON: with the server values that belong in it.
//!
//! Must not know: why it is kept.

use super::write::{Form, to_text};
use crate::tree::key::Key;
use crate::tree::leaf::Leaf;
use crate::tree::server_values::{Placeholder, ServerValue, Unresolved};
use serde_json::{Value, json};

/// The data as JSON text, on one line, from which [`super::parse`] reads the same data.
pub fn to_unresolved_text(data: &Unresolved) -> String {
    let text = to_text(&data.node, Form::Export);
    if data.placeholders.is_empty() {
        return text;
    }
    // The text is our own, so it can be read.
    let mut value = serde_json::from_str(&text).unwrap_or_default();
    for placeholder in &data.placeholders {
        fill(&mut value, placeholder);
    }
    value.to_string()
}

/// Puts the server value where its stand-in is.
fn fill(value: &mut Value, placeholder: &Placeholder) {
    let at = |value, key: &Key| -> Option<_> { Value::get_mut(value, key.as_str()) };
    let Some(node) = placeholder.path.keys().iter().try_fold(value, at) else { return };
    let server_value = match &placeholder.value {
        ServerValue::Timestamp => json!({".sv": "timestamp"}),
        ServerValue::Increment(Leaf::Int(by)) => json!({".sv": {"increment": by}}),
        ServerValue::Increment(by) => json!({".sv": {"increment": by.as_f64()}}),
    };
    match (node, placeholder.priority) {
        // Nothing has no priority.
        (Value::Null, true) => {}
        (Value::Object(members), true) => drop(members.insert(".priority".to_owned(), server_value)),
        (leaf, true) => *leaf = json!({".value": leaf.take(), ".priority": server_value}),
        (Value::Object(members), false) if members.contains_key(".value") => {
            members.insert(".value".to_owned(), server_value);
        }
        (node, false) => *node = server_value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::json::parse;

    #[test]
    fn what_is_written_is_read_as_the_same_data() {
        for text in [
            "null",
            r#"{"a":[1,null,2.5],"b":{".value":"x",".priority":3},".priority":"p"}"#,
            r#"{".sv":"timestamp"}"#,
            r#"{".sv":{"increment":-2}}"#,
            r#"{"a":{"b":{".sv":{"increment":0.1}}},"c":1e300,".priority":{".sv":"timestamp"}}"#,
            r#"{".value":{".sv":"timestamp"},".priority":{".sv":"timestamp"}}"#,
            r#"{"a":{".sv":"timestamp",".priority":3}}"#,
            r#"{"a":{".value":true,".priority":{".sv":"timestamp"}}}"#,
            r#"{".priority":{".sv":"timestamp"}}"#,
        ] {
            let data = parse(text.as_bytes(), 0).unwrap();
            let again = parse(to_unresolved_text(&data).as_bytes(), 0).unwrap();
            assert_eq!(again.node, data.node, "{text}");
            if !data.node.is_null() {
                assert_eq!(again.placeholders, data.placeholders, "{text}");
            }
        }
    }
}
