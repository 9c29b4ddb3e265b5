//! Firebase Auth without I/O: accounts, operations, tokens.
//!
//! Operations are plain functions over a [`store::Store`], the time and a source of random bytes. Must not know: HTTP,
//! SQLite, threads, files, clocks.

pub mod account;
pub mod code;
pub mod entropy;
pub mod errand;
pub mod errors;
pub mod event;
pub mod idp_config;
pub mod inquiry;
pub mod mail;
pub mod oidc;
pub mod operations;
pub mod passkey;
pub mod password;
pub mod schema;
pub mod settings;
pub mod sign_in_session;
pub mod store;
pub mod throttle;
pub mod token;
pub mod totp;
pub mod uri;

#[cfg(test)]
mod memory;

pub use errors::Error;

/// Milliseconds since the Unix epoch.
pub type Millis = u64;
