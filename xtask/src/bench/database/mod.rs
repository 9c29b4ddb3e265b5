//! The Realtime Database under load: writes, reads, listeners, idle connections, a query.
//!
//! The self-hosted server, whose commits are synced to the disk, has one processor, and what loads it another. What it
//! is measured against has the same processor and is loaded by the same client, in turn with it, so that what else the
//! machine does falls on each of them.

mod fanout;
mod idle;
mod leaf;
mod query;
mod raw;
mod socket;
mod writes;

use super::cores::{Cores, Kept, move_process};
use super::load::{self, Connection, request};
use super::server::{Server, processor_seconds};
use super::stub::{Running, Stub};
use super::verdict::{Limit, ratio, shown};
use super::{Part, Plan, Samples, print_table};
use crate::process::Failure;
use fanout::Pace;
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// Each value that is written is a text of so many bytes.
pub(super) const VALUE: usize = 120;
const NAMESPACE: &str = "demo-bench-default-rtdb";
const READERS: usize = 32;
const DURABLE: &str = "serve";

/// A database that is loaded.
#[derive(Clone, Debug)]
struct Target {
    address: SocketAddr,
    namespace: String,
}

/// How much is done: less when what is measured has not been optimised.
struct Sizes {
    in_flight: (usize, usize),
    listeners: [usize; 2],
    writes_heard: usize,
    idle: usize,
    children: usize,
    leaves: &'static [usize],
}

const WHOLE: Sizes = Sizes {
    in_flight: (64, 16),
    listeners: [1_000, 10_000],
    writes_heard: 20,
    idle: 10_000,
    children: 1_000_000,
    leaves: &[1_000, 100_000, 1_000_000],
};
const SHORT: Sizes = Sizes {
    in_flight: (4, 4),
    listeners: [20, 100],
    writes_heard: 3,
    idle: 100,
    children: 2_000,
    leaves: &[1_000, 10_000],
};

pub(super) async fn run(plan: &Plan) -> Result<(), Failure> {
    let cores = Cores::find()?;
    let _kept = Kept::on(cores.load)?;
    let sizes = if plan.release { WHOLE } else { SHORT };
    let peer = plan.beside_database.as_deref().map(Peer::read).transpose()?;
    if let Some(peer) = &peer {
        peer.processes.iter().try_for_each(|process| move_process(*process, cores.server))?;
    }
    let bench = Bench { plan, cores, sizes, peer, duration: Duration::from_secs(plan.seconds) };
    let peer = bench.peer.as_ref().map_or("beside it", |peer| &peer.name);
    let mut rows =
        vec![["", "hearth", "CPU, µs each", "measured against", "ratio", "limit", peer].map(str::to_owned).to_vec()];
    let done = bench.all(&mut rows).await;
    print_table(
        &format!("Realtime Database (median of {} runs of {} s each, smallest–largest)", plan.runs, plan.seconds),
        &rows,
    );
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let whose = if cores.apart() { "one processor each" } else { "one processor together" };
    println!("\nServer and load had {whose}; the machine's load average was {}.", load.trim());
    done
}

/// Acknowledged writes of a server of ours.
pub(super) struct Written {
    pub(super) per_second: f64,
    /// Processor time of each; the warm-up counts too, so this is somewhat more than it takes.
    pub(super) microseconds: f64,
}

/// Durable writes below `/bench` while these rules hold.
pub(super) async fn writes_under(plan: &Plan, cores: Cores, rules: &Value) -> Result<Written, Failure> {
    let (connections, in_flight) = if plan.release { WHOLE.in_flight } else { SHORT.in_flight };
    let mut server = {
        let _kept = Kept::on(cores.server)?;
        Server::start_with(&plan.binary, DURABLE, Some(rules))?
    };
    let target = Target { address: server.address("database")?, namespace: NAMESPACE.to_owned() };
    let duration = Duration::from_secs(plan.seconds);
    let before = processor_seconds(&[server.id()])?;
    let per_second = writes::run(&target, connections, in_flight, duration).await?.per_second;
    let used = processor_seconds(&[server.id()])? - before;
    Ok(Written { per_second, microseconds: used * 1e6 / (per_second * duration.as_secs_f64()) })
}

