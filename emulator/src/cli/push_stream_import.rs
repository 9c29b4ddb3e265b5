//! `pushstream:import`: an nginx configuration's push stream as a part of firebase.json.
//!
//! The part goes to standard output, what is left out to standard error, so that the one can be kept and the other read.

use super::exit::Exit;
use super::fail;
use crate::pubsub::{Import, import};
use serde_json::json;
use std::io::Write;
use std::path::Path;

pub(super) fn run(file: &Path) -> Exit {
    let place = file.display();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return fail(Exit::Config, format!("{place}: {error}")),
    };
    let Import { push_stream, left_out } = match import(&text) {
        Ok(import) => import,
        Err(problem) => return fail(Exit::Config, format!("{place}: {problem}")),
    };
    let part = format!("{:#}\n", json!({ "pushStream": push_stream }));
    if let Err(error) = std::io::stdout().write_all(part.as_bytes()) {
        return fail(Exit::System, error);
    }
    let mut notes = String::new();
    if !left_out.is_empty() {
        notes = format!("\nNot taken over from {place}:\n  {}\n", left_out.join("\n  "));
    }
    // Standard error may be closed; there is nobody left to tell then.
    let _ = std::io::stderr().write_all(notes.as_bytes());
    Exit::Done
}
