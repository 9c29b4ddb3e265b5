//! The push stream: publishers, subscribers and statistics over HTTP, on channels of `hearth_pubsub`.
//!
//! A request stays here from its path to its bytes: `location` says which place it is for, `publisher`, `subscriber`,
//! `statistics` and `tickets` answer it (`prompt` those publishers that can be answered at once), `access` says who may,
//! `service` holds the channels and `presence` their numbers of subscribers, `errors` is the one table from refusals to
//! statuses.
//! `settings` are read from firebase.json by `directives`, and from an nginx configuration by `nginx`. Must not know:
//! functions, accounts, the database.

mod access;
mod directives;
mod errors;
mod expression;
mod headers;
mod journal;
mod location;
mod nginx;
mod presence;
mod prompt;
mod publisher;
mod reauthorization;
mod service;
mod settings;
mod statistics;
mod store;
mod subscriber;
mod ticket;
mod tickets;

#[cfg(test)]
mod tests;

pub use hearth_pubsub::channel::ChannelInfo;
pub use hearth_pubsub::error::Error;
pub use nginx::{Import, import};
pub use service::PubsubService;
pub use settings::{Access, Deployment, Mode, PublisherSettings, PubsubSettings, Role, SubscriberSettings};
pub use ticket::TicketKey;

use crate::server::body::Bodies;
use crate::server::prompt::Prompt;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use expression::Asked;
use std::sync::Arc;

/// What a request is answered with.
#[derive(Clone)]
struct Room {
    service: Arc<PubsubService>,
    bodies: Bodies,
}

/// The places of the settings.
pub fn router(service: Arc<PubsubService>, bodies: Bodies) -> Router {
    Router::new().fallback(answer).with_state(Room { service, bodies })
}

/// Answers publishers of `service` at once, as its router would.
pub fn prompt(service: Arc<PubsubService>) -> Arc<dyn Prompt> {
    Arc::new(prompt::Publishers::new(service))
}

async fn answer(State(room): State<Room>, request: Request) -> Response {
    let settings = room.service.settings();
    let path = location::normalized(request.uri().path());
    let Some((number, location, captures)) = location::find(&settings.locations, &path) else {
        return settings.elsewhere.into_response();
    };
    let (method, headers) = (request.method(), request.headers());
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    let asked = Asked { method, target, headers, path: &path, captures };
    let channels = location::channels(location, &asked);
    match &location.role {
        Role::Statistics => statistics::answer(&room.service, &channels, method, headers),
        Role::Publisher(settings) => {
            let place = publisher::Place::new(&room.service, settings, channels, &asked).await;
            publisher::answer(&room.service, &room.bodies, place, request).await
        }
        Role::Tickets(settings) => tickets::answer(&room.service, &room.bodies, settings, channels, request).await,
        Role::Subscriber(settings) | Role::Presence(settings) => {
            let place = subscriber::Place::new(&room.service, number, settings, channels, &asked).await;
            subscriber::answer(&room.service, place, request).await
        }
    }
}
