//! What is kept of connections: a record each, an index by user, and what else has to be undone at their end.
//!
//! `connections/{ConnectionId}`: `{ConnectionId, UserId, Created}`; `users/{UserId, escaped}/{ConnectionId}`: true;
//! `pending/{ConnectionId}`: its stage and the id of its message in the queue DeleteConnection.

use crate::ports::{DatabaseError, Millis, Transaction};
use crate::queues::{MessageId, Queues, Refusal};
use chrono::{DateTime, SecondsFormat};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// A user's id has so many bytes at most, so that its escaped form is a key.
pub(super) const LONGEST_USER: usize = 256;
/// What is kept of a user's id in a key.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');
/// Where messages are put that end connections.
pub(super) const DELETE_CONNECTION: &str = "DeleteConnection";

fn user_path(user: &str) -> String {
    format!("users/{}", utf8_percent_encode(user, ESCAPED))
}

/// A time as ISO 8601 has it, with milliseconds.
pub(super) fn iso(time: Millis) -> String {
    let time = i64::try_from(time).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Keeps a connection; `message` will end it.
pub(super) fn keep(
    transaction: &mut dyn Transaction,
    (id, user, stage): (&str, &str, &str),
    created: Millis,
    message: Option<&MessageId>,
) -> Result<(), DatabaseError> {
    let record = json!({"ConnectionId": id, "UserId": user, "Created": iso(created)});
    transaction.set(&format!("connections/{id}"), record)?;
    transaction.set(&format!("{}/{id}", user_path(user)), Value::Bool(true))?;
    let message = message.map(MessageId::as_str);
    transaction.set(&format!("pending/{id}"), json!({"stage": stage, "message": message}))
}

/// A connection as it was kept.
pub(super) struct Kept {
    pub(super) id: String,
    pub(super) user: String,
    pub(super) stage: String,
}

/// Forgets a connection, and takes its message back; what was kept of it.
pub(super) fn forget(
    transaction: &mut dyn Transaction,
    queues: &Queues,
    id: &str,
) -> Result<Option<Kept>, DatabaseError> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let record = transaction.get(&format!("connections/{id}"));
    if record.is_null() {
        return Ok(None);
    }
    let user = text(&record, "UserId");
    let pending = transaction.get(&format!("pending/{id}"));
    if let Some(message) = MessageId::parse(&text(&pending, "message")) {
        queues.cancel_in(transaction, DELETE_CONNECTION, &message).map_err(into_database_error)?;
    }
    for path in [format!("connections/{id}"), format!("{}/{id}", user_path(&user)), format!("pending/{id}")] {
        transaction.set(&path, Value::Null)?;
    }
    Ok(Some(Kept { id: id.to_owned(), user, stage: text(&pending, "stage") }))
}

/// A refusal as the end of a transaction.
pub(super) fn into_database_error(refusal: Refusal) -> DatabaseError {
    match refusal {
        Refusal::Database(error) => error,
        Refusal::NoQueue
        | Refusal::QueueExists(_)
        | Refusal::QueueName
        | Refusal::TooManyQueues(_)
        | Refusal::TooLong { .. }
        | Refusal::Full(_)
        | Refusal::Receipt
        | Refusal::NoMessage
        | Refusal::NotInFlight
        | Refusal::TooLongInFlight => DatabaseError(refusal.to_string()),
    }
}

/// Up to `limit` connections that are kept, in order.
pub(super) fn all(transaction: &dyn Transaction, limit: usize) -> Vec<String> {
    keys(transaction, "connections", None, limit)
}

/// Up to `limit` connections of a user, in order, after `after`.
pub(super) fn of_user(transaction: &dyn Transaction, user: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    keys(transaction, &user_path(user), after, limit)
}

fn keys(transaction: &dyn Transaction, path: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    transaction.children(path, after, limit).into_iter().map(|(key, _)| key).collect()
}
