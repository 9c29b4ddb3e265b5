//! What can be wrong with data that comes in as JSON.

use crate::tree::key::KeyError;
use crate::tree::leaf::{MOST_STRING_BYTES, NotFinite};
use crate::tree::path::{MOST_DEPTH, PathError};

/// Why a text holds no data that the database can store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// It is not JSON.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// A name in an object is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A name in an update is no path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A leaf would lie too far from the root.
    #[error("the data is nested deeper than {MOST_DEPTH} keys, counted from the root")]
    TooDeep,
    /// It would take more memory than a single change may.
    #[error("the data has too many values for a single change")]
    TooLarge,
    /// A string has more than [`MOST_STRING_BYTES`].
    #[error("a string has {0} bytes, at most {MOST_STRING_BYTES} are allowed")]
    StringTooLong(usize),
    /// A number that no double can hold.
    #[error(transparent)]
    Number(#[from] NotFinite),
    /// `.sv` holds something else than `"timestamp"` or `{"increment": number}`.
    #[error("unknown server value {0}")]
    ServerValue(String),
    /// `.priority` holds something else than a number, a string, or a timestamp.
    #[error("a priority must be a number or a string")]
    Priority,
    /// `.value` or `.sv` has children beside it, or `.value` is no single value.
    #[error(".value must hold a single value and have nothing but .priority beside it")]
    Value,
    /// An update is no object.
    #[error("an update must be an object")]
    NotAnObject,
}
