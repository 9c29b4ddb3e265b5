//! Patterns: the dialect of regular expressions that `matches()` takes, checked here and run by a library that takes
//! time in proportion to the text.
//!
//! The dialect (firebase.google.com/docs/reference/security/database/regex): `\s \w \d \S \W \D`, `.`, `* + ?`,
//! `{n} {n,} {n,m}`, groups, `|`, sets; `\` before any other character means that character; `^` stands first and `$`
//! last, for all alternatives. Letters, digits and spaces are those of ASCII. Must not know: expressions.

use super::Wrong;
use super::automaton::Automaton;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::CharIndices;
use std::sync::Arc;

/// Groups nest at most so deep.
const MOST_GROUPS: usize = 32;
/// Something repeats at most so many times, if it is counted.
const MOST_REPEATS: u32 = 1000;
/// A pattern takes at most so many bytes once compiled.
const MOST_BYTES: usize = 1 << 20;

/// The tables of one file's patterns take at most so many bytes.
const MOST_TABLES: usize = 4 << 20;
/// Trying to make a table of a pattern that is too large counts like so many bytes.
const FAILED_TABLE: usize = 1 << 16;

/// A pattern that can be looked for.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    /// Most are small.
    Table(Arc<Automaton>),
    Regex(regex::Regex),
}

/// The patterns of one file of rules: the same one is compiled once, which takes longer than all else that is done with
/// a rule, and kept once.
#[derive(Debug, Default)]
pub(in super::super) struct Patterns {
    known: RefCell<BTreeMap<(String, String), Pattern>>,
    /// How much their tables have taken.
    tables: Cell<usize>,
}

impl Patterns {
    /// Reads what stands between the slashes, and the flags after them. What is wrong is placed relative to `pattern`.
    pub(super) fn get(&self, pattern: &str, flags: &str) -> Result<Pattern, Wrong> {
        let name = (pattern.to_owned(), flags.to_owned());
        if let Some(known) = self.known.borrow().get(&name) {
            return Ok(known.clone());
        }
        let made = self.make(pattern, flags)?;
        self.known.borrow_mut().insert(name, made.clone());
        Ok(made)
    }

    fn make(&self, pattern: &str, flags: &str) -> Result<Pattern, Wrong> {
        let translated = Translated::new(pattern, flags)?;
        let regex = translated.regex()?;
        let used = self.tables.get();
        if used >= MOST_TABLES {
            return Ok(Pattern::Regex(regex));
        }
        let table = translated.table();
        self.tables.set(used + table.as_ref().map_or(FAILED_TABLE, Automaton::bytes));
        Ok(table.map_or(Pattern::Regex(regex), |table| Pattern::Table(Arc::new(table))))
    }
}

impl Pattern {
    /// Whether it is found in `text`.
    #[inline]
    pub(super) fn is_in(&self, text: &str) -> bool {
        match self {
            Self::Table(table) => table.is_in(text),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

/// A pattern in the library's dialect.
struct Translated<'p> {
    pattern: &'p str,
    text: String,
    case_insensitive: bool,
}

impl<'p> Translated<'p> {
    /// Reads what stands between the slashes, and the flags after them. What is wrong is placed relative to `pattern`.
    fn new(pattern: &'p str, flags: &str) -> Result<Self, Wrong> {
        if !matches!(flags, "" | "i") {
            let end = pattern.len() + 1 + flags.len();
            return Err(Wrong::new(pattern.len() + 1..end, "the only flag of a pattern is i"));
        }
        Ok(Self { pattern, text: Translator::new(pattern).pattern()?, case_insensitive: flags == "i" })
    }

    fn regex(&self) -> Result<regex::Regex, Wrong> {
        let mut builder = regex::RegexBuilder::new(&self.text);
        builder.case_insensitive(self.case_insensitive).size_limit(MOST_BYTES).nest_limit(4 * MOST_GROUPS as u32);
        let too_large = |_| Wrong::new(0..self.pattern.len().max(1), "the pattern is too large: repeat less in it");
        builder.build().map_err(too_large)
    }

    fn table(&self) -> Option<Automaton> {
        Automaton::new(&self.text, self.case_insensitive)
    }
}

/// Reads the dialect and writes the library's.
struct Translator<'p> {
    text: &'p str,
    rest: Peekable<CharIndices<'p>>,
    out: String,
}

impl<'p> Translator<'p> {
    fn new(text: &'p str) -> Self {
        Self { text, rest: text.char_indices().peekable(), out: String::with_capacity(text.len() + 16) }
    }

