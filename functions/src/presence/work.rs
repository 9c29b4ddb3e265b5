//! Carries what waits of one user to the database and then to the listeners, batch by batch.
//!
//! Of the pings of a batch only the last is stored, all are sent, and none is sent or acknowledged before the last is
//! durable.

use super::Presence;
use super::ping::Ping;
use super::refusal::Refusal;
use super::table::{Batch, Item, Last};
use crate::feed::Outlet;
use crate::key;
use crate::ports::DatabaseError;
use std::sync::Arc;

/// Where the last pings are: by user.
const PATH: &str = "users";

/// Takes turns until nothing waits.
pub(super) fn work(presence: Arc<Presence>, user: String) -> impl Future<Output = ()> + Send + 'static {
    // It is there before the first turn, in case there is none.
    let mut turns = Turns { presence, user, over: false };
    async move { while turns.next().await {} }
}

/// One user's turns. If they end early, when the server stops, those who wait are told.
struct Turns {
    presence: Arc<Presence>,
    user: String,
    over: bool,
}

impl Drop for Turns {
    fn drop(&mut self) {
        if !self.over {
            let waiting = self.presence.lock().abandon(&self.user);
            drop(waiting);
        }
    }
}

impl Turns {
    /// Whether there was another one.
    async fn next(&mut self) -> bool {
        let batch = self.presence.lock().take(&self.user);
        self.over = batch.is_none();
        if let Some(batch) = batch {
            self.take(batch).await;
        }
        !self.over
    }

    async fn take(&self, batch: Batch) {
        let Batch { items, last, audience } = batch;
        let newest = items.iter().rev().find_map(|item| match item {
            Item::Ping { ping, .. } => Some(ping.clone()),
            Item::Listener { .. } => None,
        });
        let unknown = last == Last::Unknown && items.iter().any(|item| matches!(item, Item::Listener { .. }));
        let kept = if unknown || newest.is_some() { self.store(newest, unknown).await } else { Ok(None) };
        let mut last = match (last, kept) {
            (Last::Known(last), Ok(_)) => last,
            (Last::Unknown, Ok(kept)) => kept,
            (_, Err(error)) => {
                tracing::error!(%error, user = self.user, "a ping could not be stored or read");
                for item in items {
                    let (Item::Ping { done, .. } | Item::Listener { done, .. }) = item;
                    let _ = done.send(Err(Refusal::Failed));
                }
                return;
            }
        };
        let (mut newcomers, mut acknowledged) = (Vec::new(), Vec::with_capacity(items.len()));
        for item in items {
            match item {
                Item::Ping { ping, done } => {
                    let event = ping.to_event();
                    for outlet in audience.iter().chain(newcomers.iter().map(|(_, outlet)| outlet)) {
                        // Whoever has gone or lags too far behind is nobody else's concern.
                        let _ = outlet.send(event.clone());
                    }
                    last = Some(ping);
                    acknowledged.push(done);
                }
                Item::Listener { id, outlet, done } => {
                    greet(&outlet, last.as_ref());
                    newcomers.push((id, outlet));
                    acknowledged.push(done);
                }
            }
        }
        // With no listener to tell, the next one may as well ask the database.
        self.presence.lock().done(&self.user, Last::Known(last), newcomers);
        for done in acknowledged {
            // Whoever asked may have gone.
            let _ = done.send(Ok(()));
        }
    }

    /// Stores `newest` and, if `wanted`, reads what was there before.
    async fn store(&self, newest: Option<Ping>, wanted: bool) -> Result<Option<Ping>, DatabaseError> {
        let path = format!("{PATH}/{}", key::escaped(&self.user));
        let database = &*self.presence.platform.database;
        let stored = database.transact(move |transaction| {
            let before = wanted.then(|| Ping::from_value(&transaction.get(&path))).flatten();
            if let Some(newest) = newest {
                transaction.set(&path, newest.to_value())?;
            }
            Ok(before)
        });
        stored.await
    }
}

/// Tells a new listener the last ping.
fn greet(outlet: &Outlet, last: Option<&Ping>) {
    if let Some(last) = last {
        let _ = outlet.send(last.to_event());
    }
}
