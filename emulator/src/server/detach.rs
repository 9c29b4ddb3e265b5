//! Connections that leave HTTP behind: once an answer's head is written, its socket goes to whoever answers.
//!
//! What serves HTTP keeps buffers and state for requests to come. A stream that lives for hours, beside thousands like
//! it, needs neither. Must not know: what is written.

use super::stall::Impatient;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpStream;

type Take = Box<dyn FnOnce(Impatient<TcpStream>) + Send>;

/// Where a connection finds out that somebody asks for its socket; its clones are the same.
#[derive(Clone, Default)]
pub(super) struct Desk(Arc<Mutex<Option<Take>>>);

/// A right to the socket of one connection. Whoever has asked answers nothing more by way of HTTP.
#[derive(Debug)]
pub(crate) struct Detach(Desk);

impl fmt::Debug for Desk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Desk").field("asked", &self.is_asked()).finish()
    }
}

impl Desk {
    /// Whether somebody has asked.
    pub(super) fn is_asked(&self) -> bool {
        self.lock().is_some()
    }

    /// Gives the socket to who has asked.
    pub(super) fn hand_over(&self, stream: Impatient<TcpStream>) {
        let take = self.lock().take();
        if let Some(take) = take {
            take(stream);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Take>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Detach {
    pub(super) fn at(desk: &Desk) -> Self {
        Self(desk.clone())
    }

    /// Asks, from an answer's body, for the socket. `take` has it once the answer's head and all before it is written;
    /// it must not wait. A write to that socket may stand still only so long. What the client has sent meanwhile is
    /// dropped. If the connection ends before, `take` is dropped.
    pub(crate) fn ask(self, take: impl FnOnce(Impatient<TcpStream>) + Send + 'static) {
        *self.0.lock() = Some(Box::new(take));
    }
}
