//! The query object of a listen or a get.
//!
//! Members: `sp`, `sn`, `sin` (start: value, key, whether inclusive), `ep`, `en`, `ein` (end), `l`, `vf` (limit, and
//! from which side), `i` (index: none for priority, `.key`, `.value`, or a child's path). Members that are not known
//! here are none of a query's meaning for this server, and skipped.

use super::status::Refusal;
use crate::query::{Bound, BoundKey, Limit, Order, Query};
use crate::tree::{Leaf, Path, Priority};
use serde_json::{Map, Value};

/// Before every key.
const MIN_NAME: &str = "[MIN_NAME]";
/// After every key.
const MAX_NAME: &str = "[MAX_NAME]";

/// Reads a query.
pub(super) fn parse(text: &str) -> Result<Query, Refusal> {
    let object: Map<String, Value> = serde_json::from_str(text).map_err(|_| refuse("it must be an object"))?;
    let order = order(object.get("i"))?;
    let start = bound(&order, object.get("sp"), object.get("sn"), object.get("sin"))?;
    let end = bound(&order, object.get("ep"), object.get("en"), object.get("ein"))?;
    let limit = limit(object.get("l"), object.get("vf"))?;
    Ok(Query { order, start, end, limit })
}

fn refuse(words: &str) -> Refusal {
    Refusal::failure(format!("Invalid query; {words}."))
}

fn order(index: Option<&Value>) -> Result<Order, Refusal> {
    match index {
        None | Some(Value::Null) => Ok(Order::Priority),
        Some(Value::String(index)) => match index.as_str() {
            ".priority" => Ok(Order::Priority),
            ".key" => Ok(Order::Key),
            ".value" => Ok(Order::Value),
            path => match Path::parse(path) {
                Ok(path) if path.depth() > 0 => Ok(Order::Child(path)),
                Ok(_) => Err(refuse("the index i must not be empty")),
                Err(error) => Err(refuse(&format!("the index i is no path: {error}"))),
            },
        },
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(refuse("the index i must be a string"))
        }
    }
}

fn bound(
    order: &Order,
    value: Option<&Value>,
    key: Option<&Value>,
    inclusive: Option<&Value>,
) -> Result<Option<Bound>, Refusal> {
    if value.is_none() && key.is_none() {
        return Ok(None);
    }
    let value = match value {
        None | Some(Value::Null) => None,
        Some(Value::Bool(bool)) => Some(Leaf::Bool(*bool)),
        Some(Value::Number(number)) => Some(match number.as_i64() {
            Some(int) => Leaf::Int(int),
            None => {
                let double = number.as_f64().unwrap_or(f64::INFINITY);
                Leaf::number(double).map_err(|error| refuse(&error.to_string()))?
            }
        }),
        Some(Value::String(text)) => Some(Leaf::text(text)),
        Some(Value::Array(_) | Value::Object(_)) => {
            return Err(refuse("sp and ep must be null, a boolean, a number or a string"));
        }
    };
    match (order, &value) {
        (Order::Key, Some(Leaf::Text(_))) => {}
        (Order::Key, _) => return Err(refuse("in the order of keys sp and ep must be strings")),
        (Order::Priority, Some(leaf)) if Priority::new(leaf.clone()).is_none() => {
            return Err(refuse("in the order of priorities sp and ep must be null, a number or a string"));
        }
        (Order::Priority | Order::Value | Order::Child(_), _) => {}
    }
    let key = match key {
        None | Some(Value::Null) => None,
        Some(Value::String(key)) => Some(match key.as_str() {
            MIN_NAME => BoundKey::Min,
            MAX_NAME => BoundKey::Max,
            key => BoundKey::Name(key.to_owned()),
        }),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            return Err(refuse("sn and en must be strings"));
        }
    };
    let inclusive = match inclusive {
        None | Some(Value::Null) => true,
        Some(Value::Bool(inclusive)) => *inclusive,
        Some(Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
            return Err(refuse("sin and ein must be booleans"));
        }
    };
    Ok(Some(Bound { value, key, inclusive }))
}

