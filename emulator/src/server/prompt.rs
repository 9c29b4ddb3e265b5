//! Requests that are answered at once, on the socket itself.
//!
//! An HTTP library is ready for everything: bodies that come in pieces, answers that do, requests in any form. Most
//! requests of publishers and readers have come whole when they are read, and are answered before anything else happens.
//! Those are read where they lie, and the answer is written once. The first request that is not like that goes to the library,
//! with its connection and with all that has been read of it, and nobody can tell the difference. Must not know: what
//! is asked, and what is answered.

use crate::clock::Clock;
use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName};
use httpdate::HttpDate;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// A request may have so many bytes, its head included. So much a connection holds of what has not come whole.
const ROOM: usize = 16 * 1024;
/// What is read at once, unless there is more of a request to come.
const READ_BYTES: usize = 2048;
/// A request may have so many fields.
const FIELDS: usize = 32;
/// Answers to requests that came together are written together, up to so many bytes.
const TOGETHER: usize = 16 * 1024;

/// A request that has come whole.
#[derive(Debug)]
pub struct Whole<'r> {
    /// Its method.
    pub method: &'r str,
    /// Its path and query, as they were sent.
    pub target: &'r str,
    /// Its body.
    pub body: &'r [u8],
    fields: &'r [httparse::Header<'r>],
}

impl<'r> Whole<'r> {
    /// The first field of this name.
    pub fn field(&self, name: &HeaderName) -> Option<&'r [u8]> {
        let field = self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name.as_str()));
        field.map(|field| field.value)
    }

    /// All fields of this name.
    pub fn fields(&self, name: &HeaderName) -> impl Iterator<Item = &'r [u8]> {
        let named = self.fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name.as_str()));
        named.map(|field| field.value)
    }
}

