//! Clients that mean no good: they are refused, and nobody else notices.

use super::House;
use hearth::config::service::Service;
use hearth::config::settings::Mode;
use serde_json::{Map, Value, json};

#[tokio::test]
async fn nobody_writes_in_anothers_name_or_to_another_group() {
    let house = House::new().await;
    let mut ann = house.join("ann", "red").await;
    let mut bob = house.join("bob", "red").await;
    ann.json().await;
    let mut eve = house.join("eve", "blue").await;
    for (text, error) in [
        (json!({"username_from": "bob", "username_to": "ann", "message": "x"}), "username_from is somebody else"),
        (json!({"username_from": "eve", "username_to": "ann", "message": "x"}), "username_to is unknown"),
        (json!({"username_from": "EVE", "username_to": "eve", "message": "x"}), "username_from is somebody else"),
    ] {
        eve.send(text.to_string()).await;
        assert_eq!(eve.error().await, error, "{text}");
    }
    bob.say("ann", "genuine").await;
    assert_eq!(ann.heard().await, ("bob".to_owned(), "genuine".to_owned()));
    let pair = json!({"ann": {"bob": 1}});
    assert_eq!(house.kept("counts").await, pair);
    // Without his own account nobody is heard: a proxy's claim says nothing here.
    let claim = [("x-user-claim", r#"{"userid":"ann","clientid":"1"}"#)];
    assert_eq!(house.ask("GET", "/messages?from=ann&to=bob", &claim, "").await.status, 401);
    house.stop().await;
}

#[tokio::test]
async fn what_is_no_message_ends_one_connection_at_most() {
    let house = House::new().await;
    let ann = house.person("ann", "red").await;
    let mut quiet = house.open(&ann).await;
    let mut loud = house.open(&ann).await;
    loud.send_bytes(b"\0\x01").await;
    assert_eq!(loud.closed().await, Some((1003, "messages are texts".to_owned())));
    let mut loud = house.open(&ann).await;
    loud.send("x".repeat(200 * 1024)).await;
    assert_eq!(loud.closed().await, Some((1009, "the message is too long".to_owned())));
    let mut loud = house.open(&ann).await;
    loud.send(format!("{{\"a\":{}", "[".repeat(100_000))).await;
    assert!(loud.error().await.starts_with("The message is not JSON"));
    // The longest message there is, every character escaped.
    let text = "\\u0001".repeat(16 * 1024);
    loud.send(format!(r#"{{"username_to":"ann","message":"{text}"}}"#)).await;
    assert_eq!(quiet.heard().await.1, "\u{1}".repeat(16 * 1024));
    let longest = format!(r#"{{"username":"x","user_group":"{}"}}"#, "x".repeat(3 * 1024 * 1024));
    let secret = [("authorization", super::SECRET)];
    assert_eq!(house.ask("POST", "/user", &secret, &longest).await.status, 413);
    house.stop().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_and_nobody_waits_for_it() {
    let house = House::new().await;
    let mut ann = house.join("ann", "red").await;
    let token = house.token(&house.person("bob", "red").await).await;
    let (mut stuck, _) = super::socket::handshake(house.suite.address(Service::Chat), &token).await;
    assert_eq!(ann.json().await, json!({"username": "bob", "active": true}));
    let text = "x".repeat(16 * 1024);
    // More than the system's buffers and the outlet's bound together.
    let mut sent = 0;
    loop {
        ann.say("bob", &text).await;
        sent += 1;
        let heard = ann.json().await;
        if heard == json!({"username": "bob", "active": false}) {
            break;
        }
        assert_eq!(heard["message"], text);
        assert!(sent < 2000);
    }
    tokio::io::AsyncReadExt::read_to_end(&mut stuck, &mut Vec::new()).await.ok();
    house.stop().await;
}

/// A group of 100,000.
#[tokio::test]
async fn a_huge_group_is_read_in_pieces() {
    let house = House::new().await;
    let name = |number: usize| format!("user-{number:06}");
    let groups: Map<String, Value> = (0..100_000).map(|number| (name(number), json!(name(number)))).collect();
    let users: Map<String, Value> = (0..100_000)
        .map(|number| (name(number), json!({"username": name(number), "group": "red", "created": 1})))
        .collect();
    let owner = [("authorization", "Bearer owner")];
    for (path, value) in [("groups/red", groups), ("users", users)] {
        let path = format!("/{path}.json?ns=chat&print=silent");
        let body = Value::Object(value).to_string();
        assert_eq!(house.suite.ask(Service::Database, "PUT", &path, &owner, &body).await.status, 204);
    }
    let known = house.person(&name(7), "red").await;
    let mut socket = house.open(&known).await;
    let list = async |after: &str| {
        let answer = house.get(&format!("/connections?after={after}"), &known).await.json();
        let list = answer["result"].as_array().unwrap().clone();
        (list.len(), list.iter().filter(|one| one["active"] == true).count(), list[0]["username"].clone())
    };
    assert_eq!(list("").await, (10_000, 1, json!(name(0))));
    assert_eq!(list(&name(9_999)).await, (10_000, 0, json!(name(10_000))));
    assert_eq!(list(&name(99_998)).await, (1, 0, json!(name(99_999))));
    socket.say(&name(99_999), "hello").await;
    assert_eq!(socket.heard().await.1, "hello");
    house.stop().await;
}

#[tokio::test]
async fn a_self_hosted_server_lets_no_page_in_that_is_not_listed() {
    let house = House::with(Mode::SelfHost, json!({})).await;
    let answer = house.ask("GET", "/healthz", &[("origin", "https://a.example")], "").await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (200, ""));
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJ1c2VyX2lkIjoiYW5uIn0.";
    assert_eq!(house.get("/ws_token", &format!("Bearer {unsigned}")).await.status, 401);
    house.stop().await;
}
