//! Files as other versions have left them, and as no version has.

use super::*;
use crate::storage::Durability;
use crate::storage::disk::{Disk, End};
use hearth_database::json::{self, Form};
use hearth_database::{Engine, Leaf, Ruleset};
use std::fs;

/// What each format looked like, with the data of one database, as the version that knew no later one has left it. To be
/// added to, and never changed.
const FORMATS: [&str; 3] = [
    "CREATE TABLE node (path TEXT NOT NULL PRIMARY KEY, value ANY, priority ANY) STRICT, WITHOUT ROWID;
     CREATE TABLE version (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, seq INTEGER NOT NULL) STRICT;
     INSERT INTO version VALUES (1, 3, 7);
     INSERT INTO node VALUES ('a/b', 1, 2), ('c', x'01', NULL), ('d/e/f', 'text', NULL), ('d/e', NULL, 'p');
     PRAGMA user_version = 1",
    "CREATE TABLE node (path TEXT NOT NULL PRIMARY KEY, value ANY, priority ANY) STRICT, WITHOUT ROWID;
     CREATE TABLE version (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, seq INTEGER NOT NULL) STRICT;
     INSERT INTO version VALUES (1, 3, 5);
     CREATE TABLE journal (seq INTEGER PRIMARY KEY, changes TEXT NOT NULL) STRICT;
     INSERT INTO node VALUES ('a', 1.5, NULL), ('c', x'01', NULL);
     INSERT INTO journal VALUES (6, '[{\"delete\":[\"a\"]},{\"put\":[\"a/b\",1,2]}]'),
        (7, '[{\"put\":[\"d/e/f\",\"text\",null]},{\"put\":[\"d/e\",null,\"p\"]}]');
     PRAGMA user_version = 2",
    "CREATE TABLE node (path TEXT NOT NULL PRIMARY KEY, value ANY, priority ANY) STRICT, WITHOUT ROWID;
     CREATE TABLE version (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, seq INTEGER NOT NULL) STRICT;
     INSERT INTO version VALUES (1, 3, 6);
     CREATE TABLE journal (seq INTEGER PRIMARY KEY, changes TEXT NOT NULL) STRICT;
     CREATE TABLE intent (session TEXT NOT NULL, location TEXT NOT NULL,
    caller TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (session, location)) STRICT, WITHOUT ROWID;
     INSERT INTO node VALUES ('a/b', 1, 2), ('d/e/f', 'text', NULL), ('d/e', NULL, 'p');
     INSERT INTO journal VALUES (7, '[{\"put\":[\"gone\",1,null]},{\"delete\":[\"gone\"]}]');
     INSERT INTO intent VALUES ('s', '/c', 'client', 'true'), ('s', '/a/b/.priority', 'admin', '2');
     PRAGMA user_version = 3",
];

const DATA: &str = r#"{"a":{"b":{".value":1,".priority":2}},"c":true,"d":{"e":{"f":"text",".priority":"p"}}}"#;

/// A directory with this as the file of the database.
fn directory(write: impl FnOnce(&std::path::Path)) -> (tempfile::TempDir, Storage) {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::directory(folder.path(), Durability::Power).unwrap();
    fs::create_dir(folder.path().join("database")).unwrap();
    write(&folder.path().join("database/one.sqlite"));
    (folder, storage)
}

