//! `cargo xtask bench`: the release binary, measured from outside, in tables.
//!
//! Machines are noisy. Every figure is the median of several runs, with the smallest and largest beside it; what the
//! machine itself could do at most is measured in the same run.

mod auth;
mod beside;
mod cores;
mod database;
mod frames;
mod functions;
mod limits;
mod load;
mod peer;
mod program;
mod pubsub;
mod rules;
mod server;
mod services;
mod startup;
mod stub;
mod tree;
mod verdict;

pub(crate) use pubsub::{ListenersArguments, SoakArguments, listen, soak};
pub(crate) use stub::{Stub, serve as serve_stub};

use crate::process::{Failure, cargo, root, run as run_program};
use clap::{Args, ValueEnum};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::path::PathBuf;
use std::process::Command;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// Only this table; all of them otherwise.
    #[arg(value_enum)]
    table: Option<Table>,
    /// Of the Realtime Database's, the push stream's or the services' table only these parts; all of them otherwise.
    #[arg(long)]
    part: Vec<String>,
    /// Runs of each measurement.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Seconds of load in each run.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Measure the official emulators beside us where they have the service (installs them from npm below target/).
    #[arg(long)]
    peer: bool,
    /// Load another server that answers startSession and pushUpdate too, in turn with ours. A JSON file says where it
    /// is: `{"name","startSession","pushUpdate","tokens","processes"}`, with the `http://` URLs of the two calls, a file
    /// of ID tokens that it accepts, one user's a line, and the ids of the processes whose time is counted.
    #[arg(long, value_name = "FILE")]
    beside: Option<PathBuf>,
    /// Load another Realtime Database too, in turn with ours. A JSON file says where it is:
    /// `{"name","address","namespace","processes"}`, with the `host:port` of its WebSocket and REST interface, which is
    /// open to everyone, and the ids of its processes, which are moved to the server's processor.
    #[arg(long, value_name = "FILE")]
    beside_database: Option<PathBuf>,
    /// Load nginx too, with its push-stream module or nchan, in turn with our push stream. It is looked for in this
    /// folder, into which Debian's packages have been unpacked (`dpkg -x`).
    #[arg(long, value_name = "DIR")]
    beside_nginx: Option<PathBuf>,
    /// Ask targaryen the same questions about rules too. It is looked for in this folder's node_modules.
    #[arg(long, value_name = "DIR")]
    beside_targaryen: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Table {
    /// From the start of the process to the last port's answer, and the memory it takes.
    Startup,
    /// Sign-ups and lookups under load, many accounts, ID tokens, lookups beside password sign-ins.
    Auth,
    /// startSession and pushUpdate under load.
    Functions,
    /// The Realtime Database's writes, reads, listeners and queries under load.
    Database,
    /// A tree's memory, its opening, and one leaf of it.
    Tree,
    /// Security rules: their loading, their judgements, what they cost a write.
    Rules,
    /// The services on the platform under load, and with 10,000 streams.
    Services,
    /// The push stream's listeners and publishers.
    Pubsub,
}

/// A part of the Realtime Database's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Acknowledged writes.
    Writes,
    /// Reads over REST.
    Reads,
    /// One write that many listen to.
    Listeners,
    /// Connections that do nothing.
    Idle,
    /// A few of many children by an index.
    Query,
    /// One leaf of a tree, read and set.
    Leaf,
}

/// A part of the services' table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ServicePart {
    /// Pings.
    Presence,
    /// Signals between devices.
    Signal,
    /// Messages between the users of one group, who see each other come and go.
    Chat,
    /// The gateway's connections, routes and queues.
    Gateway,
}

/// What is measured, and for how long.
struct Plan {
    binary: PathBuf,
    /// Empty for all.
    parts: Vec<Part>,
    /// The same of the push stream.
    push_parts: Vec<pubsub::PushPart>,
    /// The same of the services.
    service_parts: Vec<ServicePart>,
    /// Whether what is measured has been optimised.
    release: bool,
    runs: usize,
    seconds: u64,
    peer: bool,
    beside: Option<PathBuf>,
    beside_database: Option<PathBuf>,
    beside_nginx: Option<PathBuf>,
    beside_targaryen: Option<PathBuf>,
}

