//! Queries: which children of a node are wanted, in which order, between which bounds, and how many.
//!
//! Must not know: where a query was written down (the wire, a URL), who may ask it.

use crate::tree::{Leaf, Path};

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
    /// Whether a child that is exactly there belongs to the range.
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

impl Query {
    /// Whether it takes the node whole, so that its order does not matter.
    pub fn takes_all(&self) -> bool {
        self.start.is_none() && self.end.is_none() && self.limit.is_none()
    }
}
