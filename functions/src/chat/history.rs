//! The messages, as the database keeps them: `messages/{a}/{b}/{number}`, where `a` and `b` are the two users' names in
//! order and numbers count from zero without gaps; `counts/{a}/{b}` is the next one.
//!
//! So a page is a range of keys, wherever it begins, and no message that comes later moves it.

use super::message::{CHANCE, Draft, Message};
use super::refusal::Rejection;
use super::users;
use crate::key::escaped;
use crate::ports::{DatabaseError, Transaction};
use serde::Deserialize;
use serde_json::{Value, json};

/// Messages of a page.
pub(super) const PAGE: usize = 50;

/// Messages in a row, the oldest first, and how many there are in all.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) messages: Vec<Message>,
    pub(super) total: u64,
}

/// Stores a message, if the two may write to each other.
pub(super) fn append(
    transaction: &mut dyn Transaction,
    draft: Draft,
    chance: [u8; CHANCE],
    across_groups: bool,
) -> Result<Result<Message, Rejection>, DatabaseError> {
    let group = users::group(transaction, &draft.from);
    if !group.is_some_and(|group| users::may_know(transaction, &group, &draft.to, across_groups)) {
        return Ok(Err(Rejection::Recipient));
    }
    let pair = pair(&draft.from, &draft.to);
    let number = count(transaction, &pair);
    let message = draft.stored(transaction.now(), chance);
    let value = serde_json::to_value(&message).map_err(|error| DatabaseError(error.to_string()))?;
    transaction.set(&format!("messages/{pair}/{}", key(number)), value)?;
    transaction.set(&format!("counts/{pair}"), json!(number.saturating_add(1)))?;
    Ok(Ok(message))
}

/// The messages between two users from the one with this number on.
pub(super) fn page(transaction: &dyn Transaction, from: &str, to: &str, skip: u64) -> Page {
    let pair = pair(from, to);
    let total = count(transaction, &pair);
    if skip >= total {
        return Page { messages: Vec::new(), total };
    }
    let after = skip.checked_sub(1).map(key);
    let children = transaction.children(&format!("messages/{pair}"), after.as_deref(), PAGE);
    let messages = children.into_iter().filter_map(|(_, message)| Message::deserialize(message).ok()).collect();
    Page { messages, total }
}

fn count(transaction: &dyn Transaction, pair: &str) -> u64 {
    let count: Value = transaction.get(&format!("counts/{pair}"));
    count.as_u64().unwrap_or_default()
}

fn pair(one: &str, other: &str) -> String {
    let (first, second) = if one <= other { (one, other) } else { (other, one) };
    format!("{}/{}", escaped(first), escaped(second))
}

/// Keys of one length, so that they stand in the order of numbers.
fn key(number: u64) -> String {
    format!("{number:016}")
}
