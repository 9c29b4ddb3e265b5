//! JSON with comments, each value with the place where it stands.
//!
//! `//` and `/* */` stand wherever a space may; strings may run over several lines, as conditions do. Must not know:
//! what rules are.

use super::errors::Problem;
use serde_json::Number;
use std::fmt;
use std::ops::Range;

/// Objects and arrays nest at most so deep.
pub(super) const MOST_DEPTH: usize = 64;

/// A value and the offset of its first byte.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(Text),
    Array(Vec<Value>),
    Object(Vec<Member>),
}

/// A string, and where its characters stand in the file.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) text: String,
    /// From these offsets of the text on, its bytes are those of the file from the other offsets on.
    places: Vec<(usize, usize)>,
}

impl Text {
    /// One that stands in the file as it is.
    pub(super) fn plain(text: &str, at: usize) -> Self {
        Self { text: text.to_owned(), places: vec![(0, at)] }
    }

    /// One that stands there in another form: from these offsets of the text on, its bytes are those of the file from the
    /// other offsets on.
    pub(super) fn placed(text: String, places: Vec<(usize, usize)>) -> Self {
        Self { text, places }
    }

    /// Where a part of the text stands in the file. Both count bytes.
    pub(super) fn place(&self, part: &Range<usize>) -> Range<usize> {
        let place = |offset: usize| {
            let after = self.places.partition_point(|(from, _)| *from <= offset);
            let (from, at) = after.checked_sub(1).and_then(|last| self.places.get(last)).copied().unwrap_or_default();
            at + (offset - from)
        };
        // An escape belongs to its character as a whole.
        let start = place(part.start);
        let last = place(part.end.saturating_sub(1).max(part.start));
        start..(last + 1).max(start + 1)
    }
}

/// A member of an object, and the offset of its name.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) value: Value,
}

impl fmt::Display for Value {
    /// As JSON without comments.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let string = |text: &str| serde_json::Value::from(text);
        match &self.kind {
            Kind::Null => formatter.write_str("null"),
            Kind::Number(number) => number.fmt(formatter),
            Kind::Bool(bool) => bool.fmt(formatter),
            Kind::Text(text) => string(&text.text).fmt(formatter),
            Kind::Array(values) => {
                formatter.write_str("[")?;
                for (number, value) in values.iter().enumerate() {
                    write!(formatter, "{}{value}", if number == 0 { "" } else { "," })?;
                }
                formatter.write_str("]")
            }
            Kind::Object(members) => {
                formatter.write_str("{")?;
                for (number, Member { name, value, .. }) in members.iter().enumerate() {
                    write!(formatter, "{}{}:{value}", if number == 0 { "" } else { "," }, string(name))?;
                }
                formatter.write_str("}")
            }
        }
    }
}

