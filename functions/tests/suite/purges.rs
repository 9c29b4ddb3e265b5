//! The purges: what they remove, what they leave, and how much they take at once.

use crate::doubles::*;
use serde_json::{Map, Value, json};
use std::sync::atomic::Ordering;

#[tokio::test]
async fn stale_sessions_and_passed_windows_go_the_rest_stays() {
    let suite = strict();
    *suite.house.tree.lock().unwrap() = json!({
        "sessionCodes": {"fresh": START, "young": START - 64 * MINUTE, "stale": START - 66 * MINUTE, "wrong": "x"},
        "sessionRefreshTokens": {"fresh": "a", "young": "b", "stale": "c", "orphan": "d"},
        "rateLimit": {
            "new": {"count": 1, "timestamp": START - 299_999},
            "old": {"count": 100, "timestamp": START - 300_000},
            "wrong": 5,
        },
        "other": {"stale": 1},
    });
    let expect = json!({
        "sessionCodes": {"fresh": START, "young": START - 64 * MINUTE},
        "sessionRefreshTokens": {"fresh": "a", "young": "b"},
        "rateLimit": {"new": {"count": 1, "timestamp": START - 299_999}},
        "other": {"stale": 1},
    });
    for run in ["first", "second"] {
        suite.run("purgeStaleSessions").await.unwrap();
        assert_eq!(*suite.house.tree.lock().unwrap(), expect, "{run}");
    }
}

#[tokio::test]
async fn many_go_in_batches_also_twice_at_once() {
    let suite = strict();
    let codes: Map<String, Value> = (0..1200)
        .map(|index| (format!("{index:05}"), json!(if index % 3 == 0 { START } else { START - 66 * MINUTE })))
        .collect();
    suite.set("sessionCodes", Value::Object(codes));
    let (one, two) = tokio::join!(suite.run("purgeStaleSessions"), suite.run("purgeStaleSessions"));
    assert_eq!((one, two), (Ok(()), Ok(())));
    let left = suite.get("sessionCodes");
    let left = left.as_object().unwrap();
    assert_eq!(left.len(), 400);
    assert!(left.values().all(|written| *written == json!(START)));
    // Three batches of codes, then the empty sweeps of tokens and limits: no transaction sees more than 500 children.
    assert!(suite.house.transactions.load(Ordering::SeqCst) >= 6);
}

#[tokio::test]
async fn anonymous_accounts_not_seen_for_long_go_in_batches() {
    const DAY: u64 = 24 * 60 * MINUTE;
    let suite = with(|config| config.anonymous_days = 2);
    *suite.house.anonymous.lock().unwrap() = [vec![START - 2 * DAY - 1; 1200], vec![START - 2 * DAY, START]].concat();
    suite.run("purgeAnonymousAccounts").await.unwrap();
    assert_eq!(*suite.house.anonymous.lock().unwrap(), [START - 2 * DAY, START]);
    assert!(suite.house.largest_batch.load(Ordering::SeqCst) <= 500);
}

#[tokio::test]
async fn failures_are_told() {
    let suite = strict();
    suite.house.database_fails.store(true, Ordering::SeqCst);
    assert!(suite.run("purgeStaleSessions").await.unwrap_err().contains("the disk is full"));
    suite.house.accounts_fail.store(true, Ordering::SeqCst);
    assert!(suite.run("purgeAnonymousAccounts").await.unwrap_err().contains("closed"));
}
