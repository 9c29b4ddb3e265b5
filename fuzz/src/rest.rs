//! Requests to the REST API: every one is answered, none with status 500, and what says it is JSON is.
//!
//! An input is a request (see `request`).

use crate::request::request;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use hearth::clock::{Agenda, Clock, Entropy};
use hearth::config::settings::DatabaseSettings;
use hearth::database::{Databases, Port, Sessions, Streams};
use hearth::server::body::Bodies;
use hearth::server::credentials::Credentials;
use hearth::storage::Storage;
use hearth_database::Ruleset;
use http_body_util::BodyExt;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const RULES: &str = r#"{"rules":{".read":true,".write":true,"list":{".indexOn":["v",".value","a/b"]}}}"#;
/// Each input begins with this.
const DATA: &str =
    r#"{"list":{"k1":{"v":1,"a":{"b":"x"}},"k2":{"v":"z",".priority":2},"k3":true},"n":[1,2,3],"t":"é"}"#;
/// What an answer is looked at of: a stream never ends.
const MOST_FRAMES: usize = 2;

struct Server {
    runtime: Runtime,
    port: Port,
}

impl Server {
    fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let port = runtime.block_on(async {
            let rules = Ruleset::parse(RULES).expect("rules");
            let settings = DatabaseSettings {
                rules: BTreeMap::from([(None, rules)]),
                open: true,
                create_on_first_use: false,
                explain_denials: true,
            };
            let (clock, entropy) = (Clock::manual(1_700_000_000_000), Entropy::seeded(1));
            let agenda = Agenda::new(clock.clone());
            let databases = Databases::open(Storage::memory(), "demo", settings, clock, entropy.stream("database"));
            let databases = databases.expect("databases");
            let credentials = Credentials::new(None, true);
            let stop = CancellationToken::new();
            let streams = Streams::new(credentials.clone(), &agenda, stop.clone());
            let sessions = Sessions::new(Arc::clone(&databases), credentials.clone(), &agenda, entropy, stop);
            Port::new(databases, sessions, streams, credentials, Bodies::default())
        });
        Self { runtime, port }
    }

    async fn send(&self, request: Request<Body>) -> StatusCode {
        let answer = match self.port.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let status = answer.status();
        let is_json =
            answer.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        let is_stream =
            answer.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let mut body = answer.into_body();
        if is_stream {
            for _ in 0..MOST_FRAMES {
                let frame = body.frame();
                let waited = tokio::time::timeout(std::time::Duration::ZERO, frame).await;
                if !matches!(waited, Ok(Some(Ok(_)))) {
                    break;
                }
            }
            return status;
        }
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        if is_json && !body.is_empty() {
            serde_json::from_slice::<serde_json::Value>(&body).expect("JSON");
        }
        status
    }
}

pub(crate) fn target(bytes: &[u8]) {
    thread_local! {
        static SERVER: Server = Server::start();
    }
    let Some(request) = request(bytes) else { return };
    SERVER.with(|server| {
        server.runtime.block_on(async {
            let reset = Request::put("/.json?ns=demo").header("authorization", "Bearer owner").body(Body::from(DATA));
            assert_eq!(server.send(reset.expect("a request")).await, StatusCode::OK);
            let status = server.send(request).await;
            // There are methods it does not know, and nobody is there who could verify an ID token.
            assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR);
        });
    });
}
