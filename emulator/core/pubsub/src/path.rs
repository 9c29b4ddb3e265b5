//! Channel paths: `a/b.b3/c`, as publishers, subscribers and statistics name channels.
//!
//! Must not know: which of the three a path is for.

use bytes::Bytes;
use std::borrow::{Borrow, Cow};
use std::fmt;

/// A channel's id: case-sensitive bytes, possibly none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(Bytes);

impl ChannelId {
    /// An id made of `bytes`, copied.
    pub fn new(bytes: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether only statistics understand it: `ALL`, or anything with a `*`.
    pub fn is_pattern(&self) -> bool {
        self.0.as_ref() == b"ALL" || self.0.contains(&b'*')
    }
}

impl Borrow<[u8]> for ChannelId {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for ChannelId {
    /// As text; what is not UTF-8 is shown as U+FFFD.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// One channel of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The channel.
    pub id: ChannelId,
    /// The `N` of a `.bN` at the end, 0 without one: how many stored messages a subscriber wants.
    pub backtrack: usize,
}

/// The channels a request names, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelPath(pub Vec<Segment>);

impl ChannelPath {
    /// Reads a path that is percent-encoded once more. A `+` stays one, and so does a `%` without two digits.
    pub fn decode(raw: &[u8]) -> Self {
        Self::parse(&Cow::from(percent_encoding::percent_decode(raw)))
    }

    /// Reads a path as it is. Empty segments are channels with an empty id, except one after the last slash.
    pub fn parse(path: &[u8]) -> Self {
        if path.is_empty() {
            return Self::default();
        }
        let path = path.strip_suffix(b"/").unwrap_or(path);
        Self(path.split(|&byte| byte == b'/').map(segment).collect())
    }

    /// The ids, in order, and nothing else.
    pub fn into_ids(self) -> Vec<ChannelId> {
        self.0.into_iter().map(|segment| segment.id).collect()
    }

    /// The ids, in order.
    pub fn ids(&self) -> Vec<ChannelId> {
        self.0.iter().map(|segment| segment.id.clone()).collect()
    }
}

fn segment(text: &[u8]) -> Segment {
    let digits = text.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (head, count) = text.split_at(text.len() - digits);
    match head.strip_suffix(b".b") {
        Some(id) if digits > 0 => Segment { id: ChannelId::new(id), backtrack: number(count) },
        Some(_) | None => Segment { id: ChannelId::new(text), backtrack: 0 },
    }
}

/// Decimal digits as a number; what does not fit is as good as the largest.
fn number(digits: &[u8]) -> usize {
    digits.iter().fold(0_usize, |sum, digit| sum.saturating_mul(10).saturating_add(usize::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expect: &[(&str, usize)]) {
        let expect = expect
            .iter()
            .map(|(id, backtrack)| Segment { id: ChannelId::new(id.as_bytes()), backtrack: *backtrack })
            .collect();
        assert_eq!(ChannelPath::decode(raw.as_bytes()), ChannelPath(expect), "{raw:?}");
    }

    #[test]
    fn segments_and_backtracks() {
        check("", &[]);
        check("a", &[("a", 0)]);
        check("a/b", &[("a", 0), ("b", 0)]);
        check("a/a", &[("a", 0), ("a", 0)]);
        check("a.b3", &[("a", 3)]);
        check("a.b0", &[("a", 0)]);
        check("a.b3/c", &[("a", 3), ("c", 0)]);
        check("room.b18.beautiful.b3", &[("room.b18.beautiful", 3)]);
        check("room.b18.beautiful", &[("room.b18.beautiful", 0)]);
        check("a.b", &[("a.b", 0)]);
        check("a.b3x", &[("a.b3x", 0)]);
        check("a.B3", &[("a.B3", 0)]);
        check("a3", &[("a3", 0)]);
        check("7", &[("7", 0)]);
        check(".b2", &[("", 2)]);
        check("a.b99999999999999999999999", &[("a", usize::MAX)]);
    }

    #[test]
    fn empty_segments() {
        check("/", &[("", 0)]);
        check("/a", &[("", 0), ("a", 0)]);
        check("a//b", &[("a", 0), ("", 0), ("b", 0)]);
        check("a/", &[("a", 0)]);
    }

    #[test]
    fn percent_decoding_happens_once() {
        check("a%2Fb.b%31", &[("a", 0), ("b", 1)]);
        check("a+b%20c", &[("a+b c", 0)]);
        check("%2561", &[("%61", 0)]);
        check("50%/%zz", &[("50%", 0), ("%zz", 0)]);
    }

    #[test]
    fn ids_are_bytes() {
        assert_eq!(ChannelPath::decode(b"%FF").ids(), [ChannelId::new(b"\xff")]);
        assert_ne!(ChannelId::new(b"a"), ChannelId::new(b"A"));
    }

    #[test]
    fn patterns() {
        for (id, pattern) in [("ALL", true), ("all", false), ("ALLy", false), ("a*", true), ("*", true), ("", false)] {
            assert_eq!(ChannelId::new(id.as_bytes()).is_pattern(), pattern, "{id}");
        }
    }
}
