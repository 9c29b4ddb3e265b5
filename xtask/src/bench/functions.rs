//! startSession and pushUpdate, with auth and the rate limit on, over many users.
//!
//! Both presets are measured: the emulator, whose commits survive the end of the process, and the self-hosted server,
//! whose commits are synced to the disk and whose ID tokens are RSA-signed. All contenders take turns, run by run, so
//! that what else the machine does falls on each of them.

use super::load::{self, Connection, request};
use super::server::{PROJECT, Server, processor_seconds};
use super::{Plan, Samples, beside, limits, print_table};
use crate::process::Failure;
use serde_json::Value;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// Each may call 100 times in 5 minutes, over both functions; a run has to end before they all have.
const USERS_PER_SECOND_OF_LOAD: u64 = 1000;
const UPDATE: &str =
    r#"{"timestamp":1767225600000,"uri":"spotify:track:6sFIWsNpZYqfjUpaCgueju","position":1234.5,"playing":true}"#;
const CONNECTIONS: [usize; 2] = [1, 32];
const PRESETS: [(&str, &str); 2] = [("self-hosted", "serve"), ("emulator", "emulators:start")];
const FUNCTIONS: [&str; 2] = ["startSession", "pushUpdate"];

/// A server that is loaded.
pub(super) struct Contender {
    pub(super) name: String,
    /// Where the function is: address and path.
    pub(super) start_session: (SocketAddr, String),
    /// The same.
    pub(super) push_update: (SocketAddr, String),
    /// The `Authorization` header of each user.
    pub(super) tokens: Vec<String>,
    /// Whose processor time is counted.
    pub(super) processes: Vec<u32>,
}

pub(super) async fn run(plan: &Plan) -> Result<(), Failure> {
    let duration = Duration::from_secs(plan.seconds);
    let peer = plan.beside.as_deref().map(beside::read).transpose()?;
    let mut rows = vec![
        ["", "connections", "requests/s", "p50, ms", "p99, ms", "server CPU, µs each"].map(str::to_owned).to_vec(),
    ];
    if let (Some(peer), Some(head)) = (&peer, rows.first_mut()) {
        head.extend([format!("requests/s × {}", peer.name), format!("CPU each ÷ {}", peer.name)]);
    }
    for connections in CONNECTIONS {
        let (mut theirs, mut ours) = (<[Figures; 2]>::default(), <[[Figures; 2]; 2]>::default());
        for _ in 0..plan.runs {
            if let Some(peer) = &peer {
                add(&mut theirs, measure(peer, connections, duration).await?);
            }
            for ((_, command), figures) in PRESETS.iter().zip(&mut ours) {
                let mut server = Server::start(&plan.binary, command)?;
                let contender = sign_up(&mut server, command, duration).await?;
                add(figures, measure(&contender, connections, duration).await?);
            }
        }
        for ((preset, _), figures) in PRESETS.iter().zip(&ours) {
            for ((function, ours), theirs) in FUNCTIONS.iter().zip(figures).zip(&theirs) {
                let mut row = ours.row(function, preset, connections);
                if peer.is_some() {
                    row.push(format!("{:.1}", ours.per_second.median() / theirs.per_second.median()));
                    row.push(format!("1/{:.0}", theirs.processor.median() / ours.processor.median()));
                }
                rows.push(row);
            }
        }
        for (peer, (function, figures)) in
            peer.iter().flat_map(|peer| FUNCTIONS.iter().zip(&theirs).map(move |f| (peer, f)))
        {
            let mut row = figures.row(function, &peer.name, connections);
            row.extend([String::new(), String::new()]);
            rows.push(row);
        }
    }
    print_table(&format!("Functions (median of {} runs of {} s each)", plan.runs, plan.seconds), &rows);
    let syncs = limits::syncs_per_second(duration)?;
    println!("\nThis machine: {syncs:.0} synced appends/s one after the other;");
    for connections in CONNECTIONS {
        let question = request("POST", "/", &[("Authorization", "Bearer x")], UPDATE);
        let ceiling = limits::round_trips(question, connections, duration).await?.per_second;
        println!(
            "the load generator against a server of fixed bytes: {ceiling:.0}/s with {connections} connection(s)."
        );
    }
    Ok(())
}

