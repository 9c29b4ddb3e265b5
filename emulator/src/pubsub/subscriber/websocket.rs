//! WebSockets: a frame for each message, and what the client says published if the place allows it.
//!
//! One task a connection. Its place among the subscribers is taken before the handshake is answered, so that a client
//! that is connected misses nothing. Must not know: how frames are made.

use super::{Outbox, Place, Subscription};
use crate::pubsub::PubsubService;
use crate::pubsub::errors::Refusal;
use crate::pubsub::headers;
use crate::server::websocket::{CloseCode, Ended, Handshake, Incoming, WebSocket};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hearth_pubsub::message::Publication;
use hearth_pubsub::path::ChannelId;
use http::header::{CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderValue, Method};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// So many bytes are written at a time.
const WRITE_BYTES: usize = 16 * 1024;

pub(super) fn answer(service: &Arc<PubsubService>, place: &Place<'_>, mut request: Request) -> Response {
    let mut response = upgrade(service, place, &mut request).unwrap_or_else(Refusal::into_response);
    headers::forbid_caching(response.headers_mut());
    response
}

fn upgrade(service: &Arc<PubsubService>, place: &Place<'_>, request: &mut Request) -> Result<Response, Refusal> {
    if request.method() != Method::GET {
        return Err(Refusal::Method(super::METHODS));
    }
    let mandatory = [CONNECTION, UPGRADE, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION];
    if !mandatory.iter().all(|name| request.headers().contains_key(name)) {
        return Err(Refusal::WebSocketHeaders);
    }
    if !speaks(request.headers()) {
        return Err(Refusal::WebSocketVersion);
    }
    let handshake = Handshake::of(request).ok_or(Refusal::WebSocketHeaders)?;
    let mut response = handshake.response();
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("WebSocket"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    let subscribed = place.request().and_then(|request| service.subscribe(&request, None).map_err(Refusal::from));
    let settings = place.settings;
    let may_publish = settings.websocket_allow_publish && place.pass.as_ref().is_ok_and(|pass| pass.publishes);
    let stop = service.stop().clone();
    let says = may_publish.then(|| Says {
        service: Arc::clone(service),
        ids: place.path.ids(),
        store: settings.store_messages,
    });
    let (longest_text, patience) = (settings.body_limit, Duration::from_millis(settings.unread_time.get()));
    service.streams().spawn(async move {
        // Whoever has gone by now needs nothing.
        let Some(socket) = handshake.complete(longest_text, patience).await else { return };
        let mut connection = Connection { socket, stop };
        match subscribed {
            Ok(subscription) => connection.serve(subscription, says).await,
            Err(refusal) => {
                let reason = refusal.as_close_reason();
                connection.farewell(Some((CloseCode::Policy, &reason))).await;
            }
        }
    });
    Ok(response)
}

/// Whether the client speaks a version of the protocol that is spoken here: they are the same on the wire.
fn speaks(headers: &HeaderMap) -> bool {
    headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "8" || version == "13")
}

/// What is done with a client's texts.
struct Says {
    service: Arc<PubsubService>,
    ids: Vec<ChannelId>,
    store: bool,
}

impl Says {
    /// Publishes a text. One that is refused, as an empty one is, is dropped: there is no answer on this way.
    async fn publish(&self, text: &[u8]) {
        let publication = Publication::new(Bytes::copy_from_slice(text));
        if let Err(error) = self.service.publish_to(&self.ids, &publication, self.store).await {
            tracing::debug!(%error, "a text of a WebSocket is not published");
        }
    }
}

/// One client's connection.
struct Connection {
    socket: WebSocket,
    stop: CancellationToken,
}

/// What a connection has to do next.
enum Next {
    /// The client says something.
    Said(Bytes),
    /// Something that asks for nothing.
    Alive,
    /// The subscription has ended; with the reason if it was cut off.
    Over(Option<&'static str>),
    /// The client does something that is not served.
    Close(CloseCode, &'static str),
    /// The client is gone, or reads nothing.
    Gone,
}

impl Connection {
    async fn serve(&mut self, subscription: Subscription<Outbox>, says: Option<Says>) {
        loop {
            match poll_fn(|context| self.poll_next(&subscription, context)).await {
                Next::Said(text) => {
                    if let Some(says) = &says {
                        says.publish(&text).await;
                    }
                }
                Next::Alive => {}
                Next::Over(cut) => {
                    // It leaves the counts before it has agreed.
                    drop(subscription);
                    return self.farewell(cut.map(|reason| (CloseCode::Policy, reason))).await;
                }
                Next::Close(code, reason) => {
                    drop(subscription);
                    return self.farewell(Some((code, reason))).await;
                }
                Next::Gone => return,
            }
        }
    }

    /// Writes what there is room for, and finds out what to do next.
    fn poll_next(&mut self, outbox: &Outbox, context: &mut Context<'_>) -> Poll<Next> {
        loop {
            let full = self.socket.queued() >= WRITE_BYTES;
            if full {
                if let Poll::Ready(Some(reason)) = outbox.poll_ended(context) {
                    return Poll::Ready(Next::Over(Some(reason)));
                }
            } else {
                match outbox.poll_take(context) {
                    Poll::Ready(Some(frames)) => {
                        self.socket.queue_frames(frames);
                        continue;
                    }
                    Poll::Ready(None) => {
                        let Poll::Ready(cut) = outbox.poll_ended(context) else { return Poll::Ready(Next::Over(None)) };
                        return Poll::Ready(Next::Over(cut));
                    }
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
        self.socket.poll_read(context).map(|read| match read {
            Ok(Incoming::Text(text)) => Next::Said(Bytes::from(text)),
            Ok(Incoming::Binary) => Next::Close(CloseCode::Unsupported, "messages are texts"),
            Ok(Incoming::Alive) => Next::Alive,
            Err(Ended::TooLong) => Next::Close(CloseCode::Size, "the message is too long"),
            Err(Ended::NotText) => Next::Close(CloseCode::Invalid, "a text is not UTF-8"),
            Err(Ended::Broken) => Next::Close(CloseCode::Protocol, "this is no frame of a client's"),
            Err(Ended::Gone | Ended::Stalled) => Next::Gone,
        })
    }

    async fn farewell(&mut self, reason: Option<(CloseCode, &str)>) {
        self.socket.farewell(reason, &self.stop).await;
    }
}
