//! The functions' HTTP surface: requests in, the host's answers out.
//!
//! | path | answer |
//! | --- | --- |
//! | `/{project}/{region}/{name}` and below | the function's; it sees what follows its name |
//! | `/{name}` and below, with short paths | the same |
//! | `POST /functions/projects/{project}/triggers/{region}-{name}-0`, with open triggers | runs a background function; `{"status":"acknowledged"}` when it is done |
//! | `POST /functions/projects/{project}/trigger_multicast`, with open triggers | tells functions of an event; `{"status":"multicast_acknowledged"}` at once |
//! | `GET /backends`, with open triggers | which functions there are |
//! | anything else | 404 |
//!
//! As in the official emulator a scheduled function is no HTTPS function: its path is a 404, which lists it among the
//! valid functions under its trigger's key. Every answer the host gives by itself carries the functions' cross-origin
//! headers, so that a browser can read it.

use super::backends;
use super::errors::Failure;
use super::host::Host;
use super::routing::Route;
use crate::server::body::{Bodies, BodyError};
use crate::server::cors;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::from_fn;
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use hearth_functions::auth_event::{AuthEvent, AuthEventKind};
use hearth_functions::request::{HttpRequest, Reply, Unread};
use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Uri};
use serde_json::{Value, json};
use std::sync::Arc;

/// So much of a body is read. More than a function may allow: a client that is still sending when the answer comes may
/// never see it.
const BODY_LIMIT: usize = 1024 * 1024;

#[derive(Clone)]
struct Surface {
    host: Arc<Host>,
    bodies: Bodies,
}

/// The surface of `host`'s functions.
pub fn router(host: Arc<Host>, bodies: Bodies) -> Router {
    Router::new()
        .route("/backends", any(tell_backends).layer(from_fn(cors::reflect)))
        .fallback(serve)
        .with_state(Surface { host, bodies })
}

async fn serve(State(surface): State<Surface>, request: Request) -> Response {
    let answer = surface.answer(request).await;
    answer.unwrap_or_else(|failure| failure.reply(surface.host.headers())).map(Body::from)
}

async fn tell_backends(State(Surface { host, .. }): State<Surface>, request: Request) -> Response {
    if host.open_triggers() && matches!(*request.method(), Method::GET | Method::HEAD) {
        ok(&backends::list(&host)).map(Body::from)
    } else {
        Failure::NotFound.reply(host.headers()).map(Body::from)
    }
}

impl Surface {
    async fn answer(&self, request: Request) -> Result<Reply, Failure> {
        let uri = request.uri().clone();
        match self.host.find(uri.path()) {
            Route::Function { key, rest } => self.call(&key, rest, request).await,
            Route::Short { key, rest } if self.host.serves(&key) => self.call(&key, rest, request).await,
            Route::Trigger { key } if request.method() == Method::POST => {
                // Scheduled functions have no use for an event: whatever comes in its place is all the same to them.
                let body = self.bodies.read(request.into_body(), BODY_LIMIT).await.ok();
                let event = body.and_then(|body| serde_json::from_slice::<Value>(&body).ok());
                self.host.trigger(key, event.as_ref()).await.map(|()| ok(&json!({"status": "acknowledged"})))
            }
            Route::Multicast if request.method() == Method::POST => {
                let body = self.bodies.read(request.into_body(), BODY_LIMIT).await.map_err(|_| Failure::NoEvent)?;
                let event: Value = serde_json::from_slice(&body).map_err(|_| Failure::NoEvent)?;
                // Events of other products are nobody's here, and are acknowledged all the same.
                if AuthEvent::type_of(&event).and_then(AuthEventKind::of).is_some() {
                    self.host.multicast(AuthEvent::read(&event).ok_or(Failure::NoEvent)?, body);
                }
                Ok(ok(&json!({"status": "multicast_acknowledged"})))
            }
            Route::Short { .. } | Route::Trigger { .. } | Route::Multicast | Route::Nothing => Err(Failure::NotFound),
        }
    }

    async fn call(&self, key: &str, rest: &str, request: Request) -> Result<Reply, Failure> {
        let (head, body) = request.into_parts();
        let body = if self.host.serves(key) {
            self.bodies.read(body, BODY_LIMIT).await.map(|body| body.into_bytes()).map_err(unread)
        } else {
            Ok(Bytes::new())
        };
        let request = HttpRequest { method: head.method, uri: stripped(rest, &head.uri), headers: head.headers, body };
        self.host.call(key, request).await
    }
}

