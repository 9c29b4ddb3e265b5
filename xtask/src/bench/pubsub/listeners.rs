//! Listeners in processes of their own, as many as the limit of open files asks for. Must not know: what serves them.

use super::contender::Target;
use super::latency::Latencies;
use crate::process::Failure;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// What takes longer to arrive has been lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// So long many streams may take to be opened.
const OPENING: Duration = Duration::from_secs(120);

/// Processes that listen, until dropped.
pub(super) struct Listeners(Vec<Process>);

struct Process {
    child: Child,
    input: ChildStdin,
    /// What it says.
    lines: Receiver<Value>,
}

/// Whom a process listens to, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share<'t> {
    pub(super) target: &'t Target,
    pub(super) count: usize,
    /// They are spread over so many channels.
    pub(super) channels: usize,
    /// So many of them do not read.
    pub(super) stalled: usize,
}

impl Listeners {
    /// Opens the streams of all shares, each in a process where the calling thread runs.
    pub(super) fn open(shares: &[Share<'_>]) -> Result<Self, Failure> {
        let processes = shares.iter().map(Process::start).collect::<Result<Vec<_>, _>>()?;
        for process in &processes {
            process.said(OPENING)?;
        }
        Ok(Self(processes))
    }

    /// Asks to be told once so many messages in all have come to each process.
    pub(super) fn expect(&mut self, messages: &[u64]) -> Result<(), Failure> {
        for (process, messages) in self.0.iter_mut().zip(messages) {
            process.tell(&format!("expect {messages}\n"))?;
        }
        Ok(())
    }

    /// Waits for that; when the last of them came, in microseconds.
    pub(super) fn reached(&self) -> Result<u64, Failure> {
        let mut last = 0;
        for process in &self.0 {
            last = last.max(process.said(PATIENCE)?.as_u64().ok_or("a time was expected")?);
        }
        Ok(last)
    }

    /// What has been heard since the last report.
    pub(super) fn report(&mut self) -> Result<Latencies, Failure> {
        let mut all = Latencies::default();
        for process in &mut self.0 {
            process.tell("report\n")?;
            all.add_all(&process.said(PATIENCE)?);
        }
        Ok(all)
    }
}

impl Process {
    fn start(share: &Share<'_>) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["listeners", "--address", &share.target.address.to_string(), "--path", share.target.subscribe]);
        for (flag, number) in [("--count", share.count), ("--channels", share.channels), ("--stalled", share.stalled)] {
            command.args([flag, &number.to_string()]);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let (sender, lines) = channel();
        // Ends with the process.
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if serde_json::from_str(&line).is_ok_and(|value| sender.send(value).is_err()) {
                    return;
                }
            }
        });
        Ok(Self { child, input, lines })
    }

    /// In one piece, as it is read.
    fn tell(&mut self, line: &str) -> Result<(), Failure> {
        Ok(self.input.write_all(line.as_bytes())?)
    }

    fn said(&self, patience: Duration) -> Result<Value, Failure> {
        self.lines.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => "not all messages came".into(),
            RecvTimeoutError::Disconnected => "the listeners have ended".into(),
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
