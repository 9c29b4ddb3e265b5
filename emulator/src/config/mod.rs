//! What the user asked for: firebase.json, .firebaserc, runtime configuration, flags and environment become one
//! [`settings::Settings`]. Must not know: how any of it is carried out.

pub mod auth_triggers;
pub mod delivery;
pub mod firebase_json;
pub mod passkeys;
pub mod resolve;
pub mod rules_files;
pub mod runtime_config;
pub mod secret;
pub mod service;
pub mod settings;

#[cfg(test)]
mod tests;
