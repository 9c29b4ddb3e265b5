//! What people and browsers open: the page behind links in emails, the page that stands for identity providers, and what
//! the web SDK loads for it. Must not know: the store.

mod action;
mod openapi;
pub(super) mod provider;

use super::Room;
use super::input::{origin, pairs};
use crate::auth::errors::{Refusal, pretty};
use crate::auth::service::Asked;
use axum::response::{IntoResponse, Response};
use hearth_auth::operations::idp;
use hearth_auth::store::Scope;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderName, StatusCode};
use serde_json::{Value, json};

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// Behind links in emails, in an emulator: it does at once what the link is for.
    Action,
    /// Behind links in emails, for people.
    Link,
    /// Stands for identity providers, in an emulator; leads to them elsewhere.
    Handler,
    /// What leads there.
    HandlerScript,
    /// Hands on what the provider's page says.
    Iframe,
    /// Stands for Google's script where there is no internet.
    Gapi,
    /// The API in the OpenAPI format.
    OpenApi,
}

/// The parameters of a page's address.
struct Query(Vec<(String, String)>);

impl Query {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// Shows a page.
pub(super) async fn show(page: Page, room: &Room, head: &Parts) -> Result<Response, Refusal> {
    let query = Query(pairs(head.uri.query().unwrap_or_default()));
    let tenant = query.get("tenantId").or(query.get("tid")).map(str::to_owned);
    let scope = Scope { tenant, ..Scope::project(room.service.project()) };
    let asked = Asked { scope, privileged: false, origin: room.service.origin(|| origin(head)) };
    match page {
        Page::Action => action::act(room, asked, &query).await,
        Page::Link => Ok(html(include_str!("link.html").to_owned())),
        Page::Handler if room.service.is_emulator() => handler(room, asked, &query).await,
        Page::Handler => provider::page(room, asked, &query).await,
        Page::HandlerScript => Ok(provider::script()),
        Page::Iframe => provider::relay(room, asked).await,
        Page::Gapi => Ok(([(CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("gapi.js")).into_response()),
        Page::OpenApi => Ok(pretty(&openapi::document(&asked.origin)).into_response()),
    }
}

fn html(page: String) -> Response {
    // Nobody guesses what it is, and nobody keeps it.
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
        (http::header::CACHE_CONTROL, "no-store"),
    ];
    (headers, page).into_response()
}

/// In the form of the emulator's own answers.
fn complaint(fields: Value) -> Response {
    (StatusCode::BAD_REQUEST, pretty(&json!({"authEmulator": fields}))).into_response()
}

async fn handler(room: &Room, asked: Asked, query: &Query) -> Result<Response, Refusal> {
    let (Some(_), Some(provider)) = (query.get("apiKey"), query.get("providerId")) else {
        return Ok(complaint(json!({"error": "missing apiKey or providerId query parameters"})));
    };
    let provider = provider.to_owned();
    let known = room.service.read(asked, move |store, call| idp::known_users(store, call, &provider)).await?;
    // No text in it may end the script's element.
    let known = Value::Array(known).to_string().replace('<', "\\u003c");
    Ok(html(include_str!("handler.html").replace("/*ACCOUNTS*/", &known)))
}