    fn peek(&mut self) -> Option<char> {
        self.rest.peek().map(|(_, next)| *next)
    }

    fn at(&mut self) -> usize {
        self.rest.peek().map_or(self.text.len(), |(at, _)| *at)
    }

    fn wrong<T>(&mut self, problem: &str) -> Result<T, Wrong> {
        let at = self.at();
        Err(Wrong::new(at..at + self.peek().map_or(1, char::len_utf8), problem))
    }

    fn pattern(mut self) -> Result<String, Wrong> {
        let anchored = self.peek() == Some('^');
        if anchored {
            self.rest.next();
        }
        self.out.push_str(if anchored { "^(?:" } else { "(?:" });
        // Nothing but its two ends: the empty text.
        if !(anchored && self.peek() == Some('$')) {
            self.alternatives(0)?;
        }
        self.out.push(')');
        match self.rest.next() {
            None => Ok(self.out),
            Some((_, '$')) if self.peek().is_none() => {
                self.out.push('$');
                Ok(self.out)
            }
            Some((at, '$')) => Err(Wrong::new(at..at + 1, "$ may only stand at the pattern's end: escape it as \\$")),
            Some((at, _)) => Err(Wrong::new(at..at + 1, "this ) closes nothing: escape it as \\)")),
        }
    }

    fn alternatives(&mut self, depth: usize) -> Result<(), Wrong> {
        loop {
            self.sequence(depth)?;
            if self.peek() != Some('|') {
                return Ok(());
            }
            self.rest.next();
            self.out.push('|');
        }
    }

    fn sequence(&mut self, depth: usize) -> Result<(), Wrong> {
        let start = self.out.len();
        loop {
            match self.peek() {
                None | Some('|' | ')' | '$') => break,
                Some('^') => return self.wrong("^ may only stand at the pattern's start: escape it as \\^"),
                Some('*' | '+' | '?' | '{') => {
                    return self.wrong("there is nothing to repeat before this: escape it with \\");
                }
                Some('(') => self.group(depth)?,
                Some('[') => self.set()?,
                Some('.') => {
                    self.rest.next();
                    self.out.push_str("[^\\n\\r]");
                }
                Some('\\') => match self.escape()? {
                    Escaped::Class(class) => self.out.push_str(class),
                    Escaped::Itself(itself) => self.literal(itself),
                },
                Some(itself) => {
                    self.rest.next();
                    self.literal(itself);
                }
            }
            self.repeat()?;
        }
        if self.out.len() == start {
            return self.wrong("an alternative is empty: make it optional with ? instead");
        }
        Ok(())
    }

    fn literal(&mut self, itself: char) {
        // What means something to the library.
        if r"\.+*?()|[]{}^$#&-~".contains(itself) {
            self.out.push('\\');
        }
        self.out.push(itself);
    }

    fn group(&mut self, depth: usize) -> Result<(), Wrong> {
        if depth == MOST_GROUPS {
            return self.wrong("groups nest too deep in the pattern");
        }
        let open = self.at();
        self.rest.next();
        if self.peek() == Some('?') {
            return self.wrong("there are no groups with ? in patterns: no look-around, no names, no flags");
        }
        self.out.push_str("(?:");
        self.alternatives(depth + 1)?;
        if self.peek() == Some('$') {
            return self.wrong("$ may only stand at the pattern's end: escape it as \\$");
        }
        if self.rest.next().is_none() {
            return Err(Wrong::new(open..open + 1, "this group does not end: close it with )"));
        }
        self.out.push(')');
        Ok(())
    }

    fn escape(&mut self) -> Result<Escaped, Wrong> {
        self.rest.next();
        Ok(match self.peek() {
            None => return self.wrong("the pattern ends in the middle of an escape"),
            Some('0'..='9') => return self.wrong("there are no back-references in patterns"),
            Some(next) => {
                self.rest.next();
                match next {
                    'd' => Escaped::Class("[0-9]"),
                    'D' => Escaped::Class("[^0-9]"),
                    'w' => Escaped::Class("[0-9A-Za-z_]"),
                    'W' => Escaped::Class("[^0-9A-Za-z_]"),
                    's' => Escaped::Class("[\\t\\n\\v\\f\\r ]"),
                    'S' => Escaped::Class("[^\\t\\n\\v\\f\\r ]"),
                    itself => Escaped::Itself(itself),
                }
            }
        })
    }

