//! The same seed and the same clock give the same bytes.

use hearth::config::service::Service;
use hearth_tests::suite::Suite;

/// What a session of every service looks like, byte for byte.
async fn record() -> Vec<String> {
    let suite = Suite::start().await;
    let json = ("content-type", "application/json");
    let mut record = Vec::new();
    let sign_up = "/identitytoolkit.googleapis.com/v1/accounts:signUp?key=k";
    let account = suite.ask(Service::Auth, "POST", sign_up, &[json], "{}").await;
    record.push(account.show());
    let id = format!("Bearer {}", account.json()["idToken"].as_str().unwrap());
    let session = suite.call("POST", "startSession", &[("authorization", &id)], "").await;
    record.push(session.show());
    for body in ["1", r#"{".sv":"timestamp"}"#] {
        record.push(suite.ask(Service::Database, "POST", "/list.json", &[json], body).await.show());
    }
    record.push(suite.ask(Service::Database, "GET", "/.json?print=pretty", &[], "").await.show());
    suite.advance(26 * 60_000).await;
    let token = session.json()["token"].as_str().unwrap().to_owned();
    let headers = [("authorization", id.as_str()), ("x-session-token", &token)];
    record.push(suite.call("GET", "refreshToken", &headers, "").await.show());
    suite.stop().await;
    record
}

#[tokio::test]
async fn two_runs_answer_the_same_bytes() {
    let (one, other) = (record().await, record().await);
    assert_eq!(one, other);
    assert!(one.iter().all(|answer| answer.starts_with("20")), "{one:#?}");
}
