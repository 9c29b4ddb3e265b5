//! YAML as JSON, each value with the place where it stands (YAML 1.2, core schema).
//!
//! Anchors, tags and further documents are refused: cases are data that any language reads. Must not know: what cases
//! are.

use super::super::errors::Problem;
use super::super::json::{Kind, MOST_DEPTH, Member, Text, Value};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};
use serde_json::Number;

/// Reads `text`, which is one document.
pub(super) fn parse(text: &str) -> Result<Value, Problem> {
    let offsets = text.char_indices().map(|(offset, _)| offset).chain([text.len()]).collect();
    let mut reader = Reader { text, offsets, events: Parser::new_from_str(text) };
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::StreamEnd => return Err(Problem::parse_error(0, "there is no document")),
            first @ (Event::DocumentEnd
            | Event::Alias(_)
            | Event::Scalar(..)
            | Event::SequenceStart(..)
            | Event::SequenceEnd
            | Event::MappingStart(..)
            | Event::MappingEnd) => return reader.only(first, span),
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    /// Of each character, in bytes.
    offsets: Vec<usize>,
    events: Parser<'t, StrInput<'t>>,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Problem> {
        match self.events.next_event() {
            Some(Ok(found)) => Ok(found),
            Some(Err(error)) => Err(self.wrong(&error)),
            None => Err(Problem::parse_error(self.text.len(), "the text ends too early")),
        }
    }

    fn wrong(&self, error: &ScanError) -> Problem {
        Problem::parse_error(self.offset(error.marker().index()), error.info())
    }

    fn offset(&self, characters: usize) -> usize {
        self.offsets.get(characters).copied().unwrap_or(self.text.len())
    }

    /// The document's value, behind which nothing may come.
    fn only(&mut self, first: Event<'t>, span: Span) -> Result<Value, Problem> {
        let value = self.value(first, span, 0)?;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(value),
                Event::DocumentEnd | Event::Nothing => {}
                Event::StreamStart
                | Event::DocumentStart(_)
                | Event::Alias(_)
                | Event::Scalar(..)
                | Event::SequenceStart(..)
                | Event::SequenceEnd
                | Event::MappingStart(..)
                | Event::MappingEnd => {
                    let at = self.offset(span.start.index());
                    return Err(Problem::parse_error(at, "there may be one document only"));
                }
            }
        }
    }

    fn value(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Value, Problem> {
        let at = self.offset(span.start.index());
        let refuse = |what: &str| Err(Problem::parse_error(at, what));
        if depth > MOST_DEPTH {
            return refuse("the values nest too deep");
        }
        let plain = |anchor: usize, tagged: bool| match (anchor, tagged) {
            (0, false) => Ok(()),
            (_, true) => Err(Problem::parse_error(at, "tags are not supported")),
            (_, false) => Err(Problem::parse_error(at, "anchors are not supported")),
        };
        let kind = match event {
            Event::Scalar(text, style, anchor, tag) => {
                plain(anchor, tag.is_some())?;
                match style {
                    ScalarStyle::Plain => self.resolve(&text, span)?,
                    ScalarStyle::SingleQuoted
                    | ScalarStyle::DoubleQuoted
                    | ScalarStyle::Literal
                    | ScalarStyle::Folded => Kind::Text(self.text(&text, span)),
                }
            }
            Event::SequenceStart(anchor, tag) => {
                plain(anchor, tag.is_some())?;
                let mut values = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Kind::Array(values),
                        (event, span) => values.push(self.value(event, span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(anchor, tag) => {
                plain(anchor, tag.is_some())?;
                let mut members = Vec::new();
                loop {
                    let (at, name) = match self.next()? {
                        (Event::MappingEnd, _) => break Kind::Object(members),
                        (Event::Scalar(name, _, 0, None), span) => (self.offset(span.start.index()), name.into_owned()),
                        (_, span) => {
                            let at = self.offset(span.start.index());
                            return Err(Problem::parse_error(at, "a name has to be a plain scalar or a string"));
                        }
                    };
                    let (event, span) = self.next()?;
                    members.push(Member { at, name, value: self.value(event, span, depth + 1)? });
                }
            }
            Event::Alias(_) => return refuse("aliases are not supported"),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return refuse("expected a value"),
        };
        Ok(Value { at, kind })
    }

    /// What a plain scalar means (YAML 1.2.2, section 10.3.2).
    fn resolve(&self, text: &str, span: Span) -> Result<Kind, Problem> {
        Ok(match text {
            "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
            "true" | "True" | "TRUE" => Kind::Bool(true),
            "false" | "False" | "FALSE" => Kind::Bool(false),
            ".inf" | ".Inf" | ".INF" | "+.inf" | "-.inf" | ".nan" | ".NaN" | ".NAN" => {
                let at = self.offset(span.start.index());
                return Err(Problem::parse_error(at, "there is no such number in the database"));
            }
            _ => match number(text) {
                Some(number) => Kind::Number(number),
                None => Kind::Text(self.text(text, span)),
            },
        })
    }

    /// A string, and where its characters stand: in quotes and in blocks they stand there in another form.
    fn text(&self, text: &str, span: Span) -> Text {
        let (start, end) = (self.offset(span.start.index()), self.offset(span.end.index()));
        let mut places = Vec::new();
        let mut at = start;
        for (offset, character) in text.char_indices() {
            if character.is_whitespace() {
                continue;
            }
            match self.text.get(at..end).and_then(|rest| rest.find(character)) {
                Some(skipped) => {
                    places.push((offset, at + skipped));
                    at += skipped + character.len_utf8();
                }
                // Written as an escape: what follows is found no more.
                None => break,
            }
        }
        if places.first().is_none_or(|(offset, _)| *offset > 0) {
            places.insert(0, (0, start));
        }
        Text::placed(text.to_owned(), places)
    }
}

/// A number as YAML writes it.
fn number(text: &str) -> Option<Number> {
    let radix = |digits: &str, radix: u32| {
        digits.chars().all(|digit| digit.is_digit(radix)).then(|| u64::from_str_radix(digits, radix).ok())?
    };
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16).map(Number::from);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8).map(Number::from);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mantissa = unsigned.split(['e', 'E']).next().unwrap_or_default();
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if !digits(whole) || !digits(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    if digits(unsigned) {
        let negative = text.strip_prefix('-').and_then(|_| text.parse::<i64>().ok()).map(Number::from);
        let positive = || unsigned.parse::<u64>().ok().filter(|_| !text.starts_with('-')).map(Number::from);
        if let Some(number) = negative.or_else(positive) {
            return Some(number);
        }
    }
    Number::from_f64(text.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&str, (usize, &str)>) {
        let found = parse(text).map(|value| value.to_string()).map_err(|problem| (problem.at.start, problem.text));
        let expect = expect.map(str::to_owned).map_err(|(at, text)| (at, format!("Parse error: {text}")));
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn values_are_those_of_the_core_schema() {
        check("a: 1\nb: [x, 'y', \"\\u00e9\\n\", ~, null, true, FALSE]\n", {
            Ok(r#"{"a":1,"b":["x","y","é\n",null,null,true,false]}"#)
        });
        check("[0x1F, 0o17, -5, +5, 1.5e3, .5, 1., 18446744073709551615]", {
            Ok("[31,15,-5,5,1500.0,0.5,1.0,18446744073709551615]")
        });
        check("[1e400, 1.2.3, 12-3, e5, '-', '1']", Ok(r#"["1e400","1.2.3","12-3","e5","-","1"]"#));
        check("text: |\n  one\n  two\nfolded: >-\n  one\n  two\n", Ok(r#"{"text":"one\ntwo\n","folded":"one two"}"#));
        check("{\"a\": {\"b\": [1, 2]}, \"1\": \"# no comment\"} # a comment", {
            Ok(r##"{"a":{"b":[1,2]},"1":"# no comment"}"##)
        });
        check("---\n1: x\n? y\n...\n", Ok(r#"{"1":"x","y":null}"#));
        check("\"yes\": no", Ok(r#"{"yes":"no"}"#));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        check("", Err((0, "there is no document")));
        check("a: 1\n---\nb: 2", Err((5, "there may be one document only")));
        check("é: &x 1", Err((4, "anchors are not supported")));
        check("a: *x", Err((3, "while parsing node, found unknown anchor")));
        check("a: !!str 1", Err((3, "tags are not supported")));
        check("a: .nan", Err((3, "there is no such number in the database")));
        check("[a]: 1", Err((0, "a name has to be a plain scalar or a string")));
        assert!(parse("a: [1").is_err() && parse("a: b: c").is_err());
    }

    #[test]
    fn nesting_is_bounded() {
        for text in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000)] {
            assert!(parse(&text).is_err());
        }
    }

    #[test]
    fn parts_of_a_string_are_found_again() {
        let source = "a: >\n  auth.uid\n  == 1\n";
        let Kind::Object(mut members) = parse(source).unwrap().kind else { panic!() };
        let Kind::Text(text) = members.remove(0).value.kind else { panic!() };
        assert_eq!(text.text, "auth.uid == 1\n");
        assert_eq!(text.place(&(9..11)), source.find("==").unwrap()..source.find("==").unwrap() + 2);
        let Kind::Text(text) = parse("  'a''b' ").unwrap().kind else { panic!() };
        assert_eq!((text.text.as_str(), text.place(&(2..3))), ("a'b", 6..7));
    }
}
