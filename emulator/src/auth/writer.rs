//! The one thread that writes accounts. Jobs that wait are committed together; each keeps or undoes its own changes.
//! Must not know: what a job does.

use super::store::{Change, SqliteStore};
use hearth_auth::store::Store;
use rusqlite::Connection;
use tokio::sync::mpsc::Receiver;

/// So many jobs share one commit at most, so that the first of them doesn't wait for long.
const LARGEST_BATCH: usize = 256;
/// Statements kept ready; there are fewer.
const STATEMENTS: usize = 64;

/// Something to be written.
pub(super) trait Job: Send {
    /// Does it. What it wrote is kept if the answer is true.
    fn run(&mut self, store: &mut dyn Store) -> bool;
    /// Tells who waits: it is durable, or (`Err`) nothing of it is kept.
    fn reply(self: Box<Self>, outcome: Result<(), String>);
}

/// What the writer is told.
pub(super) enum Message {
    /// Do this.
    Run(Box<dyn Job>),
    /// End, once everything before this is done.
    Stop,
}

/// What a writer did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) jobs: u64,
    pub(super) commits: u64,
}

/// Works until it is told to stop or nobody can send any more. After each commit, and before
/// anybody hears of it, it tells `committed` of what may end tokens.
pub(super) fn run(connection: &Connection, inbox: &mut Receiver<Message>, committed: impl Fn(&[Change])) -> Work {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let mut work = Work::default();
    let mut stop = false;
    while !stop && let Some(message) = inbox.blocking_recv() {
        let mut jobs = Vec::new();
        let mut next = Some(message);
        while let Some(message) = next.take() {
            match message {
                Message::Run(job) => jobs.push(job),
                Message::Stop => {
                    stop = true;
                    break;
                }
            }
            if jobs.len() < LARGEST_BATCH {
                next = inbox.try_recv().ok();
            }
        }
        if !jobs.is_empty() {
            work.jobs += jobs.len() as u64;
            work.commits += 1;
            let outcome = commit(connection, &mut jobs).map_err(|error| error.to_string());
            match &outcome {
                Ok(changes) => committed(changes),
                Err(error) => tracing::error!(%error, jobs = jobs.len(), "accounts cannot be written"),
            }
            let outcome = outcome.map(drop);
            jobs.into_iter().for_each(|job| job.reply(outcome.clone()));
        }
    }
    work
}

fn commit(connection: &Connection, jobs: &mut [Box<dyn Job>]) -> rusqlite::Result<Vec<Change>> {
    execute(connection, "BEGIN IMMEDIATE")?;
    let done = run_all(connection, jobs).and_then(|changes| execute(connection, "COMMIT").map(|()| changes));
    if done.is_err() && !connection.is_autocommit() {
        execute(connection, "ROLLBACK")?;
    }
    done
}

fn run_all(connection: &Connection, jobs: &mut [Box<dyn Job>]) -> rusqlite::Result<Vec<Change>> {
    let mut changes = Vec::new();
    for job in jobs {
        execute(connection, "SAVEPOINT job")?;
        let mut store = SqliteStore::on(connection);
        if job.run(&mut store) {
            changes.append(&mut store.into_changes());
        } else {
            execute(connection, "ROLLBACK TO job")?;
        }
        execute(connection, "RELEASE job")?;
    }
    Ok(changes)
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::migrations::MIGRATIONS;
    use crate::storage::Storage;
    use hearth_auth::account::Account;
    use hearth_auth::store::{Accounts, Scope};
    use std::sync::{Arc, Mutex};
    use tokio::sync::mpsc;

    type Log = Arc<Mutex<Vec<(usize, bool)>>>;

    /// Writes an account, then fails if its number is odd.
    struct Put(usize, Log);

    impl Job for Put {
        fn run(&mut self, store: &mut dyn Store) -> bool {
            let account = Account { local_id: self.0.to_string(), ..Account::default() };
            store.put(&Scope::project("demo"), &account).unwrap();
            self.0.is_multiple_of(2)
        }

        fn reply(self: Box<Self>, outcome: Result<(), String>) {
            self.1.lock().unwrap().push((self.0, outcome.is_ok()));
        }
    }

    fn work(before: usize, after: usize) -> (Work, Vec<(usize, bool)>, u64) {
        let file = Storage::memory().open("auth", MIGRATIONS).unwrap();
        let (sender, mut inbox) = mpsc::channel(4096);
        let log = Log::default();
        for number in 0..before {
            assert!(sender.try_send(Message::Run(Box::new(Put(number, Arc::clone(&log))))).is_ok());
        }
        assert!(sender.try_send(Message::Stop).is_ok());
        for number in 0..after {
            assert!(sender.try_send(Message::Run(Box::new(Put(number, Arc::clone(&log))))).is_ok());
        }
        let work = run(&file.writer, &mut inbox, |_| {});
        let log = std::mem::take(&mut *log.lock().unwrap());
        (work, log, SqliteStore::on(&file.writer).count(&Scope::project("demo")).unwrap())
    }

    #[test]
    fn what_waits_shares_a_commit_and_a_failure_leaves_no_trace() {
        let (done, replies, kept) = work(50, 3);
        assert_eq!(done, Work { jobs: 50, commits: 1 });
        assert_eq!(replies, (0..50).map(|number| (number, true)).collect::<Vec<_>>());
        assert_eq!(kept, 25);
    }

    #[test]
    fn a_batch_is_bounded() {
        assert_eq!(work(LARGEST_BATCH * 2, 0).0, Work { jobs: 512, commits: 2 });
        assert_eq!(work(0, 0).0, Work::default());
    }

    #[test]
    fn nothing_is_said_to_be_kept_when_the_commit_fails() {
        let file = Storage::memory().open("auth", MIGRATIONS).unwrap();
        file.writer.execute_batch("BEGIN").unwrap();
        let (sender, mut inbox) = mpsc::channel(2);
        let log = Log::default();
        assert!(sender.try_send(Message::Run(Box::new(Put(0, Arc::clone(&log))))).is_ok());
        drop(sender);
        run(&file.writer, &mut inbox, |_| {});
        assert_eq!(*log.lock().unwrap(), [(0, false)]);
    }
}
