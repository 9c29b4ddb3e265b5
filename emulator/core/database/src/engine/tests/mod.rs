//! The engine against what it promises, command by command.

mod disconnecting;
mod listening;

use super::*;
use crate::journal::Loaded;
use crate::rules::{Caller, Denial};
use crate::tree::{Leaf, Location, Node, Unresolved, json};

/// Keeps nothing but what it was told; fails when asked to.
#[derive(Debug, Default)]
struct Told {
    root: Node,
    commits: Vec<(Version, Vec<String>)>,
    intents: Vec<(SessionId, Intended)>,
    changes: Vec<IntentChange>,
    fail: bool,
}

impl Journal for Told {
    fn load(&mut self) -> Result<Loaded, JournalError> {
        Ok(Loaded { root: self.root.clone(), version: Version { epoch: 3, seq: 7 }, intents: self.intents.clone() })
    }

    fn commit(&mut self, batch: Batch<'_>) -> Result<(), JournalError> {
        if self.fail {
            return Err(JournalError("disk full".into()));
        }
        assert_eq!(&self.root, batch.before);
        self.root = batch.after.clone();
        self.changes.extend_from_slice(batch.intents);
        self.commits.push((batch.version, batch.touched.iter().map(Path::to_string).collect()));
        Ok(())
    }
}

fn data(text: &str) -> Unresolved {
    json::parse(text.as_bytes(), 0).unwrap()
}

fn open(root: &str, rules: Ruleset) -> Engine<Told> {
    Engine::open(Told { root: data(root).node, ..Told::default() }, rules).unwrap()
}

fn write(path: &str, change: Change) -> Command {
    let location = Location::parse(path).unwrap();
    Command::Write(Write { caller: Caller::ANYONE, location, if_match: None, change })
}

fn set(path: &str, text: &str) -> Command {
    write(path, Change::Set(data(text)))
}

fn update(path: &str, text: &str) -> Command {
    write(path, Change::Update(json::parse_update(text.as_bytes(), 0).unwrap().unwrap()))
}

