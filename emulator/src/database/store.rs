//! The journal on SQLite: one row a leaf, so that opening takes as long as the data is large, not its history.
//!
//! A row's path is the keys joined by `/`. A branch has a row only for its priority. Must not know: what a commit is
//! for, or who waits for it.

use crate::storage::{Migration, OpenFile, Storage, StorageError};
use hearth_database::{Batch, Journal, JournalError, Key, Leaf, Loaded, Node, Path, Priority, Version};
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection};
use std::cmp::Ordering;

/// Booleans are blobs of one byte, because SQLite has none of its own.
const SCHEMA: &[Migration] = &[Migration(
    "CREATE TABLE node (path TEXT NOT NULL PRIMARY KEY, value ANY, priority ANY) STRICT, WITHOUT ROWID;
     CREATE TABLE version (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, seq INTEGER NOT NULL) STRICT;
     INSERT INTO version VALUES (1, 0, 0);",
)];

const PUT: &str = "INSERT INTO node VALUES (?1, ?2, ?3)
    ON CONFLICT (path) DO UPDATE SET value = excluded.value, priority = excluded.priority";
const DELETE: &str = "DELETE FROM node WHERE path = ?1";
/// `0` is the character after `/`.
const DELETE_BELOW: &str = "DELETE FROM node WHERE path > ?1 || '/' AND path < ?1 || '0'";
const DELETE_BELOW_ROOT: &str = "DELETE FROM node WHERE path > ''";
const LOAD: &str = "SELECT path, value, priority FROM node ORDER BY path";
const OPENED: &str = "UPDATE version SET epoch = epoch + 1 RETURNING epoch, seq";
const COUNTED: &str = "UPDATE version SET seq = ?1";

/// What is in the file is no tree.
#[derive(Debug, thiserror::Error)]
enum Corrupt {
    #[error("the row of {0:?} is not one of a tree")]
    Row(String),
    #[error("a node is both a value and a parent")]
    Overlap,
}

/// The file of one database.
#[derive(Debug)]
pub(super) struct Store {
    file: OpenFile,
    name: String,
}

impl Store {
    /// Opens the file of the database called `name`.
    pub(super) fn open(storage: &Storage, name: &str) -> Result<Self, StorageError> {
        Ok(Self { file: storage.open(&format!("database/{name}"), SCHEMA)?, name: name.to_owned() })
    }
}

fn failed(error: rusqlite::Error) -> JournalError {
    JournalError(Box::new(error))
}

impl Journal for Store {
    fn load(&mut self) -> Result<Loaded, JournalError> {
        let connection = &self.file.writer;
        let root = load(connection)?;
        let (epoch, seq) = connection
            .query_row(OPENED, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
            .map_err(failed)?;
        Ok(Loaded { root, version: Version { epoch: epoch.cast_unsigned(), seq: seq.cast_unsigned() } })
    }

    fn commit(&mut self, batch: Batch<'_>) -> Result<(), JournalError> {
        commit(&mut self.file.writer, batch).map_err(|error| {
            tracing::error!(database = self.name, %error, "cannot store a batch of changes");
            failed(error)
        })
    }
}

fn commit(connection: &mut Connection, batch: Batch<'_>) -> rusqlite::Result<()> {
    let mut touched: Vec<&Path> = batch.touched.iter().collect();
    touched.sort_unstable();
    // A path stands right before those below it, whose changes it covers.
    touched.dedup_by(|below, above| above.contains(below));
    // Dropped before the commit, it rolls back.
    let transaction = connection.transaction()?;
    {
        let mut rows = Rows::new(&transaction)?;
        for path in touched {
            rows.touch(path, batch.before, batch.after)?;
        }
        transaction.prepare_cached(COUNTED)?.execute([batch.version.seq.cast_signed()])?;
    }
    transaction.commit()
}

/// Writes the rows that differ between two trees.
struct Rows<'c> {
    put: CachedStatement<'c>,
    delete: CachedStatement<'c>,
    delete_below: CachedStatement<'c>,
    delete_below_root: CachedStatement<'c>,
    /// The path of the node at hand.
    path: String,
}

/// What a node's own row holds: its value, unless it is a branch, and its priority.
type Row<'n> = (Option<&'n Leaf>, Option<&'n Leaf>);

fn row(node: &Node) -> Option<Row<'_>> {
    let row = (node.as_leaf(), node.priority().map(Priority::leaf));
    (row != (None, None)).then_some(row)
}

