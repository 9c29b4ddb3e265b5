//! Making an answer: encoding off the runtime where it is large, headers, and the forms in which data can be had.
//!
//! Must not know: what was asked of the database.

use super::super::errors::Failure;
use super::request::{Parameters, Print};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use hearth_database::Node;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ALLOW, CACHE_CONTROL,
    CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body::Body as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// From so many bytes on, data is read or written on a thread of its own, so that other requests go on.
pub(super) const WORTH_A_THREAD: u64 = 64 * 1024;
/// One answer holds at most so many bytes (firebase.google.com/docs/database/usage/limits).
const MOST_BYTES: u64 = 256 * 1024 * 1024;
/// All large answers together hold at most so many units.
const BUDGET_UNITS: usize = 512 * 1024;
/// As many headers as most answers have.
const HEADERS: usize = 6;
/// Bytes a unit.
const UNIT: u64 = 1024;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const SCRIPT: HeaderValue = HeaderValue::from_static("application/javascript; charset=utf-8");
const PAGE: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
/// Pages hold texts of the users' and need no scripts.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
/// Why the rules forbid it, in one line (emulator mode only).
const EXPLANATION: HeaderName = HeaderName::from_static("x-hearth-rules-explanation");
const MOST_EXPLANATION_BYTES: usize = 1024;
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS");
pub(super) const REQUEST_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// Encoded data and its tag, if one was asked for.
#[derive(Debug)]
pub(super) struct Rendered<B = Vec<u8>> {
    pub(super) etag: Option<String>,
    pub(super) body: B,
}

impl Rendered {
    /// The tag alone.
    pub(super) fn tag(node: &Node) -> Self {
        Self { etag: Some(node.etag()), body: Vec::new() }
    }
}

impl From<Rendered> for Rendered<Bytes> {
    fn from(rendered: Rendered) -> Self {
        Self { etag: rendered.etag, body: rendered.body.into() }
    }
}

/// Encodes answers within a memory budget.
#[derive(Clone, Debug)]
pub(super) struct Encoder(Arc<Semaphore>);

impl Default for Encoder {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BUDGET_UNITS)))
    }
}

/// Bytes that count against the budget until they are sent.
struct Counted {
    bytes: Vec<u8>,
    _share: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Encoder {
    /// Runs `render`, which makes about `weight` bytes, where it holds up nobody.
    pub(super) async fn render(
        &self,
        weight: u64,
        render: impl FnOnce() -> Rendered + Send + 'static,
    ) -> Result<Rendered<Bytes>, Failure> {
        if weight < WORTH_A_THREAD {
            return Ok(render().into());
        }
        if weight > MOST_BYTES {
            return Err(Failure::TooLarge);
        }
        let units = u32::try_from(weight.div_ceil(UNIT)).map_err(|_| Failure::TooLarge)?;
        let share = Arc::clone(&self.0).try_acquire_many_owned(units).map_err(|_| Failure::Crowded)?;
        let rendering = tokio::task::spawn_blocking(move || {
            let Rendered { etag, body } = render();
            Rendered { etag, body: Bytes::from_owner(Counted { bytes: body, _share: share }) }
        });
        rendering.await.map_err(|_| Failure::Internal)
    }
}

/// Gives `reading` up after `timeout`. What is done without waiting is never given up.
pub(super) async fn within<T>(
    timeout: Option<Duration>,
    reading: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match timeout {
        None => reading.await,
        Some(timeout) => tokio::time::timeout(timeout, reading).await.unwrap_or(Err(Failure::TimedOut)),
    }
}

/// Encodes what a write answers. It has happened, so nothing may refuse this; the request's body has bounded it.
pub(super) async fn render_echo(
    weight: u64,
    render: impl FnOnce() -> Rendered + Send + 'static,
) -> Result<Rendered<Bytes>, Failure> {
    if weight < WORTH_A_THREAD {
        return Ok(render().into());
    }
    tokio::task::spawn_blocking(render).await.map(Into::into).map_err(|_| Failure::Internal)
}

/// Data, in the form the parameters ask for.
pub(super) fn data(status: StatusCode, rendered: Rendered<Bytes>, parameters: &Parameters) -> Response {
    let Rendered { etag, body } = rendered;
    let mut response = match (parameters.print, &parameters.callback) {
        (Print::Silent, _) if status.is_success() => empty(StatusCode::NO_CONTENT),
        (_, None) => with_body(status, JSON, body),
        (_, Some(callback)) => {
            let script = [callback.as_bytes(), b"(", &body, b")"].concat();
            with_body(status, SCRIPT, script.into())
        }
    };
    let headers = response.headers_mut();
    if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(&etag).ok()) {
        headers.insert(ETAG, etag);
    }
    if let Some(name) = &parameters.download {
        headers.insert(CONTENT_DISPOSITION, attachment(name));
    }
    response
}

/// An answer that does not end by itself.
pub(super) fn events(body: Body) -> Response {
    let mut response = empty(StatusCode::OK);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    *response.body_mut() = body;
    response
}

/// An answer without data.
pub(super) fn error(failure: &Failure) -> Response {
    let (status, text) = failure.answer();
    let body = serde_json::json!({ "error": text }).to_string();
    let mut response = with_body(status, JSON, body.into());
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, METHODS);
    }
    let explanation = failure.explanation().map(|explanation| explanation.compact(MOST_EXPLANATION_BYTES));
    if let Some(explanation) = explanation.and_then(|text| HeaderValue::try_from(text).ok()) {
        response.headers_mut().insert(EXPLANATION, explanation);
    }
    response
}

/// A page for people.
pub(super) fn page(text: String) -> Response {
    let mut response = with_body(StatusCode::OK, PAGE, text.into());
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, PAGE_POLICY);
    response
}

/// The client has this already.
pub(super) fn not_modified(etag: &str) -> Response {
    let mut response = empty(StatusCode::NOT_MODIFIED);
    if let Ok(etag) = HeaderValue::from_str(etag) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}

/// Leaves out the body, and says how long it would have been.
pub(super) fn keep_head(response: &mut Response) {
    let body = std::mem::take(response.body_mut());
    if let Some(length) = body.size_hint().exact() {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().reserve(HEADERS);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn with_body(status: StatusCode, kind: HeaderValue, body: Bytes) -> Response {
    let mut response = empty(status);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    // The data is the users': a browser shall not take it for a page.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    *response.body_mut() = Body::from(body);
    response
}

/// Lets scripts of all origins read the answer: who may is up to rules and tokens, and cookies play no part.
pub(super) fn allow_origins(parts: &Parts, headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let exposed = if headers.contains_key(EXPLANATION) { "ETag, X-Hearth-Rules-Explanation" } else { "ETag" };
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
    if parts.method == Method::OPTIONS {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
        if let Some(wanted) = parts.headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
    }
    if parts.headers.contains_key(REQUEST_PRIVATE_NETWORK) {
        headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
}

/// RFC 6266: a plain name for all, and the exact one for those who read it.
fn attachment(name: &str) -> HeaderValue {
    let plain: String = name
        .chars()
        .map(|character| match character {
            '"' | '\\' | '/' => '_',
            ' '..='~' => character,
            _ => '_',
        })
        .collect();
    let exact = utf8_percent_encode(name, NON_ALPHANUMERIC);
    HeaderValue::from_str(&format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}"))
        .unwrap_or(HeaderValue::from_static("attachment"))
}
