//! Tests of the whole house, in one binary: in this process, and through the binary a user runs.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod auth_triggers;
mod bad_input;
mod chat;
mod cli;
mod compatibility;
mod crash;
mod gateway;
mod inspect;
mod long_poll;
mod presence;
mod push_restart;
mod push_stream;
mod realtime;
mod repeatable;
mod rest;
mod revocation;
mod rules_files;
mod rules_property;
mod rules_test;
mod self_host;
mod sessions;
mod signal;
mod transfer;
