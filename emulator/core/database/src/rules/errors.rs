//! What is wrong with a text of rules, and where.

use std::fmt;
use std::ops::Range;

/// So many problems are told; who has more, has one that makes the others.
const MOST_PROBLEMS: usize = 100;
/// Of a longer line only the part around the problem is shown: characters before and after its place.
const EXCERPT: usize = 60;

/// Something wrong with a part of a text, in offsets of bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) at: Range<usize>,
    pub(super) text: String,
}

impl Problem {
    pub(super) fn new(at: Range<usize>, text: impl Into<String>) -> Self {
        Self { at, text: text.into() }
    }

    /// Of a text that is not even JSON. Test libraries look for the first two words.
    pub(super) fn parse_error(at: usize, what: &str) -> Self {
        Self::new(at..at + 1, format!("Parse error: {what}"))
    }
}

/// One thing that is wrong. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesError {
    /// The line.
    pub line: usize,
    /// The column in that line.
    pub column: usize,
    /// What is wrong there, and what to do.
    pub problem: String,
    /// The line, or the part of it around the place, and under it carets that point there.
    pub excerpt: String,
}

impl fmt::Display for RulesError {
    /// In one line; `{:#}` adds the excerpt.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Line {}, column {}: {}", self.line, self.column, self.problem)?;
        if formatter.alternate() { write!(formatter, "\n{}", self.excerpt) } else { Ok(()) }
    }
}

/// Everything that is wrong with a text of rules, in the order of the text; never empty. Prints one to a line, with
/// `{:#}` each with an excerpt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesErrors(pub Vec<RulesError>);

impl RulesErrors {
    pub(super) fn new(text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.at.start);
        problems.truncate(MOST_PROBLEMS);
        let (mut line, mut line_start, mut seen) = (1, 0, 0);
        let place = |Problem { at, text: problem }| {
            let start = text.floor_char_boundary(at.start);
            for (offset, _) in text.get(seen..start).unwrap_or_default().match_indices('\n') {
                line += 1;
                line_start = seen + offset + 1;
            }
            seen = start.max(seen);
            let before = text.get(line_start..start).unwrap_or_default();
            let rest = text.get(start..).unwrap_or_default();
            let width = text.get(start..text.ceil_char_boundary(at.end)).unwrap_or_default();
            let width = width.lines().next().unwrap_or_default().chars().count();
            let excerpt = excerpt(before, rest, width);
            RulesError { line, column: before.chars().count() + 1, problem, excerpt }
        };
        Self(problems.into_iter().map(place).collect())
    }
}

/// What stands before a place in its line, and after it, and carets below the part of so many characters.
fn excerpt(before: &str, rest: &str, width: usize) -> String {
    let skipped = before.chars().count().saturating_sub(EXCERPT);
    let plain = |next: char| if next == '\t' { ' ' } else { next };
    let shown: String = before.chars().skip(skipped).map(plain).collect();
    let follows: String = rest.lines().next().unwrap_or_default().chars().take(EXCERPT).map(plain).collect();
    let carets = "^".repeat(width.clamp(1, EXCERPT));
    format!("  {shown}{follows}\n  {}{carets}", " ".repeat(shown.chars().count()))
}

impl fmt::Display for RulesErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.0.iter().enumerate() {
            if number > 0 {
                formatter.write_str("\n")?;
            }
            error.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for RulesErrors {}
