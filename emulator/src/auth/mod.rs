//! Firebase Auth's room: the Identity Toolkit and Secure Token APIs over accounts in SQLite.
//!
//! A request goes from `routes` to the [`AuthService`] to the store; what it means is decided by `hearth_auth`. Must not
//! know: the database, the functions, the push stream.

mod blocking_functions;
mod challenges;
mod errors;
mod events;
mod guard;
mod hashing_pool;
mod key_file;
mod migrations;
mod outbound;
mod provider_client;
mod provider_inquiries;
mod provider_keys;
mod rerun;
mod rotation;
mod routes;
mod rsa;
mod service;
mod service_accounts;
mod signing_keys;
mod store;
mod transfer;
mod verified;
mod writer;

pub use events::{NotTold, Receiver};
pub use rotation::KeyRotation;
pub use routes::router;
pub use service::{AuthService, OpenError, ServiceError};
pub use service_accounts::IssueError;
pub use transfer::Imported;

#[cfg(test)]
mod tests;
