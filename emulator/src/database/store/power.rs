//! The store on a disk that loses what is not synced and fails when it is told to: whatever it acknowledged is there
//! afterwards, each batch is there whole or not at all, and what sessions intend for their ends happens once.
//!
//! Every round follows from its number. `HEARTH_POWER_ROUNDS` says how many there are.

use super::*;
use crate::storage::Durability;
use crate::storage::disk::{Dice, Disk, End, Faults};
use hearth_database::json;
use hearth_database::{
    Answer, Caller, Change, Command, CommandError, Engine, Intent, Leaf, Location, OnDisconnect, Ruleset, SessionId,
    Write,
};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// A state that a database can be in.
#[derive(Clone, Debug, Default, PartialEq)]
struct Image {
    root: Node,
    seq: u64,
    /// By session and place.
    intents: BTreeMap<(String, String), String>,
}

impl Image {
    fn after(&self, batch: &Batch<'_>) -> Self {
        let mut intents = self.intents.clone();
        for change in batch.intents {
            match change {
                IntentChange::Put(session, intended) => {
                    let text = json::to_unresolved_text(&intended.data);
                    intents.insert((session.0.to_string(), intended.location.to_string()), text);
                }
                IntentChange::Remove(session, location) => {
                    intents.remove(&(session.0.to_string(), location.to_string()));
                }
                IntentChange::End(session) => intents.retain(|(of, _), _| *of != *session.0),
            }
        }
        Self { root: batch.after.clone(), seq: batch.version.seq, intents }
    }
}

/// What is known of what is stored.
#[derive(Debug, Default)]
struct Known {
    /// After the last batch that was acknowledged.
    acknowledged: Image,
    /// After batches that were not, which may be there all the same when the process ends.
    possible: Vec<Image>,
    /// After all batches of this process that came before.
    earlier: Vec<Image>,
    epoch: u64,
    /// Acknowledged batches may be lost, from the last one backwards.
    forgets: bool,
    commits: usize,
    failed: usize,
    /// How often acknowledged batches were lost.
    lost: usize,
}

/// A store that is watched.
struct Watched {
    store: Store,
    known: Arc<Mutex<Known>>,
}

impl Journal for Watched {
    fn load(&mut self) -> Result<Loaded, JournalError> {
        let loaded = self.store.load()?;
        let intents = loaded.intents.iter().map(|(session, intended)| {
            let text = json::to_unresolved_text(&intended.data);
            ((session.0.to_string(), intended.location.to_string()), text)
        });
        let found = Image { root: loaded.root.clone(), seq: loaded.version.seq, intents: intents.collect() };
        let mut known = self.known.lock().unwrap();
        let may_be = |image: &Image| *image == found;
        let is_known = may_be(&known.acknowledged)
            || known.possible.iter().any(may_be)
            || (known.forgets && known.earlier.iter().any(may_be));
        assert!(is_known, "found {found:#?}\nof {:#?}\nor one of {:#?}", known.acknowledged, known.possible);
        assert!(loaded.version.epoch > known.epoch || known.forgets, "epoch {}", known.epoch);
        known.epoch = loaded.version.epoch;
        known.lost += usize::from(!may_be(&known.acknowledged) && !known.possible.iter().any(may_be));
        (known.acknowledged, known.possible) = (found, Vec::new());
        known.earlier.clear();
        Ok(loaded)
    }

    fn commit(&mut self, batch: Batch<'_>) -> Result<(), JournalError> {
        let stored = self.store.commit(batch);
        let mut known = self.known.lock().unwrap();
        let after = known.acknowledged.after(&batch);
        known.commits += 1;
        if stored.is_ok() {
            assert!(after.seq >= known.acknowledged.seq);
            let before = std::mem::replace(&mut known.acknowledged, after);
            let possible = std::mem::take(&mut known.possible);
            if known.forgets {
                known.earlier.push(before);
                known.earlier.extend(possible);
            }
        } else {
            known.failed += 1;
            known.possible.push(after);
        }
        stored
    }
}

