//! The Realtime Database's room: HTTP in front, the engine's thread in the middle, SQLite behind.
//!
//! Reading order: `rest` (requests), `write_size` (how much a write may change), `stream` (news for those who stay),
//! `websocket` and `long_poll` (connections), `sessions` (who is connected), `sign_in` (who that is), `outbox` (what
//! each is told), `databases` (which database), `rules_files` (files of rules that change), `options` (what is set of
//! it), `service` (what it does for others), `writer` (its thread), `inbox` (what waits for that), `inspection` (what its rules deny, and why), `store` (its file), `errors` (what each
//! error looks like). The tree, the rules and the engine are `hearth_database`.

mod databases;
mod errors;
mod inbox;
mod inspection;
mod long_poll;
mod options;
mod outbox;
mod rest;
mod rules_files;
mod service;
#[cfg(test)]
mod session_tests;
mod sessions;
mod sign_in;
mod store;
mod stream;
mod websocket;
mod write_size;
mod writer;

pub use databases::{DatabaseUnavailable, Databases, NotDropped};
pub use rules_files::watch_rules;
pub use service::{DatabaseService, ServiceError};
pub use sessions::Sessions;
pub use stream::Streams;

use crate::server::body::Bodies;
use crate::server::credentials::Credentials;
use crate::server::prompt::Prompt;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use futures_util::future::BoxFuture;
use http::Request;
use rest::{Reads, Rest};
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Everything that the database's port answers.
#[derive(Clone)]
pub struct Port {
    rest: Arc<Rest>,
    connections: Router,
    reads: Option<Arc<dyn Prompt>>,
}

impl Port {
    /// The port of `databases`.
    pub fn new(
        databases: Arc<Databases>,
        sessions: Arc<Sessions>,
        streams: Streams,
        credentials: Credentials,
        bodies: Bodies,
    ) -> Self {
        let reads = Reads::of(&databases).map(|reads| Arc::new(reads) as Arc<dyn Prompt>);
        let rest = Arc::new(Rest::new(databases, streams, credentials, bodies));
        let connections = websocket::router(Arc::clone(&sessions)).merge(long_poll::router(sessions));
        Self { rest, connections, reads }
    }

    /// What answers plain reads at once, where they are.
    pub fn prompt(&self) -> Option<Arc<dyn Prompt>> {
        self.reads.clone()
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Port").finish_non_exhaustive()
    }
}

impl tower::Service<Request<Body>> for Port {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The REST API takes every other path, so there is nothing to route.
        if matches!(request.uri().path(), "/.ws" | "/.lp") {
            return Box::pin(self.connections.call(request));
        }
        let rest = Arc::clone(&self.rest);
        Box::pin(async move { Ok(rest.handle(request).await) })
    }
}
