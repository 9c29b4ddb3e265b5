//! A short list beside a node that grows at its end, also while others read it.
//!
//! Must not know: what is kept.

use std::iter::successors;
use std::sync::{Arc, OnceLock};

/// What is kept, the oldest first.
pub(crate) struct Kept<T>(OnceLock<Box<Link<T>>>);

struct Link<T> {
    this: Arc<T>,
    next: Kept<T>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T> Kept<T> {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        successors(self.0.get(), |link| link.next.0.get()).map(|link| &link.this)
    }

    /// Adds `this` at the end.
    pub(super) fn push(&self, this: Arc<T>) {
        let mut place = self;
        let mut link = Box::new(Link { this, next: Self::default() });
        while let Err(again) = place.0.set(link) {
            link = again;
            let Some(taken) = place.0.get() else { return };
            place = &taken.next;
        }
    }
}

impl<T> FromIterator<Arc<T>> for Kept<T> {
    fn from_iter<I: IntoIterator<Item = Arc<T>>>(all: I) -> Self {
        let kept = Self::default();
        all.into_iter().for_each(|this| kept.push(this));
        kept
    }
}
