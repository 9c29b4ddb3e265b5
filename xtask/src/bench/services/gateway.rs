//! Gateway: connections that wait, messages through a route and its queue, posts to connections, a queue of its own.
//!
//! In emulator mode; the server has one processor, and what loads it another. Beside the figures stands what the same
//! load does to a server of fixed answers.

use crate::bench::cores::{Cores, Kept};
use crate::bench::frames::{Incoming, append_masked, find};
use crate::bench::limits::round_trips;
use crate::bench::load::{self, Connection, request};
use crate::bench::server::{Server, resident};
use crate::bench::{Plan, Samples, print_table};
use crate::process::Failure;
use serde_json::Value;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// The key of RFC 6455's example.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const PING: &[u8] = br#"{"action":"ping","name":"Stepan"}"#;
/// Who sends at the same time.
const SENDERS: usize = 32;
/// The server is left alone for so long before it is weighed.
const REST: Duration = Duration::from_secs(1);
/// Messages in a batch.
const BATCH: usize = 10;

/// What goes wrong in a task of its own.
type Broken = String;

fn words(error: impl ToString) -> Broken {
    error.to_string()
}

/// A client's WebSocket.
struct Client {
    stream: TcpStream,
    incoming: Incoming,
    out: Vec<u8>,
}

impl Client {
    async fn open(address: SocketAddr, user: usize) -> Result<Self, Broken> {
        let stream = TcpStream::connect(address).await.map_err(words)?;
        stream.set_nodelay(true).map_err(words)?;
        let mut client = Self { stream, incoming: Incoming::default(), out: Vec::new() };
        let head = format!(
            "GET /dev?userId=u{user} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        );
        client.stream.write_all(head.as_bytes()).await.map_err(words)?;
        let whole = |read: &[u8]| Some((read.get(9..12) == Some(b"101"), find(read, b"\r\n\r\n")? + 4));
        loop {
            match client.incoming.take(whole) {
                Some(true) => break,
                Some(false) => return Err("the connection is refused".to_owned()),
                None => client.read().await?,
            }
        }
        client.incoming.rest();
        Ok(client)
    }

    async fn read(&mut self) -> Result<(), Broken> {
        match self.stream.read_buf(self.incoming.room()).await.map_err(words)? {
            0 => Err("the server closed the connection".to_owned()),
            _ => Ok(()),
        }
    }

    /// Sends a text and waits for one.
    async fn ask(&mut self, text: &[u8]) -> Result<(), Broken> {
        append_masked(&mut self.out, text);
        self.stream.write_all(&self.out).await.map_err(words)?;
        self.out.clear();
        while self.incoming.text(&mut self.out).is_none() {
            self.read().await?;
        }
        Ok(())
    }

    /// Reads for ever.
    async fn listen(mut self) {
        while self.read().await.is_ok() {
            while self.incoming.text(&mut self.out).is_some() {}
        }
    }
}

/// What the runs showed.
#[derive(Default)]
struct Figures {
    bytes: Samples,
    routed: Samples,
    routed_p99: Samples,
    posted: Samples,
    sent: Samples,
    batched: Samples,
    received: Samples,
}

/// Measures everything.
pub(super) async fn run(plan: &Plan) -> Result<(), Failure> {
    let cores = Cores::find()?;
    let _kept = Kept::on(cores.load)?;
    let (connections, stored) = if plan.release { (10_000, 100_000) } else { (50, 100) };
    let duration = Duration::from_secs(plan.seconds);
    let mut figures = Figures::default();
    for _ in 0..plan.runs {
        let mut server = {
            let _kept = Kept::on(cores.server)?;
            Server::start_hosting(&plan.binary, "emulators:start", None, &["gateway"])?
        };
        LocalSet::new().run_until(round(&mut server, &mut figures, connections, stored, duration)).await?;
    }
    let ceiling = round_trips(operation("SendMessage", &message("x")), SENDERS, duration).await?.per_second;
    let row = |what: String, figure: String, against: String| vec![what, figure, against];
    let ceiling = format!("{ceiling:.0} fixed answers/s");
    let rows = vec![
        row(String::new(), "hearth".to_owned(), "measured against".to_owned()),
        row(format!("{connections} connections, bytes resident for each"), figures.bytes.show(0), String::new()),
        row(
            format!("pings of {SENDERS} of them answered through the queue, /s"),
            figures.routed.show(0),
            String::new(),
        ),
        row("… p99, ms".to_owned(), figures.routed_p99.show(2), String::new()),
        row("posts to connections, /s".to_owned(), figures.posted.show(0), ceiling.clone()),
        row("messages sent to a queue one by one, /s".to_owned(), figures.sent.show(0), ceiling),
        row(format!("… {BATCH} together, messages/s"), figures.batched.show(0), String::new()),
        row(
            format!("messages received, {BATCH} together, of more than {stored}, /s"),
            figures.received.show(0),
            String::new(),
        ),
    ];
    print_table(&format!("Gateway (median of {} runs of {} s each)", plan.runs, plan.seconds), &rows);
    Ok(())
}

async fn round(
    server: &mut Server,
    figures: &mut Figures,
    connections: usize,
    stored: usize,
    duration: Duration,
) -> Result<(), Failure> {
    let (gateway, database) = (server.address("gateway")?, server.address("database")?);
    tokio::time::sleep(REST).await;
    let before = resident(server.id());
    let mut clients = Vec::new();
    for user in 0..connections {
        clients.push(Client::open(gateway, user).await?);
    }
    tokio::time::sleep(REST).await;
    figures.bytes.add((resident(server.id()) - before) * 1024.0 * 1024.0 / connections as f64);

    let (routed, p99) = ping(&mut clients, duration).await?;
    figures.routed.add(routed);
    figures.routed_p99.add(p99);

    let owner = request("GET", "/connections.json?ns=gateway&shallow=true", &[("Authorization", "Bearer owner")], "");
    let answer = Connection::open(database).await?.ask(&owner).await?;
    let ids: Value = serde_json::from_slice(&answer.body)?;
    let ids = ids.as_object().ok_or("no connections")?.keys();
    let posts = ids.map(|id| request("POST", &format!("/dev/@connections/{id}"), &[], "hello, hello")).collect();
    clients.into_iter().for_each(|client| drop(tokio::task::spawn_local(client.listen())));
    figures.posted.add(load::run(gateway, Rc::new(posts), SENDERS, duration, 200).await?.per_second);

    let mut admin = Connection::open(gateway).await?;
    admin.ask(&operation("CreateQueue", r#"{"QueueName":"bench"}"#)).await?;
    let send = Rc::new(vec![operation("SendMessage", &message("hello, hello"))]);
    figures.sent.add(load::run(gateway, send, SENDERS, duration, 200).await?.per_second);
    let entries: Vec<_> = (0..BATCH).map(|id| format!(r#"{{"Id":"{id}","MessageBody":"hello, hello"}}"#)).collect();
    let batch = operation("SendMessageBatch", &format!(r#"{{"QueueUrl":"bench","Entries":[{}]}}"#, entries.join(",")));
    let batches = load::run(gateway, Rc::new(vec![batch.clone()]), SENDERS, duration, 200).await?;
    figures.batched.add(batches.per_second * BATCH as f64);
    for _ in 0..stored / BATCH {
        admin.ask(&batch).await?;
    }
    let body = format!(r#"{{"QueueUrl":"bench","MaxNumberOfMessages":{BATCH},"VisibilityTimeout":43200}}"#);
    let receive = Rc::new(vec![operation("ReceiveMessage", &body)]);
    let received = load::run(gateway, receive, SENDERS, duration, 200).await?;
    figures.received.add(received.per_second * BATCH as f64);
    Ok(())
}

/// Pings of the first clients; how many are answered in a second, and how long the slower ones take, in milliseconds.
async fn ping(clients: &mut Vec<Client>, duration: Duration) -> Result<(f64, f64), Failure> {
    let until = Instant::now() + duration;
    let pinging = clients.drain(..SENDERS.min(clients.len())).map(|mut client| {
        tokio::task::spawn_local(async move {
            let mut latencies = Vec::new();
            while Instant::now() < until {
                let sent = Instant::now();
                client.ask(PING).await?;
                latencies.push(sent.elapsed().as_secs_f64() * 1000.0);
            }
            Ok::<_, Broken>((client, latencies))
        })
    });
    let pinging: Vec<_> = pinging.collect();
    let mut all = Samples::default();
    for client in pinging {
        let (client, latencies) = client.await??;
        clients.push(client);
        all.0.extend(latencies);
    }
    all.0.sort_by(f64::total_cmp);
    Ok((all.0.len() as f64 / duration.as_secs_f64(), all.at(0.99)))
}

/// A call of an operation of the queues.
fn operation(name: &str, body: &str) -> Vec<u8> {
    let target = format!("AmazonSQS.{name}");
    request("POST", "/", &[("X-Amz-Target", &target), ("Content-Type", "application/x-amz-json-1.0")], body)
}

fn message(text: &str) -> String {
    format!(r#"{{"QueueUrl":"bench","MessageBody":"{text}"}}"#)
}
