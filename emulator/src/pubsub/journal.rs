//! The one thread that stores durable channels. What waits is stored together, and delivered once it is.
//!
//! Must not know: SQL, HTTP.

use super::PubsubService;
use super::store::Store;
use bytes::Bytes;
use hearth_pubsub::channel::ChannelInfo;
use hearth_pubsub::error::Error;
use hearth_pubsub::journal::Journal as _;
use hearth_pubsub::message::Publication;
use hearth_pubsub::path::ChannelId;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// So many orders wait at most, of so many bytes together.
const WAITING: usize = 16 * 1024;
const WAITING_BYTES: usize = 64 * 1024 * 1024;
/// What an order costs besides its message.
const ORDER_BYTES: usize = 512;
/// So many share one commit at most, so that the first of them does not wait for long.
const LARGEST_BATCH: usize = 1024;

type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// Something to be stored.
#[derive(Debug)]
enum Order {
    Publish(Publish),
    Delete(Vec<ChannelId>, Option<Bytes>, Reply<usize>),
    /// Take out what is no longer stored.
    Tidy,
    /// Store everything, and end.
    Close(oneshot::Sender<()>),
}

#[derive(Debug)]
struct Publish {
    ids: Vec<ChannelId>,
    publication: Publication,
    store: bool,
    reply: Reply<Vec<ChannelInfo>>,
    _room: OwnedSemaphorePermit,
}

/// The way to the thread.
#[derive(Debug)]
pub(super) struct Journal {
    orders: mpsc::Sender<Order>,
    room: Arc<Semaphore>,
    /// The last commit failed: nothing is tidied until one succeeds.
    troubled: AtomicBool,
}

/// What the thread takes from.
#[derive(Debug)]
pub(super) struct Inbox(mpsc::Receiver<Order>);

impl Journal {
    pub(super) fn new() -> (Self, Inbox) {
        let (orders, inbox) = mpsc::channel(WAITING);
        (Self { orders, room: Arc::new(Semaphore::new(WAITING_BYTES)), troubled: AtomicBool::new(false) }, Inbox(inbox))
    }

    /// Stores and delivers a message.
    pub(super) async fn publish(
        &self,
        ids: &[ChannelId],
        publication: &Publication,
        store: bool,
    ) -> Result<Vec<ChannelInfo>, Error> {
        let bytes = u32::try_from(ORDER_BYTES + publication.body.len()).map_err(|_| Error::Busy)?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(bytes).map_err(|_| Error::Busy)?;
        let (ids, publication) = (ids.to_vec(), publication.clone());
        self.order(|reply| Order::Publish(Publish { ids, publication, store, reply, _room: room })).await
    }

    /// Deletes channels, and answers how many there were.
    pub(super) async fn delete(&self, ids: &[ChannelId], text: Option<Bytes>) -> Result<usize, Error> {
        self.order(|reply| Order::Delete(ids.to_vec(), text, reply)).await
    }

    /// Something is stored that need not be. If the queue is full, the next batch sees to it.
    pub(super) fn tidy(&self) {
        if !self.troubled.load(Ordering::Relaxed) {
            let _ = self.orders.try_send(Order::Tidy);
        }
    }

    /// Notes whether the last commit succeeded.
    fn has_stored(&self, stored: bool) {
        self.troubled.store(!stored, Ordering::Relaxed);
    }

    /// Stores all channels for the next run. Nothing is taken after this.
    pub(super) async fn close(&self) {
        let (reply, done) = oneshot::channel();
        if self.orders.send(Order::Close(reply)).await.is_ok() {
            let _ = done.await;
        }
    }

    async fn order<T>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.orders.try_send(order(reply)).map_err(|_| Error::Busy)?;
        answer.await.unwrap_or(Err(Error::NotStored))
    }
}

/// Works until it is closed, or the push stream is gone.
pub(super) fn run(service: &Weak<PubsubService>, inbox: Inbox, mut store: Store) {
    let Inbox(mut inbox) = inbox;
    let mut next = inbox.blocking_recv();
    while let Some(order) = next.take() {
        let Some(service) = service.upgrade() else { return };
        match order {
            Order::Publish(first) => {
                let mut publishes = vec![first];
                while publishes.len() < LARGEST_BATCH {
                    match inbox.try_recv() {
                        Ok(Order::Publish(publish)) => publishes.push(publish),
                        Ok(other) => {
                            next = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                commit(&service, &mut store, publishes);
            }
            Order::Delete(ids, text, reply) => {
                let _ = reply.send(delete(&service, &mut store, &ids, text));
            }
            Order::Tidy => commit(&service, &mut store, Vec::new()),
            Order::Close(done) => {
                if let Err(error) = store.end_run(&service.kept()) {
                    tracing::error!(%error, "the push stream's channels are not kept");
                }
                drop((store, inbox));
                let _ = done.send(());
                return;
            }
        }
        drop(service);
        if next.is_none() {
            next = inbox.blocking_recv();
        }
    }
}

fn commit(service: &PubsubService, store: &mut Store, publishes: Vec<Publish>) {
    let mut replies = Vec::with_capacity(publishes.len());
    let (batch, reserved) = service.with(|channels, now| {
        let mut batch = channels.begin_batch();
        let mut reserved = Vec::with_capacity(publishes.len());
        for publish in publishes {
            match channels.reserve(&mut batch, &publish.ids, &publish.publication, publish.store, now) {
                Ok(reservation) => reserved.push((reservation, publish.reply)),
                Err(error) => replies.push((publish.reply, Err(error))),
            }
        }
        (batch, reserved)
    });
    let stored = store.commit(&batch);
    if let Some(journal) = service.journal() {
        journal.has_stored(stored.is_ok());
    }
    if let Err(error) = &stored {
        tracing::error!(%error, messages = batch.messages.len(), "durable messages cannot be stored");
    }
    // One message at a time under the lock: others shall not wait for all.
    for (reservation, reply) in reserved {
        let outcome = service.with_news(|channels, now| match &stored {
            Ok(()) => Ok(channels.fulfil(reservation, now)),
            Err(_) => {
                channels.abandon(reservation, now);
                Err(Error::NotStored)
            }
        });
        replies.push((reply, outcome));
    }
    service.with(|channels, _| channels.end_batch(stored.is_err().then_some(batch)));
    for (reply, outcome) in replies {
        // Whoever published may have gone.
        let _ = reply.send(outcome);
    }
}

/// Durable channels are deleted from the file first.
fn delete(service: &PubsubService, store: &mut Store, ids: &[ChannelId], text: Option<Bytes>) -> Result<usize, Error> {
    let batch = service.with(|channels, _| {
        let mut batch = channels.begin_batch();
        channels.reserve_deletion(&mut batch, ids);
        batch
    });
    let stored = store.commit(&batch);
    if let Some(journal) = service.journal() {
        journal.has_stored(stored.is_ok());
    }
    service.with(|channels, _| channels.end_batch(stored.is_err().then_some(batch)));
    if let Err(error) = stored {
        tracing::error!(%error, "durable channels cannot be deleted");
        return Err(Error::NotStored);
    }
    service.with(|channels, now| channels.delete(ids, text, now))
}
