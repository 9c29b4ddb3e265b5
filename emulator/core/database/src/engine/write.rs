//! Writes: what they need, what they do to the stage, who may.
//!
//! Must not know: batches, listeners, the journal.

use super::World;
use super::command::{Answer, Change, CommandError, Tag, Write, WriteError};
use super::snapshot::holds;
use super::stage::Stage;
use crate::query::Query;
use crate::rules::Ruleset;
use crate::tree::{MOST_DEPTH, Path, PushIds, Unresolved};

/// Does it, or leaves the stage half-changed and says why not.
pub(super) fn write(
    stage: &mut Stage,
    rules: &Ruleset,
    push_ids: &mut PushIds,
    write: Write,
    world: &mut World<'_>,
) -> Result<Answer, CommandError> {
    let Write { caller, location, if_match, change } = write;
    let mark = stage.mark();
    if let Some(tag) = if_match {
        let found = holds(&stage.root, &location);
        let same = match tag {
            Tag::Etag(tag) => found.etag() == tag,
            Tag::Hash(hash) => found.hash() == hash,
        };
        if !same {
            // The answer holds the data, so it takes the right to read it.
            let may_know = rules.check_read(&caller, &location.path, &Query::default(), &stage.root, world.now);
            return Err(may_know.map_or_else(CommandError::Denied, |()| CommandError::Stale(found)));
        }
    }
    let answer = match change {
        Change::Set(data) => Answer::Written(stage.set(location, data, world.now)?),
        Change::Remove => Answer::Written(stage.set(location, Unresolved::default(), world.now)?),
        Change::Update(_) | Change::Push(_) if location.priority => {
            return Err(WriteError::NotOnPriority.into());
        }
        Change::Update(parts) => Answer::Updated(stage.update(&location.path, parts, world.now)?),
        Change::Push(data) => push(stage, push_ids, &location.path, data, world)?,
    };
    for path in stage.touched_since(&mark) {
        let may = rules.check_write(&caller, path, &mark.root, &stage.root, world.now);
        may.map_err(CommandError::Denied)?;
    }
    Ok(answer)
}

fn push(
    stage: &mut Stage,
    push_ids: &mut PushIds,
    path: &Path,
    data: Unresolved,
    world: &mut World<'_>,
) -> Result<Answer, CommandError> {
    if path.depth() == MOST_DEPTH {
        return Err(WriteError::TooDeep.into());
    }
    let siblings = stage.root.get(path);
    let key = loop {
        // A repeatable world draws again what an earlier run has stored.
        let key = push_ids.next(world.now, world.entropy);
        if siblings.child(key.as_str()).is_null() {
            break key;
        }
    };
    let node = stage.set(path.child(key.clone()).into(), data, world.now)?;
    Ok(Answer::Pushed { key, node })
}
