//! Event streams: from the first event to the last.

use super::{Api, NOW, emulator, error};
use axum::body::Body;
use http_body_util::BodyExt;
use std::time::Duration;

const OWNER: &str = "\nAuthorization: Bearer owner";

/// One stream, read event by event.
struct Stream(Body);

impl Api {
    async fn stream(&self, target: &str) -> Stream {
        let response = self.send(&format!("GET {target}\nAccept: text/event-stream"), "").await;
        assert_eq!(response.status(), 200, "{target}");
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        Stream(response.into_body())
    }
}

impl Stream {
    /// The next event, as `name data`; `end` when there is no more.
    async fn next(&mut self) -> String {
        let Some(frame) = self.0.frame().await else { return "end".to_owned() };
        let text = String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap();
        let event = text.strip_prefix("event: ").unwrap().strip_suffix("\n\n").unwrap();
        event.replace("\ndata: ", " ")
    }

    async fn expect(&mut self, events: &[&str]) {
        // The order of an update's parts means nothing.
        let parsed = |event: &str| {
            let (name, data) = event.split_once(' ').unwrap_or((event, "null"));
            (name.to_owned(), serde_json::from_str::<serde_json::Value>(data).unwrap())
        };
        for event in events {
            assert_eq!(parsed(&self.next().await), parsed(event));
        }
    }
}

