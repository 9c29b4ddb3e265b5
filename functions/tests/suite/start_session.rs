//! `startSession`: every row of its table.

use crate::doubles::*;
use hearth_functions::request::Unread;
use http::Method;
use serde_json::json;
use std::sync::atomic::Ordering;

#[tokio::test]
async fn bodies_that_are_not_json_come_before_everything() {
    let suite = strict();
    for method in [Method::POST, Method::OPTIONS, Method::GET] {
        for call in [
            call(method.clone()).body("x"),
            call(method.clone()).header("content-type", "text/plain").body("x"),
            call(method.clone()).header("content-type", "application/jsonx").body(UPDATE),
            call(method.clone()).header("content-type", "application/json; charset=latin1").body(UPDATE),
            call(method.clone()).unread(Unread::TooLarge),
        ] {
            suite.call("startSession", call).await.is(415, "Unsupported Media Type");
        }
    }
}

#[tokio::test]
async fn methods() {
    let suite = strict();
    suite.call("startSession", call(Method::OPTIONS)).await.is(200, "OK");
    suite.call("startSession", call(Method::OPTIONS).json(UPDATE)).await.is(200, "OK");
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::PATCH] {
        suite.call("startSession", call(method)).await.is(405, "Method Not Allowed");
    }
}

#[tokio::test]
async fn who_is_not_signed_in() {
    let suite = strict();
    for header in [
        "",
        "garbage",
        "Bearer garbage",
        "bearer token-of-ann",
        "token-of-ann",
        "Bearer  token-of-ann",
        "Bearer ",
        "Bearer",
    ] {
        let call = call(Method::POST).header("authorization", header).json("not JSON");
        suite.call("startSession", call).await.is(401, "Unauthorized");
    }
    suite.call("startSession", call(Method::POST)).await.is(401, "Unauthorized");
    assert_eq!(suite.get("rateLimit"), json!(null));
}

