//! Frames into a session of the SDKs' protocol, with an engine behind it: every frame that comes out is text, and
//! together they are JSON; every request has one answer.
//!
//! An input is frames, one to a line.

use hearth_database::wire::{Action, Authenticated, Outgoing, Session, Status};
use hearth_database::{
    Audience, Batch, Caller, ConnectionId, Engine, Event, Journal, JournalError, ListenerId, Loaded, Ruleset, SessionId,
};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

const RULES: &str = r#"{"rules":{".read":true,".write":true,"list":{".indexOn":["v",".value","a/b"]},
    "closed":{".validate":false},"checked":{".validate":"newData.isString()"}}}"#;
const NOW: u64 = 1_700_000_000_000;
/// More of one input would only take longer.
const MOST_FRAMES: usize = 64;

/// Keeps nothing.
#[derive(Debug)]
struct Nothing;

impl Journal for Nothing {
    fn load(&mut self) -> Result<Loaded, JournalError> {
        Ok(Loaded::default())
    }

    fn commit(&mut self, _: Batch<'_>) -> Result<(), JournalError> {
        Ok(())
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<Outgoing>>);

impl Heard {
    fn take(&self) -> Vec<Outgoing> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep(&self, outgoing: Outgoing) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(outgoing);
    }
}

impl Audience for Heard {
    fn hear(&self, listener: ListenerId, event: &Arc<Event>) {
        self.keep(Outgoing::Event(listener, Arc::clone(event)));
    }

    fn revoke(&self, listener: ListenerId) {
        self.keep(Outgoing::Revoked(listener));
    }
}

struct Server {
    engine: Engine<Nothing>,
    session: Session,
    heard: Arc<Heard>,
    answers: usize,
    ended: bool,
}

impl Server {
    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Submit(command, asked) => {
                    let found = self.engine.execute([command], NOW, &mut |bytes| bytes.fill(7), |_| ()).pop();
                    for outgoing in self.heard.take() {
                        self.tell(&outgoing);
                    }
                    if let Some(asked) = asked {
                        let outgoing = asked.answer(found.expect("an answer to each command"));
                        self.tell(&outgoing);
                    }
                }
                Action::Tell(outgoing) => self.tell(&outgoing),
                Action::Authenticate(number, credential) => {
                    let found = match credential.token.as_str() {
                        "owner" => Ok(Authenticated { caller: Caller::Admin, auth: "null".to_owned() }),
                        "user" => Ok(Authenticated { caller: Caller::ANYONE, auth: r#"{"uid":"u"}"#.to_owned() }),
                        _ => Err((Status::InvalidToken, "no".to_owned())),
                    };
                    let action = self.session.authenticated(number, found);
                    self.carry_out(vec![action]);
                }
                Action::End(_) => self.ended = true,
            }
        }
    }

    fn tell(&mut self, outgoing: &Outgoing) {
        let more = self.session.tells(outgoing);
        let mut frames = Vec::new();
        outgoing.frames(|frame| frames.push(frame));
        let mut frames = frames.iter().map(|frame| std::str::from_utf8(frame).expect("text"));
        while let Some(first) = frames.next() {
            // The number of frames that follow, or a text.
            let text = match first.parse::<usize>() {
                Ok(pieces) => frames.by_ref().take(pieces).collect(),
                Err(_) => first.to_owned(),
            };
            let message: Value = serde_json::from_str(&text).expect("JSON");
            let number = message.get("d").and_then(|data| data.get("r"));
            self.answers += usize::from(number.is_some());
        }
        self.carry_out(more);
    }
}

pub(crate) fn target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let rules = Ruleset::parse(RULES).expect("rules");
    let heard = Arc::new(Heard::default());
    let audience = Arc::clone(&heard) as Arc<dyn Audience>;
    let session = Session::new(SessionId("s".into()), ConnectionId(1), audience);
    let engine = Engine::open(Nothing, rules).expect("an engine");
    let mut server = Server { engine, session, heard, answers: 0, ended: false };
    for frame in text.split('\n').take(MOST_FRAMES) {
        let before = server.answers;
        let actions = server.session.receive(frame);
        server.carry_out(actions);
        assert!(server.answers - before <= 1, "one frame asks for one thing at most");
        if server.ended {
            break;
        }
    }
    let before = server.answers;
    for command in server.session.end() {
        server.engine.execute([command], NOW, &mut |bytes| bytes.fill(7), |_| ());
    }
    assert!(server.session.end().is_empty(), "a session ends once");
    assert_eq!(server.answers, before);
}
