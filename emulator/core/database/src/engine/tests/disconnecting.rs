//! What happens when a session ends.

use super::*;
use std::sync::Arc;

fn session() -> SessionId {
    SessionId("s".into())
}

fn intend(intent: Intent) -> Command {
    Command::OnDisconnect(OnDisconnect { session: session(), caller: Caller::ANYONE, intent })
}

fn at_end(path: &str, text: &str) -> Command {
    intend(Intent::Set(Location::parse(path).unwrap(), data(text)))
}

fn update_at_end(path: &str, text: &str) -> Command {
    let parts = json::parse_update(text.as_bytes(), 0).unwrap().unwrap();
    intend(Intent::Update(Path::parse(path).unwrap(), parts))
}

fn cancel(path: &str) -> Command {
    intend(Intent::Cancel(Path::parse(path).unwrap()))
}

/// After `commands` the end of the session makes `after` of `before`, and its second end nothing more.
fn check(before: &str, commands: Vec<Command>, after: &str) {
    let mut engine = open(before, Ruleset::Open);
    let answers = run(&mut engine, commands);
    assert!(answers.iter().all(|answer| answer == "Accepted"), "{answers:?}");
    assert_eq!(root(&engine), before);
    run(&mut engine, vec![Command::Disconnect(session())]);
    assert_eq!(root(&engine), after);
    let version = engine.snapshot().version;
    assert_eq!(run(&mut engine, vec![Command::Disconnect(session())]), ["Accepted"]);
    assert_eq!((root(&engine), engine.snapshot().version), (after.to_owned(), version));
    assert!(engine.intents.is_empty());
}

