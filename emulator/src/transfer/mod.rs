//! Files that data leaves in and comes from: the official suite's exports (`layout`), lists of accounts in the Firebase
//! CLI's formats (`user_file`), and how either is written so that a failure leaves the former one (`draft`).
//!
//! Must not know: the services whose data it is.

pub mod draft;
pub mod layout;
pub mod user_file;

use std::fmt::Display;
use std::path::Path;

/// What is wrong with which file or folder.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct TransferError {
    place: String,
    problem: String,
}

impl TransferError {
    /// Something is wrong at `place`.
    pub fn at(place: &Path, problem: impl Display) -> Self {
        Self { place: place.display().to_string(), problem: problem.to_string() }
    }

    /// Something is wrong with what is called `name`.
    pub fn of(name: &str, problem: impl Display) -> Self {
        Self { place: name.to_owned(), problem: problem.to_string() }
    }
}
