//! One history: what happens in the engine and in the reference.

use crate::plain::{Mirror, PRIORITY, Plain, segments};
use crate::random::Random;
use crate::view::{Disk, Ear, View};
use hearth_database::{
    Answer, Caller, Change, Command, CommandError, ConnectionId, Denial, Engine, Get, Intent, Listen, ListenerId,
    Location, OnDisconnect, Path, Query, Ruleset, SessionId, Tag, TransactionError, Unresolved, Write, json,
};
use std::collections::BTreeMap;
use std::sync::Arc;

const BATCHES: u64 = 40;

/// What the engine stores, in the reference.
#[derive(Clone, Default)]
struct State {
    root: Plain,
    intents: BTreeMap<String, Mirror>,
    locked: bool,
}

/// What an answer has to be.
enum Expect {
    Error(CommandError),
    Written(Plain),
    Updated(Vec<Plain>),
    Stale,
    /// The key is the engine's; what it holds.
    Pushed(Vec<String>, Plain),
    Accepted,
    Done,
    Aborted,
    /// Settled after the batch.
    Later(Later),
}

enum Later {
    Get(Path, Query),
    Listen((u64, u64), Box<View>),
    Unlisten(u64, u64),
    Leave(u64),
    Lock(bool),
}

struct History {
    random: Random,
    now: u64,
    state: State,
    /// Sessions of which the journal has not taken the end, in the order in which they ended.
    ended: Vec<String>,
    views: BTreeMap<(u64, u64), View>,
    /// Of listeners that were there once.
    gone: Vec<Arc<Ear>>,
    seed: u64,
}

fn location(path: &[String]) -> Location {
    Location::from_segments(path.iter().map(String::as_str)).unwrap()
}

fn sent(data: &Plain) -> Unresolved {
    json::parse(data.json().to_string().as_bytes(), 0).unwrap()
}

fn caller(admin: bool) -> Caller {
    if admin { Caller::Admin } else { Caller::ANYONE }
}

impl State {
    fn set(&mut self, path: &[String], data: &Plain, now: u64) -> Plain {
        let resolved = data.resolve(&self.root.get(path), now);
        self.root.set(path, resolved.clone());
        resolved
    }

    fn update(&mut self, base: &[String], parts: &[(Vec<String>, Plain)], now: u64) -> Vec<Plain> {
        let parts: Vec<_> = parts
            .iter()
            .map(|(below, data)| {
                let path = [base, below].concat();
                let resolved = data.resolve(&self.root.get(&path), now);
                (path, resolved)
            })
            .collect();
        for priority in [false, true] {
            for (path, data) in parts.iter().filter(|(path, _)| path.ends_with(&[PRIORITY.to_owned()]) == priority) {
                self.root.set(path, data.clone());
            }
        }
        parts.into_iter().map(|(_, data)| data).collect()
    }

    fn end(&mut self, session: &str, now: u64) {
        let mut list = Vec::new();
        self.intents.remove(session).unwrap_or_default().list(&[], &mut list);
        list.sort_by_key(|(path, ..)| path.ends_with(&[PRIORITY.to_owned()]));
        for (path, data, admin) in list {
            if admin || !self.locked {
                self.set(&path, &data, now);
            }
        }
    }
}

impl History {
    fn path(&mut self) -> Vec<String> {
        self.random.path(0)
    }

    fn write(&mut self, next: &mut State) -> (Command, Expect) {
        let mut path = self.path();
        let admin = self.random.one_in(5);
        let may = admin || !next.locked;
        let (change, if_match, expect) = match self.random.below(9) {
            0 | 1 => {
                let data = self.random.data(path.len());
                let change = Change::Set(sent(&data));
                (change, None, may.then(|| Expect::Written(next.set(&path, &data, self.now))))
            }
            2 => (Change::Remove, None, may.then(|| Expect::Written(next.set(&path, &Plain::default(), self.now)))),
            3 => {
                path.push(PRIORITY.to_owned());
                let value = (!self.random.one_in(4)).then(|| self.random.priority());
                let data = Plain { value, ..Plain::default() };
                let change = Change::Set(sent(&data));
                (change, None, may.then(|| Expect::Written(next.set(&path, &data, self.now))))
            }
            4 => {
                let data = self.random.data(path.len() + 1);
                let pushed = Expect::Pushed(path.clone(), data.resolve(&Plain::default(), self.now));
                (Change::Push(sent(&data)), None, may.then_some(pushed))
            }
            5 => {
                let data = self.random.data(path.len());
                let right = self.random.one_in(2);
                let there = next.root.get(&path).node().hash();
                let hash = if right { there } else { format!("not {there}") };
                let expect = if right {
                    may.then(|| Expect::Written(next.set(&path, &data, self.now)))
                } else {
                    may.then_some(Expect::Stale)
                };
                (Change::Set(sent(&data)), Some(Tag::Hash(hash)), expect)
            }
            _ => {
                path.truncate(2);
                let parts = self.random.parts(path.len());
                let change = Change::Update(parts.iter().map(|(path, data)| (location(path), sent(data))).collect());
                // Of nothing there is nothing to be refused.
                let may = may || parts.is_empty();
                (change, None, may.then(|| Expect::Updated(next.update(&path, &parts, self.now))))
            }
        };
        let write = Write { caller: caller(admin), location: location(&path), if_match, change };
        (Command::Write(write), expect.unwrap_or(Expect::Error(CommandError::Denied(Denial::default()))))
    }

