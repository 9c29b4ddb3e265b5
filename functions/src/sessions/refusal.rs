//! Every answer that is not the wanted one: the one table from refusal to status, body and header.

use super::response;
use crate::ports::DatabaseError;
use crate::request::{Reply, Unread};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

/// Why a request is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Only another method is served.
    Method,
    /// The body is not JSON by its headers.
    ContentType,
    /// No ID token, or one that does not verify.
    NotSignedIn,
    /// Too many calls; seconds until the next one passes.
    TooMany { retry_after: u64 },
    /// No `X-Session-Token`.
    NoSessionToken,
    /// A session token that does not verify, or has expired.
    SessionToken,
    /// The same, in `refreshToken`'s words.
    SessionJwt,
    /// The session token expired too long ago to be refreshed.
    RefreshWindow,
    /// The session's record is gone.
    SessionGone,
    /// The refresh token is not the session's.
    RefreshToken,
    /// The session is too young to be refreshed; seconds until it can be.
    TooEarly { retry_after: u64 },
    /// An update is asked for, and none was sent.
    EmptyBody,
    /// The body did not arrive.
    Unread(Unread),
    /// The body is not JSON.
    MalformedJson,
    /// The body is JSON, but no object.
    NotAnObject,
    /// The update is not valid: what is wrong with it.
    Update(String),
    /// The publisher did not take the update.
    NotPublished,
    /// Something of ours failed; its cause is in the log.
    Failed,
}

impl Refusal {
    /// A failure of ours: `cause` goes to the log, the caller learns no more than that.
    pub(super) fn failed(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "the request failed");
        Self::Failed
    }

    /// The answer.
    pub(super) fn reply(&self) -> Reply {
        let status = |status: StatusCode| response::phrase(status);
        let bad = |message: &str| response::text(StatusCode::BAD_REQUEST, message.to_owned());
        match self {
            Self::Method => status(StatusCode::METHOD_NOT_ALLOWED),
            Self::ContentType => status(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Self::NotSignedIn | Self::SessionToken => status(StatusCode::UNAUTHORIZED),
            Self::TooMany { retry_after } => later(status(StatusCode::TOO_MANY_REQUESTS), *retry_after),
            Self::NoSessionToken => status(StatusCode::FORBIDDEN),
            Self::SessionJwt => response::text(StatusCode::UNAUTHORIZED, "invalid jwt"),
            Self::RefreshWindow => response::text(StatusCode::FORBIDDEN, "token exceed refresh window"),
            Self::SessionGone => bad("token expired"),
            Self::RefreshToken => response::text(StatusCode::UNAUTHORIZED, "invalid refresh token"),
            Self::TooEarly { retry_after } => later(status(StatusCode::TOO_EARLY), *retry_after),
            Self::EmptyBody => bad("empty body"),
            Self::Unread(Unread::TooLarge) => status(StatusCode::PAYLOAD_TOO_LARGE),
            Self::Unread(Unread::TimedOut) => status(StatusCode::REQUEST_TIMEOUT),
            Self::Unread(Unread::Incomplete) => status(StatusCode::BAD_REQUEST),
            Self::Unread(Unread::Busy) => status(StatusCode::SERVICE_UNAVAILABLE),
            Self::MalformedJson => bad("malformed JSON"),
            Self::NotAnObject => bad("body is not an object"),
            Self::Update(messages) => bad(messages),
            Self::NotPublished => response::text(StatusCode::BAD_GATEWAY, "the pubsub server did not take the update"),
            Self::Failed => status(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

impl From<DatabaseError> for Refusal {
    fn from(error: DatabaseError) -> Self {
        Self::failed(&error)
    }
}

fn later(mut reply: Reply, seconds: u64) -> Reply {
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    reply
}
