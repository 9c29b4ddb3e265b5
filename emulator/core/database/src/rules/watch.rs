//! Who looks on while rules judge: coverage counts what they come to, and a witness hears of each denial and why.
//!
//! Only an emulator has rules that are watched, since explanations show data and tokens. Rules that are not watched
//! judge as if none of this were there. Must not know: what is done with what is seen.

use super::coverage::Coverage;
use super::explain::Explanation;
use std::fmt;
use std::sync::Arc;

/// Hears of denials. Called by whoever judges, on the writer too: it must not wait for anything.
pub trait Witness: Send + Sync {
    /// Something was denied.
    fn denied(&self, explanation: &Arc<Explanation>);
}

/// What rules are watched with.
pub(super) struct Watch {
    pub(super) coverage: Coverage,
    pub(super) witness: Arc<dyn Witness>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Watch")
    }
}

/// That the rules forbid something, and why, if they are watched. Two are equal: those who are denied are told the same.
#[derive(Clone, Default)]
pub struct Denial(Option<Arc<Explanation>>);

impl Denial {
    pub(super) fn explained(explanation: Arc<Explanation>) -> Self {
        Self(Some(explanation))
    }

    /// Why, if the rules are watched.
    pub fn explanation(&self) -> Option<&Arc<Explanation>> {
        self.0.as_ref()
    }
}

impl PartialEq for Denial {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Denial {}

impl fmt::Debug for Denial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Denial")
    }
}
