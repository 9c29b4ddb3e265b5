//! Long texts travel in pieces: the number of frames first, then the frames.
//!
//! Must not know: what a text means.

use bytes::Bytes;
use std::borrow::Cow;

/// A longer text is sent in pieces of at most so many bytes. The clients count UTF-16 units, of which no text has more
/// than bytes.
pub const MOST_FRAME_BYTES: usize = 16 * 1024;
/// A text that comes in has at most so many bytes: 16 MB for the data (firebase.google.com/docs/database/usage/limits),
/// and what stands around it.
pub const MOST_MESSAGE_BYTES: usize = 16 * 1024 * 1024 + 64 * 1024;
/// A frame that holds the number of frames has at most so many digits.
const MOST_DIGITS: usize = 6;
/// So much of a text that is too long is kept, to see which request it was.
const HEAD_BYTES: usize = 256;

/// What has come of a frame.
#[derive(Debug, PartialEq)]
pub(super) enum Received<'f> {
    /// A keep-alive, or a piece of something.
    Nothing,
    /// A whole text.
    Text(Cow<'f, str>),
    /// The last piece of a text that was too long, and how the text began.
    TooLong(String),
}

/// Puts pieces together.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    /// So many frames are still to come.
    missing: usize,
    text: String,
    too_long: bool,
}

impl Assembler {
    /// Takes the next frame.
    pub(super) fn receive<'f>(&mut self, frame: &'f str) -> Received<'f> {
        if self.missing == 0 {
            return match announced(frame) {
                Some(pieces) => {
                    self.missing = pieces;
                    Received::Nothing
                }
                None if frame.len() > MOST_MESSAGE_BYTES => Received::TooLong(head(frame).to_owned()),
                None => Received::Text(Cow::Borrowed(frame)),
            };
        }
        self.missing -= 1;
        if !self.too_long {
            self.text.push_str(frame);
            if self.text.len() > MOST_MESSAGE_BYTES {
                self.text = head(&self.text).to_owned();
                self.too_long = true;
            }
        }
        if self.missing > 0 {
            return Received::Nothing;
        }
        let text = std::mem::take(&mut self.text);
        if std::mem::take(&mut self.too_long) { Received::TooLong(text) } else { Received::Text(Cow::Owned(text)) }
    }

    /// How many bytes of text are complete with a frame of so many bytes; 0 if it is not the last one.
    pub(super) fn completes(&self, frame: usize) -> usize {
        if self.missing <= 1 { self.text.len() + frame } else { 0 }
    }
}

/// The number of frames that follow. None follow a keep-alive, which is `0`, or an empty frame.
pub(super) fn announced(frame: &str) -> Option<usize> {
    if frame.len() > MOST_DIGITS || !frame.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(frame.parse().unwrap_or_default())
}

fn head(text: &str) -> &str {
    text.get(..text.floor_char_boundary(HEAD_BYTES)).unwrap_or_default()
}

/// Calls `send` with each frame of a text that consists of `text` and `tail`. A short text is one frame; of a long one
/// nothing is copied.
pub fn split(text: &Bytes, tail: &[u8], mut send: impl FnMut(Bytes)) {
    if text.len() + tail.len() <= MOST_FRAME_BYTES {
        return send(if tail.is_empty() { text.clone() } else { [text, tail].concat().into() });
    }
    let mut pieces = Vec::with_capacity(text.len() / MOST_FRAME_BYTES + 2);
    let mut rest = text.clone();
    while rest.len() > MOST_FRAME_BYTES {
        let mut end = MOST_FRAME_BYTES;
        // Not within a character, whose further bytes all begin with the bits 10.
        while end > 1 && rest.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
            end -= 1;
        }
        pieces.push(rest.split_to(end));
    }
    pieces.extend([rest, Bytes::copy_from_slice(tail)].into_iter().filter(|piece| !piece.is_empty()));
    send(pieces.len().to_string().into());
    pieces.into_iter().for_each(send);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(frames: &[&str], expect: &[&str]) {
        let mut assembler = Assembler::default();
        let mut texts = Vec::new();
        for frame in frames {
            match assembler.receive(frame) {
                Received::Nothing => {}
                Received::Text(text) => texts.push(text.into_owned()),
                Received::TooLong(head) => texts.push(format!("too long: {head}")),
            }
        }
        assert_eq!(texts, expect, "{frames:?}");
        assert_eq!(assembler.text.capacity(), 0);
    }

    #[test]
    fn pieces_become_texts() {
        check(&["{}"], &["{}"]);
        check(&["0", "", "{}", "0"], &["{}"]);
        check(&["1", "{}", "{}"], &["{}", "{}"]);
        check(&["3", "{\"a", "\":1", "}", "2", "x", "y"], &["{\"a\":1}", "xy"]);
        // Within a text a number is a piece.
        check(&["3", "12", "", "34"], &["1234"]);
        check(&["1234567"], &["1234567"]);
        check(&["12a", "-1", "1.5"], &["12a", "-1", "1.5"]);
    }

    #[test]
    fn a_text_that_is_too_long_is_not_kept() {
        let piece = "é".repeat(8 * 1024);
        let count = MOST_MESSAGE_BYTES / piece.len() + 1;
        let announced = (count + 3).to_string();
        let mut frames = vec![announced.as_str(), "{"];
        frames.extend(std::iter::repeat_n(piece.as_str(), count));
        frames.extend(["}", "}", "{}"]);
        let mut begin = format!("too long: {{{}", head(&piece));
        begin.pop();
        check(&frames, &[&begin, "{}"]);
        check(&[&"x".repeat(MOST_MESSAGE_BYTES + 1)], &[&format!("too long: {}", "x".repeat(HEAD_BYTES))]);
    }

    #[test]
    fn a_long_text_is_split_between_characters() {
        for (text, tail, frames) in [
            ("a".repeat(MOST_FRAME_BYTES), "", 1),
            ("a".repeat(MOST_FRAME_BYTES + 1), "", 3),
            ("a".repeat(MOST_FRAME_BYTES - 1), "}", 1),
            ("a".repeat(MOST_FRAME_BYTES), "}", 3),
            (format!("a{}", "é".repeat(20_000)), "}}", 5),
            ("\u{10ffff}".repeat(20_000), "", 6),
        ] {
            let mut sent = Vec::new();
            split(&text.clone().into(), tail.as_bytes(), |frame| {
                sent.push(String::from_utf8(frame.to_vec()).unwrap());
            });
            assert_eq!(sent.len(), frames);
            assert!(sent.iter().all(|frame| frame.len() <= MOST_FRAME_BYTES && !frame.is_empty()));
            let sent: Vec<_> = sent.iter().map(String::as_str).collect();
            check(&sent, &[&(text + tail)]);
        }
    }
}
