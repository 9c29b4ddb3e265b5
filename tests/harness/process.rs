//! The binary as a child process, in a folder of its own.

use crate::client::PATIENCE;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// A line that says that everything runs, in either mode.
const READY: [&str; 2] = ["All emulators ready! It is now safe to connect your app.", "Hearth is ready."];

/// All ports free.
pub const FREE_PORTS: &str = "auth=0,functions=0,database=0,pushStream=0,hub=0";

/// A running binary; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    /// Everything it has printed so far, as far as it was waited for.
    pub output: String,
}

impl Process {
    /// Starts `binary` with `arguments` in `folder`.
    pub fn start(binary: &str, arguments: &[&str], folder: &Path) -> Self {
        Self::start_with(binary, arguments, folder, &[])
    }

    /// Starts it with these environment variables too.
    pub fn start_with(binary: &str, arguments: &[&str], folder: &Path, environment: &[(&str, &str)]) -> Self {
        Self::start_on(binary, arguments, folder, environment, Stdio::null())
    }

    /// Starts it with this as its standard input.
    pub fn start_on(
        binary: &str,
        arguments: &[&str],
        folder: &Path,
        environment: &[(&str, &str)],
        input: Stdio,
    ) -> Self {
        let mut child = Command::new(binary)
            .args(arguments)
            .current_dir(folder)
            .env_remove("GCLOUD_PROJECT")
            .env_remove("FIREBASE_CONFIG")
            .envs(environment.iter().copied())
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts");
        let (sender, lines) = mpsc::unbounded_channel();
        forward(child.stdout.take().expect("piped"), sender.clone());
        forward(child.stderr.take().expect("piped"), sender);
        Self { child, lines, output: String::new() }
    }

    /// Waits until everything runs.
    pub async fn ready(&mut self) {
        while !READY.iter().any(|ready| self.output.contains(ready)) {
            assert!(self.line().await, "it ended before it was ready:\n{}", self.output);
        }
    }

    /// Waits until it has printed `text`.
    pub async fn printed(&mut self, text: &str) {
        while !self.output.contains(text) {
            assert!(self.line().await, "it ended without {text:?}:\n{}", self.output);
        }
    }

    async fn line(&mut self) -> bool {
        let line = tokio::time::timeout(PATIENCE, self.lines.recv()).await;
        let Some(line) = line.unwrap_or_else(|_| panic!("nothing more is printed after:\n{}", self.output)) else {
            return false;
        };
        self.output.push_str(&line);
        self.output.push('\n');
        true
    }

    /// Its process id.
    pub fn id(&self) -> i32 {
        self.child.id().and_then(|id| i32::try_from(id).ok()).expect("it runs")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.id()), signal).expect("it runs");
    }

    /// Ends it with a signal, and waits for that.
    pub async fn ended_by(self, signal: Signal) {
        self.signal(signal);
        self.ended().await;
    }

    /// Waits for its end; its exit code, and everything it printed.
    pub async fn ended(mut self) -> (ExitStatus, String) {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("a status");
        while self.line().await {}
        (status, self.output)
    }
}

fn forward(stream: impl AsyncRead + Unpin + Send + 'static, sender: mpsc::UnboundedSender<String>) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
}

/// A service's address from a ports file.
pub fn address(ports_file: &Path, service: &str) -> SocketAddr {
    let ports: Value = serde_json::from_slice(&std::fs::read(ports_file).expect("a ports file")).expect("JSON");
    let entry = &ports[service];
    let host = entry["host"].as_str().expect("a host").parse().expect("an address");
    SocketAddr::new(host, u16::try_from(entry["port"].as_u64().expect("a port")).expect("a port"))
}
