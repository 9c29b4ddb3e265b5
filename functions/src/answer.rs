//! Answers of services that any page in a browser may call and read: JSON, refusals, preflights, the heads of streams.

use crate::request::Reply;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

/// What a page may send besides what any page may.
const HEADERS: &str = "Authorization, Content-Type, X-User-Claim, Cache-Control, Last-Event-ID";
/// Keeps nginx from collecting a stream's events before it passes them on.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A status and no body.
pub(crate) fn empty(status: StatusCode) -> Reply {
    let mut reply = Reply::default();
    *reply.status_mut() = status;
    open(&mut reply);
    reply
}

/// A JSON body.
pub(crate) fn json(status: StatusCode, body: &Value) -> Reply {
    let mut reply = empty(status);
    *reply.body_mut() = Bytes::from(body.to_string());
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    reply
}

/// `{"error": message}`.
pub(crate) fn error(status: StatusCode, message: &str) -> Reply {
    json(status, &json!({"error": message}))
}

/// The same for a method that is not served there; `methods` are.
pub(crate) fn method_not_allowed(methods: &'static str) -> Reply {
    let mut reply = error(StatusCode::METHOD_NOT_ALLOWED, &format!("only {methods} is served here"));
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    reply
}

/// The same with the seconds until another try makes sense.
pub(crate) fn later(status: StatusCode, message: &str, seconds: u64) -> Reply {
    let mut reply = error(status, message);
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    reply
}

/// What a browser asks before it sends a request: `methods` may come, from anywhere.
pub(crate) fn preflight(methods: &'static str) -> Reply {
    let mut reply = empty(StatusCode::NO_CONTENT);
    let headers = reply.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(methods));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
    reply
}

/// The head of a stream of server-sent events.
pub(crate) fn events() -> Response<()> {
    let mut response = Response::new(());
    open(&mut response);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(UNBUFFERED, HeaderValue::from_static("no"));
    response
}

/// Opens an answer to the pages of every origin.
fn open<T>(response: &mut Response<T>) {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
}
