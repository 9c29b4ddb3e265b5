//! Tokens open one WebSocket each, within five minutes.

use super::House;
use serde_json::{Value, json};

const MINUTE: u64 = 60_000;

#[tokio::test]
async fn a_token_expires_after_five_minutes_and_is_swept() {
    let house = House::new().await;
    let ann = house.person("ann", "red").await;
    let (early, late) = (house.token(&ann).await, house.token(&ann).await);
    house.suite.advance(5 * MINUTE - 1).await;
    house.try_open(&early).await.unwrap();
    house.suite.advance(1).await;
    let refused = house.try_open(&late).await.err().unwrap();
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    let unused = house.token(&ann).await;
    let kept = house.kept("").await.to_string();
    assert!(!kept.contains(&unused), "{kept}");
    assert_eq!(house.kept("tokens").await.as_object().map(serde_json::Map::len), Some(1));
    house.suite.advance(7 * MINUTE).await;
    for path in ["tokens", "expiries", "holders"] {
        assert_eq!(house.kept(path).await, Value::Null, "{path}");
    }
    house.stop().await;
}

#[tokio::test]
async fn of_many_at_once_one_gets_in() {
    let house = House::new().await;
    let ann = house.person("ann", "red").await;
    for _ in 0..10 {
        let token = house.token(&ann).await;
        let tries = futures_util::future::join_all((0..8).map(|_| house.try_open(&token))).await;
        let refused: Vec<_> = tries.iter().filter_map(|one| one.as_ref().err()).collect();
        assert_eq!(refused.len(), 7);
        assert!(refused.iter().all(|head| head.starts_with("HTTP/1.1 403 ")), "{refused:?}");
    }
    house.stop().await;
}

#[tokio::test]
async fn a_user_has_so_many_unused_tokens() {
    let house = House::new().await;
    let ann = house.person("ann", "red").await;
    let first = house.token(&ann).await;
    house.suite.advance(1).await;
    let mut last = String::new();
    for _ in 0..32 {
        last = house.token(&ann).await;
    }
    assert_eq!(house.kept("tokens").await.as_object().map(serde_json::Map::len), Some(32));
    assert!(house.try_open(&first).await.is_err());
    assert!(house.try_open(&last).await.is_ok());
    house.stop().await;
}

#[tokio::test]
async fn a_token_says_who_and_until_when() {
    let house = House::new().await;
    let check = async |claims: Value, name: &str, group: &str| {
        let answer = house.get("/ws_token", &house.sign_in("uid-1", claims).await).await;
        let result = answer.json()["result"].clone();
        assert_eq!((&result["username"], &result["expires"]), (&json!(name), &json!(house.suite.now() / 1000 + 300)));
        let token = result["token"].as_str().unwrap();
        assert!(token.len() == 27 && token.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)), "{token}");
        assert_eq!(house.kept(&format!("users/{name}/group")).await, json!(group), "{name}");
    };
    check(json!({}), "uid-1", "default").await;
    check(json!({"username": "ann", "user_group": "red"}), "ann", "red").await;
    // Of whom nobody says where he belongs stays where he is.
    check(json!({"username": "ann"}), "ann", "red").await;
    check(json!({"username": "ann", "user_group": "blue"}), "ann", "blue").await;
    assert_eq!(house.kept("groups").await, json!({"default": {"uid-1": "uid-1"}, "blue": {"ann": "ann"}}));
    check(json!({"username": 7, "user_group": ["x"]}), "uid-1", "default").await;
    let too_long = house.sign_in("uid-2", json!({"username": "x".repeat(257)})).await;
    assert_eq!(house.get("/ws_token", &too_long).await.status, 401);
    // As the original's clients send it.
    let bare = house.person("ann", "blue").await;
    assert_eq!(house.get("/ws_token", bare.strip_prefix("Bearer ").unwrap()).await.status, 201);
    house.stop().await;
}
