//! The REST API: `METHOD /path.json?parameters`.
//!
//! Reading order: `request` (what is asked), `query` (its filters), `access` (who asks), this file (what is done),
//! `response` (what is answered). Must not know: how data is stored.

mod access;
mod query;
mod request;
mod response;
#[cfg(test)]
mod tests;

use super::databases::Databases;
use super::errors::Failure;
use super::service::{DatabaseService, ServiceError};
use crate::server::body::Bodies;
use crate::server::credentials::Credentials;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hearth_database::json::{self, Form, Layout};
use hearth_database::{Answer, Caller, Change, CommandError, Key, Leaf, Node, Write};
use http::request::Parts;
use http::{Method, Request, StatusCode};
use request::{Action, Parameters, Print};
use response::{Encoder, Rendered, WORTH_A_THREAD};
use std::sync::Arc;

/// A body has at most so many bytes (firebase.google.com/docs/database/usage/limits: 256 MB from REST).
const MOST_BODY_BYTES: usize = 256 * 1024 * 1024;

/// Of the body of someone who may write nothing, so many bytes are read.
const MOST_REFUSED_BYTES: usize = 64 * 1024;

/// The REST API of `databases`.
pub(super) fn router(databases: Arc<Databases>, credentials: Credentials, bodies: Bodies) -> Router {
    let rest = Rest { databases, credentials, bodies, encoder: Encoder::default() };
    Router::new().fallback(handle).with_state(Arc::new(rest))
}

struct Rest {
    databases: Arc<Databases>,
    credentials: Credentials,
    bodies: Bodies,
    encoder: Encoder,
}

async fn handle(State(rest): State<Arc<Rest>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let mut response = if parts.method == Method::OPTIONS {
        response::empty(StatusCode::NO_CONTENT)
    } else {
        match rest.answer(&parts, body).await {
            Ok(response) => response,
            Err(failure) => rest.refuse(&parts, failure).await,
        }
    };
    response::allow_origins(&parts, response.headers_mut());
    // To a HEAD the router sends the head alone.
    response
}

impl Rest {
    async fn answer(&self, parts: &Parts, body: Body) -> Result<Response, Failure> {
        let parameters = Parameters::parse(parts.uri.query().unwrap_or_default())?;
        let action = Action::of(parts, &parameters)?;
        if action != Action::Get {
            parameters.query.check_write(parameters.shallow)?;
        }
        let path = parts.uri.path();
        if path == "/.inspect/databases.json" {
            return self.inspect(parts, &parameters, action).await;
        }
        if path.starts_with("/.settings/") {
            return Err(Failure::Unsupported("The endpoints of .settings are not supported."));
        }
        let location = request::location(path)?;
        request::check_conditions(action, &parts.headers)?;
        let caller = access::caller(parts, &parameters, &self.credentials).await?;
        let database = self.databases.find(parameters.namespace.as_deref(), caller).await?;
        let depth = location.path.depth();
        if action != Action::Get && !database.may_write_anything(caller) {
            // A little is read all the same: a client that is still sending may never see the answer.
            let _ = self.bodies.read(body, MOST_REFUSED_BYTES).await;
            return Err(Failure::Service(ServiceError::Command(CommandError::Denied)));
        }
        let change = match action {
            Action::Get => {
                if request::wants_stream(&parts.headers) {
                    return Err(Failure::Unsupported("Event streams are not supported."));
                }
                let slice = parameters.query.check_read(parameters.shallow)?;
                let node = database.read(caller, &location)?;
                return self.read(parts, &parameters, node, slice).await;
            }
            Action::Delete => Change::Remove,
            Action::Put => {
                let set = move |text: &[u8]| json::parse(text, depth).map(Change::Set).map_err(Failure::Data);
                self.parse(body, set).await?
            }
            Action::Post => {
                let push = move |text: &[u8]| json::parse(text, depth + 1).map(Change::Push).map_err(Failure::Data);
                self.parse(body, push).await?
            }
            Action::Patch => {
                let update = move |text: &[u8]| match json::parse_update(text, depth).map_err(Failure::Update)? {
                    Some(parts) => Ok(Change::Update(parts)),
                    // As the Firebase CLI removes data.
                    None => Ok(Change::Remove),
                };
                self.parse(body, update).await?
            }
        };
        let write = Write { caller, location, if_match: request::if_match(&parts.headers), change };
        self.write(parts, &parameters, &database, write).await
    }

