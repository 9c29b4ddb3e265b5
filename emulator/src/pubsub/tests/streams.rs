//! Streams over real sockets, byte for byte.

use super::*;
use crate::server::connections;
use crate::server::ports::bind;
use bytes::Bytes;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// A house with a door.
pub(super) async fn open(house: &House) -> (SocketAddr, JoinHandle<()>) {
    let bound = bind("127.0.0.1", 0).await.unwrap();
    let address = bound.address;
    let prompt = crate::pubsub::prompt(Arc::clone(&house.service));
    (address, tokio::spawn(connections::serve(bound, house.router.clone(), Some(prompt), house.stop.clone())))
}

/// A listener's end of a connection.
pub(super) struct Listener {
    socket: TcpStream,
    /// What was received and not looked at yet.
    received: Vec<u8>,
}

impl Listener {
    pub(super) async fn listen(address: SocketAddr, target: &str, headers: &str) -> Self {
        Self::listen_on(TcpSocket::new_v4().unwrap(), address, target, headers).await
    }

    async fn listen_on(socket: TcpSocket, address: SocketAddr, target: &str, headers: &str) -> Self {
        let mut socket = socket.connect(address).await.unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nHost: box\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        Self { socket, received: Vec::new() }
    }

    /// Everything up to and with `end`, which is awaited.
    pub(super) async fn until(&mut self, end: &str) -> String {
        loop {
            let found = self.received.windows(end.len()).position(|part| part == end.as_bytes());
            if let Some(start) = found {
                let rest = self.received.split_off(start + end.len());
                return String::from_utf8(std::mem::replace(&mut self.received, rest)).unwrap();
            }
            assert!(self.more().await, "the stream ended before {end:?}: {}", String::from_utf8_lossy(&self.received));
        }
    }

    /// The same of bytes.
    pub(super) async fn until_bytes(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(start) = self.received.windows(end.len()).position(|part| part == end) {
                return self.take(start + end.len()).await;
            }
            assert!(self.more().await, "the stream ended before {end:?}");
        }
    }

    /// So many bytes.
    pub(super) async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.received.len() < length {
            assert!(self.more().await, "the stream ended: {}", String::from_utf8_lossy(&self.received));
        }
        let rest = self.received.split_off(length);
        std::mem::replace(&mut self.received, rest)
    }

    pub(super) async fn say(&mut self, text: &str) {
        self.say_bytes(text.as_bytes()).await;
    }

    pub(super) async fn say_bytes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    /// The body's next chunk, without its framing.
    pub(super) async fn chunk(&mut self) -> String {
        let length = self.until("\r\n").await;
        let length = usize::from_str_radix(length.trim_end(), 16).unwrap();
        while self.received.len() < length + 2 {
            assert!(self.more().await, "the stream ended within a chunk");
        }
        let rest = self.received.split_off(length + 2);
        let mut chunk = String::from_utf8(std::mem::replace(&mut self.received, rest)).unwrap();
        assert_eq!(chunk.split_off(length), "\r\n");
        chunk
    }

    /// The same; none if the body has ended.
    pub(super) async fn chunk_or_end(&mut self) -> Option<String> {
        let chunk = self.chunk().await;
        (!chunk.is_empty()).then_some(chunk)
    }

    /// Everything up to the end of the connection.
    pub(super) async fn rest(&mut self) -> String {
        while self.more().await {}
        String::from_utf8(std::mem::take(&mut self.received)).unwrap()
    }

    /// Bytes up to the end of the connection, broken off or not, or up to where `enough` of them have come.
    pub(super) async fn rest_or(&mut self, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let rest = async {
            while !enough(&self.received) && self.socket.read_buf(&mut self.received).await.is_ok_and(|read| read > 0) {
            }
        };
        tokio::time::timeout(DEADLINE, rest).await.expect("the connection stays open");
        std::mem::take(&mut self.received)
    }

    async fn more(&mut self) -> bool {
        let read = self.socket.read_buf(&mut self.received);
        tokio::time::timeout(DEADLINE, read).await.expect("nothing comes").unwrap() > 0
    }
}

