//! Sessions over WebSocket: what the SDKs do not show.

use hearth::config::service::Service;
use hearth::config::settings::Mode;
use hearth_tests::suite::Suite;
use hearth_tests::websocket::{Client, upgrade};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn start() -> (Suite, SocketAddr) {
    let suite = Suite::start().await;
    let address = suite.address(Service::Database);
    (suite, address)
}

/// Moves the connections' own time, which no clock of ours shows.
async fn let_pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

/// Waits for a message that says so.
async fn hears(client: &mut Client, path: &str, data: &Value) {
    loop {
        let message = client.message().await;
        if message["d"]["b"]["p"] == path && message["d"]["b"]["d"] == *data {
            return;
        }
    }
}

#[tokio::test]
async fn the_greeting_names_the_host_that_was_dialled_and_a_session_of_its_own() {
    let (suite, address) = start().await;
    let mut client = Client::connect(address, "&ns=demo-test").await;
    let hello = client.message().await;
    let id = hello["d"]["d"]["s"].as_str().unwrap().to_owned();
    let expect = json!({"ts": suite.now(), "v": "5", "h": address.to_string(), "s": id});
    assert_eq!(hello, json!({"t": "c", "d": {"t": "h", "d": expect}}));
    let (_other, other) = Client::greeted(address, "").await;
    assert!(id.len() >= 20 && other != id);
    suite.stop().await;
}

#[tokio::test]
async fn who_cannot_be_served_is_told_in_words_that_clients_understand() {
    let suite = Suite::start_with(Mode::SelfHost, |_| {}).await;
    let address = suite.address(Service::Database);
    for (query, kind, words) in [
        ("&ns=a.b", "s", "the namespace \"a.b\" is invalid: it has to be of letters, digits, '-' and '_'".to_owned()),
        ("&ns=unknown", "s", "the namespace \"unknown\" does not exist".to_owned()),
        ("&s=a-session-that-never-was", "r", address.to_string()),
    ] {
        let mut client = Client::connect(address, query).await;
        assert_eq!(client.message().await, json!({"t": "c", "d": {"t": kind, "d": words}}), "{query}");
        assert_eq!(client.closed().await.unwrap().0, 1000);
    }
    let answer = suite.ask(Service::Database, "GET", "/.ws?v=5", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.header("upgrade")), (426, "websocket"));
    // Self-hosted, nobody is an admin by saying so, and the rules are closed to all others.
    let (mut client, _) = Client::greeted(address, "").await;
    assert_eq!(client.ask("gauth", json!({"cred": "owner"})).await["s"], "invalid_token");
    let denied = json!({"s": "permission_denied", "d": "Permission denied"});
    for (action, body) in [
        ("p", json!({"p": "/a", "d": 1})),
        ("m", json!({"p": "/a", "d": {"b": 1}})),
        ("q", json!({"p": "/a", "h": ""})),
        ("g", json!({"p": "/a", "q": {}})),
        ("o", json!({"p": "/a", "d": 1})),
    ] {
        assert_eq!(client.ask(action, body).await, denied, "{action}");
    }
    suite.stop().await;
}

#[tokio::test]
async fn long_messages_travel_in_pieces_both_ways() {
    let (suite, address) = start().await;
    let (mut client, _) = Client::greeted(address, "").await;
    let value = "é𝄞".repeat(10_000);
    let message = json!({"t": "d", "d": {"r": 100, "a": "p", "b": {"p": "/long", "d": value}}}).to_string();
    let pieces: Vec<String> =
        message.chars().collect::<Vec<_>>().chunks(7_000).map(|piece| piece.iter().collect()).collect();
    client.send("0").await;
    client.send(pieces.len().to_string()).await;
    for piece in &pieces {
        client.send(piece.as_str()).await;
    }
    assert_eq!(client.message().await, json!({"t": "d", "d": {"r": 100, "b": {"s": "ok", "d": ""}}}));
    client.request("g", &json!({"p": "/long", "q": {}})).await;
    let count: usize = client.frame().await.parse().unwrap();
    let mut text = String::new();
    for _ in 0..count {
        let frame = client.frame().await;
        assert!(!frame.is_empty() && frame.len() <= 16_384);
        text.push_str(&frame);
    }
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["d"]["b"]["d"], value);
    suite.stop().await;
}

