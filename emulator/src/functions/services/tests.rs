//! The port of a service that does as its paths say, over real connections.

use super::*;
use crate::server::connections;
use crate::server::ports::bind;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use hearth_functions::feed::{Outlet, feed};
use hearth_functions::service::{Session, Socket};
use http::HeaderMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// Keeps the last client's outlet, and tells when it has gone.
#[derive(Default)]
struct Echo {
    outlet: Mutex<Option<Outlet>>,
    gone: Arc<Notify>,
    closed: Arc<Notify>,
}

impl Echo {
    fn outlet(&self) -> Outlet {
        self.outlet.lock().unwrap().clone().unwrap()
    }
}

struct EchoSession {
    outlet: Outlet,
    closed: Arc<Notify>,
}

impl Session for EchoSession {
    fn opened(self: Arc<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let _ = self.outlet.send(Bytes::from("hello"));
        })
    }

    fn message(self: Arc<Self>, text: String) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            match text.as_str() {
                "panic" => panic!("as it should"),
                "close" => self.outlet.close(4000, "as you wish"),
                _ => {
                    let _ = self.outlet.send(Bytes::from(text));
                }
            }
        })
    }

    fn longest_silence(&self) -> Option<Duration> {
        Some(Duration::from_secs(60))
    }

    fn closed(self: Arc<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { self.closed.notify_one() })
    }
}

impl Service for Echo {
    fn start(self: Arc<Self>) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }

    fn call(self: Arc<Self>, call: Call) -> BoxFuture<'static, Answer> {
        Box::pin(async move {
            let text = format!("{} {} {}", call.request.method, call.request.uri, call.trusted);
            let (outlet, feed) = feed(64 * 1024);
            match call.request.uri.path() {
                "/stream" => {
                    let gone = Arc::clone(&self.gone);
                    outlet.when_gone(move || gone.notify_one());
                    outlet.send(Bytes::from(text)).unwrap();
                    *self.outlet.lock().unwrap() = Some(outlet);
                    Answer::Stream { head: http::Response::new(()), feed }
                }
                "/socket" => {
                    let session = Arc::new(EchoSession { outlet, closed: Arc::clone(&self.closed) });
                    Answer::Socket(Socket {
                        headers: HeaderMap::new(),
                        longest_message: 100,
                        longest_frame: 90,
                        feed,
                        session,
                    })
                }
                _ => Answer::Reply(http::Response::new(Bytes::from(text))),
            }
        })
    }
}

