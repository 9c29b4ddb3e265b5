//! The server is killed in the middle of writes; whatever it acknowledged is there afterwards.

use hearth_tests::client::send;
use hearth_tests::process::{FREE_PORTS, Process, address};
use hearth_tests::websocket::Client;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const BINARY: &str = env!("CARGO_BIN_EXE_hearth-under-test");
/// Writes under way when the kill comes, and writers.
const WRITES: usize = 10_000;
const WRITERS: usize = 8;
/// Sessions that intend something for their ends while there are writes.
const SESSIONS: usize = 4;

/// `HEARTH_CRASH_ROUNDS` rounds (`cargo xtask crash`), or a few.
fn rounds() -> usize {
    std::env::var("HEARTH_CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3)
}

#[tokio::test]
async fn no_acknowledged_write_is_lost_to_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let (mut acknowledged, mut intended) = (0, 0);
    for round in 0..rounds() {
        let (process, database) = start(folder.path()).await;
        // Killed after a different share of the writes each time.
        let kill_after = WRITES * chance(round as u64 + 1, 100) / 100;
        let mut sessions = Vec::new();
        for session in 0..SESSIONS {
            let (client, _) = Client::greeted(database, "").await;
            sessions.push(tokio::spawn(intend(client, round, session)));
        }
        let written = write_until_killed(&process, database, round, kill_after).await;
        // Only then is its folder free.
        process.ended().await;
        let mut intents = Vec::new();
        for session in sessions {
            intents.extend(session.await.unwrap());
        }

        let started = Instant::now();
        let (process, database) = start(folder.path()).await;
        let opened = started.elapsed();
        let lost = missing(database, round, &written).await;
        assert!(lost.is_empty(), "round {round}: acknowledged, then lost: {lost:?}");
        let wrong = not_once(database, round, &intents).await;
        assert!(wrong.is_empty(), "round {round}: intended for the end of a session, but: {wrong:?}");
        acknowledged += written.len();
        intended += intents.len();
        println!(
            "round {round}: {} writes and {} intents acknowledged before the kill, all there; open again after {opened:?}",
            written.len(),
            intents.len()
        );
        process.signal(Signal::SIGKILL);
        process.ended().await;

        // It has happened, and does not happen again.
        let (process, database) = start(folder.path()).await;
        let wrong = not_once(database, round, &intents).await;
        assert!(wrong.is_empty(), "round {round}: after another kill: {wrong:?}");
        process.signal(Signal::SIGKILL);
        process.ended().await;
    }
    assert!(acknowledged > 0 && intended > 0);
}

/// A number below `limit` that looks like chance and follows from `seed`.
fn chance(seed: u64, limit: usize) -> usize {
    fastrand::Rng::with_seed(seed).usize(..limit)
}

/// A session that intends to count places up when it ends, one after the other, until the server is killed; every third
/// one it cancels again. The places whose last change was acknowledged, and whether they are to be counted.
async fn intend(mut client: Client, round: usize, session: usize) -> Vec<(String, bool)> {
    let mut places = Vec::new();
    for number in 0.. {
        let place = format!("{session}-{number}");
        let path = format!("/ended/{round}/{place}");
        let data = json!({"p": path, "d": {".sv": {"increment": 1}}});
        if client.try_ask("o", &data).await.is_none() {
            break;
        }
        if number % 3 > 0 {
            places.push((place, true));
        } else if client.try_ask("oc", &json!({"p": path, "d": null})).await.is_some() {
            places.push((place, false));
        } else {
            break;
        }
    }
    places
}

/// Places that were not counted up once, or that were although that was cancelled.
async fn not_once(database: SocketAddr, round: usize, intents: &[(String, bool)]) -> Vec<String> {
    let path = format!("/ended/{round}.json?format=export");
    let found = send(database, "GET", &path, &[], "").await.json();
    let counted = found.as_object().map(|places| places.values().filter(|times| **times != 1)).into_iter().flatten();
    let mut wrong: Vec<String> = counted.map(|times| format!("a place was counted {times} times")).collect();
    for (place, is_intended) in intents {
        if found.get(place).is_some() != *is_intended {
            wrong.push(format!("{place} was counted: {}", !is_intended));
        }
    }
    wrong
}

