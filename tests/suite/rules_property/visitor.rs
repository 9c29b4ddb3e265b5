//! Who uses the database: over a WebSocket, by polling, or by an event stream; and what each has made of what it heard.

use super::reference::{User, at, with};
use crate::long_poll::{Poller, encode};
use hearth::config::service::Service;
use hearth_tests::client::PATIENCE;
use hearth_tests::suite::{PROJECT, Suite};
use hearth_tests::websocket::Client;
use serde_json::{Value, json};
use std::collections::{BTreeSet, VecDeque};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A token as test libraries make it.
pub(crate) fn token(user: &User) -> Option<String> {
    user.name?;
    let part = |value: &Value| encode(&value.to_string()).trim_end_matches('.').to_owned();
    let claims = Value::Object(user.claims.clone());
    Some(format!("{}.{}.", part(&json!({"alg": "none", "type": "JWT"})), part(&claims)))
}

/// What such a token says of a user.
pub(crate) fn user(name: Option<&'static str>) -> User {
    let claims = json!({
        "iss": format!("https://securetoken.google.com/{PROJECT}"), "aud": PROJECT, "iat": 0, "exp": 3600,
        "auth_time": 0, "sub": name, "user_id": name, "role": if name == Some("ada") { "boss" } else { "none" },
        "firebase": {"sign_in_provider": "custom", "identities": {}},
    });
    User { name, claims: claims.as_object().cloned().unwrap_or_default() }
}

enum Link<'s> {
    Socket(Box<Client>),
    Polls(Poller<'s>, u64),
}

/// A session of the SDKs' protocol.
pub(crate) struct Visitor<'s> {
    link: Link<'s>,
    pub(crate) user: User,
    /// Where it listens.
    pub(crate) listens: BTreeSet<String>,
    /// What it has made of what it heard.
    pub(crate) heard: Value,
    /// What is to happen when it goes.
    pub(crate) intended: Vec<(User, String, Value)>,
}

impl<'s> Visitor<'s> {
    pub(crate) async fn come(suite: &'s Suite, namespace: &'s str, polls: bool) -> Self {
        let link = if polls {
            Link::Polls(Poller::start_in(suite, namespace).await, 0)
        } else {
            let address = suite.address(Service::Database);
            Link::Socket(Box::new(Client::greeted(address, &format!("&ns={namespace}")).await.0))
        };
        Self { link, user: user(None), listens: BTreeSet::new(), heard: Value::Null, intended: Vec::new() }
    }

    /// Asks, and takes what is heard until the answer comes. `covered` are the places that it may hear of.
    pub(crate) async fn ask(&mut self, action: &str, body: Value, covered: &BTreeSet<String>) -> Value {
        let mut pushed = Vec::new();
        let answer = match &mut self.link {
            Link::Socket(client) => {
                let number = client.request(action, &body).await;
                loop {
                    let mut message = client.message().await;
                    if message["d"]["r"] == number {
                        break message["d"]["b"].take();
                    }
                    pushed.push(message);
                }
            }
            Link::Polls(poller, number) => {
                *number += 1;
                let message = json!({"t": "d", "d": {"r": *number, "a": action, "b": body}});
                poller.poll(&[message.to_string()]).await;
                loop {
                    match poller.told.pop_front() {
                        Some(mut message) if message["d"]["r"] == *number => break message["d"]["b"].take(),
                        Some(message) => pushed.push(message),
                        None => poller.poll(&[]).await,
                    }
                }
            }
        };
        for message in pushed {
            self.hear(&message["d"], covered);
        }
        answer
    }

    fn hear(&mut self, push: &Value, covered: &BTreeSet<String>) {
        let (body, place) = (&push["b"], push["b"]["p"].as_str().expect("a path").trim_matches('/').to_owned());
        match push["a"].as_str().expect("an action") {
            "d" => {
                assert!(is_covered(covered, &place), "it heard of {place}, and may hear of {covered:?}");
                self.heard = with(&self.heard, &place, &body["d"]);
            }
            "m" => {
                assert!(is_covered(covered, &place), "it heard of {place}, and may hear of {covered:?}");
                for (key, value) in body["d"].as_object().expect("a merge") {
                    self.heard = with(&self.heard, &format!("{place}/{key}"), value);
                }
            }
            "c" => assert!(self.listens.remove(&place), "{place} was cancelled and not listened to"),
            other => panic!("{other}"),
        }
    }

