//! The shape of requests: Google's lenient reading of JSON, and the complaint when leniency doesn't help.
//!
//! Keys may be camelCase or snake_case, numbers may stand for text and for enum values, unknown keys are ignored. Must
//! not know: what any field means.

use serde_json::{Map, Value};

/// The fields of an object.
pub type Schema = &'static [(&'static str, Kind)];

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Text.
    Text,
    /// A 64-bit number, as text.
    Int64,
    /// true or false.
    Flag,
    /// One of these names, or the index of one.
    Name(&'static [&'static str]),
    /// A list.
    List(&'static Kind),
    /// An object.
    Object(Schema),
    /// Whatever it is.
    Any,
}

/// A field has the wrong shape: its JSON pointer and what it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} {complaint}")]
pub struct SchemaError {
    path: String,
    complaint: &'static str,
}

/// Makes every key camelCase, at every depth.
pub fn camel_case_keys(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(key, value)| (camel_case(key), camel_case_keys(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(camel_case_keys).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn camel_case(key: String) -> String {
    if !key.contains('_') {
        return key;
    }
    let mut words = key.split('_').filter(|word| !word.is_empty());
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        camel.push_str(letters.as_str());
    }
    camel
}

/// Checks `body` against `schema`, putting text where numbers stand for it.
///
/// # Errors
/// The first field that has the wrong shape.
pub fn conform(body: &mut Value, schema: Schema) -> Result<(), SchemaError> {
    check(body, &Kind::Object(schema), &mut String::new())
}

fn check(value: &mut Value, kind: &Kind, path: &mut String) -> Result<(), SchemaError> {
    let complain = |complaint| Err(SchemaError { path: path.clone(), complaint });
    match kind {
        Kind::Any => Ok(()),
        Kind::Text => match text(value) {
            Some(text) => {
                *value = Value::String(text);
                Ok(())
            }
            None => complain("must be string"),
        },
        Kind::Int64 => match text(value) {
            Some(text) if text.parse::<i64>().is_ok() => {
                *value = Value::String(text);
                Ok(())
            }
            Some(_) => complain(r#"must match format "int64""#),
            None => complain("must be string"),
        },
        Kind::Flag => {
            if value.is_boolean() {
                Ok(())
            } else {
                complain("must be boolean")
            }
        }
        Kind::Name(names) => match named(value, names) {
            Some(name) => {
                *value = name.into();
                Ok(())
            }
            None if value.is_string() || value.is_number() => complain("must be equal to one of the allowed values"),
            None => complain("must be string"),
        },
        Kind::List(item) => match value {
            Value::Array(items) => items
                .iter_mut()
                .enumerate()
                .try_for_each(|(index, value)| within(path, &index.to_string(), |path| check(value, item, path))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                complain("must be array")
            }
        },
        Kind::Object(schema) => match value {
            Value::Object(fields) => check_fields(fields, schema, path),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                complain("must be object")
            }
        },
    }
}

fn check_fields(fields: &mut Map<String, Value>, schema: Schema, path: &mut String) -> Result<(), SchemaError> {
    for (name, kind) in schema {
        if let Some(value) = fields.get_mut(*name) {
            within(path, name, |path| check(value, kind, path))?;
        }
    }
    Ok(())
}

fn within<T>(path: &mut String, segment: &str, run: impl FnOnce(&mut String) -> T) -> T {
    let length = path.len();
    path.push('/');
    path.push_str(segment);
    let result = run(path);
    path.truncate(length);
    result
}

/// Text, or a number as JavaScript would write it.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => format!("{float:.0}"),
            Some(_) | None => number.to_string(),
        }),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn named(value: &Value, names: &[&'static str]) -> Option<&'static str> {
    match value {
        Value::String(text) => names.iter().copied().find(|name| name == text),
        Value::Number(index) => names.get(usize::try_from(index.as_u64()?).ok()?).copied(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: Schema = &[
        ("text", Kind::Text),
        ("count", Kind::Int64),
        ("flag", Kind::Flag),
        ("name", Kind::Name(&["NONE", "ONE"])),
        ("list", Kind::List(&Kind::Text)),
        ("inner", Kind::Object(&[("text", Kind::Text)])),
        ("any", Kind::Any),
    ];

    fn check(body: &str, expected: Result<&str, &str>) {
        let mut value = camel_case_keys(serde_json::from_str(body).unwrap());
        let result = conform(&mut value, SCHEMA).map(|()| value.to_string()).map_err(|error| error.to_string());
        assert_eq!(result.as_deref().map_err(String::as_str), expected, "{body}");
    }

    #[test]
    fn what_can_be_read_is_read() {
        check(r#"{"text":5,"count":1611780718}"#, Ok(r#"{"text":"5","count":"1611780718"}"#));
        check(r#"{"text":5.0}"#, Ok(r#"{"text":"5"}"#));
        check(r#"{"name":1,"list":["a",2]}"#, Ok(r#"{"name":"ONE","list":["a","2"]}"#));
        check(r#"{"any":null,"unknown":[]}"#, Ok(r#"{"any":null,"unknown":[]}"#));
        check(r#"{"some_long_key":{"in_ner":[{"_a_b_":1}]}}"#, Ok(r#"{"someLongKey":{"inNer":[{"aB":1}]}}"#));
    }

    #[test]
    fn what_cannot_is_named_with_its_path() {
        check(r#"{"text":null}"#, Err("/text must be string"));
        check(r#"{"count":"x"}"#, Err(r#"/count must match format "int64""#));
        check(r#"{"flag":"true"}"#, Err("/flag must be boolean"));
        check(r#"{"name":"TWO"}"#, Err("/name must be equal to one of the allowed values"));
        check(r#"{"name":2}"#, Err("/name must be equal to one of the allowed values"));
        check(r#"{"list":"a"}"#, Err("/list must be array"));
        check(r#"{"list":["a",true]}"#, Err("/list/1 must be string"));
        check(r#"{"inner":{"text":[]}}"#, Err("/inner/text must be string"));
        check("[]", Err(" must be object"));
    }
}
