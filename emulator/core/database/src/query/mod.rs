//! Queries: which children of a node are wanted, in which order, between which bounds, and how many.
//!
//! Must not know: where a query was written down (the wire, a URL), who may ask it.

mod changes;
mod index;
mod kept;
mod members;
#[cfg(test)]
mod model;
mod news;
mod order;
mod select;
mod window;

pub(crate) use changes::{Part, changes};

use crate::tree::{Leaf, Path};

pub(crate) use index::Indices;
pub(crate) use window::Windows;

/// What of a node is wanted. The default is all of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// By what the children are ordered.
    pub order: Order,
    /// Where the range starts.
    pub start: Option<Bound>,
    /// Where the range ends.
    pub end: Option<Bound>,
    /// How many of the range, and from which side.
    pub limit: Option<Limit>,
}

/// By what children are ordered. Ties are broken by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// By their priority: none, numbers, strings.
    #[default]
    Priority,
    /// By their key.
    Key,
    /// By their value: null, false, true, numbers, strings, objects.
    Value,
    /// By the value of what lies below them at this path.
    Child(Path),
}

/// One end of a range.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// The value there; `None` is null. In key order the key, as a text.
    pub value: Option<Leaf>,
    /// The key there, which decides between children of the same value. Without one the range begins before, or ends
    /// after, all children of the value. Not used in key order.
    pub key: Option<BoundKey>,
    /// Whether a child that is exactly there, in value and key, belongs to the range. (So it makes no difference
    /// without a key, but in key order; see [`Bound::after`].)
    pub inclusive: bool,
}

/// A key, or what stands beyond all keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoundKey {
    /// Before every key (`[MIN_NAME]`).
    Min,
    /// Any text: it need not be a key that there could be.
    Name(String),
    /// After every key (`[MAX_NAME]`).
    Max,
}

/// How many children of a range are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many from its start.
    First(usize),
    /// So many from its end.
    Last(usize),
}

/// How the children of a node are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// By an index over them that is kept as long as it is of use: for orders that the rules define an index for.
    Index,
    /// By looking at each of them.
    Scan,
}

impl Plan {
    /// How to find children in an order that the rules define an index for, or do not.
    pub fn new(indexed: bool) -> Self {
        if indexed { Self::Index } else { Self::Scan }
    }
}

/// The name on the wire of what stands before every key.
const MIN_NAME: &str = "[MIN_NAME]";
/// The name on the wire of what stands after every key.
const MAX_NAME: &str = "[MAX_NAME]";

impl From<&str> for BoundKey {
    /// Knows the names by which clients mean what stands beyond all keys.
    fn from(text: &str) -> Self {
        match text {
            MIN_NAME => Self::Min,
            MAX_NAME => Self::Max,
            _ => Self::Name(text.to_owned()),
        }
    }
}

impl Bound {
    /// `startAt`, `endAt` and both sides of `equalTo`: what is exactly there belongs to the range.
    pub fn at(value: Option<Leaf>, key: Option<BoundKey>) -> Self {
        Self { value, key, inclusive: true }
    }

    /// `startAfter`: without a key, after all children of the value.
    pub fn after(value: Option<Leaf>, key: Option<BoundKey>) -> Self {
        Self { value, key: Some(key.unwrap_or(BoundKey::Max)), inclusive: false }
    }

    /// `endBefore`: without a key, before all children of the value.
    pub fn before(value: Option<Leaf>, key: Option<BoundKey>) -> Self {
        Self { value, key: Some(key.unwrap_or(BoundKey::Min)), inclusive: false }
    }
}

/// Why a query makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A bound in key order is not a text.
    #[error("a bound in key order must be a string")]
    KeyBound,
    /// A bound in priority order is a boolean, which no priority is.
    #[error("a bound in priority order must be null, a number or a string")]
    PriorityBound,
    /// No child is wanted at all.
    #[error("a limit must be greater than zero")]
    Limit,
    /// The order is by the child at no path.
    #[error("an order by child must name one")]
    Child,
}

impl Query {
    /// Whether it takes the node whole, so that its order does not matter.
    pub fn takes_all(&self) -> bool {
        self.start.is_none() && self.end.is_none() && self.limit.is_none()
    }

    /// Checks what holds for every query, wherever it was written down.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn check(&self) -> Result<(), QueryError> {
        match &self.limit {
            Some(Limit::First(0) | Limit::Last(0)) => return Err(QueryError::Limit),
            Some(Limit::First(_) | Limit::Last(_)) | None => {}
        }
        let mut values = [&self.start, &self.end].into_iter().flatten().map(|bound| &bound.value);
        match &self.order {
            Order::Key if !values.all(|value| matches!(value, Some(Leaf::Text(_)))) => Err(QueryError::KeyBound),
            Order::Priority if values.any(|value| matches!(value, Some(Leaf::Bool(_)))) => {
                Err(QueryError::PriorityBound)
            }
            Order::Child(path) if path.depth() == 0 => Err(QueryError::Child),
            Order::Key | Order::Priority | Order::Value | Order::Child(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused() {
        let query = |order: Order, value: Option<Leaf>| Query {
            order,
            start: Some(Bound::at(value, None)),
            end: None,
            limit: Some(Limit::First(1)),
        };
        let text = || Some(Leaf::text("a"));
        let child = |path| Order::Child(Path::parse(path).unwrap());
        for (query, expect) in [
            (Query::default(), Ok(())),
            (query(Order::Key, text()), Ok(())),
            (query(Order::Key, None), Err(QueryError::KeyBound)),
            (query(Order::Key, Some(Leaf::Int(1))), Err(QueryError::KeyBound)),
            (query(Order::Priority, None), Ok(())),
            (query(Order::Priority, text()), Ok(())),
            (query(Order::Priority, Some(Leaf::Bool(true))), Err(QueryError::PriorityBound)),
            (query(Order::Value, Some(Leaf::Bool(true))), Ok(())),
            (query(child("a/b"), None), Ok(())),
            (query(child(""), None), Err(QueryError::Child)),
            (Query { limit: Some(Limit::Last(0)), ..Query::default() }, Err(QueryError::Limit)),
        ] {
            assert_eq!(query.check(), expect, "{query:?}");
        }
    }
}
