//! What is worked out from a branch when first asked for, and kept beside it.
//!
//! A branch that nobody has asked pays one pointer. A changed branch starts anew, unless what is kept can be carried
//! along. Must not know: how any of it is worked out.

use super::hash::Digest;
use std::sync::OnceLock;

/// What is kept. Each field is filled by itself.
#[derive(Default)]
pub(crate) struct Derived {
    /// The hash of the branch.
    pub(super) digest: OnceLock<Digest>,
}

/// A place for [`Derived`], made when it is first used.
#[derive(Default)]
pub(super) struct Place(OnceLock<Box<Derived>>);

impl Place {
    pub(super) fn derived(&self) -> &Derived {
        self.0.get_or_init(Box::default)
    }
}
