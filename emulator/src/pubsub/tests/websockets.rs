//! WebSockets, byte for byte.

use super::streams::{Listener, open};
use super::*;
use crate::pubsub::settings::Mode;
use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
/// A close without a code, as the server sends it and as a client does.
const CLOSE: &[u8] = &[0x88, 0];

pub(super) fn place() -> PubsubSettings {
    let mut settings = settings("");
    let subscriber = subscriber(&mut settings);
    subscriber.mode = Mode::WebSocket;
    subscriber.authorized_channels_only = false;
    settings
}

/// A frame of a client, masked with zeros.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

pub(super) async fn connect(address: SocketAddr, target: &str) -> (Listener, String) {
    let headers = format!("{UPGRADE}{KEY}Sec-WebSocket-Version: 13\r\n");
    let mut client = Listener::listen(address, target, &headers).await;
    let head = client.until("\r\n\r\n").await;
    (client, head)
}

#[tokio::test]
async fn the_bytes_of_a_websocket() {
    let mut settings = place();
    subscriber(&mut settings).header_template = "H".to_owned();
    subscriber(&mut settings).footer_template = "F".to_owned();
    let house = house(settings);
    let (address, _serving) = open(&house).await;
    house.publish("a", "old").await;
    let (mut client, head) = connect(address, "/sub/a.b1").await;
    let mut lines: Vec<_> = head.trim_end().split("\r\n").filter(|line| !line.starts_with("date: ")).collect();
    lines.sort_unstable();
    let expect = [
        "HTTP/1.1 101 Switching Protocols",
        "cache-control: no-cache, no-store, must-revalidate",
        "connection: Upgrade",
        "expires: Thu, 01 Jan 1970 00:00:01 GMT",
        "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "upgrade: WebSocket",
    ];
    assert_eq!(lines, expect);
    assert_eq!(client.take(2 + 1 + 2 + 3).await, b"\x81\x01H\x81\x03old");
    house.send("POST", "/pub?id=a", &[("event-id", "7")], "x".repeat(200)).await;
    assert_eq!(client.take(204).await, [&b"\x81\x7e\0\xc8"[..], "x".repeat(200).as_bytes()].concat());
    house.send("DELETE", "/pub?id=a", &[], "bye").await;
    assert_eq!(client.take(2 + 3 + 2 + 1 + 2).await, [&b"\x81\x03bye\x81\x01F"[..], CLOSE].concat());
    assert_eq!(house.subscribers().await, 0);
    client.say_bytes(&frame(0x88, b"")).await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_handshake_needs_its_headers_and_a_version() {
    let house = house(place());
    let (address, _serving) = open(&house).await;
    let missing = "Don't have at least one of the mandatory headers: Connection, Upgrade, Sec-WebSocket-Key and \
                   Sec-WebSocket-Version";
    let version = "Version not supported. Supported versions: 8, 13";
    for (headers, status, explanation) in [
        (String::new(), "400 Bad Request", missing),
        (format!("{UPGRADE}{KEY}"), "400 Bad Request", missing),
        (format!("{UPGRADE}Sec-WebSocket-Version: 13\r\n"), "400 Bad Request", missing),
        (format!("{UPGRADE}{KEY}Sec-WebSocket-Version: 7\r\n"), "400 Bad Request", version),
        (format!("{UPGRADE}{KEY}Sec-WebSocket-Version: 8\r\n"), "101 Switching Protocols", ""),
        (format!("{UPGRADE}{KEY}Sec-WebSocket-Version: 13\r\n"), "101 Switching Protocols", ""),
    ] {
        let mut client = Listener::listen(address, "/sub/a", &headers).await;
        let head = client.until("\r\n\r\n").await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{headers}: {head}");
        assert!(head.contains(explanation), "{headers}: {head}");
        assert_eq!(head.contains("sec-websocket-version: 8, 13\r\n"), explanation == version);
        assert!(!head.contains("access-control"), "{head}");
    }
    for method in ["POST", "OPTIONS", "HEAD"] {
        let answer = house.send(method, "/sub/a", &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("GET")), "{method}");
    }
}

