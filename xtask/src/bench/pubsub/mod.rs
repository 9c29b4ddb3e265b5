//! The push stream under load: a crowd that listens, closed loops, many channels, publishers alone, listeners that do
//! not read, both processors.
//!
//! The server has one processor, and what loads it the other. What it is measured against has the same processor and is
//! loaded by the same client, in turn with it, so that what else the machine does falls on each of them.

mod churn;
mod contender;
mod fan;
mod generator;
mod latency;
mod listeners;

pub(crate) use churn::{SoakArguments, soak};
pub(crate) use generator::{ListenersArguments, listen};

use super::cores::{Cores, Kept};
use super::verdict::{Limit, ratio, shown};
use super::{Plan, Samples, print_table};
use crate::process::Failure;
use clap::ValueEnum;
use contender::{Contender, Nginx, streams_per_process};
use fan::{Fan, Heard, Pace};
use std::time::Duration;

/// A part of the push stream's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PushPart {
    /// Many who listen to one channel, message by message.
    Crowd,
    /// Fewer of them, message upon message.
    Loop,
    /// Many channels with one listener each.
    Channels,
    /// Publishers without listeners.
    Publish,
    /// Some who do not read among many who do.
    Stalled,
    /// Listeners that come and go.
    Churn,
    /// One processor for everything, and both.
    Cores,
}

/// How much is done: less when what is measured has not been optimised.
struct Sizes {
    /// On one process, and on several.
    crowds: [usize; 2],
    messages: usize,
    listeners: usize,
    channels: usize,
    publishers: usize,
    /// Those who do not read, and all.
    stalled: (usize, usize),
}

const WHOLE: Sizes = Sizes {
    crowds: [15_000, 60_000],
    messages: 10,
    listeners: 1_000,
    channels: 10_000,
    publishers: 16,
    stalled: (1_000, 10_000),
};
const SHORT: Sizes =
    Sizes { crowds: [50, 100], messages: 3, listeners: 20, channels: 50, publishers: 2, stalled: (10, 50) };

type Rows = Vec<Vec<String>>;

struct Bench<'p> {
    plan: &'p Plan,
    cores: Cores,
    sizes: Sizes,
    contenders: Vec<Contender>,
    duration: Duration,
}

pub(super) async fn run(plan: &Plan) -> Result<(), Failure> {
    let cores = Cores::find()?;
    let kept = Kept::on(cores.load)?;
    let sizes = if plan.release { WHOLE } else { SHORT };
    let mut contenders = vec![Contender::Ours(plan.binary.clone())];
    if let Some(folder) = &plan.beside_nginx {
        contenders.push(Contender::Nginx(Nginx::find(folder)?));
    }
    contenders.push(Contender::Limit);
    let peer = contenders.iter().find(|contender| matches!(contender, Contender::Nginx(_)));
    let peer = peer.map_or("beside it", Contender::name);
    let mut rows = vec![["", "hearth", peer, "ratio", "limit", "one send each", "ratio"].map(str::to_owned).to_vec()];
    let bench = Bench { plan, cores, sizes, contenders, duration: Duration::from_secs(plan.seconds) };
    let done = bench.all(&mut rows, kept).await;
    print_table(
        &format!("Push stream (median of {} runs of {} s each, smallest–largest)", plan.runs, plan.seconds),
        &rows,
    );
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let whose = if cores.apart() { "one processor each" } else { "one processor together" };
    println!("\nServer and load had {whose}; the machine's load average was {}.", load.trim());
    done
}

/// What all runs of one measurement showed: of ours, of nginx, of the limit.
#[derive(Default)]
struct All {
    ours: Figures,
    peer: Figures,
    most: Figures,
}

#[derive(Default)]
struct Figures {
    p50: Samples,
    p99: Samples,
    per_second: Samples,
    microseconds: Samples,
    connecting: Samples,
    bytes: Samples,
}

impl Figures {
    fn add(&mut self, heard: Heard) {
        self.p50.add(heard.p50);
        self.p99.add(heard.p99);
        self.per_second.add(heard.per_second);
        self.microseconds.add(heard.microseconds);
        self.connecting.add(heard.connecting);
        self.bytes.add(heard.bytes);
    }
}