#[test]
fn what_was_intended_last_happens() {
    let before = r#"{"a":{"b":1,"c":2}}"#;
    check(before, vec![at_end("a", "5")], r#"{"a":5}"#);
    check(before, vec![at_end("a", "null")], "null");
    check(before, vec![at_end("a/b", "5"), at_end("a/c", "6"), at_end("a", r#"{"d":7}"#)], r#"{"a":{"d":7}}"#);
    check(before, vec![update_at_end("a", r#"{"b":5,"d/e":6}"#)], r#"{"a":{"b":5,"c":2,"d":{"e":6}}}"#);
    check(
        before,
        vec![update_at_end("a", r#"{"b":5}"#), update_at_end("a", r#"{"d":6}"#)],
        r#"{"a":{"b":5,"c":2,"d":6}}"#,
    );
    // Below what is intended already, its value is edited.
    check(
        before,
        vec![at_end("a", r#"{"x":1}"#), update_at_end("a", r#"{"x":2,"y/z":3}"#)],
        r#"{"a":{"x":2,"y":{"z":3}}}"#,
    );
    check(before, vec![at_end("a", "1"), at_end("a/x", "2")], r#"{"a":{"x":2}}"#);
    check(before, vec![at_end("a", "1"), at_end("a/x", "null")], r#"{"a":1}"#);
    check(before, vec![at_end("a", r#"{"x":1}"#), at_end("a/x", "null")], "null");
    check(before, vec![at_end("a", r#"{"x":1}"#), at_end("a/.priority", "3")], r#"{"a":{"x":1,".priority":3}}"#);
    check(before, vec![at_end("a/.priority", "3"), at_end("a/b", "5")], r#"{"a":{"b":5,"c":2,".priority":3}}"#);
    check(before, vec![at_end("a/.priority", "3"), at_end("a", "5")], r#"{"a":5}"#);
    check(
        before,
        vec![at_end("x/.priority", "3"), at_end("x", "5"), at_end("x/.priority", "4")],
        r#"{"a":{"b":1,"c":2},"x":{".value":5,".priority":4}}"#,
    );
    check(before, vec![], before);
}

#[test]
fn what_is_cancelled_does_not_happen() {
    let before = r#"{"a":{"b":1,"c":2}}"#;
    check(before, vec![at_end("a", "5"), cancel("a")], before);
    check(before, vec![at_end("a/b", "5"), at_end("a/c", "6"), cancel("a")], before);
    check(before, vec![at_end("a/b", "5"), at_end("a/.priority", "6"), cancel("")], before);
    check(before, vec![at_end("a/b", "5"), at_end("a/c", "6"), cancel("a/b"), cancel("x")], r#"{"a":{"b":1,"c":6}}"#);
    // Of an object the rest happens, and leaves its siblings alone.
    check(
        before,
        vec![at_end("a", r#"{"b":5,"d":{"e":6,"f":7},"g":8}"#), cancel("a/d/e")],
        r#"{"a":{"b":5,"c":2,"d":{"f":7},"g":8}}"#,
    );
    check(before, vec![at_end("a", r#"{"b":5,".priority":3}"#), cancel("a/b")], r#"{"a":{"b":1,"c":2,".priority":3}}"#);
    check(before, vec![at_end("a", r#"{"b":5}"#), cancel("a/d/e")], r#"{"a":{"b":5,"c":2}}"#);
    check(before, vec![at_end("a", r#"{"b":5,"d":6}"#), cancel("a/d/e")], r#"{"a":{"b":5,"c":2,"d":6}}"#);
    // A leaf has nothing below it.
    check(before, vec![at_end("a", "5"), cancel("a/b")], r#"{"a":5}"#);
    check(before, vec![at_end("a", r#"{".sv":"timestamp"}"#), cancel("a/b")], r#"{"a":1000}"#);
}

#[test]
fn server_values_are_filled_in_at_the_end() {
    let mut engine = open(r#"{"n":1}"#, Ruleset::Open);
    let increment = r#"{".sv":{"increment":1}}"#;
    run(
        &mut engine,
        vec![
            at_end("n", increment),
            at_end("a", r#"{"t":{".sv":"timestamp"},"x":{".sv":"timestamp"},".priority":{".sv":"timestamp"}}"#),
            at_end("a/x", "1"),
            at_end("a/y/z", increment),
            cancel("a/u"),
            at_end("p/.priority", r#"{".sv":"timestamp"}"#),
            set("n", "5"),
            set("p", "1"),
        ],
    );
    engine.execute([Command::Disconnect(session())], 2000, &mut |_| (), |_| ());
    let after = r#"{"a":{"t":2000,"x":1,"y":{"z":1},".priority":2000},"n":6,"p":{".value":1,".priority":2000}}"#;
    assert_eq!(root(&engine), after);
}

#[test]
fn what_may_not_be_is_refused_at_once_and_left_out_at_the_end() {
    let mut engine = open("null", Ruleset::Locked);
    assert_eq!(run(&mut engine, vec![at_end("a", "1"), cancel("a")]), ["Permission denied", "Accepted"]);
    let as_admin = |path: &str| {
        let intent = Intent::Set(Location::parse(path).unwrap(), data("1"));
        Command::OnDisconnect(OnDisconnect { session: session(), caller: Caller::Admin, intent })
    };
    run(&mut engine, vec![Command::Rules(Ruleset::Open)]);
    run(&mut engine, vec![at_end("a", "1"), as_admin("b"), as_admin("c"), at_end("c/d", "2")]);
    run(&mut engine, vec![Command::Rules(Ruleset::Locked), Command::Disconnect(session())]);
    assert_eq!(root(&engine), r#"{"b":1}"#);

    let mut engine = open("null", Ruleset::Open);
    let too_deep = at_end(&"a/".repeat(32), r#"{"b":1}"#);
    let conflict = update_at_end("a", r#"{"b":1,"b/c":2}"#);
    let answers = run(&mut engine, vec![too_deep, conflict, at_end("a/.priority", "true")]);
    let expect = [
        "the data is nested deeper than 32 keys, counted from the root",
        "the update's path /a/b/c lies below its path /a/b",
        "a priority must be a number or a string",
    ];
    assert_eq!(answers, expect);
    assert!(engine.intents.is_empty() && engine.journal.commits.is_empty());
}

#[test]
fn a_session_is_kept_so_much_for() {
    let mut engine = open("null", Ruleset::Open);
    let many: Vec<_> = (0..1024).map(|part| format!("\"{part}\":1")).collect();
    let too_much = "too much is intended for the end of the session";
    let commands = vec![update_at_end("a", &format!("{{{}}}", many.join(","))), at_end("b", "1"), at_end("a/7", "2")];
    assert_eq!(run(&mut engine, commands), ["Accepted", too_much, "Accepted"]);
    let large = format!("\"{}\"", "x".repeat(9_000_000));
    let commands = vec![at_end("a", &large), at_end("b", &large), cancel("a"), at_end("b", &large)];
    assert_eq!(run(&mut engine, commands), ["Accepted", too_much, "Accepted", "Accepted"]);
}

#[test]
fn an_end_that_cannot_be_stored_comes_with_the_next_batch() {
    let mut engine = open("null", Ruleset::Open);
    let ear = Arc::new(super::listening::Ear::default());
    run(&mut engine, vec![at_end("a", "1"), at_end("b", "2"), super::listening::listen(&ear, 1, 1, "")]);
    engine.journal.fail = true;
    let not_stored = "the data could not be stored";
    assert_eq!(run(&mut engine, vec![Command::Disconnect(session()), at_end("c", "1")]), [not_stored; 2]);
    assert_eq!(run(&mut engine, vec![set("x", "1")]), [not_stored]);
    engine.journal.fail = false;
    assert_eq!(run(&mut engine, vec![set("a", "3")]), ["Written(3)"]);
    assert_eq!(root(&engine), r#"{"a":3,"b":2}"#);
    assert_eq!(ear.take(), ["1: / + [/a = 1, /b = 2]", "1: /a = 3"]);
    assert_eq!(run(&mut engine, vec![Command::Disconnect(session())]), ["Accepted"]);
    assert_eq!(root(&engine), r#"{"a":3,"b":2}"#);
}

#[test]
fn what_earlier_openings_left_happens_first() {
    let intended = |path: &str, text: &str| {
        let location = Location::parse(path).unwrap();
        (session(), Intended { caller: Caller::ANYONE, location, data: data(text) })
    };
    let intents = vec![intended("a", "1"), intended("b", r#"{".sv":"timestamp"}"#)];
    let journal = Told { root: data(r#"{"a":7}"#).node, intents, ..Told::default() };
    let mut engine = Engine::open(journal, Ruleset::Open).unwrap();
    assert_eq!(run(&mut engine, vec![set("a", r#"{".sv":{"increment":1}}"#)]), ["Written(2)"]);
    assert_eq!(root(&engine), r#"{"a":2,"b":1000}"#);
    assert_eq!(engine.journal.changes[..1], [IntentChange::End(session())]);
    assert_eq!(engine.journal.commits.len(), 2);
}

#[test]
fn what_is_intended_happens_on_behalf_of_who_intended_it() {
    let rules = r#"{"rules": {"own": {"$uid": {".write": "auth.uid == $uid && root.child('shut').val() != true"}},
        "shut": {".write": true}}}"#;
    let mut engine = open("null", Ruleset::parse(rules).unwrap());
    let members = serde_json::Map::from_iter([("uid".to_owned(), "ann".into())]);
    let ann = Caller::client(crate::rules::Auth::given(members));
    let by = |name: &str, caller: &Caller, path: &str| {
        let intent = Intent::Set(Location::parse(path).unwrap(), data("1"));
        Command::OnDisconnect(OnDisconnect { session: SessionId(name.into()), caller: caller.clone(), intent })
    };
    let answers = run(
        &mut engine,
        vec![
            by("s", &ann, "own/ann"),
            by("s", &ann, "own/bob"),
            by("s", &Caller::ANYONE, "own/ann"),
            by("t", &ann, "own/ann"),
        ],
    );
    assert_eq!(answers, ["Accepted", "Permission denied", "Permission denied", "Accepted"]);
    run(&mut engine, vec![Command::Disconnect(SessionId("s".into()))]);
    assert_eq!(root(&engine), r#"{"own":{"ann":1}}"#);
    // What may not happen any more does not.
    run(&mut engine, vec![set("shut", "true"), Command::Disconnect(SessionId("t".into()))]);
    run(&mut engine, vec![Command::Transaction(Box::new(|_| Ok(Box::new(()))))]);
    assert_eq!(root(&engine), r#"{"own":{"ann":1},"shut":true}"#);
}
