//! Objects of which each member is known or wrong, and the problems found in them.
//!
//! Must not know: what the members mean.

use super::super::errors::Problem;
use super::super::json::{Kind, Member, Text, Value};
use std::collections::BTreeSet;

/// What is wrong so far.
#[derive(Debug, Default)]
pub(super) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, at: usize, text: impl Into<String>) {
        self.0.push(Problem::new(at..at + 1, text));
    }

    /// The string that a value has to be.
    pub(super) fn text(&mut self, name: &str, value: Value) -> Option<Text> {
        if let Kind::Text(text) = value.kind {
            return Some(text);
        }
        self.add(value.at, format!("\"{name}\" has to be a string"));
        None
    }

    /// The whole number, zero or more, that a value has to be.
    pub(super) fn whole(&mut self, name: &str, value: &Value) -> Option<u64> {
        if let Kind::Number(number) = &value.kind
            && let Some(whole) = number.as_u64()
        {
            return Some(whole);
        }
        self.add(value.at, format!("\"{name}\" has to be a whole number, zero or more"));
        None
    }

    /// The members that a value has to have; `None` if it is no object.
    pub(super) fn members(&mut self, what: &str, value: Value) -> Option<Vec<Member>> {
        if let Kind::Object(members) = value.kind {
            return Some(self.unique(members));
        }
        self.add(value.at, format!("{what} has to be an object"));
        None
    }

    /// Without those that are there twice, which is wrong.
    fn unique(&mut self, members: Vec<Member>) -> Vec<Member> {
        let mut names = BTreeSet::new();
        let mut first = |member: &Member| {
            let new = names.insert(member.name.clone());
            if !new {
                self.add(member.at, format!("\"{}\" is there twice", member.name));
            }
            new
        };
        members.into_iter().filter(|member| first(member)).collect()
    }
}

/// The members of an object, taken one by one.
pub(super) struct Fields {
    pub(super) at: usize,
    members: Vec<Member>,
    asked: Vec<&'static str>,
}

impl Fields {
    /// Those of a value that has to be an object; `None` if it is none.
    pub(super) fn of(what: &str, value: Value, problems: &mut Problems) -> Option<Self> {
        let at = value.at;
        Some(Self { at, members: problems.members(what, value)?, asked: Vec::new() })
    }

    /// The member of this name, if it is there.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Value> {
        self.asked.push(name);
        let place = self.members.iter().position(|member| member.name == name)?;
        Some(self.members.remove(place).value)
    }

    /// Whatever has not been taken is wrong.
    pub(super) fn end(self, problems: &mut Problems) {
        for member in &self.members {
            let known = self.asked.join(", ");
            problems.add(member.at, format!("\"{}\" is unknown here: there are {known}", member.name));
        }
    }
}

/// A value as plain JSON. Data may have any names in it, twice as well as once: the last one counts, as everywhere.
pub(super) fn plain(value: &Value) -> serde_json::Value {
    match &value.kind {
        Kind::Null => serde_json::Value::Null,
        Kind::Bool(bool) => (*bool).into(),
        Kind::Number(number) => number.clone().into(),
        Kind::Text(text) => text.text.as_str().into(),
        Kind::Array(values) => values.iter().map(plain).collect(),
        Kind::Object(members) => members.iter().map(|member| (member.name.clone(), plain(&member.value))).collect(),
    }
}
