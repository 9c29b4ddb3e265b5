//! Acknowledged writes: connections that each keep some in flight.

use super::socket::{Broken, Socket, accepted, answers};
use super::{Target, VALUE};
use crate::bench::Samples;
use crate::process::Failure;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

/// Each connection writes so many places in turn.
const PLACES: u64 = 1000;
/// Before the measured time.
const WARM_UP: Duration = Duration::from_millis(300);

/// What one run showed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) per_second: f64,
    /// Milliseconds.
    pub(super) p50: f64,
    /// Milliseconds.
    pub(super) p99: f64,
}

/// Puts for so long, each connection to places of its own.
pub(super) async fn run(
    target: &Target,
    connections: usize,
    in_flight: usize,
    duration: Duration,
) -> Result<Written, Failure> {
    let local = LocalSet::new();
    let mut sockets = Vec::new();
    for _ in 0..connections {
        sockets.push(Socket::open(target).await?);
    }
    let begin = Instant::now() + WARM_UP;
    let until = begin + duration;
    let writers: Vec<_> = sockets
        .into_iter()
        .enumerate()
        .map(|(number, socket)| local.spawn_local(write(socket, number, in_flight, begin, until)))
        .collect();
    local.await;
    let mut latencies = Vec::new();
    for writer in writers {
        latencies.extend(writer.await??);
    }
    latencies.sort_by(f64::total_cmp);
    let samples = Samples(latencies);
    Ok(Written {
        per_second: samples.0.len() as f64 / duration.as_secs_f64(),
        p50: samples.at(0.5),
        p99: samples.at(0.99),
    })
}

/// The milliseconds that each write took which was acknowledged between `begin` and `until`.
async fn write(
    mut socket: Socket,
    connection: usize,
    in_flight: usize,
    begin: Instant,
    until: Instant,
) -> Result<Vec<f64>, Broken> {
    let (mut waiting, mut latencies) = (VecDeque::new(), Vec::new());
    let mut writes = 0_u64;
    loop {
        let now = Instant::now();
        if now >= until {
            return Ok(latencies);
        }
        while waiting.len() < in_flight {
            writes += 1;
            let place = writes % PLACES;
            // Each value is new: to write what is there already is less work.
            let body = format!(r#"{{"p":"/bench/{connection}/{place}","d":"{writes:0VALUE$}"}}"#);
            let request = socket.ask("p", &body);
            waiting.push_back((request, now));
        }
        socket.send().await?;
        let mut result = Ok(());
        socket
            .receive(|text| {
                let (Some(request), Some((expected, sent))) = (answers(text), waiting.front().copied()) else { return };
                if request != expected {
                    result = Err(format!("an answer to {request} came before that to {expected}"));
                    return;
                }
                waiting.pop_front();
                if let Err(refused) = accepted(text) {
                    result = Err(refused);
                }
                let now = Instant::now();
                if now >= begin && now < until {
                    latencies.push((now - sent).as_secs_f64() * 1000.0);
                }
            })
            .await?;
        result?;
    }
}