#[tokio::test]
async fn a_session_starts() {
    let suite = strict();
    let answer = suite.call("startSession", post()).await;
    let granted = answer.granted();
    let names: Vec<_> = granted.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["token", "session", "refreshToken", "expiresIn"]);
    assert_eq!(granted["expiresIn"], json!(1800));
    let code = text(&granted, "session");
    assert!(code.len() == 5 && code.chars().all(|c| "abcdefghijklmnopqrstuwxyz0123456789-".contains(c)), "{code}");
    assert_eq!(suite.get(&format!("sessionCodes/{code}")), json!(START));
    assert_eq!(suite.get(&format!("sessionRefreshTokens/{code}")), granted["refreshToken"]);
    assert_eq!(text(&granted, "refreshToken").len(), 64);
    assert_eq!(
        claims(text(&granted, "token")),
        format!(r#"{{"session":"{code}","iat":1893456000,"exp":1893457800,"sub":"session"}}"#)
    );
    assert!(suite.published().is_empty());
    assert_eq!(suite.house.transactions.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn bodies() {
    for (body, published) in [("", false), ("{}", false), (" { } ", false), (UPDATE, true)] {
        for kind in ["application/json", "Application/JSON", "application/json; charset=utf-8"] {
            let suite = strict();
            let granted = suite.call("startSession", post().header("content-type", kind).body(body)).await.granted();
            let expect = published.then(|| (text(&granted, "session").to_owned(), UPDATE.to_owned()));
            assert_eq!(suite.published(), Vec::from_iter(expect), "{body}");
        }
    }
    let suite = strict();
    let empty = post().header("content-type", "text/plain");
    assert_eq!(suite.call("startSession", empty).await.status, 201, "an empty body has no content type to mind");
}

#[tokio::test]
async fn bad_bodies_start_nothing() {
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(100 * 1024));
    let suite = strict();
    for (call, status, body) in [
        (post().json("{"), 400, "malformed JSON"),
        (post().json("[]"), 400, "body is not an object"),
        (post().json("null"), 400, "body is not an object"),
        (post().json("\"text\""), 400, "body is not an object"),
        (post().json("5"), 400, "body is not an object"),
        (post().json(r#"{"x":1}"#), 400, "missing timestamp; missing uri; missing position; missing playing state"),
        (post().json(&large), 413, "Payload Too Large"),
        (post().json("").unread(Unread::TooLarge), 413, "Payload Too Large"),
        (post().json("").unread(Unread::TimedOut), 408, "Request Timeout"),
        (post().json("").unread(Unread::Incomplete), 400, "Bad Request"),
        (post().json("").unread(Unread::Busy), 503, "Service Unavailable"),
    ] {
        suite.call("startSession", call).await.is(status, body);
    }
    assert_eq!(suite.get("sessionCodes"), json!(null));
    assert_eq!(suite.get("rateLimit/ann/count"), json!(11), "they count all the same");
    assert!(suite.published().is_empty());
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read() {
    let padding = " ".repeat(100 * 1024 - UPDATE.len());
    let suite = strict();
    assert_eq!(suite.call("startSession", post().json(&format!("{UPDATE}{padding}"))).await.status, 201);
    suite.call("startSession", post().json(&format!("{UPDATE}{padding} "))).await.is(413, "Payload Too Large");
}

#[tokio::test]
async fn codes_that_are_active_are_not_given_again() {
    for (age, free) in
        [(0, false), (64 * MINUTE, false), (65 * MINUTE - 1, false), (65 * MINUTE, true), (66 * MINUTE, true)]
    {
        let suite = strict();
        suite.set("sessionCodes/aaaaa", json!(START - age));
        // A refresh token takes 64 bytes, a code eight.
        let bytes: Vec<u8> = [vec![9; 64], vec![0; 8], vec![1; 8]].concat();
        suite.house.next_bytes.lock().unwrap().extend(bytes);
        let granted = suite.call("startSession", post()).await.granted();
        assert_eq!(granted["session"], json!(if free { "aaaaa" } else { "bbbbb" }), "{age}");
        assert_eq!(suite.get("sessionCodes/aaaaa"), json!(if free { START } else { START - age }));
    }
}

#[tokio::test]
async fn a_record_from_the_future_is_active_and_what_is_no_time_is_free() {
    for (record, expect) in
        [(json!(START + 5 * MINUTE), "bbbbb"), (json!((START - 5) as f64), "bbbbb"), (json!("x"), "aaaaa")]
    {
        let suite = strict();
        suite.set("sessionCodes/aaaaa", record);
        suite.house.next_bytes.lock().unwrap().extend([vec![9; 64], vec![0; 8], vec![1; 8]].concat());
        assert_eq!(suite.call("startSession", post()).await.granted()["session"], json!(expect));
    }
}

#[tokio::test]
async fn without_a_free_code_there_is_no_token() {
    let suite = strict();
    suite.set("sessionCodes/aaaaa", json!(START));
    suite.house.next_bytes.lock().unwrap().extend(vec![0; 64 + 8 * 100]);
    suite.call("startSession", post()).await.is(500, "Internal Server Error");
    assert_eq!(suite.get("sessionRefreshTokens"), json!(null));
}

#[tokio::test]
async fn failures_are_answered() {
    let suite = strict();
    suite.house.database_fails.store(true, Ordering::SeqCst);
    suite.call("startSession", post().json(UPDATE)).await.is(500, "Internal Server Error");
    assert!(suite.published().is_empty());

    let suite = strict();
    suite.house.accounts_fail.store(true, Ordering::SeqCst);
    suite.call("startSession", post()).await.is(500, "Internal Server Error");

    let suite = strict();
    suite.house.publisher_fails.store(true, Ordering::SeqCst);
    let granted = suite.call("startSession", post().json(UPDATE)).await.granted();
    assert_eq!(suite.get(&format!("sessionCodes/{}", text(&granted, "session"))), json!(START));
}
