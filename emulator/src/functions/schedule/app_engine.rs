//! App Engine's schedule syntax, which Firebase's scheduled functions are given in.
//!
//! ```text
//! every N hours|minutes [synchronized | from T to T]
//! every day|WEEKDAYS [of month|MONTHS] T
//! ORDINALS WEEKDAYS [of month|MONTHS] T
//! DAYS of month|MONTHS T
//! ```
//! Lists are separated by commas; names of days and months may be cut to three letters or more.

use super::{DayRule, DaysOfMonth, Rule, Wrong};
use crate::clock::Millis;
use chrono::NaiveTime;

const MINUTE: Millis = 60 * 1000;
const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;

const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const ORDINALS: [[&str; 2]; 5] =
    [["1st", "first"], ["2nd", "second"], ["3rd", "third"], ["4th", "fourth"], ["5th", "fifth"]];
/// Bits 1 to 12.
const EVERY_MONTH: u32 = 0b1_1111_1111_1110;
/// Bits 0 to 6.
const EVERY_WEEKDAY: u32 = 0b111_1111;
/// Bits 1 to 5.
const EVERY_ORDINAL: u32 = 0b11_1110;

const A_TIME: &str = "expected a time like 09:30";
const A_START: &str = "expected `every`, a day of the month, or which weekday of the month";

pub(super) fn parse(text: &str) -> Result<Rule, Wrong> {
    let mut words = Words::of(text);
    let rule = if words.take("every") {
        if words.peek().starts_with(|first: char| first.is_ascii_digit()) {
            interval(&mut words)?
        } else {
            every_day(&mut words)?
        }
    } else if ordinal(words.peek()).is_some() {
        which_weekdays(&mut words)?
    } else if words.peek().starts_with(|first: char| first.is_ascii_digit()) {
        numbered_days(&mut words)?
    } else {
        return Err(words.wrong(A_START));
    };
    if words.peek().is_empty() { Ok(rule) } else { Err(words.wrong("expected nothing more")) }
}

fn interval(words: &mut Words) -> Result<Rule, Wrong> {
    let number_at = words.place();
    let number = words.peek().parse::<Millis>().ok().filter(|number| *number > 0);
    let number = number.ok_or_else(|| words.wrong("expected a number from 1 on"))?;
    words.skip();
    let unit = match words.peek() {
        "hours" | "hour" => HOUR,
        "minutes" | "minute" | "mins" | "min" => MINUTE,
        _ => return Err(words.wrong("expected `hours` or `minutes`")),
    };
    words.skip();
    let period = number.checked_mul(unit).filter(|period| *period <= 366 * DAY);
    let period = period.ok_or_else(|| Wrong { at: number_at, what: "this is longer than a year".to_owned() })?;
    if words.peek().is_empty() {
        return Ok(Rule::Interval(period));
    }
    let tail = words.place();
    if words.take("synchronized") {
        // The whole day, which the interval has to divide, so that the steps meet midnight.
        if !DAY.is_multiple_of(period) {
            return Err(Wrong { at: tail, what: "a day is no multiple of this interval".to_owned() });
        }
        let (from, to) = (NaiveTime::MIN, NaiveTime::from_hms_opt(23, 59, 0).unwrap_or(NaiveTime::MIN));
        return Ok(Rule::Range { period, from, to });
    }
    if !words.take("from") {
        return Err(words.wrong("expected `synchronized`, `from` or nothing more"));
    }
    let from = time(words)?;
    if !words.take("to") {
        return Err(words.wrong("expected `to`"));
    }
    let end_at = words.place();
    let to = time(words)?;
    if from == to {
        return Err(Wrong { at: end_at, what: "the range ends where it begins".to_owned() });
    }
    Ok(Rule::Range { period, from, to })
}

fn every_day(words: &mut Words) -> Result<Rule, Wrong> {
    let weekdays = if words.take("day") {
        EVERY_WEEKDAY
    } else if weekday(words.peek()).is_some() {
        list(words, "expected a weekday", weekday)?
    } else {
        return Err(words.wrong("expected a number, `day` or a weekday"));
    };
    months_and_time(words, DaysOfMonth::Weekdays { weekdays, ordinals: EVERY_ORDINAL }, false)
}

