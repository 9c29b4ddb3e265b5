//! Message templates: text with tokens. Must not know: which stream the result goes to.

use crate::date;
use crate::message::Stamp;
use bytes::{BufMut, BytesMut};

/// What the tokens stand for.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// `~id~`
    pub id: i64,
    /// `~time~` (an HTTP date) and `~tag~`.
    pub stamp: Stamp,
    /// `~channel~`
    pub channel: &'a [u8],
    /// `~event-id~`
    pub event_id: &'a [u8],
    /// `~event-type~`
    pub event_type: &'a [u8],
    /// `~text~`, and its length in bytes `~size~`.
    pub text: &'a [u8],
}

/// A template, read. Tokens are known in any letter case; an unknown `~x~` stays text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Token(Token),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Id,
    EventId,
    EventType,
    Channel,
    Text,
    Size,
    Tag,
    Time,
}

const TOKENS: [(&str, Token); 8] = [
    ("~id~", Token::Id),
    ("~event-id~", Token::EventId),
    ("~event-type~", Token::EventType),
    ("~channel~", Token::Channel),
    ("~text~", Token::Text),
    ("~size~", Token::Size),
    ("~tag~", Token::Tag),
    ("~time~", Token::Time),
];

impl Default for Template {
    /// The text alone.
    fn default() -> Self {
        Self(vec![Piece::Token(Token::Text)])
    }
}

impl Template {
    /// Reads a template; `None` if it is blank, which the original refuses as well.
    pub fn parse(source: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = source;
        while let Some(next) = rest.chars().next() {
            if let Some((name, token)) = TOKENS.iter().find(|(name, _)| starts_with(rest, name)) {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(Piece::Token(*token));
                rest = rest.get(name.len()..).unwrap_or_default();
            } else {
                text.push(next);
                rest = rest.get(next.len_utf8()..).unwrap_or_default();
            }
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        (!pieces.is_empty()).then_some(Self(pieces))
    }

    /// Whether it begins with `prefix`, tokens apart.
    pub fn begins_with(&self, prefix: &str) -> bool {
        matches!(self.0.first(), Some(Piece::Text(text)) if text.starts_with(prefix))
    }

    /// Appends the template with `values` in it to `out`. Tokens within a value are not looked at.
    pub fn expand(&self, values: &Values<'_>, out: &mut BytesMut) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.put_slice(text.as_bytes()),
                Piece::Token(token) => match token {
                    Token::Id => out.put_slice(values.id.to_string().as_bytes()),
                    Token::EventId => out.put_slice(values.event_id),
                    Token::EventType => out.put_slice(values.event_type),
                    Token::Channel => out.put_slice(values.channel),
                    Token::Text => out.put_slice(values.text),
                    Token::Size => out.put_slice(values.text.len().to_string().as_bytes()),
                    Token::Tag => out.put_slice(values.stamp.tag.to_string().as_bytes()),
                    Token::Time => out.put_slice(date::http(values.stamp.time).as_bytes()),
                },
            }
        }
    }
}

fn starts_with(text: &str, name: &str) -> bool {
    text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expect: &str) {
        let mut out = BytesMut::new();
        let values = Values {
            id: 3,
            stamp: Stamp { time: 0, tag: 9 },
            channel: b"ch~id~",
            event_id: b"e1",
            event_type: b"kind",
            text: "h\u{e9} ~tag~".as_bytes(),
        };
        Template::parse(source).unwrap().expand(&values, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expect, "{source:?}");
    }

    #[test]
    fn tokens() {
        check("~text~", "h\u{e9} ~tag~");
        check("~TEXT~|~Id~", "h\u{e9} ~tag~|3");
        check("~id~ ~event-id~ ~event-type~ ~tag~", "3 e1 kind 9");
        check("~size~", "9");
        check("~time~", "Thu, 01 Jan 1970 00:00:00 GMT");
        check("[~channel~]", "[ch~id~]");
        check("~id~id~", "3id~");
        check("~x~ ~ ~~id~", "~x~ ~ ~3");
        check("\u{e9}~id~\u{e9}", "\u{e9}3\u{e9}");
        check("plain", "plain");
    }

    #[test]
    fn a_blank_template_is_none() {
        assert_eq!(Template::parse(""), None);
        assert_eq!(Template::parse("~text~"), Some(Template::default()));
    }
}
