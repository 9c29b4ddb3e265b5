//! A service's WebSockets: a feed goes out, texts come in, one after the other.

use crate::server::websocket::{CloseCode, Ended, Handshake, Incoming, WebSocket};
use axum::response::Response;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hearth_functions::feed::{Ending, Feed};
use hearth_functions::service::{Session, Socket};
use std::future::{pending, poll_fn};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// So many bytes are written at a time.
const WRITE_BYTES: usize = 16 * 1024;
/// A client that reads nothing of what waits for it is left after this long.
const STALL: Duration = Duration::from_secs(30);

/// All WebSockets of a port.
#[derive(Clone, Debug)]
pub(super) struct Sockets {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Sockets {
    pub(super) fn new(tasks: TaskTracker, stop: CancellationToken) -> Self {
        Self { tasks, stop }
    }

    /// The answer with which the connection becomes a WebSocket; it is served from then on.
    pub(super) fn open(&self, handshake: Handshake, socket: Socket) -> Response {
        let Socket { headers, longest_message, longest_frame, feed, session } = socket;
        let mut response = handshake.response();
        response.headers_mut().extend(headers);
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            if let Some(mut socket) = handshake.complete(longest_message, STALL).await {
                socket.limit_frames(longest_frame);
                let work = Some(Arc::clone(&session).opened());
                let mut connection = Connection { socket, feed, session: Arc::clone(&session), work, stop };
                // A panic has been reported by the panic hook; the session is closed all the same.
                let _ = AssertUnwindSafe(connection.serve()).catch_unwind().await;
            }
            session.closed().await;
        });
        response
    }
}

/// One client's connection.
struct Connection {
    socket: WebSocket,
    feed: Feed,
    session: Arc<dyn Session>,
    /// What the session is doing about the last text; nothing is read before it is done.
    work: Option<BoxFuture<'static, ()>>,
    stop: CancellationToken,
}

/// What a connection has to do next.
enum Next {
    /// The client says something.
    Said(String),
    /// Something that asks for nothing.
    Alive,
    /// It says nothing for too long.
    Silent,
    /// The connection is to be closed.
    Close(CloseCode, String),
    /// The client is gone.
    Gone,
}

impl Connection {
    async fn serve(&mut self) {
        let stop = self.stop.clone();
        let longest_silence = self.session.longest_silence();
        let (mut heard, mut asked) = (Instant::now(), false);
        loop {
            let silence = async {
                match longest_silence {
                    Some(longest) => tokio::time::sleep_until(heard + longest).await,
                    None => pending().await,
                }
            };
            let next = tokio::select! {
                biased;
                next = poll_fn(|context| self.poll_next(context)) => next,
                () = silence => Next::Silent,
                () = stop.cancelled() => Next::Close(CloseCode::Away, "the server stops".to_owned()),
            };
            match next {
                Next::Said(text) => {
                    (heard, asked) = (Instant::now(), false);
                    self.work = Some(Arc::clone(&self.session).message(text));
                }
                Next::Alive => {
                    (heard, asked) = (Instant::now(), false);
                    self.session.alive();
                }
                // It is us who do not listen.
                Next::Silent if self.work.is_some() => heard = Instant::now(),
                Next::Silent if asked => break,
                Next::Silent => {
                    (heard, asked) = (Instant::now(), true);
                    self.socket.ping();
                }
                Next::Close(code, reason) => {
                    self.socket.farewell(Some((code, &reason)), &self.stop).await;
                    break;
                }
                Next::Gone => break,
            }
        }
        // What the client has said before it went is done.
        if let Some(work) = self.work.take() {
            work.await;
        }
    }

    /// Writes what there is room for, and finds out what to do next.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        loop {
            if let Some(work) = &mut self.work
                && work.as_mut().poll(context).is_ready()
            {
                self.work = None;
            }
            let full = self.socket.queued() >= WRITE_BYTES;
            if full {
                if self.feed.poll_cut(context).is_ready() {
                    return Poll::Ready(self.ended());
                }
            } else {
                match self.feed.poll_take(context) {
                    Poll::Ready(Some(text)) => {
                        self.socket.queue(text);
                        continue;
                    }
                    Poll::Ready(None) => return Poll::Ready(self.ended()),
                    Poll::Pending => {}
                }
            }
            match self.socket.poll_flush(context) {
                Poll::Ready(Ok(())) if full => {}
                Poll::Ready(Ok(())) => break,
                Poll::Ready(Err(_)) => return Poll::Ready(Next::Gone),
                Poll::Pending => break,
            }
        }
        if self.work.is_some() {
            return Poll::Pending;
        }
        self.socket.poll_read(context).map(|read| match read {
            Ok(Incoming::Text(text)) => Next::Said(text.as_str().to_owned()),
            Ok(Incoming::Binary) => Next::Close(CloseCode::Unsupported, "messages are texts".to_owned()),
            Ok(Incoming::Alive) => Next::Alive,
            Err(Ended::TooLong) => Next::Close(CloseCode::Size, "the message is too long".to_owned()),
            Err(Ended::NotText) => Next::Close(CloseCode::Invalid, "a text is not UTF-8".to_owned()),
            Err(Ended::Broken) => Next::Close(CloseCode::Protocol, "this is no frame of a client's".to_owned()),
            Err(Ended::Gone | Ended::Stalled) => Next::Gone,
        })
    }

    /// What the feed's end means.
    fn ended(&self) -> Next {
        match self.feed.ending() {
            Some(Ending::Closed { code, reason }) => Next::Close(CloseCode::from(code), reason),
            Some(Ending::TooSlow) => Next::Close(CloseCode::Policy, "the client is too slow".to_owned()),
            None => Next::Gone,
        }
    }
}
