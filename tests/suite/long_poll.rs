//! A client of the Realtime Database that polls, and moves to a WebSocket in the middle of its writes.

use hearth::config::service::Service;
use hearth_tests::suite::{PROJECT, Suite};
use hearth_tests::websocket::Client;
use serde_json::{Value, json};
use std::collections::VecDeque;

const READY: &str = r#"{"t":"c","d":{"t":"a","d":{}}}"#;
const LAST: &str = r#"{"t":"c","d":{"t":"n","d":{}}}"#;

/// A session, as far as it polls.
pub(crate) struct Poller<'s> {
    suite: &'s Suite,
    namespace: &'s str,
    id: String,
    password: String,
    serial: u32,
    segment: u32,
    /// What came over polls, in the order of its numbers.
    pub(crate) told: VecDeque<Value>,
    /// The number that the server said is the last one.
    last: Option<u64>,
    answers: u64,
}

impl<'s> Poller<'s> {
    async fn start(suite: &'s Suite) -> Self {
        Self::start_in(suite, PROJECT).await
    }

    pub(crate) async fn start_in(suite: &'s Suite, namespace: &'s str) -> Self {
        let path = format!("/.lp?start=t&ser=1&cb=1&v=5&ns={namespace}");
        let script = suite.ask(Service::Database, "GET", &path, &[], "").await;
        let line = script.text().lines().find(|line| line.contains("\"start\"")).expect("a start").to_owned();
        let quoted: Vec<&str> = line.split('"').collect();
        let (id, password) = (quoted[3].to_owned(), quoted[5].to_owned());
        let mut poller = Self {
            suite,
            namespace,
            id,
            password,
            serial: 7,
            segment: 0,
            told: VecDeque::new(),
            last: None,
            answers: 0,
        };
        poller.read(script.text());
        let hello = poller.told.pop_front().expect("a hello");
        assert_eq!(hello["d"]["d"]["s"], Value::from(poller.id.as_str()));
        poller
    }

    /// Sends messages, each cut in two, and takes what comes back.
    pub(crate) async fn poll(&mut self, messages: &[String]) {
        self.serial += 1;
        let Self { namespace, id, password, serial, .. } = self;
        let mut path = format!("/.lp?id={id}&pw={password}&ser={serial}&ns={namespace}");
        let mut place = 0;
        for message in messages {
            let encoded = encode(message);
            let (start, end) = encoded.split_at(encoded.len() / 2);
            for part in [start, end] {
                path += &format!("&seg{place}={}&ts{place}=2&d{place}={part}", self.segment);
                place += 1;
                self.segment += 1;
            }
        }
        let script = self.suite.ask(Service::Database, "GET", &path, &[], "").await;
        assert_eq!(script.status, 200, "{}", script.text());
        self.read(script.text());
    }

    /// Ends the session as a page does that is left.
    pub(crate) async fn leave(self) {
        let path = format!("/.lp?disconn=t&id={}&pw={}&ns={}", self.id, self.password, self.namespace);
        self.suite.ask(Service::Database, "GET", &path, &[], "").await;
    }

    fn read(&mut self, script: &str) {
        for line in script.lines() {
            if let Some(list) = line.strip_prefix("pRTLPCB(") {
                let (number, messages) = list.split_once(',').expect("a number");
                assert_eq!(number.parse(), Ok(self.answers), "answers are numbered through");
                self.answers += 1;
                let messages: Value = serde_json::from_str(messages.trim_end_matches(");")).expect("literals");
                self.told.extend(messages.as_array().expect("a list").iter().cloned());
            } else if let Some(last) = line.strip_prefix("pLPCommand(\"close\"") {
                let number = last.trim_start_matches(',').trim_end_matches(");").parse();
                self.last = Some(number.unwrap_or_default());
            }
        }
    }
}

/// Web-safe base64, padded with dots.
pub(crate) fn encode(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut encoded = String::new();
    for bytes in text.as_bytes().chunks(3) {
        let all = bytes.iter().fold(0_u32, |all, byte| all << 8 | u32::from(*byte)) << (8 * (3 - bytes.len()));
        for place in 0..4 {
            let index = (all >> (18 - 6 * place)) as usize & 63;
            encoded.push(if place <= bytes.len() { ALPHABET[index] as char } else { '.' });
        }
    }
    encoded
}

fn put(number: u32, path: &str) -> String {
    json!({"t": "d", "d": {"r": number, "a": "p", "b": {"p": path, "d": number}}}).to_string()
}

fn listen(number: u32, path: &str) -> String {
    json!({"t": "d", "d": {"r": number, "a": "q", "b": {"p": path}}}).to_string()
}

