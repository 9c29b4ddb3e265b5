//! The sessions of all databases, whatever their transport: who they are, and what happens when one ends.
//!
//! A transport opens a session, hands over the frames it receives, takes from the session's outbox what it has to send,
//! and drops its [`Attachment`] when it ends; then the session's listeners go and its intents happen. Must not know:
//! WebSocket, HTTP.

use super::databases::{DatabaseUnavailable, Databases};
use super::outbox::{Closing, MOST_WAITING_BYTES, Outbox};
use super::service::DatabaseService;
use super::sign_in::{SignIn, Term};
use crate::clock::{Agenda, Entropy, Job, Millis, Work};
use crate::server::credentials::Credentials;
use crate::server::revocation::{Hold, Holder};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hearth_database::wire::{Action, Asked, Ending, Outgoing, Session, control};
use hearth_database::{Answer, Audience, Caller, Command, CommandError, ConnectionId, SessionId};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// So many sessions may live (firebase.google.com/docs/database/usage/limits).
const MOST_SESSIONS: usize = 200_000;
/// A session's id is made of so many random bytes.
const ID_BYTES: usize = 18;
/// Larger data is read and written on a thread of its own: others wait for this one.
const WORTH_A_THREAD: u64 = 256 * 1024;

/// All sessions.
pub struct Sessions {
    pub(super) databases: Arc<Databases>,
    pub(super) agenda: Agenda,
    pub(super) stop: CancellationToken,
    /// The transports' tasks.
    pub(super) tasks: TaskTracker,
    sign_in: SignIn,
    pub(super) entropy: Entropy,
    last: AtomicU64,
    live: Mutex<HashMap<SessionId, Weak<Live>>>,
    /// When which session's credential is past its time.
    expiries: Mutex<BTreeMap<(Millis, ConnectionId), Weak<Live>>>,
}

impl fmt::Debug for Live {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Live").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sessions").field("live", &self.lock().len()).finish_non_exhaustive()
    }
}

/// A session that lives.
pub(super) struct Live {
    id: SessionId,
    connection: ConnectionId,
    database: Arc<DatabaseService>,
    outbox: Arc<Outbox>,
    session: Mutex<Session>,
    expires: Mutex<Option<Millis>>,
    /// Has it told when its token is taken back.
    hold: Mutex<Option<Hold>>,
    successor: Mutex<Successor>,
    sessions: Arc<Sessions>,
}

/// Who carries a session on when its transport lets go of it.
#[derive(Debug)]
enum Successor {
    /// Nobody does: the session has a transport to stay with.
    Unwelcome,
    /// Nobody has asked yet.
    Welcome,
    /// This one waits for it.
    Waiting(oneshot::Sender<Attachment>),
}

/// A transport's hold on its session: the session ends when it is dropped.
#[derive(Debug)]
pub(super) struct Attachment(pub(super) Arc<Live>);

impl Attachment {
    /// From now on another transport may ask to carry the session on.
    pub(super) fn welcome_successor(&self) {
        *self.0.successor() = Successor::Welcome;
    }

