//! The Realtime Database's room: HTTP in front, the engine's thread in the middle, SQLite behind.
//!
//! Reading order: `rest` (requests), `databases` (which database), `service` (its thread), `store` (its file),
//! `errors` (what each error looks like). The tree, the rules and the engine are `hearth_database`.

mod databases;
mod inbox;
mod service;
mod store;

pub use databases::{DatabaseUnavailable, Databases};
pub use service::{DatabaseService, ServiceError};
