//! How often one user may call: 100 calls in a fixed window of five minutes, over all functions together.
//!
//! The counter is `rateLimit/{uid}` = `{count, timestamp}` in the database, and counting is part of the transaction that
//! does the work: however many calls come at once, exactly 100 pass.

use super::json_text::whole;
use super::refusal::Refusal;
use crate::key;
use crate::ports::{DatabaseError, Millis, Transaction};
use serde_json::{Value, json};

/// Where the counters are.
pub(super) const PATH: &str = "rateLimit";
/// A window lasts so long from its first call.
const WINDOW: Millis = 5 * 60 * 1000;
/// So many calls pass in a window.
const CALLS: u64 = 100;

/// Counts a call of `uid`; a call over the limit is not counted.
pub(super) fn count(transaction: &mut dyn Transaction, uid: &str) -> Result<Result<(), Refusal>, DatabaseError> {
    let path = format!("{PATH}/{}", key::escaped(uid));
    let now = transaction.now();
    let row = transaction.get(&path);
    let (calls, begun) = match left(&row, now) {
        None => (1, now),
        Some(left) => {
            let calls = field(&row, "count").unwrap_or(0);
            if calls >= CALLS {
                return Ok(Err(Refusal::TooMany { retry_after: left.div_ceil(1000) }));
            }
            (calls + 1, (now + left).saturating_sub(WINDOW))
        }
    };
    transaction.set(&path, json!({"count": calls, "timestamp": begun}))?;
    Ok(Ok(()))
}

/// How long the window of `row` still lasts at `now`, at most a whole window; `None` when it has passed. A row that
/// cannot be read, or that comes from the future because the clock was set back, begins no window.
pub(super) fn left(row: &Value, now: Millis) -> Option<Millis> {
    let age = now.checked_sub(field(row, "timestamp")?)?;
    WINDOW.checked_sub(age).filter(|left| *left > 0)
}

fn field(row: &Value, name: &str) -> Option<u64> {
    row.get(name).and_then(whole)
}
