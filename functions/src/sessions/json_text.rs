//! Numbers and strings as JavaScript's `JSON.stringify` prints them, and whole numbers as a database hands them back.

use serde_json::Value;
use std::fmt::Write as _;

/// A number that is not below zero, read as whole: the database may hand `5` back as `5.0`.
pub(super) fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        // The cast cuts off the fraction and saturates.
        (number.is_finite() && number >= 0.0).then_some(number as u64)
    })
}

/// Prints `number`, which has to be finite, as ECMAScript's Number::toString does.
pub(super) fn number(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    // The shortest digits that read back as the same number: `d[.ddd]e[-]x`.
    let scientific = format!("{:e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits = mantissa.replace('.', "");
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // The decimal point stands after so many digits.
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let zeros = |how_many: i32| "0".repeat(usize::try_from(how_many).unwrap_or(0));
    let split = |at: i32| digits.split_at_checked(usize::try_from(at).unwrap_or(0)).unwrap_or((&digits, ""));
    let unsigned = if (count..=21).contains(&point) {
        format!("{digits}{}", zeros(point - count))
    } else if (1..=21).contains(&point) {
        let (whole, fraction) = split(point);
        format!("{whole}.{fraction}")
    } else if (-5..=0).contains(&point) {
        format!("0.{}{digits}", zeros(-point))
    } else {
        let (first, rest) = split(1);
        let dot = if rest.is_empty() { "" } else { "." };
        format!("{first}{dot}{rest}e{:+}", point - 1)
    };
    if number < 0.0 { format!("-{unsigned}") } else { unsigned }
}

/// Prints a JSON string, given as valid JSON text with its quotes, the way `JSON.stringify` would print what
/// `JSON.parse` made of it: the shortest escapes, everything else as it is, half a surrogate pair escaped.
pub(super) fn string(json: &str) -> String {
    let mut printed = String::with_capacity(json.len());
    let inner = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(json);
    let mut rest = inner.chars();
    printed.push('"');
    while let Some(character) = rest.next() {
        if character != '\\' {
            push(&mut printed, character);
            continue;
        }
        match rest.next() {
            Some('u') => {
                let unit = code_unit(&mut rest);
                let mut ahead = rest.clone();
                let low = (ahead.next() == Some('\\') && ahead.next() == Some('u')).then(|| code_unit(&mut ahead));
                match char::decode_utf16(std::iter::once(unit).chain(low)).next() {
                    Some(Ok(character)) => {
                        if character.len_utf16() == 2 {
                            rest = ahead;
                        }
                        push(&mut printed, character);
                    }
                    Some(Err(_)) | None => {
                        // Writing to a String cannot fail.
                        let _ = write!(printed, "\\u{unit:04x}");
                    }
                }
            }
            Some('b') => push(&mut printed, '\u{8}'),
            Some('f') => push(&mut printed, '\u{c}'),
            Some('n') => push(&mut printed, '\n'),
            Some('r') => push(&mut printed, '\r'),
            Some('t') => push(&mut printed, '\t'),
            Some(plain) => push(&mut printed, plain),
            None => {}
        }
    }
    printed.push('"');
    printed
}

fn code_unit(hex: &mut std::str::Chars<'_>) -> u16 {
    // Four hex digits fit a u16.
    hex.take(4).filter_map(|digit| digit.to_digit(16)).fold(0, |unit, digit| (unit << 4) | digit as u16)
}

fn push(printed: &mut String, character: char) {
    match character {
        '"' => printed.push_str("\\\""),
        '\\' => printed.push_str("\\\\"),
        '\u{8}' => printed.push_str("\\b"),
        '\u{c}' => printed.push_str("\\f"),
        '\n' => printed.push_str("\\n"),
        '\r' => printed.push_str("\\r"),
        '\t' => printed.push_str("\\t"),
        control if control < ' ' => {
            let _ = write!(printed, "\\u{:04x}", u32::from(control));
        }
        other => printed.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_printed_as_javascript_does() {
        for (given, expect) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("1.0", "1"),
            ("-5", "-5"),
            ("1234.5", "1234.5"),
            ("1600000000000", "1600000000000"),
            ("0.1", "0.1"),
            ("0.000001", "0.000001"),
            ("0.0000015", "0.0000015"),
            ("0.0000001", "1e-7"),
            ("-1.5e-9", "-1.5e-9"),
            ("123456789012345680000", "123456789012345680000"),
            ("999999999999999900000", "999999999999999900000"),
            ("1e20", "100000000000000000000"),
            ("1e21", "1e+21"),
            ("1.5e300", "1.5e+300"),
            ("12345678901234567890", "12345678901234567000"),
            ("9007199254740993", "9007199254740992"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("5e-324", "5e-324"),
            ("100", "100"),
            ("1E2", "100"),
        ] {
            assert_eq!(number(given.parse().unwrap()), expect, "{given}");
        }
    }

    #[test]
    fn strings_are_printed_as_javascript_does() {
        for (given, expect) in [
            (r#""""#, r#""""#),
            (r#""plain""#, r#""plain""#),
            (r#""\"\\\/""#, r#""\"\\/""#),
            (r#""\u0041\u00e9é""#, r#""Aéé""#),
            (r#""\b\f\n\r\t\u0007\u001F""#, r#""\b\f\n\r\t\u0007\u001f""#),
            (r#""\u0008\u000a\u007f""#, "\"\\b\\n\u{7f}\""),
            ("\"\u{2028}\"", "\"\u{2028}\""),
            (r#""\ud83d\ude00😀""#, r#""😀😀""#),
            (r#""\uD83Dx""#, r#""\ud83dx""#),
            (r#""\ud83d\u0041""#, r#""\ud83dA""#),
            (r#""\ude00\ud83d""#, r#""\ude00\ud83d""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ud83d😀""#),
        ] {
            assert_eq!(string(given), expect, "{given}");
        }
    }

    #[test]
    fn whole_numbers_come_in_two_forms() {
        for (given, expect) in
            [(json!(5), Some(5)), (json!(5.0), Some(5)), (json!(-1), None), (json!("5"), None), (json!(null), None)]
        {
            assert_eq!(whole(&given), expect, "{given}");
        }
    }
}
