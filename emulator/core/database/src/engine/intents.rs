//! What one session intends for its end: a list of places, of which none lies below another one.
//!
//! The rules of its changes are those of the JavaScript SDK's own mirror of it (`SparseSnapshotTree`). Must not know:
//! how the list is kept on disk.

use super::command::CommandError;
use super::on_disconnect::{Intended, Intent, IntentChange, OnDisconnect, SessionId};
use super::stage::Stage;
use crate::rules::{Caller, Ruleset};
use crate::tree::{Key, Location, Path, Unresolved};
use std::collections::HashMap;
use std::sync::Arc;

/// A session may intend so much for its end.
const MOST_PLACES: usize = 1024;
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// What one session intends.
#[derive(Clone, Debug, Default)]
pub(super) struct Intents(Vec<Arc<Intended>>);

/// What all sessions intend, as it is stored.
pub(super) type Sessions = HashMap<SessionId, Intents>;

/// What a batch has changed of it, not yet stored.
#[derive(Debug, Default)]
pub(super) struct StagedIntents {
    pub(super) sessions: Sessions,
    pub(super) changes: Vec<IntentChange>,
}

impl StagedIntents {
    /// What `session` intends, as far as the batch has come.
    fn of<'a>(&'a self, stored: &'a Sessions, session: &SessionId) -> Option<&'a Intents> {
        self.sessions.get(session).or_else(|| stored.get(session)).filter(|intents| !intents.0.is_empty())
    }

    /// Changes what a session intends, if its caller may do now what is intended.
    pub(super) fn change(
        &mut self,
        stored: &Sessions,
        stage: &mut Stage,
        rules: &Ruleset,
        change: OnDisconnect,
        now: u64,
    ) -> Result<(), CommandError> {
        let OnDisconnect { session, caller, intent } = change;
        may_happen(stage, rules, &caller, &intent, now)?;
        let mut intents = self.of(stored, &session).cloned().unwrap_or_default();
        let mut changes = Changes { session: &session, list: Vec::new() };
        match intent {
            Intent::Set(location, data) => intents.set(Intended { caller, location, data }, &mut changes),
            Intent::Update(path, parts) => {
                for (location, data) in parts {
                    let caller = caller.clone();
                    intents.set(Intended { caller, location: location.below(&path), data }, &mut changes);
                }
            }
            Intent::Cancel(path) => intents.cancel(&path, &mut changes),
        }
        if !changes.list.is_empty() && intents.is_too_much() {
            return Err(CommandError::TooManyIntents);
        }
        self.changes.append(&mut changes.list);
        self.sessions.insert(session, intents);
        Ok(())
    }

    /// Takes what a session intended: it has ended.
    pub(super) fn end(&mut self, stored: &Sessions, session: &SessionId) -> Option<Intents> {
        let intents = self.of(stored, session)?.clone();
        self.changes.push(IntentChange::End(session.clone()));
        self.sessions.insert(session.clone(), Intents::default());
        Some(intents)
    }

    /// What it says is stored now.
    pub(super) fn store(self, stored: &mut Sessions) {
        for (session, intents) in self.sessions {
            if intents.0.is_empty() {
                stored.remove(&session);
            } else {
                stored.insert(session, intents);
            }
        }
    }
}

/// Whether the intent could be carried out now; the stage stays as it was.
fn may_happen(
    stage: &mut Stage,
    rules: &Ruleset,
    caller: &Caller,
    intent: &Intent,
    now: u64,
) -> Result<(), CommandError> {
    let mark = stage.mark();
    let set = match intent.clone() {
        Intent::Set(location, data) => stage.set(location, data, now).map(drop),
        Intent::Update(path, parts) => stage.update(&path, parts, now).map(drop),
        Intent::Cancel(_) => Ok(()),
    };
    let check = |path| rules.check_write(caller, path, &mark.root, &stage.root, now);
    let may = if set.is_ok() { stage.touched_since(&mark).iter().try_for_each(check) } else { Ok(()) };
    stage.undo(&mark);
    set?;
    may.map_err(CommandError::Denied)
}

/// Writes down what changes of a session's intents.
struct Changes<'s> {
    session: &'s SessionId,
    list: Vec<IntentChange>,
}

