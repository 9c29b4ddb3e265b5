//! A user of chat: an account of his own, a WebSocket, hand-made frames over a plain stream.

use crate::bench::frames::{Incoming, append_masked, find};
use crate::bench::load::{Connection, request};
use crate::process::Failure;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The key of RFC 6455's example.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What goes wrong in a task of its own.
pub(super) type Broken = String;

/// Somebody with an account.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) name: String,
    id_token: String,
}

impl User {
    /// Signs up.
    pub(super) async fn new(auth: &mut Connection) -> Result<Self, Failure> {
        let path = "/identitytoolkit.googleapis.com/v1/accounts:signUp?key=k";
        let answer = auth.ask(&request("POST", path, &[("Content-Type", "application/json")], "{}")).await?;
        let account: Value = serde_json::from_slice(&answer.body)?;
        let text = |name: &str| account.get(name).and_then(Value::as_str).map(str::to_owned).ok_or("no account");
        Ok(Self { name: text("localId")?, id_token: text("idToken")? })
    }

    /// A token for a WebSocket.
    pub(super) async fn token(&self, chat: &mut Connection) -> Result<String, Failure> {
        let bearer = format!("Bearer {}", self.id_token);
        let answer = chat.ask(&request("GET", "/ws_token", &[("Authorization", &bearer)], "")).await?;
        let token: Value = serde_json::from_slice(&answer.body)?;
        let token = token.pointer("/result/token").and_then(Value::as_str);
        Ok(token.ok_or_else(|| format!("no token: {}", answer.status))?.to_owned())
    }
}

/// His connection.
pub(super) struct Member {
    pub(super) name: String,
    stream: TcpStream,
    incoming: Incoming,
    out: Vec<u8>,
}

impl Member {
    /// Connects with a token.
    pub(super) async fn open(address: SocketAddr, name: String, token: &str) -> Result<Self, Broken> {
        let stream = TcpStream::connect(address).await.map_err(|error| format!("cannot connect: {error}"))?;
        stream.set_nodelay(true).map_err(words)?;
        let mut member = Self { name, stream, incoming: Incoming::default(), out: Vec::new() };
        let head = format!(
            "GET /ws?token={token} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        );
        member.stream.write_all(head.as_bytes()).await.map_err(words)?;
        loop {
            let whole = |read: &[u8]| {
                let end = find(read, b"\r\n\r\n")? + 4;
                Some((read.get(9..12) == Some(b"101"), end))
            };
            match member.incoming.take(whole) {
                Some(true) => return Ok(member),
                Some(false) => return Err("the token is refused".to_owned()),
                None => member.read().await?,
            }
        }
    }

    /// Sends a message.
    pub(super) async fn say(&mut self, to: &str, text: &str) -> Result<(), Broken> {
        append_masked(&mut self.out, format!(r#"{{"username_to":"{to}","message":"{text}"}}"#).as_bytes());
        self.stream.write_all(&self.out).await.map_err(words)?;
        self.out.clear();
        Ok(())
    }

    /// Reads on, and hands each text to `each`. Nothing is lost when it is given up.
    pub(super) async fn receive(&mut self, mut each: impl FnMut(&[u8])) -> Result<(), Broken> {
        self.read().await?;
        while let Some(text) = self.incoming.text(&mut self.out) {
            each(text);
        }
        self.incoming.rest();
        Ok(())
    }

    async fn read(&mut self) -> Result<(), Broken> {
        match self.stream.read_buf(self.incoming.room()).await.map_err(words)? {
            0 => Err("the server closed the connection".to_owned()),
            _ => Ok(()),
        }
    }
}

fn words(error: std::io::Error) -> Broken {
    error.to_string()
}