struct House {
    service: Arc<Echo>,
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl House {
    async fn new() -> Self {
        Self::trusting(Trust::Proxies(TrustedProxies::default())).await
    }

    async fn trusting(trust: Trust) -> Self {
        let (service, stop, tasks) = (Arc::<Echo>::default(), CancellationToken::new(), TaskTracker::new());
        let port = Port::new(Arc::clone(&service) as _, Bodies::default(), trust, &tasks, stop.clone());
        let bound = bind("127.0.0.1", 0).await.unwrap();
        let address = bound.addresses()[0];
        tasks.spawn(connections::serve(bound, port.router(), None, stop.clone()));
        tasks.close();
        Self { service, address, stop, tasks }
    }

    async fn ask(&self, head: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("{head}\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
        stream
    }

    async fn socket(&self) -> TcpStream {
        let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: a";
        let mut stream = self.ask(&format!("GET /socket HTTP/1.1\r\n{upgrade}")).await;
        read_until(&mut stream, "\u{5}hello").await;
        stream
    }
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        let byte = stream.read_u8().await;
        text.push(byte.unwrap_or_else(|error| panic!("{error} after {:?}", String::from_utf8_lossy(&text))));
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// A client's frame, masked with zeros.
fn frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
}

#[tokio::test]
async fn answers_are_passed_on() {
    let house = House::new().await;
    let mut stream = house.ask("GET /a?b=c HTTP/1.1").await;
    assert!(read_until(&mut stream, "GET /a?b=c false").await.starts_with("HTTP/1.1 200 OK"));
    let mut stream = house.ask("GET /socket HTTP/1.1").await;
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 426"));
}

#[tokio::test]
async fn only_who_is_trusted_may_say_who_is_asking() {
    let proxies = |address| Trust::Proxies(TrustedProxies::parse([address]).unwrap());
    for (trust, trusted) in [(Trust::Everybody, true), (proxies("127.0.0.1"), true), (proxies("10.0.0.1"), false)] {
        let house = House::trusting(trust).await;
        let mut stream = house.ask("GET /a HTTP/1.1").await;
        read_until(&mut stream, &format!("GET /a {trusted}")).await;
    }
}

#[tokio::test]
async fn a_stream_goes_on_until_somebody_ends_it() {
    let house = House::new().await;
    let mut stream = house.ask("GET /stream HTTP/1.1").await;
    read_until(&mut stream, "GET /stream false\r\n").await;
    house.service.outlet().send(Bytes::from("more")).unwrap();
    read_until(&mut stream, "more\r\n").await;
    drop(stream);
    house.service.gone.notified().await;

    let mut stream = house.ask("GET /stream HTTP/1.1").await;
    read_until(&mut stream, "GET /stream false\r\n").await;
    house.service.outlet().close(1000, "");
    read_until(&mut stream, "0\r\n\r\n").await;

    let mut stream = house.ask("GET /stream HTTP/1.1").await;
    read_until(&mut stream, "GET /stream false\r\n").await;
    house.stop.cancel();
    read_until(&mut stream, "0\r\n\r\n").await;
    house.tasks.wait().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let house = House::new().await;
    let mut stream = house.ask("GET /stream HTTP/1.1").await;
    read_until(&mut stream, "GET /stream false\r\n").await;
    let outlet = house.service.outlet();
    while outlet.send(Bytes::from(vec![b'x'; 32 * 1024])).is_ok() {
        tokio::task::yield_now().await;
    }
    house.service.gone.notified().await;
}

#[tokio::test]
async fn a_socket_says_and_hears_and_is_closed_once() {
    let house = House::new().await;
    for (text, answer) in [("close", "\u{f}\u{a0}as you wish"), ("panic", "")] {
        let mut stream = house.socket().await;
        stream.write_all(&frame("again")).await.unwrap();
        read_until(&mut stream, "\u{5}again").await;
        stream.write_all(&frame(text)).await.unwrap();
        let mut rest = Vec::new();
        if !answer.is_empty() {
            read_until(&mut stream, "as you wish").await;
            stream.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x0f, 0xa0]).await.unwrap();
        }
        stream.read_to_end(&mut rest).await.unwrap();
        house.service.closed.notified().await;
    }
    let mut stream = house.socket().await;
    let too_long = "x".repeat(91);
    stream.write_all(&frame(&too_long)).await.unwrap();
    read_until(&mut stream, "the message is too long").await;
    drop(stream);
    house.service.closed.notified().await;

    // Frames that are short enough, of a message that is not.
    let mut stream = house.socket().await;
    let mut begun = frame(&"x".repeat(60));
    begun[0] = 0x01;
    let mut ended = frame(&"x".repeat(60));
    ended[0] = 0x80;
    stream.write_all(&[begun, ended].concat()).await.unwrap();
    read_until(&mut stream, "the message is too long").await;
    drop(stream);
    house.service.closed.notified().await;

    let stream = house.socket().await;
    house.stop.cancel();
    house.service.closed.notified().await;
    house.tasks.wait().await;
    drop(stream);
}

#[tokio::test]
async fn a_silent_client_is_asked_whether_it_is_there() {
    let house = House::new().await;
    let mut stream = house.socket().await;
    tokio::time::pause();
    let ping = [0x89, 0];
    for _ in 0..3 {
        let started = tokio::time::Instant::now();
        let mut asked = [0; 2];
        stream.read_exact(&mut asked).await.unwrap();
        assert_eq!((asked, started.elapsed().as_secs()), (ping, 60));
        stream.write_all(&[0x8a, 0x80, 0, 0, 0, 0]).await.unwrap();
    }
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, ping);
    house.service.closed.notified().await;
}
