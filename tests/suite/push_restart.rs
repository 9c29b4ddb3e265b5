//! Listeners and publishers of a push stream that is killed, restarted, and taken over, through the real binary.

use hearth_tests::client::send;
use hearth_tests::process::{Process, address};
use nix::sys::signal::Signal;
use serde_json::json;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const BINARY: &str = env!("CARGO_BIN_EXE_hearth-under-test");
const SECRET: &str = "a publishing secret";
const KNOWN: [(&str, &str); 1] = [("authorization", SECRET)];
const ENVIRONMENT: [(&str, &str); 2] = [("HEARTH_JWT_SECRET", "a secret for tests"), ("HEARTH_PUBSUB_SECRET", SECRET)];
const NONE: &str = "none";

fn declare(folder: &Path) {
    let declared = json!({"pushStream": {
        "message_ttl": "1h", "durable_channels": "kept", "server_event_ids": true, "store_messages": true,
        "locations": [
            {"path": "= /pub", "role": "publisher", "channels_path": "$arg_id"},
            {"path": "~ ^/sub/(.*)$", "role": "subscriber", "mode": "eventsource", "channels_path": "$1"}
        ]
    }});
    std::fs::write(folder.join("firebase.json"), declared.to_string()).unwrap();
}

async fn serve(folder: &Path, more: &[&str]) -> (Process, SocketAddr) {
    declare(folder);
    let ports = folder.join("ports.json");
    let _ = std::fs::remove_file(&ports);
    let mut arguments =
        vec!["serve", "--project", "demo-restart", "--only", "pushStream", "--ports-file", "ports.json"];
    arguments.extend(["--port", "pushStream=0"]);
    arguments.extend(more);
    let mut process = Process::start_with(BINARY, &arguments, folder, &ENVIRONMENT);
    process.ready().await;
    (process, address(&ports, "pushStream"))
}

/// What a listener has heard.
#[derive(Default)]
struct Heard {
    /// How often each message.
    messages: BTreeMap<usize, usize>,
    order: Vec<usize>,
    gaps: usize,
    connections: usize,
}

/// Listens as an EventSource does, and connects again whenever the stream ends, until `last` has come.
async fn listen(address: SocketAddr, channel: &str, mut last_id: String, last: Arc<AtomicUsize>) -> Heard {
    let mut heard = Heard::default();
    loop {
        tokio::task::yield_now().await;
        let Ok(mut stream) = TcpStream::connect(address).await else { continue };
        // Without chunks, as HTTP/1.0 has it.
        let request = format!("GET /sub/{channel} HTTP/1.0\r\nLast-Event-ID: {last_id}\r\n\r\n");
        if stream.write_all(request.as_bytes()).await.is_err() {
            continue;
        }
        let mut lines = BufReader::new(stream).lines();
        let (mut id, mut gap) = (None, false);
        while let Ok(Some(line)) = lines.next_line().await {
            if line.starts_with("HTTP/1.0 200") || line.starts_with("HTTP/1.1 200") {
                heard.connections += 1;
            } else if let Some(new) = line.strip_prefix("id: ") {
                id = Some(new.to_owned());
            } else if line == "event: gap" {
                gap = true;
            } else if let Some(data) = line.strip_prefix("data: ") {
                if gap {
                    heard.gaps += 1;
                } else {
                    let number = data.parse().unwrap();
                    *heard.messages.entry(number).or_default() += 1;
                    heard.order.push(number);
                }
            } else if line.is_empty() {
                last_id = id.take().unwrap_or(last_id);
                gap = false;
                if heard.messages.contains_key(&last.load(Ordering::SeqCst)) {
                    return heard;
                }
            }
        }
    }
}

/// Publishes one number after the other until told to stop; those that were acknowledged. A publish of which nobody
/// knows what became of it is not repeated: the next one has another number.
async fn publish(
    address: SocketAddr,
    channel: &'static str,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
) -> Vec<usize> {
    let mut acknowledged = Vec::new();
    for number in 1.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        if try_publish(address, channel, number).await {
            acknowledged.push(number);
            count.fetch_add(1, Ordering::SeqCst);
        }
        tokio::task::yield_now().await;
    }
    acknowledged
}

async fn try_publish(address: SocketAddr, channel: &str, number: usize) -> bool {
    let Ok(stream) = TcpStream::connect(address).await else { return false };
    let mut stream = BufReader::new(stream);
    let body = number.to_string();
    let request = format!(
        "POST /pub?id={channel} HTTP/1.1\r\nhost: x\r\nauthorization: {SECRET}\r\nconnection: close\r\ncontent-length: \
         {}\r\n\r\n{body}",
        body.len()
    );
    if stream.write_all(request.as_bytes()).await.is_err() {
        return false;
    }
    let mut line = String::new();
    stream.read_line(&mut line).await.is_ok() && line.starts_with("HTTP/1.1 200")
}

