//! Publish, ask, delete. Must not know: who listens.

use super::PubsubService;
use super::access::{self, Pass};
use super::errors::Refusal;
use super::expression::Asked;
use super::headers::{self, EVENT_ID, EVENT_TYPE, EXPLAIN};
use super::settings::PublisherSettings;
use super::statistics::written;
use crate::server::body::Bodies;
use crate::server::credentials::same_secret;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hearth_pubsub::message::{EventField, Publication};
use hearth_pubsub::path::ChannelPath;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

const METHODS: &str = "GET, POST, PUT";
const ADMIN_METHODS: &str = "GET, POST, PUT, DELETE";

/// What the answer to a publisher needs to know of its request.
pub(super) struct Place<'s> {
    settings: &'s PublisherSettings,
    path: ChannelPath,
    origins: Option<HeaderValue>,
    /// What its token allows, where one is asked for.
    pass: Result<Pass, Refusal>,
}

impl<'s> Place<'s> {
    pub(super) async fn new(
        service: &PubsubService,
        settings: &'s PublisherSettings,
        path: ChannelPath,
        asked: &Asked<'_>,
    ) -> Self {
        let pass = enter(service, settings, &path, asked).await;
        Self { settings, path, origins: headers::origins(settings.allowed_origins.as_ref(), asked), pass }
    }
}

/// What a place serves.
pub(super) fn methods(settings: &PublisherSettings) -> &'static str {
    if settings.admin { ADMIN_METHODS } else { METHODS }
}

pub(super) async fn answer(service: &PubsubService, bodies: &Bodies, place: Place<'_>, request: Request) -> Response {
    let methods = methods(place.settings);
    let served = serve(service, bodies, &place, methods, request).await;
    let mut response = served.unwrap_or_else(Refusal::into_response);
    let headers = response.headers_mut();
    headers::allow_origins(headers, place.origins, methods, place.settings.access.is_some());
    headers::forbid_caching(headers);
    response
}

async fn serve(
    service: &PubsubService,
    bodies: &Bodies,
    place: &Place<'_>,
    methods: &'static str,
    request: Request,
) -> Result<Response, Refusal> {
    let settings = place.settings;
    let pass = place.pass.as_ref().map_err(|refusal| *refusal)?;
    match *request.method() {
        Method::POST | Method::PUT if !pass.publishes => return Err(Refusal::ListenersToken),
        Method::DELETE if settings.admin && !pass.is_admin => return Err(Refusal::ListenersToken),
        _ => {}
    }
    let (head, body) = request.into_parts();
    let ids = place.path.ids();
    match head.method {
        Method::OPTIONS => Ok(StatusCode::OK.into_response()),
        Method::GET => {
            let report = service.info(&ids)?.ok_or(Refusal::NoSuchChannel)?;
            Ok(written(&report, &head.headers))
        }
        Method::POST | Method::PUT => {
            service.check_writable(&ids)?;
            let body = bodies.read(body, settings.body_limit).await?;
            let publication = Publication {
                // Copied, or a small message would keep the whole buffer of its connection.
                body: Bytes::copy_from_slice(&body),
                event_id: event_field(&head.headers, &EVENT_ID),
                event_type: event_field(&head.headers, &EVENT_TYPE),
            };
            let infos = service.publish_to(&ids, &publication, settings.store_messages).await?;
            let report = if settings.channel_info_on_publish { service.report(infos) } else { None };
            Ok(report.map_or_else(|| StatusCode::OK.into_response(), |report| written(&report, &head.headers)))
        }
        Method::DELETE if settings.admin => {
            service.check_writable(&ids)?;
            let body = bodies.read(body, settings.body_limit).await?;
            let text = (!body.is_empty()).then(|| Bytes::copy_from_slice(&body));
            match service.delete(&ids, text).await? {
                0 => Err(Refusal::NoSuchChannel),
                _ => Ok((StatusCode::OK, [(EXPLAIN, "Channel deleted.")]).into_response()),
            }
        }
        _ => Err(Refusal::Method(methods)),
    }
}

/// What a request may do: everything with the secret; with a token, where those are welcome, what that allows.
async fn enter(
    service: &PubsubService,
    settings: &PublisherSettings,
    path: &ChannelPath,
    asked: &Asked<'_>,
) -> Result<Pass, Refusal> {
    let by_secret = Pass { is_admin: true, ..Pass::open() };
    match &settings.access {
        // Preflights included: the original asks for the secret before it looks at the method.
        None if knows(&settings.secret, asked.headers) => Ok(by_secret),
        None => Err(Refusal::Secret),
        Some(_) if *asked.method == Method::OPTIONS => Ok(Pass::default()),
        Some(_) if !settings.secret.is_empty() && knows(&settings.secret, asked.headers) => Ok(by_secret),
        Some(access) => access::admit(service, access, asked, path).await,
    }
}

/// Whether the request bears the secret.
pub(super) fn knows(secret: &str, headers: &HeaderMap) -> bool {
    is_secret(secret, headers.get(AUTHORIZATION).map_or(&[][..], HeaderValue::as_bytes))
}

/// Whether `given` is the secret: the whole header, without a scheme. An empty secret asks for nothing.
pub(super) fn is_secret(secret: &str, given: &[u8]) -> bool {
    secret.is_empty() || same_secret(given, secret.as_bytes())
}

fn event_field(headers: &HeaderMap, name: &HeaderName) -> Option<EventField> {
    headers.get(name).and_then(|value| EventField::new(value.as_bytes()))
}
