//! What a request asks for, read from its query.
//!
//! The SDK does not percent-encode what it puts there, and nothing of what matters here needs it: ids, numbers and
//! web-safe base64. Must not know: which sessions there are.

use super::segments::{MOST_SEGMENT_CHARS, Segment};
use std::fmt;

/// A request holds at most so many segments; of the SDK's shortest, about 60 fit.
const MOST_SEGMENTS: usize = 256;
/// Numbers have at most so many digits: those that JavaScript can count.
const MOST_DIGITS: usize = 15;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `start=t`: a session begins.
    Start(Start),
    /// A poll, which may carry segments.
    Poll(Poll),
    /// `dframe=t`: the page that tells when it is left.
    DisconnectFrame,
    /// `disconn=t`: the client has gone.
    Disconnect(Ticket),
}

/// What a session begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Which functions of the page are called (`cb`).
    pub callback: Option<Callback>,
    /// The session that this one takes the place of (`ls`).
    pub last_session: Option<String>,
    /// The database (`ns`).
    pub namespace: Option<String>,
}

/// What shows that a request belongs to a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ticket {
    /// Which (`id`).
    pub id: String,
    /// Its secret (`pw`).
    pub password: String,
}

/// A poll.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Poll {
    /// Whose.
    pub ticket: Ticket,
    /// Its place in the order in which the client has sent polls (`ser`), from anywhere.
    pub serial: u64,
    /// What it carries (`seg0`, `ts0`, `d0`, `seg1`, …).
    pub segments: Vec<Segment>,
}

/// The number in the names of the page's functions. It is written into a script, so it is nothing but a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Callback(u64);

impl fmt::Display for Callback {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A request that cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A parameter that must be a number is none.
    #[error("the parameter {0} must be a number of at most 15 digits")]
    Number(&'static str),
    /// A parameter is missing.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// There are too many segments, or one is too long.
    #[error("the request carries too much")]
    TooMuch,
}

impl Request {
    /// Reads a URL's query.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn parse(query: &str) -> Result<Self, RequestError> {
        let find = |name: &str| pairs(query).find_map(|(found, value)| (found == name).then_some(value));
        let given = |name: &str| find(name).filter(|value| !value.is_empty()).map(str::to_owned);
        if find("start").is_some() {
            let callback = match find("cb") {
                Some(text) => Some(Callback(number(text).ok_or(RequestError::Number("cb"))?)),
                None => None,
            };
            return Ok(Self::Start(Start { callback, last_session: given("ls"), namespace: given("ns") }));
        }
        if find("dframe").is_some() {
            return Ok(Self::DisconnectFrame);
        }
        let ticket = Ticket {
            id: given("id").ok_or(RequestError::Missing("id"))?,
            password: given("pw").ok_or(RequestError::Missing("pw"))?,
        };
        if find("disconn").is_some() {
            return Ok(Self::Disconnect(ticket));
        }
        let serial = find("ser").ok_or(RequestError::Missing("ser"))?;
        let serial = number(serial).ok_or(RequestError::Number("ser"))?;
        Ok(Self::Poll(Poll { ticket, serial, segments: segments(query)? }))
    }
}

/// The segments' parameters stand together and in order: `seg0`, `ts0`, `d0`, `seg1`, and so on.
fn segments(query: &str) -> Result<Vec<Segment>, RequestError> {
    let mut segments = Vec::new();
    let mut parameters = pairs(query).filter(|(name, _)| {
        ["seg", "ts", "d"].iter().any(|prefix| {
            name.strip_prefix(prefix).is_some_and(|place| place.bytes().all(|byte| byte.is_ascii_digit()))
        })
    });
    while let Some((name, seg)) = parameters.next() {
        if segments.len() == MOST_SEGMENTS {
            return Err(RequestError::TooMuch);
        }
        let place = name.strip_prefix("seg").ok_or(RequestError::Missing("seg"))?;
        let mut next = |expected: &'static str| {
            let found = parameters.next().filter(|(name, _)| name.strip_prefix(expected) == Some(place));
            found.map(|(_, value)| value).ok_or(RequestError::Missing(expected))
        };
        let (of, text) = (next("ts")?, next("d")?);
        if text.len() > MOST_SEGMENT_CHARS {
            return Err(RequestError::TooMuch);
        }
        segments.push(Segment {
            number: number(seg).ok_or(RequestError::Number("seg"))?,
            of: number(of).ok_or(RequestError::Number("ts"))?,
            text: text.to_owned(),
        });
    }
    Ok(segments)
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.len() <= MOST_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expect: Result<Request, RequestError>) {
        assert_eq!(Request::parse(query), expect, "{query}");
    }

    fn ticket() -> Ticket {
        Ticket { id: "i".to_owned(), password: "p".to_owned() }
    }

    #[test]
    fn what_the_sdk_sends_is_read() {
        let start = Start {
            callback: Some(Callback(1)),
            last_session: Some("old".to_owned()),
            namespace: Some("demo".to_owned()),
        };
        check("start=t&ser=33446688&cb=1&v=5&ls=old&p=1:2:web:3&ns=demo", Ok(Request::Start(start)));
        check("start=t&ser=5&v=5&ls=", Ok(Request::Start(Start::default())));
        check("dframe=t&id=i&pw=p&ns=demo", Ok(Request::DisconnectFrame));
        check("disconn=t&id=i&pw=p&ns=demo", Ok(Request::Disconnect(ticket())));
        let poll = |segments| Ok(Request::Poll(Poll { ticket: ticket(), serial: 7, segments }));
        check("id=i&pw=p&ser=7&ns=demo", poll(Vec::new()));
        let segment = |number, of, text: &str| Segment { number, of, text: text.to_owned() };
        check(
            "id=i&pw=p&ser=7&ns=demo&seg0=3&ts0=2&d0=eyJh&seg1=4&ts1=2&d1=Ijox.",
            poll(vec![segment(3, 2, "eyJh"), segment(4, 2, "Ijox.")]),
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for callback in ["", "x", "1x", "-1", "+1", "1.5", "0x1", "%31", "1);alert(1", "1234567890123456"] {
            check(&format!("start=t&cb={callback}"), Err(RequestError::Number("cb")));
        }
        check("", Err(RequestError::Missing("id")));
        check("id=i&ser=1", Err(RequestError::Missing("pw")));
        check("disconn=t&id=i&pw=", Err(RequestError::Missing("pw")));
        check("id=i&pw=p", Err(RequestError::Missing("ser")));
        check("id=i&pw=p&ser=x", Err(RequestError::Number("ser")));
        check("id=i&pw=p&ser=1&seg0=a&ts0=1&d0=A", Err(RequestError::Number("seg")));
        check("id=i&pw=p&ser=1&seg0=1&ts0=&d0=A", Err(RequestError::Number("ts")));
        check("id=i&pw=p&ser=1&ts0=1&seg0=1&d0=A", Err(RequestError::Missing("seg")));
        check("id=i&pw=p&ser=1&seg0=1&ts1=1&d0=A", Err(RequestError::Missing("ts")));
        check("id=i&pw=p&ser=1&seg0=1&ts0=1", Err(RequestError::Missing("d")));
        let long = "A".repeat(MOST_SEGMENT_CHARS + 1);
        check(&format!("id=i&pw=p&ser=1&seg0=1&ts0=1&d0={long}"), Err(RequestError::TooMuch));
        let many: String = (0..=MOST_SEGMENTS).map(|n| format!("&seg{n}=1&ts{n}=1&d{n}=A")).collect();
        check(&format!("id=i&pw=p&ser=1{many}"), Err(RequestError::TooMuch));
    }
}
