//! Durable channels on a disk that fails, and what comes back after each kind of end.

use super::streams::{Listener, open};
use super::*;
use crate::pubsub::Deployment;
use crate::storage::disk::{Disk, End, Faults};
use crate::storage::{Durability, Storage};
use serde_json::{Value, json};

fn declared(keep: bool) -> PubsubSettings {
    let declared = json!({
        "message_ttl": "1h", "max_messages_stored_per_channel": 3, "channel_inactivity_time": "1h",
        "durable_channels": "kept-*", "keep_channels": keep, "server_event_ids": true, "store_messages": true,
        "locations": [
            {"path": "= /pub", "role": "publisher", "mode": "admin", "channels_path": "$arg_id", "require_secret": false},
            {"path": "~ ^/sub/(.*)$", "role": "subscriber", "mode": "eventsource", "channels_path": "$1"},
            {"path": "= /channels-stats", "role": "statistics", "channels_path": "$arg_id"}
        ]
    });
    PubsubSettings::declared(&declared, &Deployment::default()).unwrap()
}

/// A house on `disk`, at a time after the clock's start.
fn on(disk: &Disk, keep: bool, after: u64) -> House {
    let agenda = Agenda::new(Clock::manual(MANUAL_START + after));
    let stop = CancellationToken::new();
    let storage = Storage::on(disk, Durability::Power);
    let credentials = Credentials::new(None, false);
    let service = PubsubService::open(declared(keep), credentials, EPOCH, &agenda, stop.clone(), &storage).unwrap();
    House { router: router(Arc::clone(&service), Bodies::default()), service, agenda, stop }
}

impl House {
    async fn told(&self, channel: &str) -> Value {
        let answer = self.send("GET", &format!("/channels-stats?id={channel}"), &[], "").await;
        serde_json::from_str(&answer.body).unwrap_or(Value::Null)
    }

    /// The events that a listener gets to begin with, without their ids, and the last id.
    async fn events(&self, path: &str, last_event_id: &str) -> (String, String) {
        let (address, _serving) = open(self).await;
        let header = format!("Last-Event-ID: {last_event_id}\r\n");
        let mut listener = Listener::listen(address, &format!("/sub/{path}"), &header).await;
        listener.until("\r\n\r\n").await;
        let events = listener.chunk().await;
        let last = events.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().unwrap_or_default();
        let data = events.lines().filter(|line| line.starts_with("data: ") || line.starts_with("event: "));
        (data.collect::<Vec<_>>().join("|"), last.to_owned())
    }
}

/// Ends a house as a kill does: it does nothing more, not even close its file.
async fn kill(house: House, disk: &Disk, end: End) {
    std::mem::forget(house);
    disk.restart(end);
}

#[tokio::test]
async fn acknowledged_messages_survive_a_kill_and_a_power_cut_with_their_ids() {
    for end in [End::Kill, End::PowerCut] {
        let disk = Disk::new(1);
        let house = on(&disk, false, 0);
        house.publish("kept-a", "one").await;
        let (_, seen) = house.events("kept-a", "").await;
        house.publish("volatile", "lost").await;
        house.publish("kept-a/kept-b/other", "two").await;
        house.publish("kept-a", "three").await;
        kill(house, &disk, end).await;
        let house = on(&disk, false, 1000);
        assert_eq!(house.events("kept-a/kept-b", &seen).await.0, "data: two|data: two|data: three", "{end:?}");
        assert_eq!(house.told("kept-a").await["published_messages"], 3);
        // What is not durable is lost, and that is said.
        let lost = r#"event: gap|data: {"channel":"volatile","lost":null}"#;
        assert_eq!(house.events("volatile", &seen).await.0, lost);
        // Ids go on.
        let (_, last) = house.events("kept-a", &seen).await;
        house.publish("kept-a", "four").await;
        assert_eq!(house.events("kept-a", &last).await.0, "data: four");
        assert_eq!(last.split('-').next(), Some("7"));
    }
}

