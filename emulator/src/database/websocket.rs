//! `/.ws`: sessions over WebSocket.
//!
//! One task a connection, which reads and writes in turn and holds small buffers only. Must not know: what the frames
//! say.

use super::databases::namespace_of_host;
use super::outbox::Closing;
use super::sessions::{Attachment, Live, Sessions};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{Sink, Stream};
use hearth_database::wire::control::{self, Heard};
use hearth_database::wire::{MOST_MESSAGE_BYTES, Outgoing};
use http::header::{CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

/// What RFC 6455 adds to a key before it is hashed.
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// A client that nothing is heard of for so long is taken for dead.
const SILENCE: Duration = Duration::from_secs(60);
/// After so long it is asked for a sign of life. Clients speak up after 45 s, but not while they are spoken to.
const PING_AFTER: Duration = Duration::from_secs(50);
/// So long a client may take to read what was written before a close, and to agree to it.
const FAREWELL: Duration = Duration::from_secs(10);
/// The same when the server stops, within its budget.
const LAST_FAREWELL: Duration = Duration::from_millis(250);
/// What clients send to be heard of.
const KEEP_ALIVE: &str = "0";
/// What is written at once, and what is read at once. An idle connection keeps the latter.
const WRITE_BYTES: usize = 16 * 1024;
const READ_BYTES: usize = 1024;

/// The WebSocket end of `sessions`.
pub(super) fn router(sessions: Arc<Sessions>) -> Router {
    Router::new().route("/.ws", any(upgrade)).with_state(sessions)
}

async fn upgrade(State(sessions): State<Arc<Sessions>>, mut request: Request<Body>) -> Response {
    let Some(accept) = accepts(&request) else {
        let headers = [(UPGRADE, "websocket"), (SEC_WEBSOCKET_VERSION, "13")];
        let text = "{\"error\":\"This is the WebSocket endpoint of the Realtime Database.\"}";
        return (StatusCode::UPGRADE_REQUIRED, headers, text).into_response();
    };
    let Some(upgrading) = request.extensions_mut().remove::<OnUpgrade>() else {
        return StatusCode::UPGRADE_REQUIRED.into_response();
    };
    let opening = Opening::of(&request);
    let serving = Arc::clone(&sessions);
    sessions.tasks.spawn(async move {
        // Whoever has gone by now needs nothing.
        if let Ok(upgraded) = upgrading.await {
            serve(serving, upgraded, opening).await;
        }
    });
    let headers = [(CONNECTION, HeaderValue::from_static("upgrade")), (UPGRADE, HeaderValue::from_static("websocket"))];
    (StatusCode::SWITCHING_PROTOCOLS, headers, [(SEC_WEBSOCKET_ACCEPT, accept)]).into_response()
}

/// What a client is answered that asks for a WebSocket as RFC 6455 has it.
fn accepts(request: &Request<Body>) -> Option<HeaderValue> {
    let headers = request.headers();
    let asks = request.method() == Method::GET
        && names(headers, CONNECTION, "upgrade")
        && names(headers, UPGRADE, "websocket")
        && headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|_| asks)?;
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key.as_bytes());
    hash.update(KEY_SUFFIX);
    HeaderValue::try_from(STANDARD.encode(hash.finish())).ok()
}

fn names(headers: &HeaderMap, header: HeaderName, word: &str) -> bool {
    let lists = headers.get_all(header);
    let mut words = lists.iter().filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(','));
    words.any(|found| found.trim().eq_ignore_ascii_case(word))
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

