//! Which stored messages a new subscriber gets. Must not know: headers, channels.

use crate::date;
use crate::message::Message;

/// What a client says it has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resume {
    /// `Last-Event-Id`
    pub last_event_id: Option<Vec<u8>>,
    /// `If-Modified-Since`, in seconds since the epoch.
    pub modified_since: Option<i64>,
    /// `If-None-Match`: the tag of the last message seen within that second.
    pub tag: Option<u64>,
}

impl Resume {
    /// Reads the three header values; one that cannot be read counts as absent, as in the original.
    pub fn from_values(last_event_id: Option<&[u8]>, modified_since: Option<&[u8]>, none_match: Option<&[u8]>) -> Self {
        let text = |value: Option<&[u8]>| value.and_then(|value| str::from_utf8(value).ok().map(str::to_owned));
        Self {
            last_event_id: last_event_id.filter(|id| !id.is_empty()).map(<[u8]>::to_vec),
            modified_since: text(modified_since).and_then(|date| date::parse_http(&date)),
            tag: text(none_match).and_then(|tag| {
                let digits = tag.strip_prefix("W/").unwrap_or(&tag);
                digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
            }),
        }
    }

    /// Where the last event seen stands in a server's own order of messages, if it bears an id of such a server's
    /// making; `epoch` is that of this server, and `latest` its last message.
    pub fn position(&self, epoch: u64, latest: u64) -> Option<Position> {
        let text = str::from_utf8(self.last_event_id.as_deref()?).ok()?;
        let (its_epoch, seq) = text.split_once('-')?;
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| digits.parse::<u64>().ok()).flatten()
        };
        let (its_epoch, seq) = (number(its_epoch)?, number(seq)?);
        Some(if its_epoch == epoch && seq <= latest { Position::After(seq) } else { Position::Elsewhere })
    }

    /// How many of the stored `messages` (oldest first) are passed over before the first one to send. A `backtrack`
    /// above zero goes before everything else; without it and without a mark, nothing old is sent.
    pub fn skip<'a>(
        &self,
        messages: impl ExactSizeIterator<Item = &'a Message> + DoubleEndedIterator,
        backtrack: usize,
    ) -> usize {
        let stored = messages.len();
        if backtrack > 0 {
            return stored.saturating_sub(backtrack);
        }
        if self.last_event_id.is_none() && self.modified_since.is_none() {
            return stored;
        }
        messages
            .enumerate()
            .find_map(|(index, message)| match self.compare(message) {
                Mark::Before => None,
                Mark::Here => Some(index + 1),
                Mark::After => Some(index),
            })
            .unwrap_or(stored)
    }

    fn compare(&self, message: &Message) -> Mark {
        let event_id = message.publication.event_id.as_ref().map(|id| id.as_bytes());
        if event_id.is_some() && event_id == self.last_event_id.as_deref() {
            return Mark::Here;
        }
        let Some(since) = self.modified_since else { return Mark::Before };
        let time = i64::try_from(message.stamp.time).unwrap_or(i64::MAX);
        match (time.cmp(&since), self.tag) {
            (std::cmp::Ordering::Greater, _) => Mark::After,
            (std::cmp::Ordering::Equal, Some(tag)) if message.stamp.tag == tag => Mark::Here,
            (std::cmp::Ordering::Equal, Some(tag)) if message.stamp.tag > tag => Mark::After,
            (std::cmp::Ordering::Equal | std::cmp::Ordering::Less, _) => Mark::Before,
        }
    }
}

/// What a client has seen, in a server's own order of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Everything up to this message.
    After(u64),
    /// Something of another epoch: an earlier run of the server.
    Elsewhere,
}

/// Where a message stands to what the client has seen.
enum Mark {
    /// It, or a later one, was seen.
    Before,
    /// The last one seen.
    Here,
    /// Later than what was seen.
    After,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{EventField, Publication, Stamp};
    use bytes::Bytes;

