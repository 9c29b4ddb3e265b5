//! When a scheduled function runs: the next time after a given one.
//!
//! Understands App Engine's syntax (`every 5 minutes from 10:00 to 14:00`, `1st,third monday of month 04:00`) and unix
//! cron, both in a time zone. A local time that a clock change skips is the first instant after the gap; one that a
//! clock change repeats counts once, the first time. Intervals (`every 3 hours`) count from the Unix epoch, so that a
//! restart does not put off the next run. Must not know: what runs, nor what time it is.

mod app_engine;
mod cron;
mod local_time;

use crate::clock::Millis;
use chrono::{Datelike, Days, NaiveDate, NaiveTime, TimeDelta};
use chrono_tz::Tz;
use std::fmt;

const HOUR: Millis = 60 * 60 * 1000;
/// A day rule that fits no day of so many does not fit any: February 29th comes at least every eight years.
const LONGEST_SEARCH_DAYS: u64 = 9 * 366;

/// A schedule that was understood.
#[derive(Clone, Debug)]
pub struct Schedule {
    rule: Rule,
    zone: Tz,
}

/// Why a text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScheduleError {
    /// The text is not understood.
    Text {
        /// The whole text.
        text: String,
        /// The character where it goes wrong, counted from 1.
        at: usize,
        /// What is wrong there.
        what: String,
    },
    /// There is no such time zone.
    Zone(String),
    /// The text is understood, and no day fits it (`30 of february`).
    Never(String),
}

impl std::error::Error for ScheduleError {}

impl fmt::Display for ScheduleError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { text, at, what } => write!(formatter, "schedule \"{text}\", character {at}: {what}"),
            Self::Zone(zone) => write!(formatter, "\"{zone}\" is no time zone; they are named like Europe/Prague"),
            Self::Never(text) => write!(formatter, "schedule \"{text}\": no day ever fits it"),
        }
    }
}

/// What goes wrong in a text, and at which character, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wrong {
    at: usize,
    what: String,
}

#[derive(Clone, Debug)]
enum Rule {
    /// Every so many milliseconds.
    Interval(Millis),
    /// Every so many milliseconds between two times of each day, beginning at the first; over midnight if the second is
    /// the earlier one. Steps of more than an hour follow the local clock, so that they keep their hours when it
    /// changes; shorter ones follow the time that passes.
    Range { period: Millis, from: NaiveTime, to: NaiveTime },
    /// At one time of certain days.
    Days { days: DayRule, at: NaiveTime },
    /// Unix cron.
    Cron(Box<cron::Pattern>),
}

/// Which days; each field is a set of bits.
#[derive(Clone, Copy, Debug)]
struct DayRule {
    /// Months 1 to 12.
    months: u32,
    days: DaysOfMonth,
}

#[derive(Clone, Copy, Debug)]
enum DaysOfMonth {
    /// Days 1 to 31.
    Numbered(u32),
    /// Weekdays 0 (Monday) to 6, and which of them in the month, 1 to 5.
    Weekdays { weekdays: u32, ordinals: u32 },
}

impl Schedule {
    /// Reads `text`; its times are those of `zone`, an IANA name.
    ///
    /// # Errors
    /// See [`ScheduleError`].
    pub fn parse(text: &str, zone: &str) -> Result<Self, ScheduleError> {
        let zone: Tz = zone.parse().map_err(|_| ScheduleError::Zone(zone.to_owned()))?;
        let rule = if cron::looks_like_cron(text) {
            cron::Pattern::parse(text).map(|pattern| Rule::Cron(Box::new(pattern)))
        } else {
            app_engine::parse(text)
        };
        match rule {
            Ok(rule) => Ok(Self { rule, zone }),
            Err(Wrong { at, what }) => Err(ScheduleError::Text { text: text.to_owned(), at: at + 1, what }),
        }
    }

    /// The first time after `after`; `None` if there is none.
    pub fn next(&self, after: Millis) -> Option<Millis> {
        match &self.rule {
            Rule::Interval(period) => after.checked_div(*period)?.checked_add(1)?.checked_mul(*period),
            Rule::Range { period, from, to } => self.next_in_range(after, *period, *from, *to),
            Rule::Days { days, at } => self.next_day(after, days, *at),
            Rule::Cron(pattern) => pattern.next(after, self.zone),
        }
    }

