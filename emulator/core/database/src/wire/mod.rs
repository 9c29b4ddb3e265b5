//! The SDKs' protocol, version 5: what a connection receives and is sent, whatever its transport.
//!
//! Reading order: `frame` (texts in pieces), `message` (what a text asks for), `query` (its queries), `session` (what
//! becomes of it), `outgoing` (what is told), `status` (what each error looks like), `control` (about the connection
//! itself), `long_poll` (without sockets). In the manner of a state machine: texts go in, actions come out; whoever has
//! the socket carries them out. Must not know: sockets, WebSocket, HTTP, time, how a credential is checked.

pub mod control;
mod frame;
pub mod long_poll;
mod message;
mod outgoing;
mod query;
mod session;
mod status;
#[cfg(test)]
mod tests;

pub use frame::{MOST_FRAME_BYTES, MOST_MESSAGE_BYTES, split};
pub use message::{Credential, Kind};
pub use outgoing::Outgoing;
pub use session::{Action, Asked, Authenticated, Ending, Session};
pub use status::Status;
