//! Messages about the connection itself.
//!
//! The SDK drops those that have no `d`.
//!
//! A client that polls moves to a WebSocket so: it opens one, naming its session; the server sends [`ready`] there; the
//! client pings there until it has had two answers, sends [`Heard::Moved`] there and [`Heard::Last`] as the last thing
//! over the old transport; the server sends [`last`] over the old one after all that it has sent there, and from then on
//! uses the WebSocket, from which the client takes data only now.

use crate::tree::json;
use bytes::Bytes;
use serde::Deserialize;

/// A longer message is not one about the connection.
const MOST_BYTES: usize = 64;

/// What a client says about its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It asks whether the server is there.
    Ping,
    /// From now on it sends over this transport.
    Moved,
    /// It sends nothing more over this transport.
    Last,
}

/// What a message says about the connection; `None` if it is about something else.
pub fn heard(text: &str) -> Option<Heard> {
    #[derive(Deserialize)]
    struct Message {
        t: char,
        d: Control,
    }
    #[derive(Deserialize)]
    struct Control {
        t: char,
    }
    if text.len() > MOST_BYTES {
        return None;
    }
    match serde_json::from_str(text) {
        Ok(Message { t: 'c', d: Control { t: 'p' } }) => Some(Heard::Ping),
        Ok(Message { t: 'c', d: Control { t: 'a' } }) => Some(Heard::Moved),
        Ok(Message { t: 'c', d: Control { t: 'n' } }) => Some(Heard::Last),
        Ok(_) | Err(_) => None,
    }
}

/// The client may move to this transport.
pub fn ready() -> Bytes {
    Bytes::from_static(br#"{"t":"c","d":{"t":"a","d":{}}}"#)
}

/// Nothing more comes over this transport.
pub fn last() -> Bytes {
    Bytes::from_static(br#"{"t":"c","d":{"t":"n","d":{}}}"#)
}

/// The first message: the time in milliseconds since the epoch, the host (with its port) that the client shall use from
/// now on, and the session's id, which must not be empty.
pub fn hello(now: u64, host: &str, session: &str) -> Bytes {
    let mut text = format!(r#"{{"t":"c","d":{{"t":"h","d":{{"ts":{now},"v":"5","h":"#).into_bytes();
    json::append_string(&mut text, host);
    text.extend_from_slice(br#","s":"#);
    json::append_string(&mut text, session);
    text.extend_from_slice(b"}}}");
    text.into()
}

/// Has the client connect anew, to `host`.
pub fn reset(host: &str) -> Bytes {
    with_text('r', host)
}

/// Has the client warn of `reason` and never connect again.
pub fn shutdown(reason: &str) -> Bytes {
    with_text('s', reason)
}

/// Has the client log `reason`.
pub fn error(reason: &str) -> Bytes {
    with_text('e', reason)
}

/// Answers a ping.
pub fn pong() -> Bytes {
    Bytes::from_static(br#"{"t":"c","d":{"t":"o","d":null}}"#)
}

fn with_text(kind: char, text: &str) -> Bytes {
    let mut message = format!(r#"{{"t":"c","d":{{"t":"{kind}","d":"#).into_bytes();
    json::append_string(&mut message, text);
    message.extend_from_slice(b"}}");
    message.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_what_the_sdk_expects() {
        for (message, expect) in [
            (hello(5, "a:1", "s\""), r#"{"t":"c","d":{"t":"h","d":{"ts":5,"v":"5","h":"a:1","s":"s\""}}}"#),
            (reset("b:2"), r#"{"t":"c","d":{"t":"r","d":"b:2"}}"#),
            (shutdown("no"), r#"{"t":"c","d":{"t":"s","d":"no"}}"#),
            (error("bad"), r#"{"t":"c","d":{"t":"e","d":"bad"}}"#),
            (pong(), r#"{"t":"c","d":{"t":"o","d":null}}"#),
            (ready(), r#"{"t":"c","d":{"t":"a","d":{}}}"#),
            (last(), r#"{"t":"c","d":{"t":"n","d":{}}}"#),
        ] {
            assert_eq!(String::from_utf8(message.to_vec()).unwrap(), expect);
        }
    }
    #[test]
    fn what_the_sdk_says_is_heard() {
        for (text, expect) in [
            (r#"{"t":"c","d":{"t":"p","d":{}}}"#, Some(Heard::Ping)),
            (r#"{"t":"c","d":{"t":"a","d":{}}}"#, Some(Heard::Moved)),
            (r#"{"d":{"d":{},"t":"n"},"t":"c"}"#, Some(Heard::Last)),
            (r#"{"t":"c","d":{"t":"x","d":{}}}"#, None),
            (r#"{"t":"d","d":{"t":"p"}}"#, None),
            (r#"{"t":"d","d":{"r":1,"a":"n","b":{}}}"#, None),
            ("0", None),
        ] {
            assert_eq!(heard(text), expect, "{text}");
        }
    }
}
