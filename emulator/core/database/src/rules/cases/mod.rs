//! Cases of rules: who may do what to which data, and who may not, written down in a file that names no implementation.
//! `docs/rules-test.md` says how.
//!
//! Reading order: `yaml`, `fields` (what a file is made of), `read` (what it says), here (what comes out). Must not
//! know: files, terminals.

mod fields;
mod query;
mod read;
#[cfg(test)]
mod tests;
mod yaml;

use super::errors::RulesErrors;
use super::{Caller, Explanation, Ruleset};
use crate::query::Query;
use crate::tree::{Node, Path};
use std::fmt;

/// How a file of cases is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON with comments.
    Json,
    /// YAML, without anchors and tags.
    Yaml,
}

/// What is expected of rules, or comes out of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They let it happen.
    Allow,
    /// They do not.
    Deny,
}

impl fmt::Display for Verdict {
    /// As it is written in a file of cases.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        })
    }
}

/// Where the rules of a file of cases are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RulesOf {
    /// In the file at this path, from the folder of the file of cases.
    File(String),
    /// Among the cases.
    Inline(Ruleset),
}

/// A file of cases.
#[derive(Debug)]
pub struct CaseFile {
    /// The rules they are about.
    pub rules: RulesOf,
    /// The cases, in their order.
    pub cases: Vec<Case>,
}

/// One thing that somebody does, and what is expected of it.
#[derive(Debug)]
pub struct Case {
    /// The line it begins at, from 1.
    pub line: usize,
    /// What it is called: its name, or what it does.
    pub name: String,
    /// What it does, in words: `read /notes/alice as bob`.
    pub operation: String,
    /// What is expected.
    pub expect: Verdict,
    caller: Caller,
    now: u64,
    before: Node,
    act: Act,
}

/// What is done.
#[derive(Debug)]
enum Act {
    Read { path: Path, query: Query },
    Write { after: Node, touched: Vec<Path> },
}

impl CaseFile {
    /// Reads a file of cases. Those that say nothing of the time happen at `now`, in milliseconds since the epoch.
    ///
    /// # Errors
    /// Everything that is wrong with it, its inline rules included.
    pub fn parse(text: &str, format: Format, now: u64) -> Result<Self, RulesErrors> {
        read::read(text, format, now)
    }
}

impl Case {
    /// What comes out of `rules`.
    pub fn judge(&self, rules: &Ruleset) -> Verdict {
        let Self { caller, now, before, act, .. } = self;
        let allowed = match act {
            Act::Read { path, query } => rules.may_read(caller, path, query, before, *now),
            Act::Write { after, touched } => {
                touched.iter().all(|path| rules.may_write(caller, path, before, after, *now))
            }
        };
        if allowed { Verdict::Allow } else { Verdict::Deny }
    }

    /// Why: of a write the first of its paths at which it is denied; if it is allowed, each of them.
    pub fn explain(&self, rules: &Ruleset) -> Vec<Explanation> {
        let Self { caller, now, before, act, .. } = self;
        let (after, touched) = match act {
            Act::Read { path, query } => return vec![rules.explain_read(caller, path, query, before, *now)],
            Act::Write { after, touched } => (after, touched),
        };
        let explain = |path: &Path| rules.explain_write(caller, path, before, after, *now);
        match touched.iter().find(|path| !rules.may_write(caller, path, before, after, *now)) {
            Some(denied) => vec![explain(denied)],
            None => touched.iter().map(explain).collect(),
        }
    }
}
