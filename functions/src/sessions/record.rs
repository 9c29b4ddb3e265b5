//! What the database keeps of a session: `sessionCodes/{code}` = the time of its start or last refresh in milliseconds,
//! and `sessionRefreshTokens/{code}` = its refresh token.
//!
//! The periods fit together: a token dies at 30 minutes and can be refreshed until 60; a code is free again only after
//! 65. So a stale token can never take over a code that has been given to someone else.

use super::json_text::whole;
use super::refusal::Refusal;
use super::session_token::SessionClaims;
use crate::key;
use crate::ports::{DatabaseError, Millis, Transaction};
use serde_json::{Value, json};

/// Where the codes are.
pub(super) const CODES: &str = "sessionCodes";
/// Where the refresh tokens are; a key of its own, since the codes' values are read by others.
pub(super) const REFRESH_TOKENS: &str = "sessionRefreshTokens";

const MINUTE: Millis = 60 * 1000;
/// A record this old is stale: its code is free.
const STALE: Millis = 65 * MINUTE;
/// A record has to be this old to be refreshed.
const REFRESHABLE: Millis = 25 * MINUTE;
/// A token that expired this long ago cannot be refreshed any more.
const REFRESH_WINDOW: Millis = 30 * MINUTE;
/// So many codes are drawn before it is given up; with a tenth of all codes taken, 100 misses in a row do not happen.
const DRAWS: usize = 100;

/// A session that was written, to be handed out once it is durable.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) code: String,
    pub(super) refresh_token: String,
    /// The record's time.
    pub(super) written: Millis,
}

/// Starts a session under a code that no active session has.
pub(super) fn reserve(
    transaction: &mut dyn Transaction,
    draw: impl FnMut() -> String,
    refresh_token: String,
) -> Result<Result<Session, Refusal>, DatabaseError> {
    let now = transaction.now();
    let free = std::iter::repeat_with(draw)
        .take(DRAWS)
        .find(|code| is_stale(&transaction.get(&format!("{CODES}/{code}")), now));
    match free {
        Some(code) => write(transaction, code, refresh_token).map(Ok),
        None => Ok(Err(Refusal::failed(&format_args!("no free session code in {DRAWS} draws")))),
    }
}

/// Refreshes the session that `claims` name, if the time has come: a new time, and a new refresh token. `given` is the
/// caller's refresh token, which has to be the stored one if there is any given.
pub(super) fn refresh(
    transaction: &mut dyn Transaction,
    claims: SessionClaims,
    given: Option<&str>,
    refresh_token: String,
) -> Result<Result<Session, Refusal>, DatabaseError> {
    let now = transaction.now();
    if claims.expired_for(now).is_some_and(|expired| expired >= REFRESH_WINDOW) {
        return Ok(Err(Refusal::RefreshWindow));
    }
    let code = claims.session;
    // What can be no key names no record; and must not be let into a path.
    if !key::is_key(&code) {
        return Ok(Err(Refusal::SessionJwt));
    }
    let Some(age) = age(&transaction.get(&format!("{CODES}/{code}")), now) else {
        return Ok(Err(Refusal::SessionGone));
    };
    let stored = transaction.get(&format!("{REFRESH_TOKENS}/{code}"));
    if given.is_some_and(|given| stored.as_str() != Some(given)) {
        return Ok(Err(Refusal::RefreshToken));
    }
    if let Some(left) = REFRESHABLE.checked_sub(age).filter(|left| *left > 0) {
        return Ok(Err(Refusal::TooEarly { retry_after: left.div_ceil(1000) }));
    }
    write(transaction, code, refresh_token).map(Ok)
}

/// Removes a session.
pub(super) fn remove(transaction: &mut dyn Transaction, code: &str) -> Result<(), DatabaseError> {
    transaction.set(&format!("{CODES}/{code}"), Value::Null)?;
    transaction.set(&format!("{REFRESH_TOKENS}/{code}"), Value::Null)
}

/// Whether a code with this record is free. What is no time is no session's record.
pub(super) fn is_stale(record: &Value, now: Millis) -> bool {
    age(record, now).is_none_or(|age| age >= STALE)
}

/// How old a record is; one from the future, left by a clock that was set back, is new.
fn age(record: &Value, now: Millis) -> Option<Millis> {
    whole(record).map(|written| now.saturating_sub(written))
}

fn write(transaction: &mut dyn Transaction, code: String, refresh_token: String) -> Result<Session, DatabaseError> {
    let written = transaction.now();
    transaction.set(&format!("{CODES}/{code}"), json!(written))?;
    transaction.set(&format!("{REFRESH_TOKENS}/{code}"), json!(refresh_token))?;
    Ok(Session { code, refresh_token, written })
}
