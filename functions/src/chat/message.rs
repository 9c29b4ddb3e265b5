//! A message: as a client sends it, and as it is kept and delivered.

use super::refusal::Rejection;
use crate::ports::Millis;
use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// `message` has at most so many bytes.
pub(super) const LONGEST_TEXT: usize = 16 * 1024;
/// `image_path` has at most so many bytes.
pub(super) const LONGEST_PATH: usize = 2 * 1024;
/// A frame has at most so many bytes: room for the longest message, every character of it escaped.
pub(super) const LONGEST_FRAME: usize = 128 * 1024;
/// An id's bytes of chance; before them stands the time.
pub(super) const CHANCE: usize = 6;

/// A message that has been read and may be stored, if its recipient is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) text: Option<String>,
    pub(super) image: Option<String>,
}

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    /// 24 digits; ids of later messages are greater, as texts, those of a millisecond aside.
    pub(super) id: String,
    pub(super) username_from: String,
    pub(super) username_to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) image_path: Option<String>,
    /// RFC 3339, in milliseconds.
    pub(super) created: String,
}

/// What a client sends.
#[derive(Deserialize)]
struct Incoming {
    username_from: Option<String>,
    username_to: Option<String>,
    message: Option<String>,
    image_path: Option<String>,
}

impl Draft {
    /// Reads what the user `sender` sends. A field that is null or empty is not there.
    pub(super) fn parse(text: &str, sender: &str) -> Result<Self, Rejection> {
        // A list would do for the derived reader.
        if !text.trim_start().starts_with('{') {
            return Err(Rejection::Json("it is no object".to_owned()));
        }
        let incoming: Incoming = serde_json::from_str(text).map_err(|error| Rejection::Json(error.to_string()))?;
        let there = |field: Option<String>| field.filter(|text| !text.is_empty());
        let (text, image) = (there(incoming.message), there(incoming.image_path));
        // Nobody writes in another's name; whoever does not say who he is is known by his token.
        if there(incoming.username_from).is_some_and(|from| from != sender) {
            return Err(Rejection::Sender);
        }
        let to = there(incoming.username_to).ok_or(Rejection::Recipient)?;
        if text.is_none() && image.is_none() {
            return Err(Rejection::Empty);
        }
        if text.as_ref().is_some_and(|text| text.len() > LONGEST_TEXT) {
            return Err(Rejection::Long("message", LONGEST_TEXT));
        }
        if image.as_ref().is_some_and(|path| path.len() > LONGEST_PATH) {
            return Err(Rejection::Long("image_path", LONGEST_PATH));
        }
        Ok(Self { from: sender.to_owned(), to, text, image })
    }

    /// The message it becomes at `now`.
    pub(super) fn stored(self, now: Millis, chance: [u8; CHANCE]) -> Message {
        let mut id = format!("{now:012x}");
        for byte in chance {
            let _ = write!(id, "{byte:02x}");
        }
        let Self { from, to, text, image } = self;
        Message { id, username_from: from, username_to: to, message: text, image_path: image, created: rfc3339(now) }
    }
}

/// A time as text; beyond what a calendar can say it stands still.
fn rfc3339(time: Millis) -> String {
    let time = i64::try_from(time).ok().and_then(DateTime::from_timestamp_millis);
    time.unwrap_or(DateTime::<chrono::Utc>::MAX_UTC).to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::super::envelope;
    use super::*;

    #[test]
    fn what_may_be_sent() {
        let check = |text: &str, expect: Result<(&str, Option<&str>, Option<&str>), Rejection>| {
            let read = Draft::parse(text, "ann");
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let expect = expect.map(|(to, text, image)| Draft {
                from: "ann".to_owned(),
                to: to.to_owned(),
                text: owned(text),
                image: owned(image),
            });
            match (&read, &expect) {
                (Err(Rejection::Json(reason)), Err(Rejection::Json(part))) => {
                    assert!(reason.contains(part.as_str()), "{text}: {reason}");
                }
                _ => assert_eq!(read, expect, "{text}"),
            }
        };
        let json = |reason: &str| Err(Rejection::Json(reason.to_owned()));
        check(r#"{"username_from":"ann","username_to":"bob","message":"hi"}"#, Ok(("bob", Some("hi"), None)));
        check(r#" {"username_to":"bob","image_path":"/a.png","else":[1]}"#, Ok(("bob", None, Some("/a.png"))));
        check(r#"{"username_to":"bob","message":"","image_path":"/a"}"#, Ok(("bob", None, Some("/a"))));
        check(r#"{"username_from":null,"username_to":"ann","message":"\u0000 🙂"}"#, Ok(("ann", Some("\0 🙂"), None)));
        check(r#"{"username_from":"bob","username_to":"ann","message":"hi"}"#, Err(Rejection::Sender));
        check(r#"{"username_from":"Ann","username_to":"bob","message":"hi"}"#, Err(Rejection::Sender));
        check(r#"{"message":"hi"}"#, Err(Rejection::Recipient));
        check(r#"{"username_to":"bob"}"#, Err(Rejection::Empty));
        check(r#"{"username_to":"bob","message":null,"image_path":""}"#, Err(Rejection::Empty));
        check("", json("no object"));
        check(r#"["ann","bob","hi","/a"]"#, json("no object"));
        check("{", json("EOF"));
        check(r#"{"username_to":7,"message":"hi"}"#, json("expected a string"));
        check(r#"{"username_to":"a","username_to":"b","message":"hi"}"#, json("duplicate field"));
        check(r#"{"username_to":"bob","message":"\ud800"}"#, json("surrogate"));
        check(&"[".repeat(10_000), json("no object"));
        check(&format!("{{\"a\":{}", "[".repeat(10_000)), json("recursion limit"));
        let long = |field: &str, length: usize| format!(r#"{{"username_to":"b","{field}":"{}"}}"#, "x".repeat(length));
        check(&long("message", LONGEST_TEXT), Ok(("b", Some(&"x".repeat(LONGEST_TEXT)), None)));
        check(&long("message", LONGEST_TEXT + 1), Err(Rejection::Long("message", LONGEST_TEXT)));
        check(&long("image_path", LONGEST_PATH + 1), Err(Rejection::Long("image_path", LONGEST_PATH)));
    }

    #[test]
    fn a_message_is_told_in_order_and_without_what_is_not_there() {
        let draft = Draft::parse(r#"{"username_to":"bob","message":"a\n\"b\""}"#, "ann").unwrap();
        let message = draft.stored(1_893_456_000_123, [0, 1, 2, 253, 254, 255]);
        assert_eq!(
            envelope::text(&message),
            concat!(
                r#"{"id":"01b8da3d707b000102fdfeff","username_from":"ann","username_to":"bob","message":"a\n\"b\"","#,
                r#""created":"2030-01-01T00:00:00.123Z"}"#
            )
        );
    }

    #[test]
    fn the_longest_message_fits_into_a_frame_however_it_is_written() {
        let escaped = |length: usize| "\\u0001".repeat(length);
        let (name, text, path) = (escaped(256), escaped(LONGEST_TEXT), escaped(LONGEST_PATH));
        let frame = format!(
            r#"{{"username_from": "{name}", "username_to": "{name}", "message": "{text}", "image_path": "{path}"}}"#
        );
        assert!(frame.len() <= LONGEST_FRAME, "{}", frame.len());
        assert!(Draft::parse(&frame, &"\u{1}".repeat(256)).is_ok());
    }
}
