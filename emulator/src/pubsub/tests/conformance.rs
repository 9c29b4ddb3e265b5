//! RFC 6455 on the real port, frame by frame, by the list of the Autobahn test suite: framing, pings, reserved bits,
//! kinds of frames, fragments, UTF-8, closing.
//!
//! The place sends a client what it says itself, which makes it the echo that the suite asks for.

use super::streams::{Listener, open};
use super::websockets::{connect, frame, place};
use super::*;

/// What a client's frames come to.
enum Comes<'e> {
    /// These bytes, and the connection stays: a ping after them is answered.
    Bytes(&'e [u8]),
    /// A close with this code.
    Close(u16),
    /// A close without one.
    Silence,
    /// The end of the connection, with a close or without.
    End,
}

use Comes::{Bytes as Echo, Close, End, Silence};

const PONG: &[u8] = b"\x8a\x05still";

/// Says `frames` in pieces of `size` bytes.
async fn check(address: std::net::SocketAddr, title: &str, frames: &[Vec<u8>], size: usize, comes: &Comes<'_>) {
    let (mut client, _) = connect(address, "/sub/a").await;
    for piece in frames.concat().chunks(size) {
        client.say_bytes(piece).await;
    }
    match comes {
        Echo(bytes) => {
            client.say_bytes(&frame(0x89, b"still")).await;
            let expect = [bytes, PONG].concat();
            assert_eq!(client.take(expect.len()).await, expect, "{title}, in pieces of {size}");
            client.say_bytes(&frame(0x88, b"")).await;
            assert_eq!(client.take(2).await, b"\x88\0", "{title}");
        }
        Close(code) => {
            let head = client.take(4).await;
            assert_eq!((head[0], &head[2..]), (0x88, &code.to_be_bytes()[..]), "{title}, in pieces of {size}");
        }
        Silence => assert_eq!(client.take(2).await, b"\x88\0", "{title}, in pieces of {size}"),
        End => ends(&mut client, title).await,
    }
}

/// Nothing but a text that was said before may come before the end or a close.
async fn ends(client: &mut Listener, title: &str) {
    let after_text = |bytes: &[u8]| bytes.strip_prefix(b"\x81\x02hi").unwrap_or(bytes).to_vec();
    let rest = after_text(&client.rest_or(|bytes| after_text(bytes).first() == Some(&0x88)).await);
    assert!(rest.is_empty() || rest[0] == 0x88, "{title}: {rest:?}");
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(0x88, &[&code.to_be_bytes()[..], reason].concat())
}

