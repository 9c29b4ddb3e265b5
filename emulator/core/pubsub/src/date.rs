//! Times as the protocol writes them. Must not know: what time it is.

use chrono::{DateTime, NaiveDateTime, Utc};

/// The three forms RFC 9110 asks a recipient to read: IMF-fixdate, RFC 850, asctime.
const HTTP_FORMS: [&str; 3] = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

/// Seconds since the epoch as `2030-01-01T00:00:00`, the form of the statistics.
pub fn iso(seconds: u64) -> String {
    format(seconds, "%Y-%m-%dT%H:%M:%S")
}

/// Seconds since the epoch as an HTTP date: `Tue, 01 Jan 2030 00:00:00 GMT`.
pub fn http(seconds: u64) -> String {
    format(seconds, "%a, %d %b %Y %H:%M:%S GMT")
}

/// An HTTP date as seconds since the epoch; `None` if it is none.
pub fn parse_http(text: &str) -> Option<i64> {
    HTTP_FORMS
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .map(|time| time.and_utc().timestamp())
}

fn format(seconds: u64, form: &str) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    time.unwrap_or(DateTime::<Utc>::MAX_UTC).format(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        assert_eq!(iso(1_893_456_000), "2030-01-01T00:00:00");
        assert_eq!(http(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert!(!http(u64::MAX).is_empty());
    }

    #[test]
    fn dates_are_read_in_three_forms() {
        for (text, expect) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(parse_http(text), expect, "{text:?}");
        }
    }
}
