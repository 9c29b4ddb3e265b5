//! Hearth: Auth, Realtime Database, Functions and pubsub for Firebase apps, in one binary. No Firestore, no Cloud
//! Storage.
//!
//! Reading order: `cli` (what the user says), `config` (what that comes to), `app` (puts everything together), then
//! a room per product: `auth`, `database`, `functions`, `pubsub`, `hub`. Below them `server`, `storage`, `transfer` and
//! `clock`.
//! ARCHITECTURE.md says who may know whom.

pub mod app;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod database;
pub mod functions;
pub mod hub;
pub mod pubsub;
pub mod server;
pub mod storage;
pub mod transfer;
