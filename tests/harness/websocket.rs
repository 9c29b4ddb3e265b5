//! A WebSocket client of the Realtime Database that hides nothing.

use crate::client::PATIENCE;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

/// A connection.
#[derive(Debug)]
pub struct Client {
    socket: WebSocketStream<TcpStream>,
    requests: u64,
}

/// The socket after the handshake, and the server's whole answer to it.
pub async fn upgrade(address: SocketAddr, query: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.expect("the server accepts");
    let request = format!(
        "GET /.ws?v=5{query} HTTP/1.1\r\nHost: {address}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("the server reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("a handshake").expect("a handshake");
        head.push(byte);
    }
    (stream, String::from_utf8(head).expect("text"))
}

impl Client {
    /// Connects; `query` is what follows `v=5` in the URL.
    pub async fn connect(address: SocketAddr, query: &str) -> Self {
        let (stream, head) = upgrade(address, query).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        // The example of RFC 6455.
        assert!(head.to_ascii_lowercase().contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        Self { socket: WebSocketStream::from_raw_socket(stream, Role::Client, None).await, requests: 0 }
    }

    /// Connects, and reads the server's greeting; the session's id.
    pub async fn greeted(address: SocketAddr, query: &str) -> (Self, String) {
        let mut client = Self::connect(address, query).await;
        let hello = client.message().await;
        assert_eq!(hello["d"]["t"], "h", "{hello}");
        (client, hello["d"]["d"]["s"].as_str().expect("a session").to_owned())
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: impl Into<String>) {
        self.socket.send(Message::text(frame.into())).await.expect("the server reads");
    }

    /// Sends a request; its number.
    pub async fn request(&mut self, action: &str, body: &Value) -> u64 {
        self.requests += 1;
        let message = json!({"t": "d", "d": {"r": self.requests, "a": action, "b": body}});
        self.send(message.to_string()).await;
        self.requests
    }

    /// Sends a request and waits for its answer; what was pushed before is dropped.
    pub async fn ask(&mut self, action: &str, body: Value) -> Value {
        let number = self.request(action, &body).await;
        loop {
            let mut message = self.message().await;
            if message["d"]["r"] == number {
                return message["d"]["b"].take();
            }
        }
    }

    /// As [`Self::ask`], but `None` if the connection ends before there is an answer.
    pub async fn try_ask(&mut self, action: &str, body: &Value) -> Option<Value> {
        self.requests += 1;
        let message = json!({"t": "d", "d": {"r": self.requests, "a": action, "b": body}});
        self.socket.send(Message::text(message.to_string())).await.ok()?;
        while let Some(message) = self.next().await {
            let Message::Text(text) = message else { continue };
            let mut message: Value = serde_json::from_str(&text).expect("a short message is one frame");
            if message["d"]["r"] == self.requests {
                return Some(message["d"]["b"].take());
            }
        }
        None
    }

    /// The next frame of any kind; `None` once the connection has ended.
    pub async fn next(&mut self) -> Option<Message> {
        let next = tokio::time::timeout(PATIENCE, self.socket.next()).await;
        next.expect("the server says something").and_then(Result::ok)
    }

    /// The next frame that is a text.
    pub async fn frame(&mut self) -> String {
        loop {
            match self.next().await.expect("a frame") {
                Message::Text(text) => return text.as_str().to_owned(),
                Message::Ping(_) | Message::Pong(_) => {}
                other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => panic!("no text: {other:?}"),
            }
        }
    }

    /// The next message, put together from its frames.
    pub async fn message(&mut self) -> Value {
        let mut frame = self.frame().await;
        if let Ok(pieces) = frame.parse::<usize>() {
            frame.clear();
            for _ in 0..pieces {
                frame.push_str(&self.frame().await);
            }
        }
        serde_json::from_str(&frame).unwrap_or_else(|error| panic!("{error} in {frame}"))
    }

    /// Closes the connection properly.
    pub async fn close(&mut self) {
        self.socket.close(None).await.expect("the server reads");
    }

    /// Reads until the connection ends; the code and the reason of its end, if one is given.
    pub async fn closed(&mut self) -> Option<(u16, String)> {
        let mut reason = None;
        while let Some(message) = self.next().await {
            if let Message::Close(Some(close)) = message {
                reason = Some((close.code.into(), close.reason.as_str().to_owned()));
            }
        }
        reason
    }
}
