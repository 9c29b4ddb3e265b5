//! The language of conditions: expressions over `auth`, `now`, `root`, `data`, `newData`, `query` and `$wildcards`
//! (firebase.google.com/docs/reference/security/database).
//!
//! Reading order: `lexer`, `ast`, `parser` (its form), `types`, `check`, `methods`, `pattern` (its meaning, as `code`),
//! `value`, `evaluate` (what it comes to). Must not know: files of rules, the places that rules stand at.

mod ast;
mod check;
mod code;
mod evaluate;
mod lexer;
mod methods;
mod parser;
mod pattern;
#[cfg(test)]
mod tests;
mod types;
mod value;

pub(super) use check::Scope;
pub(super) use evaluate::{Facts, Meter};

use code::Code;
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

/// An expression, checked and ready to be evaluated.
#[derive(Clone, Debug)]
pub(super) struct Expression(Code);

impl Expression {
    /// Reads and checks an expression, which has to be a boolean.
    pub(super) fn compile(text: &str, scope: Scope<'_>) -> Result<Self, Vec<Wrong>> {
        let form = parser::parse(text).map_err(|wrong| vec![wrong])?;
        check::check(&form, scope).map(Self)
    }

    /// Whether it is true.
    pub(super) fn holds(&self, facts: Facts<'_>, meter: &Meter) -> Result<bool, Failure> {
        evaluate::holds(&self.0, facts, meter)
    }

    /// Whether it is true or false whatever it is evaluated over.
    pub(super) fn constant(&self) -> Option<bool> {
        if let Code::Bool(constant) = self.0 { Some(constant) } else { None }
    }
}
