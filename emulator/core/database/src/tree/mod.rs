//! What a database holds: one tree of nodes, its keys and paths, its JSON, its hash.
//!
//! Everything here is a value that never changes once made. Must not know: who writes, and when.

mod children;
mod derived;
mod hash;
mod key;
mod leaf;
mod node;
mod path;
mod push_id;
mod server_values;

pub mod json;

pub use key::{Key, KeyError, MOST_KEY_BYTES};
pub(crate) use key::{compare as compare_keys, compare_text, same_text};
pub use leaf::{Leaf, MOST_STRING_BYTES, NotFinite, Priority};
pub use node::{Children, Node};
pub use path::{Location, MOST_DEPTH, Path, PathError};
pub use push_id::PushIds;
pub use server_values::{Placeholder, ServerValue, Unresolved};
