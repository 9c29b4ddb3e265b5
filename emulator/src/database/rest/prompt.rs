//! Plain reads, answered at once: what the REST API answers to a GET that asks for nothing but data, if there is little.
//!
//! Everything else is left to the REST API, refusals included: here it would only be said a second time. Must not know:
//! how data is stored.

use super::super::databases::{Databases, namespace_of_host};
use super::request::{self, FIREBASE_ETAG, Parameters};
use super::response::{self, REQUEST_PRIVATE_NETWORK, Rendered};
use crate::server::prompt::{Answers, Lines, Prompt, Whole};
use bytes::Bytes;
use hearth_database::Caller;
use hearth_database::json::{self, Form, Layout};
use http::header::{ACCEPT, AUTHORIZATION, HOST, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderName, Request, StatusCode};
use std::sync::Arc;

/// More than so many bytes are left to the REST API, where large answers have a budget.
const MOST_BYTES: u64 = 16 * 1024;

/// What has one of these fields asks for more than data.
const SPECIAL: [HeaderName; 5] = [AUTHORIZATION, FIREBASE_ETAG, IF_MATCH, IF_NONE_MATCH, REQUEST_PRIVATE_NETWORK];

/// The databases whose data can be read at once.
pub(in super::super) struct Reads {
    databases: Arc<Databases>,
    /// The fields that every such answer has.
    lines: Lines,
}

impl Reads {
    /// None where denials are explained: each would be judged, and told, twice.
    pub(in super::super) fn of(databases: &Arc<Databases>) -> Option<Self> {
        if databases.explain_denials() {
            return None;
        }
        let (parts, ()) = Request::new(()).into_parts();
        let nothing = Rendered { etag: None, body: Bytes::new() };
        let mut response = response::data(StatusCode::OK, nothing, &Parameters::default());
        response::allow_origins(&parts, response.headers_mut());
        Some(Self { databases: Arc::clone(databases), lines: Lines::of(response.headers()) })
    }

    /// The data that a request asks for; none if it may not be read, or asks for anything else.
    fn read(&self, request: &Whole<'_>) -> Option<Vec<u8>> {
        let streams = |accepted: &[u8]| accepted.windows(6).any(|part| part.eq_ignore_ascii_case(b"stream"));
        if request.method != "GET"
            || !request.body.is_empty()
            || SPECIAL.iter().any(|name| request.field(name).is_some())
            || request.fields(&ACCEPT).any(streams)
        {
            return None;
        }
        let (path, query) = match request.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (request.target, None),
        };
        if path.starts_with("/.settings/") || path.starts_with("/.inspect/") {
            return None;
        }
        let namespace = match query {
            Some(query) => Some(query.strip_prefix("ns=").filter(|name| !name.contains(['&', '%', '+']))?),
            None => namespace_of_host(str::from_utf8(request.field(&HOST)?).ok()?),
        };
        let location = request::location(path).ok()?;
        let database = self.databases.find_open(namespace)?;
        let node = database.read(&Caller::ANYONE, &location, self.databases.now()).ok()?;
        (node.weight() <= MOST_BYTES).then(|| json::encode(&node, Form::Value, Layout::Compact))
    }
}

impl Prompt for Reads {
    /// A read has no body.
    fn awaits(&self, _: &Whole<'_>) -> bool {
        false
    }

    fn answer(&self, request: &Whole<'_>, answers: &mut Answers) -> bool {
        let body = self.read(request);
        body.is_some_and(|body| {
            answers.ok(None, &self.lines, &body);
            true
        })
    }
}
