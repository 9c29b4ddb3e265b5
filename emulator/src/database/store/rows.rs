//! The rows of the table `node`: how they are changed, and the tree they make.
//!
//! Must not know: when they are changed, and what else the file holds.

use super::diff::Changes;
use hearth_database::{JournalError, Key, Leaf, Node, Path, Priority};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection};

const PUT: &str = "INSERT INTO node VALUES (?1, ?2, ?3)
    ON CONFLICT (path) DO UPDATE SET value = excluded.value, priority = excluded.priority";
const DELETE: &str = "DELETE FROM node WHERE path = ?1";
/// `0` is the character after `/`.
const DELETE_BELOW: &str = "DELETE FROM node WHERE path > ?1 || '/' AND path < ?1 || '0'";
const DELETE_BELOW_ROOT: &str = "DELETE FROM node WHERE path > ''";
const LOAD: &str = "SELECT path, value, priority FROM node ORDER BY path";

/// What is in the table is no tree.
#[derive(Debug, thiserror::Error)]
enum Corrupt {
    #[error("the row of {0:?} is not one of a tree")]
    Row(String),
    #[error("a node is both a value and a parent")]
    Overlap,
}

/// Changes the rows.
pub(super) struct Rows<'c> {
    put: CachedStatement<'c>,
    delete: CachedStatement<'c>,
    delete_below: CachedStatement<'c>,
    delete_below_root: CachedStatement<'c>,
}

impl<'c> Rows<'c> {
    pub(super) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            put: connection.prepare_cached(PUT)?,
            delete: connection.prepare_cached(DELETE)?,
            delete_below: connection.prepare_cached(DELETE_BELOW)?,
            delete_below_root: connection.prepare_cached(DELETE_BELOW_ROOT)?,
        })
    }
}

impl Changes for Rows<'_> {
    type Error = rusqlite::Error;

    fn put(&mut self, path: &str, value: Option<&Leaf>, priority: Option<&Leaf>) -> rusqlite::Result<()> {
        self.put.execute((path, to_sql(value), to_sql(priority))).map(drop)
    }

    fn delete(&mut self, path: &str) -> rusqlite::Result<()> {
        self.delete.execute([path]).map(drop)
    }

    fn delete_below(&mut self, path: &str) -> rusqlite::Result<()> {
        match path {
            "" => self.delete_below_root.execute([]),
            path => self.delete_below.execute([path]),
        }
        .map(drop)
    }
}

/// Booleans are blobs of one byte, because SQLite has none of its own.
fn to_sql(leaf: Option<&Leaf>) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match leaf {
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

fn failed(error: rusqlite::Error) -> JournalError {
    JournalError(Box::new(error))
}

/// Reads the tree.
pub(super) fn load(connection: &Connection) -> Result<Node, JournalError> {
    let mut builder = Builder::default();
    let mut statement = connection.prepare(LOAD).map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let path = row.get_ref(0).and_then(|path| Ok(path.as_str()?)).map_err(failed)?;
        let (value, priority) = (row.get_ref(1).map_err(failed)?, row.get_ref(2).map_err(failed)?);
        let added = from_sql(value).zip(from_sql(priority)).and_then(|(value, priority)| {
            let priority = match priority {
                None => None,
                Some(leaf) => Some(Priority::new(leaf)?),
            };
            builder.add(path, value, priority)
        });
        added.ok_or_else(|| JournalError(Box::new(Corrupt::Row(path.to_owned()))))?;
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
    /// The path of the last of them, as the rows write it: most leaves have a sibling before them.
    above: String,
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
        if self.branches.is_empty() || self.above != above {
            self.enter(above)?;
        }
        self.branches.last_mut()?.push((Key::new(key).ok()?, node));
        Some(())
    }

    /// Makes the branch at `above` the last one.
    fn enter(&mut self, above: &str) -> Option<()> {
        let segments = || above.split('/').filter(|segment| !segment.is_empty());
        let shared = self.keys.iter().zip(segments()).take_while(|(key, segment)| key.as_str() == *segment).count();
        self.close(shared);
        if self.branches.is_empty() {
            self.branches.push(Vec::new());
        }
        for segment in segments().skip(shared) {
            self.keys.push(Key::new(segment).ok()?);
            self.branches.push(Vec::new());
        }
        above.clone_into(&mut self.above);
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