impl Changes<'_> {
    fn put(&mut self, intended: &Arc<Intended>) {
        self.list.push(IntentChange::Put(self.session.clone(), Arc::clone(intended)));
    }

    fn remove(&mut self, location: &Location) {
        self.list.push(IntentChange::Remove(self.session.clone(), location.clone()));
    }
}

impl Intents {
    /// What was stored.
    pub(super) fn add(&mut self, intended: Intended) {
        self.0.push(Arc::new(intended));
    }

    fn is_too_much(&self) -> bool {
        const EACH: u64 = 256;
        self.0.len() > MOST_PLACES || self.0.iter().map(|one| EACH + one.data.weight()).sum::<u64>() > MOST_BYTES
    }

    /// The place of a node, of which `location` is a part.
    fn above(&self, location: &Location) -> Option<usize> {
        let above = |at: &Location| !at.priority && at.path.contains(&location.path) && at != location;
        self.0.iter().position(|one| above(&one.location))
    }

    fn set(&mut self, intended: Intended, changes: &mut Changes<'_>) {
        let Intended { caller, location, data } = intended;
        if let Some(above) = self.above(&location).and_then(|place| self.0.get_mut(place)) {
            let at = Location { path: location.path.skip(above.location.path.depth()), priority: location.priority };
            let data = above.data.clone().with(&at, data);
            // All of it happens on behalf of who changed it last, who so gets no more rights than they have.
            *above = Arc::new(Intended { caller, location: above.location.clone(), data });
            return changes.put(above);
        }
        self.remove(|at| if location.priority { *at == location } else { location.path.contains(&at.path) }, changes);
        let intended = Arc::new(Intended { caller, location, data });
        changes.put(&intended);
        self.0.push(intended);
    }

    fn cancel(&mut self, path: &Path, changes: &mut Changes<'_>) {
        let Some(place) = self.above(&path.clone().into()) else {
            return self.remove(|at| path.contains(&at.path), changes);
        };
        let Some(above) = self.0.get(place).cloned() else { return };
        if above.data.node.as_leaf().is_some() {
            return;
        }
        self.0.remove(place);
        changes.remove(&above.location);
        let at = &above.location.path;
        let mut rest = Vec::new();
        cut(at, &above.data, path.keys().get(at.depth()..).unwrap_or_default(), &mut rest);
        for (location, data) in rest {
            let intended = Arc::new(Intended { caller: above.caller.clone(), location, data });
            changes.put(&intended);
            self.0.push(intended);
        }
    }

    fn remove(&mut self, removed: impl Fn(&Location) -> bool, changes: &mut Changes<'_>) {
        self.0.retain(|one| {
            let removed = removed(&one.location);
            if removed {
                changes.remove(&one.location);
            }
            !removed
        });
    }

    /// Does to the stage what is intended. What cannot be done, or may not be, is left out; the rest happens.
    pub(super) fn carry_out(self, stage: &mut Stage, rules: &Ruleset, now: u64) {
        let mut left = self.0;
        // In an order that does not depend on how they came; priorities last, which need a node to belong to.
        left.sort_by(|one, other| {
            let (one, other) = (&one.location, &other.location);
            one.priority.cmp(&other.priority).then_with(|| one.path.cmp(&other.path))
        });
        let mark = stage.mark();
        loop {
            left.retain(|one| stage.set(one.location.clone(), one.data.clone(), now).is_ok());
            let before = left.len();
            // Each is judged by what all of them make together, as the parts of an update are.
            let root = &stage.root;
            left.retain(|one| rules.check_write(&one.caller, &one.location.path, &mark.root, root, now).is_ok());
            if left.len() == before {
                return;
            }
            stage.undo(&mark);
        }
    }
}

/// Adds what is left of data at `at` without what lies `below` it, child by child.
fn cut(at: &Path, data: &Unresolved, below: &[Key], rest: &mut Vec<(Location, Unresolved)>) {
    let Some((first, below)) = below.split_first() else { return };
    for (key, child) in data.children() {
        let at = at.child(key.clone());
        if key != first || (!below.is_empty() && child.node.as_leaf().is_some()) {
            rest.push((at.into(), child));
        } else {
            cut(&at, &child, below, rest);
        }
    }
    let priority = data.priority();
    if !priority.node.is_null() {
        rest.push((Location { path: at.clone(), priority: true }, priority));
    }
}
