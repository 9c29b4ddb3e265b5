//! The members of `query`: what is asked for, as conditions see it.
//!
//! Must not know: how a query is carried out.

use super::code::QueryMember;
use super::value::Value;
use crate::query::{Bound, BoundKey, Limit, Order, Query};
use crate::tree::Leaf;

/// A member of `query`, unless it is the path of a [deep child](deep_child). Without a query the order is that of keys.
pub(super) fn query_member(query: Option<&Query>, member: QueryMember) -> Option<Value<'_>> {
    // Who asks for all of a node, in no order, has no query.
    let query =
        query.filter(|query| !matches!(query, Query { order: Order::Priority, start: None, end: None, limit: None }));
    let ordered = |is: fn(&Order) -> bool| Value::Bool(query.is_some_and(|query| is(&query.order)));
    Some(match member {
        QueryMember::OrderByKey => Value::Bool(query.is_none_or(|query| query.order == Order::Key)),
        QueryMember::OrderByPriority => ordered(|order| *order == Order::Priority),
        QueryMember::OrderByValue => ordered(|order| *order == Order::Value),
        QueryMember::OrderByChild => match query.map(|query| &query.order) {
            Some(Order::Child(path)) => match path.keys() {
                [key] => Value::Text(key.as_str()),
                _ => return None,
            },
            Some(Order::Key | Order::Priority | Order::Value) | None => Value::Null,
        },
        QueryMember::StartAt => at(query.and_then(|query| query.start.as_ref())),
        QueryMember::EndAt => at(query.and_then(|query| query.end.as_ref())),
        QueryMember::EqualTo => query.map_or(Value::Null, equal_to),
        QueryMember::LimitToFirst => match query.and_then(|query| query.limit) {
            Some(Limit::First(most)) => count(most),
            Some(Limit::Last(_)) | None => Value::Null,
        },
        QueryMember::LimitToLast => match query.and_then(|query| query.limit) {
            Some(Limit::Last(most)) => count(most),
            Some(Limit::First(_)) | None => Value::Null,
        },
    })
}

/// The path of several keys that a query is ordered by.
pub(super) fn deep_child(query: Option<&Query>) -> Option<String> {
    let Order::Child(path) = &query?.order else { return None };
    Some(path.to_string().trim_start_matches('/').to_owned())
}

#[expect(clippy::cast_precision_loss, reason = "nobody has as many children")]
fn count(most: usize) -> Value<'static> {
    Value::Number(most as f64)
}

fn at(bound: Option<&Bound>) -> Value<'_> {
    of_leaf(bound.and_then(|bound| bound.value.as_ref()))
}

fn of_leaf(leaf: Option<&Leaf>) -> Value<'_> {
    leaf.map_or(Value::Null, Value::of_leaf)
}

/// Both ends of a range if they are the same value, which is how `equalTo` arrives.
fn equal_to(query: &Query) -> Value<'_> {
    let (Some(start), Some(end)) = (&query.start, &query.end) else { return Value::Null };
    let whole = matches!(start.key, None | Some(BoundKey::Min)) && matches!(end.key, None | Some(BoundKey::Max));
    let same = start.value == end.value && start.inclusive && end.inclusive;
    if same && (whole || start.key == end.key) { of_leaf(start.value.as_ref()) } else { Value::Null }
}
