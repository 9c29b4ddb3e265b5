//! Gateway: an API-Gateway-style WebSocket API with queues.
//!
//! Reading order: `config`, `target` (what a path means), `connections` (those that are open), `records` (what is kept
//! of them), `routes` (who answers a message), `admission` ($connect), `session` (messages), `limits`, `consumers` (the
//! queues' own), `management` (@connections), `signature`, `sqs` (queues as AWS clients speak them). Must not know: how
//! queues keep their messages.

mod admission;
mod config;
mod connections;
mod consumers;
mod limits;
mod management;
mod records;
mod routes;
mod session;
mod signature;
mod sqs;
mod target;

use crate::feed::Unsent;
use crate::ports::{DatabaseError, Millis, Platform, Tasks, Timers};
use crate::queues::{Attributes, DeadLetters, NewMessage, Queues, Refusal};
use crate::request::Reply;
use crate::service::{Answer, Call, Hosted, Service};
use bytes::Bytes;
use chrono::DateTime;
use config::Config;
use connections::{Connection, Connections, Limits};
use futures_util::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use limits::Watch;
use records::{DELETE_CONNECTION, Kept};
use routes::{DISCONNECT, Integrations};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use target::Target;

/// Where messages to a user's connections are put.
const NOTIFY_USER: &str = "NotifyUser";
/// Where messages to a connection are put.
const NOTIFY_CONNECTION: &str = "NotifyConnection";
/// Where messages go that could not end a connection.
const DEAD_LETTERS: &str = "DeleteConnectionDeadLetter";
/// After so many receives.
const MOST_RECEIVES: u32 = 4;
/// Connections of a former process are forgotten so many at a time.
const STALE_PAGE: usize = 200;
/// A message to a connection has so many bytes at most.
const LONGEST_POST: usize = 128 * 1024;

/// The service.
struct Gateway {
    config: Config,
    platform: Platform,
    timers: Arc<dyn Timers>,
    tasks: Arc<dyn Tasks>,
    integrations: Integrations,
    queues: Queues,
    connections: Connections,
}

/// Why a text was not sent to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unposted {
    /// There is no such connection, or no more.
    Gone,
    /// It is longer than may be.
    TooLong,
}

/// Builds the service.
pub(crate) fn build(hosted: Hosted) -> Result<Arc<dyn Service>, Vec<String>> {
    let Hosted { config, secrets, emulator, platform, timers, tasks, web, functions } = hosted;
    let config = Config::read(&config, &secrets, emulator, &*functions)?;
    let queues = Queues::new("queues", &platform, Arc::clone(&timers), Arc::clone(&tasks));
    let integrations = Integrations { web, functions };
    let connections = Connections::default();
    Ok(Arc::new(Gateway { config, platform, timers, tasks, integrations, queues, connections }))
}

impl Service for Gateway {
    fn start(self: Arc<Self>) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async move {
            self.make_queues().await.map_err(|refusal| refusal.to_string())?;
            self.forget_stale().await.map_err(|error| error.to_string())?;
            consumers::register(&self);
            self.timers.add(Arc::new(Watch::new(&self)));
            self.queues.start().await.map_err(|refusal| refusal.to_string())
        })
    }

    fn call(self: Arc<Self>, call: Call) -> BoxFuture<'static, Answer> {
        Box::pin(async move {
            match Target::of(&call) {
                Target::Queues => Answer::Reply(sqs::answer(&self, &call).await),
                Target::Connection { stage, id } => {
                    Answer::Reply(management::answer(&self, &call, stage.as_deref(), &id).await)
                }
                Target::Socket { stage } => self.admit(call, stage).await,
                Target::NoUpgrade => Answer::Reply(message(StatusCode::UPGRADE_REQUIRED, "Upgrade Required")),
                Target::Token => Answer::Reply(self.token()),
                Target::Unknown => Answer::Reply(message(StatusCode::FORBIDDEN, "Missing Authentication Token")),
            }
        })
    }
}

impl Gateway {
    fn now(&self) -> Millis {
        self.platform.clock.now()
    }

    fn limits(&self) -> Limits {
        Limits { idle: self.config.idle, lifetime: self.config.lifetime }
    }