    /// Goes, properly or not.
    pub(crate) async fn go(self) {
        match self.link {
            Link::Socket(client) => drop(client),
            Link::Polls(poller, _) => poller.leave().await,
        }
    }
}

fn is_covered(covered: &BTreeSet<String>, place: &str) -> bool {
    covered.iter().any(|above| above.is_empty() || place == above || place.starts_with(&format!("{above}/")))
}

/// An event stream.
pub(crate) struct Stream {
    socket: TcpStream,
    read: VecDeque<u8>,
    pub(crate) user: User,
    pub(crate) place: String,
    /// What it may show, one after the other, since it was opened; `None` once it has to end.
    pub(crate) states: Vec<Option<Value>>,
}

impl Stream {
    /// Opens it; `None` if it is refused.
    pub(crate) async fn open(suite: &Suite, namespace: &str, user: &User, place: &str) -> Option<Self> {
        let mut socket = TcpStream::connect(suite.address(Service::Database)).await.expect("the server accepts");
        let auth = token(user).map(|token| format!("&auth={token}")).unwrap_or_default();
        let head =
            format!("GET /{place}.json?ns={namespace}{auth} HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n");
        socket.write_all(head.as_bytes()).await.expect("the server reads");
        let mut stream =
            Self { socket, read: VecDeque::new(), user: user.clone(), place: place.to_owned(), states: Vec::new() };
        let status = stream.line().await.expect("an answer");
        if status.contains(" 401 ") {
            return None;
        }
        assert!(status.contains(" 200 "), "{status}");
        Some(stream)
    }

    /// The next line; `None` at the end. The sizes of chunks are lines like others, and mean nothing here.
    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Some(String::from_utf8(line).expect("text").trim_end().to_owned());
            }
            let mut bytes = [0; 4096];
            let read = tokio::time::timeout(PATIENCE, self.socket.read(&mut bytes))
                .await
                .unwrap_or_else(|_| panic!("no more events at /{}, which has to show {:?}", self.place, self.states));
            match read.expect("the stream goes on") {
                0 => return None,
                length => self.read.extend(&bytes[..length]),
            }
        }
    }

    /// Reads until it shows what it has to show last; whatever it shows before, it may.
    pub(crate) async fn check(mut self) {
        let mut shown = Value::Null;
        let mut states: VecDeque<_> = self.states.clone().into();
        let mut event = String::new();
        let mut opened = false;
        while !opened || states.len() > 1 || states.front() != Some(&Some(shown.clone())) {
            let line = self.line().await.unwrap_or_else(|| panic!("it ended, and has to show {states:?}"));
            if let Some(name) = line.strip_prefix("event: ") {
                event = name.to_owned();
            }
            let Some(data) = line.strip_prefix("data: ") else { continue };
            let data: Value = serde_json::from_str(data).expect("JSON");
            match event.as_str() {
                "put" => shown = with(&shown, data["path"].as_str().expect("a path"), &data["data"]),
                "patch" => {
                    for (key, value) in data["data"].as_object().expect("a patch") {
                        shown = with(&shown, &format!("{}/{key}", data["path"].as_str().expect("a path")), value);
                    }
                }
                "keep-alive" => continue,
                "cancel" => {
                    while states.front().is_some_and(Option::is_some) {
                        states.pop_front();
                    }
                    assert_eq!(states.front(), Some(&None), "cancelled, and may be read");
                    return;
                }
                other => panic!("{other}"),
            }
            opened = true;
            // What it shows came after what it showed last, and nothing that nobody was to see came in between.
            while states.front().is_some_and(|state| *state != Some(shown.clone())) {
                states.pop_front();
            }
            assert!(!states.is_empty(), "{} shows {shown}, and must not", self.place);
        }
    }

    /// Takes note of what it may show from now on.
    pub(crate) fn expect(&mut self, root: &Value, may_read: bool) {
        if self.states.last() == Some(&None) {
            return;
        }
        let state = may_read.then(|| at(root, &self.place).clone());
        if self.states.last() != Some(&state) {
            self.states.push(state);
        }
    }
}
