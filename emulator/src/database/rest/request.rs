//! Reading a request: its method, its path, its parameters and its conditions.
//!
//! Must not know: what is stored, or who asks.

use super::super::databases::namespace_of_host;
use super::super::errors::Failure;
use super::super::write_size::WriteSizeLimit;
use super::query::Filters;
use hearth_database::json::{Form, Layout};
use hearth_database::{Location, PathError, Tag};
use http::header::{ACCEPT, HOST, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::time::Duration;

pub(super) const FIREBASE_ETAG: HeaderName = HeaderName::from_static("x-firebase-etag");
const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");
/// A read may ask for a time limit of so much at most.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// What a request wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Read (also HEAD).
    Get,
    /// Set.
    Put,
    /// Push.
    Post,
    /// Update.
    Patch,
    /// Remove.
    Delete,
}

impl Action {
    const NAMES: [(&str, Self); 6] = [
        ("GET", Self::Get),
        ("HEAD", Self::Get),
        ("PUT", Self::Put),
        ("POST", Self::Post),
        ("PATCH", Self::Patch),
        ("DELETE", Self::Delete),
    ];

    /// The request's method; a POST may name another one.
    pub(super) fn of(parts: &Parts, parameters: &Parameters) -> Result<Self, Failure> {
        let header = parts.headers.get(METHOD_OVERRIDE).map(|value| value.to_str().unwrap_or_default());
        let other = header.or(parameters.method.as_deref()).filter(|_| parts.method == Method::POST);
        let method = other.unwrap_or(parts.method.as_str());
        let named = Self::NAMES.iter().find(|(name, _)| method.eq_ignore_ascii_case(name));
        named.map(|(_, action)| *action).ok_or(Failure::Method)
    }
}

/// How the answer is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Print {
    /// On one line.
    #[default]
    Compact,
    /// Indented.
    Pretty,
    /// Not at all: 204.
    Silent,
}

/// The query parameters. Unknown ones are let pass, as some clients add one against caches.
#[derive(Debug)]
pub(super) struct Parameters {
    pub(super) namespace: Option<String>,
    pub(super) auth: Option<String>,
    pub(super) access_token: Option<String>,
    /// JSON: the `auth` that an admin wants to be taken for.
    pub(super) auth_override: Option<String>,
    pub(super) method: Option<String>,
    pub(super) print: Print,
    pub(super) form: Form,
    pub(super) shallow: bool,
    pub(super) callback: Option<String>,
    pub(super) download: Option<String>,
    pub(super) timeout: Option<Duration>,
    pub(super) filters: Filters,
    pub(super) write_size_limit: Option<WriteSizeLimit>,
    /// Of rules: as plain JSON.
    pub(super) strict: bool,
    /// Of rules: only check them.
    pub(super) dry_run: bool,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            namespace: None,
            auth: None,
            access_token: None,
            auth_override: None,
            method: None,
            print: Print::default(),
            form: Form::Value,
            shallow: false,
            callback: None,
            download: None,
            timeout: None,
            filters: Filters::default(),
            write_size_limit: None,
            strict: false,
            dry_run: false,
        }
    }
}

impl Parameters {
    /// Reads what follows the `?`. Of a parameter that is given twice the last one counts.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let mut parameters = Self::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            parameters.take(&decode(name), decode(value).into_owned())?;
        }
        Ok(parameters)
    }

    fn take(&mut self, name: &str, value: String) -> Result<(), Failure> {
        match name {
            "ns" => self.namespace = Some(value),
            "auth" => self.auth = Some(value),
            "access_token" => self.access_token = Some(value),
            "auth_variable_override" => self.auth_override = Some(value),
            "x-http-method-override" => self.method = Some(value),
            "print" => {
                self.print = match value.as_str() {
                    "pretty" => Print::Pretty,
                    "silent" => Print::Silent,
                    _ => return Err(Failure::Parameter("print must be pretty or silent")),
                }
            }
            "format" if value == "export" => self.form = Form::Export,
            // Of rules: without comments.
            "format" if value == "strict" => self.strict = true,
            "format" => return Err(Failure::Parameter("format must be export")),
            "shallow" => self.shallow = flag(&value, "shallow must be true or false")?,
            "callback" if is_function_name(&value) => self.callback = Some(value),
            "callback" => return Err(Failure::Parameter("callback must be the name of a JavaScript function")),
            "download" if value.is_empty() => return Err(Failure::Parameter("download must be a file name")),
            "download" => self.download = Some(value),
            "timeout" => self.timeout = Some(timeout(&value)?),
            "writeSizeLimit" => {
                let limit = WriteSizeLimit::parse(&value)
                    .ok_or(Failure::Parameter("writeSizeLimit must be tiny, small, medium, large or unlimited"))?;
                self.write_size_limit = Some(limit);
            }
            "dryRun" => self.dry_run = flag(&value, "dryRun must be true or false")?,
            // There are no functions that a write could trigger.
            "disableTriggers" => drop(flag(&value, "disableTriggers must be true or false")?),
            _ => self.filters.take(name, value),
        }
        Ok(())
    }

    pub(super) fn layout(&self) -> Layout {
        match self.print {
            Print::Compact | Print::Silent => Layout::Compact,
            Print::Pretty => Layout::Pretty,
        }
    }
}

fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned().into()
}

fn flag(value: &str, error: &'static str) -> Result<bool, Failure> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Failure::Parameter(error)),
    }
}

/// A name, or names joined by dots: nothing that could be a script of its own.
fn is_function_name(text: &str) -> bool {
    let starts = |character: char| character.is_ascii_alphabetic() || matches!(character, '_' | '$');
    text.split('.').all(|name| {
        name.starts_with(starts) && name.chars().all(|character| starts(character) || character.is_ascii_digit())
    })
}

/// `3ms`, `3s` or `3min`.
fn timeout(text: &str) -> Result<Duration, Failure> {
    let digits = text.trim_end_matches(|character: char| !character.is_ascii_digit());
    let unit = text.strip_prefix(digits).unwrap_or_default();
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        _ => 0,
    };
    let timeout =
        digits.parse::<u64>().ok().and_then(|number| number.checked_mul(milliseconds)).map(Duration::from_millis);
    timeout
        .filter(|timeout| !timeout.is_zero() && *timeout <= LONGEST_TIMEOUT)
        .ok_or(Failure::Parameter("timeout must be like 3ms, 3s or 3min, and at most 15min"))
}

/// The namespace that a request names: in `ns`, or else as the first part of its host.
pub(super) fn namespace<'r>(parts: &'r Parts, parameters: &'r Parameters) -> Option<&'r str> {
    let host = || namespace_of_host(parts.uri.host().or_else(|| parts.headers.get(HOST)?.to_str().ok())?);
    parameters.namespace.as_deref().or_else(host)
}

/// What `/a/b.json` addresses.
pub(super) fn location(path: &str) -> Result<Location, Failure> {
    let path = path.strip_suffix(".json").ok_or(Failure::NotJson)?;
    let segments: Result<Vec<_>, _> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8().map_err(|_| Failure::Encoding))
        .collect();
    let location = Location::from_segments(segments?.iter().map(AsRef::as_ref));
    location.map_err(|error: PathError| error.into())
}

/// Refuses conditions where the API has none.
pub(super) fn check_conditions(action: Action, headers: &HeaderMap) -> Result<(), Failure> {
    let (tagged, conditional) = (headers.contains_key(FIREBASE_ETAG), headers.contains_key(IF_MATCH));
    match action {
        Action::Put | Action::Delete => Ok(()),
        Action::Get if conditional => Err(Failure::Parameter("if-match is not supported for GET requests")),
        Action::Post if conditional => Err(Failure::Parameter("if-match is not supported for POST requests")),
        Action::Patch if tagged || conditional => {
            Err(Failure::Parameter("X-Firebase-ETag and if-match are not supported for PATCH requests"))
        }
        Action::Get | Action::Post | Action::Patch => Ok(()),
    }
}

/// Whether the answer shall have an ETag.
pub(super) fn wants_etag(headers: &HeaderMap) -> bool {
    headers.get(FIREBASE_ETAG).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}

/// The ETag that the data must have. One that is no text matches nothing.
pub(super) fn if_match(headers: &HeaderMap) -> Option<Tag> {
    headers.get(IF_MATCH).map(|value| Tag::Etag(value.to_str().unwrap_or_default().to_owned()))
}

/// The ETag of the data the client has already.
pub(super) fn if_none_match(headers: &HeaderMap) -> Option<&str> {
    headers.get(IF_NONE_MATCH)?.to_str().ok()
}

/// Whether the client wants changes as they happen.
pub(super) fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted
        .flat_map(|value| value.split(','))
        .any(|kind| kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream"))
}
