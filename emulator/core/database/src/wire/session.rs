//! One client's session: what each text that comes in makes the server do.
//!
//! Texts are taken in order, and what they ask of the database has to be asked in the order of the actions. A compound
//! hash (`ch`) is not looked at: the listener is sent everything, unless the simple hash matches. Must not know: how an
//! action is carried out.

use super::control;
use super::frame::{Assembler, Received};
use super::message::{self, Credential, Message, Request, Target};
use super::outgoing::{self, Outgoing, answer, refused};
use super::status::{Refusal, Status};
use crate::engine::{
    Answer, Audience, Change, Command, CommandError, ConnectionId, Get, Intent, Listen, ListenerId, OnDisconnect,
    SessionId, Tag, Write,
};
use crate::rules::Caller;
use crate::tree::Path;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// All that is kept of a session's listeners takes at most about so many bytes.
const MOST_LISTENER_BYTES: usize = 32 * 1024 * 1024;
/// What is kept of a listener besides its path and its query.
const LISTENER_BYTES: usize = 512;
/// An answer has at most about so many bytes (firebase.google.com/docs/database/usage/limits: 256 MB).
const MOST_READ_BYTES: u64 = 256 * 1024 * 1024;

/// Something to be done.
#[expect(clippy::large_enum_variant, reason = "almost all are submitted, and none is kept")]
#[derive(Debug)]
pub enum Action {
    /// Ask the database; what comes of it is told by [`Asked::answer`]. Without one nobody waits for the answer.
    Submit(Command, Option<Asked>),
    /// Tell the client.
    Tell(Outgoing),
    /// Find out who this is, then call [`Session::authenticated`] before anything else is received.
    Authenticate(u64, Credential),
    /// End the connection.
    End(Ending),
}

/// Why a connection is ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It has sent something else than the protocol's messages. The client should be told the words before, with
    /// [`control::error`].
    Malformed(String),
    /// It has sent a message that is too long, and of which not even the number could be seen.
    TooLong,
}

/// Who a credential was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    /// The caller.
    pub caller: Caller,
    /// What the rules see as `auth`, as JSON.
    pub auth: String,
}

