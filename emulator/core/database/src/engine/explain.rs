//! What would be allowed, and why: reads and writes that are judged but do not happen.
//!
//! Must not know: who wants to know.

use super::command::{Change, Get, WriteError};
use super::snapshot::Snapshot;
use super::stage::Stage;
use crate::rules::{Caller, Explanation};
use crate::tree::{Location, PushIds, Unresolved};

impl Snapshot {
    /// Whether a read would be allowed at `now`, in milliseconds since the epoch, and why.
    pub fn explain_get(&self, get: &Get, now: u64) -> Explanation {
        self.rules.explain_read(&get.caller, &get.path, &get.query, &self.root, now)
    }

    /// Whether a change at `location` would be allowed at `now`, in milliseconds since the epoch, and why: of each place
    /// that it writes, of an update several, which all have to be allowed. What is pushed gets some push id.
    ///
    /// # Errors
    /// The change cannot be made, whoever asks.
    pub fn explain_change(
        &self,
        caller: &Caller,
        location: &Location,
        change: Change,
        now: u64,
    ) -> Result<Vec<Explanation>, WriteError> {
        let mut stage = Stage::new(self.root.clone());
        let mark = stage.mark();
        match change {
            Change::Update(_) | Change::Push(_) if location.priority => return Err(WriteError::NotOnPriority),
            Change::Set(data) => drop(stage.set(location.clone(), data, now)?),
            Change::Remove => drop(stage.set(location.clone(), Unresolved::default(), now)?),
            Change::Update(parts) => drop(stage.update(&location.path, parts, now)?),
            Change::Push(data) => {
                let key = PushIds::default().next(now, &mut |bytes| bytes.fill(0));
                drop(stage.set(location.path.child(key).into(), data, now)?);
            }
        }
        let explain = |path| self.rules.explain_write(caller, path, &mark.root, &stage.root, now);
        Ok(stage.touched_since(&mark).iter().map(explain).collect())
    }
}