    fn set(&mut self) -> Result<(), Wrong> {
        let open = self.at();
        self.rest.next();
        self.out.push('[');
        if self.peek() == Some('^') {
            self.rest.next();
            self.out.push('^');
        }
        let mut empty = true;
        loop {
            let at = self.at();
            let first = match self.peek() {
                None => return Err(Wrong::new(open..open + 1, "this set does not end: close it with ]")),
                Some(']') if empty => return Err(Wrong::new(open..at + 1, "the set is empty")),
                Some(']') => {
                    self.rest.next();
                    self.out.push(']');
                    return Ok(());
                }
                Some(_) => self.set_item()?,
            };
            empty = false;
            let Escaped::Itself(low) = first else { continue };
            self.literal(low);
            // A hyphen before the set's end is one.
            let mut ahead = self.rest.clone();
            let range = ahead.next().is_some_and(|(_, next)| next == '-');
            if !range || ahead.next().is_none_or(|(_, next)| next == ']') {
                continue;
            }
            self.rest.next();
            match self.set_item()? {
                Escaped::Itself(high) if low <= high => {
                    self.out.push('-');
                    self.literal(high);
                }
                Escaped::Itself(_) => {
                    let end = self.at();
                    return Err(Wrong::new(at..end, "the range runs backwards"));
                }
                Escaped::Class(_) => {
                    let end = self.at();
                    return Err(Wrong::new(at..end, "a range ends in a character"));
                }
            }
        }
    }

    fn set_item(&mut self) -> Result<Escaped, Wrong> {
        if self.peek() != Some('\\') {
            return match self.rest.next() {
                Some((_, itself)) => Ok(Escaped::Itself(itself)),
                None => self.wrong("the set does not end: close it with ]"),
            };
        }
        let escaped = self.escape()?;
        if let Escaped::Class(class) = escaped {
            self.out.push_str(class);
        }
        Ok(escaped)
    }

    fn repeat(&mut self) -> Result<(), Wrong> {
        match self.peek() {
            Some(sign @ ('*' | '+' | '?')) => {
                self.rest.next();
                self.out.push(sign);
            }
            Some('{') => self.counted()?,
            _ => return Ok(()),
        }
        match self.peek() {
            Some('?') => self.wrong("there are no lazy repetitions in patterns: leave out this ?"),
            Some('*' | '+' | '{') => self.wrong("this repeats a repetition: put that into a group"),
            _ => Ok(()),
        }
    }

    fn counted(&mut self) -> Result<(), Wrong> {
        const FORM: &str = "a repetition is {n}, {n,} or {n,m} with numbers up to 1000; else escape it as \\{";
        let open = self.at();
        self.rest.next();
        let least = self.count();
        let bounded = self.peek() != Some(',');
        if !bounded {
            self.rest.next();
        }
        let most = if bounded { least } else { self.count() };
        let closed = self.rest.next().is_some_and(|(_, next)| next == '}');
        // Without a number after the comma there is no upper bound.
        match (least, most) {
            (Count::Number(least), Count::Number(most)) if closed && least <= most => {
                let _ = write!(self.out, "{{{least},{most}}}");
            }
            (Count::Number(least), Count::None) if closed && !bounded => {
                let _ = write!(self.out, "{{{least},}}");
            }
            (Count::Number(_) | Count::None | Count::TooMany, _) => {
                let end = self.at();
                return Err(Wrong::new(open..end.max(open + 1), FORM));
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Count {
        let mut count = Count::None;
        while let Some(digit) = self.peek().and_then(|next| next.to_digit(10)) {
            self.rest.next();
            count = match count {
                Count::None => Count::Number(digit),
                Count::Number(number) if number * 10 + digit <= MOST_REPEATS => Count::Number(number * 10 + digit),
                Count::Number(_) | Count::TooMany => Count::TooMany,
            };
        }
        count
    }
}

/// The number of a counted repetition.
#[derive(Clone, Copy)]
enum Count {
    None,
    Number(u32),
    TooMany,
}

/// What an escape means.
enum Escaped {
    Class(&'static str),
    Itself(char),
}
