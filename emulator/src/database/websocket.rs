//! `/.ws`: sessions over WebSocket.
//!
//! One task a connection, which reads and writes in turn and holds small buffers only. Must not know: what the frames
//! say.

use super::databases::namespace_of_host;
use super::outbox::Closing;
use super::sessions::{Attachment, Live, Sessions};
use crate::server::websocket::{CloseCode, Ended, Handshake, Incoming, Utf8Bytes, WebSocket};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use hearth_database::wire::control::{self, Heard};
use hearth_database::wire::{MOST_MESSAGE_BYTES, Outgoing};
use http::header::{HOST, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{Request, StatusCode};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A client that nothing is heard of for so long is taken for dead.
const SILENCE: Duration = Duration::from_secs(60);
/// After so long it is asked for a sign of life. Clients speak up after 45 s, but not while they are spoken to.
const PING_AFTER: Duration = Duration::from_secs(50);
/// What clients send to be heard of.
const KEEP_ALIVE: &str = "0";
/// A client that reads nothing of what waits for it is closed after this long.
const STALL: Duration = Duration::from_secs(30);
/// So much is taken from the outbox and put into words at a time.
const WRITE_BYTES: usize = 16 * 1024;

/// The WebSocket end of `sessions`.
pub(super) fn router(sessions: Arc<Sessions>) -> Router {
    Router::new().route("/.ws", any(upgrade)).with_state(sessions)
}

async fn upgrade(State(sessions): State<Arc<Sessions>>, mut request: Request<Body>) -> Response {
    let opening = Opening::of(&request);
    let Some(handshake) = Handshake::of(&mut request) else {
        let headers = [(UPGRADE, "websocket"), (SEC_WEBSOCKET_VERSION, "13")];
        let text = "{\"error\":\"This is the WebSocket endpoint of the Realtime Database.\"}";
        return (StatusCode::UPGRADE_REQUIRED, headers, text).into_response();
    };
    let response = handshake.response();
    let serving = Arc::clone(&sessions);
    sessions.tasks.spawn(async move {
        // Whoever has gone by now needs nothing.
        if let Some(socket) = handshake.complete(MOST_MESSAGE_BYTES + 1, STALL).await {
            serve(serving, socket, opening).await;
        }
    });
    response
}

/// What a client says when it connects.
struct Opening {
    /// The host it dialled, which it is told to use from now on.
    host: String,
    namespace: Option<String>,
    /// Its last session.
    after: Option<String>,
    /// The session that it wants to carry on over this transport.
    session: Option<String>,
}

impl Opening {
    fn of(request: &Request<Body>) -> Self {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let query = request.uri().query().unwrap_or_default();
        let parameter = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let (_, value) = pairs.find(|(key, value)| *key == name && !value.is_empty())?;
            percent_encoding::percent_decode_str(value).decode_utf8().ok().map(String::from)
        };
        let host = host.or(request.uri().host()).unwrap_or_default();
        Self {
            host: host.to_owned(),
            namespace: parameter("ns").or_else(|| namespace_of_host(host).map(str::to_owned)),
            after: parameter("ls"),
            session: parameter("s"),
        }
    }
}

async fn serve(sessions: Arc<Sessions>, socket: WebSocket, opening: Opening) {
    let mut connection = Connection::new(socket, sessions.stop.clone());
    let attached = match &opening.session {
        Some(session) => match sessions.follow(session) {
            Some(handover) => match connection.follow(handover).await {
                Some(attached) => attached,
                None => return,
            },
            None => return connection.refuse(control::reset(&opening.host)).await,
        },
        None => match sessions.begin(opening.namespace.as_deref(), opening.after.as_deref()).await {
            Ok(attached) => {
                attached.0.outbox().tell(Outgoing::Text(attached.0.hello(&opening.host)));
                attached
            }
            Err(message) => return connection.refuse(message).await,
        },
    };
    let closing = connection.run(&attached).await;
    // What the session intended happens now, however long the client takes to say farewell.
    drop(attached);
    if let Some(closing) = closing {
        connection.close(&closing).await;
    }
}

/// One client's connection.
struct Connection {
    socket: WebSocket,
    stop: CancellationToken,
    heard: Instant,
    asked_for_life: bool,
}

/// What a connection has to do next.
enum Next {
    Tell(Outgoing),
    Received(Utf8Bytes),
    /// See whether the client is still there.
    Watch,
    /// Something that is no text, as an answer to a ping.
    Alive,
    Close(Closing),
    /// The client is gone.
    Gone,
}

impl Connection {
    fn new(socket: WebSocket, stop: CancellationToken) -> Self {
        Self { socket, stop, heard: Instant::now(), asked_for_life: false }
    }

    /// Waits until the client's session is handed over by its other transport; `None` if the client has given up.
    ///
    /// The client is told that it may come; it may ping, and says when it has come. What it sends after that waits in
    /// the socket until the session is here, which is when all that it had sent the other way has been dealt with.
    async fn follow(&mut self, mut handover: oneshot::Receiver<Attachment>) -> Option<Attachment> {
        self.say(control::ready()).await?;
        let patience = tokio::time::sleep(SILENCE);
        tokio::pin!(patience);
        let mut attached = None;
        loop {
            let text = tokio::select! {
                message = poll_fn(|context| self.socket.poll_read(context)) => match message {
                    Ok(Incoming::Text(text)) => text,
                    Ok(Incoming::Alive) => continue,
                    Ok(Incoming::Binary) | Err(_) => return None,
                },
                found = &mut handover, if attached.is_none() => {
                    attached = found.ok();
                    if attached.is_none() {
                        break;
                    }
                    continue;
                }
                () = patience.as_mut() => {
                    self.close(&Closing::Silent).await;
                    return None;
                }
            };
            match control::heard(&text) {
                Some(Heard::Ping) => self.say(control::pong()).await?,
                Some(Heard::Moved) => match attached {
                    Some(attached) => return Some(attached),
                    None => match handover.await {
                        Ok(attached) => return Some(attached),
                        Err(_) => break,
                    },
                },
                None if text.as_str() == KEEP_ALIVE => {}
                Some(Heard::Last) | None => {
                    let words = "only pings may come before the session does".to_owned();
                    self.close(&Closing::Malformed(words)).await;
                    return None;
                }
            }
        }
        self.farewell(CloseCode::Away, "the session has ended").await;
        None
    }

