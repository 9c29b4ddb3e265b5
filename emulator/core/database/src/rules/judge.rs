//! Judgements: which rules are asked on the way to a place and below it, and with what.
//!
//! A read or a write is allowed by the first rule from the root down that holds (firebase.google.com/docs/database/
//! security/core-syntax); every validation of what is written has to hold. Must not know: how rules are written.

use super::language::{Facts, Meter, Sees, Trace};
use super::level::{Level, Rule};
use crate::query::Query;
use crate::tree::{Key, MOST_DEPTH, Node, Path};
use arrayvec::ArrayVec;
use serde_json::{Map, Value};

/// The root, and so many keys below it.
const MOST_NODES: usize = MOST_DEPTH + 1;

/// Who asks, when, and for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking<'a> {
    pub(super) auth: Option<&'a Map<String, Value>>,
    pub(super) now: u64,
    pub(super) query: Option<&'a Query>,
}

/// A list that lies on the stack, as long as a path at most.
type List<T> = ArrayVec<T, MOST_NODES>;

/// A walk down the rules. It follows in the data only where a rule looks there.
struct Walk<'a, T> {
    asking: Asking<'a>,
    meter: &'a Meter,
    trace: &'a T,
    /// The keys on the way.
    keys: List<&'a Key>,
    before: Trail<'a>,
    after: Trail<'a>,
    wildcards: List<&'a str>,
}

/// The nodes from the root down, as far as they have been looked at.
struct Trail<'a>(List<&'a Node>);

impl<'a> Trail<'a> {
    fn new(root: &'a Node) -> Self {
        Self([root].into_iter().collect())
    }

    /// The node at the end of `keys`.
    fn follow(&mut self, keys: &[&'a Key]) -> &'a Node {
        let mut node = self.0.last().copied().unwrap_or(&Node::NULL);
        for key in keys.get(self.0.len().saturating_sub(1)..).unwrap_or_default() {
            node = node.child(key.as_str());
            self.go_on(node);
        }
        node
    }

    /// Whether it has been followed to the end of `keys`.
    fn is_at(&self, keys: &[&Key]) -> bool {
        self.0.len() > keys.len()
    }

    /// Adds the next node.
    fn go_on(&mut self, node: &'a Node) {
        // There is room for as many nodes as for keys, and one.
        let _ = self.0.try_push(node);
    }

    /// Forgets what is below a node of so many keys.
    fn leave(&mut self, keys: usize) {
        self.0.truncate(keys + 1);
    }
}

impl<'a, T: Trace> Walk<'a, T> {
    fn new(asking: Asking<'a>, meter: &'a Meter, trace: &'a T, before: &'a Node, after: &'a Node) -> Self {
        let (before, after) = (Trail::new(before), Trail::new(after));
        Self { asking, meter, trace, keys: List::new(), before, after, wildcards: List::new() }
    }

    fn after(&mut self) -> &'a Node {
        self.after.follow(&self.keys)
    }

    /// Goes to a child; whether there was room.
    fn enter(&mut self, key: &'a Key, wild: bool) -> bool {
        self.keys.len() < MOST_DEPTH
            && self.keys.try_push(key).is_ok()
            && (!wild || self.wildcards.try_push(key.as_str()).is_ok())
    }

    fn leave(&mut self, wild: bool) {
        self.keys.pop();
        self.before.leave(self.keys.len());
        self.after.leave(self.keys.len());
        if wild {
            self.wildcards.pop();
        }
    }

    #[inline]
    fn holds(&mut self, rule: Option<&Rule>) -> bool {
        rule.is_some_and(|rule| self.asks(rule))
    }

    fn asks(&mut self, rule: &Rule) -> bool {
        let Sees { data, new_data } = rule.condition.sees();
        if data && !self.before.is_at(&self.keys) {
            self.before.follow(&self.keys);
        }
        if new_data && !self.after.is_at(&self.keys) {
            self.after.follow(&self.keys);
        }
        let Asking { auth, now, query } = self.asking;
        let (before, after, wildcards) = (&self.before.0[..], &self.after.0[..], &self.wildcards[..]);
        rule.holds(&Facts { auth, now, query, before, after, wildcards }, self.meter, self.trace)
    }

    /// Whether what is written here may be: nothing always may.
    #[inline]
    fn is_valid(&mut self, level: &Level) -> bool {
        match &level.validate {
            None => true,
            Some(rule) => self.after().is_null() || self.asks(rule),
        }
    }

    /// The same of all that is written here and below. `node` is what is there then.
    fn is_valid_throughout(&mut self, level: &'a Level, node: &'a Node) -> bool {
        if node.is_null() || !level.validates {
            return true;
        }
        if self.meter.spend(1).is_err() {
            self.trace.exhausted();
            return false;
        }
        if level.validate.as_ref().is_some_and(|rule| !self.asks(rule)) {
            return false;
        }
        if node.is_empty() {
            return true;
        }
        let wildcard = level.wildcard.as_deref().filter(|wildcard| wildcard.validates);
        if wildcard.is_none() && level.children.len() < node.len() {
            // There are fewer rules than children.
            return level
                .children
                .iter()
                .filter(|(_, child)| child.validates)
                .all(|(key, child)| self.is_valid_below(key, node.child(key.as_str()), child, false));
        }
        node.children().all(|(key, below)| match level.child(key) {
            Some((child, wild)) => self.is_valid_below(key, below, child, wild),
            None => true,
        })
    }

    /// The same of a child of the place that has been gone to.
    fn is_valid_below(&mut self, key: &'a Key, node: &'a Node, level: &'a Level, wild: bool) -> bool {
        if node.is_null() || !level.validates {
            return true;
        }
        if !self.enter(key, wild) {
            return false;
        }
        self.after.go_on(node);
        let valid = self.is_valid_throughout(level, node);
        self.leave(wild);
        valid
    }
}

/// Whether a `.read` from the root down to `path` holds.
pub(super) fn may_read(
    rules: &Level,
    asking: Asking<'_>,
    meter: &Meter,
    trace: &impl Trace,
    path: &Path,
    root: &Node,
) -> bool {
    let mut walk = Walk::new(asking, meter, trace, root, &Node::NULL);
    let mut level = rules;
    let mut keys = path.keys().iter();
    loop {
        if walk.holds(level.read.as_ref()) {
            return true;
        }
        let below = keys.next().and_then(|key| Some((key, level.child(key)?)));
        let Some((key, (child, wild))) = below else { return false };
        if !walk.enter(key, wild) {
            return false;
        }
        level = child;
    }
}

/// Whether a `.write` from the root down to `path` holds, and every `.validate` down to there and of what is there
/// afterwards.
pub(super) fn may_write(
    rules: &Level,
    asking: Asking<'_>,
    meter: &Meter,
    trace: &impl Trace,
    path: &Path,
    before: &Node,
    after: &Node,
) -> bool {
    let mut walk = Walk::new(asking, meter, trace, before, after);
    let mut level = rules;
    let mut keys = path.keys().iter();
    let mut may = false;
    loop {
        may = may || walk.holds(level.write.as_ref());
        let Some(key) = keys.next() else {
            let node = walk.after();
            return may && walk.is_valid_throughout(level, node);
        };
        // Further down nothing could allow it any more, or forbid it.
        if !walk.is_valid(level) {
            return false;
        }
        let Some((child, wild)) = level.child(key) else { return may };
        if !walk.enter(key, wild) {
            return false;
        }
        level = child;
    }
}
