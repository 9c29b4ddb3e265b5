//! Local times as instants, also where a clock change leaves one out or repeats it.

use crate::clock::Millis;
use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::Tz;

/// No gap is longer than a day, the one that comes with crossing the date line; in minutes.
const LONGEST_GAP: i64 = 25 * 60;

/// The date in `zone` at `instant`.
pub(super) fn date(zone: Tz, instant: Millis) -> Option<NaiveDate> {
    time(zone, instant).map(|time| time.date_naive())
}

/// `instant` as a time of `zone`.
pub(super) fn time(zone: Tz, instant: Millis) -> Option<DateTime<Tz>> {
    Some(DateTime::from_timestamp_millis(i64::try_from(instant).ok()?)?.with_timezone(&zone))
}

/// When it is `local` in `zone`: the first of two such instants; where there is none, the first after the gap.
pub(super) fn instant(zone: Tz, local: NaiveDateTime) -> Option<Millis> {
    let found = (0..=LONGEST_GAP).find_map(|minutes| {
        match zone.from_local_datetime(&local.checked_add_signed(TimeDelta::minutes(minutes))?) {
            LocalResult::Single(instant) | LocalResult::Ambiguous(instant, _) => Some(instant),
            LocalResult::None => None,
        }
    })?;
    Millis::try_from(found.timestamp_millis()).ok()
}
