//! What changes one database: its inbox, its engine, and the state that was published last.
//!
//! inbox → engine → journal → publish → reply, on a thread of its own, or, for a command that comes alone, on the thread
//! that brings it. Must not know: who asks, HTTP, SQLite.

use super::inbox::{Bounds, Inbox, Turn};
use crate::clock::{Clock, Entropy};
use hearth_database::{Answer, Command, CommandError, Engine, Journal, Snapshot};
use std::fmt;
use std::sync::{Mutex, PoisonError, RwLock};

const BOUNDS: Bounds =
    Bounds { items: 16 * 1024, bytes: 256 * 1024 * 1024, batch_items: 1024, batch_bytes: 16 * 1024 * 1024 };

/// Called by who carries the command out, so it must not wait for anything. Dropped uncalled when the database has
/// closed.
pub(super) type Reply = Box<dyn FnOnce(Result<Answer, CommandError>) + Send>;

/// A command, and who waits for its answer.
pub(super) type Job = (Command, Reply);

/// The one place where a database changes.
pub(super) struct Writer {
    inbox: Inbox<Job>,
    published: RwLock<Snapshot>,
    /// Gone once the database is closed. Who has a turn, or has taken a batch, holds the lock; nobody waits for it.
    engine: Mutex<Option<Box<dyn Executes>>>,
    clock: Clock,
    entropy: Entropy,
}

/// An engine, whatever its journal.
trait Executes: Send {
    fn execute(
        &mut self,
        commands: &mut dyn Iterator<Item = Command>,
        now: u64,
        entropy: &mut dyn FnMut(&mut [u8]),
        publish: &mut dyn FnMut(&Snapshot),
    ) -> Vec<Result<Answer, CommandError>>;
}

impl<J: Journal + Send> Executes for Engine<J> {
    fn execute(
        &mut self,
        commands: &mut dyn Iterator<Item = Command>,
        now: u64,
        entropy: &mut dyn FnMut(&mut [u8]),
        publish: &mut dyn FnMut(&Snapshot),
    ) -> Vec<Result<Answer, CommandError>> {
        Engine::execute(self, commands, now, entropy, publish)
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Writer").field("inbox", &self.inbox).finish_non_exhaustive()
    }
}

/// Closes the inbox however the writer ends, so that nobody waits for an answer that cannot come.
struct Leaving<'w>(&'w Writer);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.inbox.abandon();
    }
}

impl Writer {
    /// The writer of `engine`; it does nothing until somebody runs it.
    pub(super) fn new<J: Journal + Send + 'static>(engine: Engine<J>, clock: Clock, entropy: Entropy) -> Self {
        let published = RwLock::new(engine.snapshot().clone());
        Self { inbox: Inbox::new(BOUNDS), published, engine: Mutex::new(Some(Box::new(engine))), clock, entropy }
    }

    /// Where commands are left.
    pub(super) fn inbox(&self) -> &Inbox<Job> {
        &self.inbox
    }

    /// The time by which it judges.
    pub(super) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// The state that was published last.
    pub(super) fn snapshot(&self) -> Snapshot {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Carries out what is left in the inbox until it is closed, then closes the journal.
    pub(super) fn run(&self) {
        let _leaving = Leaving(self);
        let mut batch = Vec::new();
        while self.inbox.take(&mut batch) {
            self.carry_out(batch.drain(..));
        }
        drop(self.engine.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Carries out a command by the turn that was got for it.
    pub(super) fn carry_out_one(&self, job: Job, turn: Turn<'_, Job>) {
        let leaving = Leaving(self);
        self.carry_out([job]);
        // Only a panic closes the inbox.
        std::mem::forget(leaving);
        drop(turn);
    }

    fn carry_out(&self, jobs: impl IntoIterator<Item = Job>) {
        let (commands, replies): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
        let publish = |snapshot: &Snapshot| {
            let mut place = self.published.write().unwrap_or_else(PoisonError::into_inner);
            let old = std::mem::replace(&mut *place, snapshot.clone());
            // The old tree may be large; nobody shall wait while it is taken down.
            drop(place);
            drop(old);
        };
        let answers = {
            let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
            // Without an engine the replies are dropped uncalled.
            let Some(engine) = engine.as_mut() else { return };
            let entropy = &mut |bytes: &mut [u8]| self.entropy.fill(bytes);
            engine.execute(&mut commands.into_iter(), self.clock.now(), entropy, &mut { publish })
        };
        for (reply, answer) in replies.into_iter().zip(answers) {
            reply(answer);
        }
    }
}