    /// The queues that exist from the start. Those that are there already stay as they are.
    async fn make_queues(&self) -> Result<(), Refusal> {
        let letters = DeadLetters { queue: DEAD_LETTERS.to_owned(), after: MOST_RECEIVES };
        let buried = Attributes { dead_letters: Some(letters), ..Attributes::default() };
        let longest = Attributes { retention: 1_209_600, ..Attributes::default() };
        for (queue, attributes) in [
            (NOTIFY_USER, Attributes::default()),
            (NOTIFY_CONNECTION, Attributes::default()),
            (DEAD_LETTERS, longest),
            (DELETE_CONNECTION, buried),
        ] {
            match self.queues.create(queue, attributes, BTreeMap::new()).await {
                Ok(()) | Err(Refusal::QueueExists(_)) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(())
    }

    /// Ends the connections of a former process, which could not do it.
    async fn forget_stale(self: &Arc<Self>) -> Result<(), DatabaseError> {
        loop {
            let queues = self.queues.clone();
            let step = self.platform.database.transact(move |transaction| {
                let stale = records::all(transaction, STALE_PAGE);
                let forgotten = stale.iter().map(|id| records::forget(transaction, &queues, id));
                forgotten.collect::<Result<Vec<_>, _>>()
            });
            let forgotten = step.await?;
            if forgotten.is_empty() {
                return Ok(());
            }
            forgotten.into_iter().flatten().for_each(|kept| self.tell_end(kept));
        }
    }

    /// Ends a connection, for whatever reason: at once for everybody else, and durably when this is over.
    async fn end(self: &Arc<Self>, connection: &Connection) {
        if !connection.end() {
            return;
        }
        self.connections.remove(connection);
        let (queues, id) = (self.queues.clone(), connection.id.clone());
        let forgotten = self.platform.database.transact(move |transaction| records::forget(transaction, &queues, &id));
        match forgotten.await {
            Ok(kept) => kept.into_iter().for_each(|kept| self.tell_end(kept)),
            // The next start does it.
            Err(error) => tracing::error!(connection = connection.id, %error, "a connection's record is left behind"),
        }
    }

    /// Calls what answers the route `$disconnect`, if there is such a thing.
    fn tell_end(self: &Arc<Self>, kept: Kept) {
        let Some(route) = self.config.routes.get(DISCONNECT).cloned() else { return };
        let gateway = Arc::clone(self);
        let Kept { id, user, stage } = kept;
        self.tasks.spawn(Box::pin(async move {
            let event = gateway.event("DISCONNECT", DISCONNECT, &stage, &id, json!({"principalId": user}));
            if let Err(error) = gateway.integrations.call(&route.integration, &event).await {
                tracing::warn!(connection = id, %error, "$disconnect was not answered");
            }
        }));
    }

    /// Sends a text to a connection.
    fn post(&self, stage: Option<&str>, id: &str, text: Bytes) -> Result<(), Unposted> {
        let connection = self.connections.find(stage, id).ok_or(Unposted::Gone)?;
        if text.len() > LONGEST_POST {
            return Err(Unposted::TooLong);
        }
        // Whoever is too slow is cut off with this.
        connection.send(text, self.now()).map_err(|(Unsent::Gone | Unsent::TooSlow)| Unposted::Gone)
    }

    /// Puts a text for a connection into the queue NotifyConnection.
    async fn notify(&self, connection: &str, data: &str) -> Result<(), Refusal> {
        let body = json!({"connectionId": connection, "data": data}).to_string();
        let outcome = self.queues.send(NOTIFY_CONNECTION, vec![NewMessage::text(body)]).await?;
        outcome.into_iter().try_for_each(|outcome| outcome.map(drop))
    }

    /// What an integration is told, as API Gateway tells Lambda functions.
    fn event(&self, kind: &str, route: &str, stage: &str, connection: &str, authorizer: Value) -> Value {
        let now = self.now();
        json!({
            "requestContext": {
                "routeKey": route,
                "eventType": kind,
                "messageDirection": "IN",
                "stage": stage,
                "connectionId": connection,
                "requestId": self.request_id(),
                "requestTime": log_time(now),
                "requestTimeEpoch": now,
                "authorizer": authorizer,
            },
            "isBase64Encoded": false,
        })
    }

    /// A UUID that tells requests apart.
    fn request_id(&self) -> String {
        self.queues.prepare(NewMessage::default()).id.to_string()
    }

    /// `POST /token`.
    fn token(&self) -> Reply {
        let text = format!("Hello, World! Your request was received at {}.", log_time(self.now()));
        let mut reply = Reply::new(Bytes::from(text));
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        reply
    }
}

/// A time as access logs have it, which API Gateway calls `requestTime`.
fn log_time(time: Millis) -> String {
    let time = i64::try_from(time).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default();
    time.format("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

/// `{"message": …}`, as API Gateway refuses.
fn message(status: StatusCode, text: &str) -> Reply {
    let mut reply = Reply::new(Bytes::from(json!({"message": text}).to_string()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}