async fn reached(count: &AtomicUsize, enough: usize) {
    while count.load(Ordering::SeqCst) < enough {
        tokio::task::yield_now().await;
    }
}

fn check(heard: &Heard, acknowledged: &[usize]) {
    let lost: Vec<_> = acknowledged.iter().filter(|number| !heard.messages.contains_key(number)).collect();
    assert!(lost.is_empty(), "acknowledged and never heard: {lost:?}");
    let doubled: Vec<_> = heard.messages.iter().filter(|(_, times)| **times > 1).collect();
    assert!(doubled.is_empty(), "heard more than once: {doubled:?}");
    assert!(heard.order.is_sorted(), "out of order");
    assert_eq!(heard.gaps, 0);
}

/// The id of the place where a channel stands.
async fn place(address: SocketAddr, channel: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET /sub/{channel} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some(id) = line.strip_prefix("id: ") {
            return id.to_owned();
        }
    }
    NONE.to_owned()
}

#[tokio::test]
async fn no_acknowledged_message_of_a_durable_channel_is_lost_to_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let (process, address) = serve(folder.path(), &[]).await;
    let from = place(address, "kept").await;
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let publishers: Vec<_> =
        (0..4).map(|_| tokio::spawn(publish(address, "kept", Arc::clone(&stop), Arc::clone(&count)))).collect();
    reached(&count, 200).await;
    process.signal(Signal::SIGKILL);
    process.ended().await;
    stop.store(true, Ordering::SeqCst);
    let mut acknowledged = 0;
    for publisher in publishers {
        acknowledged += publisher.await.unwrap().len();
    }
    let (process, address) = serve(folder.path(), &[]).await;
    let answer = send(address, "POST", "/pub?id=kept", &KNOWN, "1000000").await;
    assert_eq!(answer.status.as_u16(), 200);
    // Four publishers count alike, so what is counted here is how often each number has come.
    let heard = listen(address, "kept", from, Arc::new(AtomicUsize::new(1_000_000))).await;
    let times: usize = heard.messages.values().sum::<usize>() - 1;
    // Of those that were under way at the kill some may be there, one for each publisher.
    assert!((acknowledged..=acknowledged + 4).contains(&times), "{times} of {acknowledged}");
    assert_eq!((heard.gaps, heard.connections), (0, 1));
    process.signal(Signal::SIGTERM);
    process.ended().await;
}

#[tokio::test]
async fn a_listener_misses_nothing_when_another_server_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, address) = serve(folder.path(), &["--take-over"]).await;
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let last = Arc::new(AtomicUsize::new(usize::MAX));
    let from = place(address, "room").await;
    let listeners: Vec<_> =
        (0..5).map(|_| tokio::spawn(listen(address, "room", from.clone(), Arc::clone(&last)))).collect();
    let publisher = tokio::spawn(publish(address, "room", Arc::clone(&stop), Arc::clone(&count)));
    for round in 1..=3 {
        reached(&count, 100 * round).await;
        let (next, same) = serve(folder.path(), &["--take-over"]).await;
        assert_eq!(same, address);
        let (status, output) = process.ended().await;
        assert!(status.success() && output.contains("Another server takes over."), "{output}");
        process = next;
    }
    reached(&count, 500).await;
    stop.store(true, Ordering::SeqCst);
    let acknowledged = publisher.await.unwrap();
    last.store(*acknowledged.last().unwrap(), Ordering::SeqCst);
    // Whoever has it already looks again with the next message.
    let end = acknowledged.last().unwrap() + 1;
    assert!(try_publish(address, "room", end).await);
    for listener in listeners {
        let heard = listener.await.unwrap();
        check(&heard, &acknowledged);
        assert!(heard.connections >= 4, "{}", heard.connections);
    }
    process.signal(Signal::SIGTERM);
    process.ended().await;
}

#[tokio::test]
async fn a_restart_on_a_socket_of_systemds_keeps_all_channels() {
    let folder = tempfile::tempdir().unwrap();
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    declare(folder.path());
    // As systemd does: the socket is the third descriptor, and the process knows that it is meant.
    let script = format!(
        "exec 3<&0; LISTEN_FDS=1 LISTEN_PID=$$ exec {BINARY} serve --project demo-restart --only pushStream --port \
         pushStream={}",
        address.port()
    );
    let start = || async {
        let input = OwnedFd::from(socket.try_clone().unwrap()).into();
        let mut process = Process::start_on("/bin/sh", &["-c", &script], folder.path(), &ENVIRONMENT, input);
        process.ready().await;
        process
    };
    let process = start().await;
    let from = place(address, "room").await;
    assert!(try_publish(address, "room", 1).await);
    process.ended_by(Signal::SIGTERM).await;
    // Who comes in between waits in the socket's queue.
    let early = tokio::spawn(listen(address, "room", from, Arc::new(AtomicUsize::new(1))));
    let process = start().await;
    let heard = early.await.unwrap();
    check(&heard, &[1]);
    process.ended_by(Signal::SIGTERM).await;
}
