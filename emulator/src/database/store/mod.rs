//! The journal on SQLite: a table of rows that make the tree, and before it one of what has changed since.
//!
//! A commit appends its changes to `journal`, because rows that lie anywhere in `node` would cost a page each. When
//! it has grown, `journal` is folded into `node`, a step with each commit: each row is written once, in the order of the
//! pages. So opening takes as long as the data is large, not its history. What sessions intend for their ends has a
//! table of its own, which changes in the same transactions. Must not know: what a commit is for, or who waits for
//! it.

mod diff;
mod entries;
#[cfg(test)]
mod formats;
mod intents;
#[cfg(test)]
mod power;
mod rows;
#[cfg(test)]
mod tests;

use crate::storage::{Migration, OpenFile, Storage, StorageError};
use diff::{cover, diff};
use entries::{Entry, Unreadable};
use hearth_database::{Batch, IntentChange, Journal, JournalError, Loaded, Node, Path, Version};
use rows::{Rows, load};
use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, ValueRef};

const SCHEMA: &[Migration] = &[
    Migration(
        "CREATE TABLE node (path TEXT NOT NULL PRIMARY KEY, value ANY, priority ANY) STRICT, WITHOUT ROWID;
     CREATE TABLE version (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, seq INTEGER NOT NULL) STRICT;
     INSERT INTO version VALUES (1, 0, 0);",
    ),
    // `seq` is the last change of the batch.
    Migration("CREATE TABLE journal (seq INTEGER PRIMARY KEY, changes TEXT NOT NULL) STRICT"),
    Migration(intents::TABLE),
];

/// With so many bytes of text in `journal` a fold begins, and as many may come while it goes on; a batch with more is
/// folded at once. More would make folds rarer and cheaper by the row, but the next start longer.
const MOST_JOURNAL_BYTES: usize = 1024 * 1024;
/// So many paths are folded with a commit at least.
const FOLD_STEP: usize = 64;

const APPEND: &str = "INSERT INTO journal VALUES (?1, ?2)";
const ENTRIES: &str = "SELECT seq, changes FROM journal ORDER BY seq";
const CLEAR: &str = "DELETE FROM journal";
const CLEAR_UP_TO: &str = "DELETE FROM journal WHERE seq <= ?1";
/// The last change is the journal's, or that of the last fold.
const OPENED: &str = "UPDATE version SET epoch = epoch + 1, seq = coalesce((SELECT max(seq) FROM journal), seq)
    RETURNING epoch, seq";
const COUNTED: &str = "UPDATE version SET seq = ?1";

/// Why the journal was not folded.
#[derive(Debug, thiserror::Error)]
enum ReplayError {
    #[error("entry {seq} of the journal cannot be read: {source}")]
    Entry { seq: i64, source: Unreadable },
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// The file of one database.
#[derive(Debug)]
pub(super) struct Store {
    file: OpenFile,
    name: String,
    /// The tree that the rows make.
    folded: Node,
    /// The tree that the rows make with the journal.
    root: Node,
    seq: u64,
    /// Where the two may differ.
    touched: Vec<Path>,
    /// How large the journal is.
    journal_bytes: usize,
    /// How large it may become before it is folded.
    fold_above: usize,
    most_journal_bytes: usize,
    /// The fold that is under way.
    folding: Option<Fold>,
    fold_step: usize,
}

/// A part of the journal on its way into the rows, a step with each commit, so that no commit has to wait for all of it.
///
/// Until the last step the journal keeps that part: its changes say of each row what it holds, not what becomes of it,
/// so replaying them over rows of which some are further leads to the same tree.
#[derive(Debug)]
struct Fold {
    /// Where the rows are brought from `folded` to `root`, in order.
    paths: Vec<Path>,
    /// For so many of them they have been.
    done: usize,
    root: Node,
    /// The part's last change.
    seq: u64,
    /// How large the part is.
    bytes: usize,
    /// After a failure, no more steps until the journal is so large.
    resume_at: usize,
}

impl Store {
    /// Opens the file of the database called `name`.
    pub(super) fn open(storage: &Storage, name: &str) -> Result<Self, StorageError> {
        Ok(Self {
            file: storage.open(&format!("database/{name}"), SCHEMA)?,
            name: name.to_owned(),
            folded: Node::NULL,
            root: Node::NULL,
            seq: 0,
            touched: Vec::new(),
            journal_bytes: 0,
            fold_above: MOST_JOURNAL_BYTES,
            most_journal_bytes: MOST_JOURNAL_BYTES,
            folding: None,
            fold_step: FOLD_STEP,
        })
    }

