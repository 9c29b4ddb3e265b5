//! Presence: every answer in a transcript, streams on a manual clock, and what happens when somebody is slow, many,
//! hostile, or killed.

use hearth::config::service::Service;
use hearth::config::settings::Mode;
use hearth_tests::client::{Answer, PATIENCE, send};
use hearth_tests::events::EventStream;
use hearth_tests::process::{FREE_PORTS, Process, address};
use hearth_tests::suite::Suite;
use hearth_tests::transcript::Transcript;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

const BINARY: &str = env!("CARGO_BIN_EXE_hearth-under-test");
const CLAIM: &str = "x-user-claim";
const ANN: (&str, &str) = (CLAIM, r#"{"userid":"ann","clientid":"phone"}"#);
const JSON: (&str, &str) = ("content-type", "application/json");

async fn start(mode: Mode, section: &Value) -> Suite {
    Suite::start_hosted(mode, Service::Presence, section).await
}

/// Subscribes; the head has to say that it is a stream.
async fn subscribe(suite: &Suite, path: &str) -> EventStream {
    let stream = EventStream::open(suite.address(Service::Presence), path, &[]).await;
    assert_eq!((stream.status.as_u16(), stream.headers["content-type"].as_bytes()), (200, &b"text/event-stream"[..]));
    stream
}

async fn ping_at(address: SocketAddr, user: &str, status: &str) -> Answer {
    let claim = json!({"userid": user, "clientid": "c"}).to_string();
    send(address, "POST", "/ping", &[(CLAIM, &claim)], json!({"status": status}).to_string()).await
}

async fn ping(suite: &Suite, user: &str, status: &str) {
    let answer = ping_at(suite.address(Service::Presence), user, status).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, ""));
}

/// A ping as it is heard, by what the suite's clock says now.
fn event(suite: &Suite, status: &str) -> String {
    format!("data: {{\"time\":{},\"status\":\"{status}\"}}\n\n", suite.now() / 1000)
}

