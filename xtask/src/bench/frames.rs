//! WebSocket frames (RFC 6455), as far as short texts need them.

/// What is taken from a stream at once, at least.
const ROOM: usize = 16 * 1024;
const TEXT: u8 = 0x81;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const MASKED: u8 = 0x80;

/// Appends a text as a client sends it. The mask is zero, so that to mask it is no work for the one that measures; the
/// server cannot tell and unmasks it as any other.
pub(super) fn append_masked(out: &mut Vec<u8>, text: &[u8]) {
    head(out, TEXT, MASKED, text.len());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(text);
}

/// Appends a text as a server sends it.
pub(super) fn append(out: &mut Vec<u8>, text: &[u8]) {
    head(out, TEXT, 0, text.len());
    out.extend_from_slice(text);
}

fn head(out: &mut Vec<u8>, first: u8, mask: u8, length: usize) {
    out.push(first);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..126), _) => out.push(mask | short),
        (_, Ok(medium)) => {
            out.push(mask | 126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        (_, Err(_)) => {
            out.push(mask | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// What has been read and not yet taken.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
    taken: usize,
}

impl Incoming {
    /// Where more is to be read to.
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        self.bytes.drain(..std::mem::take(&mut self.taken));
        self.bytes.reserve(ROOM);
        &mut self.bytes
    }

    /// Keeps no memory while nothing has been read.
    pub(super) fn rest(&mut self) {
        if self.taken == self.bytes.len() {
            *self = Self::default();
        }
    }

    /// All that has been read, for what comes before the first frame; as many bytes of it are taken as `take` says.
    pub(super) fn take<T>(&mut self, take: impl FnOnce(&[u8]) -> Option<(T, usize)>) -> Option<T> {
        let (found, length) = take(self.bytes.get(self.taken..)?)?;
        self.taken += length;
        Some(found)
    }

    /// The text of the next frame, if all of it is there. Answers to pings are appended to `out`.
    pub(super) fn text(&mut self, out: &mut Vec<u8>) -> Option<&[u8]> {
        loop {
            let frame = Frame::begin(self.bytes.get(self.taken..)?)?;
            let begin = self.taken + frame.head;
            self.taken = begin + frame.length;
            if let Some(mask) = frame.mask.filter(|mask| *mask != [0; 4]) {
                let masked = self.bytes.get_mut(begin..self.taken)?;
                masked.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
            }
            match frame.first {
                TEXT => return self.bytes.get(begin..self.taken),
                PING => {
                    head(out, PONG, MASKED, frame.length);
                    out.extend_from_slice(&[0; 4]);
                    out.extend_from_slice(self.bytes.get(begin..self.taken)?);
                }
                _ => {}
            }
        }
    }
}

struct Frame {
    first: u8,
    head: usize,
    length: usize,
    mask: Option<[u8; 4]>,
}

impl Frame {
    /// The head of a frame whose last byte is there.
    fn begin(bytes: &[u8]) -> Option<Self> {
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        let (mut head, length) = match second & 0x7f {
            126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
            127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
            short => (2, usize::from(short)),
        };
        let mask = match second & MASKED {
            0 => None,
            _ => Some(bytes.get(head..head + 4)?.try_into().ok()?),
        };
        head += if mask.is_some() { 4 } else { 0 };
        (bytes.len() >= head.checked_add(length)?).then_some(Self { first, head, length, mask })
    }
}

/// The number that stands in `text` after `name`, which ends with what comes before it.
pub(super) fn number(text: &[u8], name: &[u8]) -> Option<u64> {
    let after = text.get(find(text, name)? + name.len()..)?;
    let digits = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(after.get(..digits)?).ok()?.parse().ok()
}

/// Where `part` stands in `text`.
pub(super) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_whole_from_pieces_of_any_size() {
        let long = "x".repeat(70_000);
        let texts = ["{}", &"y".repeat(126), "", &long];
        let mut stream = Vec::new();
        for text in texts {
            append(&mut stream, text.as_bytes());
            append_masked(&mut stream, text.as_bytes());
        }
        stream.extend_from_slice(&[TEXT, MASKED | 2, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2, PING, 1, b'!']);
        for size in [1, 7, 1000, stream.len()] {
            let (mut incoming, mut found, mut out) = (Incoming::default(), Vec::new(), Vec::new());
            for piece in stream.chunks(size) {
                incoming.room().extend_from_slice(piece);
                while let Some(text) = incoming.text(&mut out) {
                    found.push(String::from_utf8(text.to_vec()).unwrap());
                }
            }
            let twice: Vec<&str> = texts.iter().flat_map(|text| [*text; 2]).chain(["ab"]).collect();
            assert_eq!(found, twice, "{size}");
            assert_eq!(out, [PONG, MASKED | 1, 0, 0, 0, 0, b'!']);
        }
    }

    #[test]
    fn numbers_are_found() {
        for (text, name, expect) in [
            (r#"{"t":"d","d":{"r":12,"b":{}}}"#, r#""r":"#, Some(12)),
            (r#"{"d":{"b":{"s":"ok"},"r":7},"t":"d"}"#, r#""r":"#, Some(7)),
            (r#"{"at":x}"#, r#""at":"#, None),
            ("", r#""at":"#, None),
        ] {
            assert_eq!(number(text.as_bytes(), name.as_bytes()), expect, "{text}");
        }
    }
}