    fn next_in_range(&self, after: Millis, period: Millis, from: NaiveTime, to: NaiveTime) -> Option<Millis> {
        // Yesterday's range may reach over midnight.
        self.dates_around(after)?.take(3).find_map(|date| {
            let last_date = if to < from { date.succ_opt()? } else { date };
            let (first, last) = (date.and_time(from), last_date.and_time(to));
            if period > HOUR {
                let step = TimeDelta::milliseconds(i64::try_from(period).ok()?);
                return std::iter::successors(Some(first), |local| local.checked_add_signed(step))
                    .take_while(|local| *local <= last)
                    .filter_map(|local| local_time::instant(self.zone, local))
                    .find(|instant| *instant > after);
            }
            let (start, end) = (local_time::instant(self.zone, first)?, local_time::instant(self.zone, last)?);
            if after < start {
                return Some(start);
            }
            let next = start + ((after - start).checked_div(period)? + 1) * period;
            (next <= end).then_some(next)
        })
    }

    fn next_day(&self, after: Millis, days: &DayRule, at: NaiveTime) -> Option<Millis> {
        self.dates_around(after)?
            .filter(|date| days.fits(*date))
            .find_map(|date| local_time::instant(self.zone, date.and_time(at)).filter(|instant| *instant > after))
    }

    /// The dates from the day before `after` on.
    fn dates_around(&self, after: Millis) -> Option<impl Iterator<Item = NaiveDate> + use<>> {
        let first = local_time::date(self.zone, after)?.pred_opt()?;
        Some((0..LONGEST_SEARCH_DAYS).map_while(move |days| first.checked_add_days(Days::new(days))))
    }
}