/// `rest` with the query of `uri`.
fn stripped(rest: &str, uri: &Uri) -> Uri {
    let text = uri.query().map_or_else(|| rest.to_owned(), |query| format!("{rest}?{query}"));
    // Parts of a good URI are good; should they ever not be, the function sees its root.
    PathAndQuery::try_from(text).map(Uri::from).unwrap_or_default()
}

/// How a function is told that its body was not read.
pub(super) fn unread(error: BodyError) -> Unread {
    match error {
        BodyError::TooLarge => Unread::TooLarge,
        BodyError::TimedOut => Unread::TimedOut,
        BodyError::Incomplete => Unread::Incomplete,
        BodyError::Busy => Unread::Busy,
    }
}

fn ok(value: &Value) -> Reply {
    let mut reply = Reply::new(Bytes::from(value.to_string()));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    reply
}

#[cfg(test)]
mod tests {
    use super::super::doubles::{host, reply, settings};
    use super::*;
    use crate::config::settings::FunctionsSettings;
    use futures_util::future::{BoxFuture, join_all};
    use hearth_functions::registry::{AuthFunction, HttpsFunction, Registry, ScheduledFunction};
    use http::header::ACCESS_CONTROL_ALLOW_ORIGIN;
    use http::{HeaderMap, StatusCode};
    use http_body_util::BodyExt;
    use tokio::sync::{Notify, mpsc};
    use tower::ServiceExt;

    const VALID: &str = "us-central1-echo, us-central1-repeat, us-central1-panics, us-central1-hangs, \
                         us-central1-sweep-0, us-central1-fails-0, us-central1-falls-0, us-central1-stays-0";

