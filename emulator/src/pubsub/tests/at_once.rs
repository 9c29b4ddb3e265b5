//! What is answered at once is answered as everything else, byte for byte.

use super::streams::open;
use super::*;
use crate::pubsub::expression::Expression;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A field that makes a request one for the HTTP library, and means nothing.
const LIBRARY: &str = "Upgrade: nothing\r\n";

/// A publisher's connection.
struct Publisher(TcpStream);

impl Publisher {
    async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// The answer as it comes, its date apart.
    async fn ask(&mut self, request: &str) -> String {
        self.0.write_all(request.as_bytes()).await.unwrap();
        self.answer().await
    }

    async fn answer(&mut self) -> String {
        let mut read = Vec::new();
        let head = loop {
            read.push(self.0.read_u8().await.unwrap());
            if read.ends_with(b"\r\n\r\n") {
                break String::from_utf8(read).unwrap();
            }
        };
        let length = head.split_once("content-length: ").unwrap().1.lines().next().unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).await.unwrap();
        let lines = head.split_inclusive("\r\n");
        let dates = lines.clone().filter(|line| line.starts_with("date: ")).count();
        assert_eq!(dates, 1, "{head}");
        let head: String = lines.filter(|line| !line.starts_with("date: ")).collect();
        head + &String::from_utf8(body).unwrap()
    }
}

fn request(method: &str, target: &str, fields: &str, body: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: box\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// Asks two houses that have seen the same, one at once and the other by way of the HTTP library.
async fn check(settings: &PubsubSettings, requests: &[(&str, &str, &str, &str)]) -> Vec<String> {
    let houses = [house(settings.clone()), house(settings.clone())];
    let [(one, _serving), (other, _too)] = [open(&houses[0]).await, open(&houses[1]).await];
    let mut answers = Vec::new();
    for (method, target, fields, body) in requests {
        // The library keeps a connection that it has, so each request has one of its own.
        let (mut at_once, mut library) = (Publisher::connect(one).await, Publisher::connect(other).await);
        let answer = at_once.ask(&request(method, target, fields, body)).await;
        let expect = library.ask(&request(method, target, &(LIBRARY.to_owned() + fields), body)).await;
        assert_eq!(answer, expect, "{method} {target} {fields}{body}");
        answers.push(answer);
    }
    answers
}

#[tokio::test]
async fn both_ways_answer_alike() {
    let mut plain = settings("secret");
    plain.channels.max_channel_id_length = std::num::NonZeroUsize::new(20);
    publisher(&mut plain).body_limit = 100;
    let mut quiet = plain.clone();
    *publisher(&mut quiet) = PublisherSettings { channel_info_on_publish: false, ..PublisherSettings::new("secret") };
    let mut echoing = plain.clone();
    publisher(&mut echoing).allowed_origins = Some(Expression::parse("$http_origin", None).unwrap());
    let known = "Authorization: secret\r\n";
    let fields = format!("{known}Accept: text/plain\r\nEvent-Id: 1\r\nevent-type: x\r\nOrigin: http://a\r\n");
    let long = "x".repeat(101);
    for settings in [plain, quiet, echoing] {
        let answers = check(
            &settings,
            &[
                ("POST", "/pub?id=a", known, "hi"),
                ("PUT", "/pub?x=1&ID=a", known, "h\u{e4}"),
                ("POST", "/pub?id=a/b.b2//c%20d", known, "hi"),
                ("POST", "/%70ub?id=%22a%22", known, "hi"),
                ("POST", "//pub?id=a", &fields, "hi"),
                ("POST", "/pub?id=ALL", known, "hi"),
                ("POST", "/pub?id=much-too-long-a-name-for-it", known, "hi"),
                ("POST", "/pub", known, "hi"),
                ("POST", "/pub?id=a", known, ""),
                ("POST", "/pub?id=a", known, &long),
                ("POST", "/pub?id=a", "", "hi"),
                ("POST", "/pub?id=a", "authorization: Secret\r\n", "hi"),
                ("GET", "/pub?id=a", known, ""),
                ("DELETE", "/pub?id=b", known, ""),
                ("POST", "/pub?id=b", known, "hi"),
                ("POST", "/sub/a", known, "hi"),
                ("GET", "/channels-stats?id=ALL", "", ""),
            ],
        )
        .await;
        assert!(answers[0].starts_with("HTTP/1.1 200 OK\r\n"), "{}", answers[0]);
    }
}

/// One connection may ask for anything, in any order and in any pieces.
#[tokio::test]
async fn a_connection_that_goes_to_the_library_goes_on_there() {
    let house = house(settings(""));
    let (address, _serving) = open(&house).await;
    let mut publisher = Publisher::connect(address).await;
    let message = request("POST", "/pub?id=a", "", "hi");
    let all = message.clone() + &message + &request("GET", "/pub?id=a", "", "") + &message;
    for piece in [all.len(), 1, 50] {
        for piece in all.as_bytes().chunks(piece) {
            publisher.0.write_all(piece).await.unwrap();
        }
        for _ in 0..4 {
            let answer = publisher.answer().await;
            assert!(answer.contains("{\"channel\": \"a\", "), "{answer}");
        }
        publisher = Publisher::connect(address).await;
    }
    let large = publisher.ask(&request("POST", "/pub?id=a", "", &"x".repeat(100_000))).await;
    assert!(large.contains("\"published_messages\": 10, "), "{large}");
}

/// Whoever does not know the secret is told so before its body is waited for.
#[tokio::test]
async fn a_body_is_waited_for_only_where_it_may_be_published() {
    let house = house(settings("secret"));
    let (address, _serving) = open(&house).await;
    let mut publisher = Publisher::connect(address).await;
    let head = request("POST", "/pub?id=a", "", "hi").replace("hi", "");
    let answer = publisher.ask(&head).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}