#[tokio::test]
async fn every_request_is_answered_as_declared() {
    let suite = start(Mode::Emulator, &json!({})).await;
    let mut seen = Transcript::default();
    let ok = r#"{"status":"0"}"#;
    let long = json!({"status": "x".repeat(1025)}).to_string();
    let long_user = format!("/subscribe/{}", "x".repeat(257));
    let long_claim = json!({"userid": "x".repeat(257), "clientid": ""}).to_string();
    for (method, path, headers, body) in [
        ("POST", "/ping", &[ANN][..], ok),
        ("POST", "/ping", &[(CLAIM, r#"{"userid":"ann"}"#)], r#"{"status":"two\n\nwords","more":[]}"#),
        ("POST", "/ping", &[], ok),
        ("POST", "/ping", &[(CLAIM, "ann")], ok),
        ("POST", "/ping", &[(CLAIM, r#"["ann","phone"]"#)], ok),
        ("POST", "/ping", &[(CLAIM, r#"{"clientid":"phone"}"#)], ok),
        ("POST", "/ping", &[(CLAIM, r#"{"userid":7,"clientid":"phone"}"#)], ok),
        ("POST", "/ping", &[(CLAIM, r#"{"userid":"","clientid":"phone"}"#)], ok),
        ("POST", "/ping", &[(CLAIM, r#"{"userid":"ann\n","clientid":"phone"}"#)], ok),
        ("POST", "/ping", &[(CLAIM, &long_claim)], ok),
        ("POST", "/ping", &[ANN, (CLAIM, r#"{"userid":"ben","clientid":""}"#)], ok),
        ("POST", "/ping", &[("authorization", "Bearer nonsense")], ok),
        ("POST", "/ping?token=nonsense", &[], ok),
        ("POST", "/ping", &[ANN], ""),
        ("POST", "/ping", &[ANN], "status=0"),
        ("POST", "/ping", &[ANN], "{}"),
        ("POST", "/ping", &[ANN], r#"{"status":0}"#),
        ("POST", "/ping", &[ANN], r#"["0"]"#),
        ("POST", "/ping", &[ANN], &long),
        ("GET", "/ping", &[ANN], ""),
        ("OPTIONS", "/ping", &[("origin", "http://app.example")], ""),
        ("OPTIONS", "/subscribe/ann", &[("origin", "http://app.example")], ""),
        ("POST", "/subscribe/ann", &[ANN], ""),
        ("HEAD", "/subscribe/ann", &[ANN], ""),
        ("GET", "/subscribe/ann?token=nonsense", &[], ""),
        ("GET", "/subscribe/", &[], ""),
        ("GET", "/subscribe/%ff", &[], ""),
        ("GET", "/subscribe/a%00", &[], ""),
        ("GET", &long_user, &[], ""),
        ("GET", "/subscribe", &[], ""),
        ("GET", "/subscribe/ann/device/phone", &[], ""),
        ("GET", "/subscribe/ann/client/phone/", &[], ""),
        ("GET", "/", &[], ""),
    ] {
        let answer = suite.ask(Service::Presence, method, path, headers, body).await;
        let with: Vec<_> = headers.iter().map(|(name, value)| format!(" {name}: {value}")).collect();
        let case = format!("{method} {path}{} {body:?}", with.concat()).replace(&"x".repeat(100), "x… ");
        seen.add(&case, &answer);
    }
    for path in ["/subscribe/ann", "/subscribe/ann/client/phone?token="] {
        let mut stream = subscribe(&suite, path).await;
        stream.until("\n\n").await;
        seen.note(&format!("## GET {path}\n\n{}", stream.show()));
    }
    suite.stop().await;
    seen.check("presence");
}

#[tokio::test]
async fn subscribers_hear_the_last_ping_and_each_one_after_it() {
    let suite = start(Mode::Emulator, &json!({})).await;
    let mut first = subscribe(&suite, "/subscribe/ann").await;
    ping(&suite, "ben", "0").await;
    ping(&suite, "ann", "0").await;
    let mut expect = event(&suite, "0");
    assert_eq!(first.until("\n\n").await, expect);
    suite.advance(1_999).await;
    let mut second = subscribe(&suite, "/subscribe/ann/client/tablet").await;
    ping(&suite, "ann", "away \"for lunch\"").await;
    ping(&suite, "ann", "3").await;
    let later = format!("{}{}", event(&suite, "away \\\"for lunch\\\""), event(&suite, "3"));
    expect.push_str(&later);
    for stream in [&mut first, &mut second] {
        assert_eq!(stream.until("\"3\"}\n\n").await, expect);
    }
    drop(first);
    drop(second);
    let mut third = subscribe(&suite, "/subscribe/ann").await;
    assert_eq!(third.until("\n\n").await, event(&suite, "3"));
    // Names are kept apart, whatever they hold.
    let names = [("a/b", "a%2Fb"), ("a%2Fb", "a%252Fb"), ("a.b", "a.b"), ("\\u00e9 $[#]", "%C3%A9%20$%5B%23%5D")];
    for (number, (name, _)) in names.iter().enumerate() {
        let claim = format!("{{\"userid\":\"{name}\"}}");
        let body = json!({"status": number.to_string()}).to_string();
        assert_eq!(suite.ask(Service::Presence, "POST", "/ping", &[(CLAIM, &claim)], &body).await.status, 200);
    }
    for (number, (_, path)) in names.iter().enumerate() {
        let mut stream = subscribe(&suite, &format!("/subscribe/{path}")).await;
        assert_eq!(stream.until("\n\n").await, event(&suite, &number.to_string()), "{path}");
    }
    assert_eq!(third.seen, event(&suite, "3"));
    let ended = tokio::spawn(third.end());
    suite.stop().await;
    assert_eq!(ended.await.unwrap().matches("data").count(), 1, "the end is proper");
}

#[tokio::test]
async fn each_stream_gets_a_comment_every_25_seconds_of_its_own() {
    let suite = start(Mode::Emulator, &json!({})).await;
    let mut early = subscribe(&suite, "/subscribe/ann").await;
    suite.advance(10_000).await;
    let mut late = subscribe(&suite, "/subscribe/ann").await;
    for (advance, status, expect) in [
        (14_999, "a", ["a", "a"]),
        (1, "b", ["a:b", "ab"]),
        (9_999, "c", ["a:bc", "abc"]),
        (1, "d", ["a:bcd", "abc:d"]),
        (50_000, "e", ["a:bcd::e", "abc:d::e"]),
    ] {
        suite.advance(advance).await;
        ping(&suite, "ann", status).await;
        for (stream, expect) in [&mut early, &mut late].into_iter().zip(expect) {
            let seen = stream.until(&format!("\"{status}\"}}\n\n")).await;
            let shape: String = seen
                .split_terminator("\n\n")
                .map(|event| event.trim_end_matches("\"}"))
                .map(|event| if event == ":" { ':' } else { event.chars().next_back().unwrap() })
                .collect();
            assert_eq!(shape, expect, "{seen}");
        }
    }
    suite.stop().await;
}

#[tokio::test]
async fn pings_at_once_are_heard_by_all_in_one_order() {
    let suite = start(Mode::Emulator, &json!({})).await;
    let mut streams = [subscribe(&suite, "/subscribe/ann").await, subscribe(&suite, "/subscribe/ann").await];
    let address = suite.address(Service::Presence);
    let pings = (0..200).map(|number| tokio::spawn(async move { ping_at(address, "ann", &number.to_string()).await }));
    for ping in pings.collect::<Vec<_>>() {
        assert_eq!(ping.await.unwrap().status, 200);
    }
    // One who comes in between hears the last one first.
    let mut late = subscribe(&suite, "/subscribe/ann").await;
    ping(&suite, "ann", "end").await;
    let [first, second] = &mut streams;
    let first = first.until("\"end\"}\n\n").await;
    assert_eq!(first, second.until("\"end\"}\n\n").await);
    assert_eq!(first.matches("data: ").count(), 201);
    assert!((0..200).all(|number| first.contains(&format!("\"{number}\"}}\n"))));
    let last_two: Vec<&str> = first.split_inclusive("\n\n").skip(199).collect();
    assert_eq!(late.until("\"end\"}\n\n").await, last_two.concat());
    suite.stop().await;
}

#[tokio::test]
async fn a_subscriber_who_does_not_read_is_dropped_and_harms_nobody() {
    let suite = start(Mode::Emulator, &json!({})).await;
    let mut good = subscribe(&suite, "/subscribe/ann").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut slow = socket.connect(suite.address(Service::Presence)).await.unwrap();
    slow.write_all(b"GET /subscribe/ann HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 15];
    slow.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    // Each of them takes six bytes on the wire.
    let filler = "\u{1}".repeat(1000);
    let mut sent = 0;
    let closed = loop {
        for _ in 0..25 {
            sent += 1;
            ping(&suite, "ann", &format!("{sent} {filler}")).await;
        }
        good.until(&format!("\"{sent} ")).await;
        // What the system holds for the slow one is his; the service holds no more than its bound.
        let address = slow.local_addr().unwrap();
        let open = fs::read_to_string("/proc/net/tcp").unwrap();
        let port = format!(":{:04X} ", address.port());
        // State 01 is an established connection; seen from the server the client's port is the remote one.
        let still = open.lines().any(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            matches!(columns[..], [_, _, remote, "01", ..] if format!("{remote} ").ends_with(&port))
        });
        if !still || sent > 5_000 {
            break !still;
        }
    };
    assert!(closed, "he still holds the connection after {sent} pings");
    assert_eq!(good.seen.matches("data: ").count(), sent);
    suite.stop().await;
}

/// Asks until the answer is not `status`: those who have left are not counted any more.
async fn until_not(suite: &Suite, path: &str, status: u16) -> EventStream {
    let trying = async {
        loop {
            let stream = EventStream::open(suite.address(Service::Presence), path, &[]).await;
            if stream.status.as_u16() != status {
                return stream;
            }
        }
    };
    tokio::time::timeout(PATIENCE, trying).await.expect("the places become free")
}

#[tokio::test]
async fn streams_are_bounded_and_places_become_free() {
    let suite = start(Mode::Emulator, &json!({"maxStreams": 3, "maxSubscribersPerUser": 2})).await;
    let open = async |path: &str| EventStream::open(suite.address(Service::Presence), path, &[]).await;
    let mut streams = vec![open("/subscribe/ann").await, open("/subscribe/ann").await];
    let refused = open("/subscribe/ann").await;
    assert_eq!((refused.status.as_u16(), refused.headers.contains_key("retry-after")), (429, false));
    assert_eq!(refused.end().await, r#"{"error":"the user has too many subscribers"}"#);
    streams.push(open("/subscribe/ben").await);
    let refused = open("/subscribe/cleo").await;
    assert_eq!((refused.status.as_u16(), refused.headers["retry-after"].as_bytes()), (503, &b"1"[..]));
    assert_eq!(refused.end().await, r#"{"error":"there are too many streams"}"#);
    assert!(streams.iter().all(|stream| stream.status == 200));
    // Pings need no place.
    ping(&suite, "cleo", "0").await;
    streams.remove(0);
    let mut stream = until_not(&suite, "/subscribe/cleo", 503).await;
    stream.until(&event(&suite, "0")).await;
    suite.stop().await;
}

#[tokio::test]
async fn self_hosted_only_tokens_say_who_is_asking() {
    let suite = start(Mode::SelfHost, &json!({})).await;
    let (user, bearer) = suite.sign_up().await;
    let token = bearer.trim_start_matches("Bearer ");
    let ask = async |method: &str, path: &str, headers: &[(&str, &str)]| {
        let answer = suite.ask(Service::Presence, method, path, headers, r#"{"status":"1"}"#).await;
        (answer.status.as_u16(), answer.text().to_owned())
    };
    let missing = r#"{"error":"neither X-User-Claim nor an ID token says who is asking"}"#.to_owned();
    assert_eq!(ask("POST", "/ping", &[ANN]).await, (400, missing.clone()));
    assert_eq!(ask("GET", "/subscribe/ann", &[ANN]).await, (401, missing));
    for forged in ["eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.e30.", "owner", ""] {
        let status = if forged.is_empty() { 400 } else { 401 };
        assert_eq!(ask("POST", "/ping", &[("authorization", &format!("Bearer {forged}"))]).await.0, status);
        assert_eq!(ask("GET", &format!("/subscribe/ann?token={forged}"), &[]).await.0, 401);
    }
    // Whoever forges a claim is who the token says all the same.
    assert_eq!(ask("POST", "/ping", &[ANN, ("authorization", &bearer)]).await.0, 200);
    let mut mine = subscribe(&suite, &format!("/subscribe/{user}?token={token}")).await;
    mine.until(&event(&suite, "1")).await;
    assert_eq!(ask("POST", &format!("/ping?token={token}"), &[JSON]).await, (200, String::new()));
    mine.until(&event(&suite, "1").repeat(2)).await;
    let anns = subscribe(&suite, &format!("/subscribe/ann?token={token}")).await;
    let ended = tokio::spawn(anns.end());
    suite.stop().await;
    assert_eq!(ended.await.unwrap(), "", "nobody has pinged in Ann's name");
}

#[tokio::test]
async fn no_acknowledged_ping_is_lost_by_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let firebase = json!({"emulators": {"presence": {"port": 0}}, "presence": {}});
    fs::write(folder.path().join("firebase.json"), firebase.to_string()).unwrap();
    let ports = format!("{FREE_PORTS},presence=0");
    let arguments = ["emulators:start", "--project", "demo-kill", "--port", &ports, "--ports-file", "ports.json"];
    let ports = folder.path().join("ports.json");
    let mut acknowledged = BTreeMap::new();
    for round in 1..=3_u32 {
        let mut process = Process::start(BINARY, &arguments, folder.path());
        process.ready().await;
        let presence = address(&ports, "presence");
        for (user, number) in &acknowledged {
            let mut stream = EventStream::open(presence, &format!("/subscribe/{user}"), &[]).await;
            let seen = stream.until("\n\n").await;
            let kept: Value = serde_json::from_str(seen.trim_start_matches("data: ").trim_end()).unwrap();
            let kept: u32 = kept["status"].as_str().unwrap().parse().unwrap();
            assert!(kept >= *number, "of {user} ping {number} was acknowledged, {kept} was kept");
        }
        // Eight users ping one after the other; in the midst of it the server is killed.
        let (sender, mut answered) = tokio::sync::mpsc::unbounded_channel();
        let pinging: Vec<_> = (0..8)
            .map(|user| {
                let sender = sender.clone();
                tokio::spawn(async move {
                    for number in round * 10_000.. {
                        if ping_at(presence, &format!("user{user}"), &number.to_string()).await.status == 200 {
                            let _ = sender.send((user, number));
                        }
                    }
                })
            })
            .collect();
        for _ in 0..100 {
            let (user, number) = answered.recv().await.unwrap();
            acknowledged.insert(format!("user{user}"), number);
        }
        process.signal(Signal::SIGKILL);
        process.ended().await;
        // The clients' requests break.
        drop(sender);
        for pinging in pinging {
            assert!(pinging.await.is_err(), "it never ends by itself");
        }
        while let Some((user, number)) = answered.recv().await {
            acknowledged.insert(format!("user{user}"), number);
        }
    }
    assert_eq!(acknowledged.len(), 8);
}

#[tokio::test]
async fn what_is_wrong_in_its_section_is_said_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let firebase = json!({"emulators": {"hub": {}}, "presence": {"maxStreams": "all", "port": 1}});
    fs::write(folder.path().join("firebase.json"), firebase.to_string()).unwrap();
    let ports = format!("{FREE_PORTS},presence=0");
    let process =
        Process::start(BINARY, &["emulators:start", "--project", "demo-wrong", "--port", &ports], folder.path());
    let (status, output) = process.ended().await;
    assert_eq!(status.code(), Some(2), "{output}");
    for mistake in ["presence.maxStreams is not a whole number from 1 to 1000000", "presence.port is not known"] {
        assert!(output.contains(mistake), "{mistake}: {output}");
    }
}
