//! The language of conditions: expressions over `auth`, `now`, `root`, `data`, `newData`, `query` and `$wildcards`
//! (firebase.google.com/docs/reference/security/database).
//!
//! Reading order: `lexer`, `ast`, `parser` (its form), `types`, `check`, `methods`, `pattern`, `automaton`, `parts` (its meaning, as
//! `code`), `value`, `query`, `made`, `evaluate`, `places` (what it comes to), `trace` (who hears of that). Must not know: files of rules,
//! the places that rules stand at.

mod ast;
mod automaton;
mod check;
mod code;
mod evaluate;
mod lexer;
mod made;
mod methods;
mod parser;
mod parts;
mod pattern;
mod places;
mod query;
#[cfg(test)]
mod tests;
mod trace;
mod types;
mod value;

pub(super) use check::Scope;
pub(super) use evaluate::{Facts, Meter};
pub(super) use parts::{Part, PartId, Shape};
pub(super) use pattern::Patterns;
pub(super) use trace::{RuleId, Trace, Untraced};
pub(super) use value::{Value, number_text};

use code::{Code, Op, Plain};
use std::fmt;
use std::ops::Range;

/// Something wrong with an expression, and where: offsets in bytes of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) span: Range<usize>,
    pub(super) problem: String,
}

impl Wrong {
    fn new(span: Range<usize>, problem: impl Into<String>) -> Self {
        Self { span, problem: problem.into() }
    }
}

/// Why an expression came to nothing. All of these make its rule false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Something that has to be a boolean was none.
    NotBoolean,
    /// Something that has to be a number was none.
    NotNumber,
    /// Something that has to be a string was none.
    NotText,
    /// `<` and its like were neither between two numbers nor between two strings.
    NotComparable,
    /// `+` was neither between two numbers nor between a string and a string or number.
    NotAddable,
    /// The root has no parent.
    NoParent,
    /// A string was to be made that is longer than any in the database.
    TooLong,
    /// The judgement took too many steps.
    Exhausted,
}

impl fmt::Display for Failure {
    /// What is wrong, for whoever wrote the rule.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotBoolean => "something that has to be true or false is neither",
            Self::NotNumber => "something that has to be a number is none",
            Self::NotText => "something that has to be a string is none",
            Self::NotComparable => "only two numbers or two strings can be compared by order",
            Self::NotAddable => "only numbers can be added, and only strings and numbers be joined to strings",
            Self::NoParent => "the root has no parent",
            Self::TooLong => "the string would be longer than any in the database",
            Self::Exhausted => "the judgement took too many steps",
        })
    }
}

/// An expression, checked and ready to be evaluated.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    code: Code,
    sees: Sees,
    /// How many parts it has.
    parts: u64,
}

/// What of the tree an expression may look at, besides its root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sees {
    /// `data`, and what is above and below it.
    pub(super) data: bool,
    /// The same of `newData`.
    pub(super) new_data: bool,
}

impl Expression {
    /// Reads and checks an expression, which has to be a boolean. Answers its parts as well.
    pub(super) fn compile(text: &str, scope: Scope<'_>) -> Result<(Self, Vec<Part>), Vec<Wrong>> {
        let form = parser::parse(text).map_err(|wrong| vec![wrong])?;
        let (code, sees, parts) = check::check(&form, scope)?;
        Ok((Self { code, sees, parts: parts.len() as u64 }, parts))
    }

    /// Whether it is true.
    pub(super) fn holds(&self, facts: &Facts<'_>, meter: &Meter, trace: &impl Trace) -> Result<bool, Failure> {
        meter.spend(self.parts)?;
        evaluate::holds(&self.code, facts, meter, trace)
    }

    /// What it may look at.
    pub(super) fn sees(&self) -> Sees {
        self.sees
    }

    /// Whether it is true or false whatever it is evaluated over.
    pub(super) fn constant(&self) -> Option<bool> {
        if let Op::Plain(Plain::Bool(constant)) = self.code.op { Some(constant) } else { None }
    }
}
