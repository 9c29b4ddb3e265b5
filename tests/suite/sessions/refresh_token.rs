//! refreshToken, row by row, and its windows on the manual clock.

use super::{Host, JSON, MINUTE};
use hearth_tests::suite::Suite;
use hearth_tests::transcript::Transcript;
use serde_json::{Value, json};

#[tokio::test]
async fn every_row_of_the_table() {
    let suite = Suite::start().await;
    let host = Host::start(&suite).await;
    let mut seen = Transcript::default();
    let auth = ("authorization", host.id.as_str());
    for (case, method, headers) in [
        ("OPTIONS", "OPTIONS", &[][..]),
        ("no ID token", "GET", &[("x-session-token", host.token.as_str())]),
        ("no session token", "GET", &[auth]),
        ("a malformed session token", "GET", &[auth, ("x-session-token", "garbage")]),
        ("an ID token as session token", "GET", &[auth, ("x-session-token", host.id.trim_start_matches("Bearer "))]),
        ("too early", "GET", &host.headers()),
    ] {
        seen.add(case, &suite.call(method, "refreshToken", headers, "").await);
    }
    suite.advance(25 * MINUTE).await;
    seen.add("another refresh token", &suite.call("GET", "refreshToken?refreshToken=x", &host.headers(), "").await);
    seen.add("in time", &suite.call("GET", "refreshToken", &host.headers(), "").await);
    suite.write(&format!("sessionCodes/{}", host.session), &Value::Null).await;
    seen.add("the record is gone", &suite.call("GET", "refreshToken", &host.headers(), "").await);
    seen.check("refresh_token");
    suite.stop().await;
}

#[tokio::test]
async fn the_windows() {
    let mut seen = Transcript::default();
    for (minutes, seconds) in
        [(24, 59), (25, 0), (29, 59), (30, 0), (30, 1), (59, 59), (60, 0), (60, 1), (64, 59), (65, 0), (65, 1)]
    {
        let suite = Suite::start().await;
        let host = Host::start(&suite).await;
        suite.advance(minutes * MINUTE + seconds * 1000).await;
        // The ID token has died after an hour; what is asked here is the session's age.
        let (_, id) = suite.sign_up().await;
        let headers = [("authorization", id.as_str()), ("x-session-token", host.token.as_str())];
        let answer = suite.call("GET", "refreshToken", &headers, "").await;
        let retry = answer
            .headers
            .get("retry-after")
            .map_or(String::new(), |after| format!(" Retry-After {}", after.to_str().unwrap()));
        let body = if answer.status == 201 { "a new token" } else { answer.text() };
        seen.note(&format!("{minutes}:{seconds:02} {}{retry} {body}", answer.status.as_u16()));
        suite.stop().await;
    }
    seen.check("refresh_windows");
}

#[tokio::test]
async fn a_refresh_token_is_good_once() {
    let suite = Suite::start().await;
    let host = Host::start(&suite).await;
    suite.advance(25 * MINUTE).await;
    let path = format!("refreshToken?refreshToken={}", host.refresh_token);
    let answer = suite.call("POST", &path, &host.headers(), "").await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(suite.read(&format!("sessionCodes/{}", host.session)).await, json!(suite.now()));
    let refreshed = Host::from_answer(host.id.clone(), &answer.json());
    assert_ne!(refreshed.refresh_token, host.refresh_token);

    suite.advance(25 * MINUTE).await;
    assert_eq!(suite.call("GET", &path, &refreshed.headers(), "").await.status, 401);
    let path = format!("refreshToken?refreshToken={}", refreshed.refresh_token);
    assert_eq!(suite.call("GET", &path, &refreshed.headers(), "").await.status, 201);
    suite.stop().await;
}

#[tokio::test]
async fn without_the_query_the_new_refresh_token_is_stored_too() {
    let suite = Suite::start().await;
    let host = Host::start(&suite).await;
    suite.advance(25 * MINUTE).await;
    let answer = suite.call("PUT", "refreshToken", &[host.headers()[0], host.headers()[1], JSON], "{}").await;
    let refreshed = Host::from_answer(host.id.clone(), &answer.json());
    suite.advance(25 * MINUTE).await;
    let path = format!("refreshToken?refreshToken={}", refreshed.refresh_token);
    assert_eq!(suite.call("GET", &path, &refreshed.headers(), "").await.status, 201);
    suite.stop().await;
}
