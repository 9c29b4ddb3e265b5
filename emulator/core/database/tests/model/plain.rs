//! The reference: a tree, queries and intents as plainly as they can be written.

use hearth_database::json::{Form, parse, to_text};
use hearth_database::{Bound, BoundKey, Leaf, Limit, Location, Node, Order, Query};
use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A single value, or what the server makes one of. What is stored has leaves only.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Single {
    Leaf(Value),
    Now,
    Add(i64),
}

impl Single {
    fn json(&self) -> Value {
        match self {
            Self::Leaf(value) => value.clone(),
            Self::Now => json!({".sv": "timestamp"}),
            Self::Add(by) => json!({".sv": {"increment": by}}),
        }
    }

    fn resolve(&self, before: Option<&Self>, now: u64) -> Self {
        Self::Leaf(match self {
            Self::Leaf(value) => value.clone(),
            Self::Now => json!(now),
            Self::Add(by) => match before {
                Some(Self::Leaf(Value::Number(number))) => match number.as_i64() {
                    Some(int) => json!(int + by),
                    None => whole(number.as_f64().unwrap() + *by as f64),
                },
                _ => json!(by),
            },
        })
    }
}

/// A number as it is stored.
fn whole(number: f64) -> Value {
    if number.fract() == 0.0 { json!(number as i64) } else { json!(number) }
}

/// A tree. Nothing is one without value and children, which then has no priority.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plain {
    pub(crate) value: Option<Single>,
    pub(crate) children: BTreeMap<String, Plain>,
    pub(crate) priority: Option<Single>,
}

pub(crate) const PRIORITY: &str = ".priority";

pub(crate) fn segments(location: &Location) -> Vec<String> {
    let mut keys: Vec<String> = location.path.keys().iter().map(|key| key.to_string()).collect();
    if location.priority {
        keys.push(PRIORITY.to_owned());
    }
    keys
}