#[tokio::test]
async fn the_bytes_of_a_stream() {
    let house = house(settings(""));
    let (address, serving) = open(&house).await;
    house.publish("a", "old\nlines").await;
    let mut listener = Listener::listen(address, "/sub/a.b1", "").await;
    let head = listener.until("\r\n\r\n").await;
    let mut lines: Vec<_> = head.trim_end().split("\r\n").filter(|line| !line.starts_with("date: ")).collect();
    lines.sort_unstable();
    let expect = [
        "HTTP/1.1 200 OK",
        "access-control-allow-headers: If-Modified-Since,If-None-Match,Etag,Event-Id,Event-Type,Last-Event-Id",
        "access-control-allow-methods: GET",
        "access-control-allow-origin: *",
        "cache-control: no-cache, no-store, must-revalidate",
        "content-type: text/event-stream; charset=utf-8",
        "expires: Thu, 01 Jan 1970 00:00:01 GMT",
        "transfer-encoding: chunked",
    ];
    assert_eq!(lines, expect);
    assert_eq!(listener.until("\n\n\r\n").await, "1A\r\n: \ndata: old\ndata: lines\n\n\r\n");
    let headers = [("event-id", "7"), ("Event-Type", "kind"), ("event-ids", "x")];
    house.send("POST", "/pub?id=a", &headers, "{\"position\":1}").await;
    assert_eq!(listener.chunk().await, "id: 7\nevent: kind\ndata: {\"position\":1}\n\n");
    house.stop.cancel();
    assert_eq!(listener.rest().await, "0\r\n\r\n");
    serving.await.unwrap();
    // Whoever comes after the stop finds the end as well.
    let late = house.send("GET", "/sub/a.b1", &[], "").await;
    assert_eq!(late.body, ": \nid: 7\nevent: kind\ndata: {\"position\":1}\n\n");
}

#[tokio::test]
async fn a_connection_serves_requests_before_a_stream_and_ends_with_it() {
    let house = house(settings(""));
    let (address, _serving) = open(&house).await;
    house.publish("a", "x").await;
    // One after another, and in one go.
    let mut client = Listener::listen(address, "/channels-stats?id=a", "").await;
    client.until("\"subscribers\": 0}\r\n").await;
    client.say("GET /nothing HTTP/1.1\r\nHost: box\r\n\r\nGET /sub/a.b1 HTTP/1.1\r\nHost: box\r\n\r\n").await;
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 204 "));
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 200 "));
    assert_eq!(client.chunk().await, ": \ndata: x\n\n");
    client.say("GET /nothing HTTP/1.1\r\nHost: box\r\n\r\n").await;
    house.send("DELETE", "/pub?id=a", &[], "").await;
    assert_eq!(client.chunk().await, "data: Channel deleted\n\n");
    assert_eq!(client.rest().await, "0\r\n\r\n");
}

#[tokio::test]
async fn every_other_path_is_empty() {
    let house = house(settings("secret"));
    let (address, _serving) = open(&house).await;
    for target in ["/", "/subs", "/pub/a"] {
        let mut client = Listener::listen(address, target, "Connection: close\r\n").await;
        let answer = client.rest().await;
        let lines: Vec<_> = answer.split("\r\n").filter(|line| !line.starts_with("date: ")).collect();
        assert_eq!(lines, ["HTTP/1.1 204 No Content", "connection: close", "", ""], "{target}");
    }
}

#[tokio::test]
async fn who_comes_back_goes_on_where_it_left() {
    let mut settings = settings("");
    settings.channels.max_messages_stored_per_channel = None;
    let house = house(settings);
    let (address, _serving) = open(&house).await;
    for id in ["1", "2", "3"] {
        house.send("POST", "/pub?id=a", &[("event-id", id)], format!("m{id}")).await;
    }
    for (target, headers, expect) in [
        ("/sub/a", "", ": \n"),
        ("/sub/a", "Last-Event-ID: 2\r\n", ": \nid: 3\ndata: m3\n\n"),
        (
            "/sub/a",
            "If-Modified-Since: Mon, 31 Dec 2029 23:59:59 GMT\r\n",
            ": \nid: 1\ndata: m1\n\nid: 2\ndata: m2\n\nid: 3\ndata: m3\n\n",
        ),
        (
            "/sub/a",
            "If-Modified-Since: Tue, 01 Jan 2030 00:00:00 GMT\r\nIf-None-Match: W/2\r\n",
            ": \nid: 3\ndata: m3\n\n",
        ),
        ("/sub/a.b1", "Last-Event-ID: 1\r\n", ": \nid: 3\ndata: m3\n\n"),
        ("/x/sub/%2561", "", ": \n"),
    ] {
        let mut listener = Listener::listen(address, target, headers).await;
        listener.until("\r\n\r\n").await;
        assert_eq!(listener.chunk().await, expect, "{target} {headers}");
    }
}

