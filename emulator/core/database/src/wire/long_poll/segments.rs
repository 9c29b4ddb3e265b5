//! Messages in segments: JSON, in web-safe base64 padded with dots, cut into pieces that fit into a URL.
//!
//! Segments are numbered through, over all messages of a session, from 0. They may come out of order, since two requests
//! are under way at once, and twice, since a browser repeats a request whose connection has broken. Must not know: what
//! a message means.

use crate::wire::frame::MOST_MESSAGE_BYTES;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use std::collections::BTreeMap;

/// A segment may be so far ahead of the first one that is missing. The SDK has two requests under way, each of which
/// holds fewer than a hundred.
const MOST_AHEAD: u64 = 512;
/// A segment has at most so many characters; the SDK's have 1,840.
pub(super) const MOST_SEGMENT_CHARS: usize = 16 * 1024;

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its number (`seg`).
    pub number: u64,
    /// Of how many segments its message consists (`ts`).
    pub of: u64,
    /// Its text (`d`).
    pub text: String,
}

/// Why a session cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// Its number is too far from those that are expected.
    #[error("a segment is too far ahead of those before it")]
    Ahead,
    /// It says of how many segments its message consists, and others said otherwise; or it is of none.
    #[error("the segments of a message disagree on how many they are")]
    Count,
    /// It is not base64, or the message is not UTF-8, or no object.
    #[error("a message is not web-safe base64 of a JSON object")]
    Encoding,
}

/// Puts messages together.
#[derive(Debug, Default)]
pub(super) struct Segments {
    next: u64,
    ahead: BTreeMap<u64, Segment>,
    /// So many segments of the present message have come, of so many.
    taken: u64,
    of: u64,
    decoded: Vec<u8>,
    /// Characters that are not decoded yet: fewer than four.
    rest: String,
    too_long: bool,
}

impl Segments {
    /// Takes a segment; returns the messages that are whole with it. One that is too long is cut, and still too long.
    pub(super) fn receive(&mut self, segment: Segment) -> Result<Vec<String>, SegmentError> {
        if segment.number < self.next {
            return Ok(Vec::new());
        }
        if segment.number - self.next > MOST_AHEAD || segment.text.len() > MOST_SEGMENT_CHARS {
            return Err(SegmentError::Ahead);
        }
        self.ahead.entry(segment.number).or_insert(segment);
        let mut messages = Vec::new();
        while let Some(segment) = self.ahead.remove(&self.next) {
            self.next += 1;
            messages.extend(self.append(&segment)?);
        }
        Ok(messages)
    }

    /// About how many bytes are held.
    pub(super) fn held(&self) -> usize {
        self.decoded.capacity() + self.ahead.values().map(|segment| segment.text.len()).sum::<usize>()
    }

    fn append(&mut self, segment: &Segment) -> Result<Option<String>, SegmentError> {
        if segment.of == 0 || (self.taken > 0 && segment.of != self.of) {
            return Err(SegmentError::Count);
        }
        self.of = segment.of;
        self.taken += 1;
        let last = self.taken == self.of;
        if !self.too_long {
            self.decode(&segment.text, last)?;
        }
        if !last {
            return Ok(None);
        }
        self.taken = 0;
        self.rest.clear();
        let bytes = std::mem::take(&mut self.decoded);
        let text = if std::mem::take(&mut self.too_long) {
            String::from_utf8_lossy(&bytes).into_owned()
        } else {
            String::from_utf8(bytes).map_err(|_| SegmentError::Encoding)?
        };
        if text.starts_with('{') { Ok(Some(text)) } else { Err(SegmentError::Encoding) }
    }

