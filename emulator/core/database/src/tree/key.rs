//! Keys: what may be one, and in which order they stand.
//!
//! The order is the one of the clients, on which hashes and queries depend.

use smol_str::SmolStr;
use std::cmp::Ordering;
use std::fmt;

/// A key has at most so many bytes of UTF-8 (firebase.google.com/docs/database/usage/limits).
pub const MOST_KEY_BYTES: usize = 768;

/// The name of a child. Cheap to clone: short ones, push ids among them, are held in place, so that copying a part of a
/// large node's children does not touch memory all over.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key(SmolStr);

/// Why a text is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing at all.
    #[error("a key must not be empty")]
    Empty,
    /// More than [`MOST_KEY_BYTES`].
    #[error("a key has {0} bytes, at most {MOST_KEY_BYTES} are allowed")]
    TooLong(usize),
    /// It holds one of `. $ # [ ] /` or a control character.
    #[error("key {0:?} holds a character that is not allowed: . $ # [ ] / or a control character")]
    Character(String),
}

impl Key {
    /// Checks `text` and takes it as a key.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn new(text: &str) -> Result<Self, KeyError> {
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        if text.len() > MOST_KEY_BYTES {
            return Err(KeyError::TooLong(text.len()));
        }
        if text.bytes().any(|byte| matches!(byte, b'.' | b'$' | b'#' | b'[' | b']' | b'/' | 0..=0x1f | 0x7f)) {
            return Err(KeyError::Character(text.to_owned()));
        }
        Ok(Self(text.into()))
    }

    /// The key of an array's element.
    pub fn index(index: usize) -> Self {
        Self(smol_str::format_smolstr!("{index}"))
    }

    /// A key made by this crate, of allowed characters.
    pub(super) fn generated(text: &str) -> Self {
        Self(text.into())
    }

    /// The key's text.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is its text.
    #[inline]
    pub(crate) fn is(&self, name: &str) -> bool {
        same_text(&self.0, name)
    }

    /// The index of an array's element, if this is the one way to write it: no sign, no leading zeros.
    pub fn as_index(&self) -> Option<usize> {
        let text = self.as_str();
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        (digits && (text == "0" || !text.starts_with('0'))).then(|| text.parse().ok()).flatten()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A name that is looked for among keys, read once for many comparisons.
pub(super) struct Sought<'n> {
    name: &'n str,
    integer: Option<i32>,
}

impl<'n> Sought<'n> {
    pub(super) fn new(name: &'n str) -> Self {
        Self { name, integer: integer(name) }
    }

    /// How the name stands to `key`.
    #[inline]
    pub(super) fn compare(&self, key: &Key) -> Ordering {
        compare_read((self.name, self.integer), key.as_str())
    }
}

/// The order of keys: 32-bit integers first, by value and then by length; all others after them, as text.
/// (`nameCompare` of the JavaScript SDK.)
pub(crate) fn compare(one: &str, other: &str) -> Ordering {
    compare_read((one, integer(one)), other)
}

#[inline]
fn compare_read((one, value): (&str, Option<i32>), other: &str) -> Ordering {
    match (value, integer(other)) {
        (None, None) => compare_text(one, other),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        // The text decides between `-0` and `00`, which the clients take for equal.
        (Some(a), Some(b)) => a.cmp(&b).then(one.len().cmp(&other.len())).then_with(|| one.cmp(other)),
    }
}

/// The order of strings: by UTF-16 code units, as JavaScript and Java compare them. It differs from the order of
/// UTF-8 only where a surrogate (U+10000 and above) meets U+E000 to U+FFFF.
#[inline]
pub(crate) fn compare_text(one: &str, other: &str) -> Ordering {
    // Keys often begin alike, so they are read by words.
    let (a, b) = (one.as_bytes().as_chunks::<8>().0, other.as_bytes().as_chunks::<8>().0);
    if let Some((x, y)) = a.iter().zip(b).find(|(x, y)| x != y) {
        return first_difference(x, y).unwrap_or(Ordering::Equal);
    }
    let same = 8 * a.len().min(b.len());
    let rest = (one.as_bytes().get(same..).unwrap_or_default(), other.as_bytes().get(same..).unwrap_or_default());
    first_difference(rest.0, rest.1).unwrap_or_else(|| one.len().cmp(&other.len()))
}

