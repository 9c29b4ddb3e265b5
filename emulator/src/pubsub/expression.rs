//! Values that are made of a request, as nginx writes them: `$arg_id`, `room-$1`, `${http_x_name}.b3`.
//!
//! Must not know: what a value is for.

use http::{HeaderMap, HeaderName, Method};
use percent_encoding::percent_decode;
use regex::bytes::{Captures, Regex};
use std::borrow::Cow;

/// Text with variables in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Variable(Variable),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Variable {
    /// `$arg_NAME`: a query argument as it was sent, the name in any letter case.
    Argument(String),
    /// `$http_NAME`: a request header, `_` for `-`.
    Header(HeaderName),
    /// `$cookie_NAME`
    Cookie(String),
    /// `$1` … `$9`
    Capture(usize),
    /// `$NAME`, a named group of the location's regular expression.
    Named(String),
    /// `$uri`, decoded
    Uri,
    /// `$request_uri`, as it was sent
    RequestUri,
    /// `$args`, `$query_string`
    Query,
    /// `$host`
    Host,
    /// `$request_method`
    Method,
}

/// What variables stand for.
#[derive(Debug)]
pub(super) struct Asked<'r> {
    pub(super) method: &'r Method,
    /// Path and query, as they were sent.
    pub(super) target: &'r str,
    pub(super) headers: &'r HeaderMap,
    /// The path, decoded.
    pub(super) path: &'r [u8],
    /// What the location's regular expression has caught.
    pub(super) captures: Option<Captures<'r>>,
}

impl Expression {
    /// Text without variables.
    pub(super) fn literal(text: &str) -> Self {
        Self(vec![Piece::Text(text.as_bytes().to_vec())])
    }

    /// A query argument.
    pub(super) fn argument(name: &str) -> Self {
        Self(vec![Piece::Variable(Variable::Argument(name.to_owned()))])
    }

    /// What the location's regular expression has caught.
    pub(super) fn capture(number: usize) -> Self {
        Self(vec![Piece::Variable(Variable::Capture(number))])
    }

    /// Reads an expression. `location` is the regular expression whose groups it may name.
    ///
    /// # Errors
    /// It names a variable that is not there, or does not close one.
    pub(super) fn parse(source: &str, location: Option<&Regex>) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut parts = source.split('$');
        let text = |text: &str| (!text.is_empty()).then(|| Piece::Text(text.as_bytes().to_vec()));
        pieces.extend(text(parts.next().unwrap_or_default()));
        for part in parts {
            let (name, rest) = match part.strip_prefix('{') {
                Some(braced) => braced.split_once('}').ok_or_else(|| format!("${part} is not closed"))?,
                None => {
                    let digits = part.starts_with(|first: char| first.is_ascii_digit());
                    let end = if digits {
                        1
                    } else {
                        let legal = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
                        part.find(|letter| !legal(letter)).unwrap_or(part.len())
                    };
                    part.split_at_checked(end).unwrap_or((part, ""))
                }
            };
            pieces.push(Piece::Variable(variable(name, location)?));
            pieces.extend(text(rest));
        }
        Ok(Self(pieces))
    }

    /// Whether its value depends on a request's header fields.
    pub(super) fn needs_headers(&self) -> bool {
        self.0.iter().any(|piece| match piece {
            Piece::Variable(Variable::Header(_) | Variable::Cookie(_) | Variable::Host) => true,
            Piece::Text(_)
            | Piece::Variable(
                Variable::Argument(_)
                | Variable::Capture(_)
                | Variable::Named(_)
                | Variable::Uri
                | Variable::RequestUri
                | Variable::Query
                | Variable::Method,
            ) => false,
        })
    }

    /// Its value, if that is the same for all requests.
    pub(super) fn constant(&self) -> Option<&[u8]> {
        match self.0.as_slice() {
            [] => Some(&[]),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Its value for a request.
    pub(super) fn value<'v>(&'v self, asked: &'v Asked<'_>) -> Cow<'v, [u8]> {
        match self.0.as_slice() {
            [Piece::Text(text)] => return text.into(),
            [Piece::Variable(variable)] => return asked.look_up(variable).into(),
            _ => {}
        }
        let mut value = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => value.extend_from_slice(text),
                Piece::Variable(variable) => value.extend_from_slice(asked.look_up(variable)),
            }
        }
        value.into()
    }
}

