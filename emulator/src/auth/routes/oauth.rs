//! OAuth2's token endpoint, in OAuth2's own dialect. Must not know: how a statement is verified.

use super::Room;
use super::input;
use super::table::Source;
use crate::auth::errors::{Refusal, denied};
use crate::auth::service::Asked;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hearth_auth::operations::access_token::{Request, SCHEMA, exchange};
use hearth_auth::store::Scope;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use serde_json::Value;

/// Exchanges a statement for an access token.
pub(super) async fn answer(room: &Room, head: &Parts, body: Body) -> Result<Response, Refusal> {
    let (input, _share) = input::read(&room.bodies, Source::JsonOrForm, SCHEMA, false, head, body).await?;
    let field = |name: &str| input.get(name).and_then(Value::as_str).map(str::to_owned);
    let request = Request { grant_type: field("grantType"), assertion: field("assertion") };
    let service = &room.service;
    let scope = Scope::project(service.project());
    let exchanged = service
        .write(Asked { privileged: false, ..Asked::itself(scope) }, move |store, call| {
            Ok(exchange(store, call.entropy, call.now, &request))
        })
        .await?;
    let headers = [(CONTENT_TYPE, "application/json; charset=UTF-8"), (CACHE_CONTROL, "no-store")];
    match exchanged {
        Ok(token) => Ok((headers, Value::Object(token).to_string()).into_response()),
        Err(error) => Ok(denied(&error)),
    }
}
