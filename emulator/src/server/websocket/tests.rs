//! A client of the library's against a server's end of ours, over real sockets.

use super::{CloseCode, Ended, Incoming, WebSocket};
use bytes::Bytes;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket as Client};

const LONGEST: usize = 1000;
const PATIENCE: Duration = Duration::from_secs(30);

/// Both ends of a connection, with small buffers between them.
async fn pair() -> (WebSocket, TcpStream) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(4096).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (WebSocket::new(server, &Bytes::new(), LONGEST, PATIENCE), client)
}

async fn flush(socket: &mut WebSocket) -> Result<(), Ended> {
    poll_fn(|context| socket.poll_flush(context)).await
}

async fn read(socket: &mut WebSocket) -> Result<Incoming, Ended> {
    poll_fn(|context| socket.poll_read(context)).await
}

#[tokio::test]
async fn texts_of_all_lengths_arrive_whole_and_in_order() {
    let (mut server, client) = pair().await;
    let lengths = [0, 1, 125, 126, 65_535, 65_536, 3_000_000].into_iter().chain(std::iter::repeat_n(10, 100));
    let expected: Vec<String> = lengths.map(|length| "é".repeat(length / 2) + &"x".repeat(length % 2)).collect();
    for text in &expected {
        server.queue(Bytes::from(text.clone()));
    }
    assert_eq!(server.queued(), expected.iter().map(String::len).sum::<usize>());
    let count = expected.len();
    let reader = tokio::task::spawn_blocking(move || {
        let mut client = Client::from_raw_socket(client, Role::Client, None);
        (0..count).map(|_| client.read().unwrap().into_text().unwrap().to_string()).collect::<Vec<_>>()
    });
    flush(&mut server).await.unwrap();
    assert!(reader.await.unwrap() == expected);
    assert_eq!(server.queued(), 0);
    assert_eq!(server.waiting.capacity(), 0);
}

#[tokio::test]
async fn an_answer_to_a_ping_waits_for_the_end_of_a_frame() {
    let (mut server, client) = pair().await;
    server.queue(Bytes::from("x".repeat(3_000_000)));
    // There is room for a part of it only.
    assert!(poll_fn(|context| std::task::Poll::Ready(server.poll_flush(context))).await.is_pending());
    assert!(server.written > 0 && server.queued() > 0);
    let mut client = Client::from_raw_socket(client, Role::Client, None);
    client.send(Message::Ping("life".into())).unwrap();
    client.send(Message::text("after")).unwrap();
    assert!(matches!(read(&mut server).await, Ok(Incoming::Alive)));
    assert!(matches!(read(&mut server).await, Ok(Incoming::Text(text)) if text == "after"));
    server.queue(Bytes::from("more"));
    server.ping();
    let reader = tokio::task::spawn_blocking(move || {
        [(); 4].map(|()| {
            let message = client.read().unwrap();
            if message.is_text() { format!("{} bytes", message.len()) } else { message.to_string() }
        })
    });
    flush(&mut server).await.unwrap();
    let mut read = reader.await.unwrap();
    // Where between the others the answer goes is nobody's business.
    read[1..].sort();
    assert_eq!(read, ["3000000 bytes", "", "4 bytes", "life"]);
}

#[tokio::test]
async fn what_is_sent_before_the_end_is_read_and_the_end_has_its_reason() {
    let (mut server, client) = pair().await;
    let mut client = Client::from_raw_socket(client, Role::Client, None);
    client.send(Message::text("unheard")).unwrap();
    server.queue(Bytes::from("last"));
    let reader = tokio::task::spawn_blocking(move || {
        let text = client.read().unwrap().into_text().unwrap().to_string();
        let Ok(Message::Close(Some(close))) = client.read() else { panic!("no close") };
        while client.read().is_ok() {}
        (text, u16::from(close.code), close.reason.to_string())
    });
    server.farewell(Some((CloseCode::Away, "so long")), &CancellationToken::new()).await;
    drop(server);
    assert_eq!(reader.await.unwrap(), ("last".to_owned(), 1001, "so long".to_owned()));
}

#[tokio::test]
async fn a_close_is_agreed_to() {
    let (mut server, client) = pair().await;
    let mut client = Client::from_raw_socket(client, Role::Client, None);
    client.close(None).unwrap();
    assert!(matches!(read(&mut server).await, Err(Ended::Gone)));
    drop(server);
    let reader = tokio::task::spawn_blocking(move || matches!(client.read(), Ok(Message::Close(_))));
    assert!(reader.await.unwrap());
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_it() {
    let text =
        |length: usize| [&[0x81, 0xfe][..], &(length as u16).to_be_bytes(), &[0; 4], &vec![b'x'; length]].concat();
    for (bytes, expected) in [
        (text(LONGEST), None),
        (text(LONGEST + 1), Some(Ended::TooLong)),
        // The same in two frames.
        ([&[0x01][..], &text(LONGEST)[1..], &[0x80, 0x81, 0, 0, 0, 0, b'x']].concat(), Some(Ended::TooLong)),
        (vec![0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28], Some(Ended::NotText)),
        // Not masked, an unknown kind, a reserved bit.
        (vec![0x81, 0x01, b'x'], Some(Ended::Broken)),
        (vec![0x83, 0x81, 0, 0, 0, 0, b'x'], Some(Ended::Broken)),
        (vec![0xc1, 0x81, 0, 0, 0, 0, b'x'], Some(Ended::Broken)),
        (vec![], Some(Ended::Gone)),
    ] {
        let (mut server, mut client) = pair().await;
        client.write_all(&bytes).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(read(&mut server).await.err(), expected, "{bytes:?}");
        drop(server);
        // Nobody is left waiting.
        let _ = client.read(&mut [0; 16]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_given_up() {
    let (mut server, client) = pair().await;
    let started = tokio::time::Instant::now();
    server.queue(Bytes::from("x".repeat(8_000_000)));
    assert_eq!(flush(&mut server).await, Err(Ended::Stalled));
    assert!(started.elapsed() >= PATIENCE);
    drop(client);
}