fn limit(limit: Option<&Value>, side: Option<&Value>) -> Result<Option<Limit>, Refusal> {
    let count = match limit {
        None | Some(Value::Null) => return Ok(None),
        Some(limit) => match limit.as_u64() {
            Some(count @ 1..) => usize::try_from(count).unwrap_or(usize::MAX),
            Some(0) | None => return Err(refuse("the limit l must be a positive integer")),
        },
    };
    match side.map(|side| (side, side.as_str())) {
        None | Some((_, Some("l"))) => Ok(Some(Limit::First(count))),
        Some((_, Some("r"))) => Ok(Some(Limit::Last(count))),
        Some(_) => Err(refuse("vf must be \"l\" or \"r\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<Query, &str>) {
        let expect = expect.map_err(|words| Refusal::failure(format!("Invalid query; {words}.")));
        assert_eq!(parse(text), expect, "{text}");
    }

    fn range(order: Order, start: Option<Bound>, end: Option<Bound>) -> Query {
        Query { order, start, end, limit: None }
    }

    fn at(value: Option<Leaf>, key: Option<BoundKey>, inclusive: bool) -> Option<Bound> {
        Some(Bound { value, key, inclusive })
    }

    #[test]
    fn what_the_sdk_sends_is_read() {
        let text = |text| Some(Leaf::text(text));
        let five = || Some(Leaf::Int(5));
        let child = Order::Child(Path::parse("a/b").unwrap());
        check("{}", Ok(Query::default()));
        check(
            r#"{"sp":"b","sin":false,"ep":"q","ein":false,"i":".key"}"#,
            Ok(range(Order::Key, at(text("b"), None, false), at(text("q"), None, false))),
        );
        check(
            r#"{"sp":5,"sin":true,"ep":5,"ein":true}"#,
            Ok(range(Order::Priority, at(five(), None, true), at(five(), None, true))),
        );
        check(
            r#"{"sp":5,"sn":"[MAX_NAME]","sin":false,"i":"a/b"}"#,
            Ok(range(child, at(five(), Some(BoundKey::Max), false), None)),
        );
        check(
            r#"{"ep":1.5,"en":"[MIN_NAME]","ein":false,"i":".value"}"#,
            Ok(range(Order::Value, None, at(Some(Leaf::Double(1.5)), Some(BoundKey::Min), false))),
        );
        // Older clients leave out `sin`.
        check(
            r#"{"sp":null,"sn":"k"}"#,
            Ok(range(Order::Priority, at(None, Some(BoundKey::Name("k".to_owned())), true), None)),
        );
        check(r#"{"l":2,"vf":"r"}"#, Ok(Query { limit: Some(Limit::Last(2)), ..Query::default() }));
        check(r#"{"l":2,"i":".priority","x":1}"#, Ok(Query { limit: Some(Limit::First(2)), ..Query::default() }));
    }

    #[test]
    fn what_is_no_query_is_told_why() {
        for (text, words) in [
            ("[]", "it must be an object"),
            (r#"{"i":5}"#, "the index i must be a string"),
            (r#"{"i":"/"}"#, "the index i must not be empty"),
            (r#"{"sp":{}}"#, "sp and ep must be null, a boolean, a number or a string"),
            (r#"{"sp":5,"i":".key"}"#, "in the order of keys sp and ep must be strings"),
            (r#"{"ep":true}"#, "in the order of priorities sp and ep must be null, a number or a string"),
            (r#"{"sp":1,"sn":1}"#, "sn and en must be strings"),
            (r#"{"sp":1,"sin":1}"#, "sin and ein must be booleans"),
            (r#"{"l":0}"#, "the limit l must be a positive integer"),
            (r#"{"l":1.5}"#, "the limit l must be a positive integer"),
            (r#"{"l":1,"vf":"x"}"#, "vf must be \"l\" or \"r\""),
        ] {
            check(text, Err(words));
        }
    }
}