fn variable(name: &str, location: Option<&Regex>) -> Result<Variable, String> {
    let unknown = || format!("${name} is not a variable here");
    if let Some(argument) = name.strip_prefix("arg_") {
        return Ok(Variable::Argument(argument.to_owned()));
    }
    if let Some(header) = name.strip_prefix("http_") {
        let header = HeaderName::try_from(header.replace('_', "-")).map_err(|_| unknown())?;
        return Ok(Variable::Header(header));
    }
    if let Some(cookie) = name.strip_prefix("cookie_") {
        return Ok(Variable::Cookie(cookie.to_owned()));
    }
    if let Ok(number @ 1..=9) = name.parse::<usize>() {
        let caught = location.is_some_and(|regex| number < regex.captures_len());
        return if caught { Ok(Variable::Capture(number)) } else { Err(unknown()) };
    }
    match name {
        "uri" | "document_uri" => Ok(Variable::Uri),
        "request_uri" => Ok(Variable::RequestUri),
        "args" | "query_string" => Ok(Variable::Query),
        "host" | "http_host" => Ok(Variable::Host),
        "request_method" => Ok(Variable::Method),
        _ if location.is_some_and(|regex| regex.capture_names().flatten().any(|known| known == name)) => {
            Ok(Variable::Named(name.to_owned()))
        }
        _ => Err(unknown()),
    }
}

impl Asked<'_> {
    fn look_up(&self, variable: &Variable) -> &[u8] {
        match variable {
            Variable::Argument(name) => self.argument(name),
            Variable::Header(name) => self.header(name),
            Variable::Cookie(name) => self.cookie(name),
            Variable::Capture(number) => self.caught(|captures| captures.get(*number)),
            Variable::Named(name) => self.caught(|captures| captures.name(name)),
            Variable::Uri => self.path,
            Variable::RequestUri => self.target.as_bytes(),
            Variable::Query => self.query().as_bytes(),
            Variable::Host => self.header(&http::header::HOST),
            Variable::Method => self.method.as_str().as_bytes(),
        }
    }

    fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The raw value of the first query argument of this name, in any letter case.
    pub(super) fn argument(&self, name: &str) -> &[u8] {
        let mut arguments = self.query().split('&').filter_map(|pair| pair.split_once('='));
        arguments.find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or(&[], |(_, value)| value.as_bytes())
    }

    /// The same, percent-decoded.
    pub(super) fn decoded_argument(&self, name: &str) -> Vec<u8> {
        percent_decode(self.argument(name)).collect()
    }

    /// A request header's value; empty without it.
    pub(super) fn header(&self, name: &HeaderName) -> &[u8] {
        self.headers.get(name).map_or(&[], |value| value.as_bytes())
    }

    fn cookie(&self, name: &str) -> &[u8] {
        let cookies = self.headers.get_all(http::header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or(&[], |(_, value)| value.as_bytes())
    }

    fn caught<'s>(&'s self, group: impl Fn(&'s Captures<'_>) -> Option<regex::bytes::Match<'s>>) -> &'s [u8] {
        self.captures.as_ref().and_then(group).map_or(&[], |caught| caught.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(source: &str) -> Result<String, String> {
        let regex = Regex::new("^/sub/(.*)/(?P<room>[a-z]*)$").unwrap();
        let target = "/sub/a%20b/room?ID=x%2Fy&id=z&t=1";
        let mut headers = HeaderMap::new();
        headers.insert("x-some-name", "v".parse().unwrap());
        headers.insert("cookie", "a=1; b=2".parse().unwrap());
        headers.insert("host", "box".parse().unwrap());
        let path = b"/sub/a b/room";
        let captures = regex.captures(path);
        let asked = Asked { method: &Method::GET, target, headers: &headers, path, captures };
        let expression = Expression::parse(source, Some(&regex))?;
        Ok(String::from_utf8(expression.value(&asked).into_owned()).unwrap())
    }

    #[test]
    fn variables() {
        for (source, expect) in [
            ("plain", "plain"),
            ("", ""),
            ("$arg_id", "x%2Fy"),
            ("$arg_none.b1", ".b1"),
            ("a-$1-$room/$t", "error"),
            ("a-$1-$room.b2", "a-a b-room.b2"),
            ("${arg_t}0", "10"),
            ("$10", "a b0"),
            ("$http_x_some_name$cookie_B", "v2"),
            ("$uri|$request_uri|$args", "/sub/a b/room|/sub/a%20b/room?ID=x%2Fy&id=z&t=1|ID=x%2Fy&id=z&t=1"),
            ("$request_method $host", "GET box"),
        ] {
            let found = value(source);
            assert_eq!(found.as_deref().unwrap_or("error"), expect, "{source}");
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        for (source, expect) in [
            ("$remote_user", "$remote_user is not a variable here"),
            ("$3", "$3 is not a variable here"),
            ("a$", "$ is not a variable here"),
            ("${arg_id", "${arg_id is not closed"),
        ] {
            assert_eq!(value(source), Err(expect.to_owned()));
        }
        assert!(Expression::parse("$1", None).is_err());
    }
}
