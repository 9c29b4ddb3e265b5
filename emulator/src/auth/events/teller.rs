//! Tells one receiver of the events that wait for it in the accounts' file: each until it is taken, those of one user in
//! their order, those of different users side by side. An event leaves the file once it is delivered or given up, so that
//! none is lost with the process.
//!
//! Nobody waits for it: a receiver that fails or hangs delays nothing but its own events. Must not know: what is told.

use super::{Named, NotTold, Receiver};
use crate::auth::service::{AuthService, ServiceError};
use crate::clock::{Clock, Millis};
use futures_util::FutureExt;
use hearth_auth::event::UserEvent;
use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// So many events are read at once.
const PAGE: usize = 128;
/// So many events, and about so many bytes of them, are held in memory; the others wait in the file.
const MOST_EVENTS: usize = 1024;
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// So many attempts are made at once.
const MOST_AT_ONCE: usize = 8;
/// The first pause after an attempt that failed; each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// An event that is older when an attempt fails is given up.
const PATIENCE: Millis = 24 * 60 * 60 * 1000;
/// When the accounts' file cannot be read or written, it is tried again after this.
const FILE_PAUSE: Duration = Duration::from_secs(1);

/// Tells one receiver.
pub(in crate::auth) struct Teller {
    auth: Arc<AuthService>,
    to: Named,
    clock: Clock,
}

/// Whose events have an order: the tenant and the user's id.
type User = (Option<String>, String);

/// What is held in memory.
#[derive(Default)]
struct Held {
    /// The number of the last event that was read.
    read: u64,
    /// Events that wait for an earlier one of their user, which is under way.
    lines: HashMap<User, VecDeque<(u64, UserEvent)>>,
    events: usize,
    bytes: usize,
    /// Delivered or given up, and still in the file.
    done: Vec<u64>,
}

/// An event that has been delivered or given up.
struct Settled {
    user: User,
    number: u64,
    bytes: usize,
}

impl Held {
    fn has_room(&self) -> bool {
        self.events < MOST_EVENTS && self.bytes < MOST_BYTES
    }

    /// Takes an event; back if it can go at once.
    fn take(&mut self, number: u64, event: UserEvent) -> Option<(u64, UserEvent)> {
        self.read = number;
        self.events += 1;
        self.bytes += event.body.len();
        match self.lines.get_mut(&user(&event)) {
            Some(line) => {
                line.push_back((number, event));
                None
            }
            None => {
                self.lines.insert(user(&event), VecDeque::new());
                Some((number, event))
            }
        }
    }

    /// Lets an event go; the next one of its user.
    fn settle(&mut self, settled: Settled) -> Option<(u64, UserEvent)> {
        self.events -= 1;
        self.bytes -= settled.bytes;
        self.done.push(settled.number);
        let next = self.lines.get_mut(&settled.user)?.pop_front();
        if next.is_none() {
            self.lines.remove(&settled.user);
        }
        next
    }
}

impl Teller {
    pub(in crate::auth) fn new(auth: Arc<AuthService>, to: Named, clock: Clock) -> Self {
        Self { auth, to, clock }
    }

    /// Works until `stop`; what is under way then is told again by the next process.
    pub(in crate::auth) async fn run(self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            _ = self.work() => {}
        }
    }

    /// Ends when the accounts are closed.
    async fn work(&self) -> Result<(), ServiceError> {
        let turns = Arc::new(Semaphore::new(MOST_AT_ONCE));
        let (mut held, mut under_way) = (Held::default(), JoinSet::new());
        let go = |under_way: &mut JoinSet<Settled>, (number, event): (u64, UserEvent)| {
            let (to, turns, clock) = (self.to.clone(), Arc::clone(&turns), self.clock.clone());
            under_way.spawn(async move {
                persist(&to, &event, &turns, &clock).await;
                Settled { user: user(&event), number, bytes: event.body.len() }
            });
        };
        let mut may_have_news = true;
        loop {
            while may_have_news && held.has_room() {
                let page = self.page(held.read).await?;
                may_have_news = page.len() == PAGE;
                for (number, event) in page {
                    if let Some(first) = held.take(number, event) {
                        go(&mut under_way, first);
                    }
                }
            }
            tokio::select! {
                Some(settled) = under_way.join_next() => {
                    let more = std::iter::from_fn(|| under_way.try_join_next());
                    // A task of ours neither panics nor is aborted, but with all the others.
                    let all: Vec<Settled> = std::iter::once(settled).chain(more).flatten().collect();
                    for settled in all {
                        if let Some(next) = held.settle(settled) {
                            go(&mut under_way, next);
                        }
                    }
                    self.forget(std::mem::take(&mut held.done)).await?;
                }
                () = self.to.news.notified() => may_have_news = true,
            }
        }
    }

    async fn page(&self, after: u64) -> Result<Vec<(u64, UserEvent)>, ServiceError> {
        loop {
            match self.auth.waiting_events(&self.to.name, after, PAGE).await {
                Ok(page) => return Ok(page),
                Err(ServiceError::Stopped) => return Err(ServiceError::Stopped),
                Err(error) => tracing::error!(%error, "the events of users cannot be read"),
            }
            tokio::time::sleep(FILE_PAUSE).await;
        }
    }

    async fn forget(&self, numbers: Vec<u64>) -> Result<(), ServiceError> {
        let numbers = Arc::new(numbers);
        loop {
            match self.auth.forget_events(Arc::clone(&numbers)).await {
                Ok(()) => return Ok(()),
                Err(ServiceError::Stopped) => return Err(ServiceError::Stopped),
                Err(error) => tracing::error!(%error, "delivered events of users cannot be forgotten yet"),
            }
            tokio::time::sleep(FILE_PAUSE).await;
        }
    }
}

