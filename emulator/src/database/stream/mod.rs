//! Event streams (`Accept: text/event-stream`): a listener of the engine whose news are written as server-sent events.
//!
//! Reading order: `telling` (news in words, once for all who hear them alike), `outbox` (what one client has yet to
//! read), `expiry` (whose token ends when), this file (a stream from its first event to its last). What the events are
//! called and hold is documented at firebase.google.com/docs/reference/rest/database#section-streaming. Must not know:
//! requests and their parameters.

mod expiry;
mod outbox;
mod telling;

pub(super) use telling::first_event;

use super::service::{DatabaseService, ServiceError};
use crate::clock::{Agenda, Millis};
use crate::server::connections::HangUp;
use crate::server::credentials::{Credentials, IdToken};
use crate::server::revocation::{Hold, Holder};
use bytes::Bytes;
use expiry::Expiries;
use hearth_database::json::Form;
use hearth_database::{Answer, Caller, Command, ConnectionId, Listen, ListenerId, Location, Node, Query};
use outbox::{Ear, End, Next, Outbox};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use telling::Views;
use tokio_util::sync::CancellationToken;

/// After so long without news a client is told that the stream still stands.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const ALIVE: Bytes = Bytes::from_static(b"event: keep-alive\ndata: null\n\n");

/// Connections are numbered from here, far above those of sessions.
const FIRST_CONNECTION: u64 = 1 << 63;

/// Of its connection a stream is the only listener.
const ONLY: ListenerId = ListenerId(0);

/// The streams of a server.
pub struct Streams {
    /// The number of the last connection.
    last: AtomicU64,
    views: Views,
    credentials: Credentials,
    expiries: Arc<Expiries>,
    stop: CancellationToken,
}

impl fmt::Debug for Streams {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Streams").finish_non_exhaustive()
    }
}

/// What a client wants to hear.
#[derive(Debug)]
pub(super) struct Wanted {
    /// On whose behalf.
    pub(super) caller: Caller,
    /// When the caller's token ends.
    pub(super) expires: Option<Millis>,
    /// The caller's token, if it is an ID token: it may be taken back before.
    pub(super) token: Option<IdToken>,
    /// Where.
    pub(super) location: Location,
    /// What of the node there.
    pub(super) query: Query,
    /// How data is written.
    pub(super) form: Form,
    /// Closes the connection.
    pub(super) hang_up: Option<HangUp>,
}

impl Streams {
    /// Tokens end by the clock of `agenda`, or when `credentials` hear that they are taken back; on `stop` every stream ends.
    pub fn new(credentials: Credentials, agenda: &Agenda, stop: CancellationToken) -> Self {
        let (last, expiries) = (AtomicU64::new(FIRST_CONNECTION), Expiries::new(agenda));
        Self { last, views: Views::default(), credentials, expiries, stop }
    }

    /// Begins to listen. Answers what is there to begin with, and the stream of what happens after.
    ///
    /// # Errors
    /// The caller may not read it, or the database takes no more commands.
    pub(super) async fn open(
        &self,
        database: Arc<DatabaseService>,
        wanted: Wanted,
    ) -> Result<(Node, EventStream), ServiceError> {
        let Wanted { caller, expires, token, location, query, form, hang_up } = wanted;
        let outbox = Arc::new(Outbox::new(hang_up));
        let holder = Arc::downgrade(&outbox) as Weak<dyn Holder>;
        let hold = token.map(|token| self.credentials.hold(&token, holder)).transpose();
        // Taken back since it was looked at: it ends as if that had come a moment later.
        let hold = hold.inspect_err(|_| outbox.end(End::Expired)).ok().flatten().flatten();
        let view = self.views.view(database.name(), &location, form);
        let connection = ConnectionId(self.last.fetch_add(1, Ordering::Relaxed));
        let listen = Listen {
            connection,
            listener: ONLY,
            caller,
            path: location.path,
            query: if location.priority { Query::default() } else { query },
            known: None,
            audience: Arc::new(Ear::new(Arc::clone(&outbox), view)),
        };
        let asked = database.ask(Command::Listen(listen));
        // Made before the answer, so that whoever goes away meanwhile listens no more.
        let expiry = expires.map(|expires| self.expiries.add(expires, &outbox));
        let listening = Listening {
            database: Arc::clone(&database),
            connection,
            expiry,
            expiries: Arc::clone(&self.expiries),
            _hold: hold,
        };
        let node = match asked.await? {
            Answer::Listening { data, .. } => data.unwrap_or_default(),
            Answer::Written(_)
            | Answer::Updated(_)
            | Answer::Pushed { .. }
            | Answer::Done(_)
            | Answer::Got(_)
            | Answer::Accepted => return Err(ServiceError::Closed),
        };
        let node = if location.priority { Node::from(node.priority()) } else { node };
        Ok((node, EventStream { outbox, stop: self.stop.clone(), ended: false, _listening: listening }))
    }
}

/// A listener, for as long as its stream is.
struct Listening {
    database: Arc<DatabaseService>,
    connection: ConnectionId,
    expiry: Option<expiry::Entry>,
    expiries: Arc<Expiries>,
    _hold: Option<Hold>,
}

impl Holder for Outbox {
    fn revoked(&self) {
        self.end(End::Expired);
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(entry) = self.expiry.take() {
            self.expiries.remove(entry);
        }
        // A database that has closed has no listeners any more.
        let _ = self.database.submit_anyway(Command::Leave(self.connection), |_| ());
    }
}

/// What a client is told after the first event.
pub(super) struct EventStream {
    outbox: Arc<Outbox>,
    stop: CancellationToken,
    ended: bool,
    _listening: Listening,
}

impl EventStream {
    /// The next bytes to send; none when the stream has ended.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        while !self.ended {
            let next = tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                next = self.outbox.next() => next,
                () = tokio::time::sleep(KEEP_ALIVE) => return Some(ALIVE),
            };
            match next {
                Next::Telling(telling) => {
                    if let Some(words) = telling.words().await {
                        return Some(words);
                    }
                }
                Next::End(end) => {
                    self.ended = true;
                    return last_event(end);
                }
            }
        }
        None
    }
}

/// What a client is told of why its stream ends.
fn last_event(end: End) -> Option<Bytes> {
    Some(Bytes::from_static(match end {
        End::Closed => return None,
        End::Revoked => b"event: cancel\ndata: \"Permission denied\"\n\n",
        End::Expired => b"event: auth_revoked\ndata: \"credential is no longer valid\"\n\n",
        End::TooSlow => b"event: cancel\ndata: \"The client reads too slowly.\"\n\n",
        End::TooLarge => {
            b"event: cancel\ndata: \"The specified payload is too large, please request a location with less data.\"\n\n"
        }
    }))
}