/// How often what a session intends has to have happened, once the session has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expect {
    Once,
    Never,
    /// The answer was an error, or has been lost.
    OnceOrNever,
}

struct Round {
    dice: Dice,
    disk: Disk,
    durability: Durability,
    known: Arc<Mutex<Known>>,
    /// Sessions of processes that have ended, or that have ended themselves.
    ended: BTreeMap<String, Expect>,
    alive: BTreeMap<String, Expect>,
    sessions: usize,
}

fn intent_place(session: &str) -> Location {
    Location::parse(&format!("ran/{session}")).unwrap()
}

impl Round {
    fn new(seed: u64, durability: Durability, forgets: bool) -> Self {
        let known = Known { forgets, ..Known::default() };
        Self {
            dice: Dice::new(seed),
            disk: Disk::new(seed),
            durability,
            known: Arc::new(Mutex::new(known)),
            ended: BTreeMap::new(),
            alive: BTreeMap::new(),
            sessions: 0,
        }
    }

    /// Opens the database; `None` if the process ends meanwhile, or something fails.
    fn open(&mut self) -> Option<Engine<Watched>> {
        let storage = Storage::on(&self.disk, self.durability);
        if self.dice.percent(20) {
            // An earlier version was here first, perhaps.
            let known = self.dice.below(SCHEMA.len());
            drop(storage.open("database/one", SCHEMA.get(..known)?));
        }
        let mut store = Store::open(&storage, "one").ok()?;
        let most = self.dice.pick(&[0, 60, 300, 2_000, 20_000]);
        (store.most_journal_bytes, store.fold_above) = (most, most);
        store.fold_step = self.dice.pick(&[1, 2, 64]);
        let pages = self.dice.pick(&[1, 4, 16, 1_000]);
        store.file.writer.pragma_update(None, "wal_autocheckpoint", pages).ok()?;
        Engine::open(Watched { store, known: Arc::clone(&self.known) }, Ruleset::Open).ok()
    }

    fn value(&mut self) -> String {
        match self.dice.below(8) {
            0 => "null".to_owned(),
            1 => format!("\"{}\"", "x".repeat(self.dice.below(9_000))),
            2 => format!("{{\"a\":{{\"b\":{},\".priority\":1}},\"c\":true}}", self.dice.below(9)),
            _ => self.dice.below(1_000_000).to_string(),
        }
    }

