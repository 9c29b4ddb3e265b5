//! Several messages in one request: each has an answer of its own.

use super::Site;
use super::errors::{Failure, Kind};
use super::fields::Fields;
use super::messages;
use super::operations::VISIBILITY;
use crate::queues::{NewMessage, Receipt};
use serde_json::{Value, json};
use std::collections::HashSet;

/// So many entries a request has at most.
const MOST_ENTRIES: usize = 10;
/// So many bytes the messages of a request have together at most.
const MOST_BYTES: usize = 1024 * 1024;

/// The entries with their ids.
fn entries<'v>(fields: Fields<'v>) -> Result<Vec<(&'v str, Fields<'v>)>, Failure> {
    let entries = fields.list("Entries")?;
    if entries.is_empty() {
        return Err(Failure::new(Kind::EmptyBatch, "There should be at least one entry in the request."));
    }
    if entries.len() > MOST_ENTRIES {
        let text =
            format!("Maximum number of entries per request are {MOST_ENTRIES}. You have sent {}.", entries.len());
        return Err(Failure::new(Kind::LongBatch, text));
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let mut seen = HashSet::new();
    let entry = |value: &'v Value| {
        let entry = Fields::of(value)?;
        let id = entry.required("Id")?;
        if !(1..=80).contains(&id.len()) || !id.bytes().all(legal) {
            let text = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at \
                        most 80 letters long.";
            return Err(Failure::new(Kind::BatchId, text));
        }
        if !seen.insert(id) {
            return Err(Failure::new(Kind::BatchIds, format!("Id {id} repeated.")));
        }
        Ok((id, entry))
    };
    entries.iter().map(entry).collect()
}

/// The answer: what was done, and what was not.
fn answer(outcomes: Vec<(&str, Result<Value, Failure>)>) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, outcome) in outcomes {
        match outcome {
            Ok(mut value) => {
                if let Value::Object(value) = &mut value {
                    value.insert("Id".to_owned(), Value::from(id));
                }
                successful.push(value);
            }
            Err(failure) => failed.push(failure.entry(id)),
        }
    }
    let lists = [("Successful", successful), ("Failed", failed)].into_iter();
    Value::Object(
        lists.filter(|(_, list)| !list.is_empty()).map(|(name, list)| (name.to_owned(), list.into())).collect(),
    )
}

/// `SendMessageBatch`: the messages that can be taken are taken in one transaction.
pub(super) async fn send(site: &Site<'_>, fields: Fields<'_>) -> Result<Value, Failure> {
    let queue = fields.queue()?;
    let read = |(id, entry)| (id, messages::read(entry, &site.sender));
    let read: Vec<(&str, Result<NewMessage, Failure>)> = entries(fields)?.into_iter().map(read).collect();
    let messages: Vec<_> = read.iter().filter_map(|(_, message)| message.clone().ok()).collect();
    let bytes: usize = messages.iter().map(NewMessage::size).sum();
    if bytes > MOST_BYTES {
        let text = format!("Batch requests cannot be longer than {MOST_BYTES} bytes. You have sent {bytes} bytes.");
        return Err(Failure::new(Kind::BatchBytes, text));
    }
    let mut sent = site.gateway.queues.send(queue, messages).await?.into_iter();
    let outcome = |message: Result<NewMessage, Failure>| {
        let message = message?;
        let id = sent.next().ok_or_else(|| Failure::new(Kind::Internal, "It was not sent."))??;
        Ok(Value::Object(messages::sent(&message, &id)))
    };
    let mut outcome = outcome;
    Ok(answer(read.into_iter().map(|(id, message)| (id, outcome(message))).collect()))
}

/// `DeleteMessageBatch`.
pub(super) async fn delete(site: &Site<'_>, fields: Fields<'_>) -> Result<Value, Failure> {
    let queue = fields.queue()?;
    site.gateway.queues.definition(queue).await?;
    let read = |(id, entry): (_, Fields<'_>)| {
        let receipt = entry.required("ReceiptHandle").and_then(|handle| Ok(Receipt::parse(queue, handle)?));
        (id, receipt)
    };
    let read: Vec<(&str, Result<Receipt, Failure>)> = entries(fields)?.into_iter().map(read).collect();
    let receipts = read.iter().filter_map(|(_, receipt)| receipt.clone().ok()).collect();
    site.gateway.queues.delete(receipts).await?;
    Ok(answer(read.into_iter().map(|(id, receipt)| (id, receipt.map(|_| json!({})))).collect()))
}

/// `ChangeMessageVisibilityBatch`.
pub(super) async fn change_visibility(site: &Site<'_>, fields: Fields<'_>) -> Result<Value, Failure> {
    let queue = fields.queue()?;
    site.gateway.queues.definition(queue).await?;
    let mut outcomes = Vec::new();
    for (id, entry) in entries(fields)? {
        let change = async {
            let receipt = Receipt::parse(queue, entry.required("ReceiptHandle")?)?;
            // The model has it optional here, and zero is what is meant then.
            let seconds = entry.number("VisibilityTimeout", VISIBILITY)?.unwrap_or(0);
            site.gateway.queues.change_visibility(receipt, seconds).await?;
            Ok(json!({}))
        };
        outcomes.push((id, change.await));
    }
    Ok(answer(outcomes))
}
