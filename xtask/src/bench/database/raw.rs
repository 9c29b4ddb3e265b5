//! What SQLite does at most: the same rows, committed by a program that does nothing else.

use super::VALUE;
use crate::bench::cores::Kept;
use crate::process::{Failure, root};
use rusqlite::{Connection, params};
use std::time::{Duration, Instant};

/// As the server has it: the log is moved into the file when it has so many pages.
const CHECKPOINT_PAGES: u32 = 8192;
/// More than the log has then.
pub(super) const LOG_MEGABYTES: usize = 36;
const PLACES: usize = 1000;

/// Rows a second in commits of so many, each synced before the next; on a processor of its own.
pub(super) fn rows_per_second(rows_a_commit: usize, duration: Duration, core: usize) -> Result<f64, Failure> {
    std::thread::spawn(move || {
        let _kept = Kept::on(core).map_err(|error| error.to_string())?;
        measure(rows_a_commit, duration).map_err(|error| error.to_string())
    })
    .join()
    .map_err(|_| "the raw commits panicked")?
    .map_err(Failure::from)
}

fn measure(rows_a_commit: usize, duration: Duration) -> Result<f64, Failure> {
    let folder = tempfile::TempDir::new_in(root().join("target"))?;
    let connection = Connection::open(folder.path().join("raw.sqlite"))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.execute_batch("CREATE TABLE rows (path TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")?;
    for number in 0..LOG_MEGABYTES {
        // As the server is settled: the log grows no more while it is measured.
        let value = number.to_string().repeat(1024 * 1024 / number.to_string().len());
        connection.execute("INSERT OR REPLACE INTO rows VALUES ('settle', ?1)", [value])?;
    }
    let mut write = connection.prepare("INSERT OR REPLACE INTO rows VALUES (?1, ?2)")?;
    let (started, mut rows) = (Instant::now(), 0);
    while started.elapsed() < duration {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for _ in 0..rows_a_commit {
            rows += 1;
            // As many connections as rows, each with its places.
            let (number, place) = (rows % rows_a_commit, rows / rows_a_commit % PLACES);
            // Each value is new: SQLite writes no page for a row that stays as it is, and syncs nothing.
            write.execute(params![format!("bench/{number}/{place}"), format!("{rows:0VALUE$}")])?;
        }
        connection.execute_batch("COMMIT")?;
    }
    Ok(rows as f64 / started.elapsed().as_secs_f64())
}
