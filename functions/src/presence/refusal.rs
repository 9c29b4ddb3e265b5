//! Every answer that is not the wanted one: the one table from refusal to status and body.

use crate::answer;
use crate::identity::Unknown;
use crate::request::{Reply, Unread};
use http::StatusCode;

/// Why a request is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is nothing at the path.
    NotFound,
    /// Only these methods are served there.
    Method(&'static str),
    /// The path names a user that cannot be.
    Path,
    /// It is not known who subscribes, and has to be.
    Subscriber(Unknown),
    /// It is not known who pings.
    Pinger(Unknown),
    /// The body did not arrive.
    Unread(Unread),
    /// The body is no ping.
    Body(String),
    /// The user has too many subscribers.
    Subscribers,
    /// There are too many streams.
    Streams,
    /// Too many of the user's pings wait.
    Pings,
    /// The database failed; its cause is in the log.
    Failed,
    /// The server stops.
    Stopping,
}

impl Refusal {
    /// The answer.
    pub(super) fn reply(&self) -> Reply {
        match self {
            Self::NotFound => answer::error(StatusCode::NOT_FOUND, "there is nothing here"),
            Self::Method(methods) => answer::method_not_allowed(methods),
            Self::Path => answer::error(StatusCode::BAD_REQUEST, "the path names no user: 1 to 256 bytes of text"),
            Self::Subscriber(unknown) => unidentified(StatusCode::UNAUTHORIZED, unknown),
            // The original's status, for what the original knows.
            Self::Pinger(unknown) => unidentified(StatusCode::BAD_REQUEST, unknown),
            Self::Unread(Unread::TooLarge) => answer::error(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long"),
            Self::Unread(Unread::TimedOut) => {
                answer::error(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")
            }
            Self::Unread(Unread::Incomplete) => answer::error(StatusCode::BAD_REQUEST, "the body is incomplete"),
            Self::Unread(Unread::Busy) => later("too many bodies are under way"),
            Self::Body(reason) => answer::error(StatusCode::BAD_REQUEST, &format!("the body is no ping: {reason}")),
            Self::Subscribers => answer::error(StatusCode::TOO_MANY_REQUESTS, "the user has too many subscribers"),
            Self::Streams => later("there are too many streams"),
            Self::Pings => later("too many pings of the user wait"),
            Self::Failed => answer::error(StatusCode::INTERNAL_SERVER_ERROR, "the ping could not be stored or read"),
            Self::Stopping => later("the server stops"),
        }
    }
}

/// Nobody is known to call: `status`, unless it is known better.
fn unidentified(status: StatusCode, unknown: &Unknown) -> Reply {
    match unknown {
        Unknown::Missing => answer::error(status, "neither X-User-Claim nor an ID token says who is asking"),
        Unknown::Unreadable => {
            answer::error(status, "X-User-Claim is not one {\"userid\":\"…\",\"clientid\":\"…\"} of names")
        }
        Unknown::Refused => answer::error(StatusCode::UNAUTHORIZED, "the ID token is refused"),
        Unknown::Unavailable(reason) => {
            tracing::error!(%reason, "an ID token cannot be verified");
            later("ID tokens cannot be verified now")
        }
    }
}

fn later(message: &str) -> Reply {
    answer::later(StatusCode::SERVICE_UNAVAILABLE, message, 1)
}