/// Builds the release binary and measures it.
pub(crate) fn run(arguments: &BenchArguments) -> Result<(), Failure> {
    if cfg!(debug_assertions) {
        // What measures has to be optimised as well; the rest is its business.
        cargo(&["build", "--release", "--package", "xtask"])?;
        return run_program(Command::new(root().join("target/release/xtask")).args(std::env::args_os().skip(1)));
    }
    cargo(&["build", "--release", "--package", "hearth"])?;
    raise_file_limit();
    let plan = Plan {
        binary: root().join("target/release/hearth"),
        parts: parts(&arguments.part, arguments.table == Some(Table::Database))?,
        push_parts: parts(&arguments.part, arguments.table == Some(Table::Pubsub))?,
        service_parts: parts(&arguments.part, arguments.table == Some(Table::Services))?,
        release: true,
        runs: arguments.runs,
        seconds: arguments.seconds,
        peer: arguments.peer,
        beside: arguments.beside.clone(),
        beside_database: arguments.beside_database.clone(),
        beside_nginx: arguments.beside_nginx.clone(),
        beside_targaryen: arguments.beside_targaryen.clone(),
    };
    measure(&plan, arguments.table)
}

/// The parts that are named, of the table that is asked for; empty for all.
fn parts<P: ValueEnum>(names: &[String], asked_for: bool) -> Result<Vec<P>, Failure> {
    let wanted = names.iter().filter(|_| asked_for);
    wanted.map(|name| P::from_str(name, true).map_err(Failure::from)).collect()
}

/// A short round with the debug binary, for the tests: the figures say nothing, but the benchmarks still work.
pub(crate) fn short_round() -> Result<(), Failure> {
    measure(
        &Plan {
            binary: root().join("target/debug/hearth"),
            parts: Vec::new(),
            push_parts: Vec::new(),
            service_parts: Vec::new(),
            release: false,
            runs: 1,
            seconds: 1,
            peer: false,
            beside: None,
            beside_database: None,
            beside_nginx: None,
            beside_targaryen: None,
        },
        None,
    )
}

fn measure(plan: &Plan, only: Option<Table>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let wanted = |table| only.is_none_or(|only| only == table);
    if wanted(Table::Startup) {
        runtime.block_on(startup::run(plan))?;
    }
    if wanted(Table::Auth) {
        runtime.block_on(auth::run(plan))?;
    }
    if wanted(Table::Functions) {
        runtime.block_on(functions::run(plan))?;
    }
    if wanted(Table::Database) {
        runtime.block_on(database::run(plan))?;
    }
    if wanted(Table::Tree) {
        tree::run(plan)?;
    }
    if wanted(Table::Rules) {
        runtime.block_on(rules::run(plan))?;
    }
    if wanted(Table::Services) {
        runtime.block_on(services::run(plan))?;
    }
    if wanted(Table::Pubsub) {
        runtime.block_on(pubsub::run(plan))?;
    }
    Ok(())
}

/// Lets this process open as many files as it may.
fn raise_file_limit() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

/// Several measurements of one thing.
#[derive(Clone, Debug, Default)]
struct Samples(Vec<f64>);

impl Samples {
    fn add(&mut self, sample: f64) {
        self.0.push(sample);
        self.0.sort_by(f64::total_cmp);
    }

    fn median(&self) -> f64 {
        self.at(0.5)
    }

    /// The sample below which this share of them lies.
    fn at(&self, share: f64) -> f64 {
        let index = (self.0.len() as f64 * share) as usize;
        self.0.get(index.min(self.0.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    }

    /// "median (smallest–largest)".
    fn show(&self, decimals: usize) -> String {
        format!("{:.*} ({:.*}–{:.*})", decimals, self.median(), decimals, self.at(0.0), decimals, self.at(1.0))
    }
}

/// Prints rows under a heading, in columns.
fn print_table(title: &str, rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    println!("\n{title}\n");
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        println!("| {} |", cells.join(" | "));
        if index == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            println!("| {} |", rules.join(" | "));
        }
    }
}