#[tokio::test]
async fn refusals() {
    let mut settings = settings("");
    settings.channels.max_channel_id_length = NonZeroUsize::new(5);
    let house = house(settings);
    house.send("PUT", "/pub?id=empty", &[], "").await;
    for (method, target, mode, status, explanation) in [
        ("GET", "/sub/", "", 400, Some("No channel id provided.")),
        ("GET", "/sub/ALL", "", 403, Some("Channel id not authorized for this method.")),
        ("GET", "/sub/a*", "", 403, Some("Channel id not authorized for this method.")),
        ("GET", "/sub/toolong", "", 400, Some("Channel id is too large.")),
        ("GET", "/sub/none.b1", "", 403, Some("Subscriber could not create channels.")),
        ("GET", "/sub/empty", "", 403, Some("Subscriber could not create channels.")),
        ("GET", "/sub/none", "long-polling", 403, Some("Subscriber could not create channels.")),
        ("GET", "/sub/none", "Polling", 403, Some("Subscriber could not create channels.")),
        ("GET", "/sub/none", "streaming", 403, Some("Subscriber could not create channels.")),
        ("POST", "/sub/none", "", 405, None),
        ("HEAD", "/sub/none", "", 405, None),
        ("OPTIONS", "/sub/none", "", 200, None),
    ] {
        let answer = house.send(method, target, &[("x-nginx-pushstream-mode", mode)], "").await;
        assert_eq!((answer.status.as_u16(), answer.explanation()), (status, explanation), "{method} {target}");
        assert_eq!((answer.body.as_str(), answer.header("access-control-allow-origin")), ("", Some("*")));
        assert_eq!(answer.header("allow"), (status == 405).then_some("GET"));
        assert_eq!(answer.header("cache-control").is_some(), method != "OPTIONS");
    }
}

#[tokio::test]
async fn leaving_is_noticed_and_a_deletion_ends_the_stream() {
    let house = house(settings(""));
    let (address, _serving) = open(&house).await;
    house.publish("a/b", "x").await;
    let mut leaving = Listener::listen(address, "/sub/a/b", "").await;
    let mut staying = Listener::listen(address, "/sub/a/b", "").await;
    let mut alone = Listener::listen(address, "/sub/a", "Connection: close\r\n").await;
    for listener in [&mut leaving, &mut staying, &mut alone] {
        listener.until(": \n\r\n").await;
    }
    assert_eq!(house.subscribers().await, 3);
    drop(leaving);
    house.wait_for_subscribers(2).await;
    let a = house.send("GET", "/pub?id=a", &[], "").await.body;
    assert!(a.ends_with("\"subscribers\": 2}\r\n"), "{a}");
    house.send("DELETE", "/pub?id=a", &[], "").await;
    assert_eq!(alone.rest().await, "17\r\ndata: Channel deleted\n\n\r\n0\r\n\r\n");
    assert_eq!(staying.chunk().await, "data: Channel deleted\n\n");
    house.publish("b", "y").await;
    assert_eq!(staying.chunk().await, "data: y\n\n");
}

#[tokio::test]
async fn who_does_not_read_is_closed_and_delays_nobody() {
    let mut settings = settings("");
    subscriber(&mut settings).unread_limit = 128 * 1024;
    let house = house(settings);
    let (address, serving) = open(&house).await;
    house.publish("a", "first").await;
    let narrow = TcpSocket::new_v4().unwrap();
    narrow.set_recv_buffer_size(4096).unwrap();
    let mut slow = Listener::listen_on(narrow, address, "/sub/a", "").await;
    let mut quick = Listener::listen(address, "/sub/a", "").await;
    slow.until(": \n\r\n").await;
    quick.until(": \n\r\n").await;
    let body = Bytes::from("x".repeat(32 * 1024));
    let frame = format!("data: {}\n\n", "x".repeat(32 * 1024));
    let cut = async {
        while house.service.cut_off_count() == 0 {
            house.service.publish("a", body.clone()).await.unwrap();
            assert_eq!(quick.chunk().await, frame);
        }
    };
    tokio::time::timeout(DEADLINE, cut).await.expect("nobody is cut off");
    assert_eq!(house.subscribers().await, 1);
    // It still does not read, and its connection is closed all the same: what it sends is refused.
    let closed = async {
        while slow.socket.write_all(b"x").await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, closed).await.expect("the connection stays open");
    house.publish("a", "last").await;
    assert_eq!(quick.chunk().await, "data: last\n\n");
    house.stop.cancel();
    assert_eq!(quick.rest().await, "0\r\n\r\n");
    serving.await.unwrap();
}

