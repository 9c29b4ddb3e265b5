//! Messages about the connection itself, as far as the server sends them.
//!
//! The SDK drops those that have no `d`.

use crate::tree::json;
use bytes::Bytes;

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
        ] {
            assert_eq!(String::from_utf8(message.to_vec()).unwrap(), expect);
        }
    }
}
