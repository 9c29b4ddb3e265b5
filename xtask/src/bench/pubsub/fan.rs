//! One run: listeners come, messages are published, and are waited for. Must not know: who serves.

use super::contender::{SECRET, Started, Target};
use super::generator::{channel, now, stamp, stamped};
use super::listeners::{Listeners, Share};
use crate::bench::load::{Connection, request};
use crate::bench::server::processor_seconds;
use crate::process::Failure;
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::{JoinSet, LocalSet};

/// Between one message that all have heard and the next, and before the first.
const PAUSE: Duration = Duration::from_millis(100);
/// The server is left alone for so long before it is weighed.
const REST: Duration = Duration::from_millis(500);

/// What is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fan {
    /// Who listens and reads.
    pub(super) listeners: usize,
    /// Who listens besides, and does not.
    pub(super) stalled: usize,
    /// A process serves so many listeners at most.
    pub(super) each: usize,
    /// The listeners are spread over so many channels.
    pub(super) channels: usize,
    /// Connections that publish.
    pub(super) publishers: usize,
    /// Of a message.
    pub(super) bytes: usize,
    pub(super) pace: Pace,
}

/// How the publishers go on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// So many messages, each after all have heard the last one.
    Slow(usize),
    /// Each when the last is acknowledged, for so long.
    Fast(Duration),
}

/// What one run showed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    /// Milliseconds from the publishing of a message to its arrival.
    pub(super) p50: f64,
    pub(super) p99: f64,
    /// Deliveries, or messages where nobody listens; pauses do not count.
    pub(super) per_second: f64,
    /// Processor time of each.
    pub(super) microseconds: f64,
    /// Seconds until all were connected.
    pub(super) connecting: f64,
    /// Memory that the server's processes need for a connection.
    pub(super) bytes: f64,
    /// Megabytes that it needs more after all messages.
    pub(super) grown: f64,
}

impl Fan {
    /// So many listeners to one channel, on processes that serve so many each.
    pub(super) fn of(listeners: usize, each: usize) -> Self {
        Self { listeners, stalled: 0, each, channels: 1, publishers: 1, bytes: 120, pace: Pace::Slow(0) }
    }

    /// Processes that serve.
    pub(super) fn processes(&self) -> usize {
        (self.listeners + self.stalled).div_ceil(self.each).max(1)
    }

    pub(super) async fn run(&self, started: &Started) -> Result<Heard, Failure> {
        let targets = &started.targets;
        for target in targets.iter().take(if started.apart { targets.len() } else { 1 }) {
            // A channel has to have a message before it is listened to.
            let mut publisher = Connection::open(target.address).await?;
            for number in 0..self.channels {
                publish(&mut publisher, target, number, "first").await?;
            }
        }
        tokio::time::sleep(REST).await;
        let processes = started.processes();
        let empty = memory(&processes);
        let shares: Vec<Share<'_>> = self.shares(targets).filter(|share| share.count > 0).collect();
        let connecting = Instant::now();
        let mut listeners = Listeners::open(&shares)?;
        let connecting = connecting.elapsed().as_secs_f64();
        tokio::time::sleep(REST).await;
        let full = memory(&processes);
        let before = processor_seconds(&processes)?;
        let (published, seconds) = match self.pace {
            Pace::Slow(messages) => self.slowly(started, &shares, &mut listeners, messages).await?,
            Pace::Fast(duration) => self.fast(started, &shares, &mut listeners, duration).await?,
        };
        let used = processor_seconds(&processes)? - before;
        let latencies = listeners.report()?;
        let done = if self.listeners == 0 { published } else { latencies.total() } as f64;
        Ok(Heard {
            p50: latencies.at(0.5),
            p99: latencies.at(0.99),
            per_second: done / seconds,
            microseconds: used * 1e6 / done,
            connecting,
            bytes: (full - empty) / (self.listeners + self.stalled) as f64,
            grown: (memory(&processes) - full) / 1e6,
        })
    }