    /// Messages 1 to 5; the stamps are (10,1) (10,2) (10,4) (11,1) (13,1), and the ids of events a, -, c, -, e.
    fn stored() -> Vec<Message> {
        [(10, 1, "a"), (10, 2, ""), (10, 4, "c"), (11, 1, ""), (13, 1, "e")]
            .into_iter()
            .zip(1..)
            .map(|((time, tag, event), id)| Message {
                id,
                seq: 0,
                stamp: Stamp { time, tag },
                publication: Publication {
                    event_id: EventField::new(event.as_bytes()),
                    ..Publication::new(Bytes::from_static(b"x"))
                },
            })
            .collect()
    }

    fn check(backtrack: usize, event: Option<&str>, since: Option<i64>, tag: Option<u64>, expect: &[i64]) {
        let resume = Resume { last_event_id: event.map(|id| id.into()), modified_since: since, tag };
        let messages = stored();
        let sent: Vec<i64> =
            messages.iter().skip(resume.skip(messages.iter(), backtrack)).map(|message| message.id).collect();
        assert_eq!(sent, expect, "{backtrack} {resume:?}");
    }

    #[test]
    fn a_backtrack_goes_first() {
        check(1, None, None, None, &[5]);
        check(3, None, None, None, &[3, 4, 5]);
        check(99, None, None, None, &[1, 2, 3, 4, 5]);
        check(2, Some("a"), Some(0), Some(1), &[4, 5]);
    }

    #[test]
    fn without_a_mark_nothing_is_sent() {
        check(0, None, None, None, &[]);
        check(0, None, None, Some(1), &[]);
    }

    #[test]
    fn last_event_id() {
        check(0, Some("a"), None, None, &[2, 3, 4, 5]);
        check(0, Some("c"), None, None, &[4, 5]);
        check(0, Some("e"), None, None, &[]);
        check(0, Some("unknown"), None, None, &[]);
        check(0, Some("unknown"), Some(11), None, &[5]);
        check(0, Some("c"), Some(13), None, &[4, 5]);
    }

    #[test]
    fn modified_since_and_tag() {
        check(0, None, Some(0), None, &[1, 2, 3, 4, 5]);
        check(0, None, Some(-5), None, &[1, 2, 3, 4, 5]);
        check(0, None, Some(10), None, &[4, 5]);
        check(0, None, Some(10), Some(0), &[1, 2, 3, 4, 5]);
        check(0, None, Some(10), Some(2), &[3, 4, 5]);
        check(0, None, Some(10), Some(3), &[3, 4, 5]);
        check(0, None, Some(10), Some(4), &[4, 5]);
        check(0, None, Some(10), Some(9), &[4, 5]);
        check(0, None, Some(12), Some(9), &[5]);
        check(0, None, Some(13), None, &[]);
        check(0, None, Some(14), Some(0), &[]);
    }

    #[test]
    fn ids_of_the_servers_making() {
        for (id, expect) in [
            ("7-3", Some(Position::After(3))),
            ("7-0", Some(Position::After(0))),
            ("7-9", Some(Position::After(9))),
            ("7-10", Some(Position::Elsewhere)),
            ("6-3", Some(Position::Elsewhere)),
            ("7", None),
            ("7-", None),
            ("-3", None),
            ("7-+3", None),
            ("7-3-1", None),
            ("e2", None),
            ("99999999999999999999-1", None),
        ] {
            let resume = Resume { last_event_id: Some(id.into()), ..Resume::default() };
            assert_eq!(resume.position(7, 9), expect, "{id}");
        }
        assert_eq!(Resume::default().position(7, 9), None);
    }

    #[test]
    fn header_values() {
        for (value, tag) in [
            ("W/12", Some(12)),
            ("12", Some(12)),
            ("0", Some(0)),
            ("\"12\"", None),
            ("W/\"12\"", None),
            ("W/", None),
            ("+1", None),
            ("x", None),
        ] {
            assert_eq!(Resume::from_values(None, None, Some(value.as_bytes())).tag, tag, "{value}");
        }
        let resume = Resume::from_values(Some(b""), Some(b"Thu, 01 Jan 1970 00:00:07 GMT"), None);
        assert_eq!(resume, Resume { modified_since: Some(7), ..Resume::default() });
        assert_eq!(Resume::from_values(None, Some(b"soon"), None), Resume::default());
    }
}
