//! What is done to queues within one transaction of the database.
//!
//! Below the root: `definitions/{queue}` (JSON text), and in `held/{queue}` its `bytes` (what its messages take),
//! `messages/{id}` with `content` and `state` (JSON texts), and `due/{time}-{id}`: the messages in the order in which they
//! can be received, so that a receive reads no more than it takes. Every function here costs what it changes, not what the
//! queue holds. Must not know: who waits, or what is done after the commit.

mod looking;
mod receiving;

pub use looking::Counts;
pub(super) use receiving::Taken;

use super::definition::{Attributes, Definition, check_name};
use super::message::{Content, MessageId, Prepared, Receipt, State};
use super::refusal::Refusal;
use crate::ports::{DatabaseError, Millis, Transaction};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

/// So many queues there may be.
const MOST_QUEUES: usize = 1000;
/// What a message costs besides its bytes.
const MESSAGE_COST: u64 = 256;
/// A queue may take so many bytes.
const MOST_BYTES: u64 = 1024 * 1024 * 1024;
/// A message is in flight for so long at most.
const LONGEST_FLIGHT: Millis = 12 * 60 * 60 * 1000;
/// An entry of `due` for a message that was never received, and for one that was.
const NEW: &str = "n";
const RECEIVED: &str = "r";

/// The queues, in a transaction.
pub(super) struct Store<'t> {
    transaction: &'t mut dyn Transaction,
    root: &'t str,
    now: Millis,
}

/// The key of `due` for a message: digits and hyphens, so never an array's index.
fn due_key(due: Millis, id: &MessageId) -> String {
    format!("{due:013}-{id}")
}

/// What a key of `due` says.
fn parse_due(key: &str) -> Option<(Millis, MessageId)> {
    let (due, id) = key.split_once('-')?;
    Some((due.parse().ok()?, MessageId::parse(id)?))
}

fn unreadable(path: &str) -> Refusal {
    Refusal::Database(DatabaseError(format!("{path} cannot be read")))
}

impl<'t> Store<'t> {
    /// Those below `root`, at `now`.
    pub(super) fn new(transaction: &'t mut dyn Transaction, root: &'t str, now: Millis) -> Self {
        Self { transaction, root, now }
    }

    fn path(&self, queue: &str, rest: &str) -> String {
        format!("{}/held/{queue}/{rest}", self.root)
    }

    fn definition_path(&self, queue: &str) -> String {
        format!("{}/definitions/{queue}", self.root)
    }

    /// A JSON text of the database.
    fn read<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Refusal> {
        match self.transaction.get(path) {
            Value::Null => Ok(None),
            Value::String(text) => serde_json::from_str(&text).map(Some).map_err(|_| unreadable(path)),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Err(unreadable(path)),
        }
    }

    fn write(&mut self, path: &str, value: &impl Serialize) -> Result<(), Refusal> {
        let text = serde_json::to_string(value).map_err(|error| DatabaseError(error.to_string()))?;
        Ok(self.transaction.set(path, Value::String(text))?)
    }

    fn remove(&mut self, path: &str) -> Result<(), Refusal> {
        Ok(self.transaction.set(path, Value::Null)?)
    }

    /// A queue's definition.
    pub(super) fn definition(&self, queue: &str) -> Result<Definition, Refusal> {
        check_name(queue).map_err(|_| Refusal::NoQueue)?;
        self.read(&self.definition_path(queue))?.ok_or(Refusal::NoQueue)
    }

    /// Makes a queue, unless there is one of this name whose attributes are the same.
    pub(super) fn create(
        &mut self,
        queue: &str,
        attributes: Attributes,
        tags: BTreeMap<String, String>,
    ) -> Result<(), Refusal> {
        check_name(queue)?;
        match self.definition(queue) {
            Ok(there) => match there.attributes.difference(&attributes) {
                None => return Ok(()),
                Some(attribute) => return Err(Refusal::QueueExists(attribute)),
            },
            Err(Refusal::NoQueue) => {}
            Err(refusal) => return Err(refusal),
        }
        if self.names("", None, MOST_QUEUES).len() >= MOST_QUEUES {
            return Err(Refusal::TooManyQueues(MOST_QUEUES));
        }
        let definition = Definition { created: self.now, changed: self.now, attributes, tags };
        self.write(&self.definition_path(queue), &definition)
    }

    /// Changes what a queue is.
    pub(super) fn change(&mut self, queue: &str, change: impl FnOnce(&mut Definition)) -> Result<(), Refusal> {
        let mut definition = self.definition(queue)?;
        change(&mut definition);
        definition.changed = self.now;
        self.write(&self.definition_path(queue), &definition)
    }

    /// Removes a queue with all it holds.
    pub(super) fn delete_queue(&mut self, queue: &str) -> Result<(), Refusal> {
        self.definition(queue)?;
        self.remove(&self.definition_path(queue))?;
        self.remove(&format!("{}/held/{queue}", self.root))
    }