#[tokio::test]
async fn what_is_refused_is_a_close_with_the_reason() {
    let mut settings = place();
    settings.channels.max_channel_id_length = NonZeroUsize::new(5);
    subscriber(&mut settings).authorized_channels_only = true;
    let house = house(settings);
    let (address, _serving) = open(&house).await;
    for (target, reason) in [
        ("/sub/none", r#"{"http_status": 403, "explain":"Subscriber could not create channels."}"#),
        ("/sub/", r#"{"http_status": 400, "explain":"No channel id provided."}"#),
        ("/sub/toolong", r#"{"http_status": 400, "explain":"Channel id is too large."}"#),
        ("/sub/ALL", r#"{"http_status": 403, "explain":"Channel id not authorized for this method."}"#),
    ] {
        let (mut client, head) = connect(address, target).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let close = client.take(4 + reason.len()).await;
        let length = u8::try_from(reason.len() + 2).unwrap();
        assert_eq!(close, [&[0x88, length, 0x03, 0xf0][..], reason.as_bytes()].concat(), "{target}");
    }
}

#[tokio::test]
async fn a_client_publishes_where_it_may() {
    for allowed in [true, false] {
        let mut settings = place();
        let place = subscriber(&mut settings);
        (place.websocket_allow_publish, place.store_messages) = (allowed, true);
        let house = house(settings);
        let (address, _serving) = open(&house).await;
        let (mut one, _) = connect(address, "/sub/a/b").await;
        let (mut two, _) = connect(address, "/sub/b").await;
        // A text in two pieces, and an empty one that is no message.
        one.say_bytes(&[frame(0x01, b"hel"), frame(0x80, b"lo"), frame(0x81, b""), frame(0x89, b"sign")].concat())
            .await;
        if allowed {
            assert_eq!(two.take(7).await, b"\x81\x05hello");
            assert_eq!(one.take(14).await, b"\x81\x05hello\x81\x05hello");
        }
        // A ping is answered with what it says.
        assert_eq!(one.take(6).await, b"\x8a\x04sign");
        let info = house.send("GET", "/pub?id=a", &[], "").await.body;
        assert!(info.contains(&format!("\"stored_messages\": {}", u8::from(allowed))), "{info}");
    }
}

#[tokio::test]
async fn what_a_client_may_not_say_closes() {
    let mut settings = place();
    subscriber(&mut settings).body_limit = 10;
    let house = house(settings);
    let (address, _serving) = open(&house).await;
    for (says, code) in [
        // What is not masked, or of no known kind, or a close in two parts, breaks the protocol.
        (b"\x81\x01x".to_vec(), Some(1002)),
        (frame(0x83, b"x"), Some(1002)),
        (frame(0x08, b""), Some(1002)),
        (frame(0x82, b"bytes"), Some(1003_u16)),
        (frame(0x81, b"\xff"), Some(1007)),
        (frame(0x81, b"more than ten"), Some(1009)),
        (frame(0x88, &1000_u16.to_be_bytes()), Some(1000)),
        (frame(0x88, b""), None),
    ] {
        let (mut client, _) = connect(address, "/sub/a").await;
        house.wait_for_subscribers(1).await;
        client.say_bytes(&says).await;
        let close = client.take(2).await;
        assert_eq!((close[0], close[1] >= 2), (0x88, code.is_some()), "{says:?}");
        if let Some(code) = code {
            assert_eq!(client.take(2).await, code.to_be_bytes(), "{says:?}");
        }
        house.wait_for_subscribers(0).await;
    }
}

#[tokio::test]
async fn a_message_that_is_not_utf_8_is_made_so() {
    let house = house(place());
    let (address, _serving) = open(&house).await;
    let (mut client, _) = connect(address, "/sub/a").await;
    house.send("POST", "/pub?id=a", &[], bytes::Bytes::from_static(b"a\xffb")).await;
    assert_eq!(client.take(7).await, b"\x81\x05a\xef\xbf\xbdb");
}

#[tokio::test]
async fn a_websocket_has_its_time_and_ends_with_the_server() {
    let mut settings = place();
    subscriber(&mut settings).subscriber_connection_ttl = NonZeroU64::new(1000);
    let house = house(settings);
    let (address, serving) = open(&house).await;
    let (mut first, _) = connect(address, "/sub/a").await;
    house.wait_for_subscribers(1).await;
    house.agenda.advance(1000).await;
    assert_eq!(first.take(2).await, CLOSE);
    let (mut second, _) = connect(address, "/sub/a").await;
    house.stop.cancel();
    assert_eq!(second.take(2).await, CLOSE);
    second.say_bytes(&frame(0x88, b"")).await;
    tokio::time::timeout(DEADLINE, house.service.ended()).await.expect("a WebSocket stays open");
    serving.await.unwrap();
}

#[tokio::test]
async fn a_websocket_that_does_not_read_is_closed() {
    let mut settings = place();
    subscriber(&mut settings).unread_limit = 64 * 1024;
    let house = house(settings);
    let (address, _serving) = open(&house).await;
    let (mut client, _) = connect(address, "/sub/a").await;
    house.wait_for_subscribers(1).await;
    let cut = async {
        while house.service.cut_off_count() == 0 {
            house.service.publish("a", "x".repeat(64 * 1024).into()).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, cut).await.expect("it is not cut off");
    assert_eq!(house.subscribers().await, 0);
    // It reads after all: what is whole, and then why there is no more.
    let reason = b"closed by the server: this listener does not read fast enough";
    let read = client.until_bytes(reason).await;
    let close = [&[0x88, u8::try_from(reason.len() + 2).unwrap(), 0x03, 0xf0][..], reason].concat();
    assert!(read.ends_with(&close));
}
