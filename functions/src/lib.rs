//! The functions Hearth serves.
//!
//! Reading order: `ports` (what they need).

pub mod ports;
