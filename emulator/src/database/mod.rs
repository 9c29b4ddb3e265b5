//! The Realtime Database's room: HTTP in front, the engine's thread in the middle, SQLite behind.
//!
//! Reading order: `rest` (requests), `databases` (which database), `service` (its thread), `store` (its file),
//! `errors` (what each error looks like). The tree, the rules and the engine are `hearth_database`.

mod databases;
mod errors;
mod inbox;
mod rest;
mod service;
mod store;

pub use databases::{DatabaseUnavailable, Databases};
pub use rest::router;
pub use service::{DatabaseService, ServiceError};