    /// Sends one short text; `None` if the client has gone, or reads nothing.
    async fn say(&mut self, text: Bytes) -> Option<()> {
        self.socket.queue(text);
        poll_fn(|context| self.socket.poll_flush(context)).await.ok()
    }

    /// Serves a session until it has to be closed; `None` if the client has gone.
    async fn run(&mut self, attached: &Attachment) -> Option<Closing> {
        let live = &attached.0;
        let silence = tokio::time::sleep(PING_AFTER);
        tokio::pin!(silence);
        loop {
            let next = tokio::select! {
                biased;
                next = poll_fn(|context| self.poll_next(live, context)) => next,
                () = silence.as_mut() => Next::Watch,
            };
            match next {
                Next::Tell(outgoing) => live.frames(outgoing, &mut self.socket).await,
                Next::Received(text) => {
                    self.hear();
                    live.outbox().attend();
                    live.receive(text).await;
                }
                Next::Alive => self.hear(),
                Next::Watch => {
                    let deadline = self.watch(live);
                    silence.as_mut().reset(deadline);
                }
                Next::Close(closing) => return Some(closing),
                Next::Gone => return None,
            }
        }
    }

    fn hear(&mut self) {
        self.heard = Instant::now();
        self.asked_for_life = false;
    }

    /// Looks after a client that may have been silent; when to look again.
    fn watch(&mut self, live: &Live) -> Instant {
        let silent = self.heard.elapsed();
        if silent >= SILENCE {
            live.outbox().close(Closing::Silent);
        } else if silent >= PING_AFTER && !self.asked_for_life {
            self.asked_for_life = true;
            self.socket.ping();
        }
        self.heard + if self.asked_for_life { SILENCE } else { PING_AFTER }
    }

    /// Writes what there is room for, and finds out what to do next.
    fn poll_next(&mut self, live: &Live, context: &mut Context<'_>) -> Poll<Next> {
        loop {
            let full = self.socket.queued() >= WRITE_BYTES;
            if !full {
                match live.outbox().poll_take(context) {
                    Poll::Ready(Ok(outgoing)) => return Poll::Ready(Next::Tell(outgoing)),
                    Poll::Ready(Err(closing)) => return Poll::Ready(Next::Close(closing)),
                    Poll::Pending => {}
                }
            } else if let Poll::Ready(closing) = live.outbox().poll_closing(context) {
                return Poll::Ready(Next::Close(closing));
            }
            match self.socket.poll_flush(context) {
                Poll::Ready(Ok(())) if full => {}
                Poll::Ready(Ok(())) => break,
                Poll::Ready(Err(Ended::Stalled)) => return Poll::Ready(Next::Close(Closing::TooSlow)),
                Poll::Ready(Err(_)) => return Poll::Ready(Next::Gone),
                Poll::Pending => break,
            }
        }
        self.socket.poll_read(context).map(|read| match read {
            Ok(Incoming::Text(text)) => Next::Received(text),
            Ok(Incoming::Binary) => Next::Close(Closing::Malformed("messages are texts".to_owned())),
            Ok(Incoming::Alive) => Next::Alive,
            Err(Ended::TooLong) => Next::Close(Closing::TooLong),
            Err(Ended::NotText) => Next::Close(Closing::Malformed("a message is not UTF-8".to_owned())),
            Err(Ended::Gone | Ended::Broken | Ended::Stalled) => Next::Gone,
        })
    }

    /// Says one thing to a client that gets no session, and closes.
    async fn refuse(&mut self, text: Bytes) {
        self.socket.queue(text);
        self.farewell(CloseCode::Normal, "").await;
    }

    async fn close(&mut self, closing: &Closing) {
        if let Closing::Malformed(words) = closing {
            self.socket.queue(control::error(words));
        }
        let (code, reason) = match closing {
            Closing::TooSlow => (CloseCode::Policy, "listener too slow"),
            Closing::TakenOver => (CloseCode::Normal, "the client has connected again"),
            Closing::Malformed(words) => {
                // The message before says it whole; the reason of a close is short.
                let end = words.floor_char_boundary(100);
                (CloseCode::Protocol, words.get(..end).unwrap_or_default())
            }
            Closing::TooLong => (CloseCode::Size, "the message is too long"),
            Closing::Overloaded => (CloseCode::Again, "too much is waiting"),
            Closing::Silent => (CloseCode::Away, "nothing was heard for too long"),
            Closing::Failed => (CloseCode::Error, "internal error"),
            Closing::Stopping => (CloseCode::Away, "the server stops"),
        };
        self.farewell(code, reason).await;
    }

    async fn farewell(&mut self, code: CloseCode, reason: &str) {
        self.socket.farewell(Some((code, reason)), &self.stop).await;
    }
}
