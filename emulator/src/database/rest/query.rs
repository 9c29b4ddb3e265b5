//! The parameters that filter a read.
//!
//! Must not know: HTTP, and how children are found.

use super::super::errors::Failure;
use hearth_database::{Bound, BoundKey, Leaf, Limit, Node, Order, Path, Query, QueryError, json};
use serde_json::Value;

/// The filters as they were sent.
#[derive(Debug, Default)]
pub(super) struct Filters {
    order_by: Option<String>,
    start_at: Option<String>,
    start_after: Option<String>,
    end_at: Option<String>,
    end_before: Option<String>,
    equal_to: Option<String>,
    limit_to_first: Option<String>,
    limit_to_last: Option<String>,
}

/// What of a node a read shows.
#[derive(Debug)]
pub(super) enum View {
    /// What the query wants, with all below.
    Deep(Query),
    /// Its children's keys.
    Shallow(Slice),
}

/// The children that a shallow read shows, in key order.
#[derive(Debug)]
pub(super) struct Slice {
    /// Those after this key.
    pub(super) after: Option<String>,
    /// At most so many.
    pub(super) limit: usize,
}

/// About how many bytes a shallow read is.
pub(super) fn shallow_weight(node: &Node, slice: &Slice) -> u64 {
    /// A push id, quotes, `:true,`.
    const EACH: u64 = 32;
    (node.len().min(slice.limit) as u64).saturating_mul(EACH)
}

impl Filters {
    /// Takes a parameter that may be a filter.
    pub(super) fn take(&mut self, name: &str, value: String) {
        let place = match name {
            "orderBy" => &mut self.order_by,
            "startAt" => &mut self.start_at,
            "startAfter" => &mut self.start_after,
            "endAt" => &mut self.end_at,
            "endBefore" => &mut self.end_before,
            "equalTo" => &mut self.equal_to,
            "limitToFirst" => &mut self.limit_to_first,
            "limitToLast" => &mut self.limit_to_last,
            _ => return,
        };
        *place = Some(value);
    }

    /// What a read shows.
    pub(super) fn view(&self, shallow: bool) -> Result<View, Failure> {
        if shallow { self.slice().map(View::Shallow) } else { self.query().map(View::Deep) }
    }

    /// Writes have no filters.
    pub(super) fn check_write(&self, shallow: bool) -> Result<(), Failure> {
        if shallow || self.order_by.is_some() || self.has_filters() {
            return Err(Failure::Parameter("shallow, orderBy and filters are supported for GET requests only"));
        }
        Ok(())
    }

    fn has_filters(&self) -> bool {
        let Self { order_by: _, start_at, start_after, end_at, end_before, equal_to, limit_to_first, limit_to_last } =
            self;
        [start_at, start_after, end_at, end_before, equal_to, limit_to_first, limit_to_last]
            .into_iter()
            .any(Option::is_some)
    }

    /// The Firebase CLI walks large nodes with `shallow=true&limitToFirst=N&startAfter=key`, the key bare; all else
    /// cannot be mixed with `shallow`.
    fn slice(&self) -> Result<Slice, Failure> {
        let Self { order_by, start_at, start_after, end_at, end_before, equal_to, limit_to_first, limit_to_last } =
            self;
        if [order_by, start_at, end_at, end_before, equal_to, limit_to_last].into_iter().any(Option::is_some) {
            return Err(Failure::Parameter("shallow cannot be mixed with other query parameters"));
        }
        let limit = limit_to_first.as_deref().map_or(Ok(usize::MAX), |text| limit(text, FIRST_POSITIVE))?;
        let after = start_after.as_ref().map(|key| serde_json::from_str(key).unwrap_or_else(|_| key.clone()));
        Ok(Slice { after, limit })
    }