impl Plain {
    pub(crate) fn of(node: &Node) -> Self {
        let of_leaf = |leaf: &Leaf| {
            Single::Leaf(match leaf {
                Leaf::Bool(bool) => json!(bool),
                Leaf::Int(int) => json!(int),
                Leaf::Double(double) => json!(double),
                Leaf::Text(text) => json!(**text),
            })
        };
        Self {
            value: node.as_leaf().map(of_leaf),
            children: node.children().map(|(key, child)| (key.to_string(), Self::of(child))).collect(),
            priority: node.priority().map(|priority| of_leaf(priority.leaf())),
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.value.is_none() && self.children.is_empty()
    }

    pub(crate) fn get(&self, path: &[String]) -> Self {
        match path {
            [] => self.clone(),
            [last] if last == PRIORITY => Self { value: self.priority.clone(), ..Self::default() },
            [key, rest @ ..] => self.children.get(key).map(|child| child.get(rest)).unwrap_or_default(),
        }
    }

    /// The last of `path` may be a priority.
    pub(crate) fn set(&mut self, path: &[String], data: Self) {
        match path {
            [] => *self = data,
            [last] if last == PRIORITY => self.priority = data.value,
            [key, rest @ ..] => {
                let mut child = self.children.remove(key).unwrap_or_default();
                child.set(rest, data);
                if !child.is_null() {
                    self.value = None;
                    self.children.insert(key.clone(), child);
                }
            }
        }
        if self.is_null() {
            *self = Self::default();
        }
    }

    /// `before` is what lies in its place.
    pub(crate) fn resolve(&self, before: &Self, now: u64) -> Self {
        let below = |key: &String| before.children.get(key).cloned().unwrap_or_default();
        let children = self.children.iter().map(|(key, child)| (key.clone(), child.resolve(&below(key), now)));
        Self {
            value: self.value.as_ref().map(|value| value.resolve(before.value.as_ref(), now)),
            children: children.collect(),
            priority: self.priority.as_ref().map(|value| value.resolve(before.priority.as_ref(), now)),
        }
    }

    /// As a client sends it.
    pub(crate) fn json(&self) -> Value {
        let mut members: Map<_, _> = self.children.iter().map(|(key, child)| (key.clone(), child.json())).collect();
        match (&self.value, &self.priority) {
            (Some(value), None) => return value.json(),
            (None, None) if self.children.is_empty() => return Value::Null,
            (value, priority) => {
                members.extend(value.iter().map(|value| (".value".to_owned(), value.json())));
                members.extend(priority.iter().map(|value| (PRIORITY.to_owned(), value.json())));
            }
        }
        Value::Object(members)
    }

    pub(crate) fn node(&self) -> Node {
        parse(self.json().to_string().as_bytes(), 0).unwrap().node
    }

    /// What a query wants of it.
    pub(crate) fn select(&self, query: &Query) -> Self {
        if query.start.is_none() && query.end.is_none() && query.limit.is_none() {
            return self.clone();
        }
        let mut children: Vec<(&String, &Self)> = self.children.iter().collect();
        children.sort_by(|one, other| {
            let values = compare_values(&query.order, one.1, other.1);
            if query.order == Order::Key {
                compare_keys(one.0, other.0)
            } else {
                values.then_with(|| compare_keys(one.0, other.0))
            }
        });
        let inside = |key: &str, child: &Self| {
            let start = query
                .start
                .as_ref()
                .map(|bound| (compare_to(&query.order, key, child, bound, Ordering::Greater), bound));
            let end =
                query.end.as_ref().map(|bound| (compare_to(&query.order, key, child, bound, Ordering::Less), bound));
            start.is_none_or(|(order, bound)| order.is_gt() || (order.is_eq() && bound.inclusive))
                && end.is_none_or(|(order, bound)| order.is_lt() || (order.is_eq() && bound.inclusive))
        };
        children.retain(|(key, child)| inside(key, child));
        match query.limit {
            None => {}
            Some(Limit::First(most)) => children.truncate(most),
            Some(Limit::Last(most)) => drop(children.drain(..children.len().saturating_sub(most))),
        }
        let children = children.into_iter().map(|(key, child)| (key.clone(), child.clone())).collect();
        Self { children, ..Self::default() }
    }

    pub(crate) fn text(&self) -> String {
        to_text(&self.node(), Form::Export)
    }
}

/// Where a child stands, seen from a bound. A bound without a key lies outside of all children of its value.
fn compare_to(order: &Order, key: &str, child: &Plain, bound: &Bound, without_key: Ordering) -> Ordering {
    if *order == Order::Key {
        let Some(Leaf::Text(at)) = &bound.value else { panic!("no key") };
        return compare_keys(key, at);
    }
    let at = bound.value.clone().map(Node::from).map_or_else(Plain::default, |node| Plain::of(&node));
    let keys = match &bound.key {
        None => without_key,
        Some(BoundKey::Min) => Ordering::Greater,
        Some(BoundKey::Max) => Ordering::Less,
        Some(BoundKey::Name(name)) => compare_keys(key, name),
    };
    compare_ranked(&ranked(order, child), &rank(&at)).then(keys)
}

fn compare_values(order: &Order, one: &Plain, other: &Plain) -> Ordering {
    compare_ranked(&ranked(order, one), &ranked(order, other))
}

/// null < false < true < numbers < strings < objects.
type Ranked = (u8, f64, String);

fn compare_ranked(one: &Ranked, other: &Ranked) -> Ordering {
    one.0.cmp(&other.0).then(one.1.partial_cmp(&other.1).unwrap()).then_with(|| one.2.cmp(&other.2))
}

fn ranked(order: &Order, child: &Plain) -> Ranked {
    match order {
        Order::Key => (0, 0.0, String::new()),
        Order::Value => rank(child),
        Order::Priority => rank(&Plain { value: child.priority.clone(), ..Plain::default() }),
        Order::Child(path) => rank(&child.get(&segments(&path.clone().into()))),
    }
}

fn rank(plain: &Plain) -> Ranked {
    match &plain.value {
        None if plain.children.is_empty() => (0, 0.0, String::new()),
        Some(Single::Leaf(Value::Bool(false))) => (1, 0.0, String::new()),
        Some(Single::Leaf(Value::Bool(true))) => (2, 0.0, String::new()),
        Some(Single::Leaf(Value::Number(number))) => (3, number.as_f64().unwrap(), String::new()),
        Some(Single::Leaf(Value::String(text))) => (4, 0.0, text.clone()),
        _ => (5, 0.0, String::new()),
    }
}

/// Whole numbers first.
fn compare_keys(one: &str, other: &str) -> Ordering {
    match (one.parse::<i32>(), other.parse::<i32>()) {
        (Ok(one), Ok(other)) => one.cmp(&other),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => one.cmp(other),
    }
}

/// What a session intends: the JavaScript SDK's own picture of it, with who wanted it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mirror {
    value: Option<(Plain, bool)>,
    children: BTreeMap<String, Mirror>,
}

impl Mirror {
    pub(crate) fn remember(&mut self, path: &[String], data: Plain, admin: bool) {
        match (path, &mut self.value) {
            ([], _) => *self = Self { value: Some((data, admin)), children: BTreeMap::new() },
            (path, Some((value, by))) => {
                value.set(path, data);
                *by = admin;
            }
            ([key, rest @ ..], None) => self.children.entry(key.clone()).or_default().remember(rest, data, admin),
        }
    }

    pub(crate) fn forget(&mut self, path: &[String]) {
        let [key, rest @ ..] = path else { return *self = Self::default() };
        if let Some((value, by)) = self.value.take() {
            if value.value.is_some() {
                self.value = Some((value, by));
                return;
            }
            for (key, child) in value.children {
                self.remember(&[key], child, by);
            }
            if value.priority.is_some() {
                self.remember(&[PRIORITY.to_owned()], Plain { value: value.priority, ..Plain::default() }, by);
            }
        }
        if let Some(child) = self.children.get_mut(key) {
            child.forget(rest);
        }
        self.children.retain(|_, child| !child.is_empty());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.value.is_none() && self.children.is_empty()
    }

    /// What happens, where, and on whose behalf.
    pub(crate) fn list(&self, at: &[String], list: &mut Vec<(Vec<String>, Plain, bool)>) {
        if let Some((value, admin)) = &self.value {
            list.push((at.to_vec(), value.clone(), *admin));
        }
        let mut children: Vec<_> = self.children.iter().collect();
        children.sort_by(|one, other| compare_keys(one.0, other.0));
        for (key, child) in children {
            child.list(&[at, std::slice::from_ref(key)].concat(), list);
        }
    }
}
