//! As much of CBOR (RFC 8949) as authenticators send: definite lengths, no tags (CTAP 2.1, section 8). Must not know:
//! what the values mean.

/// So many values may lie in each other; attestation statements need four.
const DEEPEST: usize = 8;

/// A value, in place.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'b> {
    /// A number that is not negative.
    Unsigned(u64),
    /// This is meant: −1 less the number.
    Negative(u64),
    /// Bytes.
    Bytes(&'b [u8]),
    /// Text.
    Text(&'b str),
    /// A list; what is in it nobody here asks for.
    List,
    /// A map.
    Map(Map<'b>),
    /// A floating-point number, a truth value or nothing.
    Simple,
}

/// A map, whose keys are all different.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Map<'b>(Vec<(Value<'b>, Value<'b>)>);

impl<'b> Map<'b> {
    /// The value of a key that is text.
    pub(super) fn text(&self, key: &str) -> Option<&Value<'b>> {
        self.get(&Value::Text(key))
    }

    /// The value of a key that is a number.
    pub(super) fn number(&self, key: i64) -> Option<&Value<'b>> {
        self.get(&integer(key))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn get(&self, key: &Value<'_>) -> Option<&Value<'b>> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }
}

impl<'b> Value<'b> {
    pub(super) fn bytes(&self) -> Option<&'b [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    pub(super) fn text(&self) -> Option<&'b str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn map(self) -> Option<Map<'b>> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }

    /// Whether it is this number.
    pub(super) fn is(&self, number: i64) -> bool {
        *self == integer(number)
    }
}

fn integer(number: i64) -> Value<'static> {
    match u64::try_from(number) {
        Ok(number) => Value::Unsigned(number),
        Err(_) => Value::Negative((-1 - number).unsigned_abs()),
    }
}

/// The one value that the bytes are.
pub(super) fn whole(bytes: &[u8]) -> Option<Value<'_>> {
    first(bytes).filter(|(_, rest)| rest.is_empty()).map(|(value, _)| value)
}

/// The value at the beginning, and what comes after it.
pub(super) fn first(bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    value(bytes, DEEPEST)
}

fn value(bytes: &[u8], depth: usize) -> Option<(Value<'_>, &[u8])> {
    let (initial, rest) = bytes.split_first()?;
    let (argument, rest) = argument(initial & 0x1f, rest)?;
    match initial >> 5 {
        0 => Some((Value::Unsigned(argument), rest)),
        1 => Some((Value::Negative(argument), rest)),
        2 => {
            let (content, rest) = rest.split_at_checked(usize::try_from(argument).ok()?)?;
            Some((Value::Bytes(content), rest))
        }
        3 => {
            let (content, rest) = rest.split_at_checked(usize::try_from(argument).ok()?)?;
            Some((Value::Text(std::str::from_utf8(content).ok()?), rest))
        }
        4 => {
            let mut rest = rest;
            // Whatever number is announced: each one takes a byte at least, and they end with the bytes.
            for _ in 0..argument {
                rest = value(rest, depth.checked_sub(1)?)?.1;
            }
            Some((Value::List, rest))
        }
        5 => {
            let (mut map, mut rest) = (Map::default(), rest);
            for _ in 0..argument {
                let (key, after_key) = value(rest, depth.checked_sub(1)?)?;
                let (content, after) = value(after_key, depth.checked_sub(1)?)?;
                if map.0.len() >= MOST_KEYS || map.get(&key).is_some() {
                    return None;
                }
                map.0.push((key, content));
                rest = after;
            }
            Some((Value::Map(map), rest))
        }
        // The argument is the value itself.
        7 => Some((Value::Simple, rest)),
        // A tag.
        _ => None,
    }
}

/// The most keys of a map: no structure of authenticators has more than a handful.
const MOST_KEYS: usize = 64;

/// The number in the head of a value, whose lower five bits are `short`; a length that is not given is none.
fn argument(short: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    let length = match short {
        0..=23 => return Some((u64::from(short), rest)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let (bytes, rest) = rest.split_at_checked(length)?;
    Some((bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_rfc_8949_shows_them() {
        let map = |pairs: &[(Value<'static>, Value<'static>)]| Value::Map(Map(pairs.to_vec()));
        for (bytes, expected) in [
            (&[0x17][..], Some(Value::Unsigned(23))),
            (&[0x18, 100], Some(Value::Unsigned(100))),
            (&[0x1b, 0, 0, 0, 0xe8, 0xd4, 0xa5, 0x10, 0], Some(Value::Unsigned(1_000_000_000_000))),
            (&[0x20], Some(Value::Negative(0))),
            (&[0x39, 1, 0], Some(integer(-257))),
            (&[0x44, 1, 2, 3, 4], Some(Value::Bytes(&[1, 2, 3, 4]))),
            (&[0x64, b'I', b'E', b'T', b'F'], Some(Value::Text("IETF"))),
            (&[0x83, 1, 2, 3], Some(Value::List)),
            (&[0xa0], Some(map(&[]))),
            (&[0xa1, 1, 0xa1, 0x61, b'a', 0xf5], {
                let inner = map(&[(Value::Text("a"), Value::Simple)]);
                Some(map(&[(Value::Unsigned(1), inner)]))
            }),
            (&[0xf4], Some(Value::Simple)),
            (&[0xfb, 0x3f, 0xf1, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a], Some(Value::Simple)),
            // Cut short, too long, of no given length, tagged, no UTF-8, a key twice.
            (&[], None),
            (&[0x18], None),
            (&[0x44, 1, 2, 3], None),
            (&[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], None),
            (&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], None),
            (&[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1], None),
            (&[1, 1], None),
            (&[0x5f, 0x41, 1, 0xff], None),
            (&[0x1c], None),
            (&[0xc0, 0x61, b'a'], None),
            (&[0x61, 0xff], None),
            (&[0xa2, 1, 1, 1, 2], None),
        ] {
            assert_eq!(whole(bytes), expected, "{bytes:02x?}");
        }
    }

    #[test]
    fn values_lie_in_each_other_up_to_a_depth() {
        for (depth, expected) in [(DEEPEST, true), (DEEPEST + 1, false), (1_000_000, false)] {
            let mut lists = vec![0x81; depth];
            lists.push(0);
            let maps: Vec<u8> = [0xa1, 0].repeat(depth).into_iter().chain([0]).collect();
            assert_eq!((whole(&lists).is_some(), whole(&maps).is_some()), (expected, expected), "{depth}");
        }
    }

    #[test]
    fn a_map_has_so_many_keys() {
        for (count, expected) in [(MOST_KEYS, true), (MOST_KEYS + 1, false)] {
            let keys = (0..count).flat_map(|key| [0x18, u8::try_from(key).unwrap(), 0]);
            let map: Vec<u8> = [0xb8, u8::try_from(count).unwrap()].into_iter().chain(keys).collect();
            assert_eq!(whole(&map).is_some(), expected, "{count}");
        }
    }
}