#[tokio::test]
async fn limits_and_lifetimes_hold_on_the_disk_too() {
    let disk = Disk::new(2);
    let house = on(&disk, false, 0);
    for number in 1..=5 {
        house.publish("kept-a", &number.to_string()).await;
    }
    let (_, seen) = house.events("kept-b", "").await;
    house.publish("kept-b", "x").await;
    assert_eq!(house.send("DELETE", "/pub?id=kept-b", &[], "").await.status, 200);
    kill(house, &disk, End::Kill).await;
    let house = on(&disk, false, HOUR - 1);
    assert_eq!(house.events("kept-a.b9", "").await.0, "data: 3|data: 4|data: 5");
    // Deleted channels stay deleted, and whoever knew one is told.
    assert_eq!(house.told("kept-b").await, Value::Null);
    assert!(house.events("kept-b", &seen).await.0.starts_with("event: gap"));
    house.agenda.advance(1).await;
    assert_eq!(house.told("kept-a").await["stored_messages"], 0);
    kill(house, &disk, End::Kill).await;
    let house = on(&disk, false, HOUR);
    assert_eq!(house.events("kept-a.b9", "").await.0, "");
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_nobody_hears_of_the_message() {
    let disk = Disk::new(3);
    let house = on(&disk, false, 0);
    house.publish("kept-a", "one").await;
    let (address, _serving) = open(&house).await;
    let mut listener = Listener::listen(address, "/sub/kept-a", "").await;
    listener.until("\r\n\r\n").await;
    listener.chunk().await;
    disk.fails(Faults { room: Some(disk.used()), ..Faults::default() });
    let refused = house.send("POST", "/pub?id=kept-a", &[], "x".repeat(100_000)).await;
    assert_eq!((refused.status.as_u16(), refused.explanation()), (500, Some("The message could not be stored.")));
    // Others are not concerned.
    house.publish("volatile", "x").await;
    disk.fails(Faults::default());
    house.publish("kept-a", "two").await;
    assert!(listener.chunk().await.ends_with("\ndata: two\n\n"));
    assert_eq!(house.told("kept-a").await["stored_messages"], 2);
    kill(house, &disk, End::Kill).await;
    assert_eq!(on(&disk, false, 0).events("kept-a.b9", "").await.0, "data: one|data: two");
}

#[tokio::test]
async fn a_proper_stop_keeps_all_channels_if_that_is_wanted() {
    for keep in [true, false] {
        let disk = Disk::new(4);
        let house = on(&disk, keep, 0);
        let (_, seen) = house.events("volatile", "").await;
        house.publish("volatile", "a").await;
        house.publish("kept-a", "b").await;
        house.publish("volatile", "c").await;
        house.service.close().await;
        assert_eq!(house.send("POST", "/pub?id=kept-a", &[], "late").await.status, 503);
        kill(house, &disk, End::PowerCut).await;
        let house = on(&disk, keep, 1000);
        let expect = if keep {
            "data: a|data: b|data: c"
        } else {
            r#"event: gap|data: {"channel":"volatile","lost":null}|data: b"#
        };
        assert_eq!(house.events("volatile/kept-a", &seen).await.0, expect);
        // Once only: the next end is a kill.
        kill(house, &disk, End::Kill).await;
        let house = on(&disk, keep, 2000);
        assert_eq!(house.events("volatile.b9/kept-a.b9", "").await.0, "data: b");
    }
}

#[tokio::test]
async fn what_waits_shares_commits_and_keeps_its_order() {
    let disk = Disk::new(5);
    let house = on(&disk, false, 0);
    let (address, _serving) = open(&house).await;
    let mut listener = Listener::listen(address, "/sub/kept-a/volatile", "").await;
    listener.until("\r\n\r\n").await;
    listener.chunk().await;
    let mut publishers = tokio::task::JoinSet::new();
    for number in 0..200 {
        let service = Arc::clone(&house.service);
        let channel = if number % 2 == 0 { "kept-a" } else { "volatile" };
        publishers.spawn(async move { service.publish(channel, Bytes::from(number.to_string())).await.map(drop) });
    }
    while let Some(published) = publishers.join_next().await {
        published.unwrap().unwrap();
    }
    let mut events = String::new();
    while events.matches("data: ").count() < 200 {
        events.push_str(&listener.chunk().await);
    }
    // Whoever comes back with any of these ids has seen everything before it and nothing after.
    let ids = events.lines().filter_map(|line| line.strip_prefix("id: 7-")).map(|id| id.parse::<u64>().unwrap());
    assert!(ids.is_sorted_by(|one, other| one < other), "{events}");
}
