//! The room from socket to disk, without the socket.

mod admin;
mod attacks;
mod delivery;
mod emulator;
mod identity_providers;
mod issuer;
mod keys;
mod mail_server;
mod passkeys;
mod provider_configs;
mod provider_sign_in;
mod provider_tokens;
mod requests;
mod revoke_token;
mod self_host;
mod sign_in;
mod throttles;
mod triggers;

use super::{AuthService, router};
use crate::clock::{Agenda, Clock, Entropy, MANUAL_START};
use crate::config::settings::AuthSettings;
use crate::server::body::Bodies;
use crate::server::client_address::TrustedProxies;
use crate::server::credentials::{IdTokens, TokenRefused};
use crate::storage::Storage;
use axum::Router;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt;

const V1: &str = "/identitytoolkit.googleapis.com/v1";
const TOKEN: &str = "/securetoken.googleapis.com/v1/token?key=k";

/// A house with one project, `demo`, on a clock that stands still.
struct House {
    service: Arc<AuthService>,
    router: Router,
    agenda: Agenda,
}

/// What came back.
struct Got {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn text(&self, field: &str) -> String {
        self.json()[field].as_str().unwrap_or_else(|| panic!("no {field}: {}", self.text)).to_owned()
    }

    /// Status and message of an error.
    fn error(&self) -> (u16, String) {
        let message = self.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        (self.status.as_u16(), message)
    }
}

impl House {
    fn emulator() -> Self {
        Self::open(&Storage::memory(), true)
    }

    fn self_host() -> Self {
        Self::open(&Storage::memory(), false)
    }

    fn open(storage: &Storage, unsigned_tokens: bool) -> Self {
        Self::with(storage, if unsigned_tokens { AuthSettings::emulator() } else { AuthSettings::self_host() })
    }

    fn with(storage: &Storage, settings: AuthSettings) -> Self {
        let clock = Clock::manual(MANUAL_START);
        let service = AuthService::open(storage, "demo", settings, clock.clone(), Entropy::seeded(1)).unwrap();
        let router = router(Arc::clone(&service), Bodies::default(), TrustedProxies::default());
        Self { service, router, agenda: Agenda::new(clock) }
    }

    async fn advance(&self, seconds: u64) {
        self.agenda.set(self.agenda.clock().now() + seconds * 1000).await;
    }

    async fn send(&self, request: http::request::Builder, body: impl Into<Body>) -> Got {
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Got { status: head.status, headers: head.headers, text }
    }

    /// As a client with an API key; the path is below V1 unless it is a whole one.
    async fn post(&self, path: &str, body: Value) -> Got {
        let path = if path.contains("googleapis.com") { path.to_owned() } else { format!("{V1}/{path}?key=k") };
        self.send(Request::post(path).header("content-type", "application/json"), body.to_string()).await
    }

    /// As an admin.
    async fn admin(&self, method: &str, path: &str, body: Value) -> Got {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("{V1}/{path}") };
        let request = Request::builder().method(method).uri(path).header("authorization", "Bearer owner");
        self.send(request.header("content-type", "application/json"), body.to_string()).await
    }

    /// An anonymous sign-in.
    async fn sign_up(&self) -> Got {
        let got = self.post("accounts:signUp", json!({"returnSecureToken": true})).await;
        assert_eq!(got.status, StatusCode::OK, "{}", got.text);
        got
    }

    async fn verify(&self, token: &str) -> Result<String, TokenRefused> {
        self.service.verify(token).await.map(|token| token.uid)
    }
}

/// A part of a token as text.
fn part(token: &str, index: usize) -> String {
    let part = token.split('.').nth(index).unwrap();
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