    /// Lets the transport that has asked for it carry the session on. If there is none, the session ends.
    pub(super) fn hand_over(self) {
        let successor = std::mem::replace(&mut *self.0.successor(), Successor::Unwelcome);
        if let Successor::Waiting(waiting) = successor {
            // One that does not wait any more drops it.
            let _ = waiting.send(self);
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Sessions {
    /// No sessions yet. Each ends when `stop` is cancelled.
    pub fn new(
        databases: Arc<Databases>,
        credentials: Credentials,
        agenda: &Agenda,
        entropy: Entropy,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let sessions = Arc::new(Self {
            databases,
            agenda: agenda.clone(),
            stop,
            tasks: TaskTracker::new(),
            sign_in: SignIn::new(credentials, agenda.clock().clone()),
            entropy,
            last: AtomicU64::new(0),
            live: Mutex::default(),
            expiries: Mutex::default(),
        });
        agenda.add(Arc::new(Expiries(Arc::downgrade(&sessions))));
        sessions
    }

    /// Returns once the server stops and every session has ended.
    pub async fn ended(&self) {
        self.stop.cancelled().await;
        let all: Vec<_> = self.lock().values().filter_map(Weak::upgrade).collect();
        all.iter().for_each(|live| live.outbox.close(Closing::Stopping));
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Opens a session. The one that it comes after, if the client names it, has ended before: its intents have
    /// happened. `None` if there are too many.
    pub(super) async fn open(
        self: &Arc<Self>,
        database: Arc<DatabaseService>,
        after: Option<&str>,
    ) -> Option<Attachment> {
        if let Some(before) = after.and_then(|id| self.find(id))
            && Arc::ptr_eq(&before.database, &database)
        {
            before.outbox.close(Closing::TakenOver);
            before.end_and_wait().await;
        }
        let mut random = [0; ID_BYTES];
        self.entropy.fill(&mut random);
        let id = SessionId(URL_SAFE_NO_PAD.encode(random).into());
        let connection = ConnectionId(self.last.fetch_add(1, Ordering::Relaxed));
        let outbox = Arc::new(Outbox::new(MOST_WAITING_BYTES));
        let session = Session::new(id.clone(), connection, Arc::clone(&outbox) as Arc<dyn Audience>);
        let live = Arc::new(Live {
            id: id.clone(),
            connection,
            database,
            outbox,
            session: Mutex::new(session),
            expires: Mutex::default(),
            hold: Mutex::default(),
            successor: Mutex::new(Successor::Unwelcome),
            sessions: Arc::clone(self),
        });
        let mut all = self.lock();
        if all.len() >= MOST_SESSIONS {
            return None;
        }
        all.insert(id, Arc::downgrade(&live));
        drop(all);
        if self.stop.is_cancelled() {
            live.outbox.close(Closing::Stopping);
        }
        Some(Attachment(live))
    }

    /// Opens a session for a client that asks for a database.
    ///
    /// # Errors
    /// The client gets none, and is to be sent this message.
    pub(super) async fn begin(
        self: &Arc<Self>,
        namespace: Option<&str>,
        after: Option<&str>,
    ) -> Result<Attachment, Bytes> {
        let database = match self.databases.find(namespace, &Caller::ANYONE).await {
            Ok(database) => database,
            // To connect again would not help.
            Err(error @ (DatabaseUnavailable::InvalidName(_) | DatabaseUnavailable::Unknown(_))) => {
                return Err(control::shutdown(&error.to_string()));
            }
            Err(error @ (DatabaseUnavailable::TooMany | DatabaseUnavailable::Closed)) => {
                return Err(control::error(&error.to_string()));
            }
            Err(DatabaseUnavailable::Storage(error)) => {
                tracing::error!(%error, "a database cannot be opened");
                return Err(control::error("Internal server error."));
            }
        };
        let opened = self.open(database, after).await;
        opened.ok_or_else(|| control::error("There are too many connections."))
    }

    /// Waits to carry a session on; its transport hands it over when the client is ready. `None` if there is no such
    /// session, or it stays where it is, or somebody waits for it already.
    pub(super) fn follow(&self, id: &str) -> Option<oneshot::Receiver<Attachment>> {
        let live = self.find(id)?;
        let mut successor = live.successor();
        let welcome = match &*successor {
            Successor::Unwelcome => false,
            Successor::Welcome => true,
            Successor::Waiting(waiting) => waiting.is_closed(),
        };
        let (sender, receiver) = oneshot::channel();
        welcome.then(|| {
            *successor = Successor::Waiting(sender);
            receiver
        })
    }

    fn find(&self, id: &str) -> Option<Arc<Live>> {
        self.lock().get(&SessionId(id.into()))?.upgrade()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Weak<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expiries(&self) -> MutexGuard<'_, BTreeMap<(Millis, ConnectionId), Weak<Live>>> {
        self.expiries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    /// Its id, which is the client's only.
    pub(super) fn id(&self) -> &str {
        &self.id.0
    }

    /// The first message to its client, which has dialled this host.
    pub(super) fn hello(&self, host: &str) -> Bytes {
        control::hello(self.sessions.agenda.clock().now(), host, self.id())
    }

    fn successor(&self) -> MutexGuard<'_, Successor> {
        self.successor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it has to be told.
    pub(super) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Takes a frame of the client's, and has done what it asks. Frames have to be handed over one after the other.
    pub(super) async fn receive(self: &Arc<Self>, frame: impl AsRef<str> + Send + 'static) {
        let work = self.session().work(frame.as_ref().len());
        let actions = if work as u64 > WORTH_A_THREAD {
            let live = Arc::clone(self);
            match tokio::task::spawn_blocking(move || live.session().receive(frame.as_ref())).await {
                Ok(actions) => actions,
                // The panic has been reported by the panic hook.
                Err(_) => return self.outbox.close(Closing::Failed),
            }
        } else {
            self.session().receive(frame.as_ref())
        };
        for action in actions {
            match action {
                Action::Authenticate(number, credential) => {
                    let myself = Arc::downgrade(self) as Weak<dyn Holder>;
                    let found = self.sessions.sign_in.authenticate(&credential, myself).await;
                    let found = found.map(|(authenticated, Term { expires, hold })| {
                        self.expire_at(expires);
                        self.hold_on_to(hold);
                        authenticated
                    });
                    let action = self.session().authenticated(number, found);
                    self.carry_out(action);
                    // It may have been told before it was anybody.
                    if self.is_revoked() {
                        self.withdraw();
                    }
                }
                Action::Submit(..) | Action::Tell(_) | Action::End(_) => self.carry_out(action),
            }
        }
    }

    /// The frames that say what was taken from the outbox. Large data is put into words elsewhere.
    pub(super) async fn frames(self: &Arc<Self>, outgoing: Outgoing, frames: &mut impl Extend<Bytes>) {
        for action in self.session_tells(&outgoing) {
            match action {
                // Here and now: behind what waits it would come after answers to what was asked later.
                Action::Tell(instead) => instead.frames(|frame| frames.extend([frame])),
                Action::Submit(..) | Action::Authenticate(..) | Action::End(_) => self.carry_out(action),
            }
        }
        if outgoing.work() > WORTH_A_THREAD {
            let encode = move || {
                let mut made = Vec::new();
                outgoing.frames(|frame| made.push(frame));
                made
            };
            // A panic there has been reported by the panic hook; the client would miss something.
            match tokio::task::spawn_blocking(encode).await {
                Ok(made) => frames.extend(made),
                Err(_) => self.outbox.close(Closing::Failed),
            }
        } else {
            outgoing.frames(|frame| frames.extend([frame]));
        }
    }

    fn session_tells(&self, outgoing: &Outgoing) -> Vec<Action> {
        match outgoing {
            Outgoing::Revoked(_) | Outgoing::NotListening(..) => self.session().tells(outgoing),
            Outgoing::Text(_) | Outgoing::Event(..) | Outgoing::Got { .. } | Outgoing::Listening { .. } => Vec::new(),
        }
    }

    fn carry_out(&self, action: Action) {
        match action {
            Action::Submit(command, asked) => self.submit(command, asked),
            Action::Tell(outgoing) => self.outbox.tell(outgoing),
            // Only received frames ask for it, and `receive` does it.
            Action::Authenticate(..) => {}
            Action::End(Ending::Malformed(words)) => self.outbox.close(Closing::Malformed(words)),
            Action::End(Ending::TooLong) => self.outbox.close(Closing::TooLong),
        }
    }

    fn submit(&self, command: Command, asked: Option<Asked>) {
        let Some(asked) = asked else {
            // It ends something; a database that is closed has nothing to be ended.
            let _ = self.database.submit_anyway(command, drop);
            return;
        };
        let changes_caller = matches!(command, Command::Become(..));
        let waiting = Waiting { asked: Some(asked), outbox: Arc::clone(&self.outbox) };
        if self.database.submit_promptly(command, move |found| waiting.answer(found)).is_err() && changes_caller {
            // What listens would go on listening on behalf of someone else.
            self.outbox.close(Closing::Overloaded);
        }
    }

    /// From now on the credential is past its time then.
    fn expire_at(self: &Arc<Self>, expires: Option<Millis>) {
        let mut current = self.expires.lock().unwrap_or_else(PoisonError::into_inner);
        let mut expiries = self.sessions.expiries();
        if let Some(before) = std::mem::replace(&mut *current, expires) {
            expiries.remove(&(before, self.connection));
        }
        if let Some(expires) = expires {
            expiries.insert((expires, self.connection), Arc::downgrade(self));
            drop(expiries);
            self.sessions.agenda.touch();
        }
    }

    /// Its token is not the former one any more.
    fn hold_on_to(&self, hold: Option<Hold>) {
        *self.hold.lock().unwrap_or_else(PoisonError::into_inner) = hold;
    }

    fn is_revoked(&self) -> bool {
        self.hold.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(Hold::is_revoked)
    }

    /// From now on it is nobody, and is told so.
    fn withdraw(&self) {
        let actions = self.session().expire();
        actions.into_iter().for_each(|action| self.carry_out(action));
    }

    /// Ends the session, once.
    fn end(self: &Arc<Self>) {
        for command in self.leave() {
            self.submit(command, None);
        }
    }

    /// Ends the session, and returns when the database has been through with it.
    async fn end_and_wait(self: &Arc<Self>) {
        let mut last = None;
        for command in self.leave() {
            let (reply, answer) = oneshot::channel();
            if self.database.submit_anyway(command, move |found| drop(reply.send(found))).is_ok() {
                last = Some(answer);
            }
        }
        if let Some(answer) = last {
            // Whatever came of it, the writer is past it.
            let _ = answer.await;
        }
    }

    fn leave(self: &Arc<Self>) -> Vec<Command> {
        self.sessions.lock().remove(&self.id);
        self.expire_at(None);
        self.hold_on_to(None);
        self.session().end()
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holder for Live {
    fn revoked(&self) {
        self.withdraw();
    }
}

/// A request that waits for the database.
struct Waiting {
    asked: Option<Asked>,
    outbox: Arc<Outbox>,
}

impl Waiting {
    fn answer(mut self, found: Result<Answer, CommandError>) {
        if let Some(asked) = self.asked.take() {
            self.outbox.tell(asked.answer(found));
        }
    }
}

impl Drop for Waiting {
    /// The database has not taken it, or closed before it came to it.
    fn drop(&mut self) {
        if let Some(asked) = self.asked.take() {
            self.outbox.tell(asked.unavailable("The service is unavailable: too much waits, or it stops.".to_owned()));
        }
    }
}

/// Tells sessions whose credentials are past their time.
struct Expiries(Weak<Sessions>);

impl Job for Expiries {
    fn name(&self) -> &'static str {
        "expiry of credentials"
    }

    fn due(&self) -> Option<Millis> {
        self.0.upgrade()?.expiries().keys().next().map(|(due, _)| *due)
    }

    fn begin(&self, now: Millis) -> Work {
        if let Some(sessions) = self.0.upgrade() {
            let due = {
                let mut expiries = sessions.expiries();
                let later = expiries.split_off(&(now.saturating_add(1), ConnectionId(0)));
                std::mem::replace(&mut *expiries, later)
            };
            for live in due.into_values().filter_map(|live| live.upgrade()) {
                live.withdraw();
            }
        }
        Box::pin(std::future::ready(()))
    }
}
