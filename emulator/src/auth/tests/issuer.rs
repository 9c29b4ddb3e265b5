//! An OpenID Connect issuer for tests, on a port of its own.

use super::self_host::{Server, server};
use super::*;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::extract::{Request as AxumRequest, State};
use axum::response::{IntoResponse, Response};
use jsonwebtoken::Algorithm;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The app's id at the issuer.
pub(super) const CLIENT: &str = "app";

/// How the issuer behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Good,
    /// Every answer is a 500.
    Down,
    /// Answers have no end.
    Huge,
    /// Nothing is ever answered.
    Silent,
    /// Its description leads to another machine.
    LeadsAway,
    /// It describes somebody else.
    Pretends,
    /// Every answer leads to another place.
    Redirects,
    /// Its keys are none.
    Keyless,
}

pub(super) struct Issuer {
    pub(super) url: String,
    /// Signs with RS256, and is a server of ours besides.
    pub(super) server: Server,
    curve: EcdsaKeyPair,
    state: Arc<Shared>,
}

struct Shared {
    url: String,
    mood: Mutex<Mood>,
    keys: Mutex<Value>,
    asked: AtomicUsize,
    endpoints: Mutex<HashMap<String, Answer>>,
    requests: Mutex<Vec<Sent>>,
}

/// What an endpoint answers.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Json(u16, Value),
    Text(u16, &'static str),
    Huge,
    Silent,
    Redirect,
}

/// What an endpoint was asked.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) path: String,
    pub(super) query: String,
    pub(super) authorization: String,
    pub(super) body: String,
}

impl Issuer {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = server().await;
        let path = "/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com";
        let mut keys = server.house.send(Request::get(path), Body::empty()).await.json();
        let curve = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = curve.public_key().as_ref();
        let [x, y] = [1..33, 33..65].map(|range| URL_SAFE_NO_PAD.encode(point.get(range).unwrap()));
        let jwk =
            json!({"kty": "EC", "crv": "P-256", "kid": "curve-1_a", "use": "sig", "alg": "ES256", "x": x, "y": y});
        keys["keys"].as_array_mut().unwrap().push(jwk);
        let (mood, asked) = (Mutex::new(Mood::Good), AtomicUsize::new(0));
        let (endpoints, requests) = (Mutex::default(), Mutex::default());
        let state = Arc::new(Shared { url: url.clone(), mood, keys: Mutex::new(keys), asked, endpoints, requests });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&state));
        tokio::spawn(async move {
            let service = hyper_util::service::TowerToHyperService::new(router);
            while let Ok((stream, _)) = listener.accept().await {
                let io = hyper_util::rt::TokioIo::new(stream);
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service.clone()));
            }
        });
        Self { url, server, curve, state }
    }

    pub(super) fn set(&self, mood: Mood) {
        *self.state.mood.lock().unwrap() = mood;
    }

    /// Has other keys from now on; the old ones are gone.
    pub(super) fn set_keys(&self, keys: Value) {
        *self.state.keys.lock().unwrap() = keys;
    }

    /// How often its keys have been asked for.
    pub(super) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// Has an endpoint answer so from now on.
    pub(super) fn answer(&self, path: &str, answer: Answer) {
        self.state.endpoints.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// What endpoints were asked since the last time.
    pub(super) fn take_requests(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.state.requests.lock().unwrap())
    }

    /// A token with a user's claims, changed, signed with RS256.
    pub(super) fn token(&self, change: impl FnOnce(&mut Value, &mut Value)) -> String {
        self.server.own(|header, claims| {
            *claims = self.claims();
            change(header, claims);
        })
    }

    /// The same, signed by somebody else or otherwise.
    pub(super) fn forged(
        &self,
        key: &jsonwebtoken::EncodingKey,
        algorithm: Algorithm,
        change: impl FnOnce(&mut Value, &mut Value),
    ) -> String {
        self.server.forge(key, algorithm, |header, claims| {
            *claims = self.claims();
            change(header, claims);
        })
    }

    /// The same, signed with ES256.
    pub(super) fn token_of_the_curve(&self) -> String {
        let header = json!({"alg": "ES256", "kid": "curve-1_a"});
        let [header, claims] = [header, self.claims()].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let input = format!("{header}.{claims}");
        let signature = self.curve.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn claims(&self) -> Value {
        let now = MANUAL_START / 1000;
        json!({
            "iss": self.url, "aud": CLIENT, "sub": "7", "iat": now, "exp": now + 3600, "email": "User@Example.org",
            "email_verified": true, "name": "N",
        })
    }
}

async fn answer(State(state): State<Arc<Shared>>, request: AxumRequest) -> Response {
    if let Some(answer) = endpoint(&state, request.uri().path()) {
        return answer_by(&state, answer, request).await;
    }
    let is_keys = request.uri().path() == "/keys";
    if is_keys {
        state.asked.fetch_add(1, Ordering::SeqCst);
    }
    let mood = *state.mood.lock().unwrap();
    let describe = |issuer: &str, keys: &str| {
        let at = |path: &str| format!("{}{path}", state.url);
        json!({
            "issuer": issuer, "jwks_uri": keys, "authorization_endpoint": at("/authorize?tenant=a"),
            "token_endpoint": at("/token"), "userinfo_endpoint": at("/userinfo"), "revocation_endpoint": at("/revoke"),
            "authorization_response_iss_parameter_supported": true,
        })
        .to_string()
        .into_response()
    };
    let keys = || ([("cache-control", "max-age=600")], state.keys.lock().unwrap().to_string()).into_response();
    let own = format!("{}/keys", state.url);
    match mood {
        Mood::Down => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Mood::Silent => std::future::pending().await,
        Mood::Redirects => (StatusCode::FOUND, [("location", "http://169.254.169.254/")]).into_response(),
        Mood::Huge if is_keys => endless(),
        Mood::Keyless if is_keys => "<html>".into_response(),
        Mood::LeadsAway => describe(&state.url, "http://169.254.169.254/latest/meta-data"),
        Mood::Pretends => describe("https://accounts.google.com", &own),
        Mood::Good | Mood::Huge | Mood::Keyless if is_keys => keys(),
        Mood::Good | Mood::Huge | Mood::Keyless => describe(&state.url, &own),
    }
}

fn endpoint(state: &Shared, path: &str) -> Option<Answer> {
    state.endpoints.lock().unwrap().get(path).cloned()
}

async fn answer_by(state: &Shared, answer: Answer, request: AxumRequest) -> Response {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let authorization = head.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    state.requests.lock().unwrap().push(Sent {
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        authorization: authorization.unwrap_or_default(),
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    match answer {
        Answer::Json(status, value) => (StatusCode::from_u16(status).unwrap(), value.to_string()).into_response(),
        Answer::Text(status, text) => (StatusCode::from_u16(status).unwrap(), text).into_response(),
        Answer::Huge => endless(),
        Answer::Silent => std::future::pending().await,
        Answer::Redirect => (StatusCode::FOUND, [("location", "http://169.254.169.254/")]).into_response(),
    }
}

fn endless() -> Response {
    let endless = futures_util::stream::repeat(Ok::<_, std::convert::Infallible>("x".repeat(65_536)));
    Body::from_stream(endless).into_response()
}
