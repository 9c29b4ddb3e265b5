//! What the user asked for: firebase.json, .firebaserc, runtime configuration, flags and environment become one
//! [`settings::Settings`]. Must not know: how any of it is carried out.

pub mod settings;
