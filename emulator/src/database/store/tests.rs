//! The file against the tree: after every batch, after a restart, after a failure.

use super::*;
use crate::storage::Durability;
use hearth_database::json::{self, Form};
use hearth_database::{Caller, Change, Command, Engine, Leaf, Location, Ruleset, Write};
use rusqlite::types::Value as Sql;

fn open(storage: &Storage) -> Engine<Store> {
    Engine::open(Store::open(storage, "one").unwrap(), Ruleset::Open).unwrap()
}

fn set(path: &str, text: &str) -> Command {
    let location = Location::parse(path).unwrap();
    let change = Change::Set(json::parse(text.as_bytes(), 0).unwrap());
    Command::Write(Write { caller: Caller::Admin, location, if_match: None, change })
}

fn run(engine: &mut Engine<Store>, batch: &[(&str, &str)]) {
    let commands: Vec<_> = batch.iter().map(|(path, text)| set(path, text)).collect();
    let answers = engine.execute(commands, 0, &mut |_| (), |_| ());
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

fn text(engine: &Engine<Store>) -> String {
    json::to_text(&engine.snapshot().root, Form::Export)
}

/// What a fresh look at the file finds.
fn stored_root(storage: &Storage) -> Node {
    let mut store = Store::open(storage, "one").unwrap();
    let transaction = store.file.writer.transaction().unwrap();
    replay(&transaction).unwrap();
    load(&transaction).unwrap()
}

fn stored(storage: &Storage) -> String {
    json::to_text(&stored_root(storage), Form::Export)
}

fn open_with(storage: &Storage, most_journal_bytes: usize) -> Engine<Store> {
    let mut store = Store::open(storage, "one").unwrap();
    (store.most_journal_bytes, store.fold_above, store.fold_step) = (most_journal_bytes, most_journal_bytes, 1);
    Engine::open(store, Ruleset::Open).unwrap()
}

/// The table itself, without the journal.
fn rows(storage: &Storage) -> Vec<(String, Sql, Sql)> {
    let store = Store::open(storage, "one").unwrap();
    let mut statement = store.file.writer.prepare("SELECT path, value, priority FROM node ORDER BY path").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn count(store: &Store, query: &str) -> i64 {
    store.file.writer.query_row(query, [], |row| row.get(0)).unwrap()
}

#[test]
fn after_every_batch_the_file_holds_the_tree() {
    let storage = Storage::memory();
    let mut engine = open(&storage);
    let every = r#"{"b":[true,false],"d":1.5,"i":9223372036854775807,"t":"é\u0000","w":1e300,"10":{"x":""},"9":0}"#;
    for batch in [
        &[("", "1")][..],
        &[("", every)],
        &[("i/j", "2"), ("i/k", "3"), ("t", "null")],
        &[("a/b", r#"{"c":1,".priority":2}"#), ("a/b-x", "1"), ("a/b/.priority", "3"), ("a/.priority", r#""p""#)],
        &[("a/b/c", "null")],
        &[("a/b", r#"{".value":1,".priority":2}"#), ("a/b/c/d", "true"), ("a/b0", "7")],
        &[("a/b", "5")],
        &[("a/b", r#"{"x":{"y":1},".priority":1}"#), ("a/b/x", r#"{"y":1,"z":2}"#)],
        &[("a/b/x", "null"), ("a/b-x", "null")],
        &[("a", "null")],
        &[("b", "[1,2,3]"), ("b/1", "null")],
        &[("", r#"{".value":"x",".priority":1}"#)],
        &[("a/b", "1")],
        &[("a", "2"), (".priority", "null")],
        &[("", "null")],
    ] {
        run(&mut engine, batch);
        assert_eq!(stored(&storage), text(&engine), "{batch:?}");
    }
    let kept = Store::open(&storage, "one").unwrap();
    drop(engine);
    assert_eq!(count(&kept, "SELECT (SELECT count(*) FROM node) + (SELECT count(*) FROM journal)"), 0);
}

#[test]
fn random_batches_are_stored_as_they_are() {
    for seed in 0..6_u64 {
        let mut state = seed;
        let mut below = |limit: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % limit
        };
        // One file without a journal, to compare with; in memory a file lives as long as somebody has it open.
        let (storage, plain) = (Storage::memory(), Storage::memory());
        let _kept = Store::open(&storage, "one").unwrap();
        let bound = [0, 40, 300, 100_000][seed as usize % 4];
        let (mut engine, mut direct) = (open_with(&storage, bound), open_with(&plain, 0));
        for step in 0..200 {
            let batch: Vec<_> = (0..1 + below(5))
                .map(|_| {
                    let names = ["a", "a-b", "a0", "10", "9"];
                    let keys: Vec<_> = (0..below(4)).map(|_| names[below(5) as usize]).collect();
                    let leaves = ["0", "9007199254740993", "1e16", "0.30000000000000004", "-0.0", "2.5e-308", "\"1\""];
                    let (path, number, leaf) = (keys.join("/"), below(3), leaves[below(7) as usize]);
                    match below(8) {
                        0 | 1 => (path, "null".to_owned()),
                        2 => (format!("{path}/.priority"), leaf.to_owned()),
                        3 => (format!("{path}/.priority"), "null".to_owned()),
                        4 => (path, format!("{{\"a\":{leaf},\"a-b\":{{\"9\":true}},\".priority\":{number}}}")),
                        5 => (path, format!("{{\".value\":{number},\".priority\":{leaf}}}")),
                        6 => (path, (number > 1).to_string()),
                        _ => (path, leaf.to_owned()),
                    }
                })
                .collect();
            let batch: Vec<_> = batch.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
            run(&mut engine, &batch);
            run(&mut direct, &batch);
            let before = engine.snapshot().clone();
            assert_eq!(stored_root(&storage), before.root, "seed {seed}, step {step}: {batch:?}");
            let ends = below(8);
            if ends < 2 {
                // Closed, or gone without a word.
                if ends == 0 {
                    drop(engine)
                } else {
                    std::mem::forget(engine)
                }
                engine = open_with(&storage, bound);
                assert_eq!(engine.snapshot().root, before.root, "seed {seed}, step {step}: {batch:?}");
                assert_eq!(engine.snapshot().version.seq, before.version.seq);
                assert_eq!(rows(&storage), rows(&plain), "seed {seed}, step {step}: {batch:?}");
            }
        }
    }
}

#[test]
fn a_database_is_the_same_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut before = (String::new(), Version::default());
    for epoch in 1..4 {
        let storage = Storage::directory(folder.path(), Durability::Power).unwrap();
        let mut engine = open(&storage);
        assert_eq!(engine.snapshot().version, Version { epoch, seq: before.1.seq });
        if epoch > 1 {
            assert_eq!(text(&engine), before.0);
        }
        for number in 0..50 {
            run(&mut engine, &[(&format!("a/{}", number * epoch), &number.to_string()), ("b/c", "true")]);
        }
        before = (text(&engine), engine.snapshot().version);
        assert_eq!(before.1.seq, epoch * 100);
    }
}

#[test]
fn only_what_differs_is_written() {
    let storage = Storage::memory();
    let mut engine = open_with(&storage, 0);
    let many: Vec<_> = (0..100).map(|i| format!("\"k{i}\":{{\"v\":{i}}}")).collect();
    run(&mut engine, &[("a", &format!("{{{}}}", many.join(",")))]);
    let mut store = Store::open(&storage, "one").unwrap();
    let before = store.load().unwrap().root;
    let path = |text| Path::parse(text).unwrap();
    let after = before.set(&path("a/k7/v"), Leaf::Int(-1).into());
    let version = Version { epoch: 2, seq: 2 };
    let counted = store.file.writer.total_changes();
    store
        .commit(Batch { before: &before, after: &after, touched: &[path("a"), path("a/k7/v")], intents: &[], version })
        .unwrap();
    assert_eq!(store.file.writer.total_changes() - counted, 1, "one entry");
    let entry: String = store.file.writer.query_row("SELECT changes FROM journal", [], |row| row.get(0)).unwrap();
    assert_eq!(entry, r#"[{"put":["a/k7/v",-1,null]}]"#);
    let counted = store.file.writer.total_changes();
    drop(store.fold(&[], &[], &after, 2));
    assert_eq!(store.file.writer.total_changes() - counted, 3, "one entry, one leaf and the version");
}

#[test]
fn the_journal_is_bounded_and_keeps_the_count() {
    let storage = Storage::memory();
    let mut store = Store::open(&storage, "one").unwrap();
    let (mut root, mut folds) = (store.load().unwrap().root, 0);
    let key = Path::parse("n").unwrap();
    for seq in 1..=60_000 {
        let after = root.set(&key, Leaf::Int(seq).into());
        let version = Version { epoch: 1, seq: seq.cast_unsigned() };
        let bytes = store.journal_bytes;
        store
            .commit(Batch { before: &root, after: &after, touched: std::slice::from_ref(&key), intents: &[], version })
            .unwrap();
        root = after;
        assert!(store.journal_bytes <= 2 * MOST_JOURNAL_BYTES);
        folds += i64::from(store.journal_bytes < bytes);
    }
    assert!(folds > 0);
    assert!(store.folding.is_none());
    let bytes = count(&store, "SELECT sum(length(CAST(changes AS BLOB))) FROM journal");
    assert_eq!(bytes.cast_unsigned(), store.journal_bytes as u64);
    // A change that changes nothing counts as well.
    let version = Version { epoch: 1, seq: 60_001 };
    store.commit(Batch { before: &root, after: &root, touched: &[key], intents: &[], version }).unwrap();
    let mut next = Store::open(&storage, "one").unwrap();
    for epoch in 2..4 {
        assert_eq!(next.load().unwrap().version, Version { epoch, seq: 60_001 });
        assert_eq!(count(&next, "SELECT count(*) FROM journal"), 0);
    }
    // What it had is folded already, by the other.
    std::mem::forget(store);
}

#[test]
fn a_fold_goes_on_with_each_commit() {
    let storage = Storage::memory();
    let mut store = Store::open(&storage, "one").unwrap();
    (store.most_journal_bytes, store.fold_above, store.fold_step) = (2000, 2000, 3);
    let (mut root, mut steps, mut folds) = (store.load().unwrap().root, 0, 0);
    for seq in 1..=600 {
        // Few paths, many times: what a fold has taken on changes while it goes on, goes, and comes back.
        let key = Path::parse(&format!("k{}/v", seq * 7 % 50)).unwrap();
        let after = root.set(&key, if seq % 3 == 0 { Node::NULL } else { Leaf::Int(seq % 2).into() });
        let version = Version { epoch: 1, seq: seq.cast_unsigned() };
        let (counted, was) = (store.file.writer.total_changes(), store.folding.is_some());
        store
            .commit(Batch { before: &root, after: &after, touched: std::slice::from_ref(&key), intents: &[], version })
            .unwrap();
        let ended = was && store.folding.is_none();
        assert!(ended || store.file.writer.total_changes() - counted <= 5, "an entry and four rows");
        (steps, folds) = (steps + u32::from(was), folds + u32::from(ended));
        root = after;
        assert_eq!(stored_root(&storage), root, "{seq}");
        assert!(store.journal_bytes <= 4000);
    }
    assert!(folds > 3 && steps > 5 * folds, "{steps} steps of {folds} folds");
    // Half way, the file goes on without this store.
    while store.folding.as_ref().is_none_or(|fold| fold.done == 0) {
        let version = Version { epoch: 1, seq: store.seq + 1 };
        let key = Path::parse("k0/v").unwrap();
        let after = root.set(&key, Leaf::Int(store.seq.cast_signed()).into());
        store.commit(Batch { before: &root, after: &after, touched: &[key], intents: &[], version }).unwrap();
        root = after;
    }
    let mut next = Store::open(&storage, "one").unwrap();
    let loaded = next.load().unwrap();
    assert_eq!((loaded.root, loaded.version.seq), (root, store.seq));
    std::mem::forget(store);
}

#[test]
fn a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::directory(folder.path(), Durability::Process).unwrap();
    let store = Store::open(&storage, "one").unwrap();
    store.file.writer.pragma_update(None, "max_page_count", 40).unwrap();
    let mut engine = Engine::open(store, Ruleset::Open).unwrap();
    run(&mut engine, &[("a", "1")]);
    let large = format!("\"{}\"", "x".repeat(1_000_000));
    let answers = engine.execute([set("a", "2"), set("b", &large)], 0, &mut |_| (), |_| panic!("published"));
    assert!(answers.iter().all(Result::is_err));
    assert_eq!((text(&engine), stored(&storage)), (r#"{"a":1}"#.to_owned(), r#"{"a":1}"#.to_owned()));
    run(&mut engine, &[("c", "3")]);
    assert_eq!(stored(&storage), r#"{"a":1,"c":3}"#);
}

/// Takes batches of one leaf each until one finds no room; answers the tree of those before.
fn fill(store: &mut Store, root: &Node, seq: &mut u64, seen: &mut impl FnMut(&Store)) -> Node {
    let mut root = root.clone();
    loop {
        *seq += 1;
        let path = Path::parse(&format!("k{seq}")).unwrap();
        let after = root.set(&path, Leaf::text("a text of some length").into());
        let version = Version { epoch: 1, seq: *seq };
        if store.commit(Batch { before: &root, after: &after, touched: &[path], intents: &[], version }).is_err() {
            return root;
        }
        root = after;
        seen(store);
    }
}

fn is_folded(store: &Store) -> bool {
    store.touched.is_empty() && store.folding.is_none()
}

#[test]
fn a_journal_that_cannot_be_folded_grows_and_is_folded_later() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::directory(folder.path(), Durability::Process).unwrap();
    let mut store = Store::open(&storage, "one").unwrap();
    (store.most_journal_bytes, store.fold_above) = (500, 500);
    store.file.writer.pragma_update(None, "max_page_count", 12).unwrap();
    let (mut seq, mut grown) = (0, false);
    let root = store.load().unwrap().root;
    let root = fill(&mut store, &root, &mut seq, &mut |store| grown |= store.fold_above > 500);
    assert!(grown, "no fold failed");
    assert!(root.len() > 100 && !is_folded(&store));
    assert_eq!(stored_root(&storage), root);

    // With room again, the next commits are taken, and soon it is folded.
    store.file.writer.pragma_update(None, "max_page_count", 20).unwrap();
    let (before, mut folded) = (root.len(), false);
    let root = fill(&mut store, &root, &mut seq, &mut |store| folded |= store.folding.is_none());
    assert!(folded && root.len() > before);
    assert_eq!(stored_root(&storage), root);

    // What makes room is not refused for want of it.
    let version = Version { epoch: 1, seq };
    let batch = Batch { before: &root, after: &Node::NULL, touched: &[Path::default()], intents: &[], version };
    store.commit(batch).unwrap();
    assert_eq!(stored_root(&storage), Node::NULL);
}

#[test]
fn an_entry_that_cannot_be_read_is_refused() {
    for (entry, expect) in [
        ("", "entry 5 of the journal cannot be read: EOF"),
        ("nonsense", "entry 5 of the journal cannot be read: expected"),
        (r#"[{"put":["b",1,null]},{"move":["b"]}]"#, "entry 5 of the journal cannot be read: unknown variant `move`"),
        (r#"[{"put":["b",{"double":"x"},null]}]"#, r#"entry 5 of the journal cannot be read: "x" is no double"#),
        (r#"[{"put":["a/b",1,null]}]"#, "a node is both"),
        (r#"[{"put":["b",1,true]}]"#, r#"the row of "b""#),
    ] {
        let storage = Storage::memory();
        let mut store = Store::open(&storage, "one").unwrap();
        store.file.writer.execute("INSERT INTO node VALUES ('a', 1, NULL)", []).unwrap();
        store
            .file
            .writer
            .execute("INSERT INTO journal VALUES (4, '[{\"put\":[\"a\",2,null]}]'), (5, ?1)", [entry])
            .unwrap();
        let error = store.load().unwrap_err().to_string();
        assert!(error.starts_with(expect), "{entry}: {error}");
        assert_eq!(rows(&storage), [("a".to_owned(), Sql::Integer(1), Sql::Null)]);
        assert_eq!(count(&store, "SELECT (SELECT count(*) FROM journal) + epoch + seq FROM version"), 2);
    }
}

#[test]
fn a_file_that_holds_no_tree_is_refused() {
    for row in [
        "'a/b', 2, NULL), ('a', 1, NULL",
        "'a.b', 1, NULL",
        "'a', x'05', NULL",
        "'a', 1, x'00'",
        "'', 1, NULL), ('a', 1, NULL",
    ] {
        let store = Store::open(&Storage::memory(), "one").unwrap();
        store.file.writer.execute_batch(&format!("INSERT INTO node VALUES ({row})")).unwrap();
        assert!(load(&store.file.writer).is_err(), "{row}");
    }
}
