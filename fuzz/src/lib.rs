//! What reads bytes of strangers, as functions of bytes. Each panics if something does that must not be.
//!
//! Reading order: `json`, `paths`, `rules` (texts), `frames` (a session of the SDKs' protocol), `rest` (requests).
//! `tests/corpus/fuzz` holds inputs to begin with, and those that once found something. Must not know: who makes the
//! bytes.

mod frames;
mod json;
mod paths;
mod rest;
mod rules;

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// All targets, by name.
pub const TARGETS: [(&str, Target); 5] = [
    ("frames", frames::target),
    ("json", json::target),
    ("paths", paths::target),
    ("rest", rest::target),
    ("rules", rules::target),
];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}
