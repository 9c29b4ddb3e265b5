//! The Realtime Database's room: HTTP in front, the engine's thread in the middle, SQLite behind.
//!
//! Reading order: `rest` (requests), `websocket` and `long_poll` (connections), `sessions` (who is connected), `sign_in` (who that is),
//! `outbox` (what each is told), `databases` (which database), `service` (its thread), `store` (its file), `errors`
//! (what each error looks like). The tree, the rules and the engine are `hearth_database`.

mod databases;
mod errors;
mod inbox;
mod long_poll;
mod outbox;
mod rest;
mod service;
#[cfg(test)]
mod session_tests;
mod sessions;
mod sign_in;
mod store;
mod websocket;

pub use databases::{DatabaseUnavailable, Databases};
pub use service::{DatabaseService, ServiceError};
pub use sessions::Sessions;

use crate::server::body::Bodies;
use crate::server::credentials::Credentials;
use axum::Router;
use std::sync::Arc;

/// Everything that the database's port answers.
pub fn router(databases: Arc<Databases>, sessions: Arc<Sessions>, credentials: Credentials, bodies: Bodies) -> Router {
    let long_poll = long_poll::router(Arc::clone(&sessions));
    rest::router(databases, credentials, bodies).merge(websocket::router(sessions)).merge(long_poll)
}