/// The tables of an open file.
fn tables(store: &Store) -> Vec<String> {
    let mut statement = store.file.writer.prepare("SELECT sql FROM sqlite_schema ORDER BY name").unwrap();
    let tables = statement.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
    tables.filter_map(Result::unwrap).map(|sql| sql.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn files_of_all_earlier_formats_are_taken_over() {
    assert_eq!(FORMATS.len(), SCHEMA.len(), "each format has its file here");
    let new = tables(&Store::open(&Storage::memory(), "one").unwrap());
    for format in FORMATS {
        let (_folder, storage) = directory(|file| Connection::open(file).unwrap().execute_batch(format).unwrap());
        for epoch in 4..6 {
            let store = Store::open(&storage, "one").unwrap();
            assert_eq!(tables(&store), new, "{format}");
            let mut engine = Engine::open(store, Ruleset::Open).unwrap();
            assert_eq!(engine.snapshot().version.epoch, epoch);
            engine.execute([], 0, &mut |_| (), |_| ());
            assert_eq!(json::to_text(&engine.snapshot().root, Form::Export), DATA, "{format}");
            assert!(engine.snapshot().version.seq >= 7);
        }
    }
}

#[test]
fn a_file_of_a_later_format_is_refused_and_left_alone() {
    let later = SCHEMA.len() + 2;
    let sql = format!("CREATE TABLE other (x); PRAGMA user_version = {later}");
    let (folder, storage) = directory(|file| Connection::open(file).unwrap().execute_batch(&sql).unwrap());
    let path = folder.path().join("database/one.sqlite");
    let error = Store::open(&storage, "one").unwrap_err().to_string();
    let expect = format!(
        "{} has format {later}, this version of Hearth knows up to {}; use the version that wrote it",
        path.display(),
        SCHEMA.len()
    );
    assert_eq!(error, expect);
    let file = Connection::open(path).unwrap();
    let tables: Vec<String> = file
        .prepare("SELECT name FROM sqlite_schema")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(tables, ["other"]);
}

#[test]
fn a_file_that_is_damaged_is_refused_by_name() {
    let whole = |file: &std::path::Path| {
        let connection = Connection::open(file).unwrap();
        connection.execute_batch(FORMATS[2]).unwrap();
        let many: Vec<String> = (0..2000).map(|key| format!("('k/{key}', 'some text', NULL)")).collect();
        connection.execute_batch(&format!("INSERT INTO node VALUES {}", many.join(","))).unwrap();
    };
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage, &str); 4] = [
        ("no SQLite", |bytes| *bytes = b"this is a note, and no database at all".repeat(300), "file is not a database"),
        ("cut off", |bytes| bytes.truncate(20_000), "database disk image is malformed"),
        ("pages of nothing", |bytes| bytes[8192..].fill(0), "database disk image is malformed"),
        ("a page of noise", |bytes| bytes[4096..8192].fill(0xa5), "database disk image is malformed"),
    ];
    for (name, damage, expect) in damages {
        let (folder, storage) = directory(whole);
        let path = folder.path().join("database/one.sqlite");
        let mut bytes = fs::read(&path).unwrap();
        damage(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        // It is no better the second time.
        for _ in 0..2 {
            let loaded = Store::open(&storage, "one")
                .map_err(|error| error.to_string())
                .and_then(|mut store| store.load().map(drop).map_err(|error| error.to_string()));
            let error = loaded.expect_err(name);
            assert!(error.contains(expect), "{name}: {error}");
        }
    }
}

/// So many commits that overwrite the same few places; how large the files are then, and how much of them the next
/// process reads.
fn after_history(commits: u64) -> (usize, usize) {
    let disk = Disk::new(1);
    let storage = Storage::on(&disk, Durability::Process);
    let mut store = Store::open(&storage, "one").unwrap();
    (store.most_journal_bytes, store.fold_above) = (20_000, 20_000);
    store.file.writer.pragma_update(None, "wal_autocheckpoint", 64).unwrap();
    let mut root = store.load().unwrap().root;
    for seq in 1..=commits {
        let path = Path::parse(&format!("list/{}/text", seq % 50)).unwrap();
        // Now and then it is gone for a while.
        let value = if seq % 7 == 0 { Node::NULL } else { Leaf::text(&format!("{seq} {}", "x".repeat(90))).into() };
        let after = root.set(&path, value);
        let version = Version { epoch: 1, seq };
        store.commit(Batch { before: &root, after: &after, touched: &[path], intents: &[], version }).unwrap();
        root = after;
    }
    disk.dies_after(0);
    drop(store);
    disk.restart(End::Kill);
    let used = disk.used();
    let before = disk.bytes_read();
    let mut store = Store::open(&storage, "one").unwrap();
    assert_eq!(store.load().unwrap().root, root);
    (used, disk.bytes_read() - before)
}

#[test]
fn neither_the_file_nor_its_opening_grows_with_what_has_been() {
    let ((short_used, short_read), (long_used, long_read)) = (after_history(1_000), after_history(20_000));
    // The journal and the log may be anywhere between empty and full.
    assert!(long_used < 2 * short_used, "{long_used} bytes after {short_used}");
    assert!(long_read < 2 * short_read, "{long_read} bytes are read, after {short_read}");
}
