//! The tree under change: what a batch has done so far, not yet durable, seen by nobody else.

use super::command::WriteError;
use crate::tree::{Location, MOST_DEPTH, Node, Path, Priority, Unresolved};

/// A root that is being made, and where it may differ from the published one.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) root: Node,
    pub(super) touched: Vec<Path>,
    /// Of which of them only the priority was set.
    priorities: Vec<bool>,
}

/// What a change of these parts of a node makes of `root`, and the paths of which rules are asked whether it may.
///
/// # Errors
/// See [`WriteError`].
pub(crate) fn change(
    root: &Node,
    base: &Path,
    parts: Vec<(Location, Unresolved)>,
    now: u64,
) -> Result<(Node, Vec<Path>), WriteError> {
    let mut stage = Stage::new(root.clone());
    stage.update(base, parts, now)?;
    Ok((stage.root, stage.touched))
}

/// A place to return to.
pub(super) struct Mark {
    pub(super) root: Node,
    touched: usize,
}

impl Stage {
    pub(super) fn new(root: Node) -> Self {
        Self { root, touched: Vec::new(), priorities: Vec::new() }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { root: self.root.clone(), touched: self.touched.len() }
    }

    pub(super) fn undo(&mut self, mark: &Mark) {
        self.root = mark.root.clone();
        self.touched.truncate(mark.touched);
        self.priorities.truncate(mark.touched);
    }

    /// Whether something was set since `mark`.
    pub(super) fn changed_since(&self, mark: &Mark) -> bool {
        self.touched.len() > mark.touched
    }

    /// The paths at which something was set since `mark`.
    pub(super) fn touched_since(&self, mark: &Mark) -> &[Path] {
        self.touched.get(mark.touched..).unwrap_or_default()
    }

    /// What was set since `mark`.
    pub(super) fn locations_since(&self, mark: &Mark) -> Vec<Location> {
        let priorities = self.priorities.get(mark.touched..).unwrap_or_default();
        let locations = self.touched_since(mark).iter().zip(priorities);
        locations.map(|(path, priority)| Location { path: path.clone(), priority: *priority }).collect()
    }

    /// Sets `location` and answers what it holds then.
    pub(super) fn set(&mut self, location: Location, data: Unresolved, now: u64) -> Result<Node, WriteError> {
        let before = self.root.clone();
        let node = resolve(&before, &location, data, now)?;
        self.put(location, node.clone());
        Ok(node)
    }

    /// Sets all `parts`, given relative to `base`, and answers what each holds then. Server values are resolved
    /// against the tree before the first of them.
    pub(super) fn update(
        &mut self,
        base: &Path,
        parts: Vec<(Location, Unresolved)>,
        now: u64,
    ) -> Result<Vec<Node>, WriteError> {
        let parts: Vec<_> = parts.into_iter().map(|(location, data)| (location.below(base), data)).collect();
        refuse_conflicts(parts.iter().map(|(location, _)| location))?;
        let mut written = Vec::with_capacity(parts.len());
        let mut places = Vec::with_capacity(parts.len());
        for (location, data) in parts {
            written.push(resolve(&self.root, &location, data, now)?);
            places.push(location);
        }
        // Priorities come last, because the node they belong to may be made by another part.
        for priority in [false, true] {
            for (location, node) in places.iter().zip(&written).filter(|(location, _)| location.priority == priority) {
                self.put(location.clone(), node.clone());
            }
        }
        Ok(written)
    }

    fn put(&mut self, location: Location, node: Node) {
        let Location { path, priority } = location;
        let node = if priority {
            self.root.get(&path).with_priority(node.as_leaf().cloned().and_then(Priority::new))
        } else {
            node
        };
        self.root = self.root.set(&path, node);
        self.touched.push(path);
        self.priorities.push(priority);
    }
}

/// What `location` is to hold, checked: a node that is not too deep, or a priority.
fn resolve(before: &Node, location: &Location, data: Unresolved, now: u64) -> Result<Node, WriteError> {
    let there = before.get(&location.path);
    if location.path.depth() + data.depth() > MOST_DEPTH {
        return Err(WriteError::TooDeep);
    }
    if !location.priority {
        return Ok(data.resolve(there, now)?);
    }
    let node = data.resolve(&Node::from(there.priority()), now)?;
    let fits = node.priority().is_none() && node.as_leaf().is_none_or(|leaf| Priority::new(leaf.clone()).is_some());
    if fits && node.is_empty() { Ok(node) } else { Err(WriteError::Priority) }
}

/// Refuses an update of which one part lies below another one, or two are the same.
fn refuse_conflicts<'a>(locations: impl Iterator<Item = &'a Location>) -> Result<(), WriteError> {
    let mut sorted: Vec<_> = locations.collect();
    sorted.sort_by(|one, other| one.path.cmp(&other.path).then(one.priority.cmp(&other.priority)));
    for (above, below) in sorted.iter().zip(sorted.iter().skip(1)) {
        let same = above == below;
        if same || (!above.priority && above.path.contains(&below.path)) {
            return Err(WriteError::Conflict { above: (*above).clone(), below: (*below).clone() });
        }
    }
    Ok(())
}
