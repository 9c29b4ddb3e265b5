//! The REST API: `METHOD /path.json?parameters`.
//!
//! Reading order: `request` (what is asked), `query` (its filters), `access` (who asks), this file (what is done),
//! `settings` (what is not data), `inspect` and `coverage` (why the rules forbid something), `response` (what is
//! answered), `prompt` (plain reads, at once). Must not know: how data is stored.

mod access;
mod coverage;
mod inspect;
mod prompt;
mod query;
mod request;
mod response;
mod settings;
#[cfg(test)]
mod tests;

pub(super) use prompt::Reads;

use super::databases::Databases;
use super::errors::Failure;
use super::service::{DatabaseService, ServiceError};
use super::stream::{Streams, Wanted, first_event};
use crate::server::body::Bodies;
use crate::server::connections::HangUp;
use crate::server::credentials::Credentials;
use access::Access;
use axum::body::Body;
use axum::response::Response;
use futures_util::{StreamExt, stream};
use hearth_database::json::{self, Form, Layout};
use hearth_database::{Answer, Caller, Change, CommandError, Get, Key, Leaf, Location, Node, Path, Plan, Query, Write};
use http::request::Parts;
use http::{Method, Request, StatusCode};
use query::View;
use request::{Action, Parameters, Print};
use response::{Encoder, Rendered, WORTH_A_THREAD};
use std::convert::Infallible;
use std::sync::Arc;

/// A body has at most so many bytes (firebase.google.com/docs/database/usage/limits: 256 MB from REST).
const MOST_BODY_BYTES: usize = 256 * 1024 * 1024;

/// Of the body of someone who may write nothing, so many bytes are read.
const MOST_REFUSED_BYTES: usize = 64 * 1024;

/// From so many children on, a query is answered on a thread of its own, so that other requests go on.
const MANY_CHILDREN: usize = 1000;

/// The REST API of some databases.
pub(super) struct Rest {
    databases: Arc<Databases>,
    credentials: Credentials,
    bodies: Bodies,
    encoder: Encoder,
    streams: Streams,
}

impl Rest {
    /// That of `databases`.
    pub(super) fn new(databases: Arc<Databases>, streams: Streams, credentials: Credentials, bodies: Bodies) -> Self {
        Self { databases, credentials, bodies, encoder: Encoder::default(), streams }
    }

    /// Answers one request.
    pub(super) async fn handle(self: Arc<Self>, request: Request<Body>) -> Response {
        let (parts, body) = request.into_parts();
        let mut response = if parts.method == Method::OPTIONS {
            response::empty(StatusCode::NO_CONTENT)
        } else {
            match self.answer(&parts, body).await {
                Ok(response) => response,
                Err(failure) => Box::pin(self.refuse(&parts, failure)).await,
            }
        };
        response::allow_origins(&parts, response.headers_mut());
        if parts.method == Method::HEAD {
            response::keep_head(&mut response);
        }
        response
    }

    // What a plain read does not need lies elsewhere, so that little memory is moved for one.
    async fn answer(&self, parts: &Parts, body: Body) -> Result<Response, Failure> {
        let parameters = Parameters::parse(parts.uri.query().unwrap_or_default())?;
        let action = Action::of(parts, &parameters)?;
        if action != Action::Get {
            parameters.filters.check_write(parameters.shallow)?;
        }
        let path = parts.uri.path();
        if path.starts_with("/.settings/") || path.starts_with("/.inspect/") {
            return Box::pin(self.administer(parts, &parameters, action, body)).await;
        }
        if parameters.strict {
            return Err(Failure::Parameter("format must be export"));
        }
        let location = request::location(path)?;
        request::check_conditions(action, &parts.headers)?;
        let access = access::access(parts, &parameters, &self.credentials, self.databases.now()).await?;
        let database = self.databases.find(request::namespace(parts, &parameters), &access.caller).await?;
        let depth = location.path.depth();
        if action != Action::Get
            && let Err(denied) = database.check_write_anything(&access.caller, &location.path, self.databases.now())
        {
            // A little is read all the same: a client that is still sending may never see the answer.
            let _ = Box::pin(self.bodies.read(body, MOST_REFUSED_BYTES)).await;
            return Err(denied.into());
        }
        let change = match action {
            Action::Get => {
                let view = parameters.filters.view(parameters.shallow)?;
                if request::wants_stream(&parts.headers) && parts.method != Method::HEAD {
                    return Box::pin(self.stream(&parameters, database, access, location, view)).await;
                }
                let reading = self.read(parts, &parameters, &database, access.caller, &location, view);
                return response::within(parameters.timeout, reading).await;
            }
            Action::Delete => Change::Remove,
            Action::Put => {
                let set = move |text: &[u8]| json::parse(text, depth).map(Change::Set).map_err(Failure::Data);
                Box::pin(self.parse(body, set)).await?
            }
            Action::Post => {
                let push = move |text: &[u8]| json::parse(text, depth + 1).map(Change::Push).map_err(Failure::Data);
                Box::pin(self.parse(body, push)).await?
            }
            Action::Patch => {
                let update = move |text: &[u8]| match json::parse_update(text, depth).map_err(Failure::Update)? {
                    Some(parts) => Ok(Change::Update(parts)),
                    // As the Firebase CLI removes data.
                    None => Ok(Change::Remove),
                };
                Box::pin(self.parse(body, update)).await?
            }
        };
        let write = Write { caller: access.caller, location, if_match: request::if_match(&parts.headers), change };
        let limit = parameters.write_size_limit;
        let limit = limit.unwrap_or_else(|| self.databases.options(&database).default_write_size_limit);
        if !limit.admits(&write, &database.snapshot().root) {
            return Err(Failure::WriteTooLarge);
        }
        Box::pin(self.write(parts, &parameters, &database, write)).await
    }