/// Whether two texts are the same. For the few bytes that keys have it takes less than calling someone who can do it
/// with many.
#[inline]
pub(crate) fn same_text(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    match one.len() {
        len if len != other.len() => false,
        0 => true,
        1 => one.first() == other.first(),
        2..4 => same_ends::<2>(one, other),
        4..8 => same_ends::<4>(one, other),
        8..=16 => same_ends::<8>(one, other),
        _ => one == other,
    }
}

/// Whether the first and the last bytes are the same.
#[inline]
fn same_ends<const N: usize>(one: &[u8], other: &[u8]) -> bool {
    one.first_chunk::<N>() == other.first_chunk::<N>() && one.last_chunk::<N>() == other.last_chunk::<N>()
}

/// The order that the first bytes make that differ, if some do.
#[inline]
fn first_difference(one: &[u8], other: &[u8]) -> Option<Ordering> {
    let (x, y) = one.iter().zip(other).find(|(x, y)| x != y)?;
    // A first byte of 0xf0 and above begins a surrogate pair, 0xee and 0xef begin U+E000 to U+FFFF.
    Some(match (*x >= 0xf0, *y >= 0xf0) {
        (true, false) if *y >= 0xee => Ordering::Less,
        (false, true) if *x >= 0xee => Ordering::Greater,
        _ => x.cmp(y),
    })
}

/// The value of a key like `-1`, `0` or `007`, if it is one of 32 bits.
#[inline]
fn integer(text: &str) -> Option<i32> {
    match text.as_bytes() {
        [b'0'..=b'9', ..] | [b'-', b'0'..=b'9', ..] => whole(text),
        _ => None,
    }
}

fn whole(text: &str) -> Option<i32> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_in_the_clients_order() {
        let sorted = "-2147483648 -1 0 00 1 01 9 10 2147483647 -2147483649 2147483648 A _ a z é".split(' ');
        let sorted: Vec<Key> = sorted.map(|text| Key::new(text).unwrap()).collect();
        for (i, one) in sorted.iter().enumerate() {
            for (j, other) in sorted.iter().enumerate() {
                assert_eq!(one.cmp(other), i.cmp(&j), "{one} {other}");
                assert_eq!(Sought::new(one.as_str()).compare(other), i.cmp(&j), "{one} {other}");
            }
        }
    }

    #[test]
    fn texts_are_the_same_only_if_every_byte_is() {
        for len in 0..40 {
            let text = "x".repeat(len);
            assert!(same_text(&text, &text.clone()) && !same_text(&text, &"x".repeat(len + 1)));
            for at in 0..len {
                let mut other = text.clone();
                other.replace_range(at..=at, "y");
                assert!(!same_text(&text, &other) && !same_text(&other, &text), "{at} of {len}");
            }
        }
    }

    #[test]
    fn text_is_compared_by_utf16_units() {
        let mut texts = [
            "",
            "12345678",
            "12345678a",
            "123456789abcdef\u{10000}",
            "123456789abcdef\u{ffff}",
            "a",
            "aa",
            "ab",
            "é",
            "\u{d7ff}",
            "\u{e000}",
            "\u{ffff}",
            "\u{10000}",
            "\u{10ffff}",
            "a\u{10000}",
        ];
        texts.sort_by(|one, other| compare_text(one, other));
        let mut expect = texts;
        expect.sort_by_key(|text| text.encode_utf16().collect::<Vec<_>>());
        assert_eq!(texts, expect);
    }

    #[test]
    fn a_key_is_checked() {
        let long = "é".repeat(384);
        for text in ["a", "é", "a b", "-", "\u{80}", "1e5", "!\"%&'()*+,:;<=>?@\\^`{|}~", &long] {
            assert_eq!(Key::new(text).map(|key| key.as_str().to_owned()), Ok(text.to_owned()));
        }
        assert_eq!(Key::new(""), Err(KeyError::Empty));
        assert_eq!(Key::new(&format!("{long}x")), Err(KeyError::TooLong(769)));
        for text in [".a", "a.b", "$", "a#", "[", "]", "a/b", "\u{0}", "\u{1f}", "\u{7f}", "\n"] {
            assert_eq!(Key::new(text), Err(KeyError::Character(text.to_owned())));
        }
    }

    #[test]
    fn an_index_has_one_spelling() {
        for (text, index) in [("0", Some(0)), ("10", Some(10)), ("01", None), ("-1", None), ("a", None), ("1a", None)] {
            assert_eq!(Key::new(text).unwrap().as_index(), index, "{text}");
        }
    }
}
