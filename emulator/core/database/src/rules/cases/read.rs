//! From a file of cases to what is done in them, with all that is wrong on the way.
//!
//! A write is carried out here as the engine does it, so that what could not be written whatever the rules are is told
//! as wrong. Must not know: what comes out.

use super::super::errors::{Problem, RulesErrors};
use super::super::json::{self, Kind, Member, Value};
use super::super::{Auth, Caller, Given, Ruleset};
use super::fields::{Fields, Problems, plain};
use super::query::query;
use super::{Act, Case, CaseFile, Format, RulesOf, Verdict, yaml};
use crate::engine;
use crate::query::Query;
use crate::tree::{Location, Node, Path, Unresolved};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads `text`.
pub(super) fn read(text: &str, format: Format, now: u64) -> Result<CaseFile, RulesErrors> {
    let value = match format {
        Format::Json => json::parse(text),
        Format::Yaml => yaml::parse(text),
    };
    let value = value.map_err(|problem| RulesErrors::new(text, vec![problem]))?;
    let mut reader = Reader { text, problems: Problems::default(), auths: BTreeMap::new(), data: Node::NULL, now };
    let file = reader.file(value);
    match file {
        Some(file) if reader.problems.0.is_empty() => Ok(file),
        Some(_) | None => Err(RulesErrors::new(text, reader.problems.0)),
    }
}

/// What is known on the way through the file.
struct Reader<'t> {
    text: &'t str,
    problems: Problems,
    auths: BTreeMap<String, Caller>,
    data: Node,
    now: u64,
}

