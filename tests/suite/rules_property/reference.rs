//! What there should be: a plain tree, and rules that are asked about it directly.

use hearth_database::rules::Auth;
use hearth_database::{Caller, Limit, Node, Order, Path, Query, Ruleset, json};
use serde_json::{Map, Value};

/// A database without a server.
pub(crate) struct Reference {
    pub(crate) root: Value,
    pub(crate) rules: Ruleset,
    pub(crate) now: u64,
}

/// One of those who use it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct User {
    pub(crate) name: Option<&'static str>,
    pub(crate) claims: Map<String, Value>,
}

impl User {
    pub(crate) fn caller(&self) -> Caller {
        self.name.map_or(Caller::ANYONE, |name| Caller::client(Auth::of_token(name, &self.claims)))
    }
}

fn node(value: &Value) -> Node {
    json::from_value(value, 0).expect("data").node
}

fn path(text: &str) -> Path {
    Path::parse(text).expect("a path")
}

/// The value at a path.
pub(crate) fn at<'v>(root: &'v Value, path: &str) -> &'v Value {
    path.split('/').filter(|key| !key.is_empty()).fold(root, |value, key| value.get(key).unwrap_or(&Value::Null))
}

/// The tree with another value at a path. Nothing is an object without members.
pub(crate) fn with(root: &Value, path: &str, value: &Value) -> Value {
    let Some((key, rest)) = path.trim_matches('/').split_once('/').or(Some((path.trim_matches('/'), ""))) else {
        return Value::Null;
    };
    if key.is_empty() {
        return pruned(value);
    }
    let below = with(root.get(key).unwrap_or(&Value::Null), rest, value);
    let mut members = root.as_object().cloned().unwrap_or_default();
    if below.is_null() {
        // A single value stays where nothing is removed below it.
        if !root.is_object() {
            return root.clone();
        }
        members.remove(key);
    } else {
        members.insert(key.to_owned(), below);
    }
    if members.is_empty() { Value::Null } else { members.into() }
}

fn pruned(value: &Value) -> Value {
    let Value::Object(members) = value else { return value.clone() };
    let members = members.iter().map(|(name, value)| (name.clone(), pruned(value)));
    let members: Map<_, _> = members.filter(|(_, value)| !value.is_null()).collect();
    if members.is_empty() { Value::Null } else { members.into() }
}

impl Reference {
    /// Data as it is once the server has filled in the time.
    pub(crate) fn filled(&self, data: &Value) -> Value {
        match data {
            Value::Object(members) if members.contains_key(".sv") => self.now.into(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| (name.clone(), self.filled(value))).collect::<Map<_, _>>().into()
            }
            single @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                single.clone()
            }
        }
    }

    pub(crate) fn may_read(&self, user: &User, place: &str, first: Option<usize>) -> bool {
        self.rules.may_read(&user.caller(), &path(place), &query(first), &node(&self.root), self.now)
    }

    /// What the tree would be after all of this is written, if all of it may be.
    pub(crate) fn written(&self, user: &User, parts: &[(String, Value)]) -> Option<Value> {
        let after = parts.iter().fold(self.root.clone(), |root, (path, value)| with(&root, path, &self.filled(value)));
        let (before, new) = (node(&self.root), node(&after));
        let may = |place: &str| self.rules.may_write(&user.caller(), &path(place), &before, &new, self.now);
        parts.iter().all(|(place, _)| may(place)).then_some(after)
    }

    /// What a session's end makes of the tree: of what it intended, what may be.
    pub(crate) fn ended(&self, mut intended: Vec<(User, String, Value)>) -> Value {
        let before = node(&self.root);
        loop {
            let after = intended
                .iter()
                .fold(self.root.clone(), |root, (_, path, value)| with(&root, path, &self.filled(value)));
            let (new, count) = (node(&after), intended.len());
            intended
                .retain(|(user, place, _)| self.rules.may_write(&user.caller(), &path(place), &before, &new, self.now));
            if intended.len() == count {
                return after;
            }
        }
    }

    /// What a read shows: all, or the first so many children.
    pub(crate) fn shown(&self, place: &str, first: Option<usize>) -> Value {
        match (at(&self.root, place), first) {
            (Value::Object(members), Some(count)) => {
                let mut keys: Vec<_> = members.keys().collect();
                keys.sort();
                let shown = keys.into_iter().take(count).map(|key| (key.clone(), members[key].clone()));
                shown.collect::<Map<_, _>>().into()
            }
            // A single value has no children.
            (_, Some(_)) => Value::Null,
            (value, None) => value.clone(),
        }
    }
}

fn query(first: Option<usize>) -> Query {
    match first {
        None => Query::default(),
        Some(count) => Query { order: Order::Key, limit: Some(Limit::First(count)), ..Query::default() },
    }
}
