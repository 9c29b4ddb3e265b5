//! `/sub/{channels}`: streams of events. Must not know: who publishes.

mod outbox;
mod stream;

pub(super) use outbox::Outbox;
pub(super) use stream::EventStream;

use super::PubsubService;
use super::errors::Refusal;
use super::headers::{self, LAST_EVENT_ID, MODE};
use crate::server::connections::HangUp;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use hearth_pubsub::path::ChannelPath;
use hearth_pubsub::replay::Resume;
use http::header::{CONTENT_TYPE, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use std::sync::Arc;

const METHODS: &str = "GET";
/// Modes that the original lets a request ask for, whatever its place serves.
const OTHER_MODES: [&str; 2] = ["polling", "long-polling"];

pub(super) fn answer(service: &Arc<PubsubService>, path: &ChannelPath, request: &Request) -> Response {
    let mut response = serve(service, path, request).unwrap_or_else(Refusal::into_response);
    let headers = response.headers_mut();
    headers::allow_origins(headers, service.settings().subscriber.allowed_origins.as_ref(), METHODS);
    if request.method() != Method::OPTIONS {
        headers::forbid_caching(headers);
    }
    response
}

fn serve(service: &Arc<PubsubService>, path: &ChannelPath, request: &Request) -> Result<Response, Refusal> {
    match *request.method() {
        Method::OPTIONS => return Ok(StatusCode::OK.into_response()),
        Method::GET => {}
        _ => return Err(Refusal::Method(METHODS)),
    }
    let value = |name: HeaderName| request.headers().get(name).map(HeaderValue::as_bytes);
    let mode = value(MODE).unwrap_or_default();
    if OTHER_MODES.iter().any(|other| mode.eq_ignore_ascii_case(other.as_bytes())) {
        return Err(Refusal::Mode);
    }
    let resume = Resume::from_values(value(LAST_EVENT_ID), value(IF_MODIFIED_SINCE), value(IF_NONE_MATCH));
    let hang_up = HangUp::of_this_connection();
    let stream = service.subscribe(path, &resume, hang_up)?;
    Ok(([(CONTENT_TYPE, "text/event-stream; charset=utf-8")], Body::new(stream)).into_response())
}
