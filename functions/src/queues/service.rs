//! Queues with those who wait for their messages: what functions and their clients use.
//!
//! Must not know: what the messages say, or how clients speak to a queue.

use super::consumer::{Consumer, Line};
use super::definition::{Attributes, Definition};
use super::message::{MessageId, NewMessage, Prepared, Receipt, Received};
use super::plan::Plan;
use super::refusal::Refusal;
use super::store::{Counts, Store, Taken};
use super::waiters::{Waiters, Woken};
use crate::ports::{Clock, Database, Entropy, Millis, Platform, Tasks, Timer, Timers, Transaction};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A consumer is handed so many messages at a time.
const TOGETHER: usize = 64;
/// A queue that could not be read is looked at again after so many milliseconds.
const RETRY: Millis = 1000;
/// So many names are read at once when queues are brought back.
const NAMES: usize = 100;

/// The queues of one function; its clones are the same.
#[derive(Clone)]
pub struct Queues(Arc<Inner>);

struct Inner {
    root: String,
    database: Arc<dyn Database>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    timers: Arc<dyn Timers>,
    tasks: Arc<dyn Tasks>,
    sequence: AtomicU64,
    plan: Mutex<Plan>,
    waiters: Arc<Waiters>,
    consumers: Mutex<HashMap<String, Arc<Line>>>,
}

impl fmt::Debug for Queues {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Queues").field(&self.0.root).finish()
    }
}

/// How messages are received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// So many at most.
    pub most: usize,
    /// They are hidden for so many seconds; otherwise for as long as the queue says.
    pub visibility: Option<u32>,
    /// An empty queue is waited at for so many seconds; otherwise for as long as the queue says.
    pub wait: Option<u32>,
}

/// What looks after queues in time.
struct Watch(Queues);

impl Timer for Watch {
    fn name(&self) -> &str {
        "queues"
    }

    fn due(&self) -> Option<Millis> {
        self.0.plan().due()
    }

    fn begin(&self, now: Millis) -> BoxFuture<'static, ()> {
        let queues = self.0.clone();
        let due = queues.plan().take(now);
        for wait in &due.waits {
            wait.tell(Woken::Expired);
        }
        Box::pin(async move {
            join_all(due.queues.iter().map(|queue| queues.look_after(queue))).await;
        })
    }
}

impl Queues {
    /// Queues that are kept at `root` in the database of `platform`. To be made once for each place.
    pub fn new(root: &str, platform: &Platform, timers: Arc<dyn Timers>, tasks: Arc<dyn Tasks>) -> Self {
        let queues = Self(Arc::new(Inner {
            root: root.to_owned(),
            database: Arc::clone(&platform.database),
            clock: Arc::clone(&platform.clock),
            entropy: Arc::clone(&platform.entropy),
            timers,
            tasks,
            sequence: AtomicU64::new(0),
            plan: Mutex::default(),
            waiters: Arc::default(),
            consumers: Mutex::default(),
        }));
        queues.0.timers.add(Arc::new(Watch(queues.clone())));
        queues
    }

