//! Polling and long polling: one answer with what is there, or with the first message that comes.
//!
//! `Last-Modified` and `Etag` say where the next request goes on. Must not know: how messages are stored.

use super::Place;
use crate::pubsub::PubsubService;
use crate::pubsub::errors::Refusal;
use crate::pubsub::service::{Polled, Request};
use crate::pubsub::settings::Mode;
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use hearth_pubsub::date;
use hearth_pubsub::message::Stamp;
use http::header::{CONTENT_TYPE, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue, StatusCode};
use std::future::poll_fn;
use std::sync::Arc;

pub(super) async fn answer(service: &Arc<PubsubService>, place: &Place<'_>) -> Result<Response, Refusal> {
    let request = place.request()?;
    if place.mode == Mode::Polling {
        let backlog = service.poll(&request)?;
        return Ok(match backlog.newest {
            Some(newest) => messages(service, place, &request, &backlog.messages, newest),
            None => nothing_new(place),
        });
    }
    let waiting = match service.wait(&request)? {
        Polled::Waits(waiting) => waiting,
        Polled::Now(backlog) => {
            return Ok(messages(service, place, &request, &backlog.messages, backlog.newest.unwrap_or_default()));
        }
    };
    let answer = poll_fn(|context| waiting.poll_answer(context)).await;
    // What the server says of its own has no time and no place.
    let now = Stamp { time: service.now() / 1000, tag: 0 };
    Ok(match answer {
        Some((frame, stamp)) if stamp == Stamp::default() => messages(service, place, &request, &[frame], now),
        Some((frame, stamp)) => messages(service, place, &request, &[frame], stamp),
        None => {
            let mut response = StatusCode::NOT_MODIFIED.into_response();
            continue_after(response.headers_mut(), now);
            response
        }
    })
}

/// Messages between header and footer, the latest of them with this stamp.
fn messages(
    service: &PubsubService,
    place: &Place<'_>,
    request: &Request<'_>,
    messages: &[Bytes],
    newest: Stamp,
) -> Response {
    let (opening, closing) = service.around(request);
    let jsonp = !place.callback.is_empty();
    let mut body = BytesMut::from(&opening[..]);
    if jsonp {
        body.put_slice(&place.callback);
        body.put_slice(b"([");
    }
    for (index, message) in messages.iter().enumerate() {
        if jsonp && index > 0 {
            body.put_u8(b',');
        }
        body.put_slice(message);
    }
    if jsonp {
        body.put_slice(b"]);");
    }
    body.put_slice(&closing);
    let javascript = HeaderValue::from_static("application/javascript");
    let content_type = if jsonp { javascript } else { place.settings.default_type.clone() };
    let mut response = ([(CONTENT_TYPE, content_type)], body.freeze()).into_response();
    continue_after(response.headers_mut(), newest);
    response
}

/// No messages: what the request came with still holds.
fn nothing_new(place: &Place<'_>) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    let since = place.resume.modified_since.and_then(|since| u64::try_from(since).ok());
    let headers = response.headers_mut();
    if let Some(date) = since.and_then(|since| HeaderValue::try_from(date::http(since)).ok()) {
        headers.insert(LAST_MODIFIED, date);
    }
    if let Some(tag) = place.resume.tag.and_then(|tag| HeaderValue::try_from(format!("W/{tag}")).ok()) {
        headers.insert(ETAG, tag);
    }
    response
}

fn continue_after(headers: &mut HeaderMap, stamp: Stamp) {
    let values = [(LAST_MODIFIED, date::http(stamp.time)), (ETAG, format!("W/{}", stamp.tag))];
    headers.extend(values.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?))));
}
