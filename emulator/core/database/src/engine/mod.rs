//! The one writer: commands come in batches; each batch becomes durable as a whole, is published, and is answered.
//!
//! What changes data is staged in order, then committed, published and told to the listeners there are; then reads,
//! new listeners and new rules have their turn, in their order, with the state that the whole batch has made. Nothing
//! is heard of before it is durable, and nothing is acknowledged before it is heard of. Must not know: how commands
//! arrive, where the published tree is kept, what the journal is made of.

mod change;
mod command;
mod explain;
mod intents;
mod listen;
mod listeners;
mod on_disconnect;
mod snapshot;
mod stage;
#[cfg(test)]
mod tests;
mod transaction;
mod write;

pub use command::{Answer, Change, Command, CommandError, Get, Tag, Write, WriteError};
pub use listen::{Audience, ConnectionId, Event, Listen, ListenerId, News, Words};
pub use on_disconnect::{Intended, Intent, IntentChange, OnDisconnect, SessionId};
pub use snapshot::{Snapshot, Version};
pub(crate) use stage::change;
pub use transaction::{Transaction, TransactionBody, TransactionError};

use crate::journal::{Batch, Journal, JournalError};
use crate::query::Plan;
use crate::rules::{Caller, Ruleset};
use crate::tree::{Path, PushIds};
use change::Commit;
use intents::{Sessions, StagedIntents};
use listeners::{Cause, Listeners};
use snapshot::{read, unindexed};
use stage::{Mark, Stage};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a command needs of the world.
struct World<'w> {
    now: u64,
    entropy: &'w mut dyn FnMut(&mut [u8]),
}

/// A command that changes no data, and so has its turn after all that do.
enum Later {
    Get(Get),
    Listen(Listen),
    Unlisten(ConnectionId, ListenerId),
    Leave(ConnectionId),
    Become(ConnectionId, Caller),
    Rules(Ruleset),
}

/// What a batch has come to so far: not yet durable, seen by nobody.
struct Batching {
    stage: Stage,
    version: Version,
    /// By which changes are judged.
    rules: Ruleset,
    /// Of the changes those that somebody may hear of.
    commits: Vec<Commit>,
    answers: Vec<Result<Answer, CommandError>>,
    /// With the place of its answer.
    later: Vec<(usize, Later)>,
    intents: StagedIntents,
    /// The sessions that have ended.
    ended: Vec<SessionId>,
}

/// The writer of one database.
#[derive(Debug)]
pub struct Engine<J> {
    journal: J,
    published: Snapshot,
    push_ids: PushIds,
    listeners: Listeners,
    intents: Sessions,
    /// Sessions that have ended, without what they intended: those of earlier openings, and those for which the
    /// journal failed.
    ended: Vec<SessionId>,
}

