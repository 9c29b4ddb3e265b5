//! Headers that several places send. Must not know: which answer they go on.

use super::expression::{Asked, Expression};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, EXPIRES,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Says in words why an answer is as it is.
pub(super) const EXPLAIN: HeaderName = HeaderName::from_static("x-nginx-pushstream-explain");
/// Asks a subscriber's place for another mode.
pub(super) const MODE: HeaderName = HeaderName::from_static("x-nginx-pushstream-mode");
/// The server's version.
pub(super) const TAG: HeaderName = HeaderName::from_static("x-nginx-pushstream-tag");
/// Gives a message an id.
pub(super) const EVENT_ID: HeaderName = HeaderName::from_static("event-id");
/// Gives a message a type.
pub(super) const EVENT_TYPE: HeaderName = HeaderName::from_static("event-type");
/// The last event a subscriber saw.
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What a page of another origin may send along. Neither `Authorization` nor `Content-Type`, as in the original.
const ALLOWED_HEADERS: &str = "If-Modified-Since,If-None-Match,Etag,Event-Id,Event-Type,Last-Event-Id";

/// The same where a token may come as `Authorization`.
const ALLOWED_HEADERS_WITH_TOKEN: &str =
    "Authorization,If-Modified-Since,If-None-Match,Etag,Event-Id,Event-Type,Last-Event-Id";

/// Keeps the answer out of every cache.
pub(super) fn forbid_caching(headers: &mut HeaderMap) {
    headers.insert(EXPIRES, HeaderValue::from_static("Thu, 01 Jan 1970 00:00:01 GMT"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, must-revalidate"));
}

/// The origins whose pages may read the answer; none if there is no value.
pub(super) fn origins(allowed: Option<&Expression>, asked: &Asked<'_>) -> Option<HeaderValue> {
    allowed.and_then(|origins| HeaderValue::from_bytes(&origins.value(asked)).ok()).filter(|value| !value.is_empty())
}

/// Lets pages of `origins` read the answer, if there are any.
pub(super) fn allow_origins(
    headers: &mut HeaderMap,
    origins: Option<HeaderValue>,
    methods: &'static str,
    with_token: bool,
) {
    if let Some(origins) = origins {
        let allowed = if with_token { ALLOWED_HEADERS_WITH_TOKEN } else { ALLOWED_HEADERS };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origins);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(allowed));
    }
}