async fn socket(suite: &Suite, session: &str) -> Client {
    Client::connect(suite.address(Service::Database), &format!("&s={session}&ns={PROJECT}")).await
}

/// Numbers of requests that were answered with ok, and values that were heard, in order.
fn sort(told: impl IntoIterator<Item = Value>) -> (Vec<u64>, Vec<u64>) {
    let (mut answered, mut heard) = (Vec::new(), Vec::new());
    for message in told {
        let data = &message["d"];
        if let Some(number) = data["r"].as_u64() {
            assert_eq!(data["b"]["s"], "ok", "{message}");
            answered.push(number);
        } else if data["a"] == "d" {
            heard.extend(data["b"]["d"].as_u64());
        }
    }
    (answered, heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_moves_and_nothing_is_lost_doubled_or_out_of_order() {
    const EACH: u32 = 100;
    let suite = Suite::start().await;
    let mut poller = Poller::start(&suite).await;
    let mut socket = socket(&suite, &poller.id.clone()).await;
    assert_eq!(socket.frame().await, READY);
    poller.poll(&[listen(1, "/moving")]).await;
    // Messages over polls while the socket is tried.
    for number in 2..EACH {
        poller.poll(&[put(number, "/moving")]).await;
        if number % 40 == 0 {
            socket.send(r#"{"t":"c","d":{"t":"p","d":{}}}"#).await;
            assert_eq!(socket.frame().await, r#"{"t":"c","d":{"t":"o","d":null}}"#);
        }
    }
    // The client moves. What it sends over the socket from now on comes after what it has still to poll.
    socket.send(READY).await;
    for number in 2 * EACH..3 * EACH {
        socket.send(put(number, "/moving")).await;
    }
    socket.send(put(3 * EACH, "/moving")).await;
    for number in EACH..2 * EACH - 1 {
        poller.poll(&[put(number, "/moving")]).await;
    }
    assert_eq!(poller.last, None);
    poller.poll(&[put(2 * EACH - 1, "/moving"), LAST.to_owned()]).await;
    assert_eq!(poller.last, Some(poller.answers - 1));
    assert_eq!(poller.told.pop_back(), serde_json::from_str(LAST).ok());
    let mut told: Vec<Value> = poller.told.drain(..).collect();
    let answer = format!("\"r\":{},", 3 * EACH);
    loop {
        let text = socket.frame().await;
        told.push(serde_json::from_str(&text).expect("JSON"));
        if text.contains(&answer) {
            break;
        }
    }
    let (answered, heard) = sort(told);
    assert_eq!(answered, (1..=u64::from(3 * EACH)).collect::<Vec<_>>());
    assert_eq!(heard, (2..=u64::from(3 * EACH)).collect::<Vec<_>>());
    // The polls are over, which does the session no harm.
    poller.poll(&[]).await;
    assert_eq!(poller.last, Some(poller.answers - 1));
    socket.send(put(3 * EACH + 1, "/moving")).await;
    assert!(socket.frame().await.contains("\"a\":\"d\""));
    assert!(socket.frame().await.contains("\"s\":\"ok\""));
    assert_eq!(suite.read("moving").await, json!(3 * EACH + 1));
    suite.stop().await;
}

#[tokio::test]
async fn a_socket_for_a_session_that_is_not_there_is_reset() {
    let suite = Suite::start().await;
    let address = suite.address(Service::Database);
    let reset = format!(r#"{{"t":"c","d":{{"t":"r","d":"{address}"}}}}"#);
    assert_eq!(socket(&suite, "none").await.frame().await, reset);
    // Nor does a second one get a session that a first one waits for.
    let mut poller = Poller::start(&suite).await;
    let mut first = socket(&suite, &poller.id).await;
    assert_eq!(first.frame().await, READY);
    assert_eq!(socket(&suite, &poller.id).await.frame().await, reset);
    // One that goes without having moved leaves the session where it was.
    first.close().await;
    first.closed().await;
    poller.poll(&[put(1, "/left")]).await;
    while poller.told.is_empty() {
        poller.poll(&[]).await;
    }
    assert_eq!(sort(poller.told).0, [1]);
    suite.stop().await;
}

#[tokio::test]
async fn a_socket_that_sends_data_before_it_has_moved_is_closed() {
    let suite = Suite::start().await;
    let poller = Poller::start(&suite).await;
    let mut socket = socket(&suite, &poller.id).await;
    assert_eq!(socket.frame().await, READY);
    socket.send("0").await;
    socket.send(put(1, "/early")).await;
    let told = socket.frame().await;
    assert!(told.contains("only pings may come before the session does"), "{told}");
    assert_eq!(suite.read("early").await, Value::Null);
    suite.stop().await;
}
