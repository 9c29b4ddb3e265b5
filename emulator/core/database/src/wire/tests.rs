//! A session on the wire: what the SDK sends, what the database answers, what the SDK is sent.

use super::*;
use crate::engine::{
    Answer, Audience, Command, CommandError, ConnectionId, Event, ListenerId, News, SessionId, Version, WriteError,
};
use crate::query::Limit;
use crate::rules::{Caller, Denial};
use crate::tree::{Leaf, Location, Node, Path, json};
use bytes::Bytes;
use std::sync::{Arc, Mutex};

/// Keeps what it hears.
#[derive(Default)]
struct Heard(Mutex<Vec<Outgoing>>);

impl Audience for Heard {
    fn hear(&self, listener: ListenerId, event: &Arc<Event>) {
        self.0.lock().unwrap().push(Outgoing::Event(listener, Arc::clone(event)));
    }

    fn revoke(&self, listener: ListenerId) {
        self.0.lock().unwrap().push(Outgoing::Revoked(listener));
    }
}

struct Pair {
    session: Session,
    /// What the database is asked, and what it answers; without an answer it accepts.
    answers: Vec<Result<Answer, CommandError>>,
    asked: Vec<String>,
    listeners: Vec<(Arc<dyn Audience>, ListenerId)>,
    heard: Arc<Heard>,
}

fn frames(outgoing: &Outgoing) -> Vec<String> {
    let mut frames = Vec::new();
    outgoing.frames(|frame| frames.push(String::from_utf8(frame.to_vec()).unwrap()));
    frames
}

impl Pair {
    fn new() -> Self {
        let heard = Arc::new(Heard::default());
        let audience = Arc::clone(&heard) as Arc<dyn Audience>;
        let session = Session::new(SessionId("s".into()), ConnectionId(1), audience);
        Self { session, answers: Vec::new(), asked: Vec::new(), listeners: Vec::new(), heard }
    }

    /// Carries out what there is to do; the frames that the client is sent.
    fn carry_out(&mut self, actions: Vec<Action>) -> Vec<String> {
        let mut sent = Vec::new();
        for action in actions {
            match action {
                Action::Submit(command, asked) => {
                    self.asked.push(format!("{command:?}"));
                    if let Command::Listen(listen) = &command {
                        self.listeners.push((Arc::clone(&listen.audience), listen.listener));
                    }
                    let Some(asked) = asked else { continue };
                    let found = if self.answers.is_empty() { Ok(Answer::Accepted) } else { self.answers.remove(0) };
                    let outgoing = asked.answer(found);
                    let more = self.session.tells(&outgoing);
                    sent.extend(frames(&outgoing));
                    sent.extend(self.carry_out(more));
                }
                Action::Tell(outgoing) => sent.extend(frames(&outgoing)),
                Action::Authenticate(number, credential) => {
                    let found = match credential.token.as_str() {
                        "owner" => Ok(Authenticated { caller: Caller::Admin, auth: "null".to_owned() }),
                        _ => Err((Status::InvalidToken, "no".to_owned())),
                    };
                    let action = self.session.authenticated(number, found);
                    sent.extend(self.carry_out(vec![action]));
                }
                Action::End(ending) => sent.push(format!("{ending:?}")),
            }
        }
        sent
    }

    fn send(&mut self, frame: &str) -> Vec<String> {
        let actions = self.session.receive(frame);
        self.carry_out(actions)
    }

