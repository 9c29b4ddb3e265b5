//! What a queue is: its name and its attributes.

use super::refusal::Refusal;
use crate::ports::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A name has so many characters at most.
const LONGEST_NAME: usize = 80;

/// What holds for all messages of a queue. Times are in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// A received message stays hidden for so long, unless the receiver says otherwise. At most 43,200.
    pub visibility_timeout: u32,
    /// A message can be received after so long, unless its sender says otherwise. At most 900.
    pub delay: u32,
    /// Bytes of the longest message. 1,024 to 1,048,576.
    pub longest_message: usize,
    /// A message is kept for so long. 60 to 1,209,600.
    pub retention: u32,
    /// A receiver of an empty queue waits for so long, unless it says otherwise. At most 20.
    pub wait: u32,
    /// Where messages go that nobody can handle.
    pub dead_letters: Option<DeadLetters>,
}

/// Where messages go that were received too often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetters {
    /// The other queue.
    pub queue: String,
    /// After so many receives. 1 to 1,000.
    pub after: u32,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            visibility_timeout: 30,
            delay: 0,
            longest_message: 1024 * 1024,
            retention: 345_600,
            wait: 0,
            dead_letters: None,
        }
    }
}

impl Attributes {
    /// The first attribute in which another differs, as SQS names it.
    pub(super) fn difference(&self, other: &Self) -> Option<&'static str> {
        [
            (self.visibility_timeout == other.visibility_timeout, "VisibilityTimeout"),
            (self.delay == other.delay, "DelaySeconds"),
            (self.longest_message == other.longest_message, "MaximumMessageSize"),
            (self.retention == other.retention, "MessageRetentionPeriod"),
            (self.wait == other.wait, "ReceiveMessageWaitTimeSeconds"),
            (self.dead_letters == other.dead_letters, "RedrivePolicy"),
        ]
        .into_iter()
        .find_map(|(same, name)| (!same).then_some(name))
    }

    /// When a message that was sent at `sent` is forgotten.
    pub(super) fn forgotten_at(&self, sent: Millis) -> Millis {
        sent.saturating_add(Millis::from(self.retention) * 1000)
    }
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// When it was made.
    pub created: Millis,
    /// When its attributes were last changed.
    pub changed: Millis,
    /// Its attributes.
    pub attributes: Attributes,
    /// What its owner notes of it.
    pub tags: BTreeMap<String, String>,
}

/// Checks a name; it becomes a key of the database.
pub(super) fn check_name(name: &str) -> Result<(), Refusal> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(legal) { Ok(()) } else { Err(Refusal::QueueName) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        let check = |name: &str, legal: bool| assert_eq!(check_name(name).is_ok(), legal, "{name}");
        for name in ["a", "Notify_User-1", &"x".repeat(80)] {
            check(name, true);
        }
        for name in ["", "a.fifo", "a/b", "a b", "ž", "$a", &"x".repeat(81)] {
            check(name, false);
        }
    }

    #[test]
    fn a_difference_is_named() {
        let one = Attributes::default();
        assert_eq!(one.difference(&one), None);
        let other = Attributes { dead_letters: Some(DeadLetters { queue: "d".to_owned(), after: 1 }), ..one.clone() };
        assert_eq!(one.difference(&other), Some("RedrivePolicy"));
        assert_eq!(one.difference(&Attributes { wait: 1, ..other }), Some("ReceiveMessageWaitTimeSeconds"));
    }
}