/// A request that the database was asked to carry out.
#[derive(Debug)]
pub struct Asked {
    number: u64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Answered with this JSON.
    Plain(&'static str),
    Credential(String),
    Get,
    Listen {
        listener: ListenerId,
        path: Path,
    },
}

impl Asked {
    /// What the client is told of the database's answer.
    pub fn answer(self, found: Result<Answer, CommandError>) -> Outgoing {
        let number = self.number;
        let too_big = |node: &crate::tree::Node| node.weight() > MOST_READ_BYTES;
        match (self.kind, found) {
            (kind, Err(error)) => refuse(number, kind, &Refusal::from(&error)),
            (kind @ Kind::Get, Ok(Answer::Got(node))) if too_big(&node) => refuse(number, kind, &Refusal::READ_TOO_BIG),
            (kind @ Kind::Listen { .. }, Ok(Answer::Listening { data: Some(node), .. })) if too_big(&node) => {
                refuse(number, kind, &Refusal::READ_TOO_BIG)
            }
            (Kind::Get, Ok(Answer::Got(node))) => Outgoing::Got { number, node },
            (Kind::Listen { listener, path }, Ok(Answer::Listening { data, unindexed, .. })) => {
                Outgoing::Listening { number, listener, path, data, unindexed }
            }
            (Kind::Credential(auth), Ok(_)) => {
                Outgoing::Text(answer(number, Status::Ok.name(), &format!(r#"{{"auth":{auth}}}"#)))
            }
            (Kind::Plain(data), Ok(_)) => Outgoing::Text(answer(number, Status::Ok.name(), data)),
            (kind @ (Kind::Get | Kind::Listen { .. }), Ok(_)) => {
                refuse(number, kind, &Refusal::failure("Internal server error."))
            }
        }
    }

    /// What the client is told when the database could not be asked: too much waits already, or it is closed.
    pub fn unavailable(self, words: String) -> Outgoing {
        refuse(self.number, self.kind, &Refusal(Status::Unavailable, words.into()))
    }
}

fn refuse(number: u64, kind: Kind, refusal: &Refusal) -> Outgoing {
    let text = refused(number, refusal);
    match kind {
        Kind::Plain(_) | Kind::Credential(_) | Kind::Get => Outgoing::Text(text),
        Kind::Listen { listener, .. } => Outgoing::NotListening(listener, text),
    }
}

/// A session. Whoever holds it carries its actions out in order.
pub struct Session {
    id: SessionId,
    connection: ConnectionId,
    caller: Caller,
    audience: Arc<dyn Audience>,
    incoming: Assembler,
    listeners: Listeners,
    has_listened: bool,
    has_intents: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Session")
            .field("id", &self.id)
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// A session that begins; nobody has said yet who it is. Its listeners report to `audience`.
    pub fn new(id: SessionId, connection: ConnectionId, audience: Arc<dyn Audience>) -> Self {
        Self {
            id,
            connection,
            caller: Caller::ANYONE,
            audience,
            incoming: Assembler::default(),
            listeners: Listeners::default(),
            has_listened: false,
            has_intents: false,
        }
    }

    /// How many bytes of JSON have to be read to take a frame of so many bytes.
    pub fn work(&self, frame: usize) -> usize {
        self.incoming.completes(frame)
    }

    /// Takes a frame, and says what is to be done.
    pub fn receive(&mut self, frame: &str) -> Vec<Action> {
        let text = match self.incoming.receive(frame) {
            Received::Nothing => return Vec::new(),
            Received::Text(text) => text,
            Received::TooLong(head) => {
                return vec![message::number_in(&head).map_or(Action::End(Ending::TooLong), |number| {
                    Action::Tell(Outgoing::Text(refused(number, &Refusal::WRITE_TOO_BIG)))
                })];
            }
        };
        match message::parse(&text) {
            Ok(Message::Ping) => vec![Action::Tell(Outgoing::Text(control::pong()))],
            Ok(Message::OtherControl) => Vec::new(),
            Ok(Message::Request(number, Ok(request))) => self.request(number, request),
            Ok(Message::Request(number, Err(refusal))) => {
                vec![Action::Tell(Outgoing::Text(refused(number, &refusal)))]
            }
            Err(words) => vec![Action::End(Ending::Malformed(words))],
        }
    }

    fn request(&mut self, number: u64, request: Request) -> Vec<Action> {
        let caller = &self.caller;
        let plain = |command| vec![Action::Submit(command, Some(Asked { number, kind: Kind::Plain("\"\"") }))];
        let write = |location, hash: Option<String>, change| {
            plain(Command::Write(Write { caller: caller.clone(), location, if_match: hash.map(Tag::Hash), change }))
        };
        match request {
            Request::Nothing => vec![Action::Tell(Outgoing::Text(answer(number, Status::Ok.name(), "\"\"")))],
            Request::Authenticate(credential) => vec![Action::Authenticate(number, credential)],
            Request::Unauthenticate => {
                self.caller = Caller::ANYONE;
                plain(Command::Become(self.connection, Caller::ANYONE))
            }
            Request::Listen { target, known } => self.listen(number, target, known),
            Request::Unlisten(target) => match self.listeners.remove(&target) {
                Some(listener) => plain(Command::Unlisten(self.connection, listener)),
                None => vec![Action::Tell(Outgoing::Text(answer(number, Status::Ok.name(), "\"\"")))],
            },
            Request::Get(path, query) => {
                let asked = Asked { number, kind: Kind::Get };
                vec![Action::Submit(Command::Get(Get { caller: caller.clone(), path, query }), Some(asked))]
            }
            Request::Set { location, data, hash } => write(location, hash, Change::Set(data)),
            Request::Update { location, parts, hash } => write(location, hash, Change::Update(parts)),
            Request::OnDisconnectSet(location, data) => plain(self.intend(Intent::Set(location, data))),
            Request::OnDisconnectUpdate(path, parts) => plain(self.intend(Intent::Update(path, parts))),
            Request::OnDisconnectCancel(path) => plain(self.intend(Intent::Cancel(path))),
        }
    }

    fn intend(&mut self, intent: Intent) -> Command {
        self.has_intents = true;
        Command::OnDisconnect(OnDisconnect { session: self.id.clone(), caller: self.caller.clone(), intent })
    }

    fn listen(&mut self, number: u64, target: Target, known: Option<String>) -> Vec<Action> {
        let mut actions = Vec::new();
        if let Some(replaced) = self.listeners.remove(&target) {
            actions.push(Action::Submit(Command::Unlisten(self.connection, replaced), None));
        }
        let (path, query) = (target.path.clone(), target.query.clone());
        let Some(listener) = self.listeners.add(target) else {
            let refusal = Refusal::failure("There are too many listeners on this connection.");
            actions.push(Action::Tell(Outgoing::Text(refused(number, &refusal))));
            return actions;
        };
        self.has_listened = true;
        let listen = Listen {
            connection: self.connection,
            listener,
            caller: self.caller.clone(),
            path: path.clone(),
            query,
            known,
            audience: Arc::clone(&self.audience),
        };
        let asked = Asked { number, kind: Kind::Listen { listener, path } };
        actions.push(Action::Submit(Command::Listen(listen), Some(asked)));
        actions
    }

    /// Goes on after [`Action::Authenticate`]: who the credential was found to be, or why it is not accepted.
    pub fn authenticated(&mut self, number: u64, found: Result<Authenticated, (Status, String)>) -> Action {
        match found {
            Ok(Authenticated { caller, auth }) => {
                self.caller = caller.clone();
                let asked = Asked { number, kind: Kind::Credential(auth) };
                Action::Submit(Command::Become(self.connection, caller), Some(asked))
            }
            Err((status, words)) => Action::Tell(Outgoing::Text(refused(number, &Refusal(status, words.into())))),
        }
    }

    /// The credential is past its time: the client is told, and is nobody from now on.
    pub fn expire(&mut self) -> Vec<Action> {
        self.caller = Caller::ANYONE;
        let refusal = Refusal(Status::ExpiredToken, "Auth token is expired.".into());
        vec![
            Action::Submit(Command::Become(self.connection, Caller::ANYONE), None),
            Action::Tell(Outgoing::Text(outgoing::credential_revoked(&refusal))),
        ]
    }

    /// To be called for each thing that is told, before it is: what is told instead of [`Outgoing::Revoked`], if the
    /// client still cares.
    pub fn tells(&mut self, outgoing: &Outgoing) -> Vec<Action> {
        match outgoing {
            Outgoing::Revoked(listener) => match self.listeners.forget(*listener) {
                Some(target) => {
                    let text = outgoing::revoked(&target.path, target.text.as_deref());
                    vec![Action::Tell(Outgoing::Text(text))]
                }
                None => Vec::new(),
            },
            Outgoing::NotListening(listener, _) => match self.listeners.forget(*listener) {
                // It may listen all the same, if only its first data could not be sent.
                Some(_) => vec![Action::Submit(Command::Unlisten(self.connection, *listener), None)],
                None => Vec::new(),
            },
            Outgoing::Text(_) | Outgoing::Event(..) | Outgoing::Got { .. } | Outgoing::Listening { .. } => Vec::new(),
        }
    }

    /// What the database has to be asked when the session has ended. Again, it is nothing.
    pub fn end(&mut self) -> Vec<Command> {
        let left = std::mem::take(&mut self.has_listened).then_some(Command::Leave(self.connection));
        let ended = std::mem::take(&mut self.has_intents).then(|| Command::Disconnect(self.id.clone()));
        self.listeners = Listeners::default();
        left.into_iter().chain(ended).collect()
    }
}

/// A session's listeners.
#[derive(Debug, Default)]
struct Listeners {
    targets: HashMap<ListenerId, Target>,
    by_path: HashMap<Path, Vec<ListenerId>>,
    bytes: usize,
    /// Listeners are numbered, and no number is used again: what is on its way to one does not reach the next.
    last: u32,
}

impl Listeners {
    /// Adds one; `None` if there is no room.
    fn add(&mut self, target: Target) -> Option<ListenerId> {
        let bytes = self.bytes + cost(&target);
        if bytes > MOST_LISTENER_BYTES {
            return None;
        }
        self.last = self.last.checked_add(1)?;
        self.bytes = bytes;
        let listener = outgoing::listener(self.last, target.tag);
        self.by_path.entry(target.path.clone()).or_default().push(listener);
        self.targets.insert(listener, target);
        Some(listener)
    }

    /// Removes the one of the same path, query and tag.
    fn remove(&mut self, target: &Target) -> Option<ListenerId> {
        let same = |listener: &&ListenerId| {
            self.targets.get(listener).is_some_and(|known| known.query == target.query && known.tag == target.tag)
        };
        let listener = *self.by_path.get(&target.path)?.iter().find(same)?;
        self.forget(listener);
        Some(listener)
    }

    fn forget(&mut self, listener: ListenerId) -> Option<Target> {
        let target = self.targets.remove(&listener)?;
        self.bytes -= cost(&target);
        if let Some(listeners) = self.by_path.get_mut(&target.path) {
            listeners.retain(|other| *other != listener);
            if listeners.is_empty() {
                self.by_path.remove(&target.path);
            }
        }
        Some(target)
    }
}

fn cost(target: &Target) -> usize {
    let path: usize = target.path.keys().iter().map(|key| key.as_str().len() + size_of::<crate::tree::Key>()).sum();
    LISTENER_BYTES + 2 * path + 2 * target.text.as_deref().map_or(0, str::len)
}
