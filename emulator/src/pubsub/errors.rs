//! The one table from refusals to statuses. Every refusal is an empty answer whose explanation is a header.

use super::headers::EXPLAIN;
use crate::server::body::BodyError;
use axum::response::{IntoResponse, Response};
use hearth_pubsub::error::Error;
use http::header::ALLOW;
use http::{HeaderValue, StatusCode};

/// Why a request is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The channels refused it.
    Channels(Error),
    /// The body was not read.
    Body(BodyError),
    /// `Authorization` is not the secret.
    Secret,
    /// The place serves other methods only: these.
    Method(&'static str),
    /// A subscriber wants a mode that is not served.
    Mode,
    /// None of the channels exists.
    NoSuchChannel,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Channels(error)
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Self::Channels(error) => match error {
                Error::NoChannelId | Error::ChannelIdTooLarge | Error::EmptyMessage => StatusCode::BAD_REQUEST,
                Error::ChannelIdNotAuthorized
                | Error::SubscriberCannotCreate
                | Error::TooManySubscribers
                | Error::TooManyChannels => StatusCode::FORBIDDEN,
                Error::MemoryFull => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::Body(error) => match error {
                BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                BodyError::TimedOut => StatusCode::REQUEST_TIMEOUT,
                BodyError::Incomplete => StatusCode::BAD_REQUEST,
                BodyError::Busy => StatusCode::SERVICE_UNAVAILABLE,
            },
            Self::Secret => StatusCode::UNAUTHORIZED,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Mode => StatusCode::NOT_IMPLEMENTED,
            Self::NoSuchChannel => StatusCode::NOT_FOUND,
        }
    }

    fn explanation(self) -> Option<String> {
        match self {
            Self::Channels(error) => Some(error.to_string()),
            Self::Body(error) => Some(error.to_string()),
            Self::Secret => Some("The Authorization header is not the publishing secret.".to_owned()),
            Self::Mode => Some("Only the eventsource mode is served here.".to_owned()),
            Self::Method(_) | Self::NoSuchChannel => None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if let Some(explanation) = self.explanation().and_then(|text| HeaderValue::try_from(text).ok()) {
            response.headers_mut().insert(EXPLAIN, explanation);
        }
        if let Self::Method(allowed) = self {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        }
        response
    }
}
