//! One database, as all others see it: what asks it to change something, and the state that everyone reads.
//!
//! Reads take the published state and never wait for the writer. Must not know: HTTP, SQLite, other databases.

use super::inbox::{Brought, Refused};
use super::inspection::Inspection;
use super::writer::{Reply, Writer};
use crate::clock::{Clock, Entropy};
use hearth_database::{
    Answer, Caller, Command, CommandError, Engine, Journal, Location, Node, Path, Snapshot, Transaction,
    TransactionError, Write,
};
use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

/// So many children take the writer some milliseconds to put in order.
const MANY_CHILDREN: usize = 4096;

/// A change that is no larger may be made where it is asked for.
const MOST_PROMPT_BYTES: u64 = 64 * 1024;

/// Why a database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The engine did not.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// Too much waits already; nothing was attempted.
    #[error("too many writes are waiting")]
    Busy,
    /// It is closed, or its writer has failed.
    #[error("the database is closed")]
    Closed,
}

impl From<Refused> for ServiceError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Self::Busy,
            Refused::Closed => Self::Closed,
        }
    }
}

/// A database, open.
#[derive(Debug)]
pub struct DatabaseService {
    name: String,
    writer: Arc<Writer>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// What rules come to and deny is seen here, if it is seen at all.
    inspection: Option<Arc<Inspection>>,
}

