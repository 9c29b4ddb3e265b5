//! The hub: where tools find the other services, and where a developer holds the clock. Emulator mode only.
//!
//! Must not know: what the services do. JSON is printed with two spaces, as the official hub prints it.

mod clock;
mod export;
mod locator;

pub use export::Exporter;
pub use locator::Locator;

use crate::clock::Agenda;
use crate::config::service::Service;
use crate::server::body::Bodies;
use crate::server::cors;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Router, middleware};
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode, Uri};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Switches the functions' background triggers on or off.
pub type TriggerSwitch = Arc<dyn Fn(bool) + Send + Sync>;

/// What the hub tells of.
#[derive(Clone)]
pub struct Hub {
    /// All addresses of each service, the hub's own among them, the one to use first.
    pub services: BTreeMap<Service, Vec<SocketAddr>>,
    /// The clock and what depends on it.
    pub agenda: Agenda,
    /// Present while functions run.
    pub triggers: Option<TriggerSwitch>,
    /// Writes exports.
    pub exporter: Exporter,
    /// Reads request bodies.
    pub bodies: Bodies,
}

impl fmt::Debug for Hub {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hub").field("services", &self.services).finish_non_exhaustive()
    }
}

impl Hub {
    /// The hub's own addresses as URLs.
    fn origins(&self) -> Vec<String> {
        self.services.get(&Service::Hub).into_iter().flatten().map(|address| format!("http://{address}")).collect()
    }

    /// What the locator file holds.
    pub fn locator(&self) -> Value {
        json!({"version": env!("CARGO_PKG_VERSION"), "origins": self.origins(), "pid": std::process::id()})
    }
}

/// The hub's surface.
pub fn router(hub: Hub) -> Router {
    Router::new()
        .route("/", get(about))
        .route("/emulators", get(emulators))
        .route("/_admin/export", post(export::export))
        .route("/emulator/v1/clock", get(clock::read).post(clock::set))
        .route("/functions/disableBackgroundTriggers", put(disable_triggers))
        .route("/functions/enableBackgroundTriggers", put(enable_triggers))
        .method_not_allowed_fallback(wrong_method)
        .fallback(not_found)
        .layer(middleware::from_fn(cors::reflect))
        .with_state(Arc::new(hub))
}

async fn about(State(hub): State<Arc<Hub>>) -> Response {
    let mut about = hub.locator();
    if let (Some(about), Some(own)) = (about.as_object_mut(), first(&hub.services, Service::Hub)) {
        about.insert("host".to_owned(), json!(own.ip().to_string()));
        about.insert("port".to_owned(), json!(own.port()));
    }
    answer(StatusCode::OK, &about)
}

async fn emulators(State(hub): State<Arc<Hub>>) -> Response {
    let mut map = Map::new();
    for (service, addresses) in &hub.services {
        let Some(own) = addresses.first() else { continue };
        let listen: Vec<Value> = addresses
            .iter()
            .map(|address| {
                let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
                json!({"address": address.ip().to_string(), "family": family, "port": address.port()})
            })
            .collect();
        let entry = json!({
            "name": service.key(),
            "host": own.ip().to_string(),
            "port": own.port(),
            "pid": std::process::id(),
            "listen": listen,
        });
        map.insert(service.key().to_owned(), entry);
    }
    answer(StatusCode::OK, &Value::Object(map))
}

async fn disable_triggers(State(hub): State<Arc<Hub>>) -> Response {
    switch_triggers(&hub, false)
}

async fn enable_triggers(State(hub): State<Arc<Hub>>) -> Response {
    switch_triggers(&hub, true)
}

fn switch_triggers(hub: &Hub, enabled: bool) -> Response {
    match &hub.triggers {
        Some(switch) => {
            switch(enabled);
            answer(StatusCode::OK, &json!({"enabled": enabled}))
        }
        None => failure(StatusCode::BAD_REQUEST, "The Cloud Functions emulator is not running."),
    }
}

async fn not_found(method: Method, uri: Uri) -> Response {
    failure(StatusCode::NOT_FOUND, &format!("the hub has nothing at {method} {}", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    failure(StatusCode::METHOD_NOT_ALLOWED, &format!("{} does not answer {method}", uri.path()))
}

fn first(services: &BTreeMap<Service, Vec<SocketAddr>>, service: Service) -> Option<SocketAddr> {
    services.get(&service)?.first().copied()
}

fn failure(status: StatusCode, message: &str) -> Response {
    answer(status, &json!({"error": message}))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json; charset=utf-8")], format!("{body:#}")).into_response()
}

#[cfg(test)]
mod tests;
