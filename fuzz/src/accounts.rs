//! Requests to Auth: every one is answered, none with status 500, and what says it is JSON is.
//!
//! An input is a request (see `request`) to an emulator with one account, `u`, whose unsigned tokens anybody can write.

use crate::request::request;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use hearth::auth::{AuthService, router};
use hearth::clock::{Clock, Entropy, MANUAL_START};
use hearth::config::settings::AuthSettings;
use hearth::server::body::Bodies;
use hearth::server::client_address::TrustedProxies;
use hearth::storage::Storage;
use http_body_util::BodyExt;
use std::cell::RefCell;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

const PROJECT: &str = "/identitytoolkit.googleapis.com/v1/projects/demo";
const ACCOUNT: &str = r#"{"localId":"u","email":"u@example.com","password":"secret","phoneNumber":"+15555550100",
    "mfaInfo":[{"mfaEnrollmentId":"m","phoneInfo":"+15555550101"}]}"#;
/// After so many inputs there is a new one: tenants and settings that inputs leave are not taken away between them.
const INPUTS_OF_A_SERVER: u32 = 2000;

struct Server {
    runtime: Runtime,
    router: Router,
    inputs: u32,
}

impl Server {
    fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let router = runtime.block_on(async {
            let (settings, clock) = (AuthSettings::emulator(), Clock::manual(MANUAL_START));
            let service = AuthService::open(&Storage::memory(), "demo", settings, clock, Entropy::seeded(1));
            router(service.expect("a service"), Bodies::default(), TrustedProxies::default())
        });
        Self { runtime, router, inputs: 0 }
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, bool, Bytes) {
        let answer = match self.router.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let is_json =
            answer.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        let status = answer.status();
        let body = answer.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        (status, is_json, body)
    }

    /// As an admin, something that works.
    async fn prepare(&self, method: &str, path: &str, body: &'static str) {
        let request = Request::builder().method(method).uri(path).header("authorization", "Bearer owner");
        let request = request.header("content-type", "application/json").body(Body::from(body)).expect("a request");
        let (status, _, body) = self.send(request).await;
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
    }
}

/// Whether it would have the server call somebody else.
fn calls_others(bytes: &[u8]) -> bool {
    let contains = |text: &[u8]| bytes.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text));
    contains(b"functionuri") || contains(b"\\u")
}

pub(crate) fn target(bytes: &[u8]) {
    thread_local! {
        static SERVER: RefCell<Server> = RefCell::new(Server::start());
    }
    let Some(request) = request(bytes).filter(|_| !calls_others(bytes)) else { return };
    SERVER.with_borrow_mut(|server| {
        if server.inputs == INPUTS_OF_A_SERVER {
            *server = Server::start();
        }
        server.inputs += 1;
        server.runtime.block_on(async {
            server.prepare("DELETE", "/emulator/v1/projects/demo/accounts", "").await;
            server
                .prepare("PATCH", "/emulator/v1/projects/demo/config", r#"{"signIn":{},"emailPrivacyConfig":{}}"#)
                .await;
            server.prepare("POST", &format!("{PROJECT}/accounts"), ACCOUNT).await;
            let (status, is_json, body) = server.send(request).await;
            assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{}", String::from_utf8_lossy(&body));
            if is_json {
                serde_json::from_slice::<serde_json::Value>(&body).expect("JSON");
            }
        });
    });
}
