//! Paths from the root of the tree, and what a request may address.

use super::key::{Key, KeyError};
use std::fmt;

/// A node lies at most so many keys below the root (firebase.google.com/docs/database/usage/limits).
pub const MOST_DEPTH: usize = 32;

/// The name of the virtual child that is a node's priority.
pub(super) const PRIORITY: &str = ".priority";

/// The keys from the root to a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<Key>);

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// One of its segments is no key.
    #[error("invalid path: {0}")]
    Key(#[from] KeyError),
    /// More than [`MOST_DEPTH`] keys.
    #[error("the path is deeper than {MOST_DEPTH} keys")]
    TooDeep,
    /// Something follows `.priority`, or it stands where no priority can be meant.
    #[error("invalid path: .priority is addressed where there can be none")]
    Priority,
}

impl Path {
    /// The root.
    pub const ROOT: Self = Self(Vec::new());

    /// Reads `a/b`, with or without a leading or trailing slash; empty segments are dropped.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn parse(text: &str) -> Result<Self, PathError> {
        Self::from_segments(segments(text))
    }

    /// The path of keys that have been split already.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn from_segments<'a>(segments: impl IntoIterator<Item = &'a str>) -> Result<Self, PathError> {
        let mut keys = Vec::new();
        for segment in segments {
            if keys.len() == MOST_DEPTH {
                return Err(PathError::TooDeep);
            }
            keys.push(Key::new(segment)?);
        }
        Ok(Self(keys))
    }

    /// The keys, from the root down.
    pub fn keys(&self) -> &[Key] {
        &self.0
    }

    /// How many keys it has.
    pub fn depth(&self) -> usize {
        self.0.len()
    }

    /// This path, and `below` after it.
    #[must_use]
    pub fn join(&self, below: &Self) -> Self {
        Self([self.keys(), below.keys()].concat())
    }

    /// This path without its first `depth` keys.
    #[must_use]
    pub fn skip(&self, depth: usize) -> Self {
        Self(self.0.get(depth..).unwrap_or_default().to_vec())
    }

    /// The path of a child.
    #[must_use]
    pub fn child(&self, key: Key) -> Self {
        let mut keys = Vec::with_capacity(self.0.len() + 1);
        keys.extend_from_slice(&self.0);
        keys.push(key);
        Self(keys)
    }

    /// Whether `other` is this path or lies below it.
    pub fn contains(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    pub(super) fn push(&mut self, key: Key) {
        self.0.push(key);
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }
}

impl fmt::Display for Path {
    /// `/a/b`; the root is `/`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("/");
        }
        self.0.iter().try_for_each(|key| write!(formatter, "/{key}"))
    }
}

/// What a request addresses: a node, or a node's priority.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Location {
    /// The node.
    pub path: Path,
    /// Whether the priority of the node is meant, not the node.
    pub priority: bool,
}

impl Location {
    /// Reads `a/b` or `a/b/.priority`.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn parse(text: &str) -> Result<Self, PathError> {
        Self::from_segments(segments(text))
    }

    /// The location of segments that have been split already.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn from_segments<'a>(segments: impl IntoIterator<Item = &'a str>) -> Result<Self, PathError> {
        let mut priority = false;
        let mut after = false;
        let keys = segments.into_iter().filter(|segment| {
            after |= priority;
            priority |= *segment == PRIORITY;
            *segment != PRIORITY
        });
        let path = Path::from_segments(keys)?;
        if after { Err(PathError::Priority) } else { Ok(Self { path, priority }) }
    }

    /// This location seen from `base`, which it was relative to.
    #[must_use]
    pub fn below(&self, base: &Path) -> Self {
        Self { path: base.join(&self.path), priority: self.priority }
    }
}

impl From<Path> for Location {
    fn from(path: Path) -> Self {
        Self { path, priority: false }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.priority, self.path.depth()) {
            (false, _) => write!(formatter, "{}", self.path),
            (true, 0) => write!(formatter, "/{PRIORITY}"),
            (true, _) => write!(formatter, "{}/{PRIORITY}", self.path),
        }
    }
}

/// The segments of `a/b` that are not empty.
pub(super) fn segments(text: &str) -> impl Iterator<Item = &str> {
    text.split('/').filter(|segment| !segment.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_node_or_its_priority() {
        for (text, expect) in [
            ("", Ok(("/", false))),
            ("/", Ok(("/", false))),
            ("a", Ok(("/a", false))),
            ("//a//b/", Ok(("/a/b", false))),
            (".priority", Ok(("/", true))),
            ("a/.priority", Ok(("/a", true))),
            ("a/.priority/b", Err(PathError::Priority)),
            ("a/.priority/.priority", Err(PathError::Priority)),
            ("a/.value", Err(PathError::Key(KeyError::Character(".value".to_owned())))),
            ("a/b.c", Err(PathError::Key(KeyError::Character("b.c".to_owned())))),
            (&"a/".repeat(33), Err(PathError::TooDeep)),
        ] {
            let found = Location::parse(text).map(|location| (location.path.to_string(), location.priority));
            assert_eq!(found, expect.map(|(path, priority)| (path.to_owned(), priority)), "{text}");
        }
        assert!(Location::parse(&"a/".repeat(32)).is_ok());
    }

    #[test]
    fn a_path_contains_what_lies_below_it() {
        let path = |text| Path::parse(text).unwrap();
        assert!(path("a").contains(&path("a")) && path("a").contains(&path("a/b")) && path("").contains(&path("a")));
        assert!(!path("a/b").contains(&path("a")) && !path("a").contains(&path("ab")));
    }
}
