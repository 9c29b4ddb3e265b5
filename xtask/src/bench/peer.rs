//! The official emulators, measured the same way; installed from npm below target/, and only when asked for.

use super::Samples;
use super::server::{free_ports, resident};
use crate::process::{Failure, command, root, run};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

const FUNCTION: &str = "exports.hello = require('firebase-functions/v1').https.onRequest((request, response) => response.send('hello'));\n";
/// The project that they serve.
const PROJECT: &str = "demo-peer";
const READY: &str = "All emulators ready!";

/// A row of the start-up table: Auth and Functions, the two that need no JVM.
pub(super) async fn startup(runs: usize) -> Result<Vec<String>, Failure> {
    let (mut ready, mut memory) = (Samples::default(), Samples::default());
    install()?;
    for _ in 0..runs {
        let started = Instant::now();
        let emulators = Emulators::start("auth,functions")?;
        ready.add(started.elapsed().as_secs_f64() * 1000.0);
        tokio::time::sleep(Duration::from_secs(2)).await;
        memory.add(emulators.processes().into_iter().map(resident).sum());
    }
    Ok(vec!["official emulators, auth and functions".to_owned(), ready.show(0), memory.show(0)])
}

/// Official emulators that run; killed when dropped.
pub(super) struct Emulators {
    child: Child,
    auth: SocketAddr,
    /// Their `firebase.json`.
    _settings: NamedTempFile,
}

impl Emulators {
    /// Starts some of them (`auth,functions`, say) where the calling thread runs, and waits until they are ready. They
    /// have to be installed.
    pub(super) fn start(only: &str) -> Result<Self, Failure> {
        let ports = free_ports::<4>()?;
        let settings = settings(ports)?;
        let mut child = Command::new("node")
            .args(["node_modules/.bin/firebase", "emulators:start", "--only", only, "--project", PROJECT, "--config"])
            .arg(settings.path())
            .current_dir(folder())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let [auth, ..] = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let emulators = Self { child, auth, _settings: settings };
        let mut lines = BufReader::new(output).lines();
        if !lines.any(|line| line.is_ok_and(|line| line.contains(READY))) {
            return Err("the official emulators did not start".into());
        }
        // What they say later has to be taken from them; the thread ends with them.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(emulators)
    }

    /// Where Auth is.
    pub(super) fn auth(&self) -> SocketAddr {
        self.auth
    }

    /// All of their processes.
    pub(super) fn processes(&self) -> Vec<u32> {
        i32::try_from(self.child.id()).map(group_members).unwrap_or_default()
    }
}

impl Drop for Emulators {
    fn drop(&mut self) {
        if let Ok(group) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

fn folder() -> PathBuf {
    root().join("target/peer")
}

/// Installs them, if they are not.
pub(super) fn install() -> Result<(), Failure> {
    let folder = folder();
    std::fs::create_dir_all(&folder)?;
    std::fs::write(
        folder.join("package.json"),
        r#"{"name": "peer", "private": true, "main": "index.js", "engines": {"node": "20"},
            "dependencies": {"firebase-tools": "15.34.2", "firebase-functions": "7.4.0", "firebase-admin": "13.10.0"}}"#,
    )?;
    std::fs::write(folder.join("index.js"), FUNCTION)?;
    run(&mut command("npm", &["install", "--no-fund", "--no-audit"], "target/peer"))
}

/// A `firebase.json` in their folder, by which they leave the ports of other emulators alone.
fn settings([auth, functions, hub, logging]: [u16; 4]) -> Result<NamedTempFile, Failure> {
    let settings = json!({"functions": {"source": "."}, "emulators": {
        "auth": {"host": "127.0.0.1", "port": auth}, "functions": {"port": functions}, "hub": {"port": hub},
        "logging": {"port": logging}, "ui": {"enabled": false},
    }});
    let file = tempfile::Builder::new().prefix("firebase-").suffix(".json").tempfile_in(folder())?;
    std::fs::write(file.path(), settings.to_string())?;
    Ok(file)
}

/// The processes of a group.
fn group_members(group: i32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            let (_, after_name) = stat.rsplit_once(')')?;
            (after_name.split_ascii_whitespace().nth(2)?.parse() == Ok(group)).then_some(id)
        })
        .collect()
}