#[tokio::test]
async fn frames_are_what_the_rfc_makes_of_them() {
    let mut settings = place();
    subscriber(&mut settings).websocket_allow_publish = true;
    let house = house(settings);
    let (address, _serving) = open(&house).await;
    let (long, longer) = ("x".repeat(125), "y".repeat(126));
    let echo_long = [&b"\x81\x7d"[..], long.as_bytes()].concat();
    let echo_longer = [&b"\x81\x7e\0\x7e"[..], longer.as_bytes()].concat();
    let long_frame = [&b"\x81\xfe\0\x7e\0\0\0\0"[..], longer.as_bytes()].concat();
    // As long as it is, in the longest form of a length.
    let padded_length = [&b"\x81\xff\0\0\0\0\0\0\0\x7e\0\0\0\0"[..], longer.as_bytes()].concat();
    let masked = vec![0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2];
    let pong_125 = [&b"\x8a\x7d"[..], long.as_bytes()].concat();
    let greek = "κόσμε".as_bytes();
    let echo_greek = [&[0x81, u8::try_from(greek.len()).unwrap()][..], greek].concat();
    let text = |text: &[u8]| frame(0x81, text);
    let cases: Vec<(&str, Vec<Vec<u8>>, Comes<'_>)> = vec![
        ("a text", vec![text(b"hi")], Echo(b"\x81\x02hi")),
        ("a mask", vec![masked], Echo(b"\x81\x02hi")),
        ("125 bytes", vec![text(long.as_bytes())], Echo(&echo_long)),
        ("126 bytes", vec![long_frame], Echo(&echo_longer)),
        ("a length in eight bytes", vec![padded_length], Echo(&echo_longer)),
        ("bytes, which are not served", vec![frame(0x82, b"x")], Close(1003)),
        ("no mask", vec![vec![0x81, 1, b'x']], End),
        // Pings and pongs.
        ("a ping", vec![frame(0x89, b"")], Echo(b"\x8a\0")),
        ("a ping of bytes", vec![frame(0x89, b"\0\xff\xfe")], Echo(b"\x8a\x03\0\xff\xfe")),
        ("the longest ping", vec![frame(0x89, long.as_bytes())], Echo(&pong_125)),
        ("a ping that is too long", vec![[&b"\x89\xfe\0\x7e\0\0\0\0"[..], longer.as_bytes()].concat()], End),
        ("a ping in fragments", vec![frame(0x09, b"x"), frame(0x80, b"")], End),
        ("a pong nobody asked for", vec![frame(0x8a, b"x")], Echo(b"")),
        ("pings, one after another", vec![frame(0x89, b"1"), frame(0x89, b"2")], Echo(b"\x8a\x011\x8a\x012")),
        // Reserved bits.
        ("reserved bit 1", vec![frame(0xc1, b"x")], End),
        ("reserved bit 2", vec![frame(0xa1, b"x")], End),
        ("reserved bit 3", vec![frame(0x91, b"x")], End),
        ("all reserved bits", vec![frame(0xf1, b"x")], End),
        ("a reserved bit of a ping", vec![frame(0xc9, b"x")], End),
        ("a reserved bit of a close", vec![frame(0xc8, b"")], End),
        // Kinds that are none.
        ("kind 3", vec![frame(0x83, b"x")], End),
        ("kind 7", vec![frame(0x87, b"")], End),
        ("kind 11", vec![frame(0x8b, b"x")], End),
        ("kind 15", vec![frame(0x8f, b"")], End),
        // Fragments.
        ("two fragments", vec![frame(0x01, b"h"), frame(0x80, b"i")], Echo(b"\x81\x02hi")),
        (
            "empty fragments",
            vec![frame(0x01, b""), frame(0x00, b"hi"), frame(0x00, b""), frame(0x80, b"")],
            Echo(b"\x81\x02hi"),
        ),
        (
            "a ping between fragments",
            vec![frame(0x01, b"h"), frame(0x89, b"p"), frame(0x80, b"i")],
            Echo(b"\x8a\x01p\x81\x02hi"),
        ),
        ("a continuation of nothing", vec![frame(0x80, b"x")], End),
        ("a continuation that goes on", vec![frame(0x00, b"x"), text(b"y")], End),
        ("a text within a text", vec![frame(0x01, b"x"), text(b"y")], End),
        ("a continuation after the end", vec![frame(0x01, b"h"), frame(0x80, b"i"), frame(0x80, b"x")], End),
        // UTF-8.
        ("UTF-8", vec![text(greek)], Echo(&echo_greek)),
        ("a letter in two fragments", vec![frame(0x01, &greek[..1]), frame(0x80, &greek[1..])], Echo(&echo_greek)),
        ("the last code point", vec![text(b"\xf4\x8f\xbf\xbf")], Echo(b"\x81\x04\xf4\x8f\xbf\xbf")),
        ("beyond the last", vec![text(b"\xf4\x90\x80\x80")], Close(1007)),
        ("a surrogate", vec![text(b"\xed\xa0\x80")], Close(1007)),
        ("too long a form", vec![text(b"\xc0\xaf")], Close(1007)),
        ("half a letter", vec![text(b"\xce")], Close(1007)),
        ("a byte of no letter", vec![text(b"hi\xff")], Close(1007)),
        ("a byte of no letter in a fragment", vec![frame(0x01, b"hi"), frame(0x80, b"\xff")], Close(1007)),
        ("that, before the last fragment", vec![frame(0x01, b"hi\xff"), frame(0x00, b"x")], Close(1007)),
        ("half a letter, and no more of it", vec![frame(0x01, b"\xce"), frame(0x80, b"x")], Close(1007)),
        // Closing.
        ("a close", vec![frame(0x88, b"")], Silence),
        ("a close with a code", vec![close(1000, b"")], Close(1000)),
        ("a close with a reason", vec![close(1001, b"bye")], Close(1001)),
        ("the longest reason", vec![close(1000, &long.as_bytes()[..123])], Close(1000)),
        ("a code of a library's", vec![close(3000, b"")], Close(3000)),
        ("a code of an application's", vec![close(4999, b"")], Close(4999)),
        ("half a code", vec![frame(0x88, b"\x03")], End),
        ("a reason that is not UTF-8", vec![close(1000, b"\xff")], End),
        ("code 0", vec![close(0, b"")], End),
        ("code 999", vec![close(999, b"")], End),
        ("code 1004", vec![close(1004, b"")], End),
        ("code 1005", vec![close(1005, b"")], End),
        ("code 1006", vec![close(1006, b"")], End),
        ("code 2999", vec![close(2999, b"")], End),
        ("code 5000", vec![close(5000, b"")], End),
        ("a text after a close", vec![close(1000, b""), text(b"x")], Close(1000)),
        ("a close between fragments", vec![frame(0x01, b"x"), close(1000, b"")], Close(1000)),
    ];
    for (title, frames, comes) in &cases {
        for size in [1, 1000] {
            check(address, title, frames, size, comes).await;
            house.wait_for_subscribers(0).await;
        }
    }
}
