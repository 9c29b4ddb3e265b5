//! `purgeStaleSessions`: removes what sessions and their callers leave behind.

use super::{rate_limit, record};
use crate::ports::{DatabaseError, Platform, Transaction};
use serde_json::Value;

/// So many children are looked at in one transaction, between which others get their turn.
const BATCH: usize = 500;

/// Removes session codes older than 65 minutes with their refresh tokens, refresh tokens without a code, and rate limit
/// rows whose window has passed. Each batch looks again at what it removes, so two runs at once do no harm.
pub(super) async fn purge_stale_sessions(platform: Platform) -> Result<(), String> {
    let sessions = sweep(&platform, record::CODES, |transaction, code, value| {
        let stale = record::is_stale(value, transaction.now());
        if stale {
            record::remove(transaction, code)?;
        }
        Ok(stale)
    })
    .await?;
    let orphans = sweep(&platform, record::REFRESH_TOKENS, |transaction, code, _| {
        let orphan = transaction.get(&format!("{}/{code}", record::CODES)).is_null();
        if orphan {
            record::remove(transaction, code)?;
        }
        Ok(orphan)
    })
    .await?;
    let limits = sweep(&platform, rate_limit::PATH, |transaction, uid, row| {
        let passed = rate_limit::left(row, transaction.now()).is_none();
        if passed {
            transaction.set(&format!("{}/{uid}", rate_limit::PATH), Value::Null)?;
        }
        Ok(passed)
    })
    .await?;
    tracing::info!(sessions, orphans, limits, "purged stale sessions");
    Ok(())
}

/// Removes the child of `path` with this key and value if its time has come, and says so.
type Remove = fn(&mut dyn Transaction, &str, &Value) -> Result<bool, DatabaseError>;

/// Walks all children of `path` in batches; answers how many were removed.
async fn sweep(platform: &Platform, path: &'static str, remove: Remove) -> Result<usize, String> {
    let mut removed = 0;
    let mut after: Option<String> = None;
    loop {
        let from = after.take();
        let batch = platform.database.transact(move |transaction| {
            let children = transaction.children(path, from.as_deref(), BATCH);
            let mut removed = 0;
            for (key, value) in &children {
                removed += usize::from(remove(transaction, key, value)?);
            }
            let more = children.len() == BATCH;
            Ok((removed, children.into_iter().next_back().map(|(key, _)| key).filter(|_| more)))
        });
        match batch.await {
            Ok((some, last)) => {
                removed += some;
                after = last;
            }
            Err(error) => return Err(format!("{path}: {error}, after {removed} had been removed")),
        }
        if after.is_none() {
            return Ok(removed);
        }
    }
}