    /// A command, and the session whose end it concerns with what is to be expected if it is acknowledged.
    fn command(&mut self) -> (Command, Option<(String, Option<Expect>)>) {
        let on_disconnect = |session: &str, intent| {
            let session = SessionId(session.into());
            Command::OnDisconnect(OnDisconnect { session, caller: Caller::Client, intent })
        };
        let alive: Vec<_> = self.alive.keys().cloned().collect();
        match self.dice.below(10) {
            0 | 1 => {
                self.sessions += 1;
                let session = format!("s{}", self.sessions);
                let data = json::parse(br#"{".sv":{"increment":1}}"#, 0).unwrap();
                let command = on_disconnect(&session, Intent::Set(intent_place(&session), data));
                (command, Some((session, Some(Expect::Once))))
            }
            2 if !alive.is_empty() => {
                let session = alive[self.dice.below(alive.len())].clone();
                let command = on_disconnect(&session, Intent::Cancel(intent_place(&session).path));
                (command, Some((session, Some(Expect::Never))))
            }
            3 if !alive.is_empty() => {
                let session = alive[self.dice.below(alive.len())].clone();
                (Command::Disconnect(SessionId(session.as_str().into())), Some((session, None)))
            }
            _ => {
                let depth = 1 + self.dice.below(3);
                let keys: Vec<_> = (0..depth).map(|_| self.dice.pick(&["a", "b", "c", "d-e"])).collect();
                let location = Location::parse(&format!("data/{}", keys.join("/"))).unwrap();
                let change = Change::Set(json::parse(self.value().as_bytes(), 6).unwrap());
                (Command::Write(Write { caller: Caller::Admin, location, if_match: None, change }), None)
            }
        }
    }

    /// Has a batch carried out; whether it was acknowledged.
    fn batch(&mut self, engine: &mut Engine<Watched>) -> bool {
        let (mut commands, mut concerned) = (Vec::new(), Vec::new());
        for _ in 0..self.dice.below(5) {
            let (command, concerns) = self.command();
            commands.push(command);
            concerned.push(concerns);
        }
        let mut published = None;
        let answers = engine.execute(commands, 0, &mut |_| (), |snapshot| published = Some(snapshot.clone()));
        // What is published is what is stored.
        assert_eq!(engine.snapshot().root, self.known.lock().unwrap().acknowledged.root);
        if let Some(published) = published {
            assert_eq!(published.root, engine.snapshot().root);
        }
        let is_stored = |answer: &Result<Answer, CommandError>| !matches!(answer, Err(CommandError::NotStored));
        let acknowledged = answers.iter().all(is_stored);
        for (concerns, answer) in concerned.into_iter().zip(answers) {
            let Some((session, expect)) = concerns else { continue };
            match expect {
                // It has ended, now or before the next batch.
                None => {
                    let expect = self.alive.remove(&session);
                    self.ended.extend(expect.map(|expect| (session, expect)));
                }
                Some(_) if self.ended.contains_key(&session) => {
                    // It was said again after its end, in the same batch.
                    self.ended.insert(session, Expect::OnceOrNever);
                }
                Some(expect) => {
                    let expect = if answer.is_ok() { expect } else { Expect::OnceOrNever };
                    self.alive.insert(session, expect);
                }
            }
        }
        acknowledged
    }

    /// After a batch that has been stored, or none, with all that was left over from before.
    fn check_ends(&self, root: &Node) {
        for (session, expect) in &self.ended {
            let times = root.get(&intent_place(session).path).as_leaf().cloned();
            let (once, never) = (times == Some(Leaf::Int(1)), times.is_none());
            let is_right = match expect {
                Expect::Once => once,
                Expect::Never => never,
                Expect::OnceOrNever => once || never,
            };
            assert!(is_right || self.known.lock().unwrap().forgets, "{session}: {times:?}, not {expect:?}");
            assert!(once || never, "{session}: {times:?}");
        }
    }

    /// One process, until it ends: of itself, or in the middle of something.
    fn process(&mut self, lasts: Range<usize>, end: End) {
        let operations = lasts.start + self.dice.below(lasts.end - lasts.start);
        self.disk.dies_after(operations);
        if let Some(mut engine) = self.open() {
            for _ in 0..40 {
                let stored = self.batch(&mut engine);
                if self.disk.is_dead() {
                    break;
                }
                assert!(stored, "nothing fails, and yet it is not stored");
                self.check_ends(&engine.snapshot().root);
            }
        }
        self.ended.append(&mut self.alive);
        self.disk.restart(end);
    }

    /// A process that lives through times when things fail.
    fn troubled_process(&mut self, end: End) {
        self.fail();
        let opened = self.open();
        self.disk.fails(Faults::default());
        let Some(mut engine) = opened.or_else(|| self.open()) else {
            panic!("nothing fails, and yet it does not open")
        };
        for _ in 0..4 {
            self.fail();
            for _ in 0..self.dice.below(12) {
                self.batch(&mut engine);
            }
            self.disk.fails(Faults::default());
            for _ in 0..1 + self.dice.below(4) {
                assert!(self.batch(&mut engine), "nothing fails any more, and yet it is not stored");
                self.check_ends(&engine.snapshot().root);
            }
        }
        // The last batches may be in the middle of it.
        self.fail();
        for _ in 0..self.dice.below(6) {
            self.batch(&mut engine);
        }
        self.disk.dies_after(self.dice.below(20));
        drop(engine);
        self.disk.fails(Faults::default());
        self.ended.append(&mut self.alive);
        self.disk.restart(end);
    }

    fn fail(&mut self) {
        let percents = [0, 3, 20, 100];
        let faults = match self.dice.below(4) {
            0 => Faults { writes: self.dice.pick(&percents), ..Faults::default() },
            1 => Faults { syncs: self.dice.pick(&percents), ..Faults::default() },
            2 => Faults { room: Some(self.disk.used() + self.dice.below(20_000)), ..Faults::default() },
            _ => Faults { writes: self.dice.pick(&percents), syncs: self.dice.pick(&percents), room: None },
        };
        self.disk.fails(faults);
    }

    fn tally(&self) -> Tally {
        let known = self.known.lock().unwrap();
        Tally { commits: known.commits, failed: known.failed, lost: known.lost }
    }

    /// A process in which nothing fails finds everything.
    fn find_everything(&mut self) {
        let mut engine = self.open().expect("nothing fails");
        engine.execute([], 0, &mut |_| (), |_| ());
        self.check_ends(&engine.snapshot().root);
        assert!(self.known.lock().unwrap().acknowledged.intents.is_empty());
        drop(engine);
        let store = Store::open(&Storage::on(&self.disk, self.durability), "one").unwrap();
        let verdict: String =
            store.file.writer.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("an answer");
        assert_eq!(verdict, "ok");
    }
}

/// So many rounds, each from its number.
fn rounds(few: u64, play: impl Fn(u64) -> Tally) -> Tally {
    let rounds = std::env::var("HEARTH_POWER_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(few);
    let mut all = Tally::default();
    for seed in 0..rounds {
        let said = Said(seed);
        let Tally { commits, failed, lost } = play(seed);
        all = Tally { commits: all.commits + commits, failed: all.failed + failed, lost: all.lost + lost };
        std::mem::forget(said);
    }
    assert!(all.commits > rounds as usize, "hardly anything was stored");
    println!("{rounds} rounds: {all:?}");
    all
}

/// Says which round it was.
struct Said(u64);

impl Drop for Said {
    fn drop(&mut self) {
        println!("round {}", self.0);
    }
}

/// What there was in some rounds.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    commits: usize,
    failed: usize,
    lost: usize,
}

fn play(seed: u64, durability: Durability, ends: &[End], forgets: bool) -> Tally {
    let mut round = Round::new(seed, durability, forgets);
    for _ in 0..2 + round.dice.below(4) {
        let lasts = round.dice.pick(&[0, 30, 150, 600]);
        let end = round.dice.pick(ends);
        round.process(lasts..2 * lasts + 30, end);
    }
    round.find_everything();
    round.tally()
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let ends = [End::PowerCut, End::PowerCut, End::Kill];
    let tally = rounds(100, |seed| play(seed, Durability::Power, &ends, false));
    assert_eq!(tally.lost, 0);
}

#[test]
fn a_kill_loses_nothing_that_was_acknowledged() {
    let tally = rounds(40, |seed| play(seed, Durability::Process, &[End::Kill], false));
    assert_eq!(tally.lost, 0);
}

/// An emulator's data does not promise to survive it, but what is left is what there once was.
#[test]
fn a_power_cut_leaves_an_emulator_a_state_that_was() {
    let tally = rounds(40, |seed| play(seed, Durability::Process, &[End::PowerCut], true));
    assert!(tally.lost > 0, "the disk loses what is not synced");
}

#[test]
fn what_fails_is_refused_and_loses_nothing_that_was_acknowledged() {
    let tally = rounds(60, |seed| {
        let mut round = Round::new(seed, Durability::Power, false);
        for _ in 0..1 + round.dice.below(3) {
            let end = round.dice.pick(&[End::PowerCut, End::Kill]);
            round.troubled_process(end);
        }
        round.find_everything();
        round.tally()
    });
    assert_eq!(tally.lost, 0);
    assert!(tally.failed > 0, "nothing failed");
}