#[tokio::test]
async fn what_is_too_long_is_refused_and_what_is_no_message_ends_the_connection() {
    let (suite, address) = start().await;
    let (mut client, _) = Client::greeted(address, "").await;
    let piece = "x".repeat(1024 * 1024);
    client.send("18").await;
    client.send(r#"{"t":"d","d":{"r":9,"a":"p","b":{"p":"/a","d":""#).await;
    for _ in 0..17 {
        client.send(piece.as_str()).await;
    }
    let answer = client.message().await;
    assert_eq!((&answer["d"]["r"], &answer["d"]["b"]["s"]), (&json!(9), &json!("too_big")));
    assert_eq!(client.ask("p", json!({"p": "/a", "d": 1})).await["s"], "ok");
    assert_eq!(client.ask("nope", json!({})).await, json!({"s": "failure", "d": "Unknown action \"nope\"."}));
    client.send("{").await;
    assert_eq!(client.message().await["d"]["t"], "e");
    let (code, reason) = client.closed().await.unwrap();
    assert!(code == 1002 && reason.starts_with("not a message: "), "{code} {reason}");

    // Of a single frame of that size nothing is waited for.
    let (mut stream, _) = upgrade(address, "").await;
    let mut head = vec![0x81, 0x80 | 127];
    head.extend((17 * 1024 * 1024_u64).to_be_bytes());
    head.extend([0; 4]);
    stream.write_all(&head).await.unwrap();
    let mut sent = Vec::new();
    stream.read_to_end(&mut sent).await.unwrap();
    let mut close = vec![0x88, 25, 0x03, 0xf1];
    close.extend(b"the message is too long");
    assert!(sent.ends_with(&close), "{sent:?}");
    suite.stop().await;
}

#[tokio::test]
async fn a_silent_peer_is_taken_for_dead_and_one_that_answers_is_not() {
    let (suite, address) = start().await;
    let (mut alive, _) = Client::greeted(address, "").await;
    assert_eq!(alive.ask("q", json!({"p": "/peers", "h": ""})).await["s"], "ok");
    // It says its piece, and nothing ever again, not even that it is there.
    let (mut dead, _) = Client::greeted(address, "").await;
    assert_eq!(dead.ask("p", json!({"p": "/peers/dead", "d": "here"})).await["s"], "ok");
    assert_eq!(dead.ask("o", json!({"p": "/peers/dead", "d": "gone"})).await["s"], "ok");
    hears(&mut alive, "/peers/dead", &json!("here")).await;
    let_pass(51).await;
    // It is asked, and answers.
    assert!(matches!(alive.next().await, Some(message) if message.is_ping()));
    alive.send("0").await;
    let pong = json!({"t": "c", "d": {"t": "o", "d": null}});
    alive.send(json!({"t": "c", "d": {"t": "p", "d": {}}}).to_string()).await;
    assert_eq!(alive.message().await, pong);
    let_pass(10).await;
    hears(&mut alive, "/peers/dead", &json!("gone")).await;
    alive.send(json!({"t": "c", "d": {"t": "p", "d": {}}}).to_string()).await;
    assert_eq!(alive.message().await, pong);
    assert_eq!(dead.closed().await, Some((1001, "nothing was heard for too long".to_owned())));
    suite.stop().await;
}

#[tokio::test]
async fn a_client_that_comes_back_ends_its_last_session_first() {
    let (suite, address) = start().await;
    let (mut first, session) = Client::greeted(address, "").await;
    first.ask("o", json!({"p": "/presence", "d": {"at": {".sv": "timestamp"}}})).await;
    // A namespace of its own has sessions of its own.
    let (_stranger, _) = Client::greeted(address, &format!("&ns=other&ls={session}")).await;
    assert_eq!(suite.read("presence").await, Value::Null);
    let (mut second, other) = Client::greeted(address, &format!("&ls={session}")).await;
    assert_ne!(session, other);
    let got = second.ask("g", json!({"p": "/presence", "q": {}})).await;
    assert_eq!(got, json!({"s": "ok", "d": {"at": suite.now()}}));
    assert_eq!(first.closed().await, Some((1000, "the client has connected again".to_owned())));
    // Once.
    suite.write("presence", &json!("back")).await;
    let (_third, _) = Client::greeted(address, &format!("&ls={session}")).await;
    assert_eq!(suite.read("presence").await, json!("back"));
    suite.stop().await;
}

#[tokio::test]
async fn a_slow_listener_is_closed_with_a_reason_and_others_go_on() {
    const WRITES: usize = 40;
    let (suite, address) = start().await;
    let (mut slow, _) = Client::greeted(address, "").await;
    slow.ask("q", json!({"p": "/feed", "h": ""})).await;
    let (mut quick, _) = Client::greeted(address, "").await;
    quick.ask("q", json!({"p": "/feed", "h": ""})).await;
    let quick = tokio::spawn(async move {
        for number in 0..WRITES {
            let push = quick.message().await;
            assert_eq!(push["d"]["b"]["d"]["number"], number);
        }
        quick
    });
    let text = "x".repeat(1024 * 1024);
    for number in 0..WRITES {
        suite.write("feed", &json!({"number": number, "text": text})).await;
    }
    let mut quick = quick.await.unwrap();
    assert_eq!(quick.ask("g", json!({"p": "/feed/number", "q": {}})).await["d"], WRITES - 1);
    assert_eq!(slow.closed().await, Some((1008, "listener too slow".to_owned())));
    suite.stop().await;
}

#[tokio::test]
async fn an_end_of_any_kind_is_one_that_was_prepared_for() {
    let (suite, address) = start().await;
    let (mut watching, _) = Client::greeted(address, "").await;
    watching.ask("q", json!({"p": "/ends", "h": ""})).await;
    for (name, polite) in [("closed", true), ("cut", false)] {
        let (mut client, _) = Client::greeted(address, "").await;
        client.ask("om", json!({"p": "/ends", "d": {name: "gone"}})).await;
        if polite {
            client.close().await;
        }
        drop(client);
        hears(&mut watching, &format!("/ends/{name}"), &json!("gone")).await;
    }
    suite.stop().await;
}

#[tokio::test]
async fn a_stop_says_so_and_takes_no_longer_than_it_may() {
    let (suite, address) = start().await;
    let (mut client, _) = Client::greeted(address, "").await;
    client.ask("q", json!({"p": "/", "h": ""})).await;
    // One that does not read, and one that never said anything.
    let (_deaf, _) = Client::greeted(address, "").await;
    let (mut silent, _) = upgrade(address, "").await;
    let began = std::time::Instant::now();
    let stopping = tokio::spawn(suite.stop());
    assert_eq!(client.closed().await, Some((1001, "the server stops".to_owned())));
    stopping.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let mut rest = Vec::new();
    let _ = silent.read_to_end(&mut rest).await;
    assert!(!rest.is_empty());
}

#[tokio::test]
async fn an_id_token_lasts_as_long_as_it_says() {
    let (suite, address) = start().await;
    let (uid, bearer) = suite.sign_up().await;
    let token = bearer.trim_start_matches("Bearer ");
    let (mut client, _) = Client::greeted(address, "").await;
    let answer = client.ask("auth", json!({"cred": token})).await;
    assert_eq!((&answer["s"], &answer["d"]["auth"]["uid"]), (&json!("ok"), &json!(uid)));
    suite.advance(3_600_000).await;
    let expired = json!({"t": "d", "d": {"a": "ac", "b": {"s": "expired_token", "d": "Auth token is expired."}}});
    assert_eq!(client.message().await, expired);
    assert_eq!(client.ask("auth", json!({"cred": token})).await["s"], "expired_token");
    suite.stop().await;
}
