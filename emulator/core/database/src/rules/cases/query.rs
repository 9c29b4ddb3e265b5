//! The query of a case, in the names of the REST API and the SDKs.
//!
//! Must not know: what rules make of it.

use super::super::json::{Kind, Value};
use super::fields::{Fields, Problems, plain};
use crate::query::{Bound, Limit, Order, Query};
use crate::tree::{Leaf, Path};

/// Reads it, and says it in words.
pub(super) fn query(value: Value, problems: &mut Problems) -> Option<(Query, String)> {
    let words = words(&value);
    let mut fields = Fields::of("\"query\"", value, problems)?;
    let at = fields.at;
    let order = fields.take("orderBy").and_then(|value| order(value, problems)).unwrap_or_default();
    let mut bounds = ["startAt", "startAfter", "endAt", "endBefore", "equalTo"].map(|name| {
        let value = fields.take(name)?;
        leaf(name, &value, problems)
    });
    let [start_at, start_after, end_at, end_before, equal_to] = &mut bounds;
    let ends = [&start_at, &start_after, &end_at, &end_before];
    if equal_to.is_some() && ends.iter().any(|end| end.is_some()) {
        problems.add(at, "\"equalTo\" is start and end at once: there may be no other bound beside it");
    }
    if (start_at.is_some() && start_after.is_some()) || (end_at.is_some() && end_before.is_some()) {
        problems.add(at, "a query has one start and one end");
    }
    let equal = equal_to.take();
    let start = start_at.take().or_else(|| equal.clone()).map(|value| Bound::at(value, None));
    let end = end_at.take().or(equal).map(|value| Bound::at(value, None));
    let start = start.or_else(|| start_after.take().map(|value| Bound::after(value, None)));
    let end = end.or_else(|| end_before.take().map(|value| Bound::before(value, None)));
    let mut count = |name: &'static str| {
        let value = fields.take(name)?;
        problems.whole(name, &value).and_then(|count| usize::try_from(count).ok())
    };
    let limit = match (count("limitToFirst"), count("limitToLast")) {
        (Some(first), None) => Some(Limit::First(first)),
        (None, Some(last)) => Some(Limit::Last(last)),
        (None, None) => None,
        (Some(first), Some(_)) => {
            problems.add(at, "there may be one of \"limitToFirst\" and \"limitToLast\"");
            Some(Limit::First(first))
        }
    };
    fields.end(problems);
    let query = Query { order, start, end, limit };
    if let Err(error) = query.check() {
        problems.add(at, error.to_string());
    }
    Some((query, words))
}

fn words(value: &Value) -> String {
    let Kind::Object(members) = &value.kind else { return String::new() };
    let words: Vec<_> = members.iter().map(|member| format!("{} {}", member.name, member.value)).collect();
    words.join(", ")
}

fn order(value: Value, problems: &mut Problems) -> Option<Order> {
    let at = value.at;
    let text = problems.text("orderBy", value)?.text;
    Some(match text.as_str() {
        "$key" => Order::Key,
        "$value" => Order::Value,
        "$priority" => Order::Priority,
        path => match Path::parse(path) {
            Ok(path) => Order::Child(path),
            Err(error) => {
                problems.add(at, format!("\"orderBy\" has to be $key, $value, $priority or a child's path: {error}"));
                return None;
            }
        },
    })
}

/// A bound's value; null is one too.
#[expect(clippy::option_option, reason = "no bound, and a bound at null")]
fn leaf(name: &str, value: &Value, problems: &mut Problems) -> Option<Option<Leaf>> {
    let wrong = |problems: &mut Problems| problems.add(value.at, format!("\"{name}\" has to be a single value"));
    match crate::tree::json::from_value(&plain(value), 0) {
        Ok(data) if data.placeholders.is_empty() && data.node.is_empty() && data.node.priority().is_none() => {
            Some(data.node.as_leaf().cloned())
        }
        Ok(_) | Err(_) => {
            wrong(problems);
            None
        }
    }
}
