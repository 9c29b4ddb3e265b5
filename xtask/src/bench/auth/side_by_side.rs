//! Anonymous sign-ups and lookups: ours, the official emulator's, and what a server that holds nothing makes of them.
//!
//! Each has one processor, and what loads it another; they take turns, run by run, so that what else the machine does
//! falls on each of them.

use super::{EMULATOR, SELF_HOSTED, Sizes, calls, seconds};
use crate::bench::cores::{Cores, Kept};
use crate::bench::load::{self, Connection};
use crate::bench::server::{Server, processor_seconds};
use crate::bench::stub::{Running, Stub};
use crate::bench::verdict::{Limit, ratio};
use crate::bench::{Plan, Samples, limits, peer, print_table};
use crate::process::Failure;
use std::net::SocketAddr;
use std::rc::Rc;

const CONNECTIONS: [usize; 2] = [1, 32];
const CALLS: [&str; 2] = ["anonymous sign-ups", "lookups by ID token"];
/// Times the official emulator.
const WANTED: Limit = Limit::Share(20.0);

pub(super) async fn run(plan: &Plan, sizes: &Sizes) -> Result<(), Failure> {
    let cores = Cores::find()?;
    let _kept = Kept::on(cores.load)?;
    if plan.peer {
        peer::install()?;
    }
    let mut contenders = vec![Contender::Ours("self-hosted", SELF_HOSTED), Contender::Ours("emulator", EMULATOR)];
    contenders.extend(plan.peer.then_some(Contender::Official));
    contenders.push(Contender::Stub);
    let head =
        ["", "connections", "calls/s", "p50, ms", "p99, ms", "server CPU, µs each", "÷ official", "limit", "÷ stub"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for connections in CONNECTIONS {
        let mut figures: Vec<[Figures; 2]> = contenders.iter().map(|_| Default::default()).collect();
        for _ in 0..plan.runs {
            for (contender, figures) in contenders.iter().zip(&mut figures) {
                let started = contender.start(plan, cores)?;
                measure(&started, plan, sizes, connections, figures).await?;
            }
        }
        for (call, name) in CALLS.iter().enumerate() {
            let of = |wanted: Contender| {
                let found = contenders.iter().zip(&figures).find(|(contender, _)| **contender == wanted);
                found.and_then(|(_, figures)| figures.get(call))
            };
            let (official, stub) = (of(Contender::Official), of(Contender::Stub));
            for (contender, figures) in contenders.iter().zip(&figures) {
                let Some(figures) = figures.get(call) else { continue };
                let mut row = figures.row(&format!("{name}, {}", contender.name()), connections);
                if let Contender::Ours(..) = contender {
                    row.extend(official.map_or_else(Default::default, |official| {
                        let (ours, theirs) = (&figures.per_second, &official.per_second);
                        [ratio(ours, theirs), WANTED.verdict(ours, theirs)]
                    }));
                    row.extend(stub.map(|stub| ratio(&figures.per_second, &stub.per_second)));
                }
                rows.push(row);
            }
        }
    }
    let title = format!("Auth, sign-ups and lookups (median of {} runs of {} s each)", plan.runs, plan.seconds);
    print_table(&title, &rows);
    let syncs = limits::syncs_per_second(seconds(plan))?;
    println!("\nThis machine: {syncs:.0} synced appends/s one after the other.");
    Ok(())
}

/// Who is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contender {
    /// A preset of ours: its name, and the command that starts it.
    Ours(&'static str, &'static str),
    Official,
    Stub,
}

/// A contender that runs, until dropped.
struct Started {
    address: SocketAddr,
    processes: Vec<u32>,
    _running: Box<dyn std::any::Any>,
    /// Whether it has accounts at all.
    real: bool,
}

impl Contender {
    fn name(self) -> &'static str {
        match self {
            Self::Ours(name, _) => name,
            Self::Official => "official emulator",
            Self::Stub => "a stub of constants",
        }
    }

    fn start(self, plan: &Plan, cores: Cores) -> Result<Started, Failure> {
        let _kept = Kept::on(cores.server)?;
        Ok(match self {
            Self::Ours(_, command) => {
                let mut server = Server::start(&plan.binary, command)?;
                let (address, processes) = (server.address("auth")?, vec![server.id()]);
                Started { address, processes, _running: Box::new(server), real: true }
            }
            Self::Official => {
                let emulators = peer::Emulators::start("auth")?;
                let (address, processes) = (emulators.auth(), emulators.processes());
                Started { address, processes, _running: Box::new(emulators), real: true }
            }
            Self::Stub => {
                let running = Running::start(Stub::Http)?;
                let (address, processes) = (running.address, vec![running.id()]);
                Started { address, processes, _running: Box::new(running), real: false }
            }
        })
    }
}

#[derive(Default)]
struct Figures {
    per_second: Samples,
    p50: Samples,
    p99: Samples,
    processor: Samples,
}

impl Figures {
    fn row(&self, title: &str, connections: usize) -> Vec<String> {
        vec![
            title.to_owned(),
            connections.to_string(),
            self.per_second.show(0),
            self.p50.show(2),
            self.p99.show(2),
            self.processor.show(0),
        ]
    }
}

async fn measure(
    started: &Started,
    plan: &Plan,
    sizes: &Sizes,
    connections: usize,
    figures: &mut [Figures; 2],
) -> Result<(), Failure> {
    let tokens = if started.real {
        calls::id_tokens(&mut Connection::open(started.address).await?, sizes.users).await?
    } else {
        // As long as a real one.
        vec!["x".repeat(900)]
    };
    let lookups = tokens.iter().map(|token| calls::lookup(token)).collect();
    for (requests, figures) in [vec![calls::sign_up()], lookups].into_iter().zip(figures) {
        let before = processor_seconds(&started.processes)?;
        let begun = std::time::Instant::now();
        let run = load::run(started.address, Rc::new(requests), connections, seconds(plan), 200).await?;
        let used = processor_seconds(&started.processes)? - before;
        figures.per_second.add(run.per_second);
        figures.p50.add(run.p50);
        figures.p99.add(run.p99);
        figures.processor.add(used * 1e6 / (run.per_second * begun.elapsed().as_secs_f64()));
    }
    Ok(())
}
