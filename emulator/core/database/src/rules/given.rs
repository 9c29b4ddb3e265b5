//! Rules as a developer has written them: a tree of conditions and indices beside the tree of data.
//!
//! Conditions that are constants are judged here. Those that are expressions have no judge yet: [`Condition::holds`] is
//! the one place that decides for them. Must not know: where a text of rules comes from.

use super::errors::{Problem, RulesErrors};
use super::json::{self, Kind, Member, Value};
use crate::query::Order;
use crate::tree::{Key, Node, Path};
use std::collections::BTreeMap;

/// What holds of conditions that are expressions, as long as nothing evaluates them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unjudged {
    /// They are taken for true: for a developer's machine.
    Admits,
    /// They are taken for false: where data has to be kept from others.
    Refuses,
}

/// Rules, as given and as understood.
#[derive(Debug, PartialEq, Eq)]
pub struct Given {
    text: String,
    unjudged: Unjudged,
    root: Level,
    /// How many conditions are expressions.
    expressions: usize,
    /// Whether some `.write` may hold.
    writable: bool,
}

/// The rules of one place.
#[derive(Debug, Default, PartialEq, Eq)]
struct Level {
    read: Option<Condition>,
    write: Option<Condition>,
    validate: Option<Condition>,
    index_on: Vec<Index>,
    /// By key. One that is named here is no business of the wildcard's.
    children: BTreeMap<String, Level>,
    /// The rules of all other children.
    wildcard: Option<Box<Level>>,
    /// Whether there is a `.validate` here or below.
    validates: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Condition {
    Constant(bool),
    Expression(String),
}

/// What the children of a place are indexed by.
#[derive(Debug, PartialEq, Eq)]
enum Index {
    Value,
    Child(Path),
}

impl Condition {
    fn holds(&self, unjudged: Unjudged) -> bool {
        match self {
            Self::Constant(constant) => *constant,
            Self::Expression(_) => unjudged == Unjudged::Admits,
        }
    }
}

impl Given {
    pub(super) fn parse(text: &str, unjudged: Unjudged) -> Result<Self, RulesErrors> {
        let value = json::parse(text).map_err(|problem| RulesErrors::new(text, vec![problem]))?;
        let mut check =
            Check { unjudged, problems: Vec::new(), wildcards: Vec::new(), expressions: 0, writable: false };
        let root = check.file(value);
        if check.problems.is_empty() {
            let Check { expressions, writable, .. } = check;
            return Ok(Self { text: text.to_owned(), unjudged, root, expressions, writable });
        }
        Err(RulesErrors::new(text, check.problems))
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn expressions(&self) -> usize {
        self.expressions
    }

    pub(super) fn may_write_anything(&self) -> bool {
        self.writable
    }

    pub(super) fn may_read(&self, path: &Path) -> bool {
        self.levels(path).any(|level| level.read.as_ref().is_some_and(|read| read.holds(self.unjudged)))
    }

    pub(super) fn may_write(&self, path: &Path, after: &Node) -> bool {
        if !self.levels(path).any(|level| level.write.as_ref().is_some_and(|write| write.holds(self.unjudged))) {
            return false;
        }
        let mut node = after;
        let mut keys = path.keys().iter();
        // What is above is judged alone, the place itself with all below.
        for level in self.levels(path) {
            match keys.next() {
                Some(key) => {
                    if !level.is_valid(node, self.unjudged) {
                        return false;
                    }
                    node = node.child(key.as_str());
                }
                None => return level.is_valid_throughout(node, self.unjudged),
            }
        }
        true
    }

    pub(super) fn indexes(&self, path: &Path, order: &Order) -> bool {
        let index_on = || self.levels(path).nth(path.depth()).map_or(&[][..], |level| &level.index_on);
        match order {
            Order::Key | Order::Priority => true,
            Order::Value => index_on().contains(&Index::Value),
            Order::Child(child) => {
                index_on().iter().any(|index| matches!(index, Index::Child(indexed) if indexed == child))
            }
        }
    }

    /// The levels from the root down to `path`, as far as there are any.
    fn levels<'g>(&'g self, path: &'g Path) -> impl Iterator<Item = &'g Level> {
        let mut keys = path.keys().iter();
        std::iter::successors(Some(&self.root), move |level| level.child(keys.next()?))
    }
}

impl Level {
    fn child(&self, key: &Key) -> Option<&Self> {
        self.children.get(key.as_str()).or(self.wildcard.as_deref())
    }

    fn is_valid(&self, node: &Node, unjudged: Unjudged) -> bool {
        node.is_null() || self.validate.as_ref().is_none_or(|validate| validate.holds(unjudged))
    }

    fn is_valid_throughout(&self, node: &Node, unjudged: Unjudged) -> bool {
        if node.is_null() || !self.validates {
            return true;
        }
        let named = || self.children.iter().all(|(name, level)| level.is_valid_throughout(node.child(name), unjudged));
        let others = |wildcard: &Self| {
            let others = node.children().filter(|(key, _)| !self.children.contains_key(key.as_str()));
            !wildcard.validates || others.into_iter().all(|(_, node)| wildcard.is_valid_throughout(node, unjudged))
        };
        self.is_valid(node, unjudged) && named() && self.wildcard.as_deref().is_none_or(others)
    }
}

/// Makes levels of values, and notes all that is wrong on the way.
struct Check {
    unjudged: Unjudged,
    problems: Vec<Problem>,
    /// The wildcards above.
    wildcards: Vec<String>,
    expressions: usize,
    writable: bool,
}

impl Check {
    fn wrong(&mut self, at: usize, text: impl Into<String>) {
        self.problems.push(Problem::new(at, text));
    }

