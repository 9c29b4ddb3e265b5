//! What every HTTP surface shares: ports, connections, WebSockets, bodies, cross-origin headers, and who is asking.
//!
//! Must not know: what any product answers.

pub mod body;
pub mod connections;
pub mod cors;
pub mod credentials;
pub(crate) mod handover;
mod patience;
pub mod ports;
mod stall;
pub(crate) mod websocket;
