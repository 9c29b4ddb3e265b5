//! The parameters that filter a read, and which of them are served: those of a shallow read in key order.
//!
//! Must not know: HTTP.

use super::super::errors::Failure;
use hearth_database::{Node, Path};
use serde_json::Value;

/// The filters as they were sent.
#[derive(Debug, Default)]
pub(super) struct Query {
    order_by: Option<String>,
    start_at: Option<String>,
    start_after: Option<String>,
    end_at: Option<String>,
    end_before: Option<String>,
    equal_to: Option<String>,
    limit_to_first: Option<String>,
    limit_to_last: Option<String>,
}

/// The children that a shallow read shows, in key order.
#[derive(Debug)]
pub(super) struct Slice {
    /// Those after this key.
    pub(super) after: Option<String>,
    /// At most so many.
    pub(super) limit: usize,
}

impl Slice {
    const ALL: Self = Self { after: None, limit: usize::MAX };
}

/// About how many bytes a shallow read is.
pub(super) fn shallow_weight(node: &Node, slice: &Slice) -> u64 {
    /// A push id, quotes, `:true,`.
    const EACH: u64 = 32;
    (node.len().min(slice.limit) as u64).saturating_mul(EACH)
}

impl Query {
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

    /// Whether a read can be answered, and with which children if it is shallow.
    pub(super) fn check_read(&self, shallow: bool) -> Result<Slice, Failure> {
        if shallow { self.check_shallow() } else { self.check_filtered().map(|()| Slice::ALL) }
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
    fn check_shallow(&self) -> Result<Slice, Failure> {
        let Self { order_by, start_at, start_after, end_at, end_before, equal_to, limit_to_first, limit_to_last } =
            self;
        if [order_by, start_at, end_at, end_before, equal_to, limit_to_last].into_iter().any(Option::is_some) {
            return Err(Failure::Parameter("shallow cannot be mixed with other query parameters"));
        }
        let limit = limit_to_first.as_deref().map_or(Ok(usize::MAX), |text| limit(text, FIRST_POSITIVE))?;
        let after = start_after.as_ref().map(|key| serde_json::from_str(key).unwrap_or_else(|_| key.clone()));
        Ok(Slice { after, limit })
    }

    fn check_filtered(&self) -> Result<(), Failure> {
        let Self { order_by, start_at, start_after, end_at, end_before, equal_to, limit_to_first, limit_to_last } =
            self;
        let Some(order_by) = order_by else {
            return if self.has_filters() {
                Err(Failure::Parameter("orderBy must be defined when other query parameters are defined"))
            } else {
                Ok(())
            };
        };
        let valid = |path: String| {
            matches!(path.as_str(), "$key" | "$value" | "$priority") || Path::parse(&path).is_ok_and(|p| p.depth() > 0)
        };
        if !serde_json::from_str(order_by).is_ok_and(valid) {
            return Err(Failure::Parameter("orderBy must be a valid JSON encoded path"));
        }
        if limit_to_first.is_some() && limit_to_last.is_some() {
            return Err(Failure::Parameter("Only one of limitToFirst and limitToLast may be specified"));
        }
        if equal_to.is_some() && [start_at, start_after, end_at, end_before].into_iter().any(Option::is_some) {
            return Err(Failure::Parameter(
                "equalTo cannot be specified in addition to startAfter, startAt, endAt, or endBefore",
            ));
        }
        if ![start_at, start_after, end_at, end_before, equal_to].into_iter().flatten().all(|text| is_bound(text)) {
            return Err(Failure::Parameter("Constraint index field must be a JSON primitive"));
        }
        for (text, error) in [(limit_to_first, FIRST_POSITIVE), (limit_to_last, "limitToLast must be positive")] {
            if let Some(text) = text {
                limit(text, error)?;
            }
        }
        Err(Failure::Unsupported("Queries with orderBy are not supported."))
    }
}

const FIRST_POSITIVE: &str = "limitToFirst must be positive";

fn limit(text: &str, error: &'static str) -> Result<usize, Failure> {
    text.parse().ok().filter(|limit| *limit > 0).ok_or(Failure::Parameter(error))
}

/// Whether it is a JSON primitive, or one with a key after a comma (`5,"k"`).
fn is_bound(text: &str) -> bool {
    let primitive =
        |text: &str| serde_json::from_str::<Value>(text).is_ok_and(|value| !value.is_object() && !value.is_array());
    primitive(text)
        || text.match_indices(',').any(|(at, _)| {
            let (value, key) = (text.get(..at), text.get(at + 1..));
            value.is_some_and(primitive) && key.is_some_and(|key| serde_json::from_str::<String>(key).is_ok())
        })
}
