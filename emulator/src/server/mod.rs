//! What every HTTP surface shares: ports, connections, WebSockets, bodies, cross-origin headers, who is asking and from where.
//!
//! Must not know: what any product answers.

pub mod body;
pub mod client_address;
pub mod connections;
pub mod cors;
pub mod credentials;
pub(crate) mod detach;
pub mod handover;
mod patience;
pub mod ports;
pub mod prompt;
pub mod revocation;
mod rewound;
mod stall;
pub(crate) mod websocket;
