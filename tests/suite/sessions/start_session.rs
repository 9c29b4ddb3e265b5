//! startSession, row by row.

use super::{Host, JSON, UPDATE};
use hearth::config::service::Service;
use hearth_tests::suite::Suite;
use hearth_tests::transcript::Transcript;
use serde_json::json;
use std::collections::HashSet;

#[tokio::test]
async fn every_row_of_the_table() {
    let suite = Suite::start().await;
    let (_, id) = suite.sign_up().await;
    let auth = ("authorization", id.as_str());
    let mut seen = Transcript::default();
    for (case, method, headers, body) in [
        ("a body of another type", "POST", &[auth, ("content-type", "text/plain")][..], UPDATE),
        ("a body without a type", "POST", &[auth], UPDATE),
        ("a body in another charset", "POST", &[auth, ("content-type", "application/json; charset=latin1")], UPDATE),
        ("OPTIONS", "OPTIONS", &[], ""),
        ("OPTIONS with a body of another type", "OPTIONS", &[("content-type", "text/plain")], "x"),
        ("GET", "GET", &[auth], ""),
        ("HEAD", "HEAD", &[auth], ""),
        ("no ID token", "POST", &[], ""),
        ("a bad ID token", "POST", &[("authorization", "Bearer garbage")], ""),
        ("malformed JSON", "POST", &[auth, JSON], "{"),
        ("JSON that is no object", "POST", &[auth, JSON], "[1]"),
        ("an update without anything", "POST", &[auth, JSON], r#"{"x":1}"#),
        ("an update of wrong types", "POST", &[auth, JSON], r#"{"timestamp":"1","uri":1,"position":"1","playing":1}"#),
        ("no body", "POST", &[auth], ""),
        ("an update", "POST", &[auth, JSON], UPDATE),
        (
            "a type in other letters, with a charset",
            "POST",
            &[auth, ("content-type", "Application/JSON; Charset=UTF-8")],
            UPDATE,
        ),
    ] {
        seen.add(case, &suite.call(method, "startSession", headers, body).await);
    }
    let large = format!(r#"{{"x":"{}"}}"#, "x".repeat(100 * 1024));
    seen.add("a body over 100 KB", &suite.call("POST", "startSession", &[auth, JSON], &large).await);
    seen.check("start_session");
    suite.stop().await;
}

#[tokio::test]
async fn an_invalid_update_makes_no_session() {
    let suite = Suite::start().await;
    let (_, id) = suite.sign_up().await;
    let headers = [("authorization", id.as_str()), JSON];
    assert_eq!(suite.call("POST", "startSession", &headers, r#"{"timestamp":1}"#).await.status, 400);
    assert_eq!(suite.read("sessionCodes").await, json!(null));
    suite.stop().await;
}

#[tokio::test]
async fn the_record_holds_the_time_and_the_body_is_published() {
    let suite = Suite::start().await;
    let (_, id) = suite.sign_up().await;
    let headers = [("authorization", id.as_str()), JSON];
    let host = Host::from_answer(id.clone(), &suite.call("POST", "startSession", &headers, UPDATE).await.json());
    assert_eq!(suite.read("sessionCodes").await, json!({ &host.session: suite.now() }));
    let statistics =
        suite.ask(Service::PushStream, "GET", &format!("/channels-stats?id={}", host.session), &[], "").await;
    assert_eq!(statistics.json()["stored_messages"], 1);
    suite.stop().await;
}

#[tokio::test]
async fn concurrent_starts_never_share_a_code() {
    let suite = Suite::start().await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(suite.sign_up().await.1);
    }
    let starts = ids.iter().cycle().take(400).map(|id| async {
        let answer = suite.call("POST", "startSession", &[("authorization", id.as_str())], "").await;
        answer.json()["session"].as_str().unwrap().to_owned()
    });
    let codes: HashSet<String> = futures_util::future::join_all(starts).await.into_iter().collect();
    assert_eq!(codes.len(), 400);
    suite.stop().await;
}
