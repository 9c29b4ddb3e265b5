//! How long until every port answers, and what the idle process weighs.

use super::load::{Connection, request};
use super::server::{PROJECT, free_ports, resident};
use super::{Plan, Samples, peer, print_table};
use crate::process::{Failure, root};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SERVICES: [&str; 5] = ["auth", "functions", "database", "pushStream", "hub"];
/// Starts that take longer have failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// The process is idle for this long before it is weighed.
const REST: Duration = Duration::from_secs(2);

pub(super) async fn run(plan: &Plan) -> Result<(), Failure> {
    let (mut fresh, mut again, mut memory) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..plan.runs {
        let folder = tempfile::TempDir::new_in(root().join("target"))?;
        let (ready, child) = start(&plan.binary, folder.path()).await?;
        fresh.add(ready);
        tokio::time::sleep(REST).await;
        memory.add(resident(child.0.id()));
        drop(child);
        // The second start finds the data of the first, as it was killed.
        again.add(start(&plan.binary, folder.path()).await?.0);
    }
    let mut rows = vec![
        vec!["".to_owned(), "ready, ms".to_owned(), "idle RSS, MB".to_owned()],
        vec!["hearth, all services, new project".to_owned(), fresh.show(1), memory.show(1)],
        vec!["hearth, all services, after a kill".to_owned(), again.show(1), String::new()],
    ];
    if plan.peer {
        rows.push(peer::startup(plan.runs.min(3)).await?);
    }
    print_table(&format!("Start-up and memory (median of {} runs, smallest–largest)", plan.runs), &rows);
    Ok(())
}

/// Killed, not asked to stop, when dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the server; the milliseconds until the last of its ports has answered a request.
async fn start(binary: &Path, folder: &Path) -> Result<(f64, Killed), Failure> {
    let ports = free_ports::<{ SERVICES.len() }>()?;
    let flags: Vec<String> = SERVICES.iter().zip(&ports).map(|(service, port)| format!("{service}={port}")).collect();
    let mut command = Command::new(binary);
    command
        .args(["emulators:start", "--project", PROJECT, "--port", &flags.join(",")])
        .current_dir(folder)
        .env("HEARTH_LOG", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let started = Instant::now();
    let child = Killed(command.spawn()?);
    for port in ports {
        answered(SocketAddr::from(([127, 0, 0, 1], port)), started + PATIENCE).await?;
    }
    Ok((started.elapsed().as_secs_f64() * 1000.0, child))
}

async fn answered(address: SocketAddr, until: Instant) -> Result<(), Failure> {
    // Every service answers this with some status and a length.
    let question = request("GET", "/nothing-here", &[], "");
    loop {
        if let Ok(mut connection) = Connection::open(address).await
            && connection.ask(&question).await.is_ok()
        {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(format!("{address} does not answer").into());
        }
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}
