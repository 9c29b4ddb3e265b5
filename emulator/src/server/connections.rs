//! Connections of one HTTP surface, from accept to the last byte.

use super::client_address;
use super::detach::{Desk, Detach};
use super::patience::PatientTimer;
use super::ports::Bound;
use super::prompt::{self, Left, Prompt};
use super::rewound::Rewound;
use super::stall::{Impatient, Limit};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

/// A request's head has to be complete after this long.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// A request's head may be this large; beyond it the answer is 431.
const HEAD_LIMIT: usize = 64 * 1024;
/// A client that reads nothing of what waits for it is closed after this long, unless what it asks for has a limit of
/// its own.
const STALL: Duration = Duration::from_secs(30);
/// After a stop, requests under way have this long to end.
const GRACE: Duration = Duration::from_millis(450);
/// When the process has no file descriptors left, this long until the next try to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The connection that a request came on, to close it: for streams whose client does not read, which no end of a body
/// can reach.
#[derive(Clone, Debug)]
pub struct HangUp {
    asked: Arc<Notify>,
    stall: Limit,
}

/// What answers can do to the connection that their request came on.
#[derive(Debug)]
struct Line {
    hang_up: HangUp,
    desk: Desk,
}

tokio::task_local! {
    /// That of the connection whose task this is.
    static LINE: Line;
}

impl Detach {
    /// That of the connection whose request is being answered; none where requests come from nowhere, as in tests.
    pub(crate) fn of_this_connection() -> Option<Self> {
        LINE.try_with(|line| Self::at(&line.desk)).ok()
    }
}

impl HangUp {
    /// That of the connection whose request is being answered; none where requests come from nowhere, as in tests.
    pub fn of_this_connection() -> Option<Self> {
        LINE.try_with(|line| line.hang_up.clone()).ok()
    }

    /// Closes the connection once what it is being sent is written, or after the grace period.
    pub fn soon(&self) {
        self.asked.notify_one();
    }

    /// Lets the client read nothing of what waits for it for so long, from now on.
    pub fn set_patience(&self, patience: Duration) {
        self.stall.set(patience);
    }
}

/// What answers the requests of a surface.
pub trait Surface:
    Service<Request<Body>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<S> Surface for S where
    S: Service<Request<Body>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

/// Serves `surface` on all sockets of `bound` until `stop`; returns once every connection has ended, at most a grace
/// period later. Streams have to watch `stop` themselves and end their bodies, so that they are closed properly.
/// As long as a connection has no other requests, `prompt` answers them at once.
pub async fn serve(bound: Bound, surface: impl Surface, prompt: Option<Arc<dyn Prompt>>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let accepting: Vec<_> = bound
        .listeners
        .into_iter()
        .map(|listener| {
            let (surface, prompt) = (surface.clone(), prompt.clone());
            tokio::spawn(accept(listener, surface, prompt, stop.clone(), connections.clone()))
        })
        .collect();
    for task in accepting {
        // A panic in accept has been reported by the panic hook; the other sockets go on.
        let _ = task.await;
    }
    connections.close();
    connections.wait().await;
}

async fn accept(
    listener: TcpListener,
    surface: impl Surface,
    prompt: Option<Arc<dyn Prompt>>,
    stop: CancellationToken,
    connections: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let hang_up = HangUp { asked: Arc::default(), stall: Limit::new(STALL) };
                let desk = Desk::default();
                let line = Line { hang_up: hang_up.clone(), desk: desk.clone() };
                // Without it the small frames of a stream wait for acknowledgements.
                let _ = stream.set_nodelay(true);
                let stream = Impatient::new(stream, hang_up.stall.clone());
                let (surface, prompt, stop) = (surface.clone(), prompt.clone(), stop.clone());
                let connection = connection(stream, peer, surface, prompt, stop, hang_up, desk);
                connections.spawn(LINE.scope(line, client_address::of_peer(peer.ip(), connection)));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// What becomes of a connection.
enum Step {
    /// It has ended.
    Ended(hyper::Result<()>),
    /// It goes to whoever asked for it.
    HandOver,
    /// It is to end.
    WindUp,
}

async fn connection(
    mut stream: Impatient<TcpStream>,
    peer: SocketAddr,
    surface: impl Surface,
    prompt: Option<Arc<dyn Prompt>>,
    stop: CancellationToken,
    hang_up: HangUp,
    desk: Desk,
) {
    let mut read = Bytes::new();
    if let Some(prompt) = prompt {
        match prompt::serve(&mut stream, &*prompt, HEAD_TIMEOUT, &stop).await {
            Left::ToHttp(begun) => read = begun,
            Left::Over => return,
        }
    }
    // Surfaces have no queues, so they are always ready.
    let service =
        hyper::service::service_fn(move |request: Request<Incoming>| surface.clone().call(request.map(Body::new)));
    let standing = stream.standing();
    // A request with more than 100 headers is answered 431: hyper's own limit, for which it needs no memory.
    let mut connection = http1::Builder::new()
        .timer(PatientTimer::default())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(Rewound::new(read, stream)), service)
        .with_upgrades();
    let served = poll_fn(|context| match Pin::new(&mut connection).poll(context) {
        Poll::Ready(result) => Poll::Ready(Step::Ended(result)),
        // Everything that there was to write has been written.
        Poll::Pending if desk.is_asked() && !standing.get() => Poll::Ready(Step::HandOver),
        Poll::Pending => Poll::Pending,
    });
    let step = tokio::select! {
        step = served => step,
        () = stop.cancelled() => Step::WindUp,
        () = hang_up.asked.notified() => Step::WindUp,
    };
    let result = match step {
        Step::Ended(result) => result,
        Step::HandOver => {
            if let Some(parts) = connection.into_parts() {
                let (_, stream) = parts.io.into_inner().into_parts();
                desk.hand_over(stream);
            }
            return;
        }
        Step::WindUp => {
            Pin::new(&mut connection).graceful_shutdown();
            match tokio::time::timeout(GRACE, connection).await {
                Ok(result) => result,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "connection ended early");
    }
}

/// The socket of a connection of ours that speaks another protocol now, and what has been read of that.
pub(super) fn upgraded(upgraded: Upgraded) -> Option<(TcpStream, Bytes)> {
    let parts = upgraded.downcast::<TokioIo<Rewound<Impatient<TcpStream>>>>().ok()?;
    let (again, stream) = parts.io.into_inner().into_parts();
    let read = if again.is_empty() { parts.read_buf } else { [parts.read_buf, again].concat().into() };
    Some((stream.into_inner(), read))
}
