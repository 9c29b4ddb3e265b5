//! Requests to `/.lp`, without a browser.

use super::poller::{HOLD, SILENCE};
use super::router;
use crate::clock::{Agenda, Clock, Entropy};
use crate::config::settings::DatabaseSettings;
use crate::database::sessions::Attachment;
use crate::database::{Databases, Sessions};
use crate::server::credentials::Credentials;
use crate::storage::Storage;
use axum::Router;
use axum::body::Body;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hearth_database::json::{self, Form};
use hearth_database::{Leaf, Node};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const CLOSED: &str = "pLPCommand(\"close\");\n";

/// A database that can be reached, and nothing else.
struct House {
    router: Router,
    databases: Arc<Databases>,
    sessions: Arc<Sessions>,
    stop: CancellationToken,
}

impl House {
    fn open() -> Self {
        let agenda = Agenda::new(Clock::manual(5));
        let settings =
            DatabaseSettings { rules: BTreeMap::new(), open: true, create_on_first_use: false, explain_denials: false };
        let clock = agenda.clock().clone();
        let databases = Databases::open(Storage::memory(), "demo", settings, clock, Entropy::seeded(1)).unwrap();
        let stop = CancellationToken::new();
        let credentials = Credentials::new(None, true);
        let sessions = Sessions::new(Arc::clone(&databases), credentials, &agenda, Entropy::seeded(2), stop.clone());
        Self { router: router(Arc::clone(&sessions)), databases, sessions, stop }
    }

    async fn send(&self, method: &str, query: &str) -> (StatusCode, HeaderMap, String) {
        let request = Request::builder().method(method).uri(format!("/.lp?{query}")).header("host", "a:1");
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(&self, query: &str) -> String {
        self.send("GET", query).await.2
    }

    async fn start(&self, more: &str) -> Client<'_> {
        let script = self.get(&format!("start=t&ser=1&cb=3&v=5{more}")).await;
        let quoted: Vec<&str> = script.split('"').collect();
        let place = quoted.iter().position(|part| *part == "start").unwrap();
        let (id, password) = (quoted[place + 2].to_owned(), quoted[place + 4].to_owned());
        Client { house: self, id, password, serial: 100, segment: 0 }
    }

    /// The data, once all that was asked of the database has been done.
    async fn data(&self) -> String {
        let database = self.databases.default_database();
        database.transact(|_| Ok(())).await.unwrap();
        json::to_text(&database.snapshot().root, Form::Export)
    }
}

struct Client<'h> {
    house: &'h House,
    id: String,
    password: String,
    serial: u64,
    segment: u64,
}

impl Client<'_> {
    fn ticket(&self) -> String {
        format!("id={}&pw={}", self.id, self.password)
    }

    /// The next poll, with these messages.
    fn query(&mut self, messages: &[&str]) -> String {
        self.serial += 1;
        let mut query = format!("{}&ser={}", self.ticket(), self.serial);
        for (place, message) in messages.iter().enumerate() {
            let text = BASE64_URL_SAFE_NO_PAD.encode(message);
            query += &format!("&seg{place}={}&ts{place}=1&d{place}={text}", self.segment);
            self.segment += 1;
        }
        query
    }

    async fn poll(&mut self, messages: &[&str]) -> String {
        let query = self.query(messages);
        self.house.get(&query).await
    }

    /// Polls until there is an answer to this request.
    async fn ask(&mut self, number: u32, action: &str, body: &str) -> String {
        let mut told = self.poll(&[&request(number, action, body)]).await;
        while !told.contains(&format!("{{\"r\":{number},")) {
            told += &self.poll(&[]).await;
        }
        told
    }
}