    /// Looks after what a former process has left: to be called once, when the consumers are known.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn start(&self) -> Result<(), Refusal> {
        let mut after = None;
        loop {
            let names = self.names("", after.take(), NAMES).await?;
            for name in &names {
                self.plan_for(name, self.0.clock.now());
            }
            match names.into_iter().nth(NAMES - 1) {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// Has `consumer` handle the messages of a queue.
    pub fn consume(&self, queue: &str, consumer: Arc<dyn Consumer>) {
        self.consumers().insert(queue.to_owned(), Arc::new(Line::new(consumer)));
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn consumers(&self) -> MutexGuard<'_, HashMap<String, Arc<Line>>> {
        self.0.consumers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        self.0.entropy.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Runs `body` in a transaction; what it refuses has changed nothing.
    async fn transact<T: Send + 'static>(
        &self,
        body: impl FnOnce(&mut Store<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (root, now) = (self.0.root.clone(), self.0.clock.now());
        let answer =
            self.0.database.transact(move |transaction| match body(&mut Store::new(transaction, &root, now)) {
                Ok(value) => Ok(Ok(value)),
                Err(Refusal::Database(error)) => Err(error),
                Err(refusal) => Ok(Err(refusal)),
            });
        answer.await?
    }

    /// Makes a queue; one that is there already stays, if its attributes are the same.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn create(
        &self,
        queue: &str,
        attributes: Attributes,
        tags: BTreeMap<String, String>,
    ) -> Result<(), Refusal> {
        let queue = queue.to_owned();
        self.transact(move |store| store.create(&queue, attributes, tags)).await
    }

    /// What a queue is.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn definition(&self, queue: &str) -> Result<Definition, Refusal> {
        let queue = queue.to_owned();
        self.transact(move |store| store.definition(&queue)).await
    }

    /// Changes what a queue is.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn change(
        &self,
        queue: &str,
        change: impl FnOnce(&mut Definition) + Send + 'static,
    ) -> Result<(), Refusal> {
        let name = queue.to_owned();
        self.transact(move |store| store.change(&name, change)).await?;
        // Retention may be over sooner now.
        self.plan_for(queue, self.0.clock.now());
        Ok(())
    }