impl<J: Journal> Engine<J> {
    /// Opens the database that `journal` keeps. What sessions of earlier openings intended for their ends happens
    /// with the next call of [`Self::execute`], before anything it is given.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn open(mut journal: J, rules: Ruleset) -> Result<Self, JournalError> {
        let loaded = journal.load()?;
        let published = Snapshot { root: loaded.root, version: loaded.version, rules };
        let mut ended = Vec::new();
        let mut intents = Sessions::new();
        for (session, intended) in loaded.intents {
            if !intents.contains_key(&session) {
                ended.push(session.clone());
            }
            intents.entry(session).or_default().add(intended);
        }
        let (push_ids, listeners) = (PushIds::default(), Listeners::default());
        Ok(Self { journal, published, push_ids, listeners, intents, ended })
    }

    /// The state after the last batch.
    pub fn snapshot(&self) -> &Snapshot {
        &self.published
    }

    /// Carries out a batch at `now`, in milliseconds since the epoch; `entropy` fills bytes. Answers each command in
    /// turn, after `publish` has made the new state readable and the listeners have heard of it. When the journal
    /// fails, no data has changed.
    pub fn execute(
        &mut self,
        commands: impl IntoIterator<Item = Command>,
        now: u64,
        entropy: &mut dyn FnMut(&mut [u8]),
        mut publish: impl FnMut(&Snapshot),
    ) -> Vec<Result<Answer, CommandError>> {
        let mut world = World { now, entropy };
        if !self.ended.is_empty() {
            let ended = std::mem::take(&mut self.ended);
            self.carry_out(ended.into_iter().map(Command::Disconnect), &mut world, &mut publish);
        }
        self.carry_out(commands, &mut world, &mut publish)
    }

    fn carry_out(
        &mut self,
        commands: impl IntoIterator<Item = Command>,
        world: &mut World<'_>,
        publish: &mut impl FnMut(&Snapshot),
    ) -> Vec<Result<Answer, CommandError>> {
        let mut batch = Batching {
            stage: Stage::new(self.published.root.clone()),
            version: self.published.version,
            rules: self.published.rules.clone(),
            commits: Vec::new(),
            answers: Vec::new(),
            later: Vec::new(),
            intents: StagedIntents::default(),
            ended: Vec::new(),
        };
        for command in commands {
            self.stage(&mut batch, command, world);
        }
        let rules_before = self.published.rules.clone();
        let rules_change = batch.later.iter().any(|(_, later)| matches!(later, Later::Rules(_)));
        if rules_change {
            self.published.rules = batch.rules;
        }
        let changed = !batch.stage.touched.is_empty();
        let intends = !batch.intents.changes.is_empty();
        let stored = (changed || intends) && self.commit(&batch.stage, &batch.intents, batch.version);
        if stored {
            self.published.root = batch.stage.root;
            self.published.version = batch.version;
            batch.intents.store(&mut self.intents);
        } else if changed || intends {
            batch.answers.iter_mut().for_each(|answer| *answer = Err(CommandError::NotStored));
            self.ended.extend(batch.ended.into_iter().filter(|session| self.intents.contains_key(session)));
        }
        if (stored && changed) || rules_change {
            publish(&self.published);
        }
        if stored && changed {
            // First, so that nobody hears of what the batch has taken from them the right to read.
            let cause = if rules_change { Cause::Rules } else { Cause::Data };
            self.listeners.judge(cause, &self.published.rules, &self.published.root, world.now);
            batch.commits.iter().for_each(|commit| self.listeners.tell(commit, &self.published.rules));
        }
        let mut rules = rules_before;
        for (place, later) in batch.later {
            let settled = catch_unwind(AssertUnwindSafe(|| self.settle(later, &mut rules, world.now)));
            let answer = settled.unwrap_or(Err(CommandError::Panicked));
            if let Some(at) = batch.answers.get_mut(place) {
                *at = answer;
            }
        }
        batch.answers
    }

    fn commit(&mut self, stage: &Stage, intents: &StagedIntents, version: Version) -> bool {
        let (before, after, touched) = (&self.published.root, &stage.root, &stage.touched);
        let batch = Batch { before, after, touched, intents: &intents.changes, version };
        self.journal.commit(batch).is_ok()
    }

    /// Stages a command that changes data, and puts off any other.
    fn stage(&mut self, batch: &mut Batching, command: Command, world: &mut World<'_>) {
        let later = match command {
            Command::Write(write) => {
                let base = match &write.change {
                    Change::Update(_) if !self.listeners.is_empty() => write.location.path.clone(),
                    Change::Update(_) | Change::Set(_) | Change::Push(_) | Change::Remove => Path::ROOT,
                };
                let push_ids = &mut self.push_ids;
                let Batching { stage, rules, .. } = batch;
                let (mark, answer) = attempt(stage, |stage| write::write(stage, rules, push_ids, write, world));
                return self.staged(batch, mark, base, answer);
            }
            Command::Transaction(body) => {
                let (mark, answer) = attempt(&mut batch.stage, |stage| {
                    body(&mut Transaction::new(stage, world.now)).map(Answer::Done).map_err(CommandError::Transaction)
                });
                return self.staged(batch, mark, Path::ROOT, answer);
            }
            Command::OnDisconnect(change) => {
                let Batching { stage, rules, intents, .. } = batch;
                let (mark, answer) = attempt(stage, |stage| {
                    intents.change(&self.intents, stage, rules, change, world.now).map(|()| Answer::Accepted)
                });
                return self.staged(batch, mark, Path::ROOT, answer);
            }
            Command::Disconnect(session) => {
                let Batching { stage, rules, intents, .. } = batch;
                let intended = intents.end(&self.intents, &session);
                let (mark, answer) = attempt(stage, |stage| {
                    if let Some(intended) = intended {
                        intended.carry_out(stage, rules, world.now);
                    }
                    Ok(Answer::Accepted)
                });
                batch.ended.push(session);
                return self.staged(batch, mark, Path::ROOT, answer);
            }
            Command::Get(get) => Later::Get(get),
            Command::Listen(listen) => Later::Listen(listen),
            Command::Unlisten(connection, listener) => Later::Unlisten(connection, listener),
            Command::Leave(connection) => Later::Leave(connection),
            Command::Become(connection, caller) => Later::Become(connection, caller),
            Command::Rules(rules) => {
                batch.rules = rules.clone();
                Later::Rules(rules)
            }
        };
        batch.later.push((batch.answers.len(), later));
        batch.answers.push(Ok(Answer::Accepted));
    }

    /// Counts what a command has changed since `mark`, and keeps it if somebody may hear of it.
    fn staged(&self, batch: &mut Batching, mark: Mark, base: Path, answer: Result<Answer, CommandError>) {
        let Batching { stage, version, commits, answers, .. } = batch;
        if stage.changed_since(&mark) {
            version.seq += 1;
            if self.listeners.concern(stage.touched_since(&mark)) {
                let touched = stage.locations_since(&mark);
                commits.push(Commit { version: *version, before: mark.root, after: stage.root.clone(), base, touched });
            }
        }
        answers.push(answer);
    }

    /// Carries out what was put off, with the state that the batch has made. `rules` are those that hold at this place
    /// in the batch.
    fn settle(&mut self, later: Later, rules: &mut Ruleset, now: u64) -> Result<Answer, CommandError> {
        match later {
            Later::Get(get) => return read(rules, &self.published.root, &get, now).map(Answer::Got),
            Later::Listen(listen) => return self.listen(listen, rules, now),
            Later::Unlisten(connection, listener) => drop(self.listeners.remove(connection, listener)),
            Later::Leave(connection) => self.listeners.leave(connection),
            Later::Become(connection, caller) => {
                self.listeners.become_caller(connection, caller);
                self.listeners.judge(Cause::Caller(connection), rules, &self.published.root, now);
            }
            Later::Rules(new) => {
                *rules = new;
                self.listeners.judge(Cause::Rules, rules, &self.published.root, now);
            }
        }
        Ok(Answer::Accepted)
    }

    fn listen(&mut self, mut listen: Listen, rules: &Ruleset, now: u64) -> Result<Answer, CommandError> {
        let Snapshot { root, version, .. } = &self.published;
        let reading = rules.judge_reading(&listen.caller, &listen.path, &listen.query, root, now);
        if !reading.allowed {
            let denial = rules.deny_read(&listen.caller, &listen.path, &listen.query, root, now);
            return Err(CommandError::Denied(denial));
        }
        let unindexed = unindexed(rules, &listen.path, &listen.query).is_some();
        let data = listen.query.select(root.get(&listen.path), Plan::new(!unindexed));
        // The hash of nothing is the empty text, so that of a large node need not be made to tell them apart.
        let known = listen.known.take().is_some_and(|known| match known.as_str() {
            "" => data.is_null(),
            known => data.hash() == known,
        });
        let answer = Answer::Listening { data: (!known).then_some(data), unindexed, version: *version };
        self.listeners.add(listen, reading.by_data);
        Ok(answer)
    }
}

/// Does a command to the stage whole or not at all, and answers where it began.
fn attempt(
    stage: &mut Stage,
    command: impl FnOnce(&mut Stage) -> Result<Answer, CommandError>,
) -> (Mark, Result<Answer, CommandError>) {
    let mark = stage.mark();
    let answer = catch_unwind(AssertUnwindSafe(|| command(stage))).unwrap_or(Err(CommandError::Panicked));
    if answer.is_err() {
        stage.undo(&mark);
    }
    (mark, answer)
}