    fn transaction(&mut self, next: &mut State) -> (Command, Expect) {
        let gives_up = self.random.one_in(4);
        let mut after = next.clone();
        let mut sets = Vec::new();
        for _ in 0..self.random.below(4) + 1 {
            let mut path = self.path();
            // What was set once is often set again, or something below it.
            if let Some((again, _)) = sets.last().filter(|_| self.random.one_in(2)) {
                path = Vec::clone(again);
                path.retain(|key| key != PRIORITY);
                if path.len() < 3 && self.random.one_in(2) {
                    path.push(self.random.key(path.len()));
                }
            }
            if self.random.one_in(5) {
                path.push(PRIORITY.to_owned());
                let data = Plain { value: Some(self.random.priority()), ..Plain::default() };
                sets.push((path, data));
            } else {
                let data = self.random.data(path.len());
                sets.push((path, data));
            }
        }
        for (path, data) in &sets {
            after.set(path, data, self.now);
        }
        let text = after.root.text();
        let body = move |transaction: &mut hearth_database::Transaction<'_>| {
            for (path, data) in &sets {
                transaction.set(&path.join("/"), sent(data))?;
            }
            assert_eq!(json::to_text(transaction.get(""), json::Form::Export), text);
            if gives_up { Err(TransactionError::Aborted("no".to_owned())) } else { Ok(Box::new(()) as _) }
        };
        if !gives_up {
            *next = after;
        }
        (Command::Transaction(Box::new(body)), if gives_up { Expect::Aborted } else { Expect::Done })
    }

    fn intend(&mut self, next: &mut State) -> (Command, Expect) {
        let session = format!("s{}", self.random.below(3));
        let admin = self.random.one_in(5);
        let mut path = self.path();
        let may = admin || !next.locked;
        let kind = self.random.below(6);
        let mirror = next.intents.entry(session.clone()).or_default();
        let (intent, may) = match kind {
            0 | 1 => {
                let mut data = self.random.data(path.len());
                if self.random.one_in(6) {
                    path.push(PRIORITY.to_owned());
                    data = Plain { value: Some(self.random.priority()), ..Plain::default() };
                }
                if may {
                    mirror.remember(&path, data.clone(), admin);
                }
                (Intent::Set(location(&path), sent(&data)), may)
            }
            2 | 3 => {
                path.truncate(2);
                let parts = self.random.parts(path.len());
                let may = may || parts.is_empty();
                if may {
                    for (below, data) in &parts {
                        mirror.remember(&[&path[..], below].concat(), data.clone(), admin);
                    }
                }
                let sent = parts.iter().map(|(path, data)| (location(path), sent(data))).collect();
                (Intent::Update(location(&path).path, sent), may)
            }
            _ => {
                mirror.forget(&path);
                (Intent::Cancel(location(&path).path), true)
            }
        };
        next.intents.retain(|_, mirror| !mirror.is_empty());
        let change = OnDisconnect { session: SessionId(session.as_str().into()), caller: caller(admin), intent };
        let expect = if may { Expect::Accepted } else { Expect::Error(CommandError::Denied(Denial::default())) };
        (Command::OnDisconnect(change), expect)
    }

    fn listen(&mut self) -> (Command, Expect) {
        let at = (self.random.below(3), self.random.below(6));
        let admin = self.random.one_in(3);
        let mut path = self.path();
        path.truncate(2);
        let path = location(&path).path;
        let query = if self.random.one_in(2) { Query::default() } else { self.random.query() };
        let ear = Arc::new(Ear::default());
        let mut view =
            View { path, query, seen: Plain::default(), version: Default::default(), ear, admin, doomed: false };
        view.seen = view.wants(&self.state.root);
        let known = self.random.one_in(3).then(|| view.seen.node().hash());
        let listen = Listen {
            connection: ConnectionId(at.0),
            listener: ListenerId(at.1),
            caller: caller(admin),
            path: view.path.clone(),
            query: view.query.clone(),
            known,
            audience: Arc::clone(&view.ear) as _,
        };
        (Command::Listen(listen), Expect::Later(Later::Listen(at, Box::new(view))))
    }

    fn command(&mut self, next: &mut State, ended: &mut Vec<String>) -> (Command, Expect) {
        match self.random.below(40) {
            0..=17 => self.write(next),
            18..=19 => self.transaction(next),
            20..=24 => self.intend(next),
            25 => {
                let session = format!("s{}", self.random.below(3));
                next.end(&session, self.now);
                let command = Command::Disconnect(SessionId(session.as_str().into()));
                ended.push(session);
                (command, Expect::Accepted)
            }
            26..=33 => self.listen(),
            34..=35 => {
                let path = location(&self.path()).path;
                let query = if self.random.one_in(2) { Query::default() } else { self.random.query() };
                let get = Get { caller: Caller::ANYONE, path: path.clone(), query: query.clone() };
                (Command::Get(get), Expect::Later(Later::Get(path, query)))
            }
            36..=37 => {
                let (connection, listener) = (self.random.below(3), self.random.below(6));
                let command = Command::Unlisten(ConnectionId(connection), ListenerId(listener));
                (command, Expect::Later(Later::Unlisten(connection, listener)))
            }
            38 => {
                let connection = self.random.below(3);
                (Command::Leave(ConnectionId(connection)), Expect::Later(Later::Leave(connection)))
            }
            _ => {
                next.locked = !next.locked && self.random.one_in(2);
                let rules = if next.locked { Ruleset::Locked } else { Ruleset::Open };
                (Command::Rules(rules), Expect::Later(Later::Lock(next.locked)))
            }
        }
    }

    fn batch(&mut self, engine: &mut Engine<Disk>, disk: &Disk) {
        self.now += 1;
        let fails = self.random.one_in(12);
        disk.0.lock().unwrap().fails = fails;
        if !fails {
            for session in std::mem::take(&mut self.ended) {
                self.state.end(&session, self.now);
            }
        }
        let mut next = self.state.clone();
        let mut ended = Vec::new();
        let mut locked = self.state.locked;
        // Keys are the engine's choice, so that what follows a push has to see it.
        let mut length = self.random.below(8);
        let (mut commands, mut expects) = (Vec::new(), Vec::new());
        while length > 0 {
            let (command, expect) = self.command(&mut next, &mut ended);
            length = if matches!(expect, Expect::Pushed(..)) { 0 } else { length - 1 };
            commands.push(command);
            expects.push(expect);
        }
        let mut bytes = Random::new(self.random.below(u64::MAX));
        let mut entropy = |filled: &mut [u8]| filled.iter_mut().for_each(|byte| *byte = bytes.below(256) as u8);
        let mut published = None;
        let before = engine.snapshot().root.clone();
        let answers = engine.execute(commands, self.now, &mut entropy, |snapshot| published = Some(snapshot.clone()));
        assert_eq!(answers.len(), expects.len());
        if let Some(published) = published {
            assert!(published.root.is_same(&engine.snapshot().root));
        } else {
            assert!(before.is_same(&engine.snapshot().root));
        }

        let stored = !answers.iter().any(|answer| matches!(answer, Err(CommandError::NotStored)));
        assert!(stored || fails);
        if stored {
            for (answer, expect) in answers.iter().zip(&expects) {
                if let (Ok(Answer::Pushed { key, .. }), Expect::Pushed(path, data)) = (answer, expect) {
                    next.root.set(&[&path[..], &[key.to_string()]].concat(), data.clone());
                }
            }
            assert!(!fails || next.root == self.state.root);
        } else {
            next = State { locked: next.locked, ..self.state.clone() };
            self.ended.extend(ended.into_iter().filter(|session| self.state.intents.contains_key(session)));
        }
        self.state = next;
        for (answer, expect) in answers.into_iter().zip(expects) {
            match expect {
                Expect::Later(later) => self.settle(answer, later, &mut locked, engine),
                Expect::Error(_)
                | Expect::Written(_)
                | Expect::Updated(_)
                | Expect::Stale
                | Expect::Pushed(..)
                | Expect::Accepted
                | Expect::Done
                | Expect::Aborted => {
                    if stored {
                        check(answer, expect);
                    } else {
                        assert!(matches!(answer, Err(CommandError::NotStored)), "{answer:?}");
                    }
                }
            }
        }
    }

    /// Checks the answer of what has its turn after the batch.
    fn settle(&mut self, answer: Result<Answer, CommandError>, later: Later, locked: &mut bool, engine: &Engine<Disk>) {
        match later {
            Later::Get(..) if *locked => assert!(matches!(answer, Err(CommandError::Denied(_))), "{answer:?}"),
            Later::Get(path, query) => match answer {
                Ok(Answer::Got(node)) => {
                    let expect = self.state.root.get(&segments(&path.into())).select(&query);
                    assert_eq!(Plain::of(&node).text(), expect.text(), "{query:?}");
                }
                Err(CommandError::Unindexed { .. }) => assert!(!engine.snapshot().rules.indexes(&path, &query.order)),
                answer => panic!("{answer:?}"),
            },
            Later::Listen(_, view) if *locked && !view.admin => {
                assert!(matches!(answer, Err(CommandError::Denied(_))), "{answer:?}");
            }
            Later::Listen(at, mut view) => {
                let Ok(Answer::Listening { data, version, .. }) = answer else { panic!("{answer:?}") };
                if let Some(data) = data {
                    view.seen = Plain::of(&data);
                }
                view.version = version;
                let replaced = self.views.insert(at, *view);
                self.gone.extend(replaced.map(|view| view.ear));
            }
            Later::Unlisten(connection, listener) => {
                assert!(matches!(answer, Ok(Answer::Accepted)));
                self.gone.extend(self.views.remove(&(connection, listener)).map(|view| view.ear));
            }
            Later::Leave(connection) => {
                assert!(matches!(answer, Ok(Answer::Accepted)));
                for (_, view) in self.views.extract_if((connection, 0)..(connection + 1, 0), |_, _| true) {
                    self.gone.push(view.ear);
                }
            }
            Later::Lock(now_locked) => {
                assert!(matches!(answer, Ok(Answer::Accepted)));
                *locked = now_locked;
                self.views.values_mut().for_each(|view| view.doomed |= now_locked && !view.admin);
            }
        }
    }

    /// What was heard before counts for those who have left since; nothing may come after.
    fn listeners_agree(&mut self, gone_before: usize) {
        for (place, ear) in self.gone.iter().enumerate() {
            let heard = std::mem::take(&mut *ear.0.lock().unwrap());
            assert!(place >= gone_before || heard.is_empty(), "who has left was told of a change");
        }
        let Self { views, random, gone, state, seed, .. } = self;
        views.retain(|at, view| {
            let goes_on = view.hear(random);
            assert_eq!(goes_on, !view.doomed, "seed {seed}: listener {at:?} was revoked, or was not");
            if goes_on {
                let (path, query) = (&view.path, &view.query);
                assert_eq!(view.seen, view.wants(&state.root), "seed {seed}: listener {at:?} at {path}: {query:?}");
            } else {
                gone.push(Arc::clone(&view.ear));
            }
            goes_on
        });
    }
}