#[derive(Default)]
struct Figures {
    per_second: Samples,
    p50: Samples,
    p99: Samples,
    processor: Samples,
}

impl Figures {
    fn row(&self, function: &str, whose: &str, connections: usize) -> Vec<String> {
        vec![
            format!("{function}, {whose}"),
            connections.to_string(),
            self.per_second.show(0),
            self.p50.show(2),
            self.p99.show(2),
            self.processor.show(0),
        ]
    }
}

/// Adds what both functions showed.
fn add(figures: &mut [Figures; 2], measured: [Measured; 2]) {
    for (figures, (run, processor)) in figures.iter_mut().zip(measured) {
        figures.processor.add(processor);
        figures.per_second.add(run.per_second);
        figures.p50.add(run.p50);
        figures.p99.add(run.p99);
    }
}

/// A run, and the microseconds of processor time the server spent on each of its requests.
type Measured = (load::Run, f64);

/// Loads startSession, then pushUpdate on sessions that exist.
async fn measure(contender: &Contender, connections: usize, duration: Duration) -> Result<[Measured; 2], Failure> {
    let Contender { tokens, start_session: (address, path), push_update: (push_address, push_path), .. } = contender;
    let start = |token: &str| request("POST", path, &[("Authorization", token)], "");
    let requests: Vec<_> = tokens.iter().map(|token| start(token)).collect();
    let started = load(contender, *address, requests, connections, duration, 201).await?;

    // Sessions to push to, one for each user that pushes.
    let mut connection = Connection::open(*address).await?;
    let mut pushes = Vec::new();
    for token in tokens {
        let answer = connection.ask(&start(token)).await?;
        let session: Value = serde_json::from_slice(&answer.body)?;
        let session = session.get("token").and_then(Value::as_str).ok_or("startSession gave no token")?;
        let headers =
            [("Authorization", token.as_str()), ("X-Session-Token", session), ("Content-Type", "application/json")];
        pushes.push(request("POST", push_path, &headers, UPDATE));
    }
    let pushed = load(contender, *push_address, pushes, connections, duration, 200).await?;
    Ok([started, pushed])
}

async fn load(
    contender: &Contender,
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    connections: usize,
    duration: Duration,
    expected: u16,
) -> Result<Measured, Failure> {
    let before = processor_seconds(&contender.processes)?;
    let run = load::run(address, Rc::new(requests), connections, duration, expected).await?;
    let used = processor_seconds(&contender.processes)? - before;
    Ok((run, used * 1e6 / (run.per_second * duration.as_secs_f64())))
}

/// A server of ours with its anonymous users.
async fn sign_up(server: &mut Server, name: &str, duration: Duration) -> Result<Contender, Failure> {
    let question = request("POST", "/identitytoolkit.googleapis.com/v1/accounts:signUp?key=k", &[], "{}");
    let mut connection = Connection::open(server.address("auth")?).await?;
    let mut tokens = Vec::new();
    for _ in 0..(duration.as_secs() * USERS_PER_SECOND_OF_LOAD).max(1000) {
        let answer: Value = serde_json::from_slice(&connection.ask(&question).await?.body)?;
        let token = answer.get("idToken").and_then(Value::as_str).ok_or_else(|| format!("no idToken: {answer}"))?;
        tokens.push(format!("Bearer {token}"));
    }
    let functions = server.address("functions")?;
    let target = |function: &str| (functions, format!("/{PROJECT}/us-central1/{function}"));
    let [start_session, push_update] = FUNCTIONS.map(target);
    Ok(Contender { name: name.to_owned(), start_session, push_update, tokens, processes: vec![server.id()] })
}
