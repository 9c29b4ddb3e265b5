//! A client's WebSocket.

use futures_util::{SinkExt, StreamExt};
use hearth_tests::client::PATIENCE;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

/// A connection.
pub(super) struct Socket(WebSocketStream<TcpStream>);

/// The stream after the handshake, and the head of the answer.
pub(super) async fn handshake(address: SocketAddr, token: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /ws?token={token} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tokio::time::timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    (stream, String::from_utf8(head).unwrap())
}

impl Socket {
    /// Opens one, or the head of the refusal.
    pub(super) async fn open(address: SocketAddr, token: &str) -> Result<Self, String> {
        let (stream, head) = handshake(address, token).await;
        if !head.starts_with("HTTP/1.1 101 ") {
            return Err(head);
        }
        Ok(Self(WebSocketStream::from_raw_socket(stream, Role::Client, None).await))
    }

    /// Sends a text.
    pub(super) async fn send(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.unwrap();
    }

    /// Sends a text; whether there is still somebody.
    pub(super) async fn try_send(&mut self, text: &str) -> bool {
        self.0.send(Message::text(text)).await.is_ok()
    }

    /// Sends bytes.
    pub(super) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.0.send(Message::binary(bytes.to_vec())).await.unwrap();
    }

    /// Sends a message.
    pub(super) async fn say(&mut self, to: &str, text: &str) {
        self.send(json!({"username_to": to, "message": text}).to_string()).await;
    }

    /// The next text as it is; none once the connection has ended.
    pub(super) async fn try_text(&mut self) -> Option<String> {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap()? {
                Ok(Message::Text(text)) => return Some(text.as_str().to_owned()),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Binary(_) | Message::Close(_)) | Err(_) => return None,
            }
        }
    }

    /// The next text as it is.
    pub(super) async fn text(&mut self) -> String {
        self.try_text().await.unwrap()
    }

    /// The next text as JSON.
    pub(super) async fn json(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// The next text, which is a message: its sender and what it says.
    pub(super) async fn heard(&mut self) -> (String, String) {
        let message = self.json().await;
        let field = |name: &str| message[name].as_str().unwrap_or_else(|| panic!("{message}")).to_owned();
        (field("username_from"), field("message"))
    }

    /// The next text, which is an error: its sentence.
    pub(super) async fn error(&mut self) -> String {
        let error = self.json().await;
        assert_eq!(error["result"], Value::Null, "{error}");
        error["message"][0]["message"].as_str().unwrap().to_owned()
    }

    /// Closes properly, and waits for the server to agree.
    pub(super) async fn close(mut self) {
        self.0.close(None).await.unwrap();
        while let Some(Ok(_)) = tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap() {}
    }

    /// Reads to the end; code and reason.
    pub(super) async fn closed(&mut self) -> Option<(u16, String)> {
        let mut end = None;
        while let Some(Ok(message)) = tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap() {
            if let Message::Close(Some(close)) = message {
                end = Some((close.code.into(), close.reason.as_str().to_owned()));
            }
        }
        end
    }
}
