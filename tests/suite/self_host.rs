//! `hearth serve`: nothing of the emulator's ease passes in it.

use hearth::config::service::Service;
use hearth::config::settings::Mode;
use hearth_tests::client::send_raw;
use hearth_tests::suite::{PROJECT, Suite};

async fn start() -> Suite {
    Suite::start_with(Mode::SelfHost, |_| {}).await
}

const JSON: (&str, &str) = ("content-type", "application/json");
const OWNER: (&str, &str) = ("authorization", "Bearer owner");

#[tokio::test]
async fn the_owner_is_nobody() {
    let suite = start().await;
    let list = format!("/identitytoolkit.googleapis.com/v1/projects/{PROJECT}/accounts:batchGet");
    let reset = format!("/emulator/v1/projects/{PROJECT}/accounts");
    let trigger = format!("/functions/projects/{PROJECT}/triggers/us-central1-purgeStaleSessions-0");
    for (service, method, path, body) in [
        (Service::Auth, "GET", list.as_str(), ""),
        (Service::Auth, "DELETE", &reset, ""),
        (Service::Auth, "POST", "/identitytoolkit.googleapis.com/v1/accounts:lookup", r#"{"localId":["x"]}"#),
        (Service::Database, "GET", "/.json", ""),
        (Service::Database, "PUT", "/a.json", "1"),
        (Service::Database, "GET", "/.inspect/databases.json", ""),
        (Service::Functions, "POST", &trigger, ""),
        (Service::PushStream, "POST", "/pub?id=a", "x"),
    ] {
        let status = suite.ask(service, method, path, &[OWNER, JSON], body).await.status.as_u16();
        assert!(matches!(status, 401 | 403 | 404), "{method} {path}: {status}");
    }
    suite.stop().await;
}

#[tokio::test]
async fn the_database_is_locked_for_everyone() {
    let suite = start().await;
    let (_, id) = suite.sign_up().await;
    let token = id.trim_start_matches("Bearer ");
    for path in ["/a.json".to_owned(), format!("/a.json?auth={token}")] {
        for method in ["GET", "PUT", "DELETE"] {
            let answer =
                suite.ask(Service::Database, method, &path, &[JSON], if method == "PUT" { "1" } else { "" }).await;
            assert_eq!(
                (answer.status.as_u16(), answer.json()["error"].as_str()),
                (401, Some("Permission denied")),
                "{method}"
            );
        }
    }
    suite.stop().await;
}

#[tokio::test]
async fn who_may_write_nothing_is_refused_before_the_body_is_read() {
    let suite = start().await;
    for method in ["PUT", "POST", "PATCH"] {
        let head = format!("{method} /a.json HTTP/1.1\r\nhost: x\r\ncontent-length: 200000000\r\n\r\n[");
        let answer = send_raw(suite.address(Service::Database), head.as_bytes()).await;
        assert!(answer.starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&answer));
    }
    suite.stop().await;
}

#[tokio::test]
async fn id_tokens_are_signed_and_unsigned_ones_refused() {
    let suite = start().await;
    let (_, id) = suite.sign_up().await;
    let started = suite.call("POST", "startSession", &[("authorization", &id)], "").await;
    assert_eq!(started.status, 201, "{}", started.text());
    let token = id.trim_start_matches("Bearer ");
    let parts: Vec<&str> = token.split('.').collect();
    assert!(parts.len() == 3 && parts[2].len() > 300, "a signature of 2048 bits");
    // {"alg":"none","typ":"JWT"}
    let unsigned = format!("Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", parts[1]);
    let stripped = format!("Bearer {}.{}.", parts[0], parts[1]);
    for forged in [unsigned, stripped] {
        assert_eq!(suite.call("POST", "startSession", &[("authorization", &forged)], "").await.status, 401);
    }
    suite.stop().await;
}

#[tokio::test]
async fn toggles_have_no_effect() {
    let suite = start().await;
    assert_eq!(suite.call("POST", "startSession", &[], "").await.status, 401);
    let (_, id) = suite.sign_up().await;
    for call in 1..=101 {
        let status = suite.call("POST", "startSession", &[("authorization", &id)], "").await.status;
        assert_eq!(status, if call <= 100 { 201 } else { 429 }, "call {call}");
    }
    suite.stop().await;
}

#[tokio::test]
async fn functions_answer_on_short_paths() {
    let suite = start().await;
    assert_eq!(suite.ask(Service::Functions, "OPTIONS", "/startSession", &[], "").await.status, 200);
    suite.stop().await;
}

#[tokio::test]
async fn publishing_needs_the_secret() {
    let suite = start().await;
    for (secret, status) in [("", 401), ("x", 401), ("Bearer a pubsub secret", 401), ("a pubsub secret", 200)] {
        let answer = suite.ask(Service::PushStream, "POST", "/pub?id=a", &[("authorization", secret)], "x").await;
        assert_eq!(answer.status, status, "{secret}");
    }
    suite.stop().await;
}
