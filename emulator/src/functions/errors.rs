//! What the host answers in a function's place: the one table from failure to status and body.

use bytes::Bytes;
use hearth_functions::request::Reply;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

/// Why a function did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The path is none of ours.
    NotFound,
    /// The path is a function's, but there is none of this name.
    NoFunction {
        /// What was asked for, `{region}-{name}`.
        asked: String,
        /// What there is.
        valid: String,
    },
    /// It is told of events, and this is none of those.
    NoEvent,
    /// Background functions are switched off.
    Disabled,
    /// It panicked.
    Panicked,
    /// A scheduled one returned an error.
    Failed,
    /// It was over the time limit, and was ended.
    TimedOut,
}

impl Failure {
    /// The answer, with the headers that all answers of the functions carry.
    pub(super) fn reply(&self, headers: &HeaderMap) -> Reply {
        const TEXT: &str = "text/plain; charset=utf-8";
        let phrase = |status: StatusCode| (status, TEXT, status.canonical_reason().unwrap_or_default().to_owned());
        let (status, content_type, body) = match self {
            Self::NotFound => phrase(StatusCode::NOT_FOUND),
            Self::NoFunction { asked, valid } => {
                // The official emulator sends this as HTML. The name is the caller's, so nothing of it may be markup.
                let asked = asked.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                let body = format!("Function {asked} does not exist, valid functions are: {valid}");
                (StatusCode::NOT_FOUND, "text/html; charset=utf-8", body)
            }
            Self::NoEvent => (StatusCode::BAD_REQUEST, TEXT, "The body is no event of Auth's.".to_owned()),
            Self::Disabled => (StatusCode::NO_CONTENT, TEXT, String::new()),
            Self::Panicked | Self::Failed => phrase(StatusCode::INTERNAL_SERVER_ERROR),
            Self::TimedOut => phrase(StatusCode::GATEWAY_TIMEOUT),
        };
        let mut reply = Reply::new(Bytes::from(body));
        *reply.status_mut() = status;
        *reply.headers_mut() = headers.clone();
        if status != StatusCode::NO_CONTENT {
            reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        reply
    }
}
