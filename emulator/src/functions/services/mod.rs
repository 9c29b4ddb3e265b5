//! Services with ports of their own: what `hearth_functions::service` answers, on HTTP connections.
//!
//! Reading order: this file (one request), `stream` (an answer that goes on), `socket` (a WebSocket), `web` (requests to
//! other servers), `tasks`. Must not know: what any service does.

mod socket;
mod stream;
mod tasks;
#[cfg(test)]
mod tests;
mod web;

pub use tasks::Background;
pub use web::WebClient;

use crate::server::body::Bodies;
use crate::server::client_address::TrustedProxies;
use crate::server::connections::HangUp;
use crate::server::websocket::Handshake;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use hearth_functions::request::HttpRequest;
use hearth_functions::service::{Answer, Call, Service};
use http::StatusCode;
use socket::Sockets;
use std::sync::Arc;
use stream::Streamed;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// So much of a body is read.
const BODY_LIMIT: usize = 2 * 1024 * 1024;

/// The port of one service.
#[derive(Clone)]
pub struct Port {
    service: Arc<dyn Service>,
    bodies: Bodies,
    /// Whether everybody may say who is asking (emulator mode only).
    trusting: bool,
    sockets: Sockets,
    stop: CancellationToken,
}

impl Port {
    /// That of `service`; streams and WebSockets end at `stop`, and `tasks` end after what follows from that.
    pub fn new(
        service: Arc<dyn Service>,
        bodies: Bodies,
        trusting: bool,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let sockets = Sockets::new(tasks.clone(), stop.clone());
        Self { service, bodies, trusting, sockets, stop }
    }

    /// Its surface.
    pub fn router(self) -> Router {
        Router::new().fallback(answer).with_state(self)
    }
}

async fn answer(State(port): State<Port>, mut request: Request) -> Response {
    let handshake = Handshake::of(&mut request);
    let (head, body) = request.into_parts();
    let body = port.bodies.read(body, BODY_LIMIT).await.map(|body| body.into_bytes()).map_err(super::unread);
    // Nobody's word counts but the connection's own until there are trusted proxies.
    let client = TrustedProxies::default().client(&head.headers);
    let request = HttpRequest { method: head.method, uri: head.uri, headers: head.headers, body };
    let call = Call { request, trusted: port.trusting, upgrade: handshake.is_some(), client };
    match (port.service.call(call).await, handshake) {
        (Answer::Reply(reply), _) => reply.map(Body::from),
        (Answer::Stream { head, feed }, _) => {
            if let Some(hang_up) = HangUp::of_this_connection() {
                feed.when_cut(move || hang_up.soon());
            }
            head.map(|()| Body::new(Streamed::new(feed, port.stop)))
        }
        (Answer::Socket(socket), Some(handshake)) => port.sockets.open(handshake, socket),
        (Answer::Socket(_), None) => {
            // No service does that.
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
            response
        }
    }
}