    async fn read(
        &self,
        parts: &Parts,
        parameters: &Parameters,
        node: Node,
        slice: query::Slice,
    ) -> Result<Response, Failure> {
        if let Some(known) = request::if_none_match(&parts.headers) {
            let (tagged, weight) = (node.clone(), node.weight());
            let rendered = self.encoder.render(weight, parameters.timeout, move || Rendered::tag(&tagged)).await?;
            if rendered.etag.as_deref() == Some(known) {
                return Ok(response::not_modified(known));
            }
        }
        let (form, layout, shallow) = (parameters.form, parameters.layout(), parameters.shallow);
        let tagged = request::wants_etag(&parts.headers);
        let silent = parameters.print == Print::Silent;
        let weight = if shallow && !tagged { query::shallow_weight(&node, &slice) } else { node.weight() };
        let rendered = self
            .encoder
            .render(weight, parameters.timeout, move || Rendered {
                etag: tagged.then(|| node.etag()),
                body: if silent {
                    Vec::new()
                } else if shallow {
                    json::encode_shallow(&node, slice.after.as_deref(), slice.limit, layout)
                } else {
                    json::encode(&node, form, layout)
                },
            })
            .await?;
        Ok(response::data(StatusCode::OK, rendered, parameters))
    }

    /// Turns a body into the change it asks for.
    async fn parse(
        &self,
        body: Body,
        parse: impl FnOnce(&[u8]) -> Result<Change, Failure> + Send + 'static,
    ) -> Result<Change, Failure> {
        let body = self.bodies.read(body, MOST_BODY_BYTES).await?;
        if body.trim_ascii().is_empty() {
            return Err(Failure::NoData);
        }
        if (body.len() as u64) < WORTH_A_THREAD {
            return parse(&body);
        }
        tokio::task::spawn_blocking(move || parse(&body)).await.unwrap_or(Err(Failure::Internal))
    }

    async fn write(
        &self,
        parts: &Parts,
        parameters: &Parameters,
        database: &DatabaseService,
        write: Write,
    ) -> Result<Response, Failure> {
        let names: Vec<String> = match &write.change {
            Change::Update(parts) => {
                parts.iter().map(|(location, _)| location.to_string().trim_start_matches('/').to_owned()).collect()
            }
            Change::Set(_) | Change::Push(_) | Change::Remove => Vec::new(),
        };
        let answer = database.write(write).await?;
        let (layout, silent) = (parameters.layout(), parameters.print == Print::Silent);
        let tagged = request::wants_etag(&parts.headers);
        let weight = match &answer {
            Answer::Written(node) | Answer::Pushed { node, .. } => node.weight(),
            Answer::Updated(nodes) => nodes.iter().map(Node::weight).sum(),
            Answer::Done(_) | Answer::Got(_) | Answer::Listening { .. } | Answer::Accepted => 0,
        };
        let render = move || {
            let (etag, body) = match &answer {
                Answer::Written(node) => (tagged.then(|| node.etag()), json::encode(node, Form::Value, layout)),
                Answer::Pushed { key, node } => (tagged.then(|| node.etag()), name(key, layout)),
                Answer::Updated(nodes) => {
                    (None, json::encode_update(names.iter().map(String::as_str).zip(nodes), layout))
                }
                Answer::Done(_) | Answer::Got(_) | Answer::Listening { .. } | Answer::Accepted => (None, Vec::new()),
            };
            Rendered { etag, body: if silent { Vec::new() } else { body } }
        };
        let weight = if silent && !tagged { 0 } else { weight };
        let rendered = response::render_echo(weight, render).await?;
        Ok(response::data(StatusCode::OK, rendered, parameters))
    }

    /// The answer to a request that failed. Of a stale one it is the current data.
    async fn refuse(&self, parts: &Parts, failure: Failure) -> Response {
        if let Failure::Service(ServiceError::Command(CommandError::Stale(node))) = failure {
            let parameters = Parameters::parse(parts.uri.query().unwrap_or_default()).unwrap_or_default();
            let (layout, weight) = (parameters.layout(), node.weight());
            let render = move || Rendered { etag: Some(node.etag()), body: json::encode(&node, Form::Value, layout) };
            return match self.encoder.render(weight, None, render).await {
                Ok(rendered) => response::data(StatusCode::PRECONDITION_FAILED, rendered, &parameters),
                Err(failure) => response::error(&failure),
            };
        }
        failure.report();
        response::error(&failure)
    }

    /// The databases there are, as the Firebase CLI asks for them when it exports.
    async fn inspect(&self, parts: &Parts, parameters: &Parameters, action: Action) -> Result<Response, Failure> {
        if action != Action::Get {
            return Err(Failure::Method);
        }
        if access::caller(parts, parameters, &self.credentials).await? != Caller::Admin {
            return Err(Failure::AdminOnly);
        }
        let databases = Arc::clone(&self.databases);
        let names = tokio::task::spawn_blocking(move || databases.names()).await.map_err(|_| Failure::Internal)??;
        let list: serde_json::Value = names.into_iter().map(|name| serde_json::json!({ "name": name })).collect();
        let rendered = Rendered { etag: None, body: list.to_string().into_bytes() };
        Ok(response::data(StatusCode::OK, rendered.into(), parameters))
    }
}

/// What a push answers.
fn name(key: &Key, layout: Layout) -> Vec<u8> {
    json::encode_update([("name", &Leaf::text(key.as_str()).into())], layout)
}
