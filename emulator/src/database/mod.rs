//! The Realtime Database's room: HTTP in front, the engine's thread in the middle, SQLite behind.
//!
//! Reading order: `rest` (requests), `write_size` (how much a write may change), `stream` (news for those who stay),
//! `websocket` and `long_poll` (connections), `sessions` (who is connected), `sign_in` (who that is), `outbox` (what each
//! is told), `databases` (which database), `options` (what is set of it), `service` (its thread), `store` (its file), `errors`
//! (what each error looks like). The tree, the rules and the engine are `hearth_database`.

mod databases;
mod errors;
mod inbox;
mod long_poll;
mod options;
mod outbox;
mod rest;
mod service;
#[cfg(test)]
mod session_tests;
mod sessions;
mod sign_in;
mod store;
mod stream;
mod websocket;
mod write_size;

pub use databases::{DatabaseUnavailable, Databases, NotDropped};
pub use service::{DatabaseService, ServiceError};
pub use sessions::Sessions;
pub use stream::Streams;

use crate::server::body::Bodies;
use crate::server::credentials::Credentials;
use axum::Router;
use std::sync::Arc;

/// Everything that the database's port answers.
pub fn router(
    databases: Arc<Databases>,
    sessions: Arc<Sessions>,
    streams: Streams,
    credentials: Credentials,
    bodies: Bodies,
) -> Router {
    let connections = websocket::router(Arc::clone(&sessions)).merge(long_poll::router(sessions));
    rest::router(databases, streams, credentials, bodies).merge(connections)
}
