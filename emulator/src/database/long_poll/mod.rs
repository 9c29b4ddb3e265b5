//! `/.lp`: sessions for browsers that cannot keep a WebSocket, over requests that are answered with scripts.
//!
//! Reading order: this file (which request is which session's), `poller` (a session's task). The protocol is
//! `hearth_database::wire::long_poll`. Must not know: what the messages say.

mod poller;
#[cfg(test)]
mod tests;

use super::sessions::Sessions;
use crate::server::credentials::same_secret;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hearth_database::wire::long_poll::{self, DISCONNECT_FRAME, LongPoll, Poll, Request, RequestError, Start, Ticket};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use poller::{Ask, Poller};
use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// So many sessions may poll, which nothing but their polls shows to be alive.
const MOST_POLLERS: usize = 20_000;
/// A password is made of so many random bytes.
const PASSWORD_BYTES: usize = 18;
/// So many requests of a session may wait for its task; a browser has no more than six under way.
const MOST_WAITING: usize = 8;

/// The long-polling end of `sessions`.
pub(super) fn router(sessions: Arc<Sessions>) -> Router {
    Router::new().route("/.lp", any(handle)).with_state(Arc::new(Pollers::new(sessions)))
}

/// The sessions that poll.
struct Pollers {
    sessions: Arc<Sessions>,
    open: Mutex<HashMap<String, Entry>>,
    /// So many bytes of messages have come that are not whole yet.
    held_bytes: AtomicUsize,
}

/// How a session is reached.
struct Entry {
    password: String,
    asks: mpsc::Sender<Ask>,
}

async fn handle(State(pollers): State<Arc<Pollers>>, request: http::Request<Body>) -> Response {
    let asked = Request::parse(request.uri().query().unwrap_or_default());
    let is_known = match (request.method(), &asked) {
        (&Method::GET, _) => true,
        // A page that is left can send nothing else.
        (&Method::POST, Ok(Request::Disconnect(_))) => true,
        _ => false,
    };
    if !is_known {
        return answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "Method not allowed\n".into());
    }
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let script = match asked {
        Ok(Request::Start(start)) => {
            let host = host.or(request.uri().host()).unwrap_or_default().to_owned();
            // It goes on if the client does not wait for it, so that no session is left half open.
            let started = tokio::spawn(pollers.start(start, host)).await;
            let Ok(script) = started else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
            script
        }
        Ok(Request::Poll(poll)) => pollers.poll(poll).await,
        Ok(Request::Disconnect(ticket)) => {
            pollers.leave(&ticket).await;
            Bytes::new()
        }
        Ok(Request::DisconnectFrame) => return disconnect_frame(),
        Err(error) => return refuse(error),
    };
    answer(StatusCode::OK, "text/javascript; charset=utf-8", script)
}

impl Pollers {
    fn new(sessions: Arc<Sessions>) -> Self {
        Self { sessions, open: Mutex::default(), held_bytes: AtomicUsize::new(0) }
    }

    /// Begins a session; the script that tells the client so, or why there is none.
    fn start(self: &Arc<Self>, start: Start, host: String) -> impl Future<Output = Bytes> + Send + 'static {
        let pollers = Arc::clone(self);
        async move {
            let begun = pollers.sessions.begin(start.namespace.as_deref(), start.last_session.as_deref()).await;
            let attached = match begun {
                Ok(attached) => attached,
                Err(message) => return long_poll::refuse(start.callback, &message),
            };
            let mut random = [0; PASSWORD_BYTES];
            pollers.sessions.entropy.fill(&mut random);
            let password = URL_SAFE_NO_PAD.encode(random);
            let (asks, asked) = mpsc::channel(MOST_WAITING);
            let id = attached.0.id().to_owned();
            {
                let mut open = pollers.open();
                if open.len() >= MOST_POLLERS {
                    drop(open);
                    let message = hearth_database::wire::control::error("There are too many connections.");
                    return long_poll::refuse(start.callback, &message);
                }
                open.insert(id.clone(), Entry { password: password.clone(), asks });
            }
            let mut protocol = LongPoll::default();
            let script = protocol.start(start.callback, &id, &password, &attached.0.hello(&host));
            let poller = Poller::new(protocol, attached, asked, Arc::clone(&pollers));
            pollers.sessions.tasks.spawn(poller.run(id));
            script
        }
    }

    async fn poll(&self, poll: Poll) -> Bytes {
        let Some(asks) = self.find(&poll.ticket) else { return long_poll::closed() };
        let (reply, answer) = oneshot::channel();
        if asks.send(Ask::Poll { serial: poll.serial, segments: poll.segments, reply }).await.is_err() {
            return long_poll::closed();
        }
        // Who ends without an answer has ended the session.
        answer.await.unwrap_or_else(|_| long_poll::closed())
    }

    async fn leave(&self, ticket: &Ticket) {
        if let Some(asks) = self.find(ticket) {
            // One that has ended by now has left.
            let _ = asks.send(Ask::Leave).await;
        }
    }

    fn find(&self, ticket: &Ticket) -> Option<mpsc::Sender<Ask>> {
        let open = self.open();
        let entry = open.get(&ticket.id)?;
        same_secret(entry.password.as_bytes(), ticket.password.as_bytes()).then(|| entry.asks.clone())
    }

    fn forget(&self, id: &str) {
        self.open().remove(id);
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The page that stands in a frame of the client's page.
fn disconnect_frame() -> Response {
    let mut response = answer(StatusCode::OK, "text/html; charset=utf-8", DISCONNECT_FRAME.into());
    let policy = "default-src 'none'; script-src 'unsafe-inline'; connect-src 'self'";
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

/// A script that cannot be loaded has the client connect anew.
fn refuse(error: RequestError) -> Response {
    answer(StatusCode::BAD_REQUEST, "text/plain; charset=utf-8", format!("Invalid request: {error}\n").into())
}

fn answer(status: StatusCode, content_type: &'static str, body: Bytes) -> Response {
    const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
    let headers = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-cache, no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Pages of any origin run these scripts; there is nothing in them that a page has not asked for with its secret.
        (RESOURCE_POLICY, "cross-origin"),
    ];
    (status, headers, Body::from(body)).into_response()
}
