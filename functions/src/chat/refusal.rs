//! Everything that is not done: the one table from refusal to status and sentence.

use super::envelope;
use crate::ports::DatabaseError;
use crate::request::{Reply, Unread};
use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, RETRY_AFTER, UPGRADE};
use http::{HeaderValue, StatusCode};

/// Why a request is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is nothing at the path.
    NotFound,
    /// Only these methods are served there.
    Method(&'static str),
    /// Nobody is known to ask.
    NotAuthorised,
    /// Whoever says who is asking cannot be reached.
    Unavailable,
    /// It is not the service of notifications that asks.
    NotNotifier,
    /// The body did not arrive.
    Unread(Unread),
    /// The body is no user.
    Body(String),
    /// There is a user of that name.
    Exists,
    /// The token is none, or used, or expired.
    Token,
    /// A good token, but no WebSocket is asked for.
    NotSocket,
    /// These are not messages of the caller with somebody he may know.
    Wrong,
    /// `skip` is no number, or a negative one.
    Skip,
    /// The database failed; its cause is in the log.
    Failed,
}

/// Why a message is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// It is no JSON object of texts.
    Json(String),
    /// It names another sender.
    Sender,
    /// It names no recipient that the sender may know.
    Recipient,
    /// It has neither text nor image.
    Empty,
    /// A field is longer than so many bytes.
    Long(&'static str, usize),
    /// The database failed; its cause is in the log.
    Failed,
}

impl Refusal {
    /// The answer.
    pub(super) fn reply(&self) -> Reply {
        match self {
            Self::NotFound => envelope::message(StatusCode::NOT_FOUND, "Not found"),
            Self::Method(methods) => {
                let mut reply = envelope::message(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
                reply.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
                reply
            }
            Self::NotAuthorised => envelope::message(StatusCode::UNAUTHORIZED, "Not authorised"),
            Self::Unavailable => later("Users cannot be verified now"),
            // The original's status.
            Self::NotNotifier => envelope::message(StatusCode::BAD_REQUEST, "Not authorised"),
            Self::Unread(Unread::TooLarge) => envelope::message(StatusCode::PAYLOAD_TOO_LARGE, "The body is too long"),
            Self::Unread(Unread::TimedOut) => {
                envelope::message(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time")
            }
            Self::Unread(Unread::Incomplete) => envelope::message(StatusCode::BAD_REQUEST, "The body is incomplete"),
            Self::Unread(Unread::Busy) => later("Too many bodies are under way"),
            Self::Body(reason) => envelope::message(StatusCode::BAD_REQUEST, &format!("The body is no user: {reason}")),
            Self::Exists => envelope::message(StatusCode::BAD_REQUEST, "The user exists"),
            Self::Token => envelope::message(StatusCode::FORBIDDEN, "The token is unknown, used or expired"),
            Self::NotSocket => {
                let mut reply = envelope::message(StatusCode::UPGRADE_REQUIRED, "This is a WebSocket");
                reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
                reply.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
                reply
            }
            Self::Wrong => envelope::message(StatusCode::UNPROCESSABLE_ENTITY, "Wrong"),
            Self::Skip => envelope::message(StatusCode::BAD_REQUEST, "skip is not a whole number from 0"),
            Self::Failed => later("The database did not do it"),
        }
    }
}

impl Rejection {
    /// What the sender is told.
    pub(super) fn frame(&self) -> Bytes {
        match self {
            Self::Json(reason) => envelope::message_text(&format!("The message is not JSON as expected: {reason}")),
            Self::Sender => envelope::message_text("username_from is somebody else"),
            Self::Recipient => envelope::message_text("username_to is unknown"),
            Self::Empty => envelope::message_text("The message has neither message nor image_path"),
            Self::Long(field, most) => envelope::message_text(&format!("{field} is longer than {most} bytes")),
            Self::Failed => envelope::message_text("The message was not stored; try again"),
        }
    }
}

impl From<DatabaseError> for Refusal {
    fn from(error: DatabaseError) -> Self {
        tracing::error!(%error, "chat");
        Self::Failed
    }
}

impl From<DatabaseError> for Rejection {
    fn from(error: DatabaseError) -> Self {
        tracing::error!(%error, "chat: a message was not stored");
        Self::Failed
    }
}

fn later(message: &str) -> Reply {
    let mut reply = envelope::message(StatusCode::SERVICE_UNAVAILABLE, message);
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    reply
}