fn user(event: &UserEvent) -> User {
    (event.scope.tenant.clone(), event.local_id.clone())
}

/// Tries until it works, cannot work, or is no use any more.
async fn persist(to: &Named, event: &UserEvent, turns: &Semaphore, clock: &Clock) {
    let (name, id) = (to.name.as_str(), event.id.as_str());
    let mut pause = FIRST_PAUSE;
    for attempt in 1_u64.. {
        let told = {
            let Ok(_turn) = turns.acquire().await else { return };
            attempt_to_tell(&*to.receiver, event).await
        };
        let NotTold { reason, again } = match told {
            Ok(()) => return tracing::debug!(to = name, id, attempt, "an event of a user has been delivered"),
            Err(failed) => failed,
        };
        if !again || clock.now().saturating_sub(event.at) >= PATIENCE {
            return tracing::error!(to = name, id, attempt, reason, "an event of a user is given up");
        }
        tracing::warn!(to = name, id, attempt, reason, "an event of a user was not taken");
        tokio::time::sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// A receiver that panics has not taken it.
async fn attempt_to_tell(receiver: &dyn Receiver, event: &UserEvent) -> Result<(), NotTold> {
    let told = AssertUnwindSafe(receiver.tell(event)).catch_unwind().await;
    told.unwrap_or_else(|_| Err(NotTold { reason: "the receiver panicked".to_owned(), again: false }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_auth::store::Scope;

    fn event(tenant: Option<&str>, local_id: &str) -> UserEvent {
        let scope = Scope { tenant: tenant.map(str::to_owned), ..Scope::project("demo") };
        UserEvent { id: "e".to_owned(), scope, local_id: local_id.to_owned(), at: 0, body: "{}".to_owned() }
    }

    /// The number of the event that goes.
    fn number(gone: Option<(u64, UserEvent)>) -> Option<u64> {
        gone.map(|(number, _)| number)
    }

    #[test]
    fn a_users_events_go_one_after_the_other() {
        let mut held = Held::default();
        let users = [(None, "a"), (None, "a"), (Some("t"), "a"), (None, "b"), (None, "a")];
        let gone = (1..).zip(users).map(|(of, (tenant, id))| number(held.take(of, event(tenant, id))));
        assert_eq!(gone.collect::<Vec<_>>(), [Some(1), None, Some(3), Some(4), None]);
        assert_eq!((held.read, held.events, held.bytes), (5, 5, 10));
        let mut settle = |of, (tenant, id)| {
            let event = event(tenant, id);
            number(held.settle(Settled { user: user(&event), number: of, bytes: event.body.len() }))
        };
        for (of, who, next) in [
            (3, (Some("t"), "a"), None),
            (1, (None, "a"), Some(2)),
            (4, (None, "b"), None),
            (2, (None, "a"), Some(5)),
            (5, (None, "a"), None),
        ] {
            assert_eq!(settle(of, who), next, "{of}");
        }
        assert!(held.lines.is_empty() && (held.events, held.bytes) == (0, 0));
        assert_eq!(held.done, [3, 1, 4, 2, 5]);
        assert_eq!(number(held.take(6, event(None, "a"))), Some(6));
    }
}