#[tokio::test]
async fn who_reads_again_in_time_is_told_why_its_stream_ends() {
    let mut settings = settings("");
    subscriber(&mut settings).unread_limit = 4096;
    let house = house(settings);
    house.publish("a", "first").await;
    let mut slow = crowds::listen(&house).await;
    house.wait_for_subscribers(1).await;
    let mut sent = 0;
    let cut = async {
        while house.service.cut_off_count() == 0 {
            house.service.publish("a", Bytes::from("x".repeat(1000))).await.unwrap();
            sent += 1;
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, cut).await.expect("it is not cut off");
    let mut received = Vec::new();
    while !received.ends_with(b"\r\n0\r\n\r\n") {
        let read = tokio::time::timeout(DEADLINE, slow.read_buf(&mut received)).await.expect("nothing comes");
        assert!(read.unwrap() > 0);
    }
    let received = String::from_utf8(received).unwrap();
    let notice = "\r\n\n: closed by the server: this listener does not read fast enough\n\n\r\n0\r\n\r\n";
    assert!(received.ends_with(notice), "{received}");
    // What came before it is whole.
    let frame = format!("data: {}\n\n", "x".repeat(1000));
    assert_eq!(received.matches("data: ").count(), received.matches(&frame).count());
    assert!(received.matches(&frame).count() < sent);
}

#[tokio::test]
async fn a_listener_stays_when_its_channels_messages_expire() {
    let house = house(settings(""));
    let (address, _serving) = open(&house).await;
    house.publish("a", "x").await;
    let mut listener = Listener::listen(address, "/sub/a", "").await;
    listener.until(": \n\r\n").await;
    house.agenda.advance(3 * HOUR).await;
    let refused = house.send("GET", "/sub/a.b1", &[], "").await;
    assert_eq!((refused.status.as_u16(), refused.explanation()), (403, Some("Subscriber could not create channels.")));
    house.publish("a", "y").await;
    assert_eq!(listener.chunk().await, "data: y\n\n");
    // Without listeners and messages the channel goes, an hour after the last publish.
    drop(listener);
    house.wait_for_subscribers(0).await;
    house.agenda.advance(HOUR).await;
    assert_eq!(house.send("GET", "/pub?id=a", &[], "").await.status, 404);
}

#[tokio::test]
async fn an_older_client_gets_the_stream_without_chunks() {
    let house = house(settings(""));
    let (address, _serving) = open(&house).await;
    house.publish("a", "x").await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(b"GET /sub/a.b1 HTTP/1.0\r\nHost: box\r\n\r\n").await.unwrap();
    let mut listener = Listener { socket, received: Vec::new() };
    assert!(!listener.until("\r\n\r\n").await.contains("transfer-encoding"));
    assert_eq!(listener.until("data: x\n\n").await, ": \ndata: x\n\n");
    house.send("DELETE", "/pub?id=a", &[], "bye").await;
    assert_eq!(listener.rest().await, "data: bye\n\n");
}

#[tokio::test]
async fn who_wants_a_websocket_gets_a_stream_of_events() {
    let house = house(settings(""));
    let (address, _serving) = open(&house).await;
    house.publish("a", "x").await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut listener = Listener::listen(address, "/sub/a.b1", upgrade).await;
    assert!(listener.until("\r\n\r\n").await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(listener.until("\n\n").await.ends_with(": \ndata: x\n\n"));
}

#[tokio::test]
async fn a_message_is_bytes_whatever_they_are() {
    let house = house(settings(""));
    house.send("POST", "/pub?id=a", &[("content-type", "x/y")], Bytes::from_static(b"\xff\0\x80")).await;
    house.stop.cancel();
    let request = Request::get("/sub/a.b1").body(Body::empty()).unwrap();
    let body = house.router.clone().oneshot(request).await.unwrap().into_body();
    let body = tokio::time::timeout(DEADLINE, body.collect()).await.expect("the stream does not end").unwrap();
    assert_eq!(&body.to_bytes()[..], b": \ndata: \xff\0\x80\n\n");
}

#[tokio::test]
async fn a_channel_has_room_for_so_many() {
    let mut settings = settings("");
    settings.channels.max_subscribers_per_channel = NonZeroUsize::new(1);
    let house = house(settings);
    let (address, _serving) = open(&house).await;
    house.publish("a", "x").await;
    let mut first = Listener::listen(address, "/sub/a", "").await;
    first.until(": \n\r\n").await;
    let refused = house.send("GET", "/sub/a", &[], "").await;
    let explanation = "Subscribers limit per channel has been exceeded.";
    assert_eq!((refused.status.as_u16(), refused.explanation()), (403, Some(explanation)));
}

#[tokio::test]
async fn a_refusal_keeps_the_connection() {
    let house = house(settings(""));
    let (address, _serving) = open(&house).await;
    house.publish("a", "x").await;
    let mut listener = Listener::listen(address, "/sub/none", "").await;
    assert!(listener.until("\r\n\r\n").await.starts_with("HTTP/1.1 403 Forbidden\r\n"));
    listener.socket.write_all(b"GET /sub/a HTTP/1.1\r\nHost: box\r\n\r\n").await.unwrap();
    assert!(listener.until("\r\n\r\n").await.starts_with("HTTP/1.1 200 OK\r\n"));
}
