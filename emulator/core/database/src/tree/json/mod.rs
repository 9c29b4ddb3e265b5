//! JSON in and out: text becomes nodes, and nodes text, with Firebase's own forms.
//!
//! Must not know: HTTP, or the words in which an API reports an error.

mod error;
mod read;
mod single;
mod unresolved;
mod write;

pub use error::JsonError;
pub use read::{Update, from_value, parse, parse_update};
pub use unresolved::to_unresolved_text;
pub(crate) use write::double_text;
pub use write::{Form, Layout, append, append_string, encode, encode_shallow, encode_update, to_text, to_value};
