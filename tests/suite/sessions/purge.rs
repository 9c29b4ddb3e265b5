//! The scheduled purges: by their schedule on the manual clock, and by hand.

use super::{Host, MINUTE};
use hearth::config::service::Service;
use hearth_tests::suite::{PROJECT, Suite};
use hearth_tests::transcript::Transcript;
use serde_json::json;

const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Runs a scheduled function now.
async fn run(suite: &Suite, name: &str) -> hearth_tests::client::Answer {
    let path = format!("/functions/projects/{PROJECT}/triggers/us-central1-{name}-0");
    suite.ask(Service::Functions, "POST", &path, &[], "").await
}

#[tokio::test]
async fn by_hand_each_answers_when_it_is_done() {
    let suite = Suite::start().await;
    let mut seen = Transcript::default();
    let host = Host::start(&suite).await;
    suite.advance(64 * MINUTE).await;
    suite.write("sessionCodes/fresh", &json!(suite.now() - 65 * MINUTE + 1)).await;
    suite.write("sessionCodes/stale", &json!(suite.now() - 65 * MINUTE)).await;
    seen.add("purgeStaleSessions", &run(&suite, "purgeStaleSessions").await);
    let codes = suite.read("sessionCodes").await;
    assert!(codes.get("stale").is_none() && codes.get("fresh").is_some(), "{codes}");
    assert!(codes.get(&host.session).is_some(), "{codes}");
    // The host's window of calls ended an hour ago.
    assert_eq!(suite.read("rateLimit").await, json!(null));
    seen.add("purgeAnonymousAccounts", &run(&suite, "purgeAnonymousAccounts").await);
    seen.add("no such function", &run(&suite, "purgeEverything").await);
    seen.check("purges_by_hand");
    suite.stop().await;
}

#[tokio::test]
async fn stale_sessions_go_by_schedule_with_all_that_belongs_to_them() {
    let suite = Suite::start().await;
    let host = Host::start(&suite).await;
    suite.advance(64 * MINUTE).await;
    assert!(suite.read(&format!("sessionCodes/{}", host.session)).await.is_u64());
    suite.advance(4 * HOUR).await;
    assert_eq!(suite.read("").await, json!(null));
    suite.stop().await;
}

#[tokio::test]
async fn many_stale_sessions_go_in_one_run_even_twice_at_once() {
    let suite = Suite::start().await;
    let codes: serde_json::Map<_, _> = (0..2500).map(|n| (format!("c{n:04}"), json!(1))).collect();
    suite.write("sessionCodes", &codes.into()).await;
    let (one, other) = tokio::join!(run(&suite, "purgeStaleSessions"), run(&suite, "purgeStaleSessions"));
    assert_eq!((one.status.as_u16(), other.status.as_u16()), (200, 200));
    assert_eq!(suite.read("sessionCodes").await, json!(null));
    suite.stop().await;
}

#[tokio::test]
async fn anonymous_accounts_not_seen_for_30_days_go_and_no_others() {
    let suite = Suite::start().await;
    let (old, _) = suite.sign_up().await;
    let owner = [("authorization", "Bearer owner"), ("content-type", "application/json")];
    let create = r#"{"localId":"named","email":"a@example.com"}"#;
    let accounts = format!("/identitytoolkit.googleapis.com/v1/projects/{PROJECT}/accounts");
    assert_eq!(suite.ask(Service::Auth, "POST", &accounts, &owner, create).await.status, 200);
    suite.advance(20 * DAY).await;
    let (young, _) = suite.sign_up().await;
    assert_eq!(suite.read("").await, json!(null));
    suite.advance(12 * DAY).await;
    let look_up = format!(r#"{{"localId":["{old}","{young}","named"]}}"#);
    let path = "/identitytoolkit.googleapis.com/v1/accounts:lookup";
    let found = suite.ask(Service::Auth, "POST", path, &owner, &look_up).await.json();
    let found: Vec<&str> =
        found["users"].as_array().unwrap().iter().map(|user| user["localId"].as_str().unwrap()).collect();
    assert_eq!(found, [young.as_str(), "named"]);
    suite.stop().await;
}
