//! Messages: as they are sent, kept and received.

use super::refusal::Refusal;
use crate::ports::Millis;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A message to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewMessage {
    /// Its text.
    pub body: String,
    /// What is said of it.
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// `AWSTraceHeader`, which is passed on.
    pub trace: Option<String>,
    /// Who sends it, for those who receive it.
    pub sender: String,
    /// Seconds until it can be received; otherwise the queue's.
    pub delay: Option<u32>,
}

/// Something said of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageAttribute {
    /// `String`, `Number` or `Binary`, and what may follow after a point.
    pub data_type: String,
    /// The value.
    pub value: AttributeValue,
}

/// An attribute's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttributeValue {
    /// Of a String or Number.
    Text(String),
    /// Of a Binary: base64.
    Binary(String),
}

impl AttributeValue {
    /// How many bytes it counts as.
    fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(base64) => base64.trim_end_matches('=').len() * 3 / 4,
        }
    }
}

impl NewMessage {
    /// A text alone.
    pub fn text(body: impl Into<String>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }

    /// Its size as limits count it: text and attributes.
    pub fn size(&self) -> usize {
        let attributes = self
            .attributes
            .iter()
            .map(|(name, attribute)| name.len() + attribute.data_type.len() + attribute.value.size());
        self.body.len() + attributes.sum::<usize>()
    }
}

/// A message's id: a UUID of version 7, so that ids stand in the order in which messages were sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(String);

impl MessageId {
    /// That of a message sent at `now`, after `sequence` others; `random` makes it one of its own.
    pub(super) fn new(now: Millis, sequence: u64, random: u64) -> Self {
        let time = now & 0xffff_ffff_ffff;
        let (sequence, variant) = (sequence & 0xfff, 0x8000 | (random >> 48 & 0x3fff));
        Self(format!(
            "{:08x}-{:04x}-7{sequence:03x}-{variant:04x}-{:012x}",
            time >> 16,
            time & 0xffff,
            random & 0xffff_ffff_ffff
        ))
    }

    /// Reads one.
    pub fn parse(text: &str) -> Option<Self> {
        let hyphens = [8, 13, 18, 23];
        let legal = |(place, byte): (usize, u8)| match byte {
            b'-' => hyphens.contains(&place),
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f') && !hyphens.contains(&place),
        };
        (text.len() == 36 && text.bytes().enumerate().all(legal)).then(|| Self(text.to_owned()))
    }

    /// When the message was sent.
    pub(super) fn sent(&self) -> Millis {
        let digits: String = self.0.chars().filter(|character| *character != '-').take(12).collect();
        Millis::from_str_radix(&digits, 16).unwrap_or_default()
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A message with its id, ready to be put into a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Its id.
    pub id: MessageId,
    /// The message.
    pub message: NewMessage,
}

/// What does not change while a queue keeps a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) body: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) attributes: BTreeMap<String, MessageAttribute>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trace: Option<String>,
    pub(super) sender: String,
    /// Its size as limits count it.
    pub(super) size: u64,
    /// The queue from which it came as a dead letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
}

/// Where a message stands in its queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// When it can be received.
    pub(super) due: Millis,
    /// How often it was received from any queue.
    pub(super) receives: u32,
    /// How often it was received from this one.
    pub(super) here: u32,
    /// When it was first received; 0 if it was not.
    pub(super) first: Millis,
    /// When it was last received.
    pub(super) last: Millis,
    /// What the last receipt says.
    pub(super) nonce: u64,
}

/// A message as its receiver has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its id.
    pub id: MessageId,
    /// What is needed to delete it.
    pub receipt: Receipt,
    /// Its text.
    pub body: String,
    /// What is said of it.
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// `AWSTraceHeader`.
    pub trace: Option<String>,
    /// Who sent it.
    pub sender: String,
    /// When it was sent.
    pub sent: Millis,
    /// When it was first received.
    pub first_received: Millis,
    /// How often it was received, this time included.
    pub receives: u32,
    /// The queue from which it came as a dead letter.
    pub source: Option<String>,
}

/// One receipt of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub(super) queue: String,
    pub(super) id: MessageId,
    pub(super) nonce: u64,
}

impl Receipt {
    /// Reads the handle of a message of `queue`.
    ///
    /// # Errors
    /// It is none, or another queue's.
    pub fn parse(queue: &str, handle: &str) -> Result<Self, Refusal> {
        let read = || {
            let text = String::from_utf8(STANDARD.decode(handle).ok()?).ok()?;
            let [of, id, nonce] = text.split(' ').collect::<Vec<_>>().try_into().ok()?;
            let nonce = u64::from_str_radix(nonce, 16).ok()?;
            (of == queue).then_some(())?;
            Some(Self { queue: of.to_owned(), id: MessageId::parse(id)?, nonce })
        };
        read().ok_or(Refusal::Receipt)
    }
}

/// As a handle.
impl fmt::Display for Receipt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, id, nonce } = self;
        formatter.write_str(&STANDARD.encode(format!("{queue} {id} {nonce:016x}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_in_the_order_of_sending() {
        let id = MessageId::new(1_700_000_000_123, 5, u64::MAX);
        assert_eq!(id.as_str(), "018bcfe5-687b-7005-bfff-ffffffffffff");
        assert_eq!((id.sent(), MessageId::parse(id.as_str())), (1_700_000_000_123, Some(id.clone())));
        let later = [MessageId::new(1_700_000_000_123, 6, 0), MessageId::new(1_700_000_000_124, 0, 0)];
        assert!(later.iter().all(|later| *later > id));
        for wrong in [
            "",
            "018bcfe5-687b-7005-bfff-fffffffffff",
            "018bcfe5-687b-7005-bfff-ffffffffff/f",
            "018bcfe5x687b-7005-bfff-ffffffffffff",
        ] {
            assert_eq!(MessageId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_handle_is_read_back_and_nothing_else_is() {
        let receipt = Receipt { queue: "q".to_owned(), id: MessageId::new(1, 2, 3), nonce: 77 };
        let handle = receipt.to_string();
        assert_eq!(Receipt::parse("q", &handle), Ok(receipt));
        let forged = STANDARD.encode("q ../../other 1");
        for (queue, handle) in [("p", handle.as_str()), ("q", ""), ("q", "nonsense"), ("q", "%%%"), ("q", &forged)] {
            assert_eq!(Receipt::parse(queue, handle), Err(Refusal::Receipt), "{queue} {handle}");
        }
    }

    #[test]
    fn attributes_count() {
        let mut message = NewMessage::text("žluť");
        assert_eq!(message.size(), 6);
        let attribute = |data_type: &str, value| MessageAttribute { data_type: data_type.to_owned(), value };
        message.attributes.insert("ab".to_owned(), attribute("String", AttributeValue::Text("xyz".to_owned())));
        message.attributes.insert("c".to_owned(), attribute("Binary", AttributeValue::Binary("AAE=".to_owned())));
        assert_eq!(message.size(), 6 + (2 + 6 + 3) + (1 + 6 + 2));
    }
}
