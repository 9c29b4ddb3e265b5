//! Hearth: Auth, Realtime Database, Functions and pubsub for Firebase apps, in one binary.
pub mod clock;
pub mod config;
pub mod server;
pub mod storage;