impl DatabaseService {
    /// Starts the writer of `engine`, once what sessions of earlier openings intended for their ends has happened.
    pub(super) fn start<J: Journal + Send + 'static>(
        name: &str,
        mut engine: Engine<J>,
        clock: Clock,
        entropy: Entropy,
    ) -> std::io::Result<Self> {
        engine.execute([], clock.now(), &mut |bytes| entropy.fill(bytes), |_| ());
        let writer = Arc::new(Writer::new(engine, clock, entropy));
        let thread = std::thread::Builder::new().name(format!("database {name}")).spawn({
            let writer = Arc::clone(&writer);
            move || writer.run()
        })?;
        Ok(Self { name: name.to_owned(), writer, thread: Mutex::new(Some(thread)), inspection: None })
    }

    /// The same with a view of what its rules come to and deny. The rules it has by now are watched already.
    pub(super) fn inspected(mut self, inspection: Option<Arc<Inspection>>) -> Self {
        self.inspection = inspection;
        self
    }

    /// The view of what its rules come to and deny, if there is one.
    pub(super) fn inspection(&self) -> Option<&Arc<Inspection>> {
        self.inspection.as_ref()
    }

    /// A command as it is carried out here: rules that are set are watched like those before.
    fn watched(&self, command: Command) -> Command {
        match (&self.inspection, command) {
            (Some(inspection), Command::Rules(rules)) => Command::Rules(inspection.watch(&rules)),
            (_, command) => command,
        }
    }

    /// Its namespace.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The state that the last acknowledged change made, or a later one.
    pub fn snapshot(&self) -> Snapshot {
        self.writer.snapshot()
    }

    /// What should be done on another thread before `command` is left for the writer: to put many children in order, for
    /// which all others would have to wait. Nothing is done for callers whom the rules deny it, and nothing where denials
    /// are explained, as the rules would be judged, and told of, twice.
    pub(super) fn preparation(&self, command: &Command) -> Option<impl FnOnce() + Send + 'static> {
        let (caller, path, query) = command.query()?;
        if self.inspection.is_some() {
            return None;
        }
        let snapshot = self.snapshot();
        let many = snapshot.unprepared(path, query) >= MANY_CHILDREN
            && snapshot.may_read(caller, path, query, self.writer.now());
        let (path, query) = many.then(|| (path.clone(), query.clone()))?;
        Some(move || snapshot.prepare(&path, &query))
    }

    /// What `location` holds, if `caller` may know at `now`, in milliseconds since the epoch.
    ///
    /// # Errors
    /// The rules forbid it.
    pub fn read(&self, caller: &Caller, location: &Location, now: u64) -> Result<Node, CommandError> {
        self.snapshot().read(caller, location, now)
    }

    /// Whether there is anything at all that `caller`, who wants to write at `path`, may change.
    ///
    /// # Errors
    /// There is nothing.
    pub(super) fn check_write_anything(&self, caller: &Caller, path: &Path, now: u64) -> Result<(), CommandError> {
        let Snapshot { root, rules, .. } = self.snapshot();
        rules.check_write_anything(caller, path, &root, now).map_err(CommandError::Denied)
    }

    /// Makes a change, and answers once it is durable and can be read.
    ///
    /// # Errors
    /// See [`ServiceError`]; nothing was written, unless the process ends before it can answer.
    pub async fn write(&self, write: Write) -> Result<Answer, ServiceError> {
        let (reply, answer) = oneshot::channel();
        self.submit_promptly(Command::Write(write), move |found| drop(reply.send(found)))?;
        Ok(answer.await.map_err(|_| ServiceError::Closed)??)
    }

    /// Runs `body` alone on the writer, with an admin's rights, and hands out what it returns once what it set is
    /// durable. An error of `body`, or a panic, undoes what it set. It must be quick: all other writes wait for it.
    ///
    /// # Errors
    /// See [`ServiceError`]; nothing was written.
    pub async fn transact<T: Send + 'static>(
        &self,
        body: impl FnOnce(&mut Transaction<'_>) -> Result<T, TransactionError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let boxed =
            |transaction: &mut Transaction<'_>| body(transaction).map(|value| Box::new(value) as Box<dyn Any + Send>);
        match self.ask(Command::Transaction(Box::new(boxed))).await? {
            Answer::Done(value) => value.downcast().map(|value| *value).map_err(|_| ServiceError::Closed),
            Answer::Written(_)
            | Answer::Updated(_)
            | Answer::Pushed { .. }
            | Answer::Got(_)
            | Answer::Listening { .. }
            | Answer::Accepted => Err(ServiceError::Closed),
        }
    }

    /// Has a command carried out, and waits for its answer.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn ask(&self, command: Command) -> Result<Answer, ServiceError> {
        let (reply, answer) = oneshot::channel();
        // Whoever asked may have gone.
        self.submit(command, move |found| drop(reply.send(found)))?;
        Ok(answer.await.map_err(|_| ServiceError::Closed)??)
    }

    /// Leaves a command for the writer, which calls `reply` with its answer. Commands are carried out, and answered,
    /// in the order in which they are left. `reply` must not wait for anything; it is dropped uncalled when the
    /// database closes before it has come to the command.
    ///
    /// # Errors
    /// [`ServiceError::Busy`] or [`ServiceError::Closed`]; the command was not left.
    pub fn submit(
        &self,
        command: Command,
        reply: impl FnOnce(Result<Answer, CommandError>) + Send + 'static,
    ) -> Result<(), ServiceError> {
        let (bytes, command) = (command.weight(), self.watched(command));
        Ok(self.writer.inbox().push((command, Box::new(reply) as Reply), bytes)?)
    }

    /// As [`Self::submit`]. But a small write that comes while the database has nothing to do is carried out, and
    /// answered, before this returns: that saves it the way to the writer's thread and back. The caller must hold no
    /// lock that `reply` or a listener takes.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub(super) fn submit_promptly(
        &self,
        command: Command,
        reply: impl FnOnce(Result<Answer, CommandError>) + Send + 'static,
    ) -> Result<(), ServiceError> {
        let small = matches!(command, Command::Write(_)) && command.weight() <= MOST_PROMPT_BYTES;
        // Elsewhere than on a runtime of several threads nobody could go on while this one waits for the disk.
        let several = Handle::try_current().is_ok_and(|here| here.runtime_flavor() == RuntimeFlavor::MultiThread);
        if !small || !several {
            return self.submit(command, reply);
        }
        let bytes = command.weight();
        match self.writer.inbox().bring((command, Box::new(reply) as Reply), bytes)? {
            Brought::Waits => {}
            Brought::Turn(job, turn) => tokio::task::block_in_place(|| self.writer.carry_out_one(job, turn)),
        }
        Ok(())
    }

    /// As [`Self::submit`], however much waits already: for what ends something that had its own bound.
    ///
    /// # Errors
    /// [`ServiceError::Closed`].
    pub(super) fn submit_anyway(
        &self,
        command: Command,
        reply: impl FnOnce(Result<Answer, CommandError>) + Send + 'static,
    ) -> Result<(), ServiceError> {
        let (bytes, command) = (command.weight(), self.watched(command));
        Ok(self.writer.inbox().push_anyway((command, Box::new(reply) as Reply), bytes)?)
    }

    /// Takes no more changes. Those that wait are still made.
    pub(super) fn close(&self) {
        self.writer.inbox().close();
    }

    /// Waits until the writer has ended and its file is closed. Blocks.
    pub(super) fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(database = self.name, "the writer panicked");
        }
    }
}

impl Drop for DatabaseService {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_database::json::{self, Form};
    use hearth_database::{Batch, Change, JournalError, Leaf, Loaded, Ruleset};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::mpsc;

    /// Counts commits, fails when told to, and can be held.
    #[derive(Default)]
    struct Double {
        commits: Arc<AtomicUsize>,
        fails: Arc<AtomicBool>,
        gate: Option<mpsc::Receiver<()>>,
    }

    impl Journal for Double {
        fn load(&mut self) -> Result<Loaded, JournalError> {
            Ok(Loaded::default())
        }