struct Bench<'p> {
    plan: &'p Plan,
    cores: Cores,
    sizes: Sizes,
    peer: Option<Peer>,
    duration: Duration,
}

type Rows = Vec<Vec<String>>;

impl Bench<'_> {
    /// What was measured before something failed stays in `rows`.
    async fn all(&self, rows: &mut Rows) -> Result<(), Failure> {
        let wanted = |part| self.plan.parts.is_empty() || self.plan.parts.contains(&part);
        if wanted(Part::Writes) {
            self.writes(rows).await?;
        }
        if wanted(Part::Reads) {
            self.reads(rows).await?;
        }
        if wanted(Part::Listeners) {
            self.listeners(rows).await?;
        }
        if wanted(Part::Idle) {
            self.idle(rows).await?;
        }
        if wanted(Part::Query) {
            self.query(rows).await?;
        }
        if wanted(Part::Leaf) {
            self.leaf(rows).await?;
        }
        Ok(())
    }

    /// A server of ours on its processor, open to everyone.
    fn server(&self, command: &str) -> Result<(Server, Target), Failure> {
        let _kept = Kept::on(self.cores.server)?;
        let rules = json!({"rules": {".read": true, ".write": true, "scores": {".indexOn": "score"}}});
        let mut server = Server::start_with(&self.plan.binary, command, Some(&rules))?;
        let target = Target { address: server.address("database")?, namespace: NAMESPACE.to_owned() };
        Ok((server, target))
    }

    fn stub(&self, stub: Stub) -> Result<(Running, Target), Failure> {
        let _kept = Kept::on(self.cores.server)?;
        let running = Running::start(stub)?;
        let target = Target { address: running.address, namespace: NAMESPACE.to_owned() };
        Ok((running, target))
    }

    async fn writes(&self, rows: &mut Rows) -> Result<(), Failure> {
        let (connections, in_flight) = self.sizes.in_flight;
        for (connections, in_flight, limit) in
            [(1, 1, Limit::Share(0.6)), (connections, in_flight, Limit::AtLeast(30_000.0))]
        {
            let [mut ours, mut raw, mut stub, mut peer, mut cost] = <[Samples; 5]>::default();
            let [mut p50, mut p99] = <[Samples; 2]>::default();
            for _ in 0..self.plan.runs {
                let (server, target) = self.server(DURABLE)?;
                if self.plan.release {
                    settle(&target).await?;
                }
                let before = processor_seconds(&[server.id()])?;
                let written = writes::run(&target, connections, in_flight, self.duration).await?;
                let used = processor_seconds(&[server.id()])? - before;
                ours.add(written.per_second);
                p50.add(written.p50);
                p99.add(written.p99);
                // The warm-up counts too, so this is somewhat more than it takes.
                cost.add(used * 1e6 / (written.per_second * self.duration.as_secs_f64()));
                drop(server);
                raw.add(raw::rows_per_second(connections, self.duration, self.cores.server)?);
                let (_running, target) = self.stub(Stub::Socket)?;
                stub.add(writes::run(&target, connections, in_flight, self.duration).await?.per_second);
                if let Some(beside) = &self.peer {
                    peer.add(writes::run(&beside.target, connections, in_flight, self.duration).await?.per_second);
                }
            }
            let of = if connections == 1 { "one row".to_owned() } else { format!("{connections} rows") };
            rows.push(vec![
                format!("durable writes/s, {connections} × {in_flight} in flight"),
                ours.show(0),
                cost.show(0),
                format!("SQLite, commits of {of}: {}", raw.show(0)),
                ratio(&ours, &raw),
                limit.verdict(&ours, &raw),
                shown(&peer, 0),
            ]);
            rows.push(vec![
                "… p50; p99, ms".to_owned(),
                format!("{}; {}", p50.show(2), p99.show(2)),
                String::new(),
                format!("a stub that says ok: {}/s", stub.show(0)),
                ratio(&ours, &stub),
                String::new(),
                String::new(),
            ]);
        }
        Ok(())
    }

    async fn reads(&self, rows: &mut Rows) -> Result<(), Failure> {
        let [mut ours, mut bare, mut peer, mut cost] = <[Samples; 4]>::default();
        let path = |target: &Target| format!("/bench/0/1.json?ns={}", target.namespace);
        let read = async |target: &Target| {
            let question = Rc::new(vec![request("GET", &path(target), &[], "")]);
            load::run(target.address, question, READERS, self.duration, 200).await
        };
        let prepare = async |target: &Target| {
            let value = format!("\"{}\"", "x".repeat(VALUE));
            let put = request("PUT", &path(target), &[], &value);
            let mut connection = Connection::open(target.address).await?;
            connection.ask(&put).await
        };
        for _ in 0..self.plan.runs {
            let (server, target) = self.server(DURABLE)?;
            prepare(&target).await?;
            let before = processor_seconds(&[server.id()])?;
            let run = read(&target).await?;
            let used = processor_seconds(&[server.id()])? - before;
            ours.add(run.per_second);
            cost.add(used * 1e6 / (run.per_second * self.duration.as_secs_f64()));
            drop(server);
            let (_running, target) = self.stub(Stub::Http)?;
            bare.add(read(&target).await?.per_second);
            if let Some(beside) = &self.peer {
                prepare(&beside.target).await?;
                peer.add(read(&beside.target).await?.per_second);
            }
        }
        rows.push(vec![
            format!("REST reads/s, {READERS} connections"),
            ours.show(0),
            cost.show(0),
            format!("hyper, a constant: {}", bare.show(0)),
            ratio(&ours, &bare),
            Limit::Share(0.7).verdict(&ours, &bare),
            shown(&peer, 0),
        ]);
        Ok(())
    }

    async fn listeners(&self, rows: &mut Rows) -> Result<(), Failure> {
        let slow = Pace::Slow(self.sizes.writes_heard);
        for listeners in self.sizes.listeners {
            let figures = self.heard(listeners, slow).await?;
            let limit =
                |limit: Limit, pick: fn(&Heard) -> &Samples| limit.verdict(pick(&figures.ours), pick(&figures.stub));
            let title = |what: &str| format!("one write to {listeners} listeners, {what}");
            let at_most = Limit::Times(1.5);
            rows.push(figures.row(title("p50, ms"), 2, |heard| &heard.p50, limit(at_most, |heard| &heard.p50)));
            rows.push(figures.row(title("p99, ms"), 2, |heard| &heard.p99, limit(at_most, |heard| &heard.p99)));
            rows.push(figures.row(title("deliveries/s"), 0, |heard| &heard.per_second, String::new()));
        }
        let [few, _] = self.sizes.listeners;
        let figures = self.heard(few, Pace::Fast(self.duration)).await?;
        let verdict = Limit::AtLeast(100_000.0).verdict(&figures.ours.per_second, &figures.stub.per_second);
        let title = format!("{few} listeners, write after write, deliveries/s");
        rows.push(figures.row(title, 0, |heard| &heard.per_second, verdict));
        Ok(())
    }

    async fn heard(&self, listeners: usize, pace: Pace) -> Result<AllHeard, Failure> {
        let mut all = AllHeard::default();
        for _ in 0..self.plan.runs {
            let (server, target) = self.server(DURABLE)?;
            all.ours.add(fanout::run(&target, &[server.id()], listeners, pace).await?);
            drop(server);
            let (running, target) = self.stub(Stub::Socket)?;
            all.stub.add(fanout::run(&target, &[running.id()], listeners, pace).await?);
            drop(running);
            if let Some(beside) = &self.peer {
                all.peer.add(fanout::run(&beside.target, &beside.processes, listeners, pace).await?);
            }
        }
        Ok(all)
    }

    async fn idle(&self, rows: &mut Rows) -> Result<(), Failure> {
        let connections = self.sizes.idle;
        let [mut welcomed, mut listening] = <[Samples; 2]>::default();
        for _ in 0..self.plan.runs.min(3) {
            let (server, target) = self.server(DURABLE)?;
            let weighed = idle::run(&target, server.id(), connections).await?;
            welcomed.add(weighed.welcomed);
            listening.add(weighed.listening);
        }
        for (what, samples) in [("idle", welcomed), ("idle, with a listener", listening)] {
            rows.push(vec![
                format!("bytes per connection, {connections} of them {what}"),
                samples.show(0),
                String::new(),
                String::new(),
                String::new(),
                Limit::AtMost(8192.0).verdict(&samples, &samples),
                String::new(),
            ]);
        }
        Ok(())
    }

    /// Without syncs, which would hide what a leaf among many costs.
    async fn leaf(&self, rows: &mut Rows) -> Result<(), Failure> {
        let mut smallest: Option<[Samples; 2]> = None;
        for leaves in self.sizes.leaves {
            let [mut read, mut set] = <[Samples; 2]>::default();
            for _ in 0..self.plan.runs {
                let (_server, target) = self.server("emulators:start")?;
                let steps = leaf::run(&target, *leaves).await?;
                read.add(steps.read);
                set.add(steps.set);
            }
            let least = smallest.get_or_insert_with(|| [read.clone(), set.clone()]);
            for (what, samples, least) in [("read", &read, &least[0]), ("set", &set, &least[1])] {
                rows.push(vec![
                    format!("one leaf of {leaves} {what} over WebSocket, p50, µs"),
                    samples.show(0),
                    String::new(),
                    format!("one of {}: {}", self.sizes.leaves.first().copied().unwrap_or_default(), least.show(0)),
                    ratio(samples, least),
                    Limit::Times(2.0).verdict(samples, least),
                    String::new(),
                ]);
            }
        }
        Ok(())
    }

    async fn query(&self, rows: &mut Rows) -> Result<(), Failure> {
        let children = self.sizes.children;
        let (server, target) = self.server(DURABLE)?;
        let asked = query::run(&target, children).await?;
        drop(server);
        for (transport, mut times) in [("REST", asked.rest), ("WebSocket", asked.socket)] {
            times.sort_by(f64::total_cmp);
            let times = Samples(times);
            rows.push(vec![
                format!("20 of {children} children by an index, {transport}, p50; p99, ms"),
                format!("{:.3}; {:.3}", times.median(), times.at(0.99)),
                String::new(),
                String::new(),
                String::new(),
                Limit::AtMost(1.0).verdict(&times, &times),
                String::new(),
            ]);
        }
        Ok(())
    }
}

