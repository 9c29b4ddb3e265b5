//! The one table from what can go wrong with a request to the status and the words of its answer.
//!
//! The SDKs know a few statuses and show the words to the developer; anything else is `failure`.

use crate::engine::CommandError;
use crate::tree::PathError;
use crate::tree::json::JsonError;
use std::borrow::Cow;

/// The `s` of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Ok,
    /// A compare-and-set found something else.
    DataStale,
    /// The request is wrong, or could not be carried out.
    Failure,
    /// The rules forbid it.
    PermissionDenied,
    /// The credential is past its time.
    ExpiredToken,
    /// The credential is not accepted.
    InvalidToken,
    /// More data than one request may ask for or send.
    TooBig,
    /// It cannot be done now.
    Unavailable,
}

impl Status {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::DataStale => "datastale",
            Self::Failure => "failure",
            Self::PermissionDenied => "permission_denied",
            Self::ExpiredToken => "expired_token",
            Self::InvalidToken => "invalid_token",
            Self::TooBig => "too_big",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A refusal: status and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) Status, pub(super) Cow<'static, str>);

impl Refusal {
    pub(super) fn failure(words: impl Into<Cow<'static, str>>) -> Self {
        Self(Status::Failure, words.into())
    }

    pub(super) const WRITE_TOO_BIG: Self = Self(
        Status::TooBig,
        Cow::Borrowed("Data to write exceeds the maximum size that can be modified with a single request."),
    );
    pub(super) const READ_TOO_BIG: Self = Self(
        Status::TooBig,
        Cow::Borrowed("Data requested exceeds the maximum size that can be accessed with a single request."),
    );
}

impl From<&CommandError> for Refusal {
    fn from(error: &CommandError) -> Self {
        let status = match error {
            CommandError::Denied(_) => Status::PermissionDenied,
            CommandError::Stale(_) => {
                return Self(Status::DataStale, "Transaction hash does not match".into());
            }
            CommandError::NotStored => Status::Unavailable,
            CommandError::Unindexed { .. }
            | CommandError::TooManyIntents
            | CommandError::Transaction(_)
            | CommandError::Panicked => Status::Failure,
            CommandError::Write(error) => return Self::failure(format!("Invalid data; {error}.")),
        };
        Self(status, error.to_string().into())
    }
}

impl From<PathError> for Refusal {
    fn from(error: PathError) -> Self {
        Self::failure(format!("Invalid path; {error}."))
    }
}

impl From<JsonError> for Refusal {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::TooLarge => Self::WRITE_TOO_BIG,
            JsonError::Syntax(_)
            | JsonError::Key(_)
            | JsonError::Path(_)
            | JsonError::TooDeep
            | JsonError::StringTooLong(_)
            | JsonError::Number(_)
            | JsonError::ServerValue(_)
            | JsonError::Priority
            | JsonError::Value
            | JsonError::NotAnObject => Self::failure(format!("Invalid data; {error}.")),
        }
    }
}