    /// Sends a request; the bodies of what comes back.
    fn ask(&mut self, number: u64, action: &str, body: &str) -> Vec<String> {
        self.send(&format!(r#"{{"t":"d","d":{{"r":{number},"a":"{action}","b":{body}}}}}"#))
    }

    /// What the listeners have heard, as it is sent.
    fn pushes(&mut self) -> Vec<String> {
        let heard = std::mem::take(&mut *self.heard.0.lock().unwrap());
        let mut sent = Vec::new();
        for outgoing in heard {
            let actions = self.session.tells(&outgoing);
            sent.extend(frames(&outgoing));
            sent.extend(self.carry_out(actions));
        }
        sent
    }
}

fn node(text: &str) -> Node {
    json::parse(text.as_bytes(), 0).unwrap().node
}

fn listening(data: Option<&str>, unindexed: bool) -> Result<Answer, CommandError> {
    Ok(Answer::Listening { data: data.map(node), unindexed, version: Version::default() })
}

fn ok(number: u64) -> String {
    format!(r#"{{"t":"d","d":{{"r":{number},"b":{{"s":"ok","d":""}}}}}}"#)
}

fn listens(number: u64) -> String {
    format!(r#"{{"t":"d","d":{{"r":{number},"b":{{"s":"ok","d":{{}}}}}}}}"#)
}

/// The session of firebase 12.18.0 that the protocol was learned from, message by message.
#[test]
fn a_session_of_the_sdk() {
    let mut pair = Pair::new();
    assert_eq!(pair.send(r#"{"t":"d","d":{"r":1,"a":"s","b":{"c":{"sdk.node.12-18-0":1}}}}"#), [ok(1)]);
    pair.answers.push(listening(Some("null"), false));
    assert_eq!(
        pair.send(r#"{"t":"d","d":{"r":2,"a":"q","b":{"p":"/x y/é","h":""}}}"#),
        [r#"{"t":"d","d":{"a":"d","b":{"p":"/x y/é","d":null}}}"#.to_owned(), listens(2)]
    );
    for (number, action, body, command) in [
        (3, "p", r#"{"p":"/s","d":{"a":{"0":1,"2":2},"b":{".sv":"timestamp"}}}"#, "Timestamp"),
        (4, "p", r#"{"p":"/sp","d":{".value":5,".priority":"pr"}}"#, "Set"),
        (5, "p", r#"{"p":"/sp/.priority","d":9}"#, "priority: true"),
        (6, "m", r#"{"p":"/u","d":{"a/b":1,"c":null}}"#, "Update([("),
        (7, "p", r#"{"p":"/rm","d":null}"#, "node: null"),
        (
            8,
            "o",
            r#"{"p":"/od","d":1}"#,
            "OnDisconnect { session: SessionId(\"s\"), caller: Client(None), intent: Set(",
        ),
        (9, "om", r#"{"p":"/od","d":{"q":1}}"#, "intent: Update("),
        (10, "oc", r#"{"p":"/od","d":null}"#, "intent: Cancel("),
        (11, "o", r#"{"p":"/od","d":{".value":3,".priority":4}}"#, "intent: Set("),
        (12, "o", r#"{"p":"/od","d":null}"#, "intent: Set("),
        (13, "unauth", "{}", "Become(ConnectionId(1))"),
    ] {
        assert_eq!(pair.ask(number, action, body), [ok(number)], "{body}");
        let asked = pair.asked.last().unwrap();
        assert!(asked.contains(command), "{asked}");
    }
    pair.answers.push(listening(None, false));
    assert_eq!(pair.ask(14, "q", r#"{"p":"/t","h":""}"#), [listens(14)]);
    assert_eq!(pair.ask(15, "p", r#"{"p":"/t","d":1,"h":""}"#), [ok(15)]);
    assert!(pair.asked.last().unwrap().contains("if_match: Some(Hash(\"\"))"));
    pair.answers.push(Ok(Answer::Got(node(r#"{"a":{".value":1,".priority":2}}"#))));
    assert_eq!(
        pair.ask(16, "g", r#"{"p":"/g1","q":{}}"#),
        [r#"{"t":"d","d":{"r":16,"b":{"s":"ok","d":{"a":{".value":1,".priority":2}}}}}"#]
    );
    pair.answers.push(Ok(Answer::Got(Node::NULL)));
    assert_eq!(
        pair.ask(17, "g", r#"{"p":"/g2","q":{"l":1,"vf":"l","i":".key"}}"#),
        [r#"{"t":"d","d":{"r":17,"b":{"s":"ok","d":null}}}"#]
    );
    assert!(pair.asked.last().unwrap().contains(&format!("{:?}", Some(Limit::First(1)))));
    assert_eq!(pair.ask(18, "n", r#"{"p":"/t"}"#), [ok(18)]);
    assert_eq!(pair.asked.last().unwrap(), &format!("Unlisten(ConnectionId(1), {:?})", pair.listeners[1].1));
    assert_eq!(pair.send("0"), [""; 0]);
    assert_eq!(pair.send(r#"{"t":"c","d":{"t":"p","d":{}}}"#), [r#"{"t":"c","d":{"t":"o","d":null}}"#]);
    let ended: Vec<_> = pair.session.end().iter().map(|command| format!("{command:?}")).collect();
    assert_eq!(ended, ["Leave(ConnectionId(1))", "Disconnect(SessionId(\"s\"))"]);
    assert!(pair.session.end().is_empty());
}

#[test]
fn pushes_carry_the_tag_of_their_listener_and_share_their_text() {
    let mut pair = Pair::new();
    let query = r#"{"p":"/z","q":{"l":2,"vf":"r"},"t":7,"h":""}"#;
    pair.answers.extend([listening(Some(r#"{"a":1}"#), true), listening(None, false)]);
    assert_eq!(
        pair.ask(1, "q", query),
        [
            r#"{"t":"d","d":{"a":"d","b":{"p":"/z","d":{"a":1},"t":7}}}"#,
            r#"{"t":"d","d":{"r":1,"b":{"s":"ok","d":{"w":["no_index"]}}}}"#,
        ]
    );
    pair.ask(2, "q", r#"{"p":"/","h":"x"}"#);
    let path = |text: &str| Path::parse(text).unwrap();
    let location = |text: &str| Location::parse(text).unwrap();
    let events = [
        News::Patch {
            path: path("z"),
            parts: vec![
                (location("b/c"), node("2")),
                (location("a"), Node::NULL),
                (location("d/.priority"), node("3")),
            ],
        },
        News::Put(location("z/\"/.priority"), node("\"p\"")),
    ]
    .map(|news| Arc::new(Event::new(Version::default(), news)));
    let listeners = pair.listeners.clone();
    for event in &events {
        for (audience, listener) in &listeners {
            audience.hear(*listener, event);
        }
    }
    assert_eq!(
        pair.pushes(),
        [
            r#"{"t":"d","d":{"a":"m","b":{"p":"/z","d":{"b/c":2,"a":null,"d/.priority":3},"t":7}}}"#,
            r#"{"t":"d","d":{"a":"m","b":{"p":"/z","d":{"b/c":2,"a":null,"d/.priority":3}}}}"#,
            r#"{"t":"d","d":{"a":"d","b":{"p":"/z/\"/.priority","d":"p","t":7}}}"#,
            r#"{"t":"d","d":{"a":"d","b":{"p":"/z/\"/.priority","d":"p"}}}"#,
        ]
    );
    let mut texts: Vec<Bytes> = Vec::new();
    for _ in 0..2 {
        Outgoing::Event(listeners[1].1, Arc::clone(&events[0])).frames(|frame| texts.push(frame));
    }
    assert_eq!(texts[0].as_ptr(), texts[1].as_ptr());
}

#[test]
fn a_long_push_is_split_with_and_without_a_tag() {
    let long = Node::from(Leaf::text(&"é".repeat(20_000)));
    for (tag, end) in [(None, "}}}"), (Some(5), ",\"t\":5}}}")] {
        let event = Event::new(Version::default(), News::Put(Path::parse("a").unwrap().into(), long.clone()));
        let sent = frames(&Outgoing::Event(outgoing::listener(1, tag), Arc::new(event)));
        assert_eq!(sent[0], (sent.len() - 1).to_string());
        let text = sent[1..].concat();
        assert_eq!(text, format!(r#"{{"t":"d","d":{{"a":"d","b":{{"p":"/a","d":"{}"{end}"#, "é".repeat(20_000)));
    }
}

#[test]
fn the_same_listen_again_replaces_and_others_stay() {
    let mut pair = Pair::new();
    for (number, body) in [
        (1, r#"{"p":"/a","h":""}"#),
        (2, r#"{"p":"/a","q":{"l":1,"vf":"l"},"t":1,"h":""}"#),
        (3, r#"{"p":"a","q":{"vf":"l","l":1},"t":1,"h":""}"#),
        (4, r#"{"p":"/a","q":{"l":1,"vf":"l"},"t":2,"h":""}"#),
    ] {
        pair.answers.push(listening(None, false));
        assert_eq!(pair.ask(number, "q", body), [listens(number)]);
    }
    let ids: Vec<_> = pair.listeners.iter().map(|(_, id)| *id).collect();
    let unlistened = |pair: &Pair| -> Vec<String> {
        pair.asked.iter().filter(|asked| asked.starts_with("Unlisten")).cloned().collect()
    };
    assert_eq!(unlistened(&pair), [format!("Unlisten(ConnectionId(1), {:?})", ids[1])]);
    pair.ask(5, "n", r#"{"p":"/a","q":{"l":1,"vf":"l"},"t":2}"#);
    assert_eq!(unlistened(&pair).last().unwrap(), &format!("Unlisten(ConnectionId(1), {:?})", ids[3]));
    // Nothing listens there.
    let asked = pair.asked.len();
    assert_eq!(pair.ask(6, "n", r#"{"p":"/a","q":{"l":9,"vf":"l"},"t":3}"#), [ok(6)]);
    assert_eq!(pair.asked.len(), asked);
}

#[test]
fn a_revoked_listener_is_named_once_and_a_replaced_one_never() {
    let mut pair = Pair::new();
    let query = r#"{"l":1,"vf":"l"}"#;
    for (number, body) in [
        (1, r#"{"p":"/a","h":""}"#.to_owned()),
        (2, format!(r#"{{"p":"/b","q":{query},"t":1,"h":""}}"#)),
        (3, r#"{"p":"/a","h":""}"#.to_owned()),
    ] {
        pair.answers.push(listening(None, false));
        pair.ask(number, "q", &body);
    }
    for (audience, listener) in pair.listeners.clone() {
        audience.revoke(listener);
    }
    assert_eq!(
        pair.pushes(),
        [
            format!(r#"{{"t":"d","d":{{"a":"c","b":{{"p":"/b","q":[{query}]}}}}}}"#),
            r#"{"t":"d","d":{"a":"c","b":{"p":"/a"}}}"#.to_owned(),
        ]
    );
    pair.listeners.iter().for_each(|(audience, listener)| audience.revoke(*listener));
    assert_eq!(pair.pushes(), [""; 0]);
}

#[test]
fn each_error_has_its_status_and_its_words() {
    let unindexed = CommandError::Unindexed { index: "x".to_owned(), path: Path::parse("a").unwrap() };
    for (action, error, answer) in [
        ("p", CommandError::Denied(Denial::default()), r#""permission_denied","d":"Permission denied""#),
        ("q", CommandError::Denied(Denial::default()), r#""permission_denied","d":"Permission denied""#),
        ("p", CommandError::Stale(Node::NULL), r#""datastale","d":"Transaction hash does not match""#),
        (
            "g",
            unindexed,
            r#""failure","d":"Index not defined, add \".indexOn\": \"x\", for path \"/a\", to the rules""#,
        ),
        (
            "p",
            CommandError::Write(WriteError::Priority),
            r#""failure","d":"Invalid data; a priority must be a number or a string.""#,
        ),
        ("p", CommandError::NotStored, r#""unavailable","d":"the data could not be stored""#),
        ("p", CommandError::Panicked, r#""failure","d":"the command panicked""#),
    ] {
        let mut pair = Pair::new();
        pair.answers.push(Err(error));
        let sent = pair.ask(1, action, r#"{"p":"/a","d":1}"#);
        assert_eq!(sent, [format!(r#"{{"t":"d","d":{{"r":1,"b":{{"s":{answer}}}}}}}"#)]);
        // A listener that has not begun is forgotten, and let go.
        assert_eq!(pair.asked.len(), if action == "q" { 2 } else { 1 });
    }
}

#[test]
fn a_credential_changes_who_asks_until_it_ends() {
    let mut pair = Pair::new();
    assert_eq!(
        pair.ask(1, "gauth", r#"{"cred":"x"}"#),
        [r#"{"t":"d","d":{"r":1,"b":{"s":"invalid_token","d":"no"}}}"#]
    );
    assert!(pair.asked.is_empty());
    assert_eq!(
        pair.ask(2, "gauth", r#"{"cred":"owner"}"#),
        [r#"{"t":"d","d":{"r":2,"b":{"s":"ok","d":{"auth":null}}}}"#]
    );
    pair.ask(3, "p", r#"{"p":"/a","d":1}"#);
    assert!(pair.asked.last().unwrap().contains("caller: Admin"));
    let actions = pair.session.expire();
    assert_eq!(
        pair.carry_out(actions),
        [r#"{"t":"d","d":{"a":"ac","b":{"s":"expired_token","d":"Auth token is expired."}}}"#]
    );
    pair.ask(4, "p", r#"{"p":"/a","d":1}"#);
    assert!(pair.asked.last().unwrap().contains("caller: Client(None)"));
}

#[test]
fn what_is_no_message_ends_the_connection_and_what_is_too_long_need_not() {
    let mut pair = Pair::new();
    let sent = pair.send("{nope");
    assert!(sent[0].starts_with("Malformed(\"not a message: "), "{sent:?}");
    let long = format!(r#"{{"t":"d","d":{{"r":8,"a":"p","b":{{"d":"{}"}}}}}}"#, "x".repeat(MOST_MESSAGE_BYTES));
    assert_eq!(
        pair.send(&long),
        [
            r#"{"t":"d","d":{"r":8,"b":{"s":"too_big","d":"Data to write exceeds the maximum size that can be modified with a single request."}}}"#
        ]
    );
    assert_eq!(pair.send(&"x".repeat(MOST_MESSAGE_BYTES + 1)), ["TooLong"]);
}
