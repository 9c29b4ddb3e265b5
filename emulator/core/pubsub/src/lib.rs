//! Push stream channels without I/O, compatible with nginx's push stream module as its clients see it.
//!
//! [`channels::Channels`] is the whole: it takes publishes, subscriptions and the time, and gives out encoded frames
//! through the [`subscriber::Outlet`] of each subscriber. A message is encoded once for each distinct
//! [`framing::Framing`], and every subscriber gets the same bytes. Must not know: sockets, HTTP, locks, clocks.

pub mod channel;
pub mod channels;
pub mod date;
pub mod error;
mod event_source;
pub mod format;
pub mod framing;
pub mod journal;
pub mod message;
pub mod path;
pub mod pattern;
pub mod replay;
pub mod settings;
mod slots;
pub mod statistics;
pub mod subscriber;
pub mod template;

/// Milliseconds since the Unix epoch.
pub type Millis = u64;
