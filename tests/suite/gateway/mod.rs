//! The gateway in the whole house: WebSockets, queues and connections over real sockets, by a manual clock.

mod kill;
mod queues;
mod sockets;
mod time;

use futures_util::{SinkExt, StreamExt};
use hearth::config::service::Service;
use hearth::config::settings::{Endpoint, HostedSettings, Mode};
use hearth_tests::client::{Answer, PATIENCE};
use hearth_tests::suite::Suite;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

/// A suite with the gateway, told `config`.
async fn start(config: Value) -> Suite {
    start_as(Mode::Emulator, config).await
}

async fn start_as(mode: Mode, config: Value) -> Suite {
    let Value::Object(config) = config else { panic!("an object") };
    Suite::start_with(mode, |settings| {
        let secrets = BTreeMap::from([("ACCESS_KEYS".to_owned(), "AKID:secret".to_owned())]);
        settings.hosted.insert(Service::Gateway, HostedSettings { config, secrets });
        settings.services.insert(Service::Gateway, Endpoint { host: "localhost".to_owned(), port: 0 });
    })
    .await
}

/// Calls an operation of the queues.
async fn sqs(suite: &Suite, operation: &str, body: &Value) -> Answer {
    let target = format!("AmazonSQS.{operation}");
    let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target.as_str())];
    suite.ask(Service::Gateway, "POST", "/", &headers, &body.to_string()).await
}

/// A queue's URL.
fn url(suite: &Suite, queue: &str) -> String {
    format!("http://{}/000000000000/{queue}", suite.address(Service::Gateway))
}

/// Receives up to ten messages at once, without waiting.
async fn receive(suite: &Suite, queue: &str) -> Vec<Value> {
    let body =
        json!({"QueueUrl": url(suite, queue), "MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["All"]});
    let mut answer = sqs(suite, "ReceiveMessage", &body).await.json();
    if let Value::Array(messages) = answer["Messages"].take() { messages } else { Vec::new() }
}

async fn send(suite: &Suite, queue: &str, body: &str) {
    let answer = sqs(suite, "SendMessage", &json!({"QueueUrl": url(suite, queue), "MessageBody": body})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Counts of a queue: visible, in flight, delayed.
async fn counts(suite: &Suite, queue: &str) -> [u64; 3] {
    let body = json!({"QueueUrl": url(suite, queue), "AttributeNames": ["All"]});
    let answer = sqs(suite, "GetQueueAttributes", &body).await.json();
    ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
        .map(|name| answer["Attributes"][name].as_str().unwrap().parse().unwrap())
}

/// What is kept below `path` of the gateway's database.
async fn kept(suite: &Suite, path: &str) -> Value {
    let path = format!("/{path}.json?ns=gateway");
    suite.ask(Service::Database, "GET", &path, &[("authorization", "Bearer owner")], "").await.json()
}

/// A client.
struct Client(WebSocketStream<TcpStream>);

/// The socket after the handshake, and the server's whole head.
async fn upgrade(address: SocketAddr, path: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nUser-Agent: raw\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tokio::time::timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    (stream, String::from_utf8(head).unwrap())
}

/// The status of an upgrade.
async fn status(suite: &Suite, path: &str) -> u16 {
    let (_, head) = upgrade(suite.address(Service::Gateway), path).await;
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

impl Client {
    async fn connect(suite: &Suite, path: &str) -> Self {
        Self::connect_to(suite.address(Service::Gateway), path).await
    }

    async fn connect_to(address: SocketAddr, path: &str) -> Self {
        let (stream, head) = upgrade(address, path).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        Self(WebSocketStream::from_raw_socket(stream, Role::Client, None).await)
    }

    async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    async fn next(&mut self) -> Option<Message> {
        let next = tokio::time::timeout(PATIENCE, self.0.next()).await;
        next.expect("the server says something").and_then(Result::ok)
    }

    async fn text(&mut self) -> String {
        match self.next().await {
            Some(Message::Text(text)) => text.as_str().to_owned(),
            other => panic!("no text: {other:?}"),
        }
    }

    async fn ask(&mut self, text: &str) -> String {
        self.send(text).await;
        self.text().await
    }

    /// Reads until the end; the code of the close.
    async fn closed(&mut self) -> Option<u16> {
        let mut code = None;
        while let Some(message) = self.next().await {
            if let Message::Close(Some(close)) = message {
                code = Some(close.code.into());
            }
        }
        code
    }
}

/// The ids of the connections that are kept.
async fn connections(suite: &Suite) -> Vec<String> {
    let kept = kept(suite, "connections").await;
    kept.as_object().map(|kept| kept.keys().cloned().collect()).unwrap_or_default()
}

/// Waits until so many connections are kept; their ends are looked after while nobody waits for it.
async fn until_connections(suite: &Suite, count: usize) {
    tokio::time::timeout(PATIENCE, async {
        while connections(suite).await.len() != count {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the connections end");
}
