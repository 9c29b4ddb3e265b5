//! What listeners are told, and when.

use super::*;
use crate::query::{Limit, Order, Query};
use std::sync::{Arc, Mutex};

/// Writes down what it is told, as `listener: news`.
#[derive(Default)]
pub(super) struct Ear(Mutex<Vec<String>>);

impl Audience for Ear {
    fn hear(&self, listener: ListenerId, event: &Arc<Event>) {
        let news = match &event.news {
            News::Put(location, node) => format!("{location} = {node:?}"),
            News::Patch { path, parts } => {
                let parts: Vec<_> = parts.iter().map(|(location, node)| format!("{location} = {node:?}")).collect();
                format!("{path} + [{}]", parts.join(", "))
            }
        };
        self.0.lock().unwrap().push(format!("{}: {news}", listener.0));
    }

    fn revoke(&self, listener: ListenerId) {
        self.0.lock().unwrap().push(format!("{}: revoked", listener.0));
    }
}

impl Ear {
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn listen_as(caller: Caller, ear: &Arc<Ear>, connection: u64, listener: u64, path: &str) -> Command {
    Command::Listen(Listen {
        connection: ConnectionId(connection),
        listener: ListenerId(listener),
        caller,
        path: Path::parse(path).unwrap(),
        query: Query::default(),
        known: None,
        audience: Arc::clone(ear) as _,
    })
}

pub(super) fn listen(ear: &Arc<Ear>, connection: u64, listener: u64, path: &str) -> Command {
    listen_as(Caller::ANYONE, ear, connection, listener, path)
}

/// Listeners 0, 1, … at `paths` hear of `command` what `expect` says.
fn check(before: &str, paths: &[&str], command: Command, expect: &[&str]) {
    let mut engine = open(before, Ruleset::Open);
    let ear = Arc::new(Ear::default());
    let listens = paths.iter().zip(0..).map(|(path, number)| listen(&ear, 1, number, path)).collect();
    run(&mut engine, listens);
    run(&mut engine, vec![command]);
    let mut heard = ear.take();
    heard.sort();
    assert_eq!(heard, expect);
}

#[test]
fn each_hears_what_changes_for_it() {
    let at = ["", "a", "a/b", "a/b/c", "x"];
    check(
        "null",
        &at,
        set("a/b", r#"{"c":1,"d":2}"#),
        &[r#"0: /a/b = {"c":1,"d":2}"#, r#"1: /a/b = {"c":1,"d":2}"#, r#"2: /a/b = {"c":1,"d":2}"#, "3: /a/b/c = 1"],
    );
    check(
        r#"{"a":{"b":{"c":1}}}"#,
        &at,
        set("a", r#"{"b":{"c":1}}"#),
        &[r#"0: /a = {"b":{"c":1}}"#, r#"1: /a = {"b":{"c":1}}"#, r#"2: /a/b = {"c":1}"#],
    );
    check(r#"{"a":{"b":{"c":1}}}"#, &at, set("a/b/c", "1"), &[]);
    check(
        r#"{"a":{"b":{"c":1}}}"#,
        &at,
        write("a/b/c", Change::Remove),
        &["0: /a/b/c = null", "1: /a/b/c = null", "2: /a/b/c = null", "3: /a/b/c = null"],
    );
    check("null", &at, write("a/b/c", Change::Remove), &[]);
    check("1", &["", "a"], set("a/b", "2"), &["0: /a/b = 2", r#"1: /a/b = 2"#]);
    check(
        r#"{"a":{"b":1}}"#,
        &at,
        set("a/b/.priority", "2"),
        &["0: /a/b/.priority = 2", "1: /a/b/.priority = 2", "2: /a/b/.priority = 2"],
    );
    check(r#"{"a":{"b":{".value":1,".priority":2}}}"#, &at, set("a/b/.priority", "2"), &[]);
}

#[test]
fn of_an_update_each_hears_its_parts() {
    let before = r#"{"a":{"b":{"c":1,"d":2},"e":3}}"#;
    check(
        before,
        &["", "a", "a/b", "a/b/c", "a/e", "a/f"],
        update("a", r#"{"b/c":5,"b/x":6,"e":3,"f/g":7}"#),
        &[
            "0: /a + [/b/c = 5, /b/x = 6, /f/g = 7]",
            "1: /a + [/b/c = 5, /b/x = 6, /f/g = 7]",
            "2: /a/b + [/c = 5, /x = 6]",
            "3: /a/b/c = 5",
            "5: /a/f/g = 7",
        ],
    );
    check(
        before,
        &["", "a/b"],
        update("a", r#"{"b/.priority":1,"b/c":5}"#),
        &["0: /a + [/b/.priority = 1, /b/c = 5]", "1: /a/b + [/.priority = 1, /c = 5]"],
    );
    check("null", &["", "a"], update("a", "{}"), &[]);
    let both = transaction(|transaction| {
        transaction.set("a/e", Node::NULL)?;
        transaction.set("a/b/c", Node::from(Leaf::Int(5)))?;
        transaction.set("a/b", Node::from(Leaf::Int(6)))?;
        Ok(())
    });
    check(
        before,
        &["", "a", "a/b/d"],
        both,
        &["0: / + [/a/b = 6, /a/e = null]", "1: /a + [/b = 6, /e = null]", "2: /a/b/d = null"],
    );
}

/// Set one after the other, the parts could take the priority of a node along.
#[test]
fn a_node_with_a_priority_of_which_no_child_stays_is_sent_whole() {
    check(
        r#"{"h":{"x":1,".priority":5}}"#,
        &[""],
        update("h", r#"{"y":2,"x":null}"#),
        &[r#"0: /h = {"y":2,".priority":5}"#],
    );
    check(
        "null",
        &["", "h/y"],
        update("", r#"{"h/y":2,"h/.priority":1}"#),
        &[r#"0: /h = {"y":2,".priority":1}"#, "1: /h/y = 2"],
    );
    check(
        r#"{"h":{"k":{"x":1},".priority":5}}"#,
        &[""],
        update("h/k", r#"{"y":2,"x":null}"#),
        &[r#"0: /h = {"k":{"y":2},".priority":5}"#],
    );
}

#[test]
fn commands_of_one_batch_are_heard_one_by_one_after_the_commit() {
    let mut engine = open(r#"{"a":1}"#, Ruleset::Open);
    let ear = Arc::new(Ear::default());
    let asked = listen(&ear, 1, 7, "a");
    let get = || Command::Get(Get { caller: Caller::ANYONE, path: Path::parse("a").unwrap(), query: Query::default() });
    // A listener that comes with a batch begins with the state after it.
    let panicking = transaction(|transaction| {
        transaction.set("a", Node::NULL)?;
        panic!("as the test wants it")
    });
    let answers = run(&mut engine, vec![get(), asked, set("a", "2"), get()]);
    assert_eq!(answers, ["Got(2)", "Listening { data: Some(2), unindexed: false }", "Written(2)", "Got(2)"]);
    assert_eq!(ear.take(), [""; 0]);
    run(&mut engine, vec![set("a", "3"), panicking, set("a", "2"), set("b", "1"), set("a", "4")]);
    assert_eq!(ear.take(), ["7: /a = 3", "7: /a = 2", "7: /a = 4"]);
    engine.journal.fail = true;
    let answers = run(&mut engine, vec![set("a", "5"), get(), Command::Unlisten(ConnectionId(1), ListenerId(7))]);
    assert_eq!(answers, ["the data could not be stored", "Got(4)", "Accepted"]);
    engine.journal.fail = false;
    run(&mut engine, vec![set("a", "6")]);
    assert_eq!(ear.take(), [""; 0]);
}

#[test]
fn who_holds_the_data_already_is_not_sent_it() {
    let mut engine = open(r#"{"a":{"b":1}}"#, Ruleset::Open);
    let ear = Arc::new(Ear::default());
    let mut known = |path: &str, known: &str| {
        let Command::Listen(listen) = listen(&ear, 1, 1, path) else { unreachable!() };
        let answers = run(&mut engine, vec![Command::Listen(Listen { known: Some(known.to_owned()), ..listen })]);
        answers.concat()
    };
    let hash = data(r#"{"b":1}"#).node.hash();
    assert_eq!(known("a", &hash), "Listening { data: None, unindexed: false }");
    assert_eq!(known("a", ""), r#"Listening { data: Some({"b":1}), unindexed: false }"#);
    assert_eq!(known("x", ""), "Listening { data: None, unindexed: false }");
    assert_eq!(known("x", &hash), "Listening { data: Some(null), unindexed: false }");
}

#[test]
fn whoever_listens_alike_is_given_the_same_event() {
    struct Keeps(Mutex<Vec<Arc<Event>>>);
    impl Audience for Keeps {
        fn hear(&self, _: ListenerId, event: &Arc<Event>) {
            self.0.lock().unwrap().push(Arc::clone(event));
        }
        fn revoke(&self, _: ListenerId) {}
    }
    let mut engine = open("null", Ruleset::Open);
    let keeps = Arc::new(Keeps(Mutex::default()));
    for (number, path) in ["a", "a", "", "a/b"].iter().enumerate() {
        let Command::Listen(listen) = listen(&Arc::default(), number as u64, 1, path) else { unreachable!() };
        run(&mut engine, vec![Command::Listen(Listen { audience: Arc::clone(&keeps) as _, ..listen })]);
    }
    run(&mut engine, vec![set("a/b", "1")]);
    run(&mut engine, vec![update("a", r#"{"c":1,"d":2}"#)]);
    let events = keeps.0.lock().unwrap();
    assert_eq!(events.len(), 7);
    assert!(events[..4].iter().all(|event| Arc::ptr_eq(event, &events[0])));
    assert!(events[4..].iter().all(|event| Arc::ptr_eq(event, &events[4])));
    assert_eq!((events[0].version.seq, events[4].version.seq), (8, 9));
}

#[test]
fn who_has_left_hears_nothing_and_the_others_go_on() {
    let mut engine = open("null", Ruleset::Open);
    let ears: Vec<_> = (0..4).map(|_| Arc::new(Ear::default())).collect();
    let all = |engine: &mut Engine<Told>, value: &str| {
        run(engine, vec![set("a", value)]);
        ears.iter().map(|ear| ear.take().len()).collect::<Vec<_>>()
    };
    for (ear, number) in ears.iter().zip(0..) {
        run(&mut engine, vec![listen(ear, number, 1, "a"), listen(ear, number, 2, "a"), listen(ear, number, 3, "b")]);
    }
    assert_eq!(all(&mut engine, "1"), [2, 2, 2, 2]);
    run(&mut engine, vec![Command::Unlisten(ConnectionId(0), ListenerId(1)), Command::Leave(ConnectionId(2))]);
    assert_eq!(all(&mut engine, "2"), [1, 2, 0, 2]);
    // One of the same number is replaced.
    run(&mut engine, vec![listen(&ears[2], 3, 1, "a"), listen(&ears[3], 3, 2, "c")]);
    assert_eq!(all(&mut engine, "3"), [1, 2, 1, 0]);
    run(&mut engine, (0..4).map(|number| Command::Leave(ConnectionId(number))).collect());
    assert_eq!(all(&mut engine, "4"), [0; 4]);
    assert!(engine.listeners.is_empty());
    assert!(!format!("{:?}", engine.listeners).is_empty());
}

#[test]
fn who_may_no_longer_read_is_revoked() {
    let mut engine = open("1", Ruleset::Open);
    let (client, admin) = (Arc::new(Ear::default()), Arc::new(Ear::default()));
    run(&mut engine, vec![listen(&client, 1, 1, "a"), listen_as(Caller::Admin, &admin, 2, 1, "a")]);
    run(&mut engine, vec![listen_as(Caller::Admin, &admin, 2, 2, "a")]);
    let answers = run(
        &mut engine,
        vec![listen(&client, 1, 2, "b"), Command::Rules(Ruleset::Locked), listen(&client, 1, 3, "b"), set("x", "1")],
    );
    let listening = "Listening { data: Some(null), unindexed: false }";
    assert_eq!(answers, [listening, "Accepted", "Permission denied", "Permission denied"]);
    assert_eq!(client.take(), ["1: revoked", "2: revoked"]);
    assert_eq!(engine.snapshot().rules, Ruleset::Locked);
    let Command::Write(as_admin) = set("a", "2") else { unreachable!() };
    let as_admin = Write { caller: Caller::Admin, ..as_admin };
    run(&mut engine, vec![Command::Write(as_admin.clone())]);
    assert_eq!(admin.take().len(), 2);
    run(&mut engine, vec![Command::Become(ConnectionId(2), Caller::ANYONE)]);
    assert_eq!(admin.take(), ["1: revoked", "2: revoked"]);
    run(&mut engine, vec![Command::Write(Write { change: Change::Remove, ..as_admin })]);
    assert_eq!((admin.take().len(), client.take().len()), (0, 0));
}

#[test]
fn a_query_sees_its_window_and_wants_an_index() {
    let order = |child| Order::Child(Path::parse(child).unwrap());
    let query = |order, limit| Query { order, limit: Some(limit), ..Query::default() };
    let lowest = query(order("n"), Limit::First(2));
    let before = r#"{"l":{"a":{"n":1},"b":{"n":2},"c":{"n":3}}}"#;
    let mut engine = open(before, Ruleset::Open);
    let get = |query| Command::Get(Get { caller: Caller::ANYONE, path: Path::parse("l").unwrap(), query });
    let deep = query(order("x/y"), Limit::First(2));
    let answers = run(
        &mut engine,
        vec![
            get(lowest.clone()),
            get(deep),
            get(query(Order::Value, Limit::First(1))),
            get(query(Order::Key, Limit::Last(1))),
            get(Query { limit: None, ..lowest.clone() }),
        ],
    );
    let missing = |index| format!("Index not defined, add \".indexOn\": \"{index}\", for path \"/l\", to the rules");
    let whole = r#"Got({"a":{"n":1},"b":{"n":2},"c":{"n":3}})"#.to_owned();
    assert_eq!(answers, [missing("n"), missing("x/y"), missing(".value"), r#"Got({"c":{"n":3}})"#.to_owned(), whole]);
    let ear = Arc::new(Ear::default());
    for (listener, query) in [(1, &lowest), (2, &lowest), (3, &query(Order::Key, Limit::Last(1)))] {
        let Command::Listen(listen) = listen(&ear, 1, listener, "l") else { unreachable!() };
        run(&mut engine, vec![Command::Listen(Listen { query: query.clone(), ..listen })]);
    }
    run(&mut engine, vec![set("l/c/n", "0")]);
    let mut heard = ear.take();
    heard.sort();
    let window = r#"/l + [/b = null, /c = {"n":0}]"#;
    assert_eq!(heard, [format!("1: {window}"), format!("2: {window}"), "3: /l/c/n = 0".to_owned()]);
    run(&mut engine, vec![set("l/b/n", "5"), set("x", "1")]);
    assert_eq!(ear.take(), [""; 0]);
}

fn user(name: &str) -> Caller {
    let members = serde_json::Map::from_iter([("uid".to_owned(), name.into())]);
    Caller::client(crate::rules::Auth::given(members))
}

#[test]
fn listeners_are_judged_again_when_what_their_right_depends_on_changes() {
    let rules = r#"{"rules": {
        "shared": {".read": "root.child('members').child(auth.uid).val() == true", ".write": true},
        "members": {".write": true},
        "own": {"$uid": {".read": "auth.uid == $uid"}},
        "few": {".read": "query.orderByChild == 'n'"}
    }}"#;
    let mut engine = open(r#"{"members":{"ann":true,"bob":true}}"#, Ruleset::parse(rules).unwrap());
    let (ann, bob) = (Arc::new(Ear::default()), Arc::new(Ear::default()));
    let answers = run(
        &mut engine,
        vec![
            listen_as(user("ann"), &ann, 1, 1, "shared"),
            listen_as(user("ann"), &ann, 1, 2, "own/ann"),
            listen_as(user("bob"), &bob, 2, 1, "shared"),
            listen_as(user("eve"), &bob, 3, 1, "shared"),
            listen_as(user("bob"), &bob, 2, 2, "own/ann"),
            listen(&bob, 4, 1, "shared"),
        ],
    );
    assert_eq!(answers.iter().filter(|answer| *answer == "Permission denied").count(), 3, "{answers:?}");
    run(&mut engine, vec![set("shared", "1")]);
    assert_eq!((ann.take(), bob.take()), (vec!["1: /shared = 1".to_owned()], vec!["1: /shared = 1".to_owned()]));
    // Who loses the right hears nothing of what is written in the same batch, nor after.
    run(&mut engine, vec![set("members/bob", "false"), set("shared", "2")]);
    assert_eq!((ann.take(), bob.take()), (vec!["1: /shared = 2".to_owned()], vec!["1: revoked".to_owned()]));
    run(&mut engine, vec![Command::Become(ConnectionId(1), user("eve"))]);
    assert_eq!(ann.take(), ["1: revoked", "2: revoked"]);
    // A query is judged again as it was asked.
    let query = Query { order: Order::Child(Path::parse("n").unwrap()), ..Query::default() };
    let Command::Listen(listen) = listen(&ann, 5, 1, "few") else { unreachable!() };
    run(&mut engine, vec![Command::Listen(Listen { query, ..listen }), Command::Become(ConnectionId(5), user("x"))]);
    run(&mut engine, vec![Command::Rules(Ruleset::parse(rules).unwrap())]);
    assert_eq!(ann.take(), [""; 0]);
    run(&mut engine, vec![Command::Rules(Ruleset::parse(r#"{"rules": {".read": "auth.uid == 'y'"}}"#).unwrap())]);
    assert_eq!(ann.take(), ["1: revoked"]);
    assert!(engine.listeners.is_empty());
}