    /// The query they make; without any, all is wanted.
    pub(super) fn query(&self) -> Result<Query, Failure> {
        let Self { order_by, start_at, start_after, end_at, end_before, equal_to, limit_to_first, limit_to_last } =
            self;
        let Some(order_by) = order_by else {
            return if self.has_filters() {
                Err(Failure::Parameter("orderBy must be defined when other query parameters are defined"))
            } else {
                Ok(Query::default())
            };
        };
        let order = order(order_by).ok_or(Failure::Parameter("orderBy must be a valid JSON encoded path"))?;
        let limit = match (limit_to_first, limit_to_last) {
            (None, None) => None,
            (Some(first), None) => Some(Limit::First(limit(first, FIRST_POSITIVE)?)),
            (None, Some(last)) => Some(Limit::Last(limit(last, LAST_POSITIVE)?)),
            (Some(_), Some(_)) => {
                return Err(Failure::Parameter("Only one of limitToFirst and limitToLast may be specified"));
            }
        };
        if equal_to.is_some() && [start_at, start_after, end_at, end_before].into_iter().any(Option::is_some) {
            return Err(Failure::Parameter(
                "equalTo cannot be specified in addition to startAfter, startAt, endAt, or endBefore",
            ));
        }
        let (start, end) = match equal_to {
            Some(text) => {
                let (value, key) = bound(text)?;
                (Some(Bound::at(value.clone(), key.clone())), Some(Bound::at(value, key)))
            }
            None => (
                either([start_at, start_after], Bound::after, "Only one of startAt and startAfter may be specified")?,
                either([end_at, end_before], Bound::before, "Only one of endAt and endBefore may be specified")?,
            ),
        };
        let query = Query { order, start, end, limit };
        query.check().map_err(|error| {
            Failure::Parameter(match error {
                QueryError::KeyBound => "Constraint index field must be a string when ordering by $key",
                QueryError::PriorityBound => {
                    "Constraint index field must be null, a number or a string when ordering by $priority"
                }
                QueryError::Limit => FIRST_POSITIVE,
                QueryError::Child => "orderBy must be a valid JSON encoded path",
            })
        })?;
        Ok(query)
    }
}

const FIRST_POSITIVE: &str = "limitToFirst must be positive";
const LAST_POSITIVE: &str = "limitToLast must be positive";

fn order(text: &str) -> Option<Order> {
    let path: String = serde_json::from_str(text).ok()?;
    Some(match path.as_str() {
        "$key" => Order::Key,
        "$value" => Order::Value,
        "$priority" => Order::Priority,
        _ => Order::Child(Path::parse(&path).ok().filter(|path| path.depth() > 0)?),
    })
}

/// The bound of two parameters of which one may be given: the one that includes it, and the one that does not.
fn either(
    [inclusive, exclusive]: [&Option<String>; 2],
    exclude: fn(Option<Leaf>, Option<BoundKey>) -> Bound,
    both: &'static str,
) -> Result<Option<Bound>, Failure> {
    match (inclusive, exclusive) {
        (None, None) => Ok(None),
        (Some(text), None) => bound(text).map(|(value, key)| Some(Bound::at(value, key))),
        (None, Some(text)) => bound(text).map(|(value, key)| Some(exclude(value, key))),
        (Some(_), Some(_)) => Err(Failure::Parameter(both)),
    }
}

fn limit(text: &str, error: &'static str) -> Result<usize, Failure> {
    text.parse().ok().filter(|limit| *limit > 0).ok_or(Failure::Parameter(error))
}

/// A JSON primitive, or one with a key after a comma (`5,"k"`).
fn bound(text: &str) -> Result<(Option<Leaf>, Option<BoundKey>), Failure> {
    let with_key = |(at, _)| {
        let key: String = serde_json::from_str(text.get(at + 1..)?).ok()?;
        Some((primitive(text.get(..at)?)?, Some(BoundKey::from(key.as_str()))))
    };
    primitive(text)
        .map(|value| (value, None))
        .or_else(|| text.match_indices(',').find_map(with_key))
        .ok_or(Failure::Parameter("Constraint index field must be a JSON primitive"))
}

/// A JSON primitive; null is `Some(None)`.
fn primitive(text: &str) -> Option<Option<Leaf>> {
    match serde_json::from_str(text).ok()? {
        Value::Object(_) | Value::Array(_) => None,
        value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            Some(json::from_value(&value, 0).ok()?.node.as_leaf().cloned())
        }
    }
}
