//! What holds over all functions: the limit, the toggles, and many calls at once.

use crate::doubles::*;
use http::Method;
use serde_json::json;
use std::collections::HashSet;
use tokio::task::JoinSet;

#[tokio::test]
async fn a_hundred_calls_pass_in_a_window() {
    let suite = strict();
    suite.at(START + 7);
    for index in 0..100 {
        let name = ["startSession", "pushUpdate", "refreshToken"][index % 3];
        assert_ne!(suite.call(name, post()).await.status, 429, "{index}");
    }
    let window = json!({"count": 100, "timestamp": START + 7});
    for (after, retry_after) in [(0, 300), (1, 300), (1000, 299), (299_000, 1), (299_999, 1)] {
        suite.at(START + 7 + after);
        for name in ["startSession", "pushUpdate", "refreshToken"] {
            let answer = suite.call(name, post()).await;
            assert_eq!(answer.is(429, "Too Many Requests").retry_after, Some(retry_after), "{after}");
        }
        assert_eq!(suite.get("rateLimit/ann"), window, "refused calls are not counted");
    }
    assert_eq!(suite.call("startSession", post().user("bob")).await.status, 201, "others are not concerned");
    suite.at(START + 7 + 300_000);
    assert_eq!(suite.call("startSession", post()).await.status, 201);
    assert_eq!(suite.get("rateLimit/ann"), json!({"count": 1, "timestamp": START + 300_007}));
}

#[tokio::test]
async fn the_limit_comes_before_the_body() {
    let suite = strict();
    suite.set("rateLimit/ann", json!({"count": 100.0, "timestamp": START as f64}));
    for call in [post().json("{"), post().json("{}").header("x-session-token", "x"), post()] {
        suite.call("startSession", call.clone()).await.is(429, "Too Many Requests");
        suite.call("pushUpdate", call.clone()).await.is(429, "Too Many Requests");
        suite.call("refreshToken", call).await.is(429, "Too Many Requests");
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_begins_a_new_window() {
    for row in [json!(5), json!({"count": 100}), json!({"count": 100, "timestamp": START + 1})] {
        let suite = strict();
        suite.set("rateLimit/ann", row);
        assert_eq!(suite.call("startSession", post()).await.status, 201);
        assert_eq!(suite.get("rateLimit/ann"), json!({"count": 1, "timestamp": START}));
    }
}

#[tokio::test]
async fn a_uid_that_is_no_key_is_counted_under_one() {
    let suite = strict();
    assert_eq!(suite.call("startSession", post().user("a/b.c")).await.status, 201);
    assert_eq!(suite.get("rateLimit/a%2Fb%2Ec/count"), json!(1));
    assert_eq!(suite.get("rateLimit/a"), json!(null));
}

/// Makes `count` calls to a function at once and counts the answers by status.
async fn storm(suite: &Suite, name: &str, calls: impl Iterator<Item = Call>) -> Vec<http::Response<bytes::Bytes>> {
    let mut tasks = JoinSet::new();
    for call in calls {
        tasks.spawn(suite.handler(name)(call.0, suite.platform()));
    }
    tasks.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hundred_calls_at_once_exactly_a_hundred_pass() {
    for name in ["startSession", "pushUpdate", "refreshToken"] {
        let suite = strict();
        let answers = storm(&suite, name, (0..200).map(|_| post())).await;
        assert_eq!(answers.iter().filter(|answer| answer.status() == 429).count(), 100, "{name}");
        assert_eq!(suite.get("rateLimit/ann/count"), json!(100));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn starts_at_once_never_share_a_code() {
    let suite = strict();
    // Four codes in all: each start draws the taken ones again and again.
    let draws = (0..400u32).flat_map(|draw| [u8::try_from(draw % 4).unwrap(); 8]);
    suite.house.next_bytes.lock().unwrap().extend(draws);
    let answers = storm(&suite, "startSession", (0..4).map(|user| post().user(&format!("user{user}")))).await;
    let codes: HashSet<String> = answers
        .iter()
        .map(|answer| serde_json::from_slice::<serde_json::Value>(answer.body()).unwrap())
        .map(|granted| text(&granted, "session").to_owned())
        .collect();
    assert_eq!(codes.len(), 4);
    assert_eq!(suite.get("sessionCodes").as_object().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_refreshes_at_once_one_wins() {
    let suite = strict();
    let granted = suite.call("startSession", post()).await.granted();
    suite.at(START + 26 * MINUTE);
    let call = call(Method::GET).user("ann").header("x-session-token", text(&granted, "token"));
    let answers = storm(&suite, "refreshToken", (0..20).map(|_| call.clone())).await;
    let count = |status: u16| answers.iter().filter(|answer| answer.status() == status).count();
    assert_eq!((count(201), count(425)), (1, 19));
}

#[tokio::test]
async fn toggles() {
    // Neither auth nor limit: anyone, as often as they like, and nothing is counted.
    let suite = lenient();
    for index in 0..150 {
        let call = if index % 2 == 0 { post() } else { call(Method::POST) };
        assert_eq!(suite.call("startSession", call).await.status, 201);
    }
    assert_eq!(suite.get("rateLimit"), json!(null));

    // No auth but a limit: who has a valid token is counted, who has none is served.
    let suite = with(|config| config.skip_auth = true);
    suite.set("rateLimit/ann", json!({"count": 99, "timestamp": START}));
    assert_eq!(suite.call("startSession", post()).await.status, 201);
    assert_eq!(suite.call("startSession", post()).await.status, 429);
    for header in ["Bearer garbage", "nonsense", "bearer token-of-ann"] {
        let call = call(Method::POST).header("authorization", header);
        assert_eq!(suite.call("startSession", call).await.status, 201, "{header}");
    }
    assert_eq!(suite.call("startSession", post().without("authorization")).await.status, 201);

    // Auth but no limit.
    let suite = with(|config| config.skip_rate_limit = true);
    assert_eq!(suite.call("startSession", call(Method::POST)).await.status, 401);
    for _ in 0..101 {
        assert_eq!(suite.call("startSession", post()).await.status, 201);
    }
    assert_eq!(suite.get("rateLimit"), json!(null));
}
