//! Foreign text as a key of the database.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::borrow::Cow;

/// What no key may hold, and the sign that stands for it.
const FORBIDDEN: &AsciiSet = &CONTROLS.add(b'%').add(b'.').add(b'#').add(b'$').add(b'[').add(b']').add(b'/');
/// A key may have so many bytes.
const LONGEST: usize = 768;

/// A key for `text`, another one for every text; most uids are their own key.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, FORBIDDEN).into()
}

/// Whether `text` can be a key as it is.
pub(crate) fn is_key(text: &str) -> bool {
    let forbidden = |c: char| c.is_ascii_control() || matches!(c, '.' | '#' | '$' | '[' | ']' | '/');
    !text.is_empty() && text.len() <= LONGEST && !text.contains(forbidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_key_may_hold_is_escaped() {
        for (given, expect) in [
            ("kK0aB1cD2eF3gH4iJ5kL6mN7oP8q", "kK0aB1cD2eF3gH4iJ5kL6mN7oP8q"),
            ("a/b.c", "a%2Fb%2Ec"),
            ("a%2Fb", "a%252Fb"),
            ("#$[]\n", "%23%24%5B%5D%0A"),
        ] {
            assert_eq!(escaped(given), expect, "{given}");
            assert!(is_key(&escaped(given)), "{given}");
        }
        assert!(["", "a/b", "a.b", "a\u{7f}"].iter().all(|text| !is_key(text)) && is_key("abc-9"));
    }
}
