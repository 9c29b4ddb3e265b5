//! Users come and go, and those who are told of it hear it: webhooks and functions emulators, over real connections and
//! across the end of the process.

use bytes::Bytes;
use hearth::config::auth_triggers::TriggerSettings;
use hearth::config::delivery::WebhookSettings;
use hearth::config::secret::Secret;
use hearth::config::service::Service;
use hearth::config::settings::Mode;
use hearth_tests::client::{PATIENCE, send};
use hearth_tests::process::{Process, address};
use hearth_tests::suite::{PROJECT, Suite};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const BINARY: &str = env!("CARGO_BIN_EXE_hearth-under-test");
const JSON: (&str, &str) = ("content-type", "application/json");
const SIGN_UP: &str = "/identitytoolkit.googleapis.com/v1/accounts:signUp?key=k";
const ENVIRONMENT: [(&str, &str); 3] =
    [("HEARTH_JWT_SECRET", "secret"), ("HEARTH_PUBSUB_SECRET", "secret"), ("HEARTH_WEBHOOK_SECRET", "whsec_c2VjcmV0")];

/// A call that arrived.
struct Call {
    path: String,
    headers: HeaderMap,
    event: Value,
}

impl Call {
    /// The event's type without what is common to all, and the user's id.
    fn what(&self) -> (&str, &str) {
        let kind = self.event["eventType"].as_str().unwrap();
        (kind.rsplit('.').next().unwrap(), self.event["data"]["uid"].as_str().unwrap())
    }
}

/// A server that is told of users.
struct Hearer {
    url: String,
    /// What it answers.
    status: Arc<AtomicU16>,
    calls: mpsc::UnboundedReceiver<Call>,
}

impl Hearer {
    async fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, calls) = mpsc::unbounded_channel();
        let status = Arc::new(AtomicU16::new(status));
        let answers = Arc::clone(&status);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (sender, answers) = (sender.clone(), Arc::clone(&answers));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (sender, answers) = (sender.clone(), Arc::clone(&answers));
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await?.to_bytes();
                        let event = serde_json::from_slice(&body).unwrap();
                        let path = head.uri.path().to_owned();
                        let _ = sender.send(Call { path, headers: head.headers, event });
                        let status = answers.load(Ordering::SeqCst);
                        Ok::<_, hyper::Error>(
                            Response::builder().status(status).body(Full::<Bytes>::default()).unwrap(),
                        )
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, status, calls }
    }

    async fn next(&mut self) -> Call {
        tokio::time::timeout(PATIENCE, self.calls.recv()).await.expect("a call").unwrap()
    }
}

