//! What reads bytes of strangers, as functions of bytes. Each panics if something does that must not be.
//!
//! Reading order: `json`, `paths`, `rules`, `conditions`, `cases`, `tokens` (texts), `passkeys` (CBOR), `frames` (a session of the SDKs'
//! protocol), `request`, `rest`, `accounts` (requests).
//! `tests/corpus/fuzz` holds inputs to begin with, and those that once found something. Must not know: who makes the
//! bytes.
#![allow(clippy::expect_used)]

#[cfg(feature = "server")]
mod accounts;
mod cases;
mod conditions;
mod frames;
mod json;
mod passkeys;
mod paths;
#[cfg(feature = "server")]
mod request;
#[cfg(feature = "server")]
mod rest;
mod rules;
mod tokens;

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// All targets, by name.
pub const TARGETS: &[(&str, Target)] = &[
    #[cfg(feature = "server")]
    ("accounts", accounts::target),
    ("cases", cases::target),
    ("conditions", conditions::target),
    ("frames", frames::target),
    ("json", json::target),
    ("passkeys", passkeys::target),
    ("paths", paths::target),
    #[cfg(feature = "server")]
    ("rest", rest::target),
    ("rules", rules::target),
    ("tokens", tokens::target),
];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_corpus_finds_nothing() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/fuzz");
        for (name, target) in TARGETS {
            let inputs = std::fs::read_dir(folder.join(name)).unwrap().map(|input| input.unwrap().path());
            let mut count = 0;
            for input in inputs {
                println!("{}", input.display());
                target(&std::fs::read(input).unwrap());
                count += 1;
            }
            assert!(count > 1, "{name} has inputs");
        }
    }

    #[test]
    fn every_target_takes_nothing_at_all() {
        for (_, target) in TARGETS {
            target(b"");
        }
    }
}
