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
    /// The path names a user or device that cannot be.
    Path,
    /// It is not known who calls.
    Caller(Unknown),
    /// It is not known on which device the caller is.
    Device,
    /// The path names another user or device than the caller's.
    Other,
    /// The device is not connected.
    NotConnected,
    /// The body did not arrive.
    Unread(Unread),
    /// The body cannot be read.
    Body(String),
    /// The body has no `data`.
    NoData,
    /// `data` or `event` is too long.
    TooLong,
    /// The user has too many devices.
    Devices,
    /// There are too many streams.
    Streams,
}

impl Refusal {
    /// The answer.
    pub(super) fn reply(&self) -> Reply {
        let bad = |message: &str| answer::error(StatusCode::BAD_REQUEST, message);
        let unauthorized = |message: &str| answer::error(StatusCode::UNAUTHORIZED, message);
        match self {
            Self::NotFound => answer::error(StatusCode::NOT_FOUND, "there is nothing here"),
            Self::Method(methods) => answer::method_not_allowed(methods),
            Self::Path => bad("the path names no user or device: 1 to 256 bytes of text"),
            Self::Caller(Unknown::Missing) => unauthorized("neither X-User-Claim nor an ID token says who is asking"),
            Self::Caller(Unknown::Unreadable) => {
                unauthorized("X-User-Claim is not one {\"userid\":\"…\",\"clientid\":\"…\"} of names")
            }
            Self::Caller(Unknown::Refused) => unauthorized("the ID token is refused"),
            Self::Caller(Unknown::Unavailable(reason)) => {
                tracing::error!(%reason, "an ID token cannot be verified");
                later("ID tokens cannot be verified now")
            }
            Self::Device => unauthorized(
                "the device is not known: X-User-Claim's clientid; with an ID token ?client=, without a colon",
            ),
            Self::Other => {
                answer::error(StatusCode::FORBIDDEN, "the path names another user or device than the caller")
            }
            Self::NotConnected => answer::error(StatusCode::NOT_FOUND, "the device is not connected"),
            Self::Unread(Unread::TooLarge) | Self::TooLong => {
                answer::error(StatusCode::PAYLOAD_TOO_LARGE, "data has at most 65536 bytes, event 256")
            }
            Self::Unread(Unread::TimedOut) => {
                answer::error(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")
            }
            Self::Unread(Unread::Incomplete) => bad("the body is incomplete"),
            Self::Unread(Unread::Busy) => later("too many bodies are under way"),
            Self::Body(reason) => bad(&format!("the body cannot be read: {reason}")),
            Self::NoData => bad("there is no data in the body, which is JSON or a form by its Content-Type"),
            Self::Devices => answer::error(StatusCode::TOO_MANY_REQUESTS, "the user has too many devices"),
            Self::Streams => later("there are too many streams"),
        }
    }
}

fn later(message: &str) -> Reply {
    answer::later(StatusCode::SERVICE_UNAVAILABLE, message, 1)
}
