//! A client of the Realtime Database's WebSocket protocol: hand-made frames over a plain stream.

use super::Target;
use crate::bench::frames::{Incoming, append_masked, find, number};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The key of RFC 6455's example.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What goes wrong in a task of its own.
pub(super) type Broken = String;

/// A connection that has been welcomed.
pub(super) struct Socket {
    stream: TcpStream,
    incoming: Incoming,
    out: Vec<u8>,
    requests: u64,
}

impl Socket {
    /// Connects and waits for the hello.
    pub(super) async fn open(target: &Target) -> Result<Self, Broken> {
        let stream = TcpStream::connect(target.address).await.map_err(|error| format!("cannot connect: {error}"))?;
        stream.set_nodelay(true).map_err(words)?;
        let mut socket = Self { stream, incoming: Incoming::default(), out: Vec::new(), requests: 0 };
        let head = format!(
            "GET /.ws?v=5&ns={} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n",
            target.namespace, target.address
        );
        socket.stream.write_all(head.as_bytes()).await.map_err(words)?;
        let status = loop {
            let whole = |read: &[u8]| {
                let end = find(read, b"\r\n\r\n")? + 4;
                Some((read.get(9..12).map(<[u8]>::to_vec), end))
            };
            if let Some(status) = socket.incoming.take(whole) {
                break status;
            }
            socket.read().await?;
        };
        if status.as_deref() != Some(b"101") {
            return Err("the server does not speak WebSocket".to_owned());
        }
        socket.wait(|text| (find(text, br#""t":"h""#).is_some()).then_some(Ok(()))).await?;
        Ok(socket)
    }

    /// Leaves a request to be sent, and says its number.
    pub(super) fn ask(&mut self, action: &str, body: &str) -> u64 {
        self.requests += 1;
        let text = format!(r#"{{"t":"d","d":{{"r":{},"a":"{action}","b":{body}}}}}"#, self.requests);
        append_masked(&mut self.out, text.as_bytes());
        self.requests
    }

    /// Sends what was left.
    pub(super) async fn send(&mut self) -> Result<(), Broken> {
        self.stream.write_all(&self.out).await.map_err(words)?;
        self.out.clear();
        Ok(())
    }

    /// Sends a request and waits for its answer, which has to be `ok`: the length of the answer.
    pub(super) async fn call(&mut self, action: &str, body: &str) -> Result<usize, Broken> {
        let request = self.ask(action, body);
        self.send().await?;
        self.wait(|text| (answers(text)? == request).then(|| accepted(text).map(|()| text.len()))).await
    }

    /// Reads on, and hands each text to `each`. The texts are those that are there.
    pub(super) async fn receive(&mut self, mut each: impl FnMut(&[u8])) -> Result<(), Broken> {
        self.read().await?;
        while let Some(text) = self.incoming.text(&mut self.out) {
            each(text);
        }
        self.incoming.rest();
        Ok(())
    }

    /// Reads on until `find` finds something.
    async fn wait<T>(&mut self, find: impl Fn(&[u8]) -> Option<Result<T, Broken>>) -> Result<T, Broken> {
        loop {
            while let Some(text) = self.incoming.text(&mut self.out) {
                if let Some(found) = find(text) {
                    return found;
                }
            }
            self.incoming.rest();
            self.send().await?;
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), Broken> {
        match self.stream.read_buf(self.incoming.room()).await.map_err(words)? {
            0 => Err("the server closed the connection".to_owned()),
            _ => Ok(()),
        }
    }
}

/// The number of the request that a text answers.
pub(super) fn answers(text: &[u8]) -> Option<u64> {
    number(text, br#""r":"#)
}

/// Whether an answer is `ok`.
pub(super) fn accepted(text: &[u8]) -> Result<(), Broken> {
    match find(text, br#""s":"ok""#) {
        Some(_) => Ok(()),
        None => Err(format!("refused: {}", String::from_utf8_lossy(text))),
    }
}

fn words(error: std::io::Error) -> Broken {
    error.to_string()
}
