//! The push stream: publishers, EventSource subscribers and statistics over HTTP, on channels of `hearth_pubsub`.
//!
//! A request stays here from its path to its bytes: `location` says which of the four places it is for, `publisher`,
//! `subscriber` and `statistics` answer it, `service` holds the channels, `errors` is the one table from refusals to
//! statuses. Must not know: functions, accounts, the database.

mod errors;
mod headers;
mod location;
mod publisher;
mod service;
mod settings;
mod statistics;
mod subscriber;

#[cfg(test)]
mod tests;

pub use hearth_pubsub::channel::ChannelInfo;
pub use hearth_pubsub::error::Error;
pub use service::PubsubService;
pub use settings::{PublisherSettings, PubsubSettings, SubscriberSettings};

use crate::server::body::Bodies;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use location::Location;
use std::sync::Arc;

/// What a request is answered with.
#[derive(Clone)]
struct Room {
    service: Arc<PubsubService>,
    bodies: Bodies,
}

/// `/pub?id=`, `/sub/{channels}`, `/channels-stats`; every other path is 204 and empty.
pub fn router(service: Arc<PubsubService>, bodies: Bodies) -> Router {
    Router::new().fallback(answer).with_state(Room { service, bodies })
}

async fn answer(State(room): State<Room>, request: Request) -> Response {
    match Location::of(request.uri()) {
        Location::Subscriber(path) => subscriber::answer(&room.service, &path, &request),
        Location::Publisher(path) => publisher::answer(&room.service, &room.bodies, &path, request).await,
        Location::Statistics(path) => statistics::answer(&room.service, &path, request.method(), request.headers()),
        Location::Elsewhere => StatusCode::NO_CONTENT.into_response(),
    }
}
