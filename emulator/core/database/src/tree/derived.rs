//! What is worked out from a branch when first asked for, and kept beside it.
//!
//! A branch that nobody has asked pays one pointer. A changed branch starts anew, unless what is kept can be carried
//! along. Must not know: how any of it is worked out.

use super::hash::Digest;
use super::key::Key;
use super::node::Node;
use crate::query::{Indices, Windows};
use std::sync::OnceLock;

/// What is kept. Each field is filled by itself.
#[derive(Default)]
pub(crate) struct Derived {
    /// The hash of the branch.
    pub(super) digest: OnceLock<Digest>,
    /// Its children in other orders.
    pub(crate) indices: Indices,
    /// Where the windows of those end who are told what enters and leaves them.
    pub(crate) windows: Windows,
}

/// A place for [`Derived`], made when it is first used.
#[derive(Default)]
pub(super) struct Place(OnceLock<Box<Derived>>);

impl Place {
    pub(super) fn derived(&self) -> &Derived {
        self.0.get_or_init(Box::default)
    }

    /// What is kept so far.
    pub(super) fn kept(&self) -> Option<&Derived> {
        self.0.get().map(|derived| &**derived)
    }

    /// The place of a branch with the same children.
    pub(super) fn same(&self) -> Self {
        self.with(Indices::same)
    }

    /// The place of the branch that a path copy makes, of which one child differs. There were `len` children.
    pub(super) fn carried(&self, key: &Key, before: &Node, after: &Node, len: usize) -> Self {
        self.with(|indices| indices.carried(key, before, after, len))
    }

    fn with(&self, carried: impl FnOnce(&Indices) -> Indices) -> Self {
        let indices = self.kept().map(|derived| carried(&derived.indices)).filter(|indices| !indices.is_empty());
        let place = |indices| OnceLock::from(Box::new(Derived { indices, ..Derived::default() }));
        Self(indices.map(place).unwrap_or_default())
    }
}