    fn store(&mut self, batch: Batch<'_>) -> Result<(), JournalError> {
        if batch.touched.is_empty() {
            return self.store_intents(batch.intents).map_err(failed);
        }
        let paths = cover(batch.touched);
        let mut entry = Entry::new();
        diff(&mut entry, &paths, batch.before, batch.after).map_err(failed)?;
        let entry = entry.finish();
        if self.unfolded_bytes() + entry.len() > self.fold_above {
            // Either may find room on a full disk where the other finds none: folding frees the journal's.
            if self.folding.is_some() || entry.len() > self.most_journal_bytes {
                if let Err(error) = self.fold(batch.touched, batch.intents, batch.after, batch.version.seq) {
                    self.append(&paths, &entry, &batch).map_err(failed)?;
                    tracing::warn!(database = self.name, %error, "cannot fold the journal, which grows");
                    self.fold_above = self.unfolded_bytes() + self.most_journal_bytes;
                }
                return Ok(());
            }
            self.begin_fold();
        }
        if self.folding.as_ref().is_some_and(|fold| self.journal_bytes >= fold.resume_at) {
            match self.append_and_step(&paths, &entry, &batch) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    tracing::warn!(database = self.name, %error, "cannot go on folding the journal");
                    if let Some(fold) = &mut self.folding {
                        fold.resume_at = self.journal_bytes + self.most_journal_bytes;
                    }
                }
            }
        }
        self.append(&paths, &entry, &batch)
            .or_else(|error| self.fold(batch.touched, batch.intents, batch.after, batch.version.seq).map_err(|_| error))
            .map_err(failed)
    }

    fn store_intents(&mut self, changes: &[IntentChange]) -> rusqlite::Result<()> {
        // Dropped before the commit, it rolls back.
        let transaction = self.file.writer.transaction()?;
        intents::change(&transaction, changes)?;
        transaction.commit()
    }

    fn append(&mut self, paths: &[&Path], entry: &[u8], batch: &Batch<'_>) -> rusqlite::Result<()> {
        if batch.intents.is_empty() {
            append(&self.file.writer, batch, entry)?;
        } else {
            // Dropped before the commit, it rolls back.
            let transaction = self.file.writer.transaction()?;
            append(&transaction, batch, entry)?;
            transaction.commit()?;
        }
        self.appended(paths, entry, batch);
        Ok(())
    }

    fn appended(&mut self, paths: &[&Path], entry: &[u8], batch: &Batch<'_>) {
        self.touched.extend(paths.iter().copied().cloned());
        (self.root, self.seq) = (batch.after.clone(), batch.version.seq);
        self.journal_bytes += entry.len();
    }

    /// How large the part of the journal is that no fold has taken on.
    fn unfolded_bytes(&self) -> usize {
        self.journal_bytes - self.folding.as_ref().map_or(0, |fold| fold.bytes)
    }

    /// Takes on what is in the journal now.
    fn begin_fold(&mut self) {
        let paths = cover(&self.touched).into_iter().cloned().collect();
        self.touched.clear();
        let (root, seq, bytes) = (self.root.clone(), self.seq, self.journal_bytes);
        self.folding = Some(Fold { paths, done: 0, root, seq, bytes, resume_at: 0 });
    }

    /// Appends, and brings some more rows to the tree that the fold has taken on, all in one commit.
    fn append_and_step(&mut self, paths: &[&Path], entry: &[u8], batch: &Batch<'_>) -> rusqlite::Result<()> {
        let Some(fold) = &mut self.folding else { return self.append(paths, entry, batch) };
        // Faster than new paths come, so that it ends.
        let done = fold.done + self.fold_step.max(4 * paths.len());
        let step: Vec<&Path> = fold.paths.iter().skip(fold.done).take(done - fold.done).collect();
        // Dropped before the commit, it rolls back.
        let transaction = self.file.writer.transaction()?;
        append(&transaction, batch, entry)?;
        diff(&mut Rows::new(&transaction)?, &step, &self.folded, &fold.root)?;
        let ended = done >= fold.paths.len();
        if ended {
            transaction.prepare_cached(CLEAR_UP_TO)?.execute([fold.seq.cast_signed()])?;
            transaction.prepare_cached(COUNTED)?.execute([fold.seq.cast_signed()])?;
        }
        transaction.commit()?;
        fold.done = done;
        if ended && let Some(Fold { root, bytes, .. }) = self.folding.take() {
            self.folded = root;
            self.journal_bytes -= bytes;
            self.fold_above = self.most_journal_bytes;
        }
        self.appended(paths, entry, batch);
        Ok(())
    }

    /// Brings the rows to `after`, which differs from the tree at hand where `touched` says, and empties the journal.
    fn fold(&mut self, touched: &[Path], intents: &[IntentChange], after: &Node, seq: u64) -> rusqlite::Result<()> {
        // Dropped before the commit, it rolls back.
        let transaction = self.file.writer.transaction()?;
        // First, so that the rows find its pages free.
        transaction.prepare_cached(CLEAR)?.execute([])?;
        let mut rows = Rows::new(&transaction)?;
        let mut before = &self.folded;
        if let Some(fold) = &self.folding {
            // Straight to `after`: what only the fold would have written needs no room.
            let rest: Vec<&Path> = fold.paths.iter().skip(fold.done).collect();
            diff(&mut rows, &rest, before, after)?;
            before = &fold.root;
        }
        let paths = cover(self.touched.iter().chain(touched));
        diff(&mut rows, &paths, before, after)?;
        drop(rows);
        intents::change(&transaction, intents)?;
        transaction.prepare_cached(COUNTED)?.execute([seq.cast_signed()])?;
        transaction.commit()?;
        (self.folded, self.root, self.seq) = (after.clone(), after.clone(), seq);
        self.touched.clear();
        self.folding = None;
        (self.journal_bytes, self.fold_above) = (0, self.most_journal_bytes);
        Ok(())
    }
}

