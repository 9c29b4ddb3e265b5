//! The functions and services Hearth serves, and what they need of the house they run in.
//!
//! Reading order: `ports` (what they need), `request` (what they are given), `registry` (which functions there are),
//! `config` (what they are told), `auth_event` (what background functions are told), `sessions` (the functions themselves), `queues` (for any of them); `service` (what has a
//! port of its own), `feed` (what its clients are sent), `event`, `keep_alive`, `identity`, `section`, `path`, `form`,
//! `answer`, and the services: `presence`, `signal`, `gateway`, `chat`. Must not
//! know: any socket, file, clock or database; nor the runtime that runs them.

mod answer;
pub mod auth_event;
mod chat;
pub mod config;
pub mod event;
pub mod feed;
mod form;
mod gateway;
pub mod identity;
mod keep_alive;
mod key;
mod path;
pub mod ports;
mod presence;
pub mod queues;
pub mod registry;
pub mod request;
mod section;
pub mod service;
mod sessions;
mod signal;

pub use registry::registry;