    /// `echo` (also `repeat`) tells what it sees; the others go wrong as their names say.
    fn registry() -> Registry {
        let scheduled = |name, handler: fn() -> BoxFuture<'static, Result<(), String>>| {
            ScheduledFunction::new(name, "every 3 hours", "UTC", move |_| handler())
        };
        Registry {
            https: vec![
                HttpsFunction::new("echo", |request, _| async move {
                    let body = request.body.map(|body| String::from_utf8_lossy(&body).into_owned());
                    reply(format!("{} {} {body:?}", request.method, request.uri))
                })
                .alias("repeat"),
                HttpsFunction::new("panics", |_, _| async { panic!("as it should") }),
                HttpsFunction::new("hangs", |_, _| std::future::pending()),
            ],
            scheduled: vec![
                scheduled("sweep", || Box::pin(async { Ok(()) })),
                scheduled("fails", || Box::pin(async { Err("as it should".to_owned()) })),
                scheduled("falls", || Box::pin(async { panic!("as it should") })),
                scheduled("stays", || Box::pin(std::future::pending())),
            ],
            auth: Vec::new(),
            headers: HeaderMap::from_iter([(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"))]),
        }
    }

    async fn ask(router: &Router, method: &str, path: &str, body: Body) -> (StatusCode, HeaderMap, String) {
        let request = Request::builder().method(method).uri(path).body(body).unwrap();
        let (head, body) = router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Status and body; every answer that the host gives by itself has the common headers.
    async fn check(router: &Router, request: &str, status: u16, body: &str) {
        let (method, path) = request.split_once(' ').unwrap();
        let (got, headers, text) = ask(router, method, path, Body::empty()).await;
        assert_eq!((got.as_u16(), text.as_str()), (status, body), "{request}");
        assert_eq!(headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).is_some(), status != 200, "{request}");
    }

    fn unknown(asked: &str) -> String {
        format!("Function {asked} does not exist, valid functions are: {VALID}")
    }

    #[tokio::test]
    async fn functions_see_what_follows_their_names() {
        let router = router(host(registry(), &settings()), Bodies::default());
        check(&router, "GET /demo/us-central1/echo", 200, r#"GET / Ok("")"#).await;
        check(&router, "POST /demo/us-central1/repeat/?a=b%20c", 200, r#"POST /?a=b%20c Ok("")"#).await;
        check(&router, "PATCH /demo/us-central1/echo/x/y?", 200, r#"PATCH /x/y? Ok("")"#).await;
        check(&router, "OPTIONS /demo/us-central1/echo//x", 200, r#"OPTIONS //x Ok("")"#).await;
        let (_, headers, body) = ask(&router, "HEAD", "/demo/us-central1/echo", Body::empty()).await;
        assert_eq!((headers["content-length"].to_str().unwrap(), body.as_str()), ("13", ""));
        let (.., body) = ask(&router, "POST", "/demo/us-central1/echo", Body::from("text")).await;
        assert_eq!(body, r#"POST / Ok("text")"#);
        let large = Body::from(vec![b'x'; BODY_LIMIT + 1]);
        let (.., body) = ask(&router, "POST", "/demo/us-central1/echo", large).await;
        assert_eq!(body, "POST / Err(TooLarge)");
    }

    #[tokio::test]
    async fn what_there_is_not() {
        let router = router(host(registry(), &settings()), Bodies::default());
        for method in ["GET", "POST", "OPTIONS"] {
            for (path, asked) in [
                ("/demo/us-central1/nosuch", "us-central1-nosuch"),
                ("/demo/us-central1/Echo/", "us-central1-Echo"),
                ("/demo/europe-west1/echo", "europe-west1-echo"),
                ("/demo/us-central1/sweep", "us-central1-sweep"),
                ("/demo/us-central1/sweep-0", "us-central1-sweep-0"),
                ("/demo/us-central1/a&b", "us-central1-a&amp;b"),
            ] {
                check(&router, &format!("{method} {path}"), 404, &unknown(asked)).await;
            }
            for path in
                ["/", "/echo", "/demo", "/demo/us-central1", "/other/us-central1/echo", "/functions/projects/demo"]
            {
                check(&router, &format!("{method} {path}"), 404, "Not Found").await;
            }
        }
        let (_, headers, _) = ask(&router, "GET", "/demo/us-central1/nosuch", Body::empty()).await;
        assert_eq!(headers["content-type"], "text/html; charset=utf-8");
        let (_, headers, _) = ask(&router, "GET", "/", Body::empty()).await;
        assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    }

    #[tokio::test]
    async fn short_paths() {
        let settings = FunctionsSettings { short_paths: true, ..settings() };
        let router = router(host(registry(), &settings), Bodies::default());
        check(&router, "GET /echo", 200, r#"GET / Ok("")"#).await;
        check(&router, "GET /repeat/x?y", 200, r#"GET /x?y Ok("")"#).await;
        check(&router, "GET /demo/us-central1/echo", 200, r#"GET / Ok("")"#).await;
        check(&router, "GET /nosuch", 404, "Not Found").await;
        check(&router, "GET /sweep", 404, "Not Found").await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_or_a_hang_harms_no_other_call() {
        let router = router(host(registry(), &settings()), Bodies::default());
        let calls = (0..30).map(|index| {
            let router = router.clone();
            async move {
                match index % 3 {
                    0 => check(&router, "GET /demo/us-central1/panics", 500, "Internal Server Error").await,
                    1 => check(&router, "GET /demo/us-central1/hangs", 504, "Gateway Timeout").await,
                    _ => check(&router, "GET /demo/us-central1/echo", 200, r#"GET / Ok("")"#).await,
                }
            }
        });
        join_all(calls).await;
    }

    #[tokio::test]
    async fn a_client_that_goes_away_ends_nothing() {
        let (begun, go_on, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(Notify::new()));
        let notes = (Arc::clone(&begun), Arc::clone(&go_on), Arc::clone(&done));
        let slow = HttpsFunction::new("slow", move |_, _| {
            let (begun, go_on, done) = notes.clone();
            async move {
                begun.notify_one();
                go_on.notified().await;
                done.notify_one();
                reply(String::new())
            }
        });
        let host = host(Registry { https: vec![slow], ..Registry::default() }, &settings());
        let router = router(Arc::clone(&host), Bodies::default());
        let call = tokio::spawn(async move { ask(&router, "GET", "/demo/us-central1/slow", Body::empty()).await });
        begun.notified().await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        go_on.notify_one();
        done.notified().await;
        host.finish().await;
    }

    #[tokio::test(start_paused = true)]
    async fn nor_does_it_lift_the_time_limit() {
        let (begun, held) = (Arc::new(Notify::new()), Arc::new(()));
        let notes = (Arc::clone(&begun), Arc::clone(&held));
        let hangs = HttpsFunction::new("hangs", move |_, _| {
            let (begun, held) = notes.clone();
            async move {
                begun.notify_one();
                std::future::pending::<()>().await;
                drop(held);
                reply(String::new())
            }
        });
        let host = host(Registry { https: vec![hangs], ..Registry::default() }, &settings());
        let router = router(Arc::clone(&host), Bodies::default());
        let call = tokio::spawn(async move { ask(&router, "GET", "/demo/us-central1/hangs", Body::empty()).await });
        begun.notified().await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        // One here, one in the registry, and one in the call.
        assert_eq!(Arc::strong_count(&held), 3);
        host.finish().await;
        assert_eq!(Arc::strong_count(&held), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn triggers_run_background_functions() {
        let host = host(registry(), &settings());
        let router = router(Arc::clone(&host), Bodies::default());
        let path = |key: &str| format!("POST /functions/projects/demo/triggers/{key}");
        for key in ["us-central1-sweep-0", "us-central1-sweep"] {
            check(&router, &path(key), 200, r#"{"status":"acknowledged"}"#).await;
        }
        check(&router, &path("us-central1-fails-0"), 500, "Internal Server Error").await;
        check(&router, &path("us-central1-falls-0"), 500, "Internal Server Error").await;
        check(&router, &path("us-central1-stays-0"), 504, "Gateway Timeout").await;
        check(&router, &path("us-central1-nosuch-0"), 404, &unknown("us-central1-nosuch-0")).await;
        check(&router, &path("us-central1-echo"), 404, &unknown("us-central1-echo")).await;
        check(&router, "GET /functions/projects/demo/triggers/us-central1-sweep-0", 404, "Not Found").await;
        check(&router, "POST /functions/projects/other/triggers/us-central1-sweep-0", 404, "Not Found").await;
        host.set_background_triggers(false);
        check(&router, &path("us-central1-sweep-0"), 204, "").await;
        check(&router, "GET /demo/us-central1/echo", 200, r#"GET / Ok("")"#).await;
        host.set_background_triggers(true);
        check(&router, &path("us-central1-sweep-0"), 200, r#"{"status":"acknowledged"}"#).await;
    }

    #[tokio::test]
    async fn the_emulators_paths_are_closed_to_the_world() {
        let settings = FunctionsSettings { open_triggers: false, short_paths: true, ..settings() };
        let router = router(host(registry(), &settings), Bodies::default());
        check(&router, "POST /functions/projects/demo/triggers/us-central1-sweep-0", 404, "Not Found").await;
        check(&router, "POST /functions/projects/demo/trigger_multicast", 404, "Not Found").await;
        check(&router, "GET /backends", 404, "Not Found").await;
    }

    /// A host with `welcome`, which notes whom it is told of, and others that go wrong when they are told of the same.
    fn listeners() -> (Arc<Host>, mpsc::UnboundedReceiver<AuthEvent>) {
        let (notes, noted) = mpsc::unbounded_channel();
        let welcome = AuthFunction::new("welcome", AuthEventKind::Created, move |event, _| {
            let sent = notes.send(event).map_err(|error| error.to_string());
            async { sent }
        });
        let auth = vec![
            AuthFunction::new("falls", AuthEventKind::Created, |_, _| async { panic!("as it should") }),
            welcome,
            AuthFunction::new("fails", AuthEventKind::Deleted, |_, _| async { Err("as it should".to_owned()) }),
        ];
        (host(Registry { auth, headers: registry().headers, ..Registry::default() }, &settings()), noted)
    }

    fn event(kind: AuthEventKind) -> Value {
        json!({
            "eventId": "e", "eventType": kind.event_type(), "timestamp": "t", "params": {},
            "resource": {"name": "projects/demo", "service": "firebaseauth.googleapis.com"}, "data": {"uid": "u"},
        })
    }

    #[tokio::test]
    async fn events_are_passed_on_to_the_functions_that_wait_for_them() {
        let (host, mut noted) = listeners();
        let router = router(Arc::clone(&host), Bodies::default());
        let (created, deleted) = (event(AuthEventKind::Created), event(AuthEventKind::Deleted));
        let other = json!({"eventType": "google.storage.object.finalize", "data": {"bucket": "b"}});
        let broken = json!({"eventType": AuthEventKind::Created.event_type()});
        let (ack, none) = (r#"{"status":"multicast_acknowledged"}"#, "The body is no event of Auth's.");
        for (body, status, answer) in [
            (created.to_string(), 200, ack),
            (deleted.to_string(), 200, ack),
            (other.to_string(), 200, ack),
            (broken.to_string(), 400, none),
            ("{".to_owned(), 400, none),
        ] {
            let path = "/functions/projects/demo/trigger_multicast";
            let (got, _, text) = ask(&router, "POST", path, Body::from(body.clone())).await;
            assert_eq!((got.as_u16(), text.as_str()), (status, answer), "{body}");
        }
        check(&router, "GET /functions/projects/demo/trigger_multicast", 404, "Not Found").await;
        host.finish().await;
        assert_eq!(noted.recv().await, AuthEvent::read(&created));
        assert!(noted.try_recv().is_err(), "of the others it is not told");
    }

    #[tokio::test]
    async fn a_function_of_events_is_run_by_hand() {
        let (host, mut noted) = listeners();
        let router = router(Arc::clone(&host), Bodies::default());
        let run = async |name: &str, body: String| {
            let path = format!("/functions/projects/demo/triggers/us-central1-{name}-0");
            let (status, _, text) = ask(&router, "POST", &path, Body::from(body)).await;
            (status.as_u16(), text)
        };
        let (created, failed) = (event(AuthEventKind::Created).to_string(), "Internal Server Error".to_owned());
        let acknowledged = (200, r#"{"status":"acknowledged"}"#.to_owned());
        assert_eq!(run("welcome", created.clone()).await, acknowledged);
        assert_eq!(noted.recv().await.unwrap().user["uid"], "u");
        assert_eq!(run("fails", created.clone()).await, (500, failed.clone()));
        assert_eq!(run("falls", created.clone()).await, (500, failed));
        assert_eq!(run("welcome", "{}".to_owned()).await, (400, "The body is no event of Auth's.".to_owned()));
        host.set_background_triggers(false);
        assert_eq!(run("welcome", created.clone()).await, (204, String::new()));
        let (status, ..) =
            ask(&router, "POST", "/functions/projects/demo/trigger_multicast", Body::from(created)).await;
        assert_eq!(status, StatusCode::OK);
        host.finish().await;
        assert!(noted.try_recv().is_err(), "while they are off nobody is told");
    }

    #[tokio::test]
    async fn backends_tell_of_every_function() {
        let registry = Registry {
            https: registry().https.drain(..1).collect(),
            scheduled: registry().scheduled.drain(..1).collect(),
            auth: vec![AuthFunction::new("welcome", AuthEventKind::Created, |_, _| async { Ok(()) })],
            ..Registry::default()
        };
        let router = router(host(registry, &settings()), Bodies::default());
        let (status, headers, body) = ask(&router, "GET", "/backends", Body::empty()).await;
        assert_eq!((status, &headers["vary"]), (StatusCode::OK, &HeaderValue::from_static("Origin")));
        let told: Value = serde_json::from_str(&body).unwrap();
        let entry = |name: &str| {
            json!({
                "entryPoint": name, "platform": "gcfv1", "region": "us-central1", "name": name,
                "id": format!("us-central1-{name}"), "codebase": "default", "timeoutSeconds": 60, "labels": {},
                "secretEnvironmentVariables": [],
            })
        };
        let (mut echo, mut repeat, mut sweep) = (entry("echo"), entry("repeat"), entry("sweep"));
        let mut welcome = entry("welcome");
        welcome["eventTrigger"] = json!({
            "eventType": "providers/firebase.auth/eventTypes/user.create", "resource": "projects/demo",
        });
        echo["httpsTrigger"] = json!({});
        repeat["httpsTrigger"] = json!({});
        sweep["schedule"] = json!({"schedule": "every 3 hours", "timeZone": "UTC"});
        sweep["eventTrigger"] = json!({
            "eventType": "google.pubsub.topic.publish", "resource": "projects/demo/topics/firebase-schedule-sweep",
        });
        let backend = json!({"directory": "", "env": {}, "functionTriggers": [echo, repeat, sweep, welcome]});
        assert_eq!(told, json!({"backends": [backend]}));
    }
}
