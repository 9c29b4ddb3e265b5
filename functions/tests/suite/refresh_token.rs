//! `refreshToken`: every row of its table, and the windows that fit together.

use crate::doubles::*;
use http::Method;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

async fn start(suite: &Suite) -> Value {
    suite.call("startSession", post().user("starter")).await.granted()
}

fn refresh(token: &str) -> Call {
    call(Method::GET).user("ann").header("x-session-token", token)
}

#[tokio::test]
async fn each_check_comes_before_the_next() {
    let suite = strict();
    let granted = start(&suite).await;
    let token = text(&granted, "token");
    suite.call("refreshToken", call(Method::OPTIONS)).await.is(200, "OK");
    suite.call("refreshToken", call(Method::GET)).await.is(401, "Unauthorized");
    suite.call("refreshToken", call(Method::GET).user("ann")).await.is(403, "Forbidden");
    suite.call("refreshToken", refresh("")).await.is(403, "Forbidden");
    for bad in ["garbage", &format!("Bearer {token}"), &format!("{token}x")] {
        suite.call("refreshToken", refresh(bad)).await.is(401, "invalid jwt");
    }
    suite.at(START + 26 * MINUTE);
    let wrong = refresh(token).uri("/?refreshToken=wrong");
    suite.call("refreshToken", wrong.clone()).await.is(401, "invalid refresh token");
    suite.call("refreshToken", refresh(token).uri("/?refreshToken=")).await.is(401, "invalid refresh token");
    // Too early comes last.
    suite.at(START + 24 * MINUTE);
    suite.call("refreshToken", wrong.clone()).await.is(401, "invalid refresh token");
    // A record that is gone comes before the refresh token,
    suite.set(&format!("sessionCodes/{}", text(&granted, "session")), json!(null));
    suite.call("refreshToken", wrong).await.is(400, "token expired");
    suite.call("refreshToken", refresh(token)).await.is(400, "token expired");
    // and the window before the record.
    suite.at(START + 60 * MINUTE);
    suite.call("refreshToken", refresh(token)).await.is(403, "token exceed refresh window");
}

#[tokio::test]
async fn the_windows_fit_together() {
    for (after, status, body, retry_after) in [
        (0, 425, "Too Early", Some(1500)),
        (24 * MINUTE + 59_000, 425, "Too Early", Some(1)),
        (24 * MINUTE + 58_999, 425, "Too Early", Some(2)),
        (25 * MINUTE, 201, "", None),
        (29 * MINUTE + 59_000, 201, "", None),
        (30 * MINUTE + 1000, 201, "", None),
        (59 * MINUTE + 59_000, 201, "", None),
        (60 * MINUTE, 403, "token exceed refresh window", None),
        (60 * MINUTE + 1000, 403, "token exceed refresh window", None),
        (64 * MINUTE + 59_000, 403, "token exceed refresh window", None),
        (65 * MINUTE + 1000, 403, "token exceed refresh window", None),
    ] {
        let suite = strict();
        suite.house.next_bytes.lock().unwrap().extend(vec![0; 72]);
        let granted = start(&suite).await;
        suite.at(START + after);
        let answer = suite.call("refreshToken", refresh(text(&granted, "token"))).await;
        assert_eq!((answer.status, answer.retry_after), (status, retry_after), "{after}");
        let written = if status == 201 {
            let again = answer.granted();
            assert_eq!((&again["session"], &again["expiresIn"]), (&granted["session"], &json!(1800)));
            assert_ne!(again["refreshToken"], granted["refreshToken"]);
            assert_eq!(suite.get("sessionRefreshTokens/aaaaa"), again["refreshToken"]);
            START + after
        } else {
            answer.is(status, body);
            START
        };
        assert_eq!(suite.get("sessionCodes/aaaaa"), json!(written), "{after}");
        // The code is another's only when no token of ours can be refreshed any more.
        suite.house.next_bytes.lock().unwrap().extend([vec![0; 72], vec![1; 8]].concat());
        let other = suite.call("startSession", post()).await.granted();
        let free = after > 65 * MINUTE;
        assert_eq!(other["session"], json!(if free { "aaaaa" } else { "bbbbb" }), "{after}");
    }
}

#[tokio::test]
async fn a_stale_token_never_takes_over_a_reused_code() {
    let suite = strict();
    suite.house.next_bytes.lock().unwrap().extend(vec![0; 72]);
    let old = start(&suite).await;
    suite.at(START + 65 * MINUTE + 1000);
    suite.house.next_bytes.lock().unwrap().extend(vec![0; 72]);
    let new = start(&suite).await;
    assert_eq!(old["session"], new["session"]);
    suite.at(START + 92 * MINUTE);
    suite.call("refreshToken", refresh(text(&old, "token"))).await.is(403, "token exceed refresh window");
    assert_eq!(suite.call("refreshToken", refresh(text(&new, "token"))).await.status, 201);
}

#[tokio::test]
async fn the_refresh_token_is_rotated_with_or_without_the_query() {
    let suite = strict();
    let mut granted = start(&suite).await;
    let mut now = START;
    for with_query in [true, false, true, true] {
        now += 26 * MINUTE;
        suite.at(now);
        let used = text(&granted, "refreshToken").to_owned();
        let call = refresh(text(&granted, "token"));
        let call = if with_query { call.uri(&format!("/?refreshToken={used}")) } else { call };
        granted = suite.call("refreshToken", call).await.granted();
        now += 26 * MINUTE;
        suite.at(now);
        let again = refresh(text(&granted, "token")).uri(&format!("/?refreshToken={used}"));
        suite.call("refreshToken", again).await.is(401, "invalid refresh token");
    }
}

#[tokio::test]
async fn any_method_and_any_body_will_do() {
    for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::HEAD] {
        let suite = strict();
        let granted = start(&suite).await;
        suite.at(START + 25 * MINUTE);
        let call = call(method).user("ann").header("x-session-token", text(&granted, "token")).json("not JSON");
        assert_eq!(suite.call("refreshToken", call).await.status, 201);
    }
}

#[tokio::test]
async fn failures_are_answered() {
    let suite = strict();
    let granted = start(&suite).await;
    suite.at(START + 25 * MINUTE);
    suite.house.database_fails.store(true, Ordering::SeqCst);
    suite.call("refreshToken", refresh(text(&granted, "token"))).await.is(500, "Internal Server Error");
    assert_eq!(suite.get(&format!("sessionCodes/{}", text(&granted, "session"))), json!(START));
}

#[tokio::test]
async fn a_session_claim_cannot_leave_its_place() {
    let suite = lenient();
    suite.set("sessionCodes/a/b", json!(START));
    // Signed with the right secret: {"session":"a/b","exp":1893457800,"sub":"session"}
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzZXNzaW9uIjoiYS9iIiwiZXhwIjoxODkzNDU3ODAwLCJzdWIiOiJzZXNzaW9uIn0.i_hCU-Jz3nG2kY2LmD4Af53I4hANL3-ydmPPTehp6AY";
    suite.at(START + 26 * MINUTE);
    suite.call("refreshToken", call(Method::GET).header("x-session-token", token)).await.is(401, "invalid jwt");
    // It names a channel, though.
    let push = call(Method::POST).header("x-session-token", token).json(UPDATE);
    assert_eq!(suite.call("pushUpdate", push).await.status, 200);
    assert_eq!(suite.published(), [("a/b".to_owned(), UPDATE.to_owned())]);
}