        fn commit(&mut self, _: Batch<'_>) -> Result<(), JournalError> {
            if let Some(gate) = &self.gate {
                let _ = gate.recv();
            }
            if self.fails.load(Ordering::SeqCst) {
                return Err(JournalError("disk full".into()));
            }
            self.commits.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }

    fn start(journal: Double) -> Arc<DatabaseService> {
        let engine = Engine::open(journal, Ruleset::Open).unwrap();
        Arc::new(DatabaseService::start("test", engine, Clock::manual(5), Entropy::seeded(1)).unwrap())
    }

    async fn add(service: &DatabaseService) -> Result<i64, ServiceError> {
        service
            .transact(|transaction| {
                let next = transaction.get("n").as_leaf().and_then(Leaf::as_f64).unwrap_or_default() as i64 + 1;
                transaction.set("n", Node::from(Leaf::Int(next)))?;
                Ok(next)
            })
            .await
    }

    fn set(path: &str, text: &str) -> Write {
        let location = Location::parse(path).unwrap();
        let change = Change::Set(json::parse(text.as_bytes(), 0).unwrap());
        Write { caller: Caller::ANYONE, location, if_match: None, change }
    }

    fn text(service: &DatabaseService) -> String {
        json::to_text(&service.snapshot().root, Form::Export)
    }

    #[tokio::test]
    async fn what_is_acknowledged_can_be_read() {
        let service = start(Double::default());
        service.write(set("a", r#"{".sv":"timestamp"}"#)).await.unwrap();
        assert_eq!(text(&service), r#"{"a":5}"#);
        assert_eq!(add(&service).await.unwrap(), 1);
        assert_eq!(service.read(&Caller::ANYONE, &Location::parse("n").unwrap(), 0), Ok(Leaf::Int(1).into()));
    }

    #[tokio::test]
    async fn writes_that_wait_are_committed_together() {
        let (open, gate) = mpsc::channel();
        let journal = Double { gate: Some(gate), ..Double::default() };
        let commits = Arc::clone(&journal.commits);
        let service = start(journal);
        let writers: Vec<_> = (0..500)
            .map(|_| {
                let service = Arc::clone(&service);
                tokio::spawn(async move { add(&service).await })
            })
            .collect();
        // On this runtime of one thread all have asked by the time the last one has.
        tokio::task::yield_now().await;
        (0..500).for_each(|_| open.send(()).unwrap());
        let mut seen = Vec::new();
        for writer in writers {
            seen.push(writer.await.unwrap().unwrap());
        }
        assert_eq!(seen, (1..=500).collect::<Vec<_>>());
        assert!(commits.load(Ordering::SeqCst) < 250, "{commits:?}");
    }

    #[tokio::test]
    async fn a_failing_journal_is_an_error_and_reads_go_on() {
        let journal = Double::default();
        let fails = Arc::clone(&journal.fails);
        let service = start(journal);
        add(&service).await.unwrap();
        fails.store(true, Ordering::SeqCst);
        assert!(matches!(add(&service).await, Err(ServiceError::Command(CommandError::NotStored))));
        assert_eq!(text(&service), r#"{"n":1}"#);
        fails.store(false, Ordering::SeqCst);
        assert_eq!(add(&service).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_panic_harms_nothing() {
        let service = start(Double::default());
        let panicked = service
            .transact(|transaction| {
                transaction.set("n", Node::from(Leaf::Int(9)))?;
                if transaction.now() == 5 { panic!("as the test wants it") } else { Ok(()) }
            })
            .await;
        assert!(matches!(panicked, Err(ServiceError::Command(CommandError::Panicked))));
        assert_eq!(add(&service).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_full_inbox_refuses_and_a_closed_one_too() {
        let (open, gate) = mpsc::channel();
        let service = start(Double { gate: Some(gate), ..Double::default() });
        let mut waiting = Vec::new();
        // Each of these is over half of what may wait.
        let large: Vec<_> = (0..14).map(|i| format!("\"{i}\":\"{}\"", "x".repeat(10 * 1024 * 1024))).collect();
        let large = json::parse(format!("{{{}}}", large.join(",")).as_bytes(), 0).unwrap();
        let write = Write { change: Change::Set(large), ..set("a", "1") };
        let busy = loop {
            let mut writing = Box::pin({
                let (service, write) = (Arc::clone(&service), write.clone());
                async move { service.write(write).await }
            });
            match futures_util::poll!(&mut writing) {
                std::task::Poll::Pending => waiting.push(writing),
                std::task::Poll::Ready(answer) => break answer,
            }
        };
        assert!(matches!(busy, Err(ServiceError::Busy)), "{busy:?}");
        assert!(waiting.len() <= 3);
        service.close();
        assert!(matches!(add(&service).await, Err(ServiceError::Closed)));
        drop(open);
        for writing in waiting {
            assert!(writing.await.is_ok());
        }
        service.join();
    }
}
