//! Messages: what a publisher gives, and what becomes of it. Must not know: channels, frames.

use bytes::Bytes;

/// The id of a ping.
pub const PING: i64 = -1;
/// The id of the message that tells of a channel's deletion.
pub const DELETED: i64 = -2;
/// The id of the message that answers who has waited too long.
pub const TIMED_OUT: i64 = -3;
/// The id of the message that tells why a stream is cut off. The original has none.
pub const CUT_OFF: i64 = -4;

/// A header value that goes into a line of an event: an event id or type. It holds no line end and no NUL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventField(Bytes);

impl EventField {
    /// Copies `bytes`; `None` if they are empty or would not stay within their line.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let fits = !bytes.is_empty() && !bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
        fits.then(|| Self(Bytes::copy_from_slice(bytes)))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a publisher sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The text. It may be kept for long: it should not be a slice of a larger buffer.
    pub body: Bytes,
    /// Its `Event-Id`.
    pub event_id: Option<EventField>,
    /// Its `Event-Type`.
    pub event_type: Option<EventField>,
}

impl Publication {
    /// A message without event id and type.
    pub fn new(body: Bytes) -> Self {
        Self { body, event_id: None, event_type: None }
    }

    /// Bytes of text and fields.
    pub(crate) fn bytes(&self) -> usize {
        let field = |field: &Option<EventField>| field.as_ref().map_or(0, |field| field.0.len());
        self.body.len() + field(&self.event_id) + field(&self.event_type)
    }
}

/// When a message was published: unique on a server, and in publishing order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Seconds since the epoch.
    pub time: u64,
    /// Counts the messages of all channels within the second, from 1.
    pub tag: u64,
}

impl Stamp {
    /// The stamp of the next message, at the second `time`. A clock that was set back does not take the order along.
    #[must_use]
    pub fn next(self, time: u64) -> Self {
        if time > self.time { Self { time, tag: 1 } } else { Self { time: self.time, tag: self.tag + 1 } }
    }
}

/// A message of one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// 1, 2, 3 … within the channel; negative for the server's own messages.
    pub id: i64,
    /// Its place among all messages of all channels, from 1; 0 for the server's own messages.
    pub seq: u64,
    /// When it was published; all zero for the server's own messages.
    pub stamp: Stamp,
    /// What was published.
    pub publication: Publication,
}

impl Message {
    /// A message of the server's own, of no time and place.
    pub fn own(id: i64, text: Bytes) -> Self {
        Self { id, seq: 0, stamp: Stamp::default(), publication: Publication::new(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_count_within_a_second_and_never_go_back() {
        let mut stamp = Stamp::default();
        for (time, expect) in [(5, (5, 1)), (5, (5, 2)), (6, (6, 1)), (4, (6, 2)), (7, (7, 1))] {
            let next = stamp.next(time);
            assert_eq!((next.time, next.tag), expect);
            assert!(next > stamp);
            stamp = next;
        }
    }

    #[test]
    fn a_field_stays_in_its_line() {
        for (bytes, fits) in [("1", true), ("a b", true), ("", false), ("a\nb", false), ("a\r", false), ("\0", false)] {
            assert_eq!(EventField::new(bytes.as_bytes()).is_some(), fits, "{bytes:?}");
        }
    }
}
