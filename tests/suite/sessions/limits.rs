//! The rate limit: exact, also under concurrency, over all functions together.

use super::{Host, MINUTE, UPDATE};
use hearth::config::settings::Mode;
use hearth_tests::suite::Suite;
use hearth_tests::transcript::Transcript;

#[tokio::test]
async fn of_200_parallel_calls_exactly_100_pass() {
    let suite = Suite::start().await;
    let (uid, id) = suite.sign_up().await;
    let calls = (0..200).map(|_| async {
        suite.call("POST", "startSession", &[("authorization", id.as_str())], "").await.status.as_u16()
    });
    let statuses = futures_util::future::join_all(calls).await;
    let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(201), count(429)), (100, 100));
    // Refused calls are not counted.
    assert_eq!(suite.read(&format!("rateLimit/{uid}/count")).await, 100);
    suite.stop().await;
}

#[tokio::test]
async fn one_counter_for_all_functions_and_a_window_of_five_minutes() {
    let suite = Suite::start().await;
    let host = Host::start(&suite).await;
    let mut seen = Transcript::default();
    for _ in 0..49 {
        assert_eq!(suite.call("POST", "pushUpdate", &host.json_headers(), UPDATE).await.status, 200);
        // Calls that fail later count as well.
        assert_eq!(suite.call("GET", "refreshToken", &host.headers(), "").await.status, 425);
    }
    assert_eq!(suite.call("POST", "pushUpdate", &[host.headers()[0]], "").await.status, 403);
    for (name, method) in [("startSession", "POST"), ("pushUpdate", "POST"), ("refreshToken", "GET")] {
        seen.add(&format!("{name}, the 101st call"), &suite.call(method, name, &host.headers(), "").await);
    }
    suite.advance(5 * MINUTE - 1).await;
    seen.add("a millisecond before the window ends", &suite.call("POST", "startSession", &host.headers(), "").await);
    suite.advance(1).await;
    seen.add("a new window", &suite.call("POST", "startSession", &host.headers(), "").await);
    // Preflights are free, and refused methods are not calls.
    assert_eq!(suite.call("OPTIONS", "startSession", &[], "").await.status, 200);
    seen.check("rate_limit");
    suite.stop().await;
}

#[tokio::test]
async fn the_emulators_toggles_skip_auth_and_limit() {
    let suite = Suite::start_with(Mode::Emulator, |settings| {
        settings.functions.skip_auth = true;
        settings.functions.skip_rate_limit = true;
    })
    .await;
    for _ in 0..120 {
        assert_eq!(suite.call("POST", "startSession", &[], "").await.status, 201);
    }
    suite.stop().await;
}

#[tokio::test]
async fn with_auth_skipped_a_valid_token_is_still_counted() {
    let suite = Suite::start_with(Mode::Emulator, |settings| settings.functions.skip_auth = true).await;
    let (uid, id) = suite.sign_up().await;
    assert_eq!(suite.call("POST", "startSession", &[("authorization", &id)], "").await.status, 201);
    assert_eq!(suite.call("POST", "startSession", &[], "").await.status, 201);
    assert_eq!(suite.read(&format!("rateLimit/{uid}/count")).await, 1);
    suite.stop().await;
}
