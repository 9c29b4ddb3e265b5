//! Connections of one HTTP surface, from accept to the last byte.

use super::client_address;
use super::patience::PatientTimer;
use super::ports::Bound;
use super::stall::Impatient;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
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
/// A client that reads nothing of what waits for it is closed after this long.
const STALL: Duration = Duration::from_secs(30);
/// After a stop, requests under way have this long to end.
const GRACE: Duration = Duration::from_millis(450);
/// When the process has no file descriptors left, this long until the next try to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Closes the connection that a request came on: for streams whose client does not read, which no end of a body can
/// reach.
#[derive(Clone, Debug, Default)]
pub struct HangUp(Arc<Notify>);

tokio::task_local! {
    /// That of the connection whose task this is.
    static HANG_UP: HangUp;
}

impl HangUp {
    /// That of the connection whose request is being answered; none where requests come from nowhere, as in tests.
    pub fn of_this_connection() -> Option<Self> {
        HANG_UP.try_with(Clone::clone).ok()
    }

    /// Closes the connection once what it is being sent is written, or after the grace period.
    pub fn soon(&self) {
        self.0.notify_one();
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
pub async fn serve(bound: Bound, surface: impl Surface, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let accepting: Vec<_> = bound
        .listeners
        .into_iter()
        .map(|listener| tokio::spawn(accept(listener, surface.clone(), stop.clone(), connections.clone())))
        .collect();
    for task in accepting {
        // A panic in accept has been reported by the panic hook; the other sockets go on.
        let _ = task.await;
    }
    connections.close();
    connections.wait().await;
}

async fn accept(listener: TcpListener, surface: impl Surface, stop: CancellationToken, connections: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let hang_up = HangUp::default();
                let connection = connection(stream, peer, surface.clone(), stop.clone(), hang_up.clone());
                connections.spawn(HANG_UP.scope(hang_up, client_address::of_peer(peer.ip(), connection)));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    surface: impl Surface,
    stop: CancellationToken,
    hang_up: HangUp,
) {
    // Without it the small frames of a stream wait for acknowledgements.
    let _ = stream.set_nodelay(true);
    // Surfaces have no queues, so they are always ready.
    let service =
        hyper::service::service_fn(move |request: Request<Incoming>| surface.clone().call(request.map(Body::new)));
    // A request with more than 100 headers is answered 431: hyper's own limit, for which it needs no memory.
    let connection = http1::Builder::new()
        .timer(PatientTimer::default())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(Impatient::new(stream, STALL)), service)
        .with_upgrades();
    tokio::pin!(connection);
    let early = tokio::select! {
        result = connection.as_mut() => Some(result),
        () = stop.cancelled() => None,
        () = hang_up.0.notified() => None,
    };
    let result = match early {
        Some(result) => result,
        None => {
            connection.as_mut().graceful_shutdown();
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
    let parts = upgraded.downcast::<TokioIo<Impatient<TcpStream>>>().ok()?;
    Some((parts.io.into_inner().into_inner(), parts.read_buf))
}
