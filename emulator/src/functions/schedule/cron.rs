//! Unix cron: five fields, or a nickname like `@daily`.

use super::{Wrong, local_time};
use crate::clock::Millis;
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// A pattern that was understood.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Cron);

/// Whether `text` is meant as cron: a nickname, or something whose first two words are made of cron's signs.
pub(super) fn looks_like_cron(text: &str) -> bool {
    let sign = |c: char| c.is_ascii_digit() || "*/,-".contains(c);
    let mut words = text.split_whitespace();
    let mut is_field = || words.next().is_some_and(|word| word.chars().all(sign));
    text.trim_start().starts_with('@') || (is_field() && is_field())
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        let fields: Vec<(usize, &str)> = fields(text);
        if !text.trim_start().starts_with('@') && fields.len() != 5 {
            return Err(Wrong { at: 0, what: "expected five fields".to_owned() });
        }
        parser().parse(text).map(Self).map_err(|error| {
            // The parser does not say which field it is: it is the first one that is wrong among stars.
            let alone = |place: usize, field: &str| {
                let line = (0..5).map(|other| if other == place { field } else { "*" }).collect::<Vec<_>>().join(" ");
                parser().parse(&line).err()
            };
            let first = fields.iter().enumerate().find_map(|(place, (at, field))| Some((*at, alone(place, field)?)));
            let (at, error) = first.unwrap_or((0, error));
            Wrong { at, what: error.to_string() }
        })
    }

    pub(super) fn next(&self, after: Millis, zone: Tz) -> Option<Millis> {
        let next = self.0.find_next_occurrence(&local_time::time(zone, after)?, false).ok()?;
        Millis::try_from(next.timestamp_millis()).ok().filter(|next| *next > after)
    }
}

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build()
}

/// The words of `text`, each with the number of characters before it.
fn fields(text: &str) -> Vec<(usize, &str)> {
    text.split_whitespace()
        .map(|word| {
            let before = (word.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
            (text.char_indices().take_while(|(at, _)| *at < before).count(), word)
        })
        .collect()
}
