//! Many listeners at once.

use super::*;
use crate::pubsub::service;
use crate::pubsub::subscriber::Stream;
use bytes::Bytes;
use hearth_pubsub::path::ChannelPath;
use hearth_pubsub::replay::Resume;
use hearth_pubsub::statistics::Report;
use http_body_util::combinators::BoxBody;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinSet;

/// A connection through memory: so many sockets are more than some machines allow a process.
pub(super) async fn listen(house: &House) -> DuplexStream {
    let (mut client, server) = tokio::io::duplex(4096);
    let router = house.router.clone();
    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        router.clone().oneshot(request.map(Body::new))
    });
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(server), service));
    client.write_all(b"GET /sub/a HTTP/1.1\r\nHost: box\r\n\r\n").await.unwrap();
    client
}

/// Takes a place at the profile's subscribers' location.
fn listen_to(house: &House, path: &ChannelPath) -> Stream {
    let (terms, resume) = (SubscriberSettings::terms as fn(&SubscriberSettings, _) -> _, Resume::default());
    let pass = crate::pubsub::access::Pass::open();
    let request = service::Request { location: 1, padding: None, path, resume: &resume, terms, pass: &pass };
    Stream::new(house.service.subscribe(&request, None).unwrap(), true)
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
        let path = ChannelPath::parse(b"a");
        streams.push(listen_to(&house, &path).boxed());
    }
    for stream in &mut streams {
        assert_eq!(stream.frame().await.unwrap().unwrap().into_data().unwrap(), ": \n");
    }
    assert_eq!(house.service.publish("a", Bytes::from_static(b"hi")).await.unwrap().subscribers, 20_000);
    let mut first: Option<Bytes> = None;
    for stream in &mut streams {
        let frame = stream.frame().await.unwrap().unwrap().into_data().unwrap();
        let first = first.get_or_insert_with(|| frame.clone());
        assert_eq!((&frame[..], frame.as_ptr()), (&b"data: hi\n\n"[..], first.as_ptr()));
    }
    drop(streams);
    assert_eq!(house.subscribers().await, 0);
}

/// Subscribers come while messages are published from another thread: what is replayed and what comes live join
/// without a gap and without a double.
#[tokio::test]
async fn replay_and_live_messages_join_without_a_gap() {
    const LAST: u64 = 3000;
    let mut settings = settings("");
    settings.channels.max_messages_stored_per_channel = None;
    let house = house(settings);
    house.service.publish("a", Bytes::from_static(b"0")).await.unwrap();
    let service = Arc::clone(&house.service);
    let publisher = std::thread::spawn(move || {
        for number in 1..=LAST {
            let published = service.publish("a", Bytes::from(number.to_string()));
            futures_util::FutureExt::now_or_never(published).unwrap().unwrap();
        }
    });
    let path = ChannelPath::parse(b"a.b1000000");
    let mut streams = Vec::new();
    for turn in 0..30 {
        // Spread over the publishing, and right in the middle of it.
        while house.service.info(&path.ids()).unwrap().is_none_or(|report| published(&report) < turn * LAST / 30) {
            std::thread::yield_now();
        }
        streams.push(listen_to(&house, &path));
    }
    publisher.join().unwrap();
    let expect: String = (0..=LAST).map(|number| format!("data: {number}\n\n")).collect();
    let expect = format!(": \n{expect}");
    for mut stream in streams {
        let mut received = Vec::new();
        while received.len() < expect.len() {
            let frame = tokio::time::timeout(DEADLINE, stream.frame()).await.expect("messages are missing");
            received.extend_from_slice(&frame.unwrap().unwrap().into_data().unwrap());
        }
        assert_eq!(String::from_utf8(received).unwrap(), expect);
    }
}

fn published(report: &Report) -> u64 {
    match report {
        Report::Channel(info) => info.published_messages,
        Report::Group(..) | Report::Summary(_) => 0,
    }
}