    /// An equal part of the listeners for each target.
    fn shares<'t>(&self, targets: &'t [Target]) -> impl Iterator<Item = Share<'t>> {
        let (all, parts, fan) = (self.listeners + self.stalled, targets.len(), *self);
        targets.iter().enumerate().map(move |(number, target)| {
            let count = all * (number + 1) / parts - all * number / parts;
            Share { target, count, channels: fan.channels, stalled: if number == 0 { fan.stalled } else { 0 } }
        })
    }

    async fn slowly(
        &self,
        started: &Started,
        shares: &[Share<'_>],
        listeners: &mut Listeners,
        messages: usize,
    ) -> Result<(u64, f64), Failure> {
        let mut publishers = Vec::new();
        for share in shares.iter().take(if started.apart { shares.len() } else { 1 }) {
            publishers.push((Connection::open(share.target.address).await?, share.target.clone()));
        }
        let mut spent = 0;
        for round in 1..=messages as u64 {
            let wanted: Vec<u64> = shares.iter().map(|share| round * (share.count - share.stalled) as u64).collect();
            listeners.expect(&wanted)?;
            tokio::time::sleep(PAUSE).await;
            let (begun, bytes) = (now(), self.bytes);
            let publishing = async {
                let mut all = JoinSet::new();
                for (mut connection, target) in publishers.drain(..) {
                    all.spawn_local(async move {
                        let done = publish(&mut connection, &target, 0, &stamped(bytes)).await;
                        done.map_err(|error| error.to_string())?;
                        Ok::<_, String>((connection, target))
                    });
                }
                all.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()
            };
            publishers = LocalSet::new().run_until(publishing).await?;
            spent += listeners.reached()?.saturating_sub(begun);
        }
        Ok((messages as u64, spent as f64 / 1e6))
    }

    async fn fast(
        &self,
        started: &Started,
        shares: &[Share<'_>],
        listeners: &mut Listeners,
        duration: Duration,
    ) -> Result<(u64, f64), Failure> {
        let target = started.targets.first().ok_or("nobody to publish to")?;
        let (published, fan) = (Rc::new(Cell::new(0)), *self);
        let begun = Instant::now();
        let publishing = async {
            let mut all = JoinSet::new();
            for _ in 0..fan.publishers {
                let (published, target) = (Rc::clone(&published), target.clone());
                all.spawn_local(async move {
                    let mut connection = Connection::open(target.address).await?;
                    let mut message = Message::default();
                    while begun.elapsed() < duration {
                        let number = published.replace(published.get() + 1) % fan.channels;
                        send(&mut connection, message.now(&target, number, fan.bytes)).await?;
                    }
                    Ok(())
                });
            }
            let done = all.join_all().await;
            done.into_iter().collect::<Result<(), Failure>>()
        };
        let started = now();
        LocalSet::new().run_until(publishing).await?;
        if shares.is_empty() {
            return Ok((published.get() as u64, begun.elapsed().as_secs_f64()));
        }
        let wanted: Vec<u64> = shares
            .iter()
            .map(|share| (published.get() * (share.count - share.stalled) / self.channels) as u64)
            .collect();
        listeners.expect(&wanted)?;
        Ok((published.get() as u64, listeners.reached()?.saturating_sub(started) as f64 / 1e6))
    }
}

/// Publishes one message.
pub(super) async fn publish(
    connection: &mut Connection,
    target: &Target,
    number: usize,
    text: &str,
) -> Result<(), Failure> {
    send(connection, &to_publish(target, number, text)).await
}

fn to_publish(target: &Target, number: usize, text: &str) -> Vec<u8> {
    let path = target.publish.replace("{}", &channel(number));
    request("POST", &path, &[("Authorization", SECRET)], text)
}

/// A request that publishes. Only its time is set anew as long as it is for the same channel, so that the instrument
/// costs little.
#[derive(Default)]
struct Message {
    number: Option<usize>,
    request: Vec<u8>,
}

impl Message {
    fn now(&mut self, target: &Target, number: usize, bytes: usize) -> &[u8] {
        if self.number.replace(number) == Some(number) {
            stamp(&mut self.request);
        } else {
            self.request = to_publish(target, number, &stamped(bytes));
        }
        &self.request
    }
}

async fn send(connection: &mut Connection, request: &[u8]) -> Result<(), Failure> {
    let answer = connection.ask(request).await?;
    // Others say that they have created or queued something.
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    Err(format!("a message was answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body)).into())
}

/// Bytes of memory that processes have, what they share divided among them.
fn memory(processes: &[u32]) -> f64 {
    let of = |process: &u32| {
        let text = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
        let kilobytes =
            text.lines().find_map(|line| line.strip_prefix("Pss:")?.split_whitespace().next()?.parse().ok());
        kilobytes.unwrap_or(0.0) * 1024.0
    };
    processes.iter().map(of).sum()
}
