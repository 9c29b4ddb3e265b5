//! Where tickets are made, for those who know the publishing secret. Must not know: who will use them.

use super::PubsubService;
use super::errors::Refusal;
use super::headers;
use super::publisher::knows;
use super::settings::TicketSettings;
use super::ticket::Ticket;
use crate::server::body::Bodies;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use hearth_pubsub::path::ChannelPath;
use hearth_pubsub::pattern::Pattern;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

const METHODS: &str = "POST";
/// The longest request.
const BODY_LIMIT: usize = 64 * 1024;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What a ticket is to be.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wish {
    channels: Vec<String>,
    /// In seconds.
    ttl: Option<u64>,
    publish: bool,
    uid: Option<String>,
}

pub(super) async fn answer(
    service: &PubsubService,
    bodies: &Bodies,
    settings: &TicketSettings,
    path: ChannelPath,
    request: Request,
) -> Response {
    let mut response = make(service, bodies, settings, path, request).await.unwrap_or_else(Refusal::into_response);
    headers::forbid_caching(response.headers_mut());
    response
}

async fn make(
    service: &PubsubService,
    bodies: &Bodies,
    settings: &TicketSettings,
    path: ChannelPath,
    request: Request,
) -> Result<Response, Refusal> {
    if !knows(&settings.secret, request.headers()) {
        return Err(Refusal::Secret);
    }
    if request.method() != Method::POST {
        return Err(Refusal::Method(METHODS));
    }
    let key = service.settings().ticket_key.as_ref().ok_or(Refusal::NotATicket)?;
    let body = bodies.read(request.into_body(), BODY_LIMIT).await?;
    let mut wish: Wish = match body.is_empty() {
        true => Wish::default(),
        false => serde_json::from_slice(&body).map_err(|_| Refusal::NotATicket)?,
    };
    wish.channels.extend(path.ids().iter().map(ToString::to_string));
    let sound = wish
        .channels
        .iter()
        .all(|source| Pattern::parse(source).is_some_and(|pattern| wish.uid.is_some() || !pattern.names_uid()));
    let longest = settings.longest.get() / 1000;
    let ttl = wish.ttl.unwrap_or(longest);
    if wish.channels.is_empty() || !sound || ttl == 0 || ttl > longest {
        return Err(Refusal::NotATicket);
    }
    let ticket = Ticket::new(service.now() / 1000 + ttl, wish.channels, wish.publish, wish.uid);
    let answer = json!({ "ticket": key.sign(&ticket), "expires": ticket.exp });
    Ok((StatusCode::OK, [(CONTENT_TYPE, JSON)], answer.to_string()).into_response())
}