/// Writes until the write-ahead log has the size that it keeps: while it grows each commit costs more, of ours as of
/// the raw ones.
async fn settle(target: &Target) -> Result<(), Failure> {
    let mut connection = Connection::open(target.address).await?;
    let path = format!("/settle.json?print=silent&ns={}", target.namespace);
    for letter in ["a", "b"].iter().cycle().take(raw::LOG_MEGABYTES) {
        let value = format!("\"{}\"", letter.repeat(1024 * 1024));
        let answer = connection.ask(&request("PUT", &path, &[], &value)).await?;
        if answer.status >= 300 {
            return Err(format!("PUT: {} {}", answer.status, String::from_utf8_lossy(&answer.body)).into());
        }
    }
    Ok(())
}

/// What the runs of one measurement with listeners showed.
#[derive(Default)]
struct Heard {
    p50: Samples,
    p99: Samples,
    per_second: Samples,
    cost: Samples,
}

impl Heard {
    fn add(&mut self, heard: fanout::Heard) {
        self.cost.add(heard.processor * 1e6 / heard.deliveries as f64);
        self.p50.add(heard.p50);
        self.p99.add(heard.p99);
        self.per_second.add(heard.per_second);
    }
}

#[derive(Default)]
struct AllHeard {
    ours: Heard,
    stub: Heard,
    peer: Heard,
}

impl AllHeard {
    fn row(&self, title: String, decimals: usize, pick: fn(&Heard) -> &Samples, verdict: String) -> Vec<String> {
        vec![
            title,
            pick(&self.ours).show(decimals),
            self.ours.cost.show(1),
            format!("one raw send each: {} ({:.1} µs)", pick(&self.stub).show(decimals), self.stub.cost.median()),
            ratio(pick(&self.ours), pick(&self.stub)),
            verdict,
            shown(pick(&self.peer), decimals),
        ]
    }
}

/// Another Realtime Database; who runs it, and what it is made of, is not known here.
struct Peer {
    name: String,
    target: Target,
    processes: Vec<u32>,
}

impl Peer {
    fn read(file: &Path) -> Result<Self, Failure> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            name: String,
            address: String,
            namespace: String,
            processes: Vec<u32>,
        }
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let File { name, address, namespace, processes } =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        let address = address.to_socket_addrs()?.next().ok_or_else(|| format!("no address: {address}"))?;
        Ok(Self { name, target: Target { address, namespace }, processes })
    }
}