impl All {
    fn row(
        &self,
        title: impl Into<String>,
        decimals: usize,
        pick: fn(&Figures) -> &Samples,
        limit: Option<Limit>,
    ) -> Vec<String> {
        let [ours, peer, most] = [&self.ours, &self.peer, &self.most].map(pick);
        let beside = |samples: &Samples| if samples.0.is_empty() { String::new() } else { ratio(ours, samples) };
        let alone = matches!(limit, Some(Limit::AtLeast(_) | Limit::AtMost(_)));
        let verdict = limit.filter(|_| alone || !peer.0.is_empty());
        vec![
            title.into(),
            ours.show(decimals),
            shown(peer, decimals),
            beside(peer),
            verdict.map(|limit| limit.verdict(ours, peer)).unwrap_or_default(),
            shown(most, decimals),
            beside(most),
        ]
    }
}

impl Bench<'_> {
    /// What was measured before something failed stays in `rows`.
    async fn all(&self, rows: &mut Rows, kept: Kept) -> Result<(), Failure> {
        let wanted = |part| self.plan.push_parts.is_empty() || self.plan.push_parts.contains(&part);
        if wanted(PushPart::Crowd) {
            for crowd in self.sizes.crowds {
                self.crowd(crowd, rows).await?;
            }
        }
        if wanted(PushPart::Loop) {
            self.closed_loop(rows).await?;
        }
        if wanted(PushPart::Channels) {
            self.channels(rows).await?;
        }
        if wanted(PushPart::Publish) {
            self.publish(rows).await?;
        }
        if wanted(PushPart::Stalled) {
            self.stalled(rows).await?;
        }
        if wanted(PushPart::Churn) {
            let (minutes, rounds) = if self.plan.release { (1.0, 30) } else { (0.05, 3) };
            churn::run(&self.plan.binary, self.cores, Duration::from_secs_f64(minutes * 60.0), rounds).await?;
        }
        drop(kept);
        if wanted(PushPart::Cores) {
            self.both_cores(rows).await?;
        }
        Ok(())
    }

    async fn heard(&self, fan: &Fan) -> Result<All, Failure> {
        let mut all = All::default();
        for _ in 0..self.plan.runs {
            for contender in &self.contenders {
                let figures = match contender {
                    Contender::Ours(_) => &mut all.ours,
                    Contender::Nginx(_) => &mut all.peer,
                    // It knows no channels.
                    Contender::Limit if fan.channels > 1 || fan.listeners == 0 => continue,
                    Contender::Limit => &mut all.most,
                };
                let started = contender.start(self.cores, fan.processes())?;
                let heard = fan.run(&started).await.map_err(|error| format!("{}: {error}", contender.name()))?;
                figures.add(heard);
            }
        }
        Ok(all)
    }

    async fn crowd(&self, listeners: usize, rows: &mut Rows) -> Result<(), Failure> {
        // As many processes as the limit of open files asks for.
        let fan = Fan { pace: Pace::Slow(self.sizes.messages), ..Fan::of(listeners, streams_per_process()?) };
        let all = self.heard(&fan).await?;
        let title = |what: &str| match fan.processes() {
            1 => format!("{listeners} listeners, {what}"),
            some => format!("{listeners} listeners on {some} processes, {what}"),
        };
        let times = |times| Some(Limit::Times(times));
        rows.push(all.row(title("p50, ms"), 0, |figures| &figures.p50, None));
        rows.push(all.row(title("p99, ms"), 0, |figures| &figures.p99, times(0.7)));
        rows.push(all.row(title("CPU of a delivery, µs"), 1, |figures| &figures.microseconds, None));
        let at_most = Some(Limit::AtMost(4096.0));
        rows.push(all.row(title("bytes of a connection"), 0, |figures| &figures.bytes, at_most));
        rows.push(all.row(title("connecting, s"), 2, |figures| &figures.connecting, times(1.0)));
        Ok(())
    }

    async fn closed_loop(&self, rows: &mut Rows) -> Result<(), Failure> {
        let fan = Fan { pace: Pace::Fast(self.duration), ..Fan::of(self.sizes.listeners, usize::MAX) };
        let all = self.heard(&fan).await?;
        let title = |what: &str| format!("{} listeners, message upon message, {what}", fan.listeners);
        rows.push(all.row(title("deliveries/s"), 0, |figures| &figures.per_second, Some(Limit::Share(1.5))));
        rows.push(all.row(title("CPU of a delivery, µs"), 1, |figures| &figures.microseconds, None));
        Ok(())
    }

    async fn channels(&self, rows: &mut Rows) -> Result<(), Failure> {
        let channels = self.sizes.channels;
        for publishers in [1, self.sizes.publishers] {
            let fan = Fan { channels, publishers, ..Fan::of(channels, usize::MAX) };
            let all = self.heard(&Fan { pace: Pace::Fast(self.duration), ..fan }).await?;
            let title = |what: &str| format!("{channels} channels × 1, {publishers} publishing, {what}");
            rows.push(all.row(title("deliveries/s"), 0, |figures| &figures.per_second, Some(Limit::Share(1.5))));
            rows.push(all.row(title("CPU of a delivery, µs"), 1, |figures| &figures.microseconds, None));
        }
        Ok(())
    }

    async fn publish(&self, rows: &mut Rows) -> Result<(), Failure> {
        let publishers = self.sizes.publishers;
        let fan = Fan { pace: Pace::Fast(self.duration), publishers, ..Fan::of(0, usize::MAX) };
        let all = self.heard(&fan).await?;
        let title = |what: &str| format!("{publishers} publishing, nobody listening, {what}");
        rows.push(all.row(title("messages/s"), 0, |figures| &figures.per_second, Some(Limit::Share(1.5))));
        rows.push(all.row(title("CPU of a message, µs"), 1, |figures| &figures.microseconds, None));
        Ok(())
    }

    /// What those cost the others who do not read, in time and in memory.
    async fn stalled(&self, rows: &mut Rows) -> Result<(), Failure> {
        let (stalled, listeners) = self.sizes.stalled;
        let [mut with, mut without, mut grown] = <[Samples; 3]>::default();
        let ours = Contender::Ours(self.plan.binary.clone());
        for _ in 0..self.plan.runs {
            for (stalled, samples) in [(0, &mut without), (stalled, &mut with)] {
                let fan = Fan { stalled, bytes: 8 * 1024, ..Fan::of(listeners - stalled, usize::MAX) };
                let fan = Fan { pace: Pace::Slow(10 * self.sizes.messages), ..fan };
                let heard = fan.run(&ours.start(self.cores, 1)?).await?;
                samples.add(heard.p99);
                if stalled > 0 {
                    grown.add(heard.grown);
                }
            }
        }
        let title = format!("{listeners} listeners, messages of 8 KB, {stalled} do not read, p99 of the others, ms");
        rows.push(vec![
            title,
            with.show(0),
            format!("if all read: {}", without.show(0)),
            ratio(&with, &without),
            Limit::Times(1.2).verdict(&with, &without),
        ]);
        rows.push(vec!["… memory beyond that of the connections, MB".to_owned(), grown.show(1)]);
        Ok(())
    }

    /// Server and load together: on one processor, then on both.
    async fn both_cores(&self, rows: &mut Rows) -> Result<(), Failure> {
        let [mut one, mut both, mut one_cost, mut both_cost] = <[Samples; 4]>::default();
        let ours = Contender::Ours(self.plan.binary.clone());
        for _ in 0..self.plan.runs {
            for (kept, samples, cost) in [(true, &mut one, &mut one_cost), (false, &mut both, &mut both_cost)] {
                let _kept = if kept { Some(Kept::on(self.cores.server)?) } else { None };
                let pace = Pace::Fast(self.duration);
                let fan = Fan { pace, publishers: 2, ..Fan::of(self.sizes.listeners, usize::MAX) };
                let heard = fan.run(&ours.start_here(1)?).await?;
                samples.add(heard.per_second);
                cost.add(heard.microseconds);
            }
        }
        rows.push(vec![
            format!("{} listeners, server and load on both processors, deliveries/s", self.sizes.listeners),
            both.show(0),
            format!("on one: {}", one.show(0)),
            ratio(&both, &one),
            Limit::Share(1.7).verdict(&both, &one),
        ]);
        rows.push(vec![
            "… CPU of a delivery, µs".to_owned(),
            both_cost.show(2),
            format!("on one: {}", one_cost.show(2)),
            ratio(&both_cost, &one_cost),
        ]);
        Ok(())
    }
}
