//! How an HTTP request becomes a WebSocket (RFC 6455, section 4).

use super::WebSocket;
use crate::server::connections;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use hyper::upgrade::OnUpgrade;
use std::time::Duration;

/// The versions of the protocol that are spoken: the RFC's, and its last draft's, which is the same on the wire.
const VERSIONS: [&str; 2] = ["13", "8"];
/// What is added to a client's key before it is hashed.
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A connection that becomes a WebSocket once its request is answered.
#[derive(Debug)]
pub(crate) struct Handshake {
    upgrading: OnUpgrade,
    accept: HeaderValue,
}

impl Handshake {
    /// That of a request that asks for it properly.
    pub(crate) fn of(request: &mut Request<Body>) -> Option<Self> {
        let accept = accepts(request)?;
        let upgrading = request.extensions_mut().remove()?;
        Some(Self { upgrading, accept })
    }

    /// The answer, with which the connection is a WebSocket.
    pub(crate) fn response(&self) -> Response {
        let headers = [
            (CONNECTION, HeaderValue::from_static("upgrade")),
            (UPGRADE, HeaderValue::from_static("websocket")),
            (SEC_WEBSOCKET_ACCEPT, self.accept.clone()),
        ];
        (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
    }

    /// The WebSocket, once the answer is sent; of messages with so many bytes at most, whose client may
    /// read nothing of what waits for it for so long. `None` if the client has gone.
    pub(crate) async fn complete(self, longest_message: usize, patience: Duration) -> Option<WebSocket> {
        let (stream, read) = connections::upgraded(self.upgrading.await.ok()?)?;
        Some(WebSocket::new(stream, &read, longest_message, patience))
    }
}

/// What a client is answered that asks for a WebSocket as the RFC has it.
fn accepts(request: &Request<Body>) -> Option<HeaderValue> {
    let headers = request.headers();
    let asks = request.method() == Method::GET
        && names(headers, CONNECTION, "upgrade")
        && names(headers, UPGRADE, "websocket")
        && headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| VERSIONS.iter().any(|known| version == known));
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
