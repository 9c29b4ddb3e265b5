//! A stream of server-sent events, read as it comes.

use crate::client::PATIENCE;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// An open stream; its connection is closed when dropped.
#[derive(Debug)]
pub struct EventStream {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// All of the body so far, as far as it was waited for.
    pub seen: String,
    body: Incoming,
    connection: JoinHandle<()>,
    _sender: SendRequest<Empty<Bytes>>,
}

impl EventStream {
    /// Asks for `path`; returns once the head has come.
    pub async fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server accepts");
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("a connection");
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        let mut request = Request::get(path).header("host", address.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = sender.send_request(request.body(Empty::new()).expect("a request"));
        let answer = tokio::time::timeout(PATIENCE, answer).await.expect("a head").expect("an answer");
        let (head, body) = answer.into_parts();
        Self { status: head.status, headers: head.headers, seen: String::new(), body, connection, _sender: sender }
    }

    /// Waits until `text` has come; all that has come by then.
    pub async fn until(&mut self, text: &str) -> &str {
        let mut from = 0;
        while !self.seen.as_bytes()[from..].windows(text.len()).any(|window| window == text.as_bytes()) {
            from = self.seen.len().saturating_sub(text.len());
            assert!(self.more().await, "it ended before {text:?}: {:?}", self.seen);
        }
        &self.seen
    }

    /// Waits for its proper end; all that came.
    pub async fn end(mut self) -> String {
        while self.more().await {}
        std::mem::take(&mut self.seen)
    }

    /// Status, headers and what has come, as snapshots keep them.
    pub fn show(&self) -> String {
        let body = Bytes::from(self.seen.clone());
        crate::client::Answer { status: self.status, headers: self.headers.clone(), body }.show()
    }

    async fn more(&mut self) -> bool {
        let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await;
        let Some(frame) = frame.unwrap_or_else(|_| panic!("nothing more comes after {:?}", self.seen)) else {
            return false;
        };
        let data = frame.expect("a proper end").into_data().expect("data");
        self.seen.push_str(std::str::from_utf8(&data).expect("text"));
        true
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
