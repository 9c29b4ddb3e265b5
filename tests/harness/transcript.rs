//! Answers in a row, as one snapshot keeps them: what chance and time decide is redacted.

use crate::client::Answer;
use std::fmt::Write;

/// What is replaced before a snapshot is compared. Times stand still in these tests, but they show whether a value is
/// a time at all, so only those that the suite's start decides are redacted.
const REDACTED: [(&str, &str); 4] = [
    (r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*", "[jwt]"),
    (r#""refreshToken":"[A-Za-z0-9_-]{64}""#, r#""refreshToken":"[nanoid]""#),
    (r#""session":"[a-uw-z0-9-]{5}""#, r#""session":"[code]""#),
    (r#""channel":"[a-uw-z0-9-]{5}""#, r#""channel":"[code]""#),
];

/// Cases and their answers.
#[derive(Debug, Default)]
pub struct Transcript(String);

impl Transcript {
    /// Adds a case.
    pub fn add(&mut self, case: &str, answer: &Answer) {
        write!(self.0, "## {case}\n\n{}\n\n", answer.show()).expect("a string takes it");
    }

    /// Adds a line of text to the last case.
    pub fn note(&mut self, text: &str) {
        write!(self.0, "{text}\n\n").expect("a string takes it");
    }

    /// Compares everything with the snapshot `name`.
    pub fn check(&self, name: &str) {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        for (pattern, replacement) in REDACTED {
            settings.add_filter(pattern, replacement);
        }
        settings.bind(|| insta::assert_snapshot!(name, self.0));
    }
}
