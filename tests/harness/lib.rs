//! What tests of the whole house share: a suite in this process or as a child process, an HTTP client that sees every
//! byte, and the form in which answers are kept.
//!
//! Failures panic: these are tests.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

pub mod client;
pub mod events;
pub mod process;
pub mod suite;
pub mod transcript;
pub mod websocket;
