//! Who is told of users that come and go, and how it is made sure that they are.
//!
//! Reading order: here, who can be told; `teller` (events wait in the accounts' file until they are delivered), `remote`
//! (those who are told over HTTP). Must not know: operations, nor what functions are.

mod remote;
mod teller;

use futures_util::future::BoxFuture;
use hearth_auth::event::UserEvent;
use std::fmt;
use std::sync::Arc;
use tokio::sync::Notify;

pub(super) use remote::remote;
pub(super) use teller::Teller;

/// The name under which events wait for the functions of this house.
pub(super) const OWN_FUNCTIONS: &str = "own functions";

/// Somebody who is told of users that come and go.
pub trait Receiver: Send + Sync {
    /// Tells of an event, and returns when it has arrived. It may be told of again, by the same id, if the process ends
    /// before that is known.
    ///
    /// # Errors
    /// It was not taken.
    fn tell<'a>(&'a self, event: &'a UserEvent) -> BoxFuture<'a, Result<(), NotTold>>;
}

/// Why an event was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NotTold {
    /// For the log.
    pub reason: String,
    /// Whether the next attempt may fare better.
    pub again: bool,
}

/// A receiver, and how it is known.
#[derive(Clone)]
pub(super) struct Named {
    /// The name under which its events wait. It stays when the receiver's address changes, so that a corrected one gets
    /// what a wrong one did not.
    pub(super) name: String,
    pub(super) receiver: Arc<dyn Receiver>,
    /// Called when there may be something new.
    pub(super) news: Arc<Notify>,
}

impl Named {
    pub(super) fn new(name: impl Into<String>, receiver: Arc<dyn Receiver>) -> Self {
        Self { name: name.into(), receiver, news: Arc::default() }
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Named").field(&self.name).finish()
    }
}