fn check(answer: Result<Answer, CommandError>, expect: Expect) {
    match (answer, expect) {
        (Ok(Answer::Written(node)), Expect::Written(data)) => assert_eq!(Plain::of(&node), data),
        (Ok(Answer::Updated(nodes)), Expect::Updated(data)) => {
            assert_eq!(nodes.iter().map(Plain::of).collect::<Vec<_>>(), data);
        }
        (Ok(Answer::Pushed { node, .. }), Expect::Pushed(_, data)) => assert_eq!(Plain::of(&node), data),
        (Err(CommandError::Stale(_)), Expect::Stale)
        | (Err(CommandError::Transaction(_)), Expect::Aborted)
        | (Ok(Answer::Done(_)), Expect::Done)
        | (Ok(Answer::Accepted), Expect::Accepted) => {}
        (Err(error), Expect::Error(expect)) => assert_eq!(error, expect),
        (answer, _) => panic!("not expected: {answer:?}"),
    }
}

/// Says which history failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the history of HEARTH_SEED={} failed", self.0);
        }
    }
}

pub(crate) fn run(seed: u64) {
    let _seed = Seed(seed);
    let disk = Disk::default();
    let mut engine = Engine::open(disk.clone(), Ruleset::Open).unwrap();
    let mut history = History {
        random: Random::new(seed),
        now: 1000,
        state: State::default(),
        ended: Vec::new(),
        views: BTreeMap::new(),
        gone: Vec::new(),
        seed,
    };
    for _ in 0..BATCHES {
        let kept = history.state.root.clone();
        let snapshot = engine.snapshot().clone();
        let gone = history.gone.len();
        history.batch(&mut engine, &disk);
        let root = &engine.snapshot().root;
        let expect = history.state.root.node();
        assert_eq!(root, &expect);
        assert_eq!((root.hash(), root.weight()), (expect.hash(), expect.weight()));
        assert!(root.is_same(&disk.0.lock().unwrap().root));
        // What was published before has not changed under its readers.
        assert_eq!(Plain::of(&snapshot.root), kept);
        history.listeners_agree(gone);
        if history.random.one_in(25) {
            engine = Engine::open(disk.clone(), Ruleset::Open).unwrap();
            history.state.locked = false;
            history.views.clear();
            history.gone.clear();
            history.ended = history.state.intents.keys().cloned().collect();
        }
    }
}
