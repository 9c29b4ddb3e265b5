//! Load over keep-alive connections: each sends a request, reads the answer, sends the next.
//!
//! Requests are bytes made beforehand and answers are read no further than needed, so that the instrument costs
//! little beside what it measures; its own ceiling is measured too (`limits`).

use super::Samples;
use crate::process::Failure;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// An answer, as far as load needs it.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// One keep-alive connection.
pub(super) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::with_capacity(4096) })
    }

    /// Sends `request` and reads the whole answer, which has to announce its length or come in chunks.
    pub(super) async fn ask(&mut self, request: &[u8]) -> Result<Answer, Failure> {
        self.stream.write_all(request).await?;
        self.read.clear();
        loop {
            if let Some(answer) = parse(&self.read) {
                return Ok(answer);
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err("the server closed the connection".into());
            }
        }
    }
}

/// The answer, once all of it is there.
fn parse(read: &[u8]) -> Option<Answer> {
    let head_end = read.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(read.get(..head_end)?).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let announced = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let rest = read.get(head_end + 4..)?;
    // These two have no body, and say nothing of its length.
    let body = if matches!(status, 204 | 304) {
        Vec::new()
    } else if let Some(length) = announced {
        rest.get(..length)?.to_vec()
    } else {
        chunks(rest)?
    };
    Some(Answer { status, body })
}

/// What chunks hold (RFC 9112), once the last of them is there.
fn chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line_end = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(rest.get(..line_end)?).ok()?, 16).ok()?;
        let chunk = rest.get(line_end + 2..line_end + 2 + length)?;
        rest = rest.get(line_end + 2 + length..)?.strip_prefix(b"\r\n")?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(chunk);
    }
}

/// A request's bytes.
pub(super) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

/// What one run showed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) per_second: f64,
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// Sends `requests` in turn over `connections` for `duration`. Any status but `expected` is an error.
pub(super) async fn run(
    address: SocketAddr,
    requests: Rc<Vec<Vec<u8>>>,
    connections: usize,
    duration: Duration,
    expected: u16,
) -> Result<Run, Failure> {
    let local = LocalSet::new();
    let started = Instant::now();
    let mut workers = Vec::new();
    for number in 0..connections {
        let requests = Rc::clone(&requests);
        workers.push(local.spawn_local(async move {
            let mut connection = Connection::open(address).await.map_err(|error| error.to_string())?;
            let mut latencies = Vec::new();
            let mine = requests.iter().cycle().skip(number * requests.len() / connections);
            for request in mine {
                let sent = Instant::now();
                let answer = connection.ask(request).await.map_err(|error| error.to_string())?;
                if answer.status != expected {
                    let body = String::from_utf8_lossy(&answer.body).into_owned();
                    return Err(format!("expected {expected}, got {}: {body}", answer.status));
                }
                latencies.push(sent.elapsed().as_secs_f64() * 1000.0);
                if started.elapsed() > duration {
                    break;
                }
            }
            Ok(latencies)
        }));
    }
    local.await;
    let mut latencies = Vec::new();
    for worker in workers {
        latencies.extend(worker.await?.map_err(Failure::from)?);
    }
    let elapsed = started.elapsed().as_secs_f64();
    latencies.sort_by(f64::total_cmp);
    let samples = Samples(latencies);
    Ok(Run { per_second: samples.0.len() as f64 / elapsed, p50: samples.at(0.5), p99: samples.at(0.99) })
}