#[tokio::test]
async fn what_happens_is_told_relative_to_the_request() {
    let api = emulator();
    api.ask("PUT /a/b.json", r#"{"c":1}"#).await;
    let (mut all, mut inner) = (api.stream("/.json").await, api.stream("/a/b.json").await);
    all.expect(&[r#"put {"path":"/","data":{"a":{"b":{"c":1}}}}"#]).await;
    inner.expect(&[r#"put {"path":"/","data":{"c":1}}"#]).await;
    for (request, body) in [
        ("PUT /a/b/c.json", "2"),
        ("PUT /x.json", "[1,2]"),
        ("PATCH /a/b.json", r#"{"d":{"e":3},"c":null}"#),
        ("PATCH /.json", r#"{"a/b/f":4,"y":5}"#),
        ("DELETE /a.json", ""),
    ] {
        assert!(api.ask(request, body).await.starts_with("200"));
    }
    all.expect(&[
        r#"put {"path":"/a/b/c","data":2}"#,
        r#"put {"path":"/x","data":[1,2]}"#,
        r#"patch {"path":"/a/b","data":{"c":null,"d":{"e":3}}}"#,
        r#"patch {"path":"/","data":{"a/b/f":4,"y":5}}"#,
        r#"put {"path":"/a","data":null}"#,
    ])
    .await;
    inner
        .expect(&[
            r#"put {"path":"/c","data":2}"#,
            r#"patch {"path":"/","data":{"c":null,"d":{"e":3}}}"#,
            r#"put {"path":"/f","data":4}"#,
            r#"put {"path":"/","data":null}"#,
        ])
        .await;
}

#[tokio::test]
async fn a_write_that_is_acknowledged_has_been_told() {
    let api = emulator();
    let mut stream = api.stream("/a.json").await;
    stream.expect(&[r#"put {"path":"/","data":null}"#]).await;
    for number in 0..100 {
        api.ask("PUT /a.json", number.to_string()).await;
        let event = tokio::time::timeout(Duration::ZERO, stream.next()).await.unwrap();
        assert_eq!(event, format!("put {{\"path\":\"/\",\"data\":{number}}}"));
    }
}

#[tokio::test]
async fn a_query_has_a_window_that_moves() {
    let api = emulator();
    api.ask(&format!("PUT /.settings/rules.json{OWNER}"), {
        r#"{"rules":{".read":true,".write":true,"l":{".indexOn":"n"}}}"#
    })
    .await;
    api.ask("PUT /l.json", r#"{"a":{"n":1},"b":{"n":2},"c":{"n":3}}"#).await;
    let mut first = api.stream("/l.json?orderBy=%22n%22&limitToFirst=2").await;
    let mut range = api.stream("/l.json?orderBy=%22n%22&startAt=3").await;
    first.expect(&[r#"put {"path":"/","data":{"a":{"n":1},"b":{"n":2}}}"#]).await;
    range.expect(&[r#"put {"path":"/","data":{"c":{"n":3}}}"#]).await;
    api.ask("PUT /l/d.json", r#"{"n":0}"#).await;
    api.ask("PUT /l/a/n.json", "5").await;
    first
        .expect(&[
            r#"patch {"path":"/","data":{"b":null,"d":{"n":0}}}"#,
            r#"patch {"path":"/","data":{"a":null,"b":{"n":2}}}"#,
        ])
        .await;
    range.expect(&[r#"put {"path":"/a","data":{"n":5}}"#]).await;
}

#[tokio::test]
async fn priorities_are_told_to_those_who_see_them() {
    let api = emulator();
    api.ask("PUT /a.json", r#"{".value":1,".priority":2}"#).await;
    let mut values = api.stream("/.json").await;
    let mut export = api.stream("/.json?format=export").await;
    let mut priority = api.stream("/a/.priority.json").await;
    values.expect(&[r#"put {"path":"/","data":{"a":1}}"#]).await;
    export.expect(&[r#"put {"path":"/","data":{"a":{".value":1,".priority":2}}}"#]).await;
    priority.expect(&[r#"put {"path":"/","data":2}"#]).await;
    api.ask("PUT /a/.priority.json", "3").await;
    api.ask("PUT /b.json", "4").await;
    values.expect(&[r#"put {"path":"/b","data":4}"#]).await;
    export.expect(&[r#"put {"path":"/a/.priority","data":3}"#, r#"put {"path":"/b","data":4}"#]).await;
    priority.expect(&[r#"put {"path":"/","data":3}"#]).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_is_kept_alive() {
    let api = emulator();
    let mut stream = api.stream("/a.json").await;
    stream.expect(&[r#"put {"path":"/","data":null}"#]).await;
    for _ in 0..3 {
        let begun = tokio::time::Instant::now();
        stream.expect(&["keep-alive null"]).await;
        assert_eq!(begun.elapsed().as_secs(), 30);
    }
}

#[tokio::test]
async fn new_rules_cancel_what_they_forbid() {
    let api = emulator();
    let (mut client, mut other) = (api.stream("/a.json").await, api.stream("/b.json").await);
    let mut admin = api.stream("/a.json?auth=owner").await;
    let rules = r#"{"rules":{".write":true,"b":{".read":true}}}"#;
    api.ask("PUT /a.json", "1").await;
    api.ask(&format!("PUT /.settings/rules.json{OWNER}"), rules).await;
    api.ask("PATCH /.json", r#"{"a":2,"b":2}"#).await;
    let (begin, one) = (r#"put {"path":"/","data":null}"#, r#"put {"path":"/","data":1}"#);
    client.expect(&[begin, one, r#"cancel "Permission denied""#, "end"]).await;
    admin.expect(&[begin, one, r#"put {"path":"/","data":2}"#]).await;
    other.expect(&[begin, r#"put {"path":"/","data":2}"#]).await;
    let refused = api.ask("GET /a.json\nAccept: text/html, text/event-stream;q=0.9", "").await;
    assert_eq!(refused, error(401, "Permission denied"));
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let api = emulator();
    let (mut short, mut long) = (api.stream("/a.json?auth=short").await, api.stream("/a.json?auth=good").await);
    let mut played = api.stream("/a.json?auth=played").await;
    let begin = r#"put {"path":"/","data":null}"#;
    for stream in [&mut short, &mut long, &mut played] {
        stream.expect(&[begin]).await;
    }
    let end = (NOW / 1000 + 1) * 1000;
    api.agenda.set(end - 1).await;
    api.ask("PUT /a.json", "1").await;
    api.agenda.set(end).await;
    api.ask("PUT /a.json", "2").await;
    let (one, two) = (r#"put {"path":"/","data":1}"#, r#"put {"path":"/","data":2}"#);
    short.expect(&[one, r#"auth_revoked "credential is no longer valid""#, "end"]).await;
    long.expect(&[one, two]).await;
    played.expect(&[one, two]).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_told_so_and_others_hear_everything() {
    let api = emulator();
    let (mut slow, mut quick) = (api.stream("/a.json").await, api.stream("/a.json").await);
    quick.next().await;
    for number in 0..5 {
        let text = format!("\"{number}{}\"", "x".repeat(5 * 1024 * 1024));
        api.ask("PUT /a.json?print=silent", text).await;
        assert!(quick.next().await.starts_with(&format!("put {{\"path\":\"/\",\"data\":\"{number}xxx")));
    }
    slow.expect(&[r#"put {"path":"/","data":null}"#, r#"cancel "The client reads too slowly.""#, "end"]).await;
}

#[tokio::test]
async fn a_stop_and_a_drop_end_streams() {
    let api = emulator();
    api.ask("PUT /a.json?ns=other", "1").await;
    let (mut stopped, mut dropped) = (api.stream("/a.json").await, api.stream("/a.json?ns=other").await);
    stopped.expect(&[r#"put {"path":"/","data":null}"#]).await;
    api.ask(&format!("DELETE /.inspect/databases/other.json{OWNER}"), "").await;
    dropped.expect(&[r#"put {"path":"/","data":1}"#, "end"]).await;
    api.stop.cancel();
    stopped.expect(&["end"]).await;
}

#[tokio::test]
async fn a_large_tree_is_streamed_whole() {
    let api = emulator();
    let text = format!("[{}]", vec![r#""xxxxxxxxxxxxxxxx""#; 20_000].join(","));
    api.ask("PUT /a.json?print=silent", text.clone()).await;
    let mut stream = api.stream("/a.json").await;
    stream.expect(&[&format!("put {{\"path\":\"/\",\"data\":{text}}}")]).await;
    api.ask("PUT /a/b.json?print=silent", text.clone()).await;
    stream.expect(&[&format!("put {{\"path\":\"/b\",\"data\":{text}}}")]).await;
    let mixed = api.ask("GET /a.json?shallow=true\nAccept: text/event-stream", "").await;
    assert_eq!(mixed, error(400, "shallow is not supported with event streams"));
}
