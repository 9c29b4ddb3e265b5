//! The hub over HTTP, without sockets.

use super::*;
use crate::clock::Clock;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use std::sync::atomic::{AtomicBool, Ordering};
use tower::ServiceExt;

fn hub(clock: Clock, triggers: Option<TriggerSwitch>) -> Router {
    let address = |port| vec![SocketAddr::from(([127, 0, 0, 1], port)), SocketAddr::from(([0; 16], port))];
    router(Hub {
        services: BTreeMap::from([(Service::Hub, address(4400)), (Service::Auth, address(9099))]),
        agenda: Agenda::new(clock),
        triggers,
        exporter: Arc::new(|path, targets| Box::pin(async move { Err(format!("{} {targets:?}", path.display())) })),
        bodies: Bodies::default(),
    })
}

async fn ask(router: &Router, method: &str, path: &str, body: &'static str) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path).body(Body::from(body)).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn it_tells_where_everything_is() {
    let router = hub(Clock::manual(5), None);
    let (status, about) = ask(&router, "GET", "/", "").await;
    assert_eq!(status, 200);
    assert_eq!(about["origins"], json!(["http://127.0.0.1:4400", "http://[::]:4400"]));
    assert_eq!((&about["host"], &about["port"]), (&json!("127.0.0.1"), &json!(4400)));
    let (_, emulators) = ask(&router, "GET", "/emulators", "").await;
    assert_eq!(emulators["auth"]["port"], 9099);
    assert_eq!(emulators["auth"]["listen"][1], json!({"address": "::", "family": "IPv6", "port": 9099}));
}

#[tokio::test]
async fn a_manual_clock_is_read_and_moved() {
    let router = hub(Clock::manual(5), None);
    for (method, body, status, now) in [
        ("GET", "", 200, 5),
        ("POST", r#"{"advance": 10}"#, 200, 15),
        ("POST", r#"{"now": 7}"#, 200, 7),
        ("POST", r#"{"now": -7}"#, 400, 7),
        ("POST", r#"{"advance": 253402300799999}"#, 400, 7),
        ("POST", "nonsense", 400, 7),
    ] {
        assert_eq!(ask(&router, method, "/emulator/v1/clock", body).await.0, status, "{body}");
        assert_eq!(ask(&router, "GET", "/emulator/v1/clock", "").await.1["now"], now, "{body}");
    }
}

#[tokio::test]
async fn the_machines_clock_is_not_moved() {
    let router = hub(Clock::system(), None);
    assert_eq!(ask(&router, "POST", "/emulator/v1/clock", r#"{"now": 7}"#).await.0, 400);
    assert_eq!(ask(&router, "GET", "/emulator/v1/clock", "").await.1["manual"], false);
}

#[tokio::test]
async fn background_triggers_are_switched() {
    let enabled = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&enabled);
    let router = hub(Clock::manual(0), Some(Arc::new(move |on| seen.store(on, Ordering::SeqCst))));
    let off = ask(&router, "PUT", "/functions/disableBackgroundTriggers", "").await;
    assert_eq!((off, enabled.load(Ordering::SeqCst)), ((200, json!({"enabled": false})), false));
    let on = ask(&router, "PUT", "/functions/enableBackgroundTriggers", "").await;
    assert_eq!((on, enabled.load(Ordering::SeqCst)), ((200, json!({"enabled": true})), true));
    let none = hub(Clock::manual(0), None);
    assert_eq!(ask(&none, "PUT", "/functions/enableBackgroundTriggers", "").await.0, 400);
}

#[tokio::test]
async fn what_is_not_there_is_a_clear_error() {
    let router = hub(Clock::manual(0), None);
    assert_eq!(ask(&router, "GET", "/nothing", "").await.0, 404);
    assert_eq!(ask(&router, "DELETE", "/emulators", "").await.0, 405);
    for path in ["/_admin/export", "/dataconnect/clearData"] {
        let missing = json!({"error": format!("the hub has nothing at POST {path}")});
        assert_eq!(ask(&router, "POST", path, "{}").await, (404, missing));
    }
}

#[tokio::test]
async fn pages_of_every_origin_may_read_it() {
    let router = hub(Clock::manual(5), None);
    for (method, status, body) in [("OPTIONS", 204, ""), ("GET", 200, "{\n  \"now\": 5,\n  \"manual\": true\n}")] {
        let request =
            Request::builder().method(method).uri("/emulator/v1/clock").header("origin", "http://app.example");
        let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["access-control-allow-origin"], "http://app.example");
        assert_eq!(response.headers()["vary"], "Origin");
        let methods = response.headers().get("access-control-allow-methods").map(|value| value.to_str().unwrap());
        assert_eq!(methods, (method == "OPTIONS").then_some("GET,HEAD,PUT,PATCH,POST,DELETE"));
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), body);
    }
}

#[test]
fn a_locator_goes_with_its_process_unless_another_has_taken_it_over() {
    let project = format!("demo-locator-{}", std::process::id());
    let path = std::env::temp_dir().join(format!("hub-{project}.json"));
    let first = Locator::write(&project, &json!({"pid": 1})).unwrap();
    let second = Locator::write(&project, &json!({"pid": 2})).unwrap();
    drop(first);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), r#"{"pid":2}"#);
    drop(second);
    assert!(!path.exists());
}
