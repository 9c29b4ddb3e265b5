//! Many listeners at once.

use super::*;
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinSet;

/// A connection through memory: so many sockets are more than some machines allow a process.
async fn listen(house: &House) -> DuplexStream {
    let (mut client, server) = tokio::io::duplex(4096);
    let router = house.router.clone();
    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        router.clone().oneshot(request.map(Body::new))
    });
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(server), service));
    client.write_all(b"GET /sub/a HTTP/1.1\r\nHost: box\r\n\r\n").await.unwrap();
    client
}

/// Reads until `end` has come; the body's bytes without chunk sizes and the answer's head.
async fn read_until(mut client: DuplexStream, end: &str) -> String {
    let mut received = Vec::new();
    while !String::from_utf8_lossy(&received).contains(end) {
        assert!(client.read_buf(&mut received).await.unwrap() > 0);
    }
    let text = String::from_utf8(received).unwrap();
    text.lines().filter(|line| line.starts_with("data: ")).map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn a_thousand_listeners_get_fifty_messages_in_order() {
    let house = house(settings(""));
    house.publish("a", "x").await;
    let mut listeners = JoinSet::new();
    for _ in 0..1000 {
        listeners.spawn(read_until(listen(&house).await, "message 49\n"));
    }
    tokio::time::timeout(DEADLINE, house.wait_for_subscribers(1000)).await.unwrap();
    let mut expect = String::new();
    for number in 0..50 {
        house.publish("a", &format!("message {number}")).await;
        expect.push_str(&format!("data: message {number}\n"));
    }
    let all = async {
        while let Some(received) = listeners.join_next().await {
            assert_eq!(received.unwrap(), expect);
        }
    };
    tokio::time::timeout(DEADLINE, all).await.expect("not everybody got everything");
    house.wait_for_subscribers(0).await;
}

#[tokio::test]
async fn twenty_thousand_listeners_share_one_frame() {
    let house = house(settings(""));
    house.publish("a", "x").await;
    let mut streams: Vec<BoxBody<Bytes, Infallible>> = Vec::new();
    for _ in 0..20_000 {
        let path = hearth_pubsub::path::ChannelPath::parse(b"a");
        streams.push(house.service.subscribe(&path, &Default::default()).unwrap().boxed());
    }
    for stream in &mut streams {
        assert_eq!(stream.frame().await.unwrap().unwrap().into_data().unwrap(), ": \n");
    }
    assert_eq!(house.service.publish("a", Bytes::from_static(b"hi")).unwrap().subscribers, 20_000);
    let mut first: Option<Bytes> = None;
    for stream in &mut streams {
        let frame = stream.frame().await.unwrap().unwrap().into_data().unwrap();
        let first = first.get_or_insert_with(|| frame.clone());
        assert_eq!((&frame[..], frame.as_ptr()), (&b"data: hi\n\n"[..], first.as_ptr()));
    }
    drop(streams);
    assert_eq!(house.subscribers().await, 0);
}