impl<'c> Rows<'c> {
    fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            put: connection.prepare_cached(PUT)?,
            delete: connection.prepare_cached(DELETE)?,
            delete_below: connection.prepare_cached(DELETE_BELOW)?,
            delete_below_root: connection.prepare_cached(DELETE_BELOW_ROOT)?,
            path: String::new(),
        })
    }

    /// Brings the rows of `path`, of all below it and of its parents from `before` to `after`.
    fn touch(&mut self, path: &Path, mut before: &Node, mut after: &Node) -> rusqlite::Result<()> {
        self.path.clear();
        for key in path.keys() {
            self.own(before, after)?;
            (before, after) = (before.child(key.as_str()), after.child(key.as_str()));
            self.enter(key);
        }
        self.differ(before, after)
    }

    fn differ(&mut self, before: &Node, after: &Node) -> rusqlite::Result<()> {
        if before.is_same(after) {
            return Ok(());
        }
        self.own(before, after)?;
        if after.is_empty() && !before.is_empty() {
            return match self.path.as_str() {
                "" => self.delete_below_root.execute([]),
                path => self.delete_below.execute([path]),
            }
            .map(drop);
        }
        let (mut olds, mut news) = (before.children().peekable(), after.children().peekable());
        loop {
            let order = match (olds.peek(), news.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((old, _)), Some((new, _))) => old.cmp(new),
            };
            let old = if order.is_le() { olds.next() } else { None };
            let new = if order.is_ge() { news.next() } else { None };
            if let Some((key, _)) = old.or(new) {
                let length = self.path.len();
                self.enter(key);
                self.differ(old.map_or(&Node::NULL, |(_, node)| node), new.map_or(&Node::NULL, |(_, node)| node))?;
                self.path.truncate(length);
            }
        }
    }

    fn own(&mut self, before: &Node, after: &Node) -> rusqlite::Result<()> {
        match (row(before), row(after)) {
            (before, after) if before == after => Ok(()),
            (_, Some((value, priority))) => self.put.execute((&self.path, to_sql(value), to_sql(priority))).map(drop),
            (_, None) => self.delete.execute([&self.path]).map(drop),
        }
    }

    fn enter(&mut self, key: &Key) {
        if !self.path.is_empty() {
            self.path.push('/');
        }
        self.path.push_str(key.as_str());
    }
}

fn to_sql(leaf: Option<&Leaf>) -> rusqlite::types::ToSqlOutput<'_> {
    rusqlite::types::ToSqlOutput::Borrowed(match leaf {
        None => ValueRef::Null,
        Some(Leaf::Bool(false)) => ValueRef::Blob(&[0]),
        Some(Leaf::Bool(true)) => ValueRef::Blob(&[1]),
        Some(Leaf::Int(int)) => ValueRef::Integer(*int),
        Some(Leaf::Double(double)) => ValueRef::Real(*double),
        Some(Leaf::Text(text)) => ValueRef::Text(text.as_bytes()),
    })
}

/// `None` for what no leaf is stored as.
fn from_sql(value: ValueRef<'_>) -> Option<Option<Leaf>> {
    Some(match value {
        ValueRef::Null => None,
        ValueRef::Blob([0]) => Some(Leaf::Bool(false)),
        ValueRef::Blob([1]) => Some(Leaf::Bool(true)),
        ValueRef::Blob(_) => return None,
        ValueRef::Integer(int) => Some(Leaf::Int(int)),
        ValueRef::Real(double) => Some(Leaf::number(double).ok()?),
        ValueRef::Text(text) => Some(Leaf::text(std::str::from_utf8(text).ok()?)),
    })
}

fn load(connection: &Connection) -> Result<Node, JournalError> {
    let mut builder = Builder::default();
    let mut statement = connection.prepare(LOAD).map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let path: String = row.get(0).map_err(failed)?;
        let (value, priority) = (row.get_ref(1).map_err(failed)?, row.get_ref(2).map_err(failed)?);
        let added = from_sql(value).zip(from_sql(priority)).and_then(|(value, priority)| {
            let priority = match priority {
                None => None,
                Some(leaf) => Some(Priority::new(leaf)?),
            };
            builder.add(&path, value, priority)
        });
        added.ok_or_else(|| JournalError(Box::new(Corrupt::Row(path))))?;
    }
    builder.finish().ok_or_else(|| JournalError(Box::new(Corrupt::Overlap)))
}

/// Makes a tree of rows in the order of their paths, in which all that lies below one node stands together.
#[derive(Default)]
struct Builder {
    /// The branches from the root to the last leaf, each with the children it has so far.
    branches: Vec<Vec<(Key, Node)>>,
    /// The keys of all these branches but the root.
    keys: Vec<Key>,
    root: Option<Node>,
    leaves: usize,
    /// Priorities of branches, which come before their children.
    priorities: Vec<(Path, Priority)>,
}

