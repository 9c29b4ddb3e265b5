//! What clients may set of a database besides its data and its rules, until the server stops.
//!
//! Must not know: HTTP.

use super::write_size::WriteSizeLimit;

/// The settings of one database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// The limit of writes that name none. Firebase's own is `large`; writes are cheap here, so there is none.
    pub(super) default_write_size_limit: WriteSizeLimit,
    /// Whether a write shall fail that triggers too many functions. None are triggered, so none fails.
    pub(super) strict_trigger_validation: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { default_write_size_limit: WriteSizeLimit::Unlimited, strict_trigger_validation: true }
    }
}