    fn decode(&mut self, text: &str, last: bool) -> Result<(), SegmentError> {
        self.rest.push_str(text);
        let end = if last {
            // What a browser sends is padded to whole groups of four.
            let padding = self.rest.bytes().rev().take_while(|byte| *byte == b'.').count();
            if padding > 2 || (padding > 0 && !self.rest.len().is_multiple_of(4)) {
                return Err(SegmentError::Encoding);
            }
            self.rest.len() - padding
        } else {
            self.rest.len() / 4 * 4
        };
        let whole = self.rest.as_bytes().get(..end).unwrap_or_default();
        BASE64_URL_SAFE_NO_PAD.decode_vec(whole, &mut self.decoded).map_err(|_| SegmentError::Encoding)?;
        self.rest.drain(..end);
        self.too_long = self.decoded.len() > MOST_MESSAGE_BYTES;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(text: &str) -> String {
        let mut encoded = BASE64_URL_SAFE_NO_PAD.encode(text);
        while !encoded.len().is_multiple_of(4) {
            encoded.push('.');
        }
        encoded
    }

    fn segment(number: u64, of: u64, text: &str) -> Segment {
        Segment { number, of, text: text.to_owned() }
    }

    fn check(segments: &[(u64, u64, &str)], expect: Result<&[&str], SegmentError>) {
        let mut all = Segments::default();
        let mut texts = Vec::new();
        let result = segments.iter().try_for_each(|(number, of, text)| {
            texts.extend(all.receive(segment(*number, *of, text))?);
            Ok(())
        });
        let expect = expect.map(|texts| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(result.map(|()| texts), expect, "{segments:?}");
    }

    #[test]
    fn segments_become_messages() {
        // `{"a":"ÿþ?"}`, whose encoding needs both characters that web-safe base64 changes.
        check(&[(0, 1, "eyJhIjoiw7_DviJ9")], Ok(&["{\"a\":\"ÿþ\"}"]));
        check(&[(0, 1, "ez4-fQ..")], Ok(&["{>>}"]));
        check(&[(0, 1, "e30."), (1, 1, "e30.")], Ok(&["{}", "{}"]));
        check(&[(0, 1, "e30")], Ok(&["{}"]));
        // Cut anywhere, not only between groups.
        check(&[(0, 3, "e"), (1, 3, "yJhI"), (2, 3, "joxfQ..")], Ok(&["{\"a\":1}"]));
        check(&[(0, 2, "e30."), (1, 2, "")], Err(SegmentError::Encoding));
    }

    #[test]
    fn order_and_repetition_do_not_matter() {
        let text = encode("{\"é\":[1,2,3]}");
        let (one, rest) = text.split_at(4);
        let (two, three) = rest.split_at(4);
        check(
            &[(2, 3, three), (3, 1, "e30."), (1, 3, two), (1, 3, two), (0, 3, one), (0, 3, one), (4, 1, "e30.")],
            Ok(&["{\"é\":[1,2,3]}", "{}", "{}"]),
        );
    }

    #[test]
    fn what_is_wrong_ends_the_session() {
        check(&[(0, 0, "e30.")], Err(SegmentError::Count));
        check(&[(0, 2, "e30A"), (1, 3, "e30.")], Err(SegmentError::Count));
        check(&[(MOST_AHEAD + 1, 1, "e30.")], Err(SegmentError::Ahead));
        check(&[(0, 1, &"A".repeat(MOST_SEGMENT_CHARS + 1))], Err(SegmentError::Ahead));
        for text in ["e3=", "e+0.", "e/0.", "A", "A...", "....", "e30..", "e%20", "e_8.", "MQ..", ""] {
            check(&[(0, 1, text)], Err(SegmentError::Encoding));
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_not_kept() {
        let mut segments = Segments::default();
        let text = format!("{{{}", "é".repeat(MOST_MESSAGE_BYTES));
        let encoded = encode(&text);
        let chunks: Vec<_> = encoded.as_bytes().chunks(1840).map(|chunk| std::str::from_utf8(chunk).unwrap()).collect();
        let of = chunks.len() as u64;
        for (number, chunk) in (0..of).zip(&chunks) {
            let messages = segments.receive(segment(number, of, chunk)).unwrap();
            assert!(segments.held() < 2 * MOST_MESSAGE_BYTES + 64 * 1024);
            match &messages[..] {
                [] => assert_ne!(number + 1, of),
                [message] => {
                    assert_eq!(number + 1, of);
                    assert!((MOST_MESSAGE_BYTES + 1..MOST_MESSAGE_BYTES + 2048).contains(&message.len()));
                    assert!(text.as_bytes().starts_with(&message.as_bytes()[..MOST_MESSAGE_BYTES - 1]));
                }
                _ => panic!("{} messages", messages.len()),
            }
        }
        assert_eq!(segments.receive(segment(of, 1, "e30.")), Ok(vec!["{}".to_owned()]));
    }
}
