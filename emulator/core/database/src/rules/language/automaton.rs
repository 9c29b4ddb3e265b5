//! Small patterns as a table: one look for each byte of the text, and nothing to set up before.
//!
//! The library's own engines make their tables while they search, which takes longer than the search of a short text.
//! Must not know: the dialect that patterns are written in.

use regex_automata::Anchored;
use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::util::syntax;
use std::collections::HashMap;

/// A table has at most so many rows: then it is small, and made in a moment.
const MOST_ROWS: usize = 256;
/// The library may take so many bytes while it makes what the table is made of.
const MOST_BYTES: usize = 1 << 18;

/// A row has one element for each byte there is.
const ROW: usize = 256;

/// A pattern that is run by a table.
#[derive(Debug)]
pub(super) struct Automaton {
    /// Row by row: where each byte leads, as the place where that row begins. Looking at a byte waits for the byte before
    /// it, so there is nothing to be calculated in between.
    table: Box<[u16]>,
    /// By row: whether the pattern has been found if the text ends here.
    found: Box<[bool]>,
}

impl Automaton {
    /// Of a pattern in the library's dialect, if it is small.
    pub(super) fn new(pattern: &str, case_insensitive: bool) -> Option<Self> {
        let config = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .dfa_size_limit(Some(MOST_BYTES))
            .determinize_size_limit(Some(MOST_BYTES));
        let syntax = syntax::Config::new().case_insensitive(case_insensitive);
        let dfa = dense::Builder::new().configure(config).syntax(syntax).build(pattern).ok()?;
        let first = dfa.start_state(&start::Config::new().anchored(Anchored::No)).ok()?;
        let (mut states, mut numbers) = (vec![first], HashMap::from([(first, 0)]));
        let (mut table, mut found) = (Vec::new(), Vec::new());
        while let Some(&state) = states.get(found.len()) {
            // What has been found stays found.
            let is_found = dfa.is_match_state(state);
            let mut number = |next: StateID| match numbers.get(&next) {
                Some(number) => Some(*number),
                None if states.len() == MOST_ROWS => None,
                None => {
                    let number = u16::try_from(states.len() * ROW).ok()?;
                    numbers.insert(next, number);
                    states.push(next);
                    Some(number)
                }
            };
            for byte in 0..=u8::MAX {
                table.push(number(if is_found { state } else { dfa.next_state(state, byte) })?);
            }
            found.push(is_found || dfa.is_match_state(dfa.next_eoi_state(state)));
        }
        Some(Self { table: table.into(), found: found.into() })
    }

    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        2 * self.table.len() + self.found.len()
    }

    /// Whether the pattern is found in a text.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let mut row = 0;
        for byte in text.bytes() {
            // Every row that is named is there.
            row = self.table.get(usize::from(row) + usize::from(byte)).copied().unwrap_or_default();
        }
        self.found.get(usize::from(row) / ROW).is_some_and(|found| *found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_finds_what_the_library_finds() {
        let texts = ["", "a", "A", "b", "ab", "aab", "ba", "a\nb", "é", "aé", "\u{212a}", "k", "x@y.zz", "0123456789"];
        for pattern in
            ["a", "^a", "a$", "^(?:)$", "^(?:a|b)+$", "(?:ab){1,2}", "^[^a]$", "[^\\n\\r]", "k", "^.{10}$", "é"]
        {
            for case_insensitive in [false, true] {
                let library = regex::RegexBuilder::new(pattern).case_insensitive(case_insensitive).build().unwrap();
                let table = Automaton::new(pattern, case_insensitive).unwrap();
                for text in texts {
                    assert_eq!(table.is_in(text), library.is_match(text), "{pattern} {case_insensitive} {text:?}");
                }
            }
        }
    }

    #[test]
    fn large_patterns_have_no_table() {
        assert!(Automaton::new("(?:a|b)*a(?:a|b){20}", false).is_none());
        assert!(Automaton::new("^a{300}$", false).is_none());
    }
}