/// What answers requests at once.
pub trait Prompt: Send + Sync {
    /// Whether it would answer a request whose body has not come whole yet.
    fn awaits(&self, head: &Whole<'_>) -> bool;

    /// Answers a request. False, and nothing is done, if somebody else has to.
    fn answer(&self, request: &Whole<'_>, answers: &mut Answers) -> bool;
}

/// Answers that are to be written.
#[derive(Debug, Default)]
pub struct Answers {
    bytes: Vec<u8>,
    /// The second that `date` is of.
    second: u64,
    date: String,
}

impl Answers {
    /// Adds an answer with the status 200: a field of its own, those in `lines`, and a body.
    pub fn ok(&mut self, field: Option<(&str, &str)>, lines: &Lines, body: &[u8]) {
        self.bytes.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        if let Some((name, value)) = field {
            push_line(&mut self.bytes, name, value.as_bytes());
        }
        self.bytes.extend_from_slice(&lines.0);
        let second = Clock::system().now() / 1000;
        if second != self.second {
            self.second = second;
            self.date = HttpDate::from(UNIX_EPOCH + Duration::from_secs(second)).to_string();
        }
        push_line(&mut self.bytes, "content-length", itoa::Buffer::new().format(body.len()).as_bytes());
        push_line(&mut self.bytes, "date", self.date.as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
        self.bytes.extend_from_slice(body);
    }
}

/// Header fields as they are sent.
#[derive(Clone, Debug)]
pub struct Lines(Vec<u8>);

impl Lines {
    /// All of `fields`, in their order.
    pub fn of(fields: &HeaderMap) -> Self {
        let mut lines = Vec::new();
        fields.iter().for_each(|(name, value)| push_line(&mut lines, name.as_str(), value.as_bytes()));
        Self(lines)
    }
}

fn push_line(lines: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        lines.extend_from_slice(part);
    }
}

/// What becomes of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It goes to the HTTP library, and this is to be read first.
    ToHttp(Bytes),
    /// It is over.
    Over,
}

/// What has been read begins with this.
enum Found<'r> {
    /// A request, and how many bytes it has.
    Whole(Whole<'r>, usize),
    /// A request whose body has not come whole; its head.
    Begun(Whole<'r>),
    /// Too little to say.
    Little,
    /// Something for the HTTP library.
    Other,
}

/// Answers the requests of a connection as long as `prompt` does. Each has to come whole within `patience`.
pub(super) async fn serve(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    prompt: &dyn Prompt,
    patience: Duration,
    stop: &CancellationToken,
) -> Left {
    let mut read = BytesMut::new();
    let mut answers = Answers::default();
    let mut stopped = pin!(stop.cancelled());
    let mut deadline = Instant::now() + patience;
    let mut timer = pin!(sleep_until(deadline));
    loop {
        let (used, more) = answer(&read, prompt, &mut answers);
        read.advance(used);
        if !answers.bytes.is_empty() {
            if write(stream, &answers.bytes).await.is_err() {
                return Left::Over;
            }
            answers.bytes.clear();
            deadline = Instant::now() + patience;
        }
        match more {
            More::Read if stop.is_cancelled() => return leave(read),
            More::Read => {}
            More::Answer => continue,
            More::HandOver => return Left::ToHttp(read.freeze()),
        }
        read.reserve(READ_BYTES);
        let came = poll_fn(|context| {
            if let Poll::Ready(length) = pin!(stream.read_buf(&mut read)).poll(context) {
                return Poll::Ready(length.is_ok_and(|length| length > 0));
            }
            if stopped.as_mut().poll(context).is_ready() {
                return Poll::Ready(false);
            }
            // Set anew only when it goes off too early: nearly every request comes in time.
            while timer.as_mut().poll(context).is_ready() {
                if timer.deadline() >= deadline {
                    return Poll::Ready(false);
                }
                timer.as_mut().reset(deadline);
            }
            Poll::Pending
        });
        if !came.await {
            return leave(read);
        }
    }
}

/// Nothing more is read here. The library knows what a request is worth that has come in part.
fn leave(read: BytesMut) -> Left {
    if read.is_empty() { Left::Over } else { Left::ToHttp(read.freeze()) }
}

/// What is to be done after what has been read is answered.
enum More {
    Read,
    /// Once the answers are written.
    Answer,
    HandOver,
}

/// Answers what has been read; how many bytes of it that was.
fn answer(read: &[u8], prompt: &dyn Prompt, answers: &mut Answers) -> (usize, More) {
    let mut used = 0;
    loop {
        let rest = read.get(used..).unwrap_or_default();
        if rest.is_empty() {
            return (used, More::Read);
        }
        let mut fields = [httparse::EMPTY_HEADER; FIELDS];
        let more = match find(rest, &mut fields) {
            Found::Whole(request, length) if prompt.answer(&request, answers) => {
                used += length;
                if answers.bytes.len() < TOGETHER {
                    continue;
                }
                More::Answer
            }
            Found::Begun(head) if prompt.awaits(&head) => More::Read,
            Found::Little if rest.len() < ROOM => More::Read,
            Found::Whole(..) | Found::Begun(_) | Found::Little | Found::Other => More::HandOver,
        };
        return (used, more);
    }
}

/// Reads a request where it lies.
fn find<'r>(read: &'r [u8], fields: &'r mut [httparse::Header<'r>]) -> Found<'r> {
    let mut head = httparse::Request::new(fields);
    let Ok(status) = head.parse(read) else { return Found::Other };
    let httparse::Status::Complete(head_length) = status else { return Found::Little };
    let httparse::Request { method: Some(method), path: Some(target), version: Some(1), headers: fields } = head else {
        return Found::Other;
    };
    let Some(body_length) = body_length(fields) else { return Found::Other };
    let length = head_length + body_length;
    if length > ROOM || !is_plain(target) {
        return Found::Other;
    }
    match read.get(head_length..length) {
        Some(body) => Found::Whole(Whole { method, target, fields, body }, length),
        None => Found::Begun(Whole { method, target, fields, body: &[] }),
    }
}

/// How long the body is; none if that takes more than a look, or if the request asks for more than an answer.
fn body_length(fields: &[httparse::Header<'_>]) -> Option<usize> {
    let mut length = None;
    for field in fields {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            // Nine digits fit, whatever they are.
            let digits = str::from_utf8(field.value).ok().filter(|text| text.len() <= 9)?;
            if length.is_some() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
                return None;
            }
            length = Some(digits.parse().ok()?);
        } else {
            let closes = is("connection") && !field.value.eq_ignore_ascii_case(b"keep-alive");
            if closes || is("transfer-encoding") || is("expect") || is("upgrade") {
                return None;
            }
        }
    }
    Some(length.unwrap_or(0))
}

/// Whether a target is a path, and means what it says.
fn is_plain(target: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/?&=.-_~%+:@!$'()*,;".contains(&byte);
    target.starts_with('/') && target.bytes().all(is_plain)
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match poll_fn(|context| Pin::new(&mut *stream).poll_write(context, rest)).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            more => written += more,
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "prompt_tests.rs"]
mod tests;
