//! The functions Hearth serves, and what they need of the house they run in.
//!
//! Reading order: `ports` (what they need), `request` (what they are given), `registry` (which functions there are),
//! `config` (what they are told), `sessions` (the functions themselves). Must not know: any socket, file, clock or
//! database; nor the runtime that runs them.

pub mod config;
pub mod ports;
pub mod registry;
pub mod request;
mod sessions;

pub use registry::registry;
