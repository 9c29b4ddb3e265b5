//! From a file of rules to their tree, with all that is wrong on the way.
//!
//! Must not know: who asks, what there is in the tree of data.

use super::errors::{Problem, RulesErrors};
use super::json::{self, Kind, Member, Text, Value};
use super::language::{Expression, Part, Patterns, RuleId, Scope, Wrong};
use super::level::{Condition, Index, Level, Rule};
use super::sources::{RuleKind, Source};
use crate::tree::{Key, Path};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

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

/// Reads the rules of a root that stand somewhere in another text, and where each of them stands there.
pub(super) fn within(rules: Value) -> Result<(Read, Vec<Source>), Vec<Problem>> {
    let mut check = Check { sources: Some(Vec::new()), ..Check::default() };
    let root = check.level(rules, "rules");
    if check.problems.is_empty() {
        return Ok((Read { root, writable: check.writable }, check.sources.unwrap_or_default()));
    }
    Err(check.problems)
}

/// Where each rule of a file stands, by its number. There are none of a file that is wrong.
pub(super) fn sources(text: &str) -> Vec<Source> {
    let mut check = Check { sources: Some(Vec::new()), ..Check::default() };
    if let Ok(value) = json::parse(text) {
        check.file(value);
    }
    check.sources.unwrap_or_default()
}

/// Makes levels of values, and notes all that is wrong on the way.
#[derive(Default)]
struct Check {
    problems: Vec<Problem>,
    /// The wildcards above.
    wildcards: Vec<String>,
    writable: bool,
    /// How many rules there have been.
    rules: u32,
    /// The names on the way from the root of the rules, and the rules found; kept only if they are wanted.
    names: Vec<String>,
    sources: Option<Vec<Source>>,
    patterns: Patterns,
    made: MadeBefore,
}

/// Expressions by their texts: in large files many rules say the same. Under other wildcards it means something else.
#[derive(Default)]
struct MadeBefore(HashMap<String, Vec<Made>>);

struct Made {
    writes: bool,
    wildcards: Vec<String>,
    expression: Arc<Expression>,
}

impl MadeBefore {
    fn find(&self, text: &str, scope: Scope<'_>) -> Option<Arc<Expression>> {
        let alike = |made: &&Made| made.writes == scope.writes && made.wildcards == scope.wildcards;
        self.0.get(text)?.iter().find(alike).map(|made| Arc::clone(&made.expression))
    }

    fn add(&mut self, text: &str, scope: Scope<'_>, expression: &Arc<Expression>) {
        let (writes, wildcards) = (scope.writes, scope.wildcards.to_vec());
        let made = Made { writes, wildcards, expression: Arc::clone(expression) };
        self.0.entry(text.to_owned()).or_default().push(made);
    }
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
        let twice: Vec<bool> = members.iter().map(|member| !names.insert(member.name.as_str())).collect();
        let mut wildcard: Option<String> = None;
        let mut children = Vec::new();
        for (Member { at, name, value }, twice) in members.into_iter().zip(twice) {
            if twice {
                self.wrong(at, format!("\"{name}\" is there twice"));
                continue;
            }
            if name.starts_with('.') {
                self.rule(&mut level, &name, at, value);
            } else if name.starts_with('$') {
                if let Some(first) = &wildcard {
                    self.wrong(at, format!("\"{name}\" stands beside \"{first}\": there is one wildcard to a level"));
                }
                let below = self.below(&name, |check| check.below_wildcard(&name, at, value));
                level.validates |= below.validates;
                level.wildcard = Some(Box::new(below));
                wildcard = Some(name);
            } else {
                let key = Key::new(&name).map_err(|error| self.wrong(at, error.to_string()));
                let below = self.below(&name, |check| check.level(value, &name));
                level.validates |= below.validates;
                children.extend(key.ok().map(|key| (key, below)));
            }
        }
        level.children = children.into();
        level.validates |= level.validate.is_some();
        level
    }

    fn below(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Level) -> Level {
        if self.sources.is_some() {
            self.names.push(name.to_owned());
        }
        let level = read(self);
        self.names.pop();
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
            ".read" => level.read = self.condition(RuleKind::Read, value),
            ".write" => {
                level.write = self.condition(RuleKind::Write, value);
                let never = |rule: &Rule| matches!(rule.condition, Condition::Constant(false));
                self.writable |= level.write.as_ref().is_some_and(|rule| !never(rule));
            }
            ".validate" => level.validate = self.condition(RuleKind::Validate, value),
            ".indexOn" => level.index_on = self.indices(value),
            _ => self.wrong(at, format!("\"{name}\" is unknown: there are .read, .write, .validate and .indexOn")),
        }
    }

    fn condition(&mut self, kind: RuleKind, value: Value) -> Option<Rule> {
        let (condition, text, parts) = match value.kind {
            Kind::Bool(constant) => {
                (Condition::Constant(constant), Text::plain(&constant.to_string(), value.at), Vec::new())
            }
            Kind::Text(text) => {
                let (condition, parts) = self.expression(kind, &text)?;
                (condition, text, parts)
            }
            Kind::Null | Kind::Number(_) | Kind::Array(_) | Kind::Object(_) => {
                self.wrong(value.at, format!("\"{kind}\" has to be a string or a boolean"));
                return None;
            }
        };
        let id = RuleId(self.rules);
        self.rules += 1;
        if let Some(sources) = &mut self.sources {
            sources.push(Source { kind, names: self.names.clone(), text, parts });
        }
        Some(Rule { id, condition })
    }

    fn expression(&mut self, kind: RuleKind, text: &Text) -> Option<(Condition, Vec<Part>)> {
        let scope = Scope { wildcards: &self.wildcards, writes: kind != RuleKind::Read, patterns: &self.patterns };
        // The parts are not kept.
        let before = if self.sources.is_none() { self.made.find(&text.text, scope) } else { None };
        if let Some(expression) = before {
            return Some((Condition::Expression(expression), Vec::new()));
        }
        match Expression::compile(&text.text, scope) {
            Ok((expression, parts)) => Some(match expression.constant() {
                Some(constant) => (Condition::Constant(constant), parts),
                None => {
                    let expression = Arc::new(expression);
                    self.made.add(&text.text, scope, &expression);
                    (Condition::Expression(expression), parts)
                }
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