fn transaction(body: impl FnOnce(&mut Transaction<'_>) -> Result<(), TransactionError> + Send + 'static) -> Command {
    Command::Transaction(Box::new(|transaction| body(transaction).map(|()| Box::new(()) as _)))
}

/// Executes at 1000; answers as text.
fn run(engine: &mut Engine<Told>, commands: Vec<Command>) -> Vec<String> {
    let mut published = None;
    let mut entropy = |bytes: &mut [u8]| bytes.fill(0);
    let answers = engine.execute(commands, 1000, &mut entropy, |snapshot| published = Some(snapshot.clone()));
    if let Some(published) = published {
        assert_eq!(published.root, engine.snapshot().root);
    }
    answers
        .into_iter()
        .map(|answer| answer.map_or_else(|error| error.to_string(), |answer| format!("{answer:?}")))
        .collect()
}

fn root(engine: &Engine<Told>) -> String {
    json::to_text(&engine.snapshot().root, json::Form::Export)
}

fn check(before: &str, command: Command, answer: &str, after: &str) {
    let mut engine = open(before, Ruleset::Open);
    assert_eq!(run(&mut engine, vec![command]), [answer]);
    assert_eq!(root(&engine), after);
}

#[test]
fn each_change_does_what_it_says() {
    check("null", set("a/b", "1"), "Written(1)", r#"{"a":{"b":1}}"#);
    check(r#"{"a":{"b":1,"c":2}}"#, set("a", r#"{"d":3}"#), r#"Written({"d":3})"#, r#"{"a":{"d":3}}"#);
    check(r#"{"a":{"b":1}}"#, set("a/b", "null"), "Written(null)", "null");
    check(r#"{"a":1,"b":2}"#, write("a", Change::Remove), "Written(null)", r#"{"b":2}"#);
    check("null", set("t", r#"{".sv":"timestamp"}"#), "Written(1000)", r#"{"t":1000}"#);
    check(r#"{"n":2}"#, set("n", r#"{".sv":{"increment":3}}"#), "Written(5)", r#"{"n":5}"#);
    check(r#"{"a":1}"#, set("a/.priority", "2"), "Written(2)", r#"{"a":{".value":1,".priority":2}}"#);
    check(r#"{"a":{".value":1,".priority":2}}"#, write("a/.priority", Change::Remove), "Written(null)", r#"{"a":1}"#);
    check("null", set("a/.priority", "2"), "Written(2)", "null");
    check("1", set("a/.priority", "true"), "a priority must be a number or a string", "1");
    check("1", set("a/.priority", r#"{"x":1}"#), "a priority must be a number or a string", "1");
    let pushed = r#"Pushed("------Ec------------", 1)"#;
    check("null", write("a", Change::Push(data("1"))), pushed, r#"{"a":{"------Ec------------":1}}"#);
    check("null", write("a", Change::Push(data("null"))), &pushed.replace('1', "null"), "null");
}

#[test]
fn an_update_is_of_all_its_parts() {
    check(
        r#"{"x":{"a":1,"b":2,"c":{"d":3,"e":4}}}"#,
        update("x", r#"{"a":null,"c/d":{".sv":{"increment":1}},"f/g":5,"h/.priority":6,"h/i":7}"#),
        "Updated([null, 4, 5, 6, 7])",
        r#"{"x":{"b":2,"c":{"d":4,"e":4},"f":{"g":5},"h":{"i":7,".priority":6}}}"#,
    );
    check("1", update("", "{}"), "Updated([])", "1");
    for (parts, above, below) in [
        (r#"{"b":1,"a/b":2,"a":3}"#, "/a", "/a/b"),
        (r#"{"a":1,"a!":0,"a/b/c":2}"#, "/a", "/a/b/c"),
        (r#"{"a":1,"a/.priority":2}"#, "/a", "/a/.priority"),
    ] {
        let error = format!("the update's path {below} lies below its path {above}");
        check("1", update("", parts), &error, "1");
    }
    check("1", update(".priority", "{}"), "a priority can only be set or removed", "1");
}

#[test]
fn data_may_not_lie_too_deep() {
    let deep = "a/".repeat(31);
    let too_deep = "the data is nested deeper than 32 keys, counted from the root";
    let mut engine = open("null", Ruleset::Open);
    assert_eq!(run(&mut engine, vec![set(&deep, r#"{"b":1}"#)]), [r#"Written({"b":1})"#]);
    assert_eq!(run(&mut engine, vec![set(&deep, r#"{"b":{"c":1}}"#)]), [too_deep]);
    assert_eq!(run(&mut engine, vec![write(&deep, Change::Push(data(r#"{"c":1}"#)))]), [too_deep]);
    assert_eq!(run(&mut engine, vec![write(&format!("{deep}b"), Change::Push(data("1")))]), [too_deep]);
}

#[test]
fn a_push_id_that_exists_is_drawn_again() {
    let mut engine = open("null", Ruleset::Open);
    run(&mut engine, vec![write("a", Change::Push(data("1"))), write("a", Change::Push(data("2")))]);
    // The same world once more, over the data of the first.
    let mut again = open(&root(&engine), Ruleset::Open);
    run(&mut again, vec![write("a", Change::Push(data("3")))]);
    let values: Vec<_> = again.snapshot().root.find("a").children().map(|(_, node)| node.clone()).collect();
    assert_eq!(values, [1, 2, 3].map(|int| Node::from(Leaf::Int(int))));
}

#[test]
fn a_write_with_a_tag_needs_that_tag() {
    let with_tag = |tag: &str, change| {
        let Command::Write(write) = write("a", change) else { unreachable!() };
        Command::Write(Write { if_match: Some(Tag::Etag(tag.to_owned())), ..write })
    };
    let mut engine = open("null", Ruleset::Open);
    assert_eq!(run(&mut engine, vec![with_tag("null_etag", Change::Set(data("1")))]), ["Written(1)"]);
    let answers = engine.execute([with_tag("null_etag", Change::Remove)], 0, &mut |_| (), |_| ());
    assert!(matches!(&answers[..], [Err(CommandError::Stale(node))] if *node == Node::from(Leaf::Int(1))));
    let tag = engine.snapshot().root.find("a").etag();
    let both = vec![with_tag(&tag, Change::Remove), with_tag(&tag, Change::Remove)];
    assert_eq!(run(&mut engine, both), ["Written(null)", "the data has another ETag"]);
}

#[test]
fn locked_rules_admit_nobody_and_tell_nothing() {
    let mut engine = open("1", Ruleset::Locked);
    let Command::Write(mut tagged) = set("", "2") else { unreachable!() };
    tagged.if_match = Some(Tag::Etag("x".to_owned()));
    let commands = vec![set("a", "2"), update("", r#"{"a":1}"#), Command::Write(tagged)];
    assert_eq!(run(&mut engine, commands), ["Permission denied"; 3]);
    assert_eq!(
        engine.snapshot().read(&Caller::ANYONE, &Location::default(), 0),
        Err(CommandError::Denied(Denial::default()))
    );
    assert_eq!(engine.snapshot().read(&Caller::Admin, &Location::default(), 0), Ok(Leaf::Int(1).into()));
    assert_eq!((root(&engine), engine.journal.commits.len()), ("1".to_owned(), 0));
}

#[test]
fn a_transaction_sees_its_own_writes_and_is_undone_by_its_error() {
    let mut engine = open(r#"{"n":1,"list":{"a":1,"b":2,"c":3}}"#, Ruleset::Locked);
    let good = transaction(|transaction| {
        assert_eq!(transaction.now(), 1000);
        let n = transaction.get("n").as_leaf().and_then(Leaf::as_f64).unwrap();
        transaction.set("n", Node::from(Leaf::number(n + 1.0).unwrap()))?;
        assert_eq!(transaction.get("/n"), &Node::from(Leaf::Int(2)));
        assert!(transaction.get("n/.x").is_null());
        let keys = |after, limit| {
            transaction.children("list", after, limit).iter().map(|(key, _)| key.to_string()).collect::<String>()
        };
        assert_eq!((keys(None, 2), keys(Some("a"), 9), keys(Some("c"), 9)), ("ab".into(), "bc".into(), "".into()));
        assert!(matches!(transaction.set("a.b", Node::NULL), Err(WriteError::Path(_))));
        Ok(())
    });
    let bad = transaction(|transaction| {
        transaction.set("n", Node::NULL)?;
        Err(TransactionError::Aborted("no".to_owned()))
    });
    let panicking = transaction(|transaction| {
        transaction.set("n", Node::NULL)?;
        panic!("as the test wants it")
    });
    let commands = vec![good, bad, panicking, transaction(|_| Ok(()))];
    assert_eq!(run(&mut engine, commands), ["Done", "no", "the command panicked", "Done"]);
    assert_eq!(root(&engine), r#"{"list":{"a":1,"b":2,"c":3},"n":2}"#);
    assert_eq!(engine.journal.commits, [(Version { epoch: 3, seq: 8 }, vec!["/n".to_owned()])]);
}

#[test]
fn a_batch_is_one_commit_and_each_change_has_a_number() {
    let mut engine = open("null", Ruleset::Open);
    run(&mut engine, vec![set("a", "1"), set("b/c", "2"), set("x", r#"{".sv":{"increment":1}}"#), set("a", "3")]);
    run(&mut engine, vec![transaction(|_| Ok(()))]);
    let touched = ["/a", "/b/c", "/x", "/a"].map(str::to_owned).to_vec();
    assert_eq!(engine.journal.commits, [(Version { epoch: 3, seq: 11 }, touched)]);
    assert_eq!(engine.snapshot().version, Version { epoch: 3, seq: 11 });
}

#[test]
fn a_failing_journal_changes_nothing_and_answers_errors() {
    let mut engine = open("1", Ruleset::Open);
    engine.journal.fail = true;
    let commands = vec![set("a", "2"), transaction(|_| Ok(()))];
    let answers = engine.execute(commands, 0, &mut |_| (), |_| panic!("published"));
    assert!(answers.iter().all(|answer| matches!(answer, Err(CommandError::NotStored))));
    assert_eq!((root(&engine), engine.snapshot().version.seq), ("1".to_owned(), 7));
    engine.journal.fail = false;
    assert_eq!(run(&mut engine, vec![set("a", "2")]), ["Written(2)"]);
    assert_eq!((root(&engine), engine.snapshot().version.seq), (r#"{"a":2}"#.to_owned(), 8));
}