fn which_weekdays(words: &mut Words) -> Result<Rule, Wrong> {
    let ordinals = list(words, "expected `1st`, `second` and so on", ordinal)?;
    if words.peek() == "day" {
        return Err(words.wrong("expected a weekday; days of the month are given by number"));
    }
    let weekdays = list(words, "expected a weekday", weekday)?;
    months_and_time(words, DaysOfMonth::Weekdays { weekdays, ordinals }, false)
}

fn numbered_days(words: &mut Words) -> Result<Rule, Wrong> {
    let day = |word: &str| word.parse::<u32>().ok().filter(|day| (1..=31).contains(day));
    let days = list(words, "expected a day of the month", day)?;
    months_and_time(words, DaysOfMonth::Numbered(days), true)
}

fn months_and_time(words: &mut Words, days: DaysOfMonth, months_needed: bool) -> Result<Rule, Wrong> {
    let months = if words.take("of") {
        if words.take("month") { EVERY_MONTH } else { list(words, "expected `month` or a month's name", month)? }
    } else if months_needed {
        return Err(words.wrong("expected `of`"));
    } else {
        EVERY_MONTH
    };
    Ok(Rule::Days { days: DayRule { months, days }, at: time(words)? })
}

/// A list with commas, as a set of bits.
fn list(words: &mut Words, expected: &str, bit: impl Fn(&str) -> Option<u32>) -> Result<u32, Wrong> {
    let mut set = 0;
    loop {
        set |= 1 << bit(words.peek()).ok_or_else(|| words.wrong(expected))?;
        words.skip();
        if !words.take(",") {
            return Ok(set);
        }
    }
}

fn time(words: &mut Words) -> Result<NaiveTime, Wrong> {
    let number = |digits: &str, most: usize| {
        let plain = (1..=most).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
        digits.parse().ok().filter(|_| plain)
    };
    let time = words.peek().split_once(':').and_then(|(hours, minutes)| {
        let minutes = number(minutes, 2).filter(|_| minutes.len() == 2)?;
        NaiveTime::from_hms_opt(number(hours, 2)?, minutes, 0)
    });
    let time = time.ok_or_else(|| words.wrong(A_TIME))?;
    words.skip();
    Ok(time)
}

fn weekday(word: &str) -> Option<u32> {
    named(word, &WEEKDAYS)
}

fn month(word: &str) -> Option<u32> {
    named(word, &MONTHS).map(|index| index + 1)
}

fn ordinal(word: &str) -> Option<u32> {
    index(ORDINALS.iter().position(|names| names.contains(&word))).map(|index| index + 1)
}

fn named(word: &str, names: &[&str]) -> Option<u32> {
    index(names.iter().position(|name| word.len() >= 3 && name.starts_with(word)))
}

fn index(position: Option<usize>) -> Option<u32> {
    position.and_then(|position| u32::try_from(position).ok())
}

/// The words and commas of a text in lower case, each with the characters before it.
struct Words {
    words: Vec<(usize, String)>,
    next: usize,
    /// The text's length.
    end: usize,
}

impl Words {
    fn of(text: &str) -> Self {
        let mut words: Vec<(usize, String)> = Vec::new();
        let mut open = false;
        for (at, character) in text.chars().enumerate() {
            let joins = !character.is_whitespace() && character != ',';
            match words.last_mut() {
                Some((_, word)) if open && joins => word.extend(character.to_lowercase()),
                Some(_) | None if !character.is_whitespace() => words.push((at, character.to_lowercase().collect())),
                Some(_) | None => {}
            }
            open = joins;
        }
        Self { words, next: 0, end: text.chars().count() }
    }

    /// The next word; empty at the end.
    fn peek(&self) -> &str {
        self.words.get(self.next).map_or("", |(_, word)| word)
    }

    fn skip(&mut self) {
        self.next += 1;
    }

    /// Skips the next word if it is `word`.
    fn take(&mut self, word: &str) -> bool {
        let is = self.peek() == word;
        self.next += usize::from(is);
        is
    }

    fn place(&self) -> usize {
        self.words.get(self.next).map_or(self.end, |(at, _)| *at)
    }

    fn wrong(&self, what: &str) -> Wrong {
        Wrong { at: self.place(), what: what.to_owned() }
    }
}
