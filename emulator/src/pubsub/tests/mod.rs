//! The push stream as its clients see it.

mod access;
mod at_once;
mod conformance;
mod crowds;
mod durable;
mod modes;
mod presence;
mod publishing;
mod streams;
mod websockets;

use super::settings::{PublisherSettings, SubscriberSettings};
use super::{PubsubService, PubsubSettings, Role, router};
use crate::clock::{Agenda, Clock, MANUAL_START};
use crate::server::body::Bodies;
use crate::server::credentials::Credentials;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Nothing a test waits for takes this long.
const DEADLINE: Duration = Duration::from_secs(30);

/// Tells this run from others.
const EPOCH: u64 = 7;

const HOUR: u64 = 60 * 60 * 1000;

/// A push stream whose clock stands still.
struct House {
    service: Arc<PubsubService>,
    router: Router,
    agenda: Agenda,
    stop: CancellationToken,
}

/// An answer, whole.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

fn house(settings: PubsubSettings) -> House {
    house_with(settings, Credentials::new(None, false))
}

/// One that knows accounts.
fn house_with(settings: PubsubSettings, credentials: Credentials) -> House {
    let agenda = Agenda::new(Clock::manual(MANUAL_START));
    let stop = CancellationToken::new();
    let service = PubsubService::new(settings, credentials, EPOCH, &agenda, stop.clone());
    House { router: router(Arc::clone(&service), Bodies::default()), service, agenda, stop }
}

fn settings(secret: &str) -> PubsubSettings {
    PubsubSettings { hostname: "box".to_owned(), ..PubsubSettings::pogify(secret) }
}

/// A profile's publishers.
fn publisher(settings: &mut PubsubSettings) -> &mut PublisherSettings {
    let mut roles = settings.locations.iter_mut().map(|location| &mut location.role);
    roles.find_map(|role| if let Role::Publisher(settings) = role { Some(settings) } else { None }).unwrap()
}

/// A profile's subscribers.
fn subscriber(settings: &mut PubsubSettings) -> &mut SubscriberSettings {
    let mut roles = settings.locations.iter_mut().map(|location| &mut location.role);
    roles.find_map(|role| if let Role::Subscriber(settings) = role { Some(&mut **settings) } else { None }).unwrap()
}

impl House {
    async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let body = tokio::time::timeout(DEADLINE, body.collect()).await.expect("the answer does not end").unwrap();
        let body = String::from_utf8(body.to_bytes().to_vec()).unwrap();
        Answer { status: head.status, headers: head.headers, body }
    }

    async fn publish(&self, channel: &str, body: &str) {
        let answer = self.send("POST", &format!("/pub?id={channel}"), &[], body.to_owned()).await;
        assert_eq!(answer.status, 200);
    }

    /// The subscribers of the whole server.
    async fn subscribers(&self) -> u64 {
        let summary = self.send("GET", "/channels-stats", &[], "").await.body;
        let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
        summary.get("subscribers").and_then(|count| count.as_u64()).unwrap()
    }

    async fn wait_for_subscribers(&self, count: u64) {
        let reached = async {
            while self.subscribers().await != count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, reached).await.expect("the number of subscribers is not reached");
    }
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn explanation(&self) -> Option<&str> {
        self.header("x-nginx-pushstream-explain")
    }
}
