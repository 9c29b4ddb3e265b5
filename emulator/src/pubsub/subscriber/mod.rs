//! Subscribers: streams, polls, WebSockets. Must not know: who publishes.

mod line;
mod outbox;
mod poll;
mod stream;
mod subscription;
mod websocket;
mod writer;

pub(super) use line::{Line, Wait};
pub(super) use outbox::Outbox;
pub(super) use stream::Stream;
pub(super) use subscription::Subscription;

use super::PubsubService;
use super::access::{self, Pass};
use super::errors::Refusal;
use super::expression::{Asked, Expression};
use super::headers::{self, LAST_EVENT_ID, MODE};
use super::service;
use super::settings::{Mode, SubscriberSettings};
use crate::server::connections::HangUp;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use hearth_pubsub::path::ChannelPath;
use hearth_pubsub::replay::Resume;
use http::header::{CONTENT_TYPE, IF_MODIFIED_SINCE, IF_NONE_MATCH, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, StatusCode, Version};
use std::sync::Arc;

const METHODS: &str = "GET";
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");

/// What the answer to a subscriber needs to know of its request.
pub(super) struct Place<'s> {
    number: usize,
    settings: &'s SubscriberSettings,
    mode: Mode,
    path: ChannelPath,
    resume: Resume,
    padding: Option<usize>,
    origins: Option<HeaderValue>,
    /// What its token allows, where one is asked for.
    pass: Result<Pass, Refusal>,
    /// The function that wraps a poll's answer.
    callback: Vec<u8>,
}

impl<'s> Place<'s> {
    pub(super) async fn new(
        service: &PubsubService,
        number: usize,
        settings: &'s SubscriberSettings,
        path: ChannelPath,
        asked: &Asked<'_>,
    ) -> Self {
        let pass = match &settings.access {
            Some(access) if *asked.method == Method::GET => access::admit(service, access, asked, &path).await,
            Some(_) | None => Ok(Pass::open()),
        };
        let value = |expression: &Option<Expression>, header: HeaderName| match expression {
            // A query argument is percent-encoded, a header is not.
            Some(expression) => percent_encoding::percent_decode(&expression.value(asked)).collect(),
            None => asked.header(&header).to_vec(),
        };
        let resume = Resume::from_values(
            Some(&value(&settings.last_event_id, LAST_EVENT_ID)),
            Some(&value(&settings.last_received_message_time, IF_MODIFIED_SINCE)),
            Some(&value(&settings.last_received_message_tag, IF_NONE_MATCH)),
        );
        let agent = value(&settings.user_agent, USER_AGENT);
        Self {
            number,
            settings,
            mode: mode(settings.mode, asked.header(&MODE)),
            path,
            resume,
            padding: settings.padding.iter().position(|rule| rule.agent.is_match(&agent)),
            origins: headers::origins(settings.allowed_origins.as_ref(), asked),
            pass,
            callback: asked.decoded_argument("callback"),
        }
    }

    /// What the channels are asked for.
    fn request(&self) -> Result<service::Request<'_>, Refusal> {
        let pass = self.pass.as_ref().map_err(|refusal| *refusal)?;
        let terms = match self.mode {
            Mode::LongPolling => SubscriberSettings::waiting_terms,
            Mode::Streaming | Mode::Polling | Mode::EventSource | Mode::WebSocket => SubscriberSettings::terms,
        };
        let (location, padding, path, resume) = (self.number, self.padding, &self.path, &self.resume);
        Ok(service::Request { location, padding, path, resume, terms, pass })
    }
}

/// The mode of an answer: that of the place, unless the request asks for polling; a WebSocket's place has no other.
fn mode(place: Mode, asked: &[u8]) -> Mode {
    match place {
        Mode::WebSocket => Mode::WebSocket,
        Mode::Streaming | Mode::Polling | Mode::LongPolling | Mode::EventSource => {
            if asked.eq_ignore_ascii_case(b"polling") {
                Mode::Polling
            } else if asked.eq_ignore_ascii_case(b"long-polling") {
                Mode::LongPolling
            } else {
                place
            }
        }
    }
}

pub(super) async fn answer(service: &Arc<PubsubService>, place: Place<'_>, request: Request) -> Response {
    if place.mode == Mode::WebSocket {
        return websocket::answer(service, &place, request);
    }
    let (method, version) = (request.method().clone(), request.version());
    let mut response = serve(service, &place, &method, version).await.unwrap_or_else(Refusal::into_response);
    let headers = response.headers_mut();
    headers::allow_origins(headers, place.origins, METHODS, place.settings.access.is_some());
    if method != Method::OPTIONS {
        headers::forbid_caching(headers);
    }
    response
}

async fn serve(
    service: &Arc<PubsubService>,
    place: &Place<'_>,
    method: &Method,
    version: Version,
) -> Result<Response, Refusal> {
    match *method {
        Method::OPTIONS => return Ok(StatusCode::OK.into_response()),
        Method::GET => {}
        _ => return Err(Refusal::Method(METHODS)),
    }
    let content_type = match place.mode {
        Mode::Polling | Mode::LongPolling => return poll::answer(service, place).await,
        Mode::EventSource => EVENT_STREAM,
        Mode::Streaming | Mode::WebSocket => place.settings.default_type.clone(),
    };
    let stream = service.subscribe(&place.request()?, HangUp::of_this_connection())?;
    let body = Body::new(Stream::new(stream, version >= Version::HTTP_11));
    Ok(([(CONTENT_TYPE, content_type)], body).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_may_ask_for_polling_only() {
        use Mode::{EventSource, LongPolling, Polling, Streaming, WebSocket};
        for (place, asked, expect) in [
            (EventSource, "", EventSource),
            (EventSource, "Polling", Polling),
            (Streaming, "LONG-polling", LongPolling),
            (LongPolling, "polling", Polling),
            (Polling, "streaming", Polling),
            (Streaming, "eventsource", Streaming),
            (WebSocket, "polling", WebSocket),
        ] {
            assert_eq!(mode(place, asked.as_bytes()), expect, "{place:?} {asked}");
        }
    }
}
