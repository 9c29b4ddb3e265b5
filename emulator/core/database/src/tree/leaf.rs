//! Leaves and priorities: the single values of the tree.

use super::key::compare_text;
use std::cmp::Ordering;
use std::sync::Arc;

/// A string has at most so many bytes of UTF-8 (firebase.google.com/docs/database/usage/limits).
pub const MOST_STRING_BYTES: usize = 10 * 1024 * 1024;

/// Integers below this size have one representation, [`Leaf::Int`], however they were written.
const EXACT_INTEGERS: f64 = 9_007_199_254_740_992.0;

/// A single value. Every double in it is finite, and no whole number below 2^53.
#[derive(Clone, Debug, PartialEq)]
pub enum Leaf {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number of 64 bits.
    Int(i64),
    /// Any other number.
    Double(f64),
    /// A string.
    Text(Arc<str>),
}

/// A number is infinite, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number is out of range")]
pub struct NotFinite;

impl Leaf {
    /// The leaf of a number: an integer where it is one.
    ///
    /// # Errors
    /// It is not finite.
    pub fn number(number: f64) -> Result<Self, NotFinite> {
        if !number.is_finite() {
            return Err(NotFinite);
        }
        if number.fract() == 0.0 && number.abs() < EXACT_INTEGERS {
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
            return Ok(Self::Int(number as i64));
        }
        Ok(Self::Double(number))
    }

    /// The leaf of a string.
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// The number, as the clients see it.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "the clients know doubles only")]
            Self::Int(int) => Some(*int as f64),
            Self::Double(double) => Some(*double),
            Self::Bool(_) | Self::Text(_) => None,
        }
    }

    /// About how many bytes it takes as JSON.
    pub(super) fn weight(&self) -> u64 {
        match self {
            Self::Bool(_) => 5,
            Self::Int(_) | Self::Double(_) => 13,
            Self::Text(text) => text.len() as u64 + 2,
        }
    }
}

/// A priority: a number or a string.
#[derive(Clone, Debug, PartialEq)]
pub struct Priority(Leaf);

impl Priority {
    /// Takes `leaf` as a priority; `None` for a boolean, which cannot be one.
    pub fn new(leaf: Leaf) -> Option<Self> {
        match leaf {
            Leaf::Bool(_) => None,
            Leaf::Int(_) | Leaf::Double(_) | Leaf::Text(_) => Some(Self(leaf)),
        }
    }

    /// Its value.
    pub fn leaf(&self) -> &Leaf {
        &self.0
    }

    /// The order of priorities: none, numbers, strings.
    pub(super) fn compare(one: Option<&Self>, other: Option<&Self>) -> Ordering {
        let rank = |priority: Option<&Self>| priority.map_or(0, |priority| if priority.is_text() { 2 } else { 1 });
        match (one.map(Self::leaf), other.map(Self::leaf)) {
            (Some(Leaf::Text(one)), Some(Leaf::Text(other))) => compare_text(one, other),
            (Some(a), Some(b)) if rank(one) == rank(other) => {
                a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal)
            }
            _ => rank(one).cmp(&rank(other)),
        }
    }

    fn is_text(&self) -> bool {
        matches!(self.0, Leaf::Text(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_one_form() {
        for (number, leaf) in [
            (1.0, Leaf::Int(1)),
            (-0.0, Leaf::Int(0)),
            (1.5, Leaf::Double(1.5)),
            (9_007_199_254_740_991.0, Leaf::Int(9_007_199_254_740_991)),
            (9_007_199_254_740_992.0, Leaf::Double(9_007_199_254_740_992.0)),
            (1e300, Leaf::Double(1e300)),
        ] {
            assert_eq!(Leaf::number(number), Ok(leaf));
        }
        assert_eq!([f64::NAN, f64::INFINITY].map(Leaf::number), [Err(NotFinite), Err(NotFinite)]);
    }

    #[test]
    fn priorities_are_ordered_by_kind_and_value() {
        let sorted = [
            None,
            Some(Leaf::Int(-1)),
            Some(Leaf::Double(0.5)),
            Some(Leaf::Int(2)),
            Some(Leaf::text("10")),
            Some(Leaf::text("9")),
        ];
        let sorted = sorted.map(|leaf| leaf.and_then(Priority::new));
        for (i, one) in sorted.iter().enumerate() {
            for (j, other) in sorted.iter().enumerate() {
                assert_eq!(Priority::compare(one.as_ref(), other.as_ref()), i.cmp(&j), "{one:?} {other:?}");
            }
        }
        assert_eq!(Priority::new(Leaf::Bool(true)), None);
    }
}