    /// Removes a queue with all it holds.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn delete_queue(&self, queue: &str) -> Result<(), Refusal> {
        let name = queue.to_owned();
        self.transact(move |store| store.delete_queue(&name)).await?;
        // Whoever waits hears that it is gone.
        self.0.waiters.wake(queue, usize::MAX);
        Ok(())
    }

    /// Removes all messages of a queue.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn purge(&self, queue: &str) -> Result<(), Refusal> {
        let queue = queue.to_owned();
        self.transact(move |store| store.purge(&queue)).await
    }

    /// Up to `limit` names that begin with `prefix`, in order, after the name `after`.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn names(&self, prefix: &str, after: Option<String>, limit: usize) -> Result<Vec<String>, Refusal> {
        let prefix = prefix.to_owned();
        self.transact(move |store| Ok(store.names(&prefix, after.as_deref(), limit))).await
    }

    /// Up to `limit` queues whose dead letters go to `target`, after the name `after`.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn sources(&self, target: &str, after: Option<String>, limit: usize) -> Result<Vec<String>, Refusal> {
        let target = target.to_owned();
        self.transact(move |store| store.sources(&target, after.as_deref(), limit)).await
    }

    /// How many messages a queue holds. Counted in steps between which others go on.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn count(&self, queue: &str) -> Result<Counts, Refusal> {
        let (mut counts, mut after) = (Counts::default(), None::<String>);
        loop {
            let queue = queue.to_owned();
            let step = move |store: &mut Store<'_>| {
                let next = store.count(&queue, after.as_deref(), &mut counts)?;
                Ok((counts, next))
            };
            (counts, after) = self.transact(step).await?;
            if after.is_none() {
                return Ok(counts);
            }
        }
    }

    /// Gives a message its id.
    pub fn prepare(&self, message: NewMessage) -> Prepared {
        let sequence = self.0.sequence.fetch_add(1, Ordering::Relaxed);
        Prepared { id: MessageId::new(self.0.clock.now(), sequence, self.random()), message }
    }

    /// Puts a message into a queue as a part of another transaction of the same database. [`Queues::sent`] has to be
    /// called with the answer once that is durable.
    ///
    /// # Errors
    /// See [`Refusal`]; nothing was put.
    pub fn send_in(&self, transaction: &mut dyn Transaction, queue: &str, sent: &Prepared) -> Result<Millis, Refusal> {
        Store::new(transaction, &self.0.root, self.0.clock.now()).send(queue, sent)
    }

    /// Takes a message back that was sent, as a part of another transaction of the same database.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn cancel_in(&self, transaction: &mut dyn Transaction, queue: &str, id: &MessageId) -> Result<(), Refusal> {
        Store::new(transaction, &self.0.root, self.0.clock.now()).cancel(queue, id)
    }

    /// Messages were put into a queue that can be received at these times.
    pub fn sent(&self, queue: &str, due: &[Millis]) {
        let now = self.0.clock.now();
        let at_once = due.iter().filter(|due| **due <= now).count();
        if let Some(later) = due.iter().filter(|due| **due > now).min() {
            self.plan_for(queue, *later);
        }
        if at_once > 0 {
            self.wake(queue, at_once);
        }
    }

    /// Puts messages into a queue; an answer for each. Those that are taken are durable.
    ///
    /// # Errors
    /// See [`Refusal`]; none was taken.
    pub async fn send(
        &self,
        queue: &str,
        messages: Vec<NewMessage>,
    ) -> Result<Vec<Result<MessageId, Refusal>>, Refusal> {
        let prepared: Vec<_> = messages.into_iter().map(|message| self.prepare(message)).collect();
        let name = queue.to_owned();
        let (retention, outcomes) = self
            .transact(move |store| {
                let retention = store.definition(&name)?.attributes.retention;
                let mut outcomes = Vec::with_capacity(prepared.len());
                for message in prepared {
                    match store.send(&name, &message) {
                        Err(refusal @ (Refusal::Database(_) | Refusal::NoQueue)) => return Err(refusal),
                        outcome => outcomes.push(outcome.map(|due| (message.id, due))),
                    }
                }
                Ok((retention, outcomes))
            })
            .await?;
        let due: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok().map(|(_, due)| *due)).collect();
        self.sent(queue, &due);
        self.plan_for(queue, self.0.clock.now() + Millis::from(retention) * 1000);
        Ok(outcomes.into_iter().map(|outcome| outcome.map(|(id, _)| id)).collect())
    }

    /// Receives messages. If there are none it waits; an answer may be empty all the same.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn receive(&self, queue: &str, ask: Ask) -> Result<Vec<Received>, Refusal> {
        let mut ends = None;
        loop {
            // In line before the look, so that nothing is missed between the two.
            let waiter = self.0.waiters.wait(queue);
            let name = queue.to_owned();
            let nonces: Vec<u64> = (0..ask.most).map(|_| self.random()).collect();
            let look = move |store: &mut Store<'_>| {
                let wait = store.definition(&name)?.attributes.wait;
                Ok((wait, store.receive(&name, &nonces, ask.visibility)?))
            };
            let (wait, taken) = self.transact(look).await?;
            let wait = Millis::from(ask.wait.unwrap_or(wait)) * 1000;
            let messages = self.taken(queue, taken);
            let end = *ends.get_or_insert_with(|| self.0.clock.now() + wait);
            if !messages.is_empty() || self.0.clock.now() >= end {
                return Ok(messages);
            }
            let number = waiter.number();
            let earlier = self.plan().end_wait(number, end, Arc::clone(waiter.slot()));
            if earlier {
                self.0.timers.touch();
            }
            let _planned = Planned { queues: self, number, end };
            if waiter.woken().await == Woken::Expired {
                return Ok(Vec::new());
            }
        }
    }

    /// What follows from a receive: dead letters are news elsewhere, and what is hidden comes back.
    fn taken(&self, queue: &str, taken: Taken) -> Vec<Received> {
        if let Some(target) = &taken.dead_letters {
            self.wake(target, TOGETHER);
        }
        if let Some(due) = taken.due {
            self.plan_for(queue, due);
        }
        taken.messages
    }

    /// Deletes received messages.
    ///
    /// # Errors
    /// See [`Refusal`]; none was deleted.
    pub async fn delete(&self, receipts: Vec<Receipt>) -> Result<(), Refusal> {
        self.transact(move |store| receipts.iter().try_for_each(|receipt| store.delete(receipt))).await
    }

    /// Has a message in flight be received again `seconds` from now.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn change_visibility(&self, receipt: Receipt, seconds: u32) -> Result<(), Refusal> {
        let queue = receipt.queue.clone();
        let due = self.transact(move |store| store.change_visibility(&receipt, seconds)).await?;
        self.sent(&queue, &[due]);
        Ok(())
    }

    fn plan_for(&self, queue: &str, at: Millis) {
        let earlier = self.plan().look_at(queue, at);
        if earlier {
            self.0.timers.touch();
        }
    }

    /// Messages can be received: tells those who wait, and the consumer.
    fn wake(&self, queue: &str, messages: usize) {
        let line = self.consumers().get(queue).cloned();
        if let Some(line) = line {
            let (queues, queue) = (self.clone(), queue.to_owned());
            self.0.tasks.spawn(Box::pin(async move { queues.hand_over(&queue, &line).await }));
        }
        self.0.waiters.wake(queue, messages);
    }

    /// Does what has fallen due in a queue, and plans what comes next.
    async fn look_after(&self, queue: &str) {
        let name = queue.to_owned();
        let look = move |store: &mut Store<'_>| Ok((store.forget_old(&name)?, store.next_event(&name)?));
        match self.transact(look).await {
            Ok((true, _)) => self.plan_for(queue, self.0.clock.now()),
            Ok((false, next)) => next.into_iter().for_each(|next| self.plan_for(queue, next)),
            Err(Refusal::NoQueue) => return,
            Err(refusal) => {
                tracing::warn!(queue, %refusal, "the queue cannot be looked after");
                self.plan_for(queue, self.0.clock.now() + RETRY);
                return;
            }
        }
        self.0.waiters.wake(queue, usize::MAX);
        let line = self.consumers().get(queue).cloned();
        if let Some(line) = line {
            self.hand_over(queue, &line).await;
        }
    }

    /// Hands the messages of a queue to its consumer until there are none.
    async fn hand_over(&self, queue: &str, line: &Line) {
        let Some(mut run) = line.begin() else { return };
        let mut done = Vec::new();
        loop {
            let (name, handled) = (queue.to_owned(), done.clone());
            let nonces: Vec<u64> = (0..TOGETHER).map(|_| self.random()).collect();
            let step = move |store: &mut Store<'_>| {
                handled.iter().try_for_each(|receipt| store.delete(receipt))?;
                store.receive(&name, &nonces, None)
            };
            let messages = match self.transact(step).await {
                Ok(taken) => self.taken(queue, taken),
                Err(Refusal::NoQueue) => return,
                Err(refusal) => {
                    tracing::warn!(queue, %refusal, "messages wait: they cannot be taken");
                    self.plan_for(queue, self.0.clock.now() + RETRY);
                    return;
                }
            };
            if messages.is_empty() {
                if run.looks_again() {
                    done = Vec::new();
                    continue;
                }
                return;
            }
            let handled = join_all(messages.into_iter().map(|message| handle(queue, line, message))).await;
            done = handled.into_iter().flatten().collect();
        }
    }
}

/// Hands one message over; its receipt, if it can be deleted.
async fn handle(queue: &str, line: &Line, message: Received) -> Option<Receipt> {
    let (id, receipt) = (message.id.clone(), message.receipt.clone());
    let work = AssertUnwindSafe(Arc::clone(&line.consumer).consume(message)).catch_unwind();
    match work.await {
        Ok(Ok(())) => Some(receipt),
        Ok(Err(reason)) => {
            tracing::warn!(queue, %id, reason, "a message was not handled; it comes again");
            None
        }
        // The panic hook has reported it.
        Err(_) => None,
    }
}

/// The planned end of a wait, taken back when the wait is over, however it ends.
struct Planned<'q> {
    queues: &'q Queues,
    number: u64,
    end: Millis,
}

impl Drop for Planned<'_> {
    fn drop(&mut self) {
        self.queues.plan().forget_wait(self.number, self.end);
    }
}
