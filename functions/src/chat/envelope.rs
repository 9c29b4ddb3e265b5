//! The envelope of every answer: `{"result": …, "message": null}`, or `{"result": null, "message": [{"message": "…"}]}`.

use crate::request::Reply;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

/// An answer with a result.
pub(super) fn result(status: StatusCode, result: &impl Serialize) -> Reply {
    #[derive(Serialize)]
    struct Envelope<'r, T> {
        result: &'r T,
        message: (),
    }
    reply(status, text(&Envelope { result, message: () }))
}

/// An answer that is one sentence.
pub(super) fn message(status: StatusCode, message: &str) -> Reply {
    reply(status, message_text(message))
}

/// The same as a text for a WebSocket.
pub(super) fn message_text(message: &str) -> Bytes {
    #[derive(Serialize)]
    struct Message<'m> {
        message: &'m str,
    }
    #[derive(Serialize)]
    struct Envelope<'m> {
        result: (),
        message: [Message<'m>; 1],
    }
    text(&Envelope { result: (), message: [Message { message }] })
}

/// Something as JSON.
pub(super) fn text(value: &impl Serialize) -> Bytes {
    // Nothing of ours has keys that are no texts, or a failing serializer.
    Bytes::from(serde_json::to_vec(value).unwrap_or_default())
}

fn reply(status: StatusCode, body: Bytes) -> Reply {
    let mut reply = Reply::new(body);
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    reply
}