/// Adds an entry to the journal, and makes the batch's changes of intents.
fn append(connection: &Connection, batch: &Batch<'_>, entry: &[u8]) -> rusqlite::Result<()> {
    let entry = ToSqlOutput::Borrowed(ValueRef::Text(entry));
    connection.prepare_cached(APPEND)?.execute((batch.version.seq.cast_signed(), entry))?;
    intents::change(connection, batch.intents)
}

impl Drop for Store {
    /// Folds, so that the next opening need not.
    fn drop(&mut self) {
        if self.touched.is_empty() && self.folding.is_none() {
            return;
        }
        let root = self.root.clone();
        if let Err(error) = self.fold(&[], &[], &root, self.seq) {
            tracing::warn!(database = self.name, %error, "cannot fold the journal; the next start will");
        }
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> JournalError {
    JournalError(Box::new(error))
}

impl Journal for Store {
    fn load(&mut self) -> Result<Loaded, JournalError> {
        let transaction = self.file.writer.transaction().map_err(failed)?;
        replay(&transaction).map_err(failed)?;
        let root = load(&transaction)?;
        let intents = intents::load(&transaction).map_err(failed)?;
        let (epoch, seq) = transaction
            .query_row(OPENED, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
            .map_err(failed)?;
        transaction.execute(CLEAR, []).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        let version = Version { epoch: epoch.cast_unsigned(), seq: seq.cast_unsigned() };
        (self.folded, self.root, self.seq) = (root.clone(), root.clone(), version.seq);
        Ok(Loaded { root, version, intents })
    }

    fn commit(&mut self, batch: Batch<'_>) -> Result<(), JournalError> {
        self.store(batch).inspect_err(|error| {
            tracing::error!(database = self.name, %error, "cannot store a batch of changes");
        })
    }
}

/// Makes the changes of the journal to the rows.
fn replay(connection: &Connection) -> Result<(), ReplayError> {
    let mut rows = Rows::new(connection)?;
    let mut statement = connection.prepare(ENTRIES)?;
    let mut entries = statement.query([])?;
    while let Some(entry) = entries.next()? {
        let seq = entry.get(0)?;
        entries::replay(entry.get_ref(1)?.as_bytes().map_err(rusqlite::Error::from)?, &mut rows, |source| {
            ReplayError::Entry { seq, source }
        })?;
    }
    Ok(())
}
