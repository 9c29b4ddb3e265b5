//! The minimal server on Node's http module.

use crate::process::Failure;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use tempfile::NamedTempFile;

const PROGRAM: &str = include_str!("node_peer.mjs");

/// It runs; ends when dropped.
pub(super) struct Node {
    child: Child,
    pub(super) address: SocketAddr,
    _program: NamedTempFile,
}

impl Node {
    /// Starts it where the calling thread runs.
    pub(super) fn start() -> Result<Self, Failure> {
        let mut program = tempfile::Builder::new().suffix(".mjs").tempfile()?;
        program.write_all(PROGRAM.as_bytes())?;
        let mut child =
            Command::new("node").arg(program.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        Ok(Self { child, address: line.trim().parse()?, _program: program })
    }

    /// The process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
