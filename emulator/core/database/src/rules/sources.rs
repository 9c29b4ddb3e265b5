//! Where the rules stand in their file, and the parts of their expressions: for those who explain, not for those who
//! judge.
//!
//! Must not know: what rules come to.

use super::file;
use super::json::Text;
use super::language::{Part, RuleId};
use std::fmt;
use std::ops::Range;

/// So many characters are shown of a rule, and of a part of it.
const MOST_RULE_CHARACTERS: usize = 300;
const MOST_PART_CHARACTERS: usize = 80;

/// Which of the rules of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// `.read`
    Read,
    /// `.write`
    Write,
    /// `.validate`
    Validate,
}

impl fmt::Display for RuleKind {
    /// As it is written in the file.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Read => ".read",
            Self::Write => ".write",
            Self::Validate => ".validate",
        })
    }
}

/// A place in the text of the rules. Both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column in that line.
    pub column: usize,
}

impl fmt::Display for Position {
    /// `line:column`
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// One rule as it is written.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) kind: RuleKind,
    /// From the root of the rules down to its place: keys and wildcards.
    pub(super) names: Vec<String>,
    /// The expression or the constant.
    pub(super) text: Text,
    /// The expression's parts; of a constant there may be none.
    pub(super) parts: Vec<Part>,
}

impl Source {
    /// Its place in the rules: `/users/$uid`.
    pub(super) fn path(&self) -> String {
        self.names.iter().fold(String::new(), |path, name| path + "/" + name)
    }

    /// How it is written, in one line, cut if it is long.
    pub(super) fn wording(&self) -> String {
        in_one_line(&self.text.text, MOST_RULE_CHARACTERS)
    }

    /// How a part of it is written, in one line, cut if it is long.
    pub(super) fn part(&self, part: &Part) -> String {
        in_one_line(self.text.text.get(part.span.clone()).unwrap_or_default(), MOST_PART_CHARACTERS)
    }

    /// Where it stands in the file, in bytes.
    pub(super) fn span(&self) -> Range<usize> {
        self.text.place(&(0..self.text.text.len()))
    }

    /// Where a part of it stands in the file, in bytes.
    pub(super) fn part_span(&self, part: &Part) -> Range<usize> {
        self.text.place(&part.span)
    }
}

fn in_one_line(text: &str, most: usize) -> String {
    let mut line = String::new();
    for word in text.split_ascii_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > most * char::MAX.len_utf8() {
            break;
        }
    }
    cut(&line, most)
}

/// A text as it is, or so many characters of it.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
        None => text.to_owned(),
    }
}

/// All rules of a file, by their numbers.
#[derive(Debug)]
pub(super) struct Sources(Vec<Source>);

impl Sources {
    pub(super) fn new(text: &str) -> Self {
        Self(file::sources(text))
    }

    pub(super) fn of(sources: Vec<Source>) -> Self {
        Self(sources)
    }

    pub(super) fn get(&self, rule: RuleId) -> Option<&Source> {
        self.0.get(rule.place())
    }

    pub(super) fn all(&self) -> &[Source] {
        &self.0
    }
}

/// Finds positions in a text; quickly, if they are asked for in its order.
#[derive(Debug)]
pub(super) struct Positions<'t> {
    text: &'t str,
    at: usize,
    position: Position,
}

impl<'t> Positions<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, position: Position { line: 1, column: 1 } }
    }

    /// Where the byte at `offset` stands.
    pub(super) fn find(&mut self, offset: usize) -> Position {
        if offset < self.at {
            *self = Self::new(self.text);
        }
        let end = self.text.floor_char_boundary(offset);
        for next in self.text.get(self.at..end).unwrap_or_default().chars() {
            if next == '\n' {
                self.position = Position { line: self.position.line + 1, column: 1 };
            } else {
                self.position.column += 1;
            }
        }
        self.at = end;
        self.position
    }
}
