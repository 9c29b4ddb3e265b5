//! `pushUpdate`: every row of its table, in the order of its checks.

use crate::doubles::*;
use hearth_functions::request::Unread;
use http::Method;
use serde_json::json;
use std::sync::atomic::Ordering;

const NAMES: [&str; 3] = ["pushUpdate", "postUpdate", "publishUpdate"];

/// A session's code and token, of a user whose calls do not count here.
async fn session(suite: &Suite) -> (String, String) {
    let granted = suite.call("startSession", post().user("starter")).await.granted();
    (text(&granted, "session").to_owned(), text(&granted, "token").to_owned())
}

#[tokio::test]
async fn methods() {
    let suite = strict();
    for name in NAMES {
        suite.call(name, call(Method::OPTIONS).body("x")).await.is(200, "OK");
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::PATCH] {
            suite.call(name, call(method)).await.is(405, "Method Not Allowed");
        }
    }
}

#[tokio::test]
async fn each_check_comes_before_the_next() {
    let suite = strict();
    let (_, token) = session(&suite).await;
    let bad_token = post().header("x-session-token", "garbage");
    for (call, status, body) in [
        (call(Method::POST), 401, "Unauthorized"),
        (post(), 403, "Forbidden"),
        (post().header("x-session-token", "").json(UPDATE), 403, "Forbidden"),
        (bad_token.clone(), 415, "Unsupported Media Type"),
        (bad_token.clone().body(UPDATE), 415, "Unsupported Media Type"),
        (bad_token.clone().header("content-type", "text/plain").body(UPDATE), 415, "Unsupported Media Type"),
        (bad_token.clone().json(""), 400, "empty body"),
        (bad_token.clone().json("{}"), 400, "empty body"),
        (bad_token.clone().json(" {\n} "), 400, "empty body"),
        (bad_token.clone().json("{"), 401, "Unauthorized"),
        (bad_token.clone().json("[]"), 401, "Unauthorized"),
        (bad_token.clone().json(r#"{"uri":5}"#), 401, "Unauthorized"),
        (bad_token.json(UPDATE), 401, "Unauthorized"),
        (post().header("x-session-token", &token).json("{"), 400, "malformed JSON"),
        (post().header("x-session-token", &token).json("[]"), 400, "body is not an object"),
        (post().header("x-session-token", &token).json("null"), 400, "body is not an object"),
        (post().header("x-session-token", &token).json("").unread(Unread::TooLarge), 413, "Payload Too Large"),
        (
            post().header("x-session-token", &token).json(r#"{"uri":5,"position":1}"#),
            400,
            "missing timestamp; uri is not string; missing playing state",
        ),
    ] {
        suite.call("pushUpdate", call).await.is(status, body);
    }
    assert!(suite.published().is_empty());
    assert_eq!(suite.get("rateLimit/ann/count"), json!(17), "all but the first were counted");
}

#[tokio::test]
async fn an_update_is_published_under_every_name() {
    let suite = strict();
    let (code, token) = session(&suite).await;
    for (index, name) in NAMES.iter().enumerate() {
        let call = post().header("x-session-token", &token);
        let call = call.header("content-type", "Application/json; charset=UTF-8");
        let sent = format!(r#"{{"extra":1,"playing":true,"position":1234.50,{}"#, UPDATE.trim_start_matches('{'));
        let answer = suite.call(name, call.body(&sent)).await;
        let expect =
            format!(r#"{{"channel":"{code}","published_messages":{},"stored_messages":1,"subscribers":7}}"#, index + 1);
        answer.is(200, &expect);
    }
    assert_eq!(suite.published(), vec![(code.clone(), UPDATE.to_owned()); 3]);
    assert_eq!(suite.get(&format!("sessionCodes/{code}")), json!(START));
}

#[tokio::test]
async fn the_session_token_dies_after_thirty_minutes() {
    let suite = strict();
    let (_, token) = session(&suite).await;
    for (after, status) in [(29 * MINUTE + 59_999, 200), (30 * MINUTE, 401), (60 * MINUTE, 401)] {
        suite.at(START + after);
        let answer = suite.call("pushUpdate", post().header("x-session-token", &token).json(UPDATE)).await;
        assert_eq!(answer.status, status, "{after}");
    }
}

#[tokio::test]
async fn the_record_is_not_needed() {
    let suite = strict();
    let (code, token) = session(&suite).await;
    suite.set(&format!("sessionCodes/{code}"), json!(null));
    let answer = suite.call("pushUpdate", post().header("x-session-token", &token).json(UPDATE)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(suite.get(&format!("sessionCodes/{code}")), json!(null));
}

#[tokio::test]
async fn failures_are_answered() {
    let suite = strict();
    let (_, token) = session(&suite).await;
    let good = post().header("x-session-token", &token).json(UPDATE);
    suite.house.publisher_fails.store(true, Ordering::SeqCst);
    suite.call("pushUpdate", good.clone()).await.is(502, "the pubsub server did not take the update");
    suite.house.publisher_fails.store(false, Ordering::SeqCst);
    suite.house.database_fails.store(true, Ordering::SeqCst);
    suite.call("pushUpdate", good).await.is(500, "Internal Server Error");
    assert!(suite.published().is_empty());
}

#[tokio::test]
async fn without_a_limit_there_is_nothing_to_commit() {
    let suite = lenient();
    let (_, token) = session(&suite).await;
    let before = suite.house.transactions.load(Ordering::SeqCst);
    let call = call(Method::POST).header("x-session-token", &token).json(UPDATE);
    assert_eq!(suite.call("pushUpdate", call).await.status, 200);
    assert_eq!(suite.house.transactions.load(Ordering::SeqCst), before);
}
