//! From a file of rules to their tree, with all that is wrong on the way.
//!
//! Must not know: who asks, what there is in the tree of data.

use super::errors::{Problem, RulesErrors};
use super::json::{self, Kind, Member, Text, Value};
use super::language::{Expression, Scope, Wrong};
use super::level::{Condition, Index, Level};
use crate::tree::{Key, Path};
use std::collections::BTreeSet;

/// What a file says.
pub(super) struct Read {
    pub(super) root: Level,
    /// Whether some `.write` may hold.
    pub(super) writable: bool,
}

/// Reads a file of rules.
pub(super) fn read(text: &str) -> Result<Read, RulesErrors> {
    let value = json::parse(text).map_err(|problem| RulesErrors::new(text, vec![problem]))?;
    let mut check = Check::default();
    let root = check.file(value);
    if check.problems.is_empty() {
        return Ok(Read { root, writable: check.writable });
    }
    Err(RulesErrors::new(text, check.problems))
}

/// What is wrong with the rules of a root, wherever they stand.
pub(super) fn problems(rules: Value) -> Vec<Problem> {
    let mut check = Check::default();
    check.level(rules, "rules");
    check.problems
}

/// Makes levels of values, and notes all that is wrong on the way.
#[derive(Default)]
struct Check {
    problems: Vec<Problem>,
    /// The wildcards above.
    wildcards: Vec<String>,
    writable: bool,
}

impl Check {
    fn wrong(&mut self, at: usize, text: impl Into<String>) {
        self.problems.push(Problem::new(at..at + 1, text));
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
        let mut names = BTreeSet::new();
        let mut wildcard: Option<String> = None;
        for Member { at, name, value } in members {
            if !names.insert(name.clone()) {
                self.wrong(at, format!("\"{name}\" is there twice"));
                continue;
            }
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
                self.writable |= !matches!(level.write, None | Some(Condition::Constant(false)));
            }
            ".validate" => level.validate = self.condition(name, value),
            ".indexOn" => level.index_on = self.indices(value),
            _ => self.wrong(at, format!("\"{name}\" is unknown: there are .read, .write, .validate and .indexOn")),
        }
    }

    fn condition(&mut self, name: &str, value: Value) -> Option<Condition> {
        match value.kind {
            Kind::Bool(constant) => Some(Condition::Constant(constant)),
            Kind::Text(text) => self.expression(name, &text),
            Kind::Null | Kind::Number(_) | Kind::Array(_) | Kind::Object(_) => {
                self.wrong(value.at, format!("\"{name}\" has to be a string or a boolean"));
                None
            }
        }
    }

    fn expression(&mut self, name: &str, text: &Text) -> Option<Condition> {
        let scope = Scope { wildcards: &self.wildcards, writes: name != ".read" };
        match Expression::compile(&text.text, scope) {
            Ok(expression) => Some(match expression.constant() {
                Some(constant) => Condition::Constant(constant),
                None => Condition::Expression(expression),
            }),
            Err(wrongs) => {
                let problem = |wrong: Wrong| Problem::new(text.place(&wrong.span), wrong.problem);
                self.problems.extend(wrongs.into_iter().map(problem));
                None
            }
        }
    }

    fn indices(&mut self, value: Value) -> Vec<Index> {
        let values = match value.kind {
            Kind::Array(values) => values,
            kind @ Kind::Text(_) => vec![Value { at: value.at, kind }],
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Object(_) => {
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
        match (text.text.as_str(), Path::parse(&text.text)) {
            (".value", _) => Some(Index::Value),
            // Priorities are indexed anyway.
            (".priority", _) => None,
            (_, Ok(path)) if path.depth() > 0 => Some(Index::Child(path)),
            (_, Ok(_) | Err(_)) => {
                self.wrong(
                    value.at,
                    format!("\"{}\" is nothing to index: it has to be a child's path or .value", text.text),
                );
                None
            }
        }
    }
}
