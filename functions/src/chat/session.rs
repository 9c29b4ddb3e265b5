//! One WebSocket of a user: what he says goes to the database, and from there to whom it concerns.

use super::message::{CHANCE, Draft};
use super::refusal::Rejection;
use super::{Chat, Delivery, envelope, history};
use crate::feed::Outlet;
use crate::service::Session;
use futures_util::future::BoxFuture;
use futures_util::lock::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// So many bytes may wait for a client: some thousand changes of presence, or dozens of the longest messages.
pub(super) const LAG: usize = 1024 * 1024;

/// Whoever has lost the network without a goodbye is active at most twice as long.
const LONGEST_SILENCE: Duration = Duration::from_secs(30);

/// A user's connection.
pub(super) struct Talk {
    chat: Arc<Chat>,
    name: String,
    group: String,
    outlet: Outlet,
    /// Held while a message is on its way, so that the next one waits.
    turn: Arc<Mutex<()>>,
}

impl Talk {
    /// That of the user `name`.
    pub(super) fn new(chat: Arc<Chat>, name: String, group: String, outlet: Outlet) -> Self {
        Self { chat, name, group, outlet, turn: Arc::default() }
    }
}

impl Session for Talk {
    fn opened(self: Arc<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { self.chat.hall().join(&self.name, &self.group, self.outlet.clone()) })
    }

    fn message(self: Arc<Self>, text: String) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let turn = Arc::clone(&self.turn).lock_owned().await;
            match Draft::parse(&text, &self.name) {
                // A task of its own: a connection may be held up by its client, and others wait for what is stored
                // before theirs.
                Ok(draft) => {
                    let (chat, outlet) = (Arc::clone(&self.chat), self.outlet.clone());
                    self.chat.tasks.spawn(Box::pin(async move {
                        chat.say(draft, &outlet).await;
                        drop(turn);
                    }));
                }
                Err(rejection) => reject(&self.outlet, &rejection),
            }
        })
    }

    fn longest_silence(&self) -> Option<Duration> {
        Some(LONGEST_SILENCE)
    }

    fn closed(self: Arc<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { self.chat.hall().leave(&self.name, &self.outlet) })
    }
}

impl Chat {
    /// Stores a message, has it delivered in the order of storage, and its recipient notified.
    async fn say(&self, draft: Draft, outlet: &Outlet) {
        let mut chance = [0; CHANCE];
        self.platform.entropy.fill(&mut chance);
        let (order, across_groups) = (Arc::clone(&self.order), self.across_groups);
        let stored = self.platform.database.transact(move |transaction| {
            let stored = history::append(transaction, draft, chance, across_groups)?;
            Ok(stored.map(|message| (message, order.place())))
        });
        match stored.await {
            Ok(Ok((message, place))) => {
                let text = envelope::text(&message);
                if let Some(notifier) = &self.notifier {
                    notifier.notify(&message);
                }
                place.deliver(Delivery { from: message.username_from, to: message.username_to, text });
            }
            Ok(Err(rejection)) => reject(outlet, &rejection),
            Err(error) => reject(outlet, &Rejection::from(error)),
        }
    }
}

fn reject(outlet: &Outlet, rejection: &Rejection) {
    // Whoever cannot be told is being closed.
    let _ = outlet.send(rejection.frame());
}