impl Reader<'_> {
    fn file(&mut self, value: Value) -> Option<CaseFile> {
        let mut fields = Fields::of("a file of cases", value, &mut self.problems)?;
        let at = fields.at;
        let rules = match fields.take("rules") {
            Some(rules) => self.rules(rules),
            None => {
                self.problems.add(at, "\"rules\" is missing: a path, or the rules themselves");
                None
            }
        };
        if let Some(now) = fields.take("now") {
            self.now = self.problems.whole("now", &now).unwrap_or(self.now);
        }
        if let Some(data) = fields.take("data") {
            self.data = self.data(&data, self.now).unwrap_or_default();
        }
        if let Some(auths) = fields.take("auth") {
            for Member { at, name, value } in self.problems.members("\"auth\"", auths).unwrap_or_default() {
                let caller = self.given(at, value);
                self.auths.insert(name, caller);
            }
        }
        let cases = match fields.take("cases") {
            Some(Value { kind: Kind::Array(cases), .. }) => cases,
            Some(Value { at, .. }) => {
                self.problems.add(at, "\"cases\" has to be an array");
                Vec::new()
            }
            None => {
                self.problems.add(at, "\"cases\" is missing");
                Vec::new()
            }
        };
        fields.end(&mut self.problems);
        let mut line = Lines { text: self.text, seen: 0, line: 1 };
        let cases = cases.into_iter().filter_map(|case| {
            let line = line.of(case.at);
            self.case(case, line)
        });
        let cases = cases.collect();
        Some(CaseFile { rules: rules?, cases })
    }

    fn rules(&mut self, value: Value) -> Option<RulesOf> {
        match value.kind {
            Kind::Text(path) => Some(RulesOf::File(path.text)),
            Kind::Object(_) => match Given::within(self.text, value) {
                Ok(given) => Some(RulesOf::Inline(Ruleset::Given(Arc::new(given)))),
                Err(problems) => {
                    self.problems.0.extend(problems);
                    None
                }
            },
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Array(_) => {
                self.problems.add(value.at, "\"rules\" has to be a file's path, or the rules themselves as an object");
                None
            }
        }
    }

    /// What the rules see as `auth`.
    fn given(&mut self, at: usize, value: Value) -> Caller {
        match (&value.kind, plain(&value)) {
            (Kind::Null, _) => Caller::ANYONE,
            (_, serde_json::Value::Object(members)) => Caller::client(Auth::given(members)),
            _ => {
                self.problems.add(at, "an auth has to be null or an object like {\"uid\": \"alice\", \"token\": {}}");
                Caller::ANYONE
            }
        }
    }

    /// Who does it, and what to call them.
    fn caller(&mut self, value: Option<Value>) -> (Caller, String) {
        match value {
            None => (Caller::ANYONE, "nobody".to_owned()),
            Some(Value { kind: Kind::Null, .. }) => (Caller::ANYONE, "nobody".to_owned()),
            Some(Value { at, kind: Kind::Text(name) }) => match self.auths.get(&name.text) {
                Some(caller) => (caller.clone(), name.text),
                None => {
                    let known: Vec<_> = self.auths.keys().map(String::as_str).collect();
                    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                    self.problems.add(at, format!("\"auth\" names no {:?}: there are {known}", name.text));
                    (Caller::ANYONE, name.text)
                }
            },
            Some(value) => {
                let name = value.to_string();
                (self.given(value.at, value), name)
            }
        }
    }

    /// Data that is there before anything happens.
    fn data(&mut self, value: &Value, now: u64) -> Option<Node> {
        let data = self.written(value, 0)?;
        match data.resolve(&Node::NULL, now) {
            Ok(node) => Some(node),
            Err(error) => {
                self.problems.add(value.at, error.to_string());
                None
            }
        }
    }

    /// Data as a client writes it.
    fn written(&mut self, value: &Value, depth: usize) -> Option<Unresolved> {
        self.tree(value.at, plain(value), depth)
    }

    fn tree(&mut self, at: usize, data: serde_json::Value, depth: usize) -> Option<Unresolved> {
        match crate::tree::json::from_value(&data, depth) {
            Ok(data) => Some(data),
            Err(error) => {
                self.problems.add(at, error.to_string());
                None
            }
        }
    }

    fn case(&mut self, value: Value, line: usize) -> Option<Case> {
        let mut fields = Fields::of("a case", value, &mut self.problems)?;
        let at = fields.at;
        let name = fields.take("name").and_then(|name| self.problems.text("name", name));
        let (caller, who) = self.caller(fields.take("auth"));
        let now = match fields.take("now") {
            Some(now) => self.problems.whole("now", &now).unwrap_or(self.now),
            None => self.now,
        };
        let before = match fields.take("data") {
            Some(data) => self.data(&data, now).unwrap_or_default(),
            None => self.data.clone(),
        };
        let found = self.act(&mut fields, &before, now);
        let expect = match fields.take("expect") {
            Some(expect) => self.verdict(expect),
            None => {
                self.problems.add(at, "\"expect\" is missing: allow or deny");
                None
            }
        };
        fields.end(&mut self.problems);
        let (act, what) = found?;
        let operation = format!("{what} as {who}");
        let name = name.map_or_else(|| operation.clone(), |name| name.text);
        Some(Case { line, name, operation, expect: expect?, caller, now, before, act })
    }

    fn verdict(&mut self, value: Value) -> Option<Verdict> {
        let at = value.at;
        match self.problems.text("expect", value)?.text.as_str() {
            "allow" => Some(Verdict::Allow),
            "deny" => Some(Verdict::Deny),
            other => {
                self.problems.add(at, format!("\"expect\" is allow or deny, not {other:?}"));
                None
            }
        }
    }

    /// What is done, and that in words.
    fn act(&mut self, fields: &mut Fields, before: &Node, now: u64) -> Option<(Act, String)> {
        let [read, write, update] = ["read", "write", "update"].map(|name| fields.take(name));
        let [asked, value, values, priority] =
            ["query", "value", "values", "priority"].map(|name| fields.take(name).map(|value| (name, value)));
        let mut superfluous = |of: &str, parts: [&Option<(&str, Value)>; 3]| {
            for (name, value) in parts.into_iter().flatten() {
                self.problems.add(value.at, format!("{of} has no {name:?}"));
            }
        };
        match (read, write, update) {
            (Some(path), None, None) => {
                superfluous("a read", [&value, &values, &priority]);
                let path = self.location("read", path)?;
                if path.priority {
                    self.problems.add(fields.at, "a priority is not read by itself");
                }
                let (query, words) = match asked {
                    Some((_, asked)) => query(asked, &mut self.problems)?,
                    None => (Query::default(), String::new()),
                };
                let words = if words.is_empty() { words } else { format!(" ({words})") };
                let what = format!("read {}{words}", path.path);
                Some((Act::Read { path: path.path, query }, what))
            }
            (None, Some(path), None) => {
                superfluous("a write", [&asked, &values, &None]);
                let at = path.at;
                let location = self.location("write", path)?;
                let Some((_, value)) = value else {
                    self.problems.add(fields.at, "\"value\" is missing: what is written; null deletes");
                    return None;
                };
                let what = if matches!(value.kind, Kind::Null) { "delete" } else { "write" };
                let what = format!("{what} {}", show(&location));
                let data = match priority {
                    Some((_, priority)) => {
                        self.tree(value.at, with_priority(&value, &priority), location.path.depth())?
                    }
                    None => self.written(&value, location.path.depth())?,
                };
                let act = self.change(at, before, &Path::ROOT, vec![(location, data)], now)?;
                Some((act, what))
            }
            (None, None, Some(path)) => {
                superfluous("an update", [&asked, &value, &priority]);
                let at = path.at;
                let base = self.location("update", path)?;
                if base.priority {
                    self.problems.add(at, "a priority is not updated: write it");
                }
                let Some((_, values)) = values else {
                    self.problems
                        .add(fields.at, "\"values\" is missing: what is written, by path below the updated one");
                    return None;
                };
                let members = self.problems.members("\"values\"", values)?;
                let paths: Vec<_> = members.iter().map(|member| member.name.as_str()).collect();
                let what = format!("update {} of {}", paths.join(", "), base.path);
                let mut parts = Vec::new();
                for Member { at, name, value } in &members {
                    let part = self.place(*at, name)?;
                    let data = self.written(value, base.path.depth() + part.path.depth())?;
                    parts.push((part, data));
                }
                let act = self.change(at, before, &base.path, parts, now)?;
                Some((act, what))
            }
            (None, None, None) => {
                self.problems.add(fields.at, "a case has one of \"read\", \"write\" and \"update\", with a path");
                None
            }
            _ => {
                self.problems.add(fields.at, "a case has only one of \"read\", \"write\" and \"update\"");
                None
            }
        }
    }

    fn location(&mut self, name: &str, value: Value) -> Option<Location> {
        let at = value.at;
        let text = self.problems.text(name, value)?.text;
        self.place(at, &text)
    }

    fn place(&mut self, at: usize, text: &str) -> Option<Location> {
        match Location::parse(text) {
            Ok(location) => Some(location),
            Err(error) => {
                self.problems.0.push(Problem::new(at..at + 1, error.to_string()));
                None
            }
        }
    }

    fn change(
        &mut self,
        at: usize,
        before: &Node,
        base: &Path,
        parts: Vec<(Location, Unresolved)>,
        now: u64,
    ) -> Option<Act> {
        match engine::change(before, base, parts, now) {
            Ok((after, touched)) => Some(Act::Write { after, touched }),
            Err(error) => {
                self.problems.add(at, format!("no rules are asked, the server refuses this: {error}"));
                None
            }
        }
    }
}

/// Data that has this priority.
fn with_priority(value: &Value, priority: &Value) -> serde_json::Value {
    let mut data = match plain(value) {
        serde_json::Value::Object(members) => members,
        serde_json::Value::Array(values) => {
            values.into_iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        single @ (serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_)) => serde_json::Map::from_iter([(".value".to_owned(), single)]),
    };
    data.insert(".priority".to_owned(), plain(priority));
    data.into()
}

fn show(location: &Location) -> String {
    format!("{}{}", location.path, if location.priority { "/.priority" } else { "" })
}

/// The lines of places that come in the order of the text.
struct Lines<'t> {
    text: &'t str,
    seen: usize,
    line: usize,
}

impl Lines<'_> {
    fn of(&mut self, at: usize) -> usize {
        self.line += self.text.get(self.seen..at).unwrap_or_default().matches('\n').count();
        self.seen = at;
        self.line
    }
}
