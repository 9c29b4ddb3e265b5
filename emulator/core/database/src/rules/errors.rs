//! What is wrong with a text of rules, and where.

use std::fmt;

/// Something wrong at an offset in bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) at: usize,
    pub(super) text: String,
}

impl Problem {
    pub(super) fn new(at: usize, text: impl Into<String>) -> Self {
        Self { at, text: text.into() }
    }

    /// Of a text that is not even JSON. Test libraries look for the first two words.
    pub(super) fn parse_error(at: usize, what: &str) -> Self {
        Self::new(at, format!("Parse error: {what}"))
    }
}

/// One thing that is wrong. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesError {
    /// The line.
    pub line: usize,
    /// The column in that line.
    pub column: usize,
    /// What is wrong there.
    pub problem: String,
}

impl fmt::Display for RulesError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Line {}, column {}: {}", self.line, self.column, self.problem)
    }
}

/// Everything that is wrong with a text of rules, in the order of the text; never empty. Prints one to a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesErrors(pub Vec<RulesError>);

impl RulesErrors {
    pub(super) fn new(text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.at);
        let place = |Problem { at, text: problem }| {
            let before = text.get(..at).unwrap_or(text);
            let line_start = before.rfind('\n').map_or(0, |end| end + 1);
            let line = before.matches('\n').count() + 1;
            let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
            RulesError { line, column, problem }
        };
        Self(problems.into_iter().map(place).collect())
    }
}

impl fmt::Display for RulesErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.0.iter().enumerate() {
            let end = if number == 0 { "" } else { "\n" };
            write!(formatter, "{end}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for RulesErrors {}
