//! startSession and pushUpdate, with auth and the rate limit on, over many users.
//!
//! Both presets are measured: the emulator, whose commits survive the end of the process, and the self-hosted server,
//! whose commits are synced to the disk and whose ID tokens are RSA-signed.

use super::load::{self, Connection, request};
use super::server::{PROJECT, Server};
use super::{Plan, Samples, limits, print_table};
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

/// What the original did on a machine of this size (Node, ID tokens verified locally), requests a second: recorded.
const ORIGINAL: [(&str, [&str; 2]); 2] =
    [("startSession", ["234–293", "396–569"]), ("pushUpdate", ["322–447", "503–543"])];

pub(super) async fn run(plan: &Plan) -> Result<(), Failure> {
    let duration = Duration::from_secs(plan.seconds);
    let mut rows = vec![
        ["", "connections", "requests/s", "p50, ms", "p99, ms", "server CPU, µs each", "the original, recorded"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for (preset, command) in [("self-hosted", "serve"), ("emulator", "emulators:start")] {
        for connections in CONNECTIONS {
            let (mut starts, mut pushes) = (Figures::default(), Figures::default());
            for _ in 0..plan.runs {
                let mut server = Server::start(&plan.binary, command)?;
                let (start, push) = measure(&mut server, connections, duration).await?;
                starts.add(start);
                pushes.add(push);
            }
            for ((name, recorded), figures) in ORIGINAL.iter().zip([starts, pushes]) {
                let recorded = recorded.get(usize::from(connections > 1)).copied().unwrap_or_default();
                rows.push(vec![
                    format!("{name}, {preset}"),
                    connections.to_string(),
                    figures.per_second.show(0),
                    figures.p50.show(2),
                    figures.p99.show(2),
                    figures.processor.show(0),
                    recorded.to_owned(),
                ]);
            }
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
    fn add(&mut self, (run, processor): (load::Run, f64)) {
        self.processor.add(processor);
        self.per_second.add(run.per_second);
        self.p50.add(run.p50);
        self.p99.add(run.p99);
    }
}

/// A run, and the microseconds of processor time the server spent on each of its requests.
type Measured = (load::Run, f64);

/// Signs users up, loads startSession, then pushUpdate on sessions that exist.
async fn measure(server: &mut Server, connections: usize, duration: Duration) -> Result<(Measured, Measured), Failure> {
    let functions = server.address("functions")?;
    let users = usize::try_from((duration.as_secs() * USERS_PER_SECOND_OF_LOAD).max(1000))?;
    let tokens = sign_up(server.address("auth")?, users).await?;
    let path = |name: &str| format!("/{PROJECT}/us-central1/{name}");
    let start = path("startSession");
    let requests: Vec<_> =
        tokens.iter().map(|token| request("POST", &start, &[("Authorization", token)], "")).collect();
    let started = load(server, functions, requests, connections, duration, 201).await?;

    // Sessions to push to, one for each user that pushes.
    let mut connection = Connection::open(functions).await?;
    let mut pushes = Vec::new();
    for token in &tokens {
        let answer = connection.ask(&request("POST", &start, &[("Authorization", token)], "")).await?;
        let session: Value = serde_json::from_slice(&answer.body)?;
        let session = session.get("token").and_then(Value::as_str).ok_or("startSession gave no token")?;
        let headers =
            [("Authorization", token.as_str()), ("X-Session-Token", session), ("Content-Type", "application/json")];
        pushes.push(request("POST", &path("pushUpdate"), &headers, UPDATE));
    }
    let pushed = load(server, functions, pushes, connections, duration, 200).await?;
    Ok((started, pushed))
}

async fn load(
    server: &Server,
    functions: SocketAddr,
    requests: Vec<Vec<u8>>,
    connections: usize,
    duration: Duration,
    expected: u16,
) -> Result<Measured, Failure> {
    let before = server.processor_seconds()?;
    let run = load::run(functions, Rc::new(requests), connections, duration, expected).await?;
    let used = server.processor_seconds()? - before;
    Ok((run, used * 1e6 / (run.per_second * duration.as_secs_f64())))
}

/// Anonymous accounts; the `Authorization` header of each.
async fn sign_up(auth: SocketAddr, users: usize) -> Result<Vec<String>, Failure> {
    let question = request("POST", "/identitytoolkit.googleapis.com/v1/accounts:signUp?key=k", &[], "{}");
    let mut connection = Connection::open(auth).await?;
    let mut tokens = Vec::with_capacity(users);
    for _ in 0..users {
        let answer: Value = serde_json::from_slice(&connection.ask(&question).await?.body)?;
        let token = answer.get("idToken").and_then(Value::as_str).ok_or_else(|| format!("no idToken: {answer}"))?;
        tokens.push(format!("Bearer {token}"));
    }
    Ok(tokens)
}
