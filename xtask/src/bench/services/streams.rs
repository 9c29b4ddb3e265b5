//! Streams that count the events they get, and senders that keep ahead of them no further than a window.

use super::super::load::Connection;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

/// A byte that every event has once, and nothing else that a server sends.
pub(super) const MARK: u8 = b'~';
/// Connections that are opened at a time.
const OPENING: usize = 32;
/// So many events may be under way to each stream.
const WINDOW: u64 = 64;
/// What takes longer to arrive has been lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// What went wrong.
pub(super) type Broken = String;

/// What all streams have heard together.
#[derive(Default)]
pub(super) struct Audience {
    heard: Cell<u64>,
    broken: RefCell<Option<Broken>>,
    changed: Notify,
}

/// What a run of senders showed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// Requests answered in a second.
    pub(super) requests: f64,
    /// Events that arrived in a second.
    pub(super) delivered: f64,
}

/// Opens a stream for each request; all have been answered when this returns.
pub(super) async fn open(address: SocketAddr, requests: Vec<Vec<u8>>) -> Result<(Rc<Audience>, JoinSet<()>), Broken> {
    let (audience, few) = (Rc::<Audience>::default(), Rc::new(Semaphore::new(OPENING)));
    let mut opening = JoinSet::new();
    for request in requests {
        let few = Rc::clone(&few);
        opening.spawn_local(async move {
            let _permit = few.acquire().await.map_err(|error| error.to_string())?;
            begin(address, &request).await
        });
    }
    let mut listening = JoinSet::new();
    while let Some(stream) = opening.join_next().await {
        let stream = stream.map_err(|error| error.to_string())??;
        let audience = Rc::clone(&audience);
        listening.spawn_local(async move {
            let broken = listen(stream, &audience).await;
            *audience.broken.borrow_mut() = Some(broken);
            audience.changed.notify_waiters();
        });
    }
    Ok((audience, listening))
}

async fn begin(address: SocketAddr, request: &[u8]) -> Result<TcpStream, Broken> {
    let told = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(address).await.map_err(told)?;
    stream.write_all(request).await.map_err(told)?;
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.map_err(told)? == 0 {
            return Err("a stream was refused".to_owned());
        }
    }
    if head.starts_with(b"HTTP/1.1 200") { Ok(stream) } else { Err(String::from_utf8_lossy(&head).into_owned()) }
}

async fn listen(stream: TcpStream, audience: &Audience) -> Broken {
    loop {
        if let Err(error) = stream.readable().await {
            return error.to_string();
        }
        // On the stack, so that a stream that waits keeps no memory here.
        let mut buffer = [0; 16 * 1024];
        match stream.try_read(&mut buffer) {
            Ok(0) => return "a stream was closed".to_owned(),
            Ok(read) => {
                let marks = buffer.iter().take(read).filter(|byte| **byte == MARK).count();
                audience.heard.set(audience.heard.get() + marks as u64);
                audience.changed.notify_waiters();
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return error.to_string(),
        }
    }
}

impl Audience {
    /// Waits until so many events have been heard.
    async fn hear(&self, events: u64) -> Result<(), Broken> {
        loop {
            let changed = self.changed.notified();
            if let Some(broken) = self.broken.borrow().clone() {
                return Err(broken);
            }
            if self.heard.get() >= events {
                return Ok(());
            }
            if tokio::time::timeout(PATIENCE, changed).await.is_err() {
                return Err(format!("of {events} events {} came", self.heard.get()));
            }
        }
    }

    /// Sends `requests` in turn over `senders` connections for `duration`; each is heard by `fan` streams of `streams`.
    pub(super) async fn send(
        self: &Rc<Self>,
        address: SocketAddr,
        requests: &Rc<Vec<Vec<u8>>>,
        senders: usize,
        fan: u64,
        duration: Duration,
    ) -> Result<Sent, Broken> {
        self.heard.set(0);
        let (sent, started) = (Rc::<Cell<u64>>::default(), Instant::now());
        let window = WINDOW * fan;
        let mut sending = JoinSet::new();
        for number in 0..senders {
            let (audience, requests, sent) = (Rc::clone(self), Rc::clone(requests), Rc::clone(&sent));
            sending.spawn_local(async move {
                let mut connection = Connection::open(address).await.map_err(|error| error.to_string())?;
                for request in requests.iter().cycle().skip(number * requests.len() / senders) {
                    if started.elapsed() > duration {
                        break;
                    }
                    audience.hear((sent.get() * fan).saturating_sub(window)).await?;
                    sent.set(sent.get() + 1);
                    let answer = connection.ask(request).await.map_err(|error| error.to_string())?;
                    if answer.status != 200 {
                        return Err(format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body)));
                    }
                }
                Ok::<(), Broken>(())
            });
        }
        while let Some(sender) = sending.join_next().await {
            sender.map_err(|error| error.to_string())??;
        }
        self.hear(sent.get() * fan).await?;
        let seconds = started.elapsed().as_secs_f64();
        Ok(Sent { requests: sent.get() as f64 / seconds, delivered: self.heard.get() as f64 / seconds })
    }
}