/// An anonymous user; their id.
async fn sign_up(auth: SocketAddr) -> String {
    let answer = send(auth, "POST", SIGN_UP, &[JSON], "{}").await;
    answer.json()["localId"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
}

#[tokio::test]
async fn a_functions_emulator_is_told_as_by_the_official_one() {
    let mut functions = Hearer::start(200).await;
    let suite = Suite::start_with(Mode::Emulator, |settings| {
        settings.auth.triggers = TriggerSettings { functions: vec![functions.url.clone()], webhooks: Vec::new() };
    })
    .await;
    let owner = [JSON, ("authorization", "Bearer owner")];
    let accounts = format!("/identitytoolkit.googleapis.com/v1/projects/{PROJECT}/accounts");
    let ask = async |path: String, body: Value| {
        let answer = suite.ask(Service::Auth, "POST", &path, &owner, &body.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    // Nobody is told of those who are imported.
    ask(format!("{accounts}:batchCreate"), json!({"users": [{"localId": "imported"}]})).await;
    let user = json!({"localId": "u", "email": "a@b.c", "displayName": "N", "password": "a password"});
    ask(accounts.clone(), user).await;
    let call = functions.next().await;
    assert_eq!(call.path, format!("/functions/projects/{PROJECT}/trigger_multicast"));
    let event = json!({
        "eventId": call.event["eventId"],
        "eventType": "providers/firebase.auth/eventTypes/user.create",
        "resource": {"name": format!("projects/{PROJECT}"), "service": "firebaseauth.googleapis.com"},
        "params": {},
        "timestamp": "2030-01-01T00:00:00.000Z",
        "data": {
            "uid": "u", "email": "a@b.c", "emailVerified": false, "displayName": "N", "customClaims": {},
            "metadata": {
                "creationTime": "2030-01-01T00:00:00.000Z", "lastSignInTime": "2030-01-01T00:00:00.000Z",
            },
            "providerData": [{
                "providerId": "password", "rawId": "a@b.c", "federatedId": "a@b.c", "email": "a@b.c",
                "displayName": "N",
            }],
        },
    });
    assert_eq!(call.event, event);
    assert!(!call.headers.contains_key("webhook-signature"));
    ask(format!("{accounts}:delete"), json!({"localId": "u"})).await;
    assert_eq!(functions.next().await.what(), ("delete", "u"));
    // Nor of those who go when all do.
    let all = format!("/emulator/v1/projects/{PROJECT}/accounts");
    assert_eq!(suite.ask(Service::Auth, "DELETE", &all, &owner, "").await.status, 200);
    ask(accounts, json!({"localId": "last"})).await;
    assert_eq!(functions.next().await.what(), ("create", "last"));
    suite.stop().await;
}

#[tokio::test]
async fn a_webhook_that_fails_is_called_again_and_one_that_refuses_is_not() {
    let mut hook = Hearer::start(503).await;
    let suite = Suite::start_with(Mode::SelfHost, |settings| {
        let webhook = WebhookSettings { url: format!("{}/users", hook.url), secret: Secret::new("a secret") };
        settings.auth.triggers = TriggerSettings { functions: Vec::new(), webhooks: vec![webhook] };
    })
    .await;
    let (first, _) = suite.sign_up().await;
    let refused = hook.next().await;
    assert_eq!((refused.path.as_str(), refused.what()), ("/users", ("create", first.as_str())));
    hook.status.store(204, Ordering::SeqCst);
    let again = hook.next().await;
    assert_eq!(again.event, refused.event);
    let text = |name: &str| again.headers[name].to_str().unwrap();
    assert_eq!(
        (text("webhook-id"), text("webhook-timestamp")),
        (again.event["eventId"].as_str().unwrap(), "1893456000")
    );
    assert!(text("webhook-signature").starts_with("v1,"));
    // 400: it will never take this one, and gets the next.
    hook.status.store(400, Ordering::SeqCst);
    let (second, _) = suite.sign_up().await;
    assert_eq!(hook.next().await.what(), ("create", second.as_str()));
    hook.status.store(204, Ordering::SeqCst);
    let (third, _) = suite.sign_up().await;
    assert_eq!(hook.next().await.what(), ("create", third.as_str()));
    suite.stop().await;
}

async fn serve(folder: &Path, url: &str) -> (Process, SocketAddr) {
    let webhook = json!({"auth": {"limits": false, "triggers": {"webhook": url}}});
    std::fs::write(folder.join("firebase.json"), webhook.to_string()).unwrap();
    let ports = folder.join("ports.json");
    let _ = std::fs::remove_file(&ports);
    let arguments =
        ["serve", "--project", "demo-triggers", "--only", "auth", "--port", "auth=0", "--ports-file", "ports.json"];
    let mut process = Process::start_with(BINARY, &arguments, folder, &ENVIRONMENT);
    process.ready().await;
    (process, address(&ports, "auth"))
}

#[tokio::test]
async fn no_acknowledged_user_is_without_an_event_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens there, so that everything waits.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (process, auth) = serve(folder.path(), &format!("http://{}/x", nobody.local_addr().unwrap())).await;
    drop(nobody);
    let writers: Vec<_> = (0..4)
        .map(|_| {
            tokio::spawn(async move {
                let mut mine = Vec::new();
                for _ in 0..10 {
                    mine.push(sign_up(auth).await);
                }
                mine
            })
        })
        .collect();
    let mut acknowledged = BTreeSet::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    process.ended_by(Signal::SIGKILL).await;

    // The place has been wrong; now it is right, but busy.
    let mut hook = Hearer::start(503).await;
    let (process, _) = serve(folder.path(), &hook.url).await;
    let tried = hook.next().await;
    process.ended_by(Signal::SIGKILL).await;
    assert!(acknowledged.contains(tried.what().1));

    let mut hook = Hearer::start(200).await;
    let (process, auth) = serve(folder.path(), &hook.url).await;
    acknowledged.insert(sign_up(auth).await);
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    while told.len() < acknowledged.len() {
        let call = hook.next().await;
        let (kind, uid) = call.what();
        assert_eq!(kind, "create");
        told.entry(uid.to_owned()).or_default().insert(call.event["eventId"].as_str().unwrap().to_owned());
    }
    assert_eq!(told.keys().cloned().collect::<BTreeSet<_>>(), acknowledged);
    assert!(told.values().all(|ids| ids.len() == 1), "an event has one id, however often it is told");
    process.ended_by(Signal::SIGKILL).await;
}
