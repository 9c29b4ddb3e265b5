//! Cloud Functions: who is called for a path, when scheduled functions run, and where updates go.
//!
//! Reading order: `router` (HTTP), `routing` (which function a path means), `host` (one call, kept apart from all
//! others), `errors` (what the host answers by itself), `backends` (what it tells of its functions), `scheduler` and
//! `schedule` (the clock's calls), `publisher`, `secret`, `services` (those with ports of their own), `platform` (what
//! the functions need, from the other rooms). The functions themselves are the crate `hearth-functions`. Must not know,
//! but for `platform`: any other product's room.

mod backends;
#[cfg(test)]
mod doubles;
mod errors;
mod host;
pub mod platform;
pub mod publisher;
mod router;
mod routing;
pub mod schedule;
pub mod scheduler;
pub mod secret;
pub mod services;

pub use host::Host;
pub use router::router;
use router::unread;
