//! How many listen, as a stream.

use super::streams::{Listener, open};
use super::*;
use crate::pubsub::Deployment;
use serde_json::json;

fn place(mode: &str) -> PubsubSettings {
    let declared = json!({"presence_interval": "1s", "message_ttl": "1h", "locations": [
        {"path": "= /pub", "role": "publisher", "mode": "admin", "channels_path": "$arg_id", "require_secret": false},
        {"path": "~ ^/sub/(.*)$", "role": "subscriber", "channels_path": "$1"},
        {"path": "~ ^/presence/(.*)$", "role": "presence", "mode": mode, "channels_path": "$1"},
        {"path": "= /channels-stats", "role": "statistics", "channels_path": "$arg_id"}
    ]});
    PubsubSettings::declared(&declared, &Deployment::default()).unwrap()
}

fn told(channel: &str, subscribers: usize) -> String {
    format!("data: {{\"channel\":\"{channel}\",\"subscribers\":{subscribers}}}\n\n")
}

#[tokio::test]
async fn whoever_watches_is_told_the_number_and_its_changes() {
    let house = house(place("eventsource"));
    let (address, _serving) = open(&house).await;
    let first = Listener::listen(address, "/sub/a", "").await;
    house.wait_for_subscribers(1).await;
    let mut watcher = Listener::listen(address, "/presence/a/b", "").await;
    let head = watcher.until("\r\n\r\n").await;
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    // What is so when it comes.
    assert_eq!(watcher.chunk().await, format!(": \n{}{}", told("a", 1), told("b", 0)));
    house.agenda.advance(0).await;
    // Many changes between two intervals are one, and what comes to nothing is none.
    let mut others = Vec::new();
    for count in 2..=20 {
        others.push(Listener::listen(address, "/sub/a", "").await);
        house.wait_for_subscribers(count).await;
    }
    house.agenda.advance(1000).await;
    assert_eq!(watcher.chunk().await, told("a", 20));
    drop(others);
    house.wait_for_subscribers(1).await;
    others = vec![Listener::listen(address, "/sub/b", "").await];
    house.wait_for_subscribers(2).await;
    house.agenda.advance(999).await;
    house.agenda.advance(1).await;
    assert_eq!(watcher.chunk().await, format!("{}{}", told("a", 1), told("b", 1)));
    drop((first, others));
    house.wait_for_subscribers(0).await;
    house.agenda.advance(1000).await;
    assert_eq!(watcher.chunk().await, format!("{}{}", told("a", 0), told("b", 0)));
    // Who watches is no subscriber, and the counterparts are no channels.
    let all = house.send("GET", "/channels-stats?id=ALL", &[], "").await.body;
    assert!(!all.contains("\"a\"") || all.contains("\"subscribers\": 0"), "{all}");
    house.stop.cancel();
    assert!(watcher.rest().await.ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn it_can_be_polled_and_waited_for() {
    let house = house(place("long-polling"));
    let (address, _serving) = open(&house).await;
    let now = house.send("GET", "/presence/a", &[], "").await;
    assert_eq!((now.status.as_u16(), now.body.as_str()), (200, r#"{"channel":"a","subscribers":0}"#));
    let seen =
        [("if-modified-since", now.header("last-modified").unwrap()), ("if-none-match", now.header("etag").unwrap())];
    let nothing = [&seen[..], &[("x-nginx-pushstream-mode", "polling")]].concat();
    assert_eq!(house.send("GET", "/presence/a", &nothing, "").await.status, 304);
    let change = async {
        let _listener = Listener::listen(address, "/sub/a", "").await;
        house.wait_for_subscribers(1).await;
        house.agenda.advance(1000).await;
        std::future::pending::<()>().await;
    };
    let answer = tokio::select! {
        answer = house.send("GET", "/presence/a", &seen, "") => answer,
        () = change => unreachable!(),
    };
    assert_eq!(answer.body, r#"{"channel":"a","subscribers":1}"#);
}
