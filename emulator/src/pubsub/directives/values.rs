//! Values of directives, as JSON has them or as nginx writes them: `30`, `"1h30m"`, `"10m"`, `true`, `"on"`.
//!
//! Must not know: what a directive is for.

use crate::pubsub::expression::Expression;
use regex::bytes::Regex;
use serde_json::{Map, Value};
use std::num::{NonZeroU64, NonZeroUsize};

/// An object of directives. What it does not have is looked for in the one around it.
pub(super) struct Section<'v> {
    place: &'v str,
    own: &'v Map<String, Value>,
    around: Option<&'v Map<String, Value>>,
    mistakes: &'v mut Vec<String>,
}

impl<'v> Section<'v> {
    pub(super) fn new(
        place: &'v str,
        own: &'v Map<String, Value>,
        around: Option<&'v Map<String, Value>>,
        mistakes: &'v mut Vec<String>,
    ) -> Self {
        Self { place, own, around, mistakes }
    }

    /// Whether it stands here.
    pub(super) fn has_own(&self, name: &str) -> bool {
        self.own.contains_key(name)
    }

    /// Whether it stands here or around.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Says what is wrong with a directive, which then has no value.
    pub(super) fn mistake<T>(&mut self, name: &str, problem: &str) -> Option<T> {
        self.note(name, problem);
        None
    }

    /// Says what is wrong with a directive.
    pub(super) fn note(&mut self, name: &str, problem: &str) {
        let outer = !self.own.contains_key(name) && self.around.is_some_and(|around| around.contains_key(name));
        let place = if outer { "pushStream" } else { self.place };
        self.mistakes.push(format!("{place}.{name}: {problem}"));
    }

    fn get(&self, name: &str) -> Option<&'v Value> {
        self.own.get(name).or_else(|| self.around.and_then(|around| around.get(name)))
    }

    fn read<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Option<T>, expected: &str) -> Option<T> {
        let value = self.get(name)?;
        match read(value) {
            Some(value) => Some(value),
            None => self.mistake(name, &format!("{value} is not {expected}")),
        }
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.read(name, |value| value.as_str().map(str::to_owned), "a string")
    }

    pub(super) fn filled_text(&mut self, name: &str) -> Option<String> {
        let filled = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        self.read(name, filled, "a string with something in it")
    }

    /// A string, or a list of such.
    pub(super) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let texts = |value: &Value| match value.as_array() {
            Some(list) => list.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
            None => value.as_str().map(|text| vec![text.to_owned()]),
        };
        self.read(name, texts, "a string or a list of strings")
    }

    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        let flag = |value: &Value| match (value.as_bool(), value.as_str()) {
            (Some(flag), _) => Some(flag),
            (None, Some("on")) => Some(true),
            (None, Some("off")) => Some(false),
            (None, Some(_) | None) => None,
        };
        self.read(name, flag, "true or false")
    }

    pub(super) fn count(&mut self, name: &str) -> Option<NonZeroUsize> {
        let count = |value: &Value| NonZeroUsize::new(number(value, |text| text.parse().ok())?.try_into().ok()?);
        self.read(name, count, "a whole number above zero")
    }

    pub(super) fn size(&mut self, name: &str) -> Option<NonZeroUsize> {
        let size = |value: &Value| NonZeroUsize::new(number(value, bytes)?.try_into().ok()?);
        self.read(name, size, "a size above zero, like 65536, \"64k\" or \"10m\"")
    }

    /// In milliseconds.
    pub(super) fn duration(&mut self, name: &str) -> Option<NonZeroU64> {
        let duration = |value: &Value| match value.as_str() {
            Some(text) => NonZeroU64::new(milliseconds(text)?),
            None => NonZeroU64::new(value.as_u64()?.checked_mul(1000)?),
        };
        self.read(name, duration, "a time above zero, like 30 (seconds), \"500ms\" or \"1h30m\"")
    }

    /// `groups` is the location's regular expression.
    pub(super) fn expression(&mut self, name: &str, groups: Option<&Regex>) -> Option<Expression> {
        match Expression::parse(&self.text(name)?, groups) {
            Ok(expression) => Some(expression),
            Err(problem) => self.mistake(name, &problem),
        }
    }
}

fn number(value: &Value, parse: impl FnOnce(&str) -> Option<u64>) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str().and_then(parse))
}

/// A size as nginx writes it.
fn bytes(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// A time as nginx writes it, in milliseconds: `1h30m`, `500ms`; without a unit in seconds.
fn milliseconds(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let (digits, after) = rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len()));
        let end = after.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let unit = match unit {
            "ms" => 1,
            "" | "s" => 1000,
            "m" => 60 * 1000,
            "h" => 60 * 60 * 1000,
            "d" => 24 * 60 * 60 * 1000,
            "w" => 7 * 24 * 60 * 60 * 1000,
            "M" => 30 * 24 * 60 * 60 * 1000,
            "y" => 365 * 24 * 60 * 60 * 1000,
            _ => return None,
        };
        sum = digits.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(sum)?;
        rest = after.trim_start();
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes() {
        for (text, expect) in [
            ("30", Some(30_000)),
            ("30s", Some(30_000)),
            ("1h30m", Some(5_400_000)),
            ("1m 500ms", Some(60_500)),
            ("1M", Some(2_592_000_000)),
            ("0", Some(0)),
            ("", None),
            ("h", None),
            ("1x", None),
            ("-1s", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(milliseconds(text), expect, "{text}");
        }
        for (text, expect) in [("1", Some(1)), ("2k", Some(2048)), ("1G", Some(1 << 30)), ("k", None), ("1kb", None)] {
            assert_eq!(bytes(text), expect, "{text}");
        }
    }
}