    fn file(&mut self, value: Value) -> Level {
        let at = value.at;
        let Kind::Object(members) = value.kind else {
            self.wrong(at, "the rules have to be an object with the one member \"rules\"");
            return Level::default();
        };
        let mut root = None;
        for member in members {
            match member.name.as_str() {
                "rules" if root.is_none() => root = Some(self.level(member.value, "rules")),
                "rules" => self.wrong(member.at, "\"rules\" is there twice"),
                other => self.wrong(member.at, format!("\"{other}\" is unknown: there is nothing beside \"rules\"")),
            }
        }
        root.unwrap_or_else(|| {
            self.wrong(at, "\"rules\" is missing");
            Level::default()
        })
    }

    fn level(&mut self, value: Value, name: &str) -> Level {
        let mut level = Level::default();
        let Kind::Object(members) = value.kind else {
            self.wrong(value.at, format!("\"{name}\" has to be an object"));
            return level;
        };
        let mut names: Vec<String> = Vec::with_capacity(members.len());
        let mut wildcard: Option<String> = None;
        for Member { at, name, value } in members {
            if names.contains(&name) {
                self.wrong(at, format!("\"{name}\" is there twice"));
                continue;
            }
            names.push(name.clone());
            if name.starts_with('.') {
                self.rule(&mut level, &name, at, value);
            } else if name.starts_with('$') {
                if let Some(first) = &wildcard {
                    self.wrong(at, format!("\"{name}\" stands beside \"{first}\": there is one wildcard to a level"));
                }
                let below = self.below_wildcard(&name, at, value);
                level.validates |= below.validates;
                level.wildcard = Some(Box::new(below));
                wildcard = Some(name);
            } else {
                if let Err(error) = Key::new(&name) {
                    self.wrong(at, error.to_string());
                }
                let below = self.level(value, &name);
                level.validates |= below.validates;
                level.children.insert(name, below);
            }
        }
        level.validates |= level.validate.is_some();
        level
    }

    fn below_wildcard(&mut self, name: &str, at: usize, value: Value) -> Level {
        let letters = name.strip_prefix('$').unwrap_or_default();
        let starts = |first: char| first.is_ascii_alphabetic() || first == '_';
        if !letters.starts_with(starts) || !letters.chars().all(|next| starts(next) || next.is_ascii_digit()) {
            self.wrong(at, format!("\"{name}\" is no name of a wildcard: after $ come letters, digits and _"));
        }
        if self.wildcards.iter().any(|above| above == name) {
            self.wrong(at, format!("\"{name}\" is the name of a wildcard above already"));
        }
        self.wildcards.push(name.to_owned());
        let level = self.level(value, name);
        self.wildcards.pop();
        level
    }

    fn rule(&mut self, level: &mut Level, name: &str, at: usize, value: Value) {
        match name {
            ".read" => level.read = self.condition(name, value),
            ".write" => {
                level.write = self.condition(name, value);
                self.writable |= level.write.as_ref().is_some_and(|write| write.holds(self.unjudged));
            }
            ".validate" => level.validate = self.condition(name, value),
            ".indexOn" => level.index_on = self.indices(value),
            _ => self.wrong(at, format!("\"{name}\" is unknown: there are .read, .write, .validate and .indexOn")),
        }
    }

    fn condition(&mut self, name: &str, value: Value) -> Option<Condition> {
        match value.kind {
            Kind::Bool(constant) => Some(Condition::Constant(constant)),
            Kind::Text(text) => match text.trim() {
                "true" => Some(Condition::Constant(true)),
                "false" => Some(Condition::Constant(false)),
                _ => {
                    self.expressions += 1;
                    Some(Condition::Expression(text))
                }
            },
            Kind::Null | Kind::Number | Kind::Array(_) | Kind::Object(_) => {
                self.wrong(value.at, format!("\"{name}\" has to be a string or a boolean"));
                None
            }
        }
    }

    fn indices(&mut self, value: Value) -> Vec<Index> {
        let values = match value.kind {
            Kind::Array(values) => values,
            kind @ Kind::Text(_) => vec![Value { at: value.at, kind }],
            Kind::Null | Kind::Bool(_) | Kind::Number | Kind::Object(_) => {
                self.wrong(value.at, "\".indexOn\" has to be a string or an array of strings");
                return Vec::new();
            }
        };
        values.into_iter().filter_map(|value| self.index(value)).collect()
    }

    fn index(&mut self, value: Value) -> Option<Index> {
        let Kind::Text(text) = value.kind else {
            self.wrong(value.at, "\".indexOn\" has to be a string or an array of strings");
            return None;
        };
        match (text.as_str(), Path::parse(&text)) {
            (".value", _) => Some(Index::Value),
            // Priorities are indexed anyway.
            (".priority", _) => None,
            (_, Ok(path)) if path.depth() > 0 => Some(Index::Child(path)),
            (_, Ok(_) | Err(_)) => {
                self.wrong(value.at, format!("\"{text}\" is nothing to index: it has to be a child's path or .value"));
                None
            }
        }
    }
}