async fn serve(sessions: Arc<Sessions>, upgraded: Upgraded, opening: Opening) {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(WRITE_BYTES)
        .max_message_size(Some(MOST_MESSAGE_BYTES + 1))
        .max_frame_size(Some(MOST_MESSAGE_BYTES + 1));
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
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

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// One client's connection.
struct Connection {
    socket: Socket,
    stop: CancellationToken,
    /// Frames that have their words, and wait for room.
    ready: VecDeque<Bytes>,
    /// So many bytes have been handed to the socket since it was last flushed.
    buffered: usize,
    /// Something was handed to the socket and not flushed.
    unflushed: bool,
    heard: Instant,
    asked_for_life: bool,
}

/// What a connection has to do next.
enum Next {
    Tell(Outgoing),
    Received(Utf8Bytes),
    /// Something that is no text, as an answer to a ping.
    Alive,
    Close(Closing),
    /// The client is gone.
    Gone,
}

impl Connection {
    fn new(socket: Socket, stop: CancellationToken) -> Self {
        let heard = Instant::now();
        Self { socket, stop, ready: VecDeque::new(), buffered: 0, unflushed: false, heard, asked_for_life: false }
    }

    /// Waits until the client's session is handed over by its other transport; `None` if the client has given up.
    ///
    /// The client is told that it may come; it may ping, and says when it has come. What it sends after that waits in the
    /// socket until the session is here, which is when all that it had sent the other way has been dealt with.
    async fn follow(&mut self, mut handover: oneshot::Receiver<Attachment>) -> Option<Attachment> {
        self.say(control::ready()).await?;
        let patience = tokio::time::sleep(SILENCE);
        tokio::pin!(patience);
        let mut attached = None;
        loop {
            let text = tokio::select! {
                message = std::future::poll_fn(|context| Pin::new(&mut self.socket).poll_next(context)) => match message? {
                    Ok(Message::Text(text)) => text,
                    Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => continue,
                    Ok(Message::Binary(_) | Message::Close(_)) | Err(_) => return None,
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

    /// Sends one short text; `None` if the client has gone.
    async fn say(&mut self, text: Bytes) -> Option<()> {
        self.send(text).ok()?;
        std::future::poll_fn(|context| Pin::new(&mut self.socket).poll_flush(context)).await.ok()?;
        (self.buffered, self.unflushed) = (0, false);
        Some(())
    }

    /// Serves a session until it has to be closed; `None` if the client has gone.
    async fn run(&mut self, attached: &Attachment) -> Option<Closing> {
        let live = &attached.0;
        let silence = tokio::time::sleep(PING_AFTER);
        tokio::pin!(silence);
        loop {
            let next = tokio::select! {
                biased;
                next = std::future::poll_fn(|context| self.poll_next(live, context)) => next,
                () = silence.as_mut() => {
                    let deadline = self.watch(live);
                    silence.as_mut().reset(deadline);
                    continue;
                }
            };
            match next {
                Next::Tell(outgoing) => live.frames(outgoing, &mut self.ready).await,
                Next::Received(text) => {
                    self.hear();
                    live.receive(text).await;
                }
                Next::Alive => self.hear(),
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
            // A failing connection is seen by who reads or flushes next.
            let _ = Pin::new(&mut self.socket).start_send(Message::Ping(Bytes::new()));
            self.unflushed = true;
        }
        self.heard + if self.asked_for_life { SILENCE } else { PING_AFTER }
    }

    /// Writes what there is room for, and finds out what to do next.
    fn poll_next(&mut self, live: &Live, context: &mut Context<'_>) -> Poll<Next> {
        loop {
            while self.buffered < WRITE_BYTES
                && let Some(frame) = self.ready.pop_front()
            {
                if self.send(frame).is_err() {
                    return Poll::Ready(Next::Gone);
                }
            }
            if self.buffered < WRITE_BYTES {
                match live.outbox().poll_take(context) {
                    Poll::Ready(Ok(outgoing)) => return Poll::Ready(Next::Tell(outgoing)),
                    Poll::Ready(Err(closing)) => return Poll::Ready(Next::Close(closing)),
                    Poll::Pending => {}
                }
            } else if let Poll::Ready(closing) = live.outbox().poll_closing(context) {
                return Poll::Ready(Next::Close(closing));
            }
            if !self.unflushed {
                break;
            }
            match Pin::new(&mut self.socket).poll_flush(context) {
                Poll::Ready(Ok(())) => {
                    let was_full = self.buffered >= WRITE_BYTES;
                    (self.buffered, self.unflushed) = (0, false);
                    if !was_full {
                        break;
                    }
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Next::Gone),
                Poll::Pending => break,
            }
        }
        if self.ready.is_empty() && self.ready.capacity() > 0 {
            self.ready = VecDeque::new();
        }
        match Pin::new(&mut self.socket).poll_next(context) {
            Poll::Ready(Some(Ok(Message::Text(text)))) => Poll::Ready(Next::Received(text)),
            Poll::Ready(Some(Ok(Message::Binary(_)))) => {
                Poll::Ready(Next::Close(Closing::Malformed("messages are texts".to_owned())))
            }
            Poll::Ready(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)))) => {
                // The library has an answer ready.
                self.unflushed = true;
                Poll::Ready(Next::Alive)
            }
            Poll::Ready(Some(Ok(Message::Close(_)))) => {
                // It answers by itself.
                let _ = Pin::new(&mut self.socket).poll_flush(context);
                Poll::Ready(Next::Gone)
            }
            Poll::Ready(Some(Err(Error::Capacity(_)))) => Poll::Ready(Next::Close(Closing::TooLong)),
            Poll::Ready(Some(Err(Error::Utf8(_)))) => {
                Poll::Ready(Next::Close(Closing::Malformed("a message is not UTF-8".to_owned())))
            }
            Poll::Ready(Some(Err(_)) | None) => Poll::Ready(Next::Gone),
            Poll::Pending => Poll::Pending,
        }
    }

    fn send(&mut self, frame: Bytes) -> Result<(), Error> {
        self.buffered += frame.len();
        self.unflushed = true;
        // Frames are JSON, which is UTF-8; the check is cheap beside the system call.
        let text = Utf8Bytes::try_from(frame).map_err(|error| Error::Utf8(error.to_string()))?;
        Pin::new(&mut self.socket).start_send(Message::Text(text))
    }

    /// Says one thing to a client that gets no session, and closes.
    async fn refuse(&mut self, text: Bytes) {
        if self.send(text).is_ok() {
            self.farewell(CloseCode::Normal, "").await;
        }
    }

    async fn close(&mut self, closing: &Closing) {
        if let Closing::Malformed(words) = closing
            && self.send(control::error(words)).is_err()
        {
            return;
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

    /// Closes, and waits a moment for the client to agree.
    async fn farewell(&mut self, code: CloseCode, reason: &str) {
        let frame = CloseFrame { code, reason: Utf8Bytes::from(reason) };
        let goodbye = async {
            let socket = &mut self.socket;
            if socket.close(Some(frame)).await.is_ok() {
                while std::future::poll_fn(|context| Pin::new(&mut *socket).poll_next(context))
                    .await
                    .is_some_and(|message| message.is_ok())
                {}
            }
        };
        let last = async {
            self.stop.cancelled().await;
            tokio::time::sleep(LAST_FAREWELL).await;
        };
        // Whoever does not answer is left.
        tokio::select! {
            () = goodbye => {}
            () = last => {}
            () = tokio::time::sleep(FAREWELL) => {}
        }
    }
}