    /// Removes all messages of a queue.
    pub(super) fn purge(&mut self, queue: &str) -> Result<(), Refusal> {
        self.definition(queue)?;
        for part in ["messages", "due", "bytes"] {
            self.remove(&self.path(queue, part))?;
        }
        Ok(())
    }

    /// Puts a message into a queue; when it can be received.
    pub(super) fn send(&mut self, queue: &str, sent: &Prepared) -> Result<Millis, Refusal> {
        let attributes = self.definition(queue)?.attributes;
        let (message, size) = (&sent.message, sent.message.size());
        if size > attributes.longest_message {
            return Err(Refusal::TooLong { size, limit: attributes.longest_message });
        }
        let delay = message.delay.unwrap_or(attributes.delay);
        let content = Content {
            body: message.body.clone(),
            attributes: message.attributes.clone(),
            trace: message.trace.clone(),
            sender: message.sender.clone(),
            size: size as u64,
            source: None,
        };
        let state = State { due: self.now + Millis::from(delay) * 1000, ..State::default() };
        self.keep(queue, &sent.id, &content, &state)?;
        Ok(state.due)
    }

    /// Puts a message into a queue that has room for it.
    fn keep(&mut self, queue: &str, id: &MessageId, content: &Content, state: &State) -> Result<(), Refusal> {
        let bytes = self.bytes(queue);
        if bytes + content.size + MESSAGE_COST > MOST_BYTES {
            return Err(Refusal::Full(bytes));
        }
        self.write(&self.path(queue, &format!("messages/{id}/content")), content)?;
        self.place(queue, id, state, NEW)?;
        self.set_bytes(queue, bytes + content.size + MESSAGE_COST)
    }

    fn place(&mut self, queue: &str, id: &MessageId, state: &State, mark: &str) -> Result<(), Refusal> {
        self.write(&self.path(queue, &format!("messages/{id}/state")), state)?;
        let due = self.path(queue, &format!("due/{}", due_key(state.due, id)));
        Ok(self.transaction.set(&due, Value::from(mark))?)
    }

    fn state(&self, queue: &str, id: &MessageId) -> Result<Option<State>, Refusal> {
        self.read(&self.path(queue, &format!("messages/{id}/state")))
    }

    fn content(&self, queue: &str, id: &MessageId) -> Result<Content, Refusal> {
        let path = self.path(queue, &format!("messages/{id}/content"));
        self.read(&path)?.ok_or_else(|| unreadable(&path))
    }

    fn bytes(&self, queue: &str) -> u64 {
        // A whole number far below 2^53.
        self.transaction.get(&self.path(queue, "bytes")).as_f64().unwrap_or_default() as u64
    }

    fn set_bytes(&mut self, queue: &str, bytes: u64) -> Result<(), Refusal> {
        let value = if bytes == 0 { Value::Null } else { Value::from(bytes) };
        Ok(self.transaction.set(&self.path(queue, "bytes"), value)?)
    }

    /// Takes a message out of a queue.
    fn forget(&mut self, queue: &str, id: &MessageId, due: Millis) -> Result<(), Refusal> {
        let size = self.content(queue, id)?.size;
        self.remove(&self.path(queue, &format!("messages/{id}")))?;
        self.remove(&self.path(queue, &format!("due/{}", due_key(due, id))))?;
        let bytes = self.bytes(queue).saturating_sub(size + MESSAGE_COST);
        self.set_bytes(queue, bytes)
    }

    /// Deletes a received message. One that is gone is deleted, and one that was received again since stays.
    pub(super) fn delete(&mut self, receipt: &Receipt) -> Result<(), Refusal> {
        let Receipt { queue, id, nonce } = receipt;
        match self.state(queue, id)? {
            Some(state) if state.nonce == *nonce => self.forget(queue, id, state.due),
            Some(_) | None => Ok(()),
        }
    }

    /// Takes a message back that was sent, if it is still there.
    pub(super) fn cancel(&mut self, queue: &str, id: &MessageId) -> Result<(), Refusal> {
        match self.state(queue, id)? {
            Some(state) => self.forget(queue, id, state.due),
            None => Ok(()),
        }
    }

    /// A message in flight can be received `seconds` from now; when that is.
    pub(super) fn change_visibility(&mut self, receipt: &Receipt, seconds: u32) -> Result<Millis, Refusal> {
        let Receipt { queue, id, nonce } = receipt;
        let state = self.state(queue, id)?.filter(|state| state.nonce == *nonce).ok_or(Refusal::NoMessage)?;
        if state.due <= self.now {
            return Err(Refusal::NotInFlight);
        }
        let due = self.now + Millis::from(seconds) * 1000;
        if due > state.last + LONGEST_FLIGHT {
            return Err(Refusal::TooLongInFlight);
        }
        self.remove(&self.path(queue, &format!("due/{}", due_key(state.due, id))))?;
        self.place(queue, id, &State { due, ..state }, RECEIVED)?;
        Ok(due)
    }
}
