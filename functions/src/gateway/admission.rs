//! `$connect`: who becomes a connection, and under which id.

use super::config::{Authorizer, Integration, is_stage};
use super::connections::{Arrival, Connection};
use super::records::{self, DELETE_CONNECTION, LONGEST_USER, into_database_error};
use super::routes::{CONNECT, allows};
use super::session::ClientSession;
use super::{Gateway, message};
use crate::feed::feed;
use crate::ports::NoUser;
use crate::queues::NewMessage;
use crate::request::HttpRequest;
use crate::service::{Answer, Call, Socket};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use http::header::{COOKIE, USER_AGENT};
use http::{HeaderMap, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Bytes of an id, which becomes 16 characters with one `=` at the end.
const ID_BYTES: usize = 11;
/// So many bytes may wait for a client.
const OUTBOX: usize = 1024 * 1024;
/// So much of `User-Agent` is kept.
const LONGEST_AGENT: usize = 256;
/// The query's parameter with the user's id.
const USER: &str = "userId";

/// Who somebody is, if that is known.
struct Known {
    user: Option<String>,
    /// What integrations are told of him.
    principal: Value,
}

/// A refusal at the upgrade.
struct Refused(StatusCode, &'static str);

const FORBIDDEN: Refused = Refused(StatusCode::FORBIDDEN, "Forbidden");
const FAILED: Refused = Refused(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error");

impl Gateway {
    /// Makes a connection of a request for a WebSocket, or refuses it.
    pub(super) async fn admit(self: &Arc<Self>, call: Call, stage: String) -> Answer {
        match self.connect(&call, stage).await {
            Ok(socket) => Answer::Socket(socket),
            Err(Refused(status, text)) => Answer::Reply(message(status, text)),
        }
    }

    async fn connect(self: &Arc<Self>, call: &Call, stage: String) -> Result<Socket, Refused> {
        let stages = &self.config.stages;
        if !is_stage(&stage) || !(stages.is_empty() || stages.contains(&stage)) {
            return Err(FORBIDDEN);
        }
        let mut bytes = [0; ID_BYTES];
        self.platform.entropy.fill(&mut bytes);
        let id = URL_SAFE.encode(bytes);
        let event = |kind: &str, principal: Value| {
            let mut event = self.event(kind, CONNECT, &stage, &id, principal);
            if let Value::Object(event) = &mut event {
                event.insert("headers".to_owned(), headers(&call.request.headers));
                event.insert("queryStringParameters".to_owned(), query(&call.request));
            }
            event
        };
        let known = match &self.config.authorizer {
            Authorizer::Nobody => Known { user: None, principal: Value::Null },
            Authorizer::IdToken => self.owner(call).await?,
            Authorizer::Custom(authorizer) => self.ask(authorizer, &event("REQUEST", Value::Null)).await?,
        };
        let asked = call.request.query(USER).filter(|user| !user.is_empty());
        let user = match (known.user, asked) {
            // Nobody connects as somebody else.
            (Some(user), Some(asked)) if user != asked => return Err(FORBIDDEN),
            (Some(user), _) | (None, Some(user)) => user,
            (None, None) => return Err(Refused(StatusCode::BAD_REQUEST, "userId is missing")),
        };
        if user.len() > LONGEST_USER {
            return Err(Refused(StatusCode::BAD_REQUEST, "userId is too long"));
        }
        if let Some(route) = self.config.routes.get(CONNECT) {
            let answer = self.integrations.call(&route.integration, &event("CONNECT", known.principal)).await;
            match answer {
                Ok((status, _)) if status.is_success() => {}
                Ok((status, _)) if status.is_client_error() => return Err(Refused(status, "Refused")),
                Ok(_) | Err(_) => return Err(FAILED),
            }
        }
        self.register(call, id, stage, user).await
    }

    /// The owner of the ID token in the query.
    async fn owner(&self, call: &Call) -> Result<Known, Refused> {
        let token = call.request.query(&self.config.token_parameter).ok_or(FORBIDDEN)?;
        match self.platform.accounts.verify(&token).await {
            Ok(user) => Ok(Known { principal: json!({"principalId": user.uid}), user: Some(user.uid) }),
            Err(NoUser::Refused) => Err(FORBIDDEN),
            Err(NoUser::Unavailable(_)) => Err(FAILED),
        }
    }

    /// Whom an authorizer function lets in, and as whom.
    async fn ask(&self, authorizer: &Integration, event: &Value) -> Result<Known, Refused> {
        let (status, body) = self.integrations.call(authorizer, event).await.map_err(|error| {
            tracing::warn!(%error, "the authorizer gave no answer");
            FAILED
        })?;
        if !allows(status, &body) {
            return Err(FORBIDDEN);
        }
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let principal = answer.get("principalId").and_then(Value::as_str).unwrap_or_default();
        let mut told = answer.get("context").and_then(Value::as_object).cloned().unwrap_or_default();
        told.insert("principalId".to_owned(), Value::from(principal));
        Ok(Known { user: None, principal: Value::Object(told) })
    }

    /// Keeps the record, plans the end, and hands the connection out.
    async fn register(
        self: &Arc<Self>,
        call: &Call,
        id: String,
        stage: String,
        user: String,
    ) -> Result<Socket, Refused> {
        let (outlet, feed) = feed(OUTBOX);
        let agent = call.request.header(&USER_AGENT).unwrap_or_default();
        let agent = agent.chars().take(LONGEST_AGENT).collect::<String>().into();
        let arrival = Arrival { id, stage, user, outlet, source: call.client, agent };
        let connection = Arc::new(Connection::new(arrival, self.now()));
        let session = Arc::new(ClientSession::new(self, &connection));
        let (kept, queues) = (Arc::clone(&connection), self.queues.clone());
        let end = self.config.delete_after.map(|delay| {
            let body = json!({"connectionId": connection.id}).to_string();
            self.queues.prepare(NewMessage { delay: Some(delay), ..NewMessage::text(body) })
        });
        let keep = self.platform.database.transact(move |transaction| {
            let (kept, message) = (&*kept, end.as_ref().map(|end| &end.id));
            records::keep(transaction, (&kept.id, &kept.user, &kept.stage), kept.connected, message)?;
            end.map(|end| queues.send_in(transaction, DELETE_CONNECTION, &end)).transpose().map_err(into_database_error)
        });
        let due = keep.await.map_err(|error| {
            tracing::error!(%error, "a connection cannot be kept");
            FAILED
        })?;
        self.queues.sent(DELETE_CONNECTION, due.as_slice());
        if self.connections.add(&connection, self.limits()) {
            self.timers.touch();
        }
        let (longest_message, longest_frame) = (self.config.message_bytes, self.config.frame_bytes);
        Ok(Socket { headers: HeaderMap::new(), longest_message, longest_frame, feed, session })
    }
}

/// The headers of a request as integrations are told of them.
fn headers(headers: &HeaderMap) -> Value {
    let text = headers
        .iter()
        .filter(|(name, _)| *name != COOKIE)
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), Value::from(value.to_str().ok()?))));
    Value::Object(text.collect())
}

/// The query of a request; of several parameters of one name the first.
fn query(request: &HttpRequest) -> Value {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut query = Map::new();
    for pair in request.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        query.entry(decode(key)).or_insert_with(|| Value::from(decode(value)));
    }
    Value::Object(query)
}
