//! Hearth: Auth, Realtime Database, Functions and pubsub for Firebase apps, in one binary.
pub mod auth;
pub mod clock;
pub mod config;
pub mod database;
pub mod functions;
pub mod hub;
pub mod pubsub;
pub mod server;
pub mod storage;