impl Builder {
    /// `None` if that is no row of a tree.
    fn add(&mut self, path: &str, value: Option<Leaf>, priority: Option<Priority>) -> Option<()> {
        let Some(leaf) = value else {
            self.priorities.push((Path::parse(path).ok()?, priority?));
            return Some(());
        };
        self.leaves += 1;
        let node = Node::from(leaf).with_priority(priority);
        let Some((above, key)) = path.rsplit_once('/').or(if path.is_empty() { None } else { Some(("", path)) }) else {
            self.root = Some(node);
            return Some(());
        };
        let above = || above.split('/').filter(|segment| !segment.is_empty());
        let shared = self.keys.iter().zip(above()).take_while(|(key, segment)| key.as_str() == *segment).count();
        self.close(shared);
        if self.branches.is_empty() {
            self.branches.push(Vec::new());
        }
        for segment in above().skip(shared) {
            self.keys.push(Key::new(segment).ok()?);
            self.branches.push(Vec::new());
        }
        self.branches.last_mut()?.push((Key::new(key).ok()?, node));
        Some(())
    }

    /// Finishes the branches below the first `depth` keys.
    fn close(&mut self, depth: usize) {
        while self.keys.len() > depth {
            let (key, children) = (self.keys.pop(), self.branches.pop());
            if let (Some(key), Some(children), Some(parent)) = (key, children, self.branches.last_mut()) {
                parent.push((key, Node::branch(children)));
            }
        }
    }

    /// `None` if two rows exclude each other.
    fn finish(mut self) -> Option<Node> {
        self.close(0);
        let mut root = match (self.root, self.branches.pop()) {
            (Some(_), Some(_)) => return None,
            (Some(leaf), None) => leaf,
            (None, children) => Node::branch(children.unwrap_or_default()),
        };
        if leaves(&root) != self.leaves {
            return None;
        }
        for (path, priority) in self.priorities {
            let node = root.get(&path).with_priority(Some(priority));
            root = root.set(&path, node);
        }
        Some(root)
    }
}

fn leaves(node: &Node) -> usize {
    if node.as_leaf().is_some() { 1 } else { node.children().map(|(_, child)| leaves(child)).sum() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Durability;
    use hearth_database::json::{self, Form};
    use hearth_database::{Caller, Change, Command, Engine, Location, Ruleset, Write};

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
    fn stored(storage: &Storage) -> String {
        json::to_text(&load(&Store::open(storage, "one").unwrap().file.writer).unwrap(), Form::Export)
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
        let rows = "SELECT count(*) FROM node";
        let rows: i64 =
            Store::open(&storage, "one").unwrap().file.writer.query_row(rows, [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0);
    }

    #[test]
    fn random_batches_are_stored_as_they_are() {
        for seed in 0..4_u64 {
            let mut state = seed;
            let mut below = |limit: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % limit
            };
            let storage = Storage::memory();
            let mut engine = open(&storage);
            for step in 0..200 {
                let batch: Vec<_> = (0..1 + below(5))
                    .map(|_| {
                        let names = ["a", "a-b", "a0", "10", "9"];
                        let keys: Vec<_> = (0..below(4)).map(|_| names[below(5) as usize]).collect();
                        let (path, number) = (keys.join("/"), below(3));
                        match below(7) {
                            0 | 1 => (path, "null".to_owned()),
                            2 => (format!("{path}/.priority"), number.to_string()),
                            3 => (format!("{path}/.priority"), "null".to_owned()),
                            4 => (path, format!("{{\"a\":{number},\"a-b\":{{\"9\":true}},\".priority\":{number}}}")),
                            5 => (path, format!("{{\".value\":{number},\".priority\":{number}}}")),
                            _ => (path, number.to_string()),
                        }
                    })
                    .collect();
                let batch: Vec<_> = batch.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
                run(&mut engine, &batch);
                assert_eq!(stored(&storage), text(&engine), "seed {seed}, step {step}: {batch:?}");
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
        let mut engine = open(&storage);
        let many: Vec<_> = (0..100).map(|i| format!("\"k{i}\":{{\"v\":{i}}}")).collect();
        run(&mut engine, &[("a", &format!("{{{}}}", many.join(",")))]);
        let mut store = Store::open(&storage, "one").unwrap();
        let before = engine.snapshot().root.clone();
        let path = |text| Path::parse(text).unwrap();
        let after = before.set(&path("a/k7/v"), Leaf::Int(-1).into());
        let changes = |store: &Store| store.file.writer.total_changes();
        let counted = changes(&store);
        let version = Version { epoch: 1, seq: 2 };
        store.commit(Batch { before: &before, after: &after, touched: &[path("a"), path("a/k7/v")], version }).unwrap();
        assert_eq!(changes(&store) - counted, 2, "one leaf and the version");
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
}
