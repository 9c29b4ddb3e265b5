//! Journals that live in memory, and listeners that keep a view by what they are told.

use crate::plain::{Plain, segments};
use crate::random::Random;
use hearth_database::{
    Audience, Batch, Event, Intended, IntentChange, Journal, JournalError, ListenerId, Loaded, Location, News, Node,
    Path, Query, SessionId, Version,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What a journal keeps beyond its engine.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) root: Node,
    pub(crate) version: Version,
    pub(crate) intents: BTreeMap<(SessionId, String), Intended>,
    pub(crate) fails: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Disk(pub(crate) Arc<Mutex<Kept>>);

impl Journal for Disk {
    fn load(&mut self) -> Result<Loaded, JournalError> {
        let mut kept = self.0.lock().unwrap();
        kept.version.epoch += 1;
        let intents = kept.intents.iter().map(|((session, _), intended)| (session.clone(), intended.clone()));
        Ok(Loaded { root: kept.root.clone(), version: kept.version, intents: intents.collect() })
    }

    fn commit(&mut self, batch: Batch<'_>) -> Result<(), JournalError> {
        let mut kept = self.0.lock().unwrap();
        if kept.fails {
            return Err(JournalError("as the test wants it".into()));
        }
        assert!(kept.root.is_same(batch.before));
        assert!(!batch.touched.is_empty() || !batch.intents.is_empty());
        for change in batch.intents {
            match change {
                IntentChange::Put(session, intended) => {
                    let at = (session.clone(), intended.location.to_string());
                    kept.intents.insert(at, (**intended).clone());
                }
                IntentChange::Remove(session, location) => {
                    let at = (session.clone(), location.to_string());
                    assert!(kept.intents.remove(&at).is_some());
                }
                IntentChange::End(ended) => kept.intents.retain(|(session, _), _| session != ended),
            }
        }
        (kept.root, kept.version) = (batch.after.clone(), batch.version);
        Ok(())
    }
}

/// What a listener is told.
pub(crate) enum Told {
    Event(Arc<Event>),
    Revoked,
}

#[derive(Default)]
pub(crate) struct Ear(pub(crate) Mutex<Vec<Told>>);

impl Audience for Ear {
    fn hear(&self, _: ListenerId, event: &Arc<Event>) {
        self.0.lock().unwrap().push(Told::Event(Arc::clone(event)));
    }

    fn revoke(&self, _: ListenerId) {
        self.0.lock().unwrap().push(Told::Revoked);
    }
}

/// What a listener has made of what it was told.
pub(crate) struct View {
    pub(crate) path: Path,
    pub(crate) query: Query,
    pub(crate) seen: Plain,
    pub(crate) version: Version,
    pub(crate) ear: Arc<Ear>,
    /// Whether it listens with an admin's rights.
    pub(crate) admin: bool,
    /// Whether it may no longer read what it sees.
    pub(crate) doomed: bool,
}

impl View {
    /// Takes in what was told. Whether it goes on.
    pub(crate) fn hear(&mut self, random: &mut Random) -> bool {
        let heard = std::mem::take(&mut *self.ear.0.lock().unwrap());
        for told in heard {
            match told {
                Told::Revoked => return false,
                Told::Event(event) => {
                    assert!(event.version > self.version, "{:?} after {:?}", event.version, self.version);
                    self.version = event.version;
                    match &event.news {
                        News::Put(location, node) => self.put(location, node),
                        News::Patch { path, parts } => {
                            assert!(!parts.is_empty());
                            // The order must not matter.
                            let mut parts: Vec<_> = parts.iter().collect();
                            random.shuffle(&mut parts);
                            for (below, node) in parts {
                                assert!(below.priority || below.path.depth() > 0);
                                self.put(&below.below(path), node);
                            }
                        }
                    }
                }
            }
        }
        true
    }

    fn put(&mut self, location: &Location, node: &Node) {
        assert!(self.path.contains(&location.path), "{location} is not of {}", self.path);
        self.seen.set(&segments(location)[self.path.depth()..], Plain::of(node));
    }

    pub(crate) fn wants(&self, root: &Plain) -> Plain {
        root.get(&segments(&self.path.clone().into())).select(&self.query)
    }
}
