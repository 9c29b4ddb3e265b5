//! SIGINT and SIGTERM. The first one asks for a clean stop; later ones change nothing, since the stop is under way
//! and ends within a second.

use nix::sys::signal::Signal;
use std::io;
use tokio::signal::unix::{self, SignalKind};

/// Listens for signals from its creation on; while it lives none of them ends the process.
#[derive(Debug)]
pub(super) struct Stop {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Stop {
    /// Starts listening.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal.
    pub(super) async fn requested(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::SIGINT,
            _ = self.terminate.recv() => Signal::SIGTERM,
        }
    }
}
