//! Signal: every answer in a transcript, what devices hear, and what happens when one comes twice, goes, is slow or
//! lies.

use hearth::config::service::Service;
use hearth::config::settings::Mode;
use hearth_tests::client::{Answer, PATIENCE};
use hearth_tests::events::EventStream;
use hearth_tests::suite::Suite;
use hearth_tests::transcript::Transcript;
use serde_json::{Value, json};
use std::fmt::Write;

const CLAIM: &str = "x-user-claim";
const ANN: (&str, &str) = (CLAIM, r#"{"userid":"ann","clientid":"phone"}"#);
const BEN: (&str, &str) = (CLAIM, r#"{"userid":"ben","clientid":"laptop"}"#);
const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

async fn start(mode: Mode, section: &Value) -> Suite {
    Suite::start_hosted(mode, Service::Signal, section).await
}

async fn open(suite: &Suite, path: &str, headers: &[(&str, &str)]) -> EventStream {
    EventStream::open(suite.address(Service::Signal), path, headers).await
}

async fn connect(suite: &Suite, user: &str, device: &str) -> EventStream {
    let claim = json!({"userid": user, "clientid": device}).to_string();
    let mut stream = open(suite, "/subscribe", &[(CLAIM, &claim)]).await;
    assert_eq!(stream.status, 200);
    stream.until(":\n\n").await;
    stream
}

async fn devices(suite: &Suite, user: &str) -> Value {
    suite.ask(Service::Signal, "GET", &format!("/user/{user}/devices"), &[], "").await.json()
}

/// Asks until the list is `expect`: the server learns of a device's end when its connection ends.
async fn until_devices(suite: &Suite, user: &str, expect: &Value) {
    let asking = async { while devices(suite, user).await != *expect {} };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("never {expect}"));
}

async fn send(suite: &Suite, to: &str, from: (&str, &str), body: &Value) -> Answer {
    suite.ask(Service::Signal, "POST", to, &[from, JSON], &body.to_string()).await
}

#[tokio::test]
async fn every_request_is_answered_as_declared() {
    let suite = start(Mode::Emulator, &json!({})).await;
    let mut seen = Transcript::default();
    let mut ann = open(&suite, "/subscribe", &[ANN]).await;
    ann.until(":\n\n").await;
    let mut ben = open(&suite, "/subscribe/ben/device/laptop", &[BEN]).await;
    ben.until(":\n\n").await;
    let text = r#"{"data":"v=0\r\n?a=b&c#é \"d\" 🙂","event":"offer"}"#;
    let long = json!({"data": "x".repeat(65_537)}).to_string();
    let to_ben = "/user/ben/device/laptop";
    for (method, path, headers, body) in [
        ("GET", "/user/ann/devices", &[][..], ""),
        ("GET", "/user/nobody/devices", &[], ""),
        ("GET", "/user/ann/devices?token=nonsense", &[], ""),
        ("POST", to_ben, &[ANN, JSON], text),
        ("POST", to_ben, &[ANN, JSON], r#"{"data":"no event"}"#),
        ("POST", to_ben, &[ANN, JSON], r#"{"data":"x","event":"a\n\nevent: b\ndata: forged"}"#),
        ("POST", to_ben, &[ANN, JSON], r#"{"data":"x\n\nevent: b\ndata: forged\r\rid: forged"}"#),
        ("POST", to_ben, &[ANN, JSON], r#"{"data":{"type":"offer"}}"#),
        ("POST", to_ben, &[ANN, FORM], "data=a+form%2C+%C3%A9&event=candidate"),
        ("POST", to_ben, &[(CLAIM, r#"{"userid":"a:b","clientid":"c:d"}"#), FORM], "data=colons"),
        // The order of the checks: no such connection, no data, no claim.
        ("POST", "/user/ben/device/tablet", &[], ""),
        ("POST", "/user/ben/device/tablet", &[ANN, JSON], text),
        ("POST", "/user/nobody/device/laptop", &[JSON], "{"),
        ("POST", to_ben, &[], ""),
        ("POST", to_ben, &[JSON], "{}"),
        ("POST", to_ben, &[ANN, JSON], r#"{"data":"","event":"x"}"#),
        ("POST", to_ben, &[JSON], r#"{"data":"\ud800"}"#),
        ("POST", to_ben, &[ANN, JSON], r#"{"data":"x","event":["offer"]}"#),
        ("POST", to_ben, &[ANN, JSON], r#"["x"]"#),
        ("POST", to_ben, &[ANN], text),
        ("POST", to_ben, &[ANN, FORM], "event=x"),
        ("POST", to_ben, &[ANN, JSON], &long),
        ("POST", to_ben, &[JSON], text),
        ("POST", to_ben, &[JSON, (CLAIM, "ann:phone")], text),
        ("POST", to_ben, &[JSON, (CLAIM, r#"{"userid":"ann"}"#)], text),
        ("POST", to_ben, &[JSON, (CLAIM, r#"{"clientid":"phone"}"#)], text),
        ("POST", to_ben, &[JSON, (CLAIM, r#"{"userid":"ben\n","clientid":"x"}"#)], text),
        ("POST", to_ben, &[JSON, ANN, BEN], text),
        ("POST", to_ben, &[JSON, ("authorization", "Bearer nonsense")], text),
        ("GET", to_ben, &[ANN], ""),
        ("OPTIONS", to_ben, &[("origin", "http://app.example")], ""),
        ("OPTIONS", "/subscribe", &[("origin", "http://app.example")], ""),
        ("POST", "/subscribe", &[ANN], ""),
        ("GET", "/subscribe", &[], ""),
        ("GET", "/subscribe", &[(CLAIM, "{}")], ""),
        ("GET", "/subscribe", &[(CLAIM, r#"{"userid":"ann"}"#)], ""),
        ("GET", "/subscribe?token=nonsense", &[], ""),
        ("GET", "/subscribe/ben/device/laptop", &[ANN], ""),
        ("GET", "/subscribe/ann/device/laptop", &[ANN], ""),
        ("GET", "/subscribe/ann/device/", &[ANN], ""),
        ("GET", "/subscribe/ann", &[ANN], ""),
        ("GET", "/user/%00/devices", &[], ""),
        ("GET", "/user/ann", &[], ""),
        ("GET", "/", &[], ""),
    ] {
        let answer = suite.ask(Service::Signal, method, path, headers, body).await;
        let with: Vec<_> = headers.iter().map(|(name, value)| format!(" {name}: {value}")).collect();
        let case = format!("{method} {path}{} {body:?}", with.concat()).replace(&"x".repeat(65_537), "x…");
        seen.add(&case, &answer);
    }
    for (name, stream, last) in [("ben's laptop", &mut ben, "colons\n\n"), ("ann's phone", &mut ann, ":\n\n")] {
        stream.until(last).await;
        seen.note(&format!("## What {name} has heard\n\n{}", stream.show()));
    }
    suite.stop().await;
    seen.check("signal");
}

#[tokio::test]
async fn each_stream_gets_a_comment_at_once_and_every_25_seconds() {
    let suite = start(Mode::Emulator, &json!({})).await;
    let mut early = connect(&suite, "ann", "early").await;
    suite.advance(10_000).await;
    let mut late = connect(&suite, "ann", "late").await;
    for (advance, expect) in [(14_999, [1, 1]), (1, [2, 1]), (10_000, [2, 2]), (50_000, [4, 4])] {
        suite.advance(advance).await;
        for (device, stream, expect) in [("early", &mut early, expect[0]), ("late", &mut late, expect[1])] {
            let mark = suite.now().to_string();
            let to = format!("/user/ann/device/{device}");
            assert_eq!(send(&suite, &to, BEN, &json!({"data": mark})).await.status, 200);
            let seen = stream.until(&format!("data: {mark}\n\n")).await;
            assert_eq!(seen.matches(":\n\n").count(), expect, "{device} {advance}: {seen}");
        }
    }
    suite.stop().await;
}

#[tokio::test]
async fn a_device_that_comes_twice_or_goes_is_listed_rightly() {
    let suite = start(Mode::Emulator, &json!({})).await;
    let older = connect(&suite, "ann", "phone").await;
    let tablet = connect(&suite, "ann", "tablet").await;
    let mut newer = connect(&suite, "ann", "phone").await;
    assert_eq!(older.end().await, ":\n\n", "the older one is closed properly");
    for _ in 0..3 {
        // The older one's connection has ended by now, or is about to.
        assert_eq!(devices(&suite, "ann").await, json!(["phone", "tablet"]));
    }
    assert_eq!(send(&suite, "/user/ann/device/phone", BEN, &json!({"data": "hi"})).await.status, 200);
    assert_eq!(newer.until("data: ").await, ":\n\nid: ben:laptop\ndata: hi\n\n");
    drop(newer);
    until_devices(&suite, "ann", &json!(["tablet"])).await;
    assert_eq!(send(&suite, "/user/ann/device/phone", BEN, &json!({"data": "hi"})).await.status, 404);
    let ended = tokio::spawn(tablet.end());
    suite.stop().await;
    assert_eq!(ended.await.unwrap(), ":\n\n", "the end is proper");
}

#[tokio::test]
async fn devices_are_bounded_and_places_become_free() {
    let suite = start(Mode::Emulator, &json!({"maxStreams": 4, "maxDevicesPerUser": 2})).await;
    let mut streams = vec![connect(&suite, "ann", "0").await, connect(&suite, "ann", "1").await];
    // One user with very many devices fills no more than his own places.
    for number in 2..1_000 {
        let claim = json!({"userid": "ann", "clientid": number.to_string()}).to_string();
        let answer = suite.ask(Service::Signal, "GET", "/subscribe", &[(CLAIM, &claim)], "").await;
        assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (429, "*"));
    }
    streams.push(connect(&suite, "ben", "0").await);
    streams.push(connect(&suite, "cleo", "0").await);
    let refused = open(&suite, "/subscribe", &[(CLAIM, r#"{"userid":"dora","clientid":"0"}"#)]).await;
    assert_eq!((refused.status.as_u16(), refused.headers["retry-after"].as_bytes()), (503, &b"1"[..]));
    streams.remove(1);
    until_devices(&suite, "ann", &json!(["0"])).await;
    streams.push(connect(&suite, "ann", "2").await);
    assert_eq!(devices(&suite, "ann").await, json!(["0", "2"]));
    suite.stop().await;
}

#[tokio::test]
async fn a_device_that_does_not_read_is_dropped_and_no_longer_listed() {
    let suite = start(Mode::Emulator, &json!({})).await;
    let mut good = connect(&suite, "ann", "good").await;
    let slow = connect(&suite, "ann", "slow").await;
    let data = "x".repeat(60_000);
    let mut sent = 0;
    // He reads a little at first, for the head; what follows waits.
    loop {
        sent += 1;
        let answer = send(&suite, "/user/ann/device/slow", BEN, &json!({"data": data})).await;
        let mut mark = String::new();
        write!(mark, "mark{sent}.").unwrap();
        assert_eq!(send(&suite, "/user/ann/device/good", BEN, &json!({"data": mark})).await.status, 200);
        good.until(&mark).await;
        if answer.status == 404 {
            break;
        }
        assert!(answer.status == 200 && sent < 2_000, "{sent}: {}", answer.status);
    }
    assert_eq!(devices(&suite, "ann").await, json!(["good"]));
    drop(slow);
    suite.stop().await;
}

#[tokio::test]
async fn self_hosted_only_tokens_say_who_is_asking() {
    let suite = start(Mode::SelfHost, &json!({})).await;
    let (user, bearer) = suite.sign_up().await;
    let token = bearer.trim_start_matches("Bearer ");
    let ask = async |method: &str, path: &str, headers: &[(&str, &str)]| {
        suite.ask(Service::Signal, method, path, headers, r#"{"data":"hi"}"#).await.status.as_u16()
    };
    let mut stream = open(&suite, &format!("/subscribe/{user}/device/phone?token={token}"), &[]).await;
    stream.until(":\n\n").await;
    assert_eq!(ask("GET", "/subscribe", &[ANN]).await, 401);
    assert_eq!(ask("GET", &format!("/subscribe/ann/device/phone?token={token}"), &[ANN]).await, 403);
    assert_eq!(ask("GET", &format!("/subscribe?token={token}"), &[]).await, 401, "no device");
    assert_eq!(ask("GET", &format!("/subscribe?token={token}&client=a%3Ab"), &[]).await, 401);
    let list = format!("/user/{user}/devices");
    assert_eq!(ask("GET", &list, &[]).await, 401);
    let answer = suite.ask(Service::Signal, "GET", &list, &[("authorization", &bearer)], "").await;
    assert_eq!(answer.json(), json!(["phone"]));
    let to = format!("/user/{user}/device/phone");
    assert_eq!(ask("POST", &to, &[JSON, ANN]).await, 401);
    assert_eq!(ask("POST", &to, &[JSON, ANN, ("authorization", &bearer)]).await, 401, "no device");
    assert_eq!(ask("POST", &format!("{to}?client=tablet"), &[JSON, ANN, ("authorization", &bearer)]).await, 200);
    stream.until("\n\nid: ").await;
    let heard = stream.until("data: hi\n\n").await;
    assert_eq!(heard, format!(":\n\nid: {user}:tablet\ndata: hi\n\n"), "no forged claim is believed");
    suite.stop().await;
}
