//! What is to happen when a session ends (`onDisconnect`).
//!
//! Must not know: how a session is noticed to have ended.

use crate::rules::Caller;
use crate::tree::{Location, Path, Unresolved};
use std::sync::Arc;

/// A client's session, which may span a change of transport.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub Arc<str>);

/// A change of what is to happen when a session ends.
#[derive(Clone, Debug, PartialEq)]
pub struct OnDisconnect {
    /// Whose end.
    pub session: SessionId,
    /// On whose behalf it will happen.
    pub caller: Caller,
    /// What.
    pub intent: Intent,
}

/// What of a session's intents changes.
#[derive(Clone, Debug, PartialEq)]
pub enum Intent {
    /// Set this place; takes the place of all that was intended there and below.
    Set(Location, Unresolved),
    /// Set these places below the path.
    Update(Path, Vec<(Location, Unresolved)>),
    /// Do nothing at this place and below.
    Cancel(Path),
}

/// What is to happen at one place when a session ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Intended {
    /// On whose behalf.
    pub caller: Caller,
    /// Where.
    pub location: Location,
    /// What the place is set to. Server values are filled in when it happens.
    pub data: Unresolved,
}

/// A change of what is kept of the sessions' intents.
#[derive(Clone, Debug, PartialEq)]
pub enum IntentChange {
    /// This is intended now, in the place of what was at the same location.
    Put(SessionId, Arc<Intended>),
    /// Nothing is intended there any more.
    Remove(SessionId, Location),
    /// The session has ended.
    End(SessionId),
}