fn request(number: u32, action: &str, body: &str) -> String {
    format!(r#"{{"t":"d","d":{{"r":{number},"a":"{action}","b":{body}}}}}"#)
}

/// Keeps a paused clock from running ahead while the database's thread is at work.
fn stand_still() -> mpsc::Sender<()> {
    let (sender, receiver) = mpsc::channel::<()>();
    tokio::task::spawn_blocking(move || receiver.recv().is_err());
    sender
}

/// Lets a request begin; its answer comes later.
async fn begin<T>(request: &mut Pin<Box<impl Future<Output = T>>>) {
    poll_fn(|context| {
        assert!(request.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
    tokio::task::yield_now().await;
}

#[tokio::test]
async fn a_session_begins_with_its_secret_and_a_hello() {
    let house = House::open();
    let (status, headers, script) = house.send("GET", "start=t&ser=1&cb=12&v=5&ns=demo").await;
    assert_eq!(status, 200);
    assert_eq!(headers["content-type"], "text/javascript; charset=utf-8");
    assert_eq!(headers["cache-control"], "no-cache, no-store");
    let lines: Vec<&str> = script.lines().collect();
    assert_eq!(lines[0], "function pLPCommand(c,a,b){var f=parent[\"pLPCommand12\"];f&&f(c,a,b)}");
    assert_eq!(lines[1], "function pRTLPCB(n,d){var f=parent[\"pRTLPCB12\"];f&&f(n,d)}");
    let ticket = lines[2].strip_prefix("pLPCommand(\"start\",\"").unwrap().strip_suffix("\");").unwrap();
    let (id, password) = ticket.split_once("\",\"").unwrap();
    assert!(id.len() >= 20 && password.len() >= 20 && id != password);
    let hello = r#"{"t":"c","d":{"t":"h","d":{"ts":5,"v":"5","h":"a:1","s":"#;
    assert_eq!(lines[3], format!("pRTLPCB(0,[{hello}\"{id}\"}}}}}}]);"));
    // There is no such database, and asking again does not help.
    let script = house.get("start=t&ser=1&cb=1&v=5&ns=other").await;
    assert!(script.contains(r#"{"t":"c","d":{"t":"s","d":"the namespace \"other\" does not exist"}}"#), "{script}");
    assert!(script.ends_with(CLOSED));
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let house = House::open();
    for (method, query, status) in [
        ("GET", "", 400),
        ("GET", "start=t&cb=alert(1)", 400),
        ("GET", "start=t&cb=1%3Balert(1)", 400),
        ("GET", "id=a&pw=b", 400),
        ("GET", "id=a&pw=b&ser=1&seg0=0&ts0=1", 400),
        ("POST", "start=t&cb=1", 405),
        ("PUT", "disconn=t&id=a&pw=b", 405),
        ("POST", "disconn=t&id=a&pw=b", 200),
        ("GET", "dframe=t&id=a&pw=b", 200),
    ] {
        let (found, headers, body) = house.send(method, query).await;
        assert_eq!(found, status, "{method} {query}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(!body.contains("alert"), "{body}");
    }
    let (_, headers, page) = house.send("GET", "dframe=t&id=a&pw=b").await;
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert!(page.contains("sendBeacon") && !page.contains("id="));
}

#[tokio::test]
async fn nobody_gets_in_without_the_secret() {
    let house = House::open();
    let mut client = house.start("").await;
    client.ask(1, "o", r#"{"p":"/gone","d":1}"#).await;
    for ticket in ["id=none&pw=none".to_owned(), format!("id={}&pw=none", client.id)] {
        assert_eq!(house.get(&format!("{ticket}&ser=1")).await, CLOSED);
        assert_eq!(house.get(&format!("disconn=t&{ticket}")).await, "");
    }
    assert_eq!(house.data().await, "null");
    assert!(client.ask(2, "s", "{}").await.contains(r#""s":"ok""#));
}

#[tokio::test(start_paused = true)]
async fn a_poll_is_held_until_there_is_something_to_tell_but_not_too_long() {
    let house = House::open();
    let mut client = house.start("").await;
    let begun = Instant::now();
    assert_eq!(client.poll(&[]).await, "");
    assert_eq!(begun.elapsed(), HOLD);
    let still = stand_still();
    let told = client.ask(1, "q", r#"{"p":"/a"}"#).await;
    assert!(told.contains(r#"{"t":"d","d":{"a":"d","b":{"p":"/a","d":null}}}"#), "{told}");
    let query = client.query(&[]);
    let mut held = Box::pin(house.get(&query));
    begin(&mut held).await;
    let mut other = house.start("").await;
    other.ask(1, "p", r#"{"p":"/a","d":7}"#).await;
    assert_eq!(held.await, "pRTLPCB(2,[{\"t\":\"d\",\"d\":{\"a\":\"d\",\"b\":{\"p\":\"/a\",\"d\":7}}}]);\n");
    drop(still);
}

#[tokio::test(start_paused = true)]
async fn a_newer_poll_frees_the_older_one_and_a_late_one_both() {
    let house = House::open();
    let mut client = house.start("").await;
    let (first, second, third, fourth) = (client.query(&[]), client.query(&[]), client.query(&[]), client.query(&[]));
    let begun = Instant::now();
    let mut one = Box::pin(house.get(&first));
    begin(&mut one).await;
    let mut two = Box::pin(house.get(&second));
    begin(&mut two).await;
    assert_eq!((one.await, begun.elapsed().as_secs()), (String::new(), 0));
    let mut four = Box::pin(house.get(&fourth));
    begin(&mut four).await;
    assert_eq!(two.await, "");
    assert_eq!((house.get(&third).await, four.await), (String::new(), String::new()));
    assert_eq!(begun.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn messages_are_taken_in_the_order_of_their_segments() {
    let house = House::open();
    let mut client = house.start("").await;
    let _still = stand_still();
    let put = |number: u32| request(number, "p", &format!(r#"{{"p":"/n","d":{number}}}"#));
    let (early, late) = (client.query(&[&put(1)]), client.query(&[&put(2), &put(3)]));
    let mut late = Box::pin(house.get(&late));
    begin(&mut late).await;
    let mut told = house.get(&early).await + &late.await;
    while told.matches("\"s\":\"ok\"").count() < 3 {
        told += &client.poll(&[]).await;
    }
    assert_eq!(house.data().await, r#"{"n":3}"#);
    // The same segments again do nothing.
    house.databases.default_database().transact(|all| Ok(all.set("n", Node::NULL)?)).await.unwrap();
    client.segment = 0;
    let again = client.query(&[&put(4)]);
    let mut again = Box::pin(house.get(&again));
    begin(&mut again).await;
    assert_eq!(house.data().await, "null");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_silent_has_gone() {
    let house = House::open();
    let mut client = house.start("").await;
    {
        let _still = stand_still();
        client.ask(1, "o", r#"{"p":"/gone","d":{".sv":{"increment":1}}}"#).await;
    }
    // As long as it polls it is there.
    for _ in 0..5 {
        assert_eq!(client.poll(&[]).await, "");
    }
    tokio::time::advance(SILENCE.saturating_sub(std::time::Duration::from_millis(10))).await;
    assert_eq!(json::to_text(&house.databases.default_database().snapshot().root, Form::Export), "null");
    let _still = stand_still();
    tokio::time::advance(std::time::Duration::from_millis(20)).await;
    // Its task has been woken, and is to run.
    while house.data().await == "null" {}
    assert_eq!(house.data().await, r#"{"gone":1}"#);
    assert_eq!(client.poll(&[]).await, CLOSED);
    assert_eq!(house.get(&format!("disconn=t&{}", client.ticket())).await, "");
    assert_eq!(house.data().await, r#"{"gone":1}"#);
}

#[tokio::test]
async fn what_a_broken_poll_would_have_told_waits_for_the_next() {
    let house = House::open();
    let mut client = house.start("").await;
    client.ask(1, "q", r#"{"p":"/a"}"#).await;
    let query = client.query(&[]);
    let mut broken = Box::pin(house.get(&query));
    begin(&mut broken).await;
    drop(broken);
    tokio::task::yield_now().await;
    house.start("").await.ask(1, "p", r#"{"p":"/a","d":7}"#).await;
    assert!(client.poll(&[]).await.contains(r#"{"p":"/a","d":7}"#));
}

#[tokio::test]
async fn a_client_that_lags_is_closed() {
    let house = House::open();
    let mut client = house.start("").await;
    client.ask(1, "o", r#"{"p":"/gone","d":1}"#).await;
    client.ask(2, "q", r#"{"p":"/large"}"#).await;
    let large = Leaf::text(&"x".repeat(9 * 1024 * 1024));
    for number in 0..2 {
        let node = Node::from(large.clone());
        let key = format!("large/{number}");
        house.databases.default_database().transact(move |all| Ok(all.set(&key, node)?)).await.unwrap();
    }
    let told = client.poll(&[]).await;
    // The poll may find the session on its way out, or gone.
    let why = told.contains("listener too slow") && told.ends_with("pLPCommand(\"close\",3);\n");
    assert!(why || told == CLOSED, "{told}");
    house.data().await;
    assert_eq!(house.databases.default_database().snapshot().root.find("gone"), &Node::from(Leaf::Int(1)));
}

#[tokio::test]
async fn a_client_that_leaves_has_gone() {
    let house = House::open();
    for (method, expect) in [("POST", r#"{"gone":1}"#), ("GET", r#"{"gone":2}"#)] {
        let mut client = house.start("").await;
        client.ask(1, "o", r#"{"p":"/gone","d":{".sv":{"increment":1}}}"#).await;
        let query = client.query(&[]);
        let mut held = Box::pin(house.get(&query));
        begin(&mut held).await;
        house.send(method, &format!("disconn=t&{}", client.ticket())).await;
        assert_eq!(held.await, CLOSED);
        assert_eq!(house.data().await, expect);
    }
}

#[tokio::test]
async fn a_new_session_ends_the_one_before() {
    let house = House::open();
    let mut client = house.start("").await;
    client.ask(1, "o", r#"{"p":"/gone","d":{".sv":{"increment":1}}}"#).await;
    let query = client.query(&[]);
    let mut held = Box::pin(house.get(&query));
    begin(&mut held).await;
    let next = house.start(&format!("&ls={}", client.id)).await;
    assert_ne!(next.id, client.id);
    // Its end has come before the hello.
    let root = house.databases.default_database().snapshot().root;
    assert_eq!(json::to_text(&root, Form::Export), r#"{"gone":1}"#);
    assert!(held.await.contains("pLPCommand(\"close\""));
    drop(next);
    assert_eq!(house.data().await, r#"{"gone":1}"#);
}

#[tokio::test]
async fn what_is_no_message_ends_the_session() {
    for (message, words) in [
        ("{}", "not a message"),
        ("x", "a message is not web-safe base64 of a JSON object"),
        ("5", "a message is not web-safe base64 of a JSON object"),
        (r#"{"t":"d","d":{"a":"p","b":{}}}"#, "a request has no number"),
    ] {
        let house = House::open();
        let mut client = house.start("").await;
        let told = client.poll(&[message]).await;
        assert!(told.contains(r#"{"t":"c","d":{"t":"e","d":""#) && told.contains(words), "{told}");
        assert!(told.contains("pLPCommand(\"close\","), "{told}");
        assert_eq!(client.poll(&[]).await, CLOSED);
    }
}

#[tokio::test]
async fn a_stop_ends_all_polls() {
    let house = House::open();
    let mut client = house.start("").await;
    client.ask(1, "o", r#"{"p":"/gone","d":1}"#).await;
    let query = client.query(&[]);
    let mut held = Box::pin(house.get(&query));
    begin(&mut held).await;
    house.stop.cancel();
    house.sessions.ended().await;
    assert!(held.await.contains("pLPCommand(\"close\""));
    assert_eq!(house.data().await, r#"{"gone":1}"#);
}

/// What the session is to be told next, if there is anything.
fn is_open(attached: &Attachment) -> bool {
    attached.0.outbox().poll_closing(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[tokio::test]
async fn a_session_is_handed_over_once_and_its_polls_are_seen_off() {
    let house = House::open();
    let mut client = house.start("").await;
    client.ask(1, "o", r#"{"p":"/gone","d":1}"#).await;
    assert!(house.sessions.follow("none").is_none());
    // One that has given up leaves the place to another one.
    drop(house.sessions.follow(&client.id).unwrap());
    let handover = house.sessions.follow(&client.id).unwrap();
    assert!(house.sessions.follow(&client.id).is_none());
    let before = client.query(&[]);
    let mut before = Box::pin(house.get(&before));
    begin(&mut before).await;
    let last = request(2, "p", r#"{"p":"/last","d":1}"#);
    let told = client.poll(&[&last, r#"{"t":"c","d":{"t":"n","d":{}}}"#]).await;
    assert_eq!(before.await, "");
    let number = told.split(['(', ',']).nth(1).unwrap();
    assert!(told.contains(r#"{"t":"c","d":{"t":"n","d":{}}}]);"#), "{told}");
    assert!(told.ends_with(&format!("pLPCommand(\"close\",{number});\n")), "{told}");
    let attached = handover.await.unwrap();
    // A poll that was under way has the client wait for what it has not had yet.
    assert_eq!(client.poll(&[]).await, format!("pLPCommand(\"close\",{number});\n"));
    house.send("POST", &format!("disconn=t&{}", client.ticket())).await;
    assert_eq!(house.data().await, r#"{"last":1}"#);
    assert!(is_open(&attached) && house.sessions.follow(&client.id).is_none());
    drop(attached);
    assert_eq!(house.data().await, r#"{"gone":1,"last":1}"#);
}

#[tokio::test]
async fn a_client_that_moves_to_nowhere_has_gone() {
    let house = House::open();
    let mut client = house.start("").await;
    client.ask(1, "o", r#"{"p":"/gone","d":1}"#).await;
    client.poll(&[r#"{"t":"c","d":{"t":"n","d":{}}}"#]).await;
    assert_eq!(house.data().await, r#"{"gone":1}"#);
}