impl DayRule {
    fn fits(&self, date: NaiveDate) -> bool {
        let has = |set: u32, bit: u32| (set >> bit) & 1 == 1;
        has(self.months, date.month())
            && match self.days {
                DaysOfMonth::Numbered(days) => has(days, date.day()),
                DaysOfMonth::Weekdays { weekdays, ordinals } => {
                    has(weekdays, date.weekday().num_days_from_monday()) && has(ordinals, date.day0() / 7 + 1)
                }
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, SecondsFormat};

    fn millis(time: &str) -> Millis {
        DateTime::parse_from_rfc3339(time).unwrap().timestamp_millis().try_into().unwrap()
    }

    /// The times after `from`, in UTC without seconds.
    fn check(text: &str, zone: &str, from: &str, expect: &[&str]) {
        let schedule = Schedule::parse(text, zone).unwrap();
        let mut after = millis(from);
        let times: Vec<String> = expect
            .iter()
            .map(|_| {
                after = schedule.next(after).unwrap();
                let time = DateTime::from_timestamp_millis(after.try_into().unwrap()).unwrap();
                time.to_rfc3339_opts(SecondsFormat::AutoSi, true).replace(":00Z", "")
            })
            .collect();
        assert_eq!(times, expect, "{text} in {zone} from {from}");
    }

    #[test]
    fn intervals() {
        let from = "2026-11-22T10:07:30.123Z";
        check("every 3 hours", "UTC", from, &["2026-11-22T12:00", "2026-11-22T15:00", "2026-11-22T18:00"]);
        check("every 24 hours", "UTC", from, &["2026-11-23T00:00", "2026-11-24T00:00"]);
        check("every 24 hours", "America/New_York", from, &["2026-11-23T00:00"]);
        check("EVERY 5 Mins", "UTC", from, &["2026-11-22T10:10", "2026-11-22T10:15"]);
        check("every 1 minutes", "UTC", "2026-11-22T10:07:00Z", &["2026-11-22T10:08"]);
        check("  every  90   minutes ", "UTC", "2026-11-22T00:00:00Z", &["2026-11-22T01:30", "2026-11-22T03:00"]);
    }

    #[test]
    fn intervals_between_two_times() {
        let prague = "Europe/Prague";
        check(
            "every 5 minutes from 10:00 to 10:10",
            prague,
            "2026-11-22T10:07:30Z",
            &["2026-11-23T09:00", "2026-11-23T09:05", "2026-11-23T09:10", "2026-11-24T09:00"],
        );
        check(
            "every 2 hours from 22:30 to 2:30",
            "UTC",
            "2026-11-22T20:00:00Z",
            &["2026-11-22T22:30", "2026-11-23T00:30", "2026-11-23T02:30", "2026-11-23T22:30"],
        );
        check(
            "every 8 hours synchronized",
            prague,
            "2026-11-22T10:00:00Z",
            &["2026-11-22T15:00", "2026-11-22T23:00", "2026-11-23T07:00"],
        );
    }

    #[test]
    fn days() {
        let from = "2026-11-22T10:00:00Z"; // A Sunday.
        check("every day 00:00", "UTC", from, &["2026-11-23T00:00", "2026-11-24T00:00"]);
        check("every day 00:00", "Asia/Kolkata", from, &["2026-11-22T18:30"]);
        check("every monday 09:00", "UTC", from, &["2026-11-23T09:00", "2026-11-30T09:00"]);
        check("every sunday 10:00", "UTC", from, &["2026-11-29T10:00"]);
        check("every tue, thurs 9:05", "UTC", from, &["2026-11-24T09:05", "2026-11-26T09:05", "2026-12-01T09:05"]);
        check("every friday of jan 00:00", "UTC", from, &["2027-01-01T00:00", "2027-01-08T00:00"]);
        check("1st,third monday of month 04:00", "UTC", from, &["2026-12-07T04:00", "2026-12-21T04:00"]);
        check("2nd,third mon,wed,thu of march 17:00", "UTC", from, &["2027-03-08T17:00", "2027-03-10T17:00"]);
        check("1st monday of sep,oct,nov 17:00", "UTC", from, &["2027-09-06T17:00", "2027-10-04T17:00"]);
        check("fifth sunday 12:00", "UTC", from, &["2026-11-29T12:00", "2027-01-31T12:00"]);
        check("1 of jan,april,july,oct 00:00", "UTC", from, &["2027-01-01T00:00", "2027-04-01T00:00"]);
        check("1,15 of month 06:30", "UTC", from, &["2026-12-01T06:30", "2026-12-15T06:30"]);
        check("29 of february 00:00", "UTC", "2096-03-01T00:00:00Z", &["2104-02-29T00:00"]);
    }

    #[test]
    fn cron() {
        let from = "2026-11-22T10:07:30.123Z";
        check("*/5 * * * *", "UTC", from, &["2026-11-22T10:10", "2026-11-22T10:15"]);
        check("* * * * *", "UTC", "2026-11-22T10:07:00Z", &["2026-11-22T10:08"]);
        check("0 9 * * 1", "Europe/Prague", from, &["2026-11-23T08:00", "2026-11-30T08:00"]);
        check("0 0 1,15 * mon", "UTC", from, &["2026-11-23T00:00", "2026-11-30T00:00", "2026-12-01T00:00"]);
        check("30 2 29 2 *", "UTC", from, &["2028-02-29T02:30"]);
        check("@daily", "UTC", from, &["2026-11-23T00:00"]);
    }

    #[test]
    fn a_time_that_is_skipped_is_the_first_after_the_gap() {
        // In New York 02:00 to 03:00 does not exist on March 14th 2027: it is 07:00 UTC then.
        let (zone, from) = ("America/New_York", "2027-03-14T05:00:00Z");
        for text in ["every day 02:30", "30 2 * * *"] {
            check(text, zone, from, &["2027-03-14T07:00", "2027-03-15T06:30"]);
        }
        check("*/30 1-3 * * *", zone, from, &["2027-03-14T06:00", "2027-03-14T06:30", "2027-03-14T07:00"]);
        let range = "every 30 minutes from 02:30 to 03:30";
        check(range, zone, from, &["2027-03-14T07:00", "2027-03-14T07:30", "2027-03-15T06:30"]);
        // Midnight itself does not exist in Beirut on March 28th 2027, nor the whole of December 30th 2011 in Apia.
        check("every day 00:00", "Asia/Beirut", "2027-03-27T12:00:00Z", &["2027-03-27T22:00", "2027-03-28T21:00"]);
        check("every day 12:00", "Pacific/Apia", "2011-12-29T12:00:00Z", &["2011-12-29T22:00", "2011-12-30T10:00"]);
    }

    #[test]
    fn a_time_that_is_repeated_counts_once() {
        // In New York 01:00 to 02:00 comes twice on November 1st 2026: at 05:00 UTC and at 06:00 UTC.
        let (zone, from) = ("America/New_York", "2026-11-01T04:30:00Z");
        for text in ["every day 01:30", "30 1 * * *"] {
            check(text, zone, from, &["2026-11-01T05:30", "2026-11-02T06:30"]);
            check(text, zone, "2026-11-01T05:45:00Z", &["2026-11-02T06:30"]);
        }
        // What goes by the hour goes on by the hour.
        check("0 * * * *", zone, from, &["2026-11-01T05:00", "2026-11-01T06:00", "2026-11-01T07:00"]);
        check("every 12 hours synchronized", zone, from, &["2026-11-01T17:00", "2026-11-02T05:00", "2026-11-02T17:00"]);
    }

    #[test]
    fn what_is_wrong_and_where() {
        for (text, at, what) in [
            ("", 1, "expected `every`, a day of the month, or which weekday of the month"),
            ("sometimes", 1, "expected `every`, a day of the month, or which weekday of the month"),
            ("every", 6, "expected a number, `day` or a weekday"),
            ("every 3 hourz", 9, "expected `hours` or `minutes`"),
            ("every 0 hours", 7, "expected a number from 1 on"),
            ("every 99999999999 hours", 7, "this is longer than a year"),
            ("every 3 hours sometimes", 15, "expected `synchronized`, `from` or nothing more"),
            ("every 3 hours from 10:00", 25, "expected `to`"),
            ("every 3 hours from 25:00 to 10:00", 20, "expected a time like 09:30"),
            ("every 3 hours from 10:00 to 10:00", 29, "the range ends where it begins"),
            ("every 7 hours synchronized", 15, "a day is no multiple of this interval"),
            ("every mon", 10, "expected a time like 09:30"),
            ("every mon 9", 11, "expected a time like 09:30"),
            ("every mon, 09:00", 12, "expected a weekday"),
            ("every mon 09:00 today", 17, "expected nothing more"),
            ("1st 09:00", 5, "expected a weekday"),
            ("first day of month 09:00", 7, "expected a weekday; days of the month are given by number"),
            ("1st,6 monday 09:00", 5, "expected `1st`, `second` and so on"),
            ("1st monday of smarch 09:00", 15, "expected `month` or a month's name"),
            ("32 of month 09:00", 1, "expected a day of the month"),
            ("1 month 09:00", 3, "expected `of`"),
            ("* * * *", 1, "expected five fields"),
            ("0 0 0 0 0 0", 1, "expected five fields"),
        ] {
            let error = Schedule::parse(text, "UTC").unwrap_err();
            let expect = ScheduleError::Text { text: text.to_owned(), at, what: what.to_owned() };
            assert_eq!(error, expect, "{text}");
        }
        let cron = Schedule::parse("0 0 32 * *", "UTC").unwrap_err();
        assert!(matches!(cron, ScheduleError::Text { at: 5, .. }), "{cron}");
        let cron = Schedule::parse("*/5 25 * * *", "UTC").unwrap_err();
        assert!(matches!(cron, ScheduleError::Text { at: 5, .. }), "{cron}");
        let error = Schedule::parse("every day 00:00", "Mars/Olympus").unwrap_err();
        assert_eq!(error.to_string(), "\"Mars/Olympus\" is no time zone; they are named like Europe/Prague");
    }

    #[test]
    fn what_no_day_fits_never_comes() {
        for text in ["30 of february 00:00", "0 0 30 2 *"] {
            assert_eq!(Schedule::parse(text, "UTC").unwrap().next(0), None, "{text}");
        }
    }
}
