//! What one client of a stream has yet to be told, bounded in bytes.
//!
//! The writer puts in and never waits; the connection takes out when its socket has room. A client that does not keep up
//! is told so, and its stream ends. Must not know: what the events say.

use super::telling::{Telling, View};
use crate::server::connections::HangUp;
use hearth_database::{Audience, Event, ListenerId};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// So many bytes may wait, or a single event of any size.
const MOST_WAITING: u64 = 16 * 1024 * 1024;
/// One event has at most so many (firebase.google.com/docs/reference/rest/database#section-streaming).
const MOST_BYTES: u64 = 512 * 1024 * 1024;

/// Why a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The database has closed.
    Closed,
    /// The rules forbid it from now on.
    Revoked,
    /// The token has expired, or was taken back.
    Expired,
    /// Too much waited for the client.
    TooSlow,
    /// One event was too much.
    TooLarge,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Next {
    /// Something has happened.
    Telling(Arc<Telling>),
    /// Nothing more will be told.
    End(End),
}

/// One client's queue.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    arrived: Notify,
    /// Closes the connection: an end does not reach a client that does not read.
    hang_up: Option<HangUp>,
}

#[derive(Debug, Default)]
struct Queue {
    tellings: VecDeque<Arc<Telling>>,
    weight: u64,
    end: Option<End>,
}

impl Outbox {
    pub(super) fn new(hang_up: Option<HangUp>) -> Self {
        Self { queue: Mutex::default(), arrived: Notify::new(), hang_up }
    }

    /// What comes next, once there is something.
    pub(super) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.lock().take() {
                return next;
            }
            self.arrived.notified().await;
        }
    }

    /// Ends the stream after what waits already. Of several ends the first counts.
    pub(super) fn end(&self, end: End) {
        self.lock().end.get_or_insert(end);
        self.arrived.notify_one();
    }

    fn push(&self, telling: Arc<Telling>) {
        let mut queue = self.lock();
        if queue.end.is_some() {
            return;
        }
        let weight = telling.weight();
        let end = if weight > MOST_BYTES {
            Some(End::TooLarge)
        } else if !queue.tellings.is_empty() && queue.weight + weight > MOST_WAITING {
            Some(End::TooSlow)
        } else {
            None
        };
        let Some(end) = end else {
            queue.weight += weight;
            queue.tellings.push_back(telling);
            drop(queue);
            return self.arrived.notify_one();
        };
        queue.end = Some(end);
        let unread = if end == End::TooSlow { std::mem::take(&mut queue.tellings) } else { VecDeque::new() };
        drop(queue);
        drop(unread);
        self.arrived.notify_one();
        if end == End::TooSlow {
            tracing::warn!("closed an event stream whose client does not read fast enough");
            if let Some(hang_up) = &self.hang_up {
                hang_up.soon();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn take(&mut self) -> Option<Next> {
        let Some(telling) = self.tellings.pop_front() else { return self.end.map(Next::End) };
        self.weight -= telling.weight();
        if self.tellings.is_empty() {
            // An idle client keeps no buffer.
            self.tellings = VecDeque::new();
        }
        Some(Next::Telling(telling))
    }
}

/// Hears for an outbox. The engine alone has it: when it is dropped, nothing more can be heard.
#[derive(Debug)]
pub(super) struct Ear {
    outbox: Arc<Outbox>,
    view: Arc<View>,
}

impl Ear {
    pub(super) fn new(outbox: Arc<Outbox>, view: Arc<View>) -> Self {
        Self { outbox, view }
    }
}

impl Audience for Ear {
    fn hear(&self, _: ListenerId, event: &Arc<Event>) {
        self.outbox.push(self.view.telling(event));
    }

    fn revoke(&self, _: ListenerId) {
        self.outbox.end(End::Revoked);
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.outbox.end(End::Closed);
    }
}
