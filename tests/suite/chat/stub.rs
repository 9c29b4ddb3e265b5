//! Another server: says what it was asked, and answers what it is told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A status and a body, or nothing at all, ever.
pub(super) type Reply = Option<(u16, &'static str)>;

/// The server. It answers as told, and then with the last thing it was told.
pub(super) struct Stub {
    address: SocketAddr,
    asked: mpsc::UnboundedReceiver<String>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
}

impl Stub {
    pub(super) async fn new(replies: &[Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, requests) = mpsc::unbounded_channel();
        let replies = Arc::new(Mutex::new(replies.iter().copied().collect::<VecDeque<_>>()));
        let told = Arc::clone(&replies);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, asked.clone(), Arc::clone(&told)));
            }
        });
        Self { address, asked: requests, replies }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next request: its head, with the names of its headers in lower case, and its body.
    pub(super) async fn asked(&mut self) -> String {
        tokio::time::timeout(hearth_tests::client::PATIENCE, self.asked.recv()).await.unwrap().unwrap()
    }

    /// The next request, if it has come.
    pub(super) fn try_asked(&mut self) -> Option<String> {
        self.asked.try_recv().ok()
    }

    /// Whether nothing has been asked that was not looked at.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.try_asked().is_none()
    }

    pub(super) fn answer(&self, reply: Reply) {
        *self.replies.lock().unwrap() = VecDeque::from([reply]);
    }
}

async fn serve(mut stream: TcpStream, asked: mpsc::UnboundedSender<String>, replies: Arc<Mutex<VecDeque<Reply>>>) {
    loop {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else { return };
            request.push(byte);
        }
        let head = String::from_utf8(request).unwrap();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let reply = {
            let mut replies = replies.lock().unwrap();
            if replies.len() > 1 { replies.pop_front() } else { replies.front().copied() }
        };
        asked.send(head + &String::from_utf8(body).unwrap()).unwrap();
        let Some((status, body)) = reply.flatten() else { return std::future::pending().await };
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}