async fn start(folder: &Path) -> (Process, SocketAddr) {
    let arguments = [
        "emulators:start",
        "--project",
        "demo-crash",
        "--only",
        "database",
        "--port",
        FREE_PORTS,
        "--ports-file",
        "ports.json",
    ];
    let mut process = Process::start(BINARY, &arguments, folder);
    process.ready().await;
    (process, address(&folder.join("ports.json"), "database"))
}

/// Writes pairs that must be there both or not at all; the numbers of those that were acknowledged.
async fn write_until_killed(process: &Process, database: SocketAddr, round: usize, kill_after: usize) -> Vec<usize> {
    let (next, acknowledged) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (next, acknowledged) = (Arc::clone(&next), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                let mut mine = Vec::new();
                let Ok(mut stream) = TcpStream::connect(database).await else { return mine };
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= WRITES || !patch(&mut stream, round, number).await {
                        return mine;
                    }
                    mine.push(number);
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    while acknowledged.load(Ordering::SeqCst) < kill_after {
        tokio::task::yield_now().await;
    }
    process.signal(Signal::SIGKILL);
    let mut written = Vec::new();
    for writer in writers {
        written.extend(writer.await.unwrap());
    }
    written
}

/// One atomic write of two places; whether it was acknowledged.
async fn patch(stream: &mut TcpStream, round: usize, number: usize) -> bool {
    let body = format!(r#"{{"left/{round}/{number}":{number},"right/{round}/{number}":{number}}}"#);
    let request =
        format!("PATCH /.json?print=silent HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    if stream.write_all(request.as_bytes()).await.is_err() {
        return false;
    }
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        match stream.read_buf(&mut answer).await {
            Ok(read) if read > 0 => {}
            _ => return false,
        }
    }
    answer.starts_with(b"HTTP/1.1 204")
}

/// Acknowledged writes that are not there, and pairs of which only one half is.
async fn missing(database: SocketAddr, round: usize, written: &[usize]) -> Vec<String> {
    let side = async |side: &str| {
        let path = format!("/{side}/{round}.json?format=export");
        hearth_tests::client::send(database, "GET", &path, &[], "").await.json()
    };
    let (left, right) = (side("left").await, side("right").await);
    let has = |side: &Value, number: usize| side.get(number.to_string()) == Some(&Value::from(number));
    let mut missing: Vec<String> =
        written.iter().filter(|number| !has(&left, **number)).map(ToString::to_string).collect();
    if left != right {
        missing.push("half of a pair".to_owned());
    }
    missing
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_large_change() {
    let folder = tempfile::tempdir().unwrap();
    let (process, database) = start(folder.path()).await;
    // Long paths make much to store of a short text.
    let key = format!("{{\"{}\":", "k".repeat(700));
    let body = format!("{}[{}0]{}", key.repeat(30), "0,".repeat(20_000), "}".repeat(30));
    let stored = body.clone();
    let large = tokio::spawn(async move { send(database, "PUT", "/large.json", &[], body).await });
    // The writer is at it once a small change has to wait.
    let small = || timeout(Duration::from_millis(300), send(database, "PUT", "/small.json", &[], "1"));
    while !large.is_finished() && small().await.is_ok() {}
    let begun = Instant::now();
    process.signal(Signal::SIGTERM);
    assert_eq!(process.ended().await.0.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_millis(2500), "{:?}", begun.elapsed());
    // Whole, or not at all.
    let (process, database) = start(folder.path()).await;
    let large = send(database, "GET", "/large.json", &[], "").await;
    assert!([stored.as_str(), "null"].contains(&large.text()), "{} bytes are left", large.text().len());
    process.signal(Signal::SIGTERM);
    assert_eq!(process.ended().await.0.code(), Some(0));
}
