//! Where updates go when they do not go to the suite's own push stream: another server, or the log.
//!
//! Must not know: what an update is, or who sends it.

mod http;
mod log;
#[cfg(test)]
mod scripted_server;

pub use http::{HttpPublisher, PublisherError};
pub use log::LogPublisher;
