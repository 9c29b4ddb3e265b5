//! Who may listen and publish: ID tokens, tickets, admins.

use super::streams::{Listener, open};
use super::*;
use crate::pubsub::Deployment;
use crate::server::credentials::{IdToken, IdTokens, TokenRefused};
use futures_util::future::BoxFuture;
use serde_json::json;
use std::sync::Mutex;

const SECRET: &str = "publishing secret";
/// In seconds after the clock's start.
const TOKEN_LASTS: u64 = 3600;

/// Tokens are `token-UID`; accounts can lose access.
#[derive(Default)]
struct Accounts(Mutex<Vec<&'static str>>);

impl IdTokens for Accounts {
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<IdToken, TokenRefused>> {
        let uid = token.strip_prefix("token-");
        let refused = uid.is_some_and(|uid| self.0.lock().unwrap().contains(&uid));
        let claims = json!({"exp": MANUAL_START / 1000 + TOKEN_LASTS}).as_object().unwrap().clone();
        Box::pin(std::future::ready(match uid {
            Some(_) if refused => Err(TokenRefused::Account),
            Some(uid) => Ok(IdToken { uid: uid.to_owned(), claims: Arc::new(claims) }),
            None => Err(TokenRefused::Signature),
        }))
    }
}

/// A house whose places are these, of a mode, and its accounts.
fn guarded(mode: &str, access: &serde_json::Value) -> (House, Arc<Accounts>) {
    let mut subscriber = json!({"path": "~ ^/sub/(.*)$", "role": "subscriber", "mode": mode, "channels_path": "$1",
        "websocket_allow_publish": true, "allowed_origins": "*"});
    subscriber.as_object_mut().unwrap().extend(access.as_object().unwrap().clone());
    let declared = json!({"store_messages": true, "message_ttl": "1d", "locations": [
        {"path": "= /pub", "role": "publisher", "mode": "admin", "channels_path": "$arg_id"},
        {"path": "= /say", "role": "publisher", "mode": "admin", "channels_path": "$arg_id",
         "authorize": ["id_token", "ticket"], "authorized_channels": "user_{uid}"},
        subscriber,
        {"path": "= /tickets", "role": "tickets", "channels_path": "$arg_id", "longest_ticket": "1h"},
        {"path": "= /channels-stats", "role": "statistics", "channels_path": "$arg_id"}
    ]});
    let deployment = Deployment {
        secret: SECRET.to_owned(),
        ticket_secret: Some("0123456789abcdef0123456789abcdef".to_owned()),
        locked: true,
        ..Deployment::default()
    };
    let accounts = Arc::new(Accounts::default());
    let credentials = Credentials::new(Some(Arc::clone(&accounts) as Arc<dyn IdTokens>), false);
    (house_with(PubsubSettings::declared(&declared, &deployment).unwrap(), credentials), accounts)
}

impl House {
    async fn ticket(&self, wish: &serde_json::Value) -> String {
        let answer = self.send("POST", "/tickets", &[("authorization", SECRET)], wish.to_string()).await;
        assert_eq!(answer.status, 200, "{:?}", answer.explanation());
        let answer: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        answer["ticket"].as_str().unwrap().to_owned()
    }

    async fn status(&self, method: &str, target: &str, token: &str) -> (u16, String) {
        let bearer = format!("Bearer {token}");
        let headers = if token.is_empty() { vec![] } else { vec![("authorization", bearer.as_str())] };
        let answer = self.send(method, target, &headers, "x").await;
        (answer.status.as_u16(), answer.explanation().unwrap_or_default().to_owned())
    }
}

#[tokio::test]
async fn a_place_asks_for_tokens_and_tickets() {
    let access = json!({"authorize": ["id_token", "ticket"], "authorized_channels": ["news", "user_{uid}"]});
    let (house, accounts) = guarded("polling", &access);
    accounts.0.lock().unwrap().push("gone");
    let ticket = house.ticket(&json!({"channels": ["room-*"], "ttl": 60})).await;
    let refused = |text: &str| format!("Refused: {text}.");
    let wanted = "A token is required, as Authorization: Bearer or as argument token.".to_owned();
    let not_yours = "The token is not for this channel.".to_owned();
    let none = String::new();
    for (target, token, status, explanation) in [
        ("/sub/news", "", 401, &wanted),
        ("/sub/news", "token-u1", 304, &none),
        ("/sub/news/user_u1", "token-u1", 304, &none),
        ("/sub/news/user_u2", "token-u1", 403, &not_yours),
        ("/sub/room-1", "token-u1", 403, &not_yours),
        ("/sub/news", "token-gone", 401, &refused("the token's account is gone or disabled")),
        ("/sub/news", "nonsense", 401, &refused("the token is not signed by this server")),
        ("/sub/room-1/room-2", ticket.as_str(), 304, &none),
        ("/sub/news", ticket.as_str(), 403, &not_yours),
    ] {
        assert_eq!(&house.status("GET", target, token).await, &(status, explanation.clone()), "{target} {token}");
    }
    // EventSource sends no headers.
    assert_eq!(house.send("GET", &format!("/sub/room-1?token={ticket}"), &[], "").await.status, 304);
    let missing = house.send("GET", "/sub/news", &[], "").await;
    assert_eq!(missing.header("www-authenticate"), Some("Bearer"));
    let preflight = house.send("OPTIONS", "/sub/news", &[], "").await;
    assert_eq!(preflight.status, 200);
    assert!(preflight.header("access-control-allow-headers").unwrap().starts_with("Authorization,"));
    house.agenda.advance(60_000).await;
    assert_eq!(house.status("GET", "/sub/room-1", &ticket).await, (401, refused("the token has expired")));
}

#[tokio::test]
async fn publishing_by_token_is_bounded_to_its_channels_and_deleting_needs_the_secret() {
    let (house, _) = guarded("polling", &json!({}));
    let listens = house.ticket(&json!({"channels": ["a"]})).await;
    let publishes = house.ticket(&json!({"channels": ["a"], "publish": true})).await;
    let may_not = "The token does not allow this method.".to_owned();
    for (method, target, token, status, explanation) in [
        ("POST", "/say?id=user_u1", "token-u1", 200, ""),
        ("POST", "/say?id=user_u2", "token-u1", 403, "The token is not for this channel."),
        ("POST", "/say?id=a", publishes.as_str(), 200, ""),
        ("POST", "/say?id=a", listens.as_str(), 403, &may_not),
        ("GET", "/say?id=a", listens.as_str(), 200, ""),
        ("DELETE", "/say?id=a", publishes.as_str(), 403, &may_not),
        ("POST", "/say?id=a", "", 401, "A token is required, as Authorization: Bearer or as argument token."),
        // The other place knows the secret alone.
        ("POST", "/pub?id=a", publishes.as_str(), 401, "The Authorization header is not the publishing secret."),
    ] {
        let expected = (status, explanation.to_owned());
        assert_eq!(house.status(method, target, token).await, expected, "{method} {target} {token}");
    }
    let deleted = house.send("DELETE", "/say?id=a", &[("authorization", SECRET)], "").await;
    assert_eq!((deleted.status.as_u16(), deleted.explanation()), (200, Some("Channel deleted.")));
}

#[tokio::test]
async fn a_stream_ends_with_its_token_or_when_the_account_loses_access() {
    let (house, accounts) = guarded("eventsource", &json!({"authorize": ["id_token", "ticket"]}));
    let (address, _serving) = open(&house).await;
    let ticket = house.ticket(&json!({"channels": ["a"], "ttl": 90})).await;
    let mut by_ticket = Listener::listen(address, &format!("/sub/a?token={ticket}"), "").await;
    let mut by_token = Listener::listen(address, "/sub/a?token=token-u1", "").await;
    let mut loses = Listener::listen(address, "/sub/a", "Authorization: Bearer token-u2\r\n").await;
    for listener in [&mut by_ticket, &mut by_token, &mut loses] {
        listener.until("\r\n\r\n").await;
        assert_eq!(listener.chunk().await, ": \n");
    }
    accounts.0.lock().unwrap().push("u2");
    house.agenda.advance(59_999).await;
    assert_eq!(house.subscribers().await, 3);
    house.agenda.advance(1).await;
    assert_eq!(loses.chunk().await, "\n: closed by the server: the token is no longer accepted\n\n");
    assert_eq!((loses.rest().await.as_str(), house.subscribers().await), ("0\r\n\r\n", 2));
    house.agenda.advance(30_000).await;
    assert_eq!((by_ticket.chunk_or_end().await, house.subscribers().await), (None, 1));
    house.agenda.advance(TOKEN_LASTS * 1000).await;
    assert_eq!((by_token.chunk_or_end().await, house.subscribers().await), (None, 0));
    assert!(!house.service.has_watches());
}

#[tokio::test]
async fn one_that_may_outlive_its_token_does() {
    let access = json!({"authorize": ["id_token", "ticket"], "end_with_token": false});
    let (house, _) = guarded("eventsource", &access);
    let (address, _serving) = open(&house).await;
    let ticket = house.ticket(&json!({"channels": ["a"], "ttl": 1})).await;
    let mut listener = Listener::listen(address, &format!("/sub/a?token={ticket}"), "").await;
    listener.until("\r\n\r\n").await;
    house.agenda.advance(10_000).await;
    assert_eq!(house.subscribers().await, 1);
}

#[tokio::test]
async fn a_websocket_is_closed_with_the_reason_and_publishes_what_its_ticket_allows() {
    let (house, accounts) = guarded("websocket", &json!({"authorize": ["id_token", "ticket"]}));
    let (address, _serving) = open(&house).await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Sec-WebSocket-Version: 13\r\n";
    let reason = r#"{"http_status": 401, "explain":"Refused: the token is not signed by this server."}"#;
    let mut refused = Listener::listen(address, "/sub/a?token=x", upgrade).await;
    refused.until("\r\n\r\n").await;
    assert_eq!(refused.take(4 + reason.len()).await[2..], [&[0x03, 0xf0][..], reason.as_bytes()].concat());
    let mut listener = Listener::listen(address, "/sub/a?token=token-u1", upgrade).await;
    listener.until("\r\n\r\n").await;
    for (publishes, expect) in [(false, 0), (true, 1)] {
        let ticket = house.ticket(&json!({"channels": ["a"], "publish": publishes})).await;
        let mut client = Listener::listen(address, &format!("/sub/a?token={ticket}"), upgrade).await;
        client.until("\r\n\r\n").await;
        // A ping behind the text: once it is answered, the text has been dealt with.
        client.say_bytes(b"\x81\x82\0\0\0\0hi\x89\x80\0\0\0\0").await;
        let answer = client.take(if publishes { 6 } else { 2 }).await;
        assert!(answer.ends_with(&[0x8a, 0]) || answer.starts_with(&[0x8a, 0]), "{answer:?}");
        let counts = house.send("GET", "/channels-stats?id=a", &[], "").await.body;
        assert!(counts.contains(&format!("\"published_messages\": {expect}")), "{counts}");
    }
    assert_eq!(listener.take(4).await, b"\x81\x02hi");
    accounts.0.lock().unwrap().push("u1");
    house.agenda.advance(60_000).await;
    let reason = "closed by the server: the token is no longer accepted";
    assert_eq!(listener.take(4 + reason.len()).await[2..], [&[0x03, 0xf0][..], reason.as_bytes()].concat());
}

#[tokio::test]
async fn tickets_are_made_for_those_who_know_the_secret() {
    let (house, _) = guarded("polling", &json!({}));
    assert_eq!(house.status("POST", "/tickets", "").await.0, 401);
    let known = [("authorization", SECRET)];
    let made = house.send("POST", "/tickets?id=a/b", &known, "").await;
    let answer: serde_json::Value = serde_json::from_str(&made.body).unwrap();
    assert_eq!((made.status.as_u16(), &answer["expires"]), (200, &json!(MANUAL_START / 1000 + 3600)));
    assert_eq!(house.send("GET", "/tickets", &known, "").await.header("allow"), Some("POST"));
    for wish in [
        r#"{"channels": []}"#,
        r#"{"channels": ["{x}"]}"#,
        r#"{"channels": ["user_{uid}"]}"#,
        r#"{"channels": ["a"], "ttl": 3601}"#,
        r#"{"channels": ["a"], "ttl": 0}"#,
        r#"{"channels": ["a"], "ends": 1}"#,
        r#"{"channels": "a""#,
        "",
    ] {
        assert_eq!(house.send("POST", "/tickets", &known, wish).await.status, 400, "{wish}");
    }
    house.ticket(&json!({"channels": ["user_{uid}"], "uid": "u1"})).await;
}
