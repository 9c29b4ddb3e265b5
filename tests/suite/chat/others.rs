//! The other servers: the one that says who is asking, and the one that is told of messages.

use super::stub::Stub;
use super::{House, SECRET};
use hearth::config::settings::Mode;
use hearth_tests::client::PATIENCE;
use serde_json::{Value, json};

fn header<'r>(request: &'r str, name: &str) -> Option<&'r str> {
    request.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[tokio::test]
async fn the_verification_url_says_who_is_asking_and_is_believed_for_a_moment() {
    let answer = r#"{"result":{"username":"ann","user_group":"red"},"message":null}"#;
    let mut other = Stub::new(&[Some((200, answer))]).await;
    let house = House::with(Mode::Emulator, json!({"verificationUrl": other.url("/authorize?x=1")})).await;
    assert_eq!(house.get("/ws_token", "").await.status, 401);
    assert!(other.is_quiet());
    let issued = house.get("/ws_token", "any header at all").await;
    assert_eq!((issued.status.as_u16(), &issued.json()["result"]["username"]), (201, &json!("ann")));
    let asked = other.asked().await;
    assert!(asked.starts_with("GET /authorize?x=1 HTTP/1.1\r\n"), "{asked}");
    assert_eq!(header(&asked, "authorization"), Some("any header at all"));
    assert_eq!(house.kept("users/ann/group").await, json!("red"));
    house.suite.advance(9_999).await;
    assert_eq!(house.get("/connections", "any header at all").await.status, 200);
    assert!(other.is_quiet());
    assert_eq!(house.get("/connections", "another").await.status, 200);
    assert_eq!(header(&other.asked().await, "authorization"), Some("another"));
    house.suite.advance(1).await;
    for (reply, status) in [((401, "{}"), 401), ((200, "{"), 401), ((500, ""), 503), ((200, answer), 200)] {
        other.answer(Some(reply));
        assert_eq!(house.get("/connections", "any header at all").await.status, status, "{reply:?}");
        other.asked().await;
    }
    house.stop().await;
}

#[tokio::test]
async fn a_verification_url_that_is_away_is_told_of() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", nobody.local_addr().unwrap());
    drop(nobody);
    let house = House::with(Mode::Emulator, json!({"verificationUrl": url})).await;
    let answer = house.get("/ws_token", "x").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"));
    house.stop().await;
}

#[tokio::test]
async fn every_message_is_told_to_the_service_of_notifications_until_it_listens() {
    let mut other = Stub::new(&[Some((503, "")), Some((429, "")), Some((201, ""))]).await;
    let config = json!({"notificationUrl": other.url("/notify"), "emotivesUrl": "https://app.example/"});
    let house = House::with(Mode::Emulator, config).await;
    let mut ann = house.join("ann & co", "red").await;
    house.token(&house.person("bob", "red").await).await;
    ann.say("bob", "hi \"bob\"").await;
    ann.heard().await;
    let first = other.asked().await;
    assert!(first.starts_with("POST /notify HTTP/1.1\r\n"), "{first}");
    assert_eq!(header(&first, "authorization"), Some(SECRET));
    let body: Value = serde_json::from_str(first.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(
        body,
        json!({
            "username": "bob",
            "type": "message",
            "title": "New message!",
            "message": "ann & co messaged you: hi \"bob\"",
            "link": "https://app.example/messenger?talking-to=ann%20%26%20co",
            "username_to": "bob",
        })
    );
    // Refused, it is tried again after a while, and after a longer one.
    assert_eq!(again(&house, &mut other).await, first);
    assert_eq!(again(&house, &mut other).await, first);
    house.suite.advance(1_000_000).await;
    assert!(other.is_quiet());
    house.stop().await;
}

/// Moves the clock until something is asked. No client sees when the failure before it has been noticed.
async fn again(house: &House, other: &mut Stub) -> String {
    let asking = async {
        loop {
            house.suite.advance(1_000).await;
            tokio::task::yield_now().await;
            if let Some(request) = other.try_asked() {
                return request;
            }
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap()
}

#[tokio::test]
async fn a_service_of_notifications_that_never_answers_delays_nobody() {
    let mut other = Stub::new(&[]).await;
    let house = House::with(Mode::Emulator, json!({"notificationUrl": other.url("/")})).await;
    let mut ann = house.join("ann", "red").await;
    for number in 0..50 {
        ann.send(json!({"username_to": "ann", "image_path": number.to_string()}).to_string()).await;
        assert_eq!(ann.json().await["image_path"], number.to_string());
    }
    assert!(other.asked().await.contains("ann messaged you: [image]"));
    house.stop().await;
}
