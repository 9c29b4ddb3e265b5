//! Answers: the cross-origin headers all of them carry, bare text, and compact JSON.

use crate::request::Reply;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    CONTENT_TYPE,
};
use http::{HeaderMap, HeaderValue, StatusCode};

/// What every answer carries: any origin may call, and may read when to try again.
pub(super) fn cross_origin() -> HeaderMap {
    HeaderMap::from_iter([
        (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type, Authorization, X-Session-Token")),
        (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200")),
        (ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After")),
    ])
}

/// A message.
pub(super) fn text(status: StatusCode, message: impl Into<Bytes>) -> Reply {
    reply(status, "text/plain; charset=utf-8", message.into())
}

/// A status alone, its reason phrase as the body.
pub(super) fn phrase(status: StatusCode) -> Reply {
    text(status, status.canonical_reason().unwrap_or_default())
}

/// An object, already printed.
pub(super) fn json(status: StatusCode, body: String) -> Reply {
    reply(status, "application/json; charset=utf-8", body.into())
}

fn reply(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
    let mut reply = Reply::new(body);
    *reply.status_mut() = status;
    *reply.headers_mut() = cross_origin();
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}