/// Reads `text`, which is one value.
pub(super) fn parse(text: &str) -> Result<Value, Problem> {
    let mut reader = Reader { text, at: 0 };
    reader.skip()?;
    let value = reader.value(0)?;
    reader.skip()?;
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.wrong("nothing may follow the value")),
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Takes `expected` if it comes next.
    fn takes(&mut self, expected: &str) -> bool {
        let comes = self.rest().starts_with(expected);
        if comes {
            self.at += expected.len();
        }
        comes
    }

    fn wrong(&self, what: &str) -> Problem {
        Problem::parse_error(self.at, what)
    }

    /// Passes over spaces and comments.
    fn skip(&mut self) -> Result<(), Problem> {
        loop {
            let rest = self.rest();
            let start = self.at + rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{feff}']).len();
            self.at = start;
            if self.takes("//") {
                self.at += self.rest().find(['\n', '\r']).unwrap_or(self.rest().len());
            } else if self.takes("/*") {
                match self.rest().find("*/") {
                    Some(end) => self.at += end + 2,
                    None => return Err(Problem::parse_error(start, "the comment does not end")),
                }
            } else {
                return Ok(());
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Problem> {
        let at = self.at;
        if depth > MOST_DEPTH {
            return Err(self.wrong("the values nest too deep"));
        }
        let kind = match self.peek() {
            Some('{') => self.object(depth)?,
            Some('[') => self.array(depth)?,
            Some('"') => Kind::Text(self.text()?),
            Some('-' | '0'..='9') => self.number()?,
            _ if self.takes("true") => Kind::Bool(true),
            _ if self.takes("false") => Kind::Bool(false),
            _ if self.takes("null") => Kind::Null,
            Some(_) => return Err(self.wrong("expected a value")),
            None => return Err(self.wrong("the text ends where a value is expected")),
        };
        Ok(Value { at, kind })
    }

    fn object(&mut self, depth: usize) -> Result<Kind, Problem> {
        self.next();
        let mut members = Vec::new();
        self.skip()?;
        if self.takes("}") {
            return Ok(Kind::Object(members));
        }
        loop {
            self.skip()?;
            let at = self.at;
            if self.peek() != Some('"') {
                return Err(self.wrong("expected a name in double quotes"));
            }
            let name = self.text()?.text;
            self.skip()?;
            if !self.takes(":") {
                return Err(self.wrong("expected a colon"));
            }
            self.skip()?;
            members.push(Member { at, name, value: self.value(depth + 1)? });
            self.skip()?;
            if self.takes("}") {
                return Ok(Kind::Object(members));
            }
            if !self.takes(",") {
                return Err(self.wrong("expected a comma or the object's end"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Kind, Problem> {
        self.next();
        let mut values = Vec::new();
        self.skip()?;
        if self.takes("]") {
            return Ok(Kind::Array(values));
        }
        loop {
            self.skip()?;
            values.push(self.value(depth + 1)?);
            self.skip()?;
            if self.takes("]") {
                return Ok(Kind::Array(values));
            }
            if !self.takes(",") {
                return Err(self.wrong("expected a comma or the array's end"));
            }
        }
    }

    fn number(&mut self) -> Result<Kind, Problem> {
        let end = self.rest().find(|next: char| !matches!(next, '-' | '+' | '.' | 'e' | 'E' | '0'..='9'));
        let text = self.rest().get(..end.unwrap_or(self.rest().len())).unwrap_or_default();
        let Ok(number) = serde_json::from_str(text) else { return Err(self.wrong("this is no number")) };
        self.at += text.len();
        Ok(Kind::Number(number))
    }

    fn text(&mut self) -> Result<Text, Problem> {
        let start = self.at;
        self.next();
        let mut text = String::new();
        let mut places = vec![(0, self.at)];
        loop {
            let rest = self.rest();
            let plain = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(rest.len());
            text.push_str(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            match self.next() {
                Some('"') => return Ok(Text { text, places }),
                Some(_) => {
                    text.push(self.escape()?);
                    places.push((text.len(), self.at));
                }
                None => return Err(Problem::parse_error(start, "the string does not end")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Problem> {
        let start = self.at - 1;
        let unknown = || Problem::parse_error(start, "unknown escape in a string");
        Ok(match self.next().ok_or_else(unknown)? {
            plain @ ('"' | '\\' | '/') => plain,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = self.unit().ok_or_else(unknown)?;
                // Characters beyond U+FFFF are written as two units.
                let units = match first {
                    0xd800..=0xdbff if self.takes("\\u") => [first, self.unit().ok_or_else(unknown)?],
                    _ => [first, 0],
                };
                char::decode_utf16(units).next().and_then(Result::ok).ok_or_else(unknown)?
            }
            _ => return Err(unknown()),
        })
    }

    fn unit(&mut self) -> Option<u16> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        let unit = u16::from_str_radix(digits, 16).ok()?;
        self.at += 4;
        Some(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(value: &Value) -> String {
        let list = |parts: Vec<String>| parts.join(",");
        match &value.kind {
            Kind::Null => "null".to_owned(),
            Kind::Bool(bool) => bool.to_string(),
            Kind::Number(number) => number.to_string(),
            Kind::Text(text) => format!("{:?}", text.text),
            Kind::Array(values) => format!("[{}]", list(values.iter().map(show).collect())),
            Kind::Object(members) => {
                let show = |member: &Member| format!("{}@{}:{}", member.name, member.at, show(&member.value));
                format!("{{{}}}", list(members.iter().map(show).collect()))
            }
        }
    }

    fn check(text: &str, expect: Result<&str, (usize, &str)>) {
        let found = parse(text).map(|value| show(&value)).map_err(|problem| (problem.at.start, problem.text));
        let expect = expect.map(str::to_owned).map_err(|(at, text)| (at, format!("Parse error: {text}")));
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn values_are_read() {
        check("null", Ok("null"));
        check(" {} ", Ok("{}"));
        check("[]", Ok("[]"));
        check(r#"{"a": [1, -2.5e3, true, false, null], "b": {"c": "d"}}"#, {
            Ok(r#"{a@1:[1,-2500.0,true,false,null],b@38:{c@44:"d"}}"#)
        });
        check(r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é""#, Ok(r#""\"\\/\u{8}\u{c}\n\r\té😀é""#));
        check("\"a\nb\"", Ok(r#""a\nb""#));
        check("\u{feff}/* a */ { // b\n \"c\" /**/ : 1 /* \"d\": 2, */ }// e", Ok("{c@19:1}"));
        check(r#""// no comment""#, Ok(r#""// no comment""#));
        check(&format!("{}{}", "[".repeat(64), "]".repeat(64)), Ok(&format!("{}{}", "[".repeat(64), "]".repeat(64))));
    }

    #[test]
    fn parts_of_a_string_are_found_again() {
        let Kind::Text(text) = parse(r#" "a\n\u00e9\ud83d\ude00b" "#).unwrap().kind else { panic!() };
        assert_eq!(text.text, "a\né😀b");
        // The first, the line's end, the letter beyond ASCII, the last.
        for (part, place) in [(0..1, 2..3), (1..2, 3..4), (2..4, 5..7), (8..9, 23..24), (9..10, 24..25)] {
            assert_eq!(text.place(&part), place, "{part:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, at, problem) in [
            ("", 0, "the text ends where a value is expected"),
            ("x", 0, "expected a value"),
            ("1 2", 2, "nothing may follow the value"),
            ("{a: 1}", 1, "expected a name in double quotes"),
            (r#"{"a" 1}"#, 5, "expected a colon"),
            (r#"{"a": 1,}"#, 8, "expected a name in double quotes"),
            (r#"{"a": 1 "b""#, 8, "expected a comma or the object's end"),
            ("[1 2]", 3, "expected a comma or the array's end"),
            ("[1,]", 3, "expected a value"),
            ("\"a", 0, "the string does not end"),
            (r#""\x""#, 1, "unknown escape in a string"),
            (r#""\ud800""#, 1, "unknown escape in a string"),
            (r#""\u12""#, 1, "unknown escape in a string"),
            ("1-", 0, "this is no number"),
            ("01", 0, "this is no number"),
            ("{} /* ", 3, "the comment does not end"),
            ("/ /", 0, "expected a value"),
        ] {
            check(text, Err((at, problem)));
        }
        check(&"[".repeat(100_000), Err((65, "the values nest too deep")));
    }
}
