//! Auth over HTTP: from a request to the operation it names, and back. Must not know: the store.

mod credentials;
mod host;
mod input;
mod oauth;
mod pages;
mod path;
mod public_keys;
mod surfaces;
mod table;

use super::errors::{Refusal, pretty};
use super::service::{Asked, AuthService, ServiceError};
use crate::server::body::Bodies;
use crate::server::client_address::{self, TrustedProxies};
use crate::server::cors;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use hearth_auth::Error;
use hearth_auth::operations::Answer;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use table::Run;

#[derive(Clone)]
struct Room {
    service: Arc<AuthService>,
    bodies: Bodies,
    proxies: Arc<TrustedProxies>,
    /// Whether it has been said that a proxy is not trusted.
    has_warned: Arc<AtomicBool>,
}

/// Serves the Identity Toolkit, Secure Token and, in emulator mode, emulator APIs. Host names of the real services are
/// the first segment of a path (`/identitytoolkit.googleapis.com/v1/accounts:signUp`).
/// What `proxies` say of where a request comes from is believed.
pub fn router(service: Arc<AuthService>, bodies: Bodies, proxies: TrustedProxies) -> Router {
    let room = Room { service, bodies, proxies: Arc::new(proxies), has_warned: Arc::default() };
    Router::new().fallback(handle).layer(middleware::from_fn(cors::reflect)).with_state(room)
}

impl Room {
    /// Where a request comes from, as it is counted; empty if nobody knows.
    fn address(&self, headers: &HeaderMap) -> Vec<u8> {
        if self.proxies.is_ignored_proxy(headers) && !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "a request has X-Forwarded-For from an address that server.trustedProxies does not name; if that is your \
                 proxy, all of its clients share one client's limits until it is named"
            );
        }
        self.proxies.client(headers).map(client_address::one_client).unwrap_or_default()
    }
}

async fn handle(State(room): State<Room>, request: Request) -> Response {
    answer(&room, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn answer(room: &Room, request: Request) -> Result<Response, Refusal> {
    let (mut head, body) = request.into_parts();
    host::into_path(&mut head);
    let service = &room.service;
    let (row, params) = table::find(&head, service.is_emulator())?;
    let privileged = credentials::check(row.auth, &head, service)?;
    let operation = match row.run {
        Run::Status => return Ok(status()),
        Run::Page(page) => return pages::show(page, room, &head).await,
        Run::ProviderForm => return pages::provider::come_back(room, body).await,
        Run::AccessToken => return oauth::answer(room, &head, body).await,
        Run::PublicKeys(purpose, form) => return public_keys::answer(&service.tokens(), purpose, form),
        Run::OfServers(operation) if !service.is_emulator() => operation,
        Run::OfServers(_) | Run::NotYet => {
            return Err(Error::NotImplemented(format!("{} is not implemented in the Auth Emulator.", row.id)).into());
        }
        Run::Operation(operation) => operation,
    };
    // The share of the memory budget is given back when the answer is there.
    let (mut input, _share) =
        input::read(&room.bodies, operation.source, operation.schema, privileged, &head, body).await?;
    input::add_named(&params, &mut input);
    let scope = input::scope(service, row.auth, privileged, &params, &input)?;
    service.admit(&scope, privileged, row.uses_accounts()).await?;
    let asked = Asked { scope, privileged, origin: service.origin(|| input::origin(&head)) };
    let action = operation.action.filter(|action| action.is_meant(&input));
    let address = if action.is_some() { room.address(&head.headers) } else { Vec::new() };
    let taken = service.count(&asked, action, &input, &address)?;
    let Some(taken) = taken else {
        return success(service, run(service, operation, asked, Arc::new(input)).await?).await;
    };
    let input = Arc::new(input);
    let result = run(service, operation, asked.clone(), Arc::clone(&input)).await;
    service.settle(&asked, &taken, &input, &address, &result);
    success(service, result?).await
}

async fn run(
    service: &AuthService,
    operation: &table::Operation,
    asked: Asked,
    input: Arc<Value>,
) -> Result<Answer, ServiceError> {
    match operation.run {
        table::Does::Glance(run) if !asked.privileged => {
            Ok(service.glance(&asked, |store, call| run(store, call, &input))?)
        }
        table::Does::Glance(run) | table::Does::Read(run) => {
            service.read(asked, move |store, call| run(store, call, &input)).await
        }
        table::Does::Inquire(run) => service.inquire(asked, move |store, call| run(store, call, &input)).await,
        table::Does::Write(run) => service.write(asked, move |store, call| run(store, call, &input)).await,
    }
}

async fn success(service: &AuthService, answer: Answer) -> Result<Response, Refusal> {
    let Answer { mut body, id_token, messages } = answer;
    service.send(&messages);
    if let Some(wanted) = id_token {
        let token = service.encode(wanted.purpose, wanted.claims).await?;
        for (index, field) in wanted.fields.iter().enumerate() {
            body.shift_insert(
                wanted.at.saturating_add(index).min(body.len()),
                (*field).to_owned(),
                token.clone().into(),
            );
        }
    }
    let json = Value::Object(body).to_string();
    Ok(([(CONTENT_TYPE, "application/json")], Body::from(json)).into_response())
}

/// What the official emulator says at `/`, by which tools recognise it.
fn status() -> Response {
    pretty(&json!({"authEmulator": {
        "ready": true,
        "docs": "https://firebase.google.com/docs/emulator-suite",
        "apiSpec": "/emulator/openapi.json",
    }}))
    .into_response()
}

/// Whom and what the path names.
#[derive(Debug, Default, PartialEq, Eq)]
struct Params {
    project: Option<String>,
    tenant: Option<String>,
    config: Option<String>,
}

impl Params {
    fn set(&mut self, name: &str, value: &str) {
        let value = Some(value.to_owned()).filter(|value| !value.is_empty());
        match name {
            "project" => self.project = value,
            "tenant" => self.tenant = value,
            "config" => self.config = value,
            // No operation that is there asks for more.
            _ => {}
        }
    }
}