    async fn read(
        &self,
        parts: &Parts,
        parameters: &Parameters,
        database: &DatabaseService,
        caller: Caller,
        location: &Location,
        view: View,
    ) -> Result<Response, Failure> {
        let (node, slice) = match view {
            View::Shallow(slice) => (database.read(&caller, location, self.databases.now())?, Some(slice)),
            View::Deep(query) if query == Query::default() => {
                (database.read(&caller, location, self.databases.now())?, None)
            }
            View::Deep(query) => {
                let node = Box::pin(self.select(database, caller, location, query.clone())).await?;
                self.check_index(database, &location.path, &query)?;
                (node, None)
            }
        };
        let known = request::if_none_match(&parts.headers);
        if let Some(known) = known {
            let (tagged, weight) = (node.clone(), node.weight());
            let rendered = self.encoder.render(weight, move || Rendered::tag(&tagged)).await?;
            if rendered.etag.as_deref() == Some(known) {
                return Ok(response::not_modified(known));
            }
        }
        let (form, layout) = (parameters.form, parameters.layout());
        // Whoever has old data will want to ask again: Python's `get_if_changed` relies on it.
        let tagged = known.is_some() || request::wants_etag(&parts.headers);
        let silent = parameters.print == Print::Silent;
        let weight = match &slice {
            Some(slice) if !tagged => query::shallow_weight(&node, slice),
            Some(_) | None => node.weight(),
        };
        let rendered = self
            .encoder
            .render(weight, move || Rendered {
                etag: tagged.then(|| node.etag()),
                body: match slice {
                    _ if silent => Vec::new(),
                    Some(slice) => json::encode_shallow(&node, slice.after.as_deref(), slice.limit, layout),
                    None => json::encode(&node, form, layout),
                },
            })
            .await?;
        Ok(response::data(StatusCode::OK, rendered, parameters))
    }

    /// What a query wants of the node at `location`.
    async fn select(
        &self,
        database: &DatabaseService,
        caller: Caller,
        location: &Location,
        query: Query,
    ) -> Result<Node, Failure> {
        let (snapshot, now) = (database.snapshot(), self.databases.now());
        if location.priority {
            return Ok(query.select(&snapshot.read(&caller, location, now)?, Plan::Scan));
        }
        let children = snapshot.root.get(&location.path).len();
        let get = Get { caller, path: location.path.clone(), query };
        if children < MANY_CHILDREN {
            return Ok(snapshot.get(&get, now)?);
        }
        let select = move || snapshot.get(&get, now);
        Ok(tokio::task::spawn_blocking(select).await.map_err(|_| Failure::Internal)??)
    }

    /// An order alone wants everything, but has to be indexed all the same.
    fn check_index(&self, database: &DatabaseService, path: &Path, query: &Query) -> Result<(), Failure> {
        match database.snapshot().rules.missing_index(path, &query.order) {
            Some(index) => Err(CommandError::Unindexed { index, path: path.clone() }.into()),
            None => Ok(()),
        }
    }

    /// The answer that goes on: what there is, then what changes.
    async fn stream(
        &self,
        parameters: &Parameters,
        database: Arc<DatabaseService>,
        access: Access,
        location: Location,
        view: View,
    ) -> Result<Response, Failure> {
        let View::Deep(query) = view else {
            return Err(Failure::Parameter("shallow is not supported with event streams"));
        };
        self.check_index(&database, &location.path, &query)?;
        let Access { caller, expires, token } = access;
        let (form, hang_up) = (parameters.form, HangUp::of_this_connection());
        let wanted = Wanted { caller, expires, token, location, query, form, hang_up };
        let (node, news) = self.streams.open(database, wanted).await?;
        let weight = node.weight();
        let first = move || Rendered { etag: None, body: first_event(&node, form) };
        let first = self.encoder.render(weight, first).await?.body;
        let news = stream::unfold(news, |mut news| async move { Some((news.next().await?, news)) });
        let events = stream::once(std::future::ready(first)).chain(news).map(Ok::<_, Infallible>);
        Ok(response::events(Body::from_stream(events)))
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
            return match self.encoder.render(weight, render).await {
                Ok(rendered) => response::data(StatusCode::PRECONDITION_FAILED, rendered, &parameters),
                Err(failure) => response::error(&failure),
            };
        }
        failure.report();
        response::error(&failure)
    }
}

/// What a push answers.
fn name(key: &Key, layout: Layout) -> Vec<u8> {
    json::encode_update([("name", &Leaf::text(key.as_str()).into())], layout)
}
