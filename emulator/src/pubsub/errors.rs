//! The one table from refusals to statuses. Every refusal is an empty answer whose explanation is a header.

use super::headers::EXPLAIN;
use crate::server::body::BodyError;
use crate::server::credentials::TokenRefused;
use axum::response::{IntoResponse, Response};
use hearth_pubsub::error::Error;
use http::header::{ALLOW, SEC_WEBSOCKET_VERSION, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

/// The WebSockets that are spoken.
const WEBSOCKET_VERSIONS: &str = "8, 13";

/// Why a request is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The channels refused it.
    Channels(Error),
    /// The body was not read.
    Body(BodyError),
    /// `Authorization` is not the secret.
    Secret,
    /// The place wants a token, and there is none.
    NoToken,
    /// The token is not accepted.
    Token(TokenRefused),
    /// The token is for other channels.
    NotYourChannel,
    /// The token does not let its holder publish, or delete.
    ListenersToken,
    /// What a ticket is to be makes none.
    NotATicket,
    /// The place serves other methods only: these.
    Method(&'static str),
    /// What asks for a WebSocket lacks something.
    WebSocketHeaders,
    /// It asks for one of another time.
    WebSocketVersion,
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
                | Error::TooManyWildcardChannels
                | Error::EventsChannelReadOnly
                | Error::EventsChannelClosed
                | Error::SubscriberCannotCreate
                | Error::TooManySubscribers
                | Error::TooManyChannels => StatusCode::FORBIDDEN,
                Error::MemoryFull | Error::NotStored => StatusCode::INTERNAL_SERVER_ERROR,
                Error::Busy => StatusCode::SERVICE_UNAVAILABLE,
            },
            Self::Body(error) => match error {
                BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                BodyError::TimedOut => StatusCode::REQUEST_TIMEOUT,
                BodyError::Incomplete => StatusCode::BAD_REQUEST,
                BodyError::Busy => StatusCode::SERVICE_UNAVAILABLE,
            },
            Self::Token(TokenRefused::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Secret | Self::NoToken | Self::Token(_) => StatusCode::UNAUTHORIZED,
            Self::NotYourChannel | Self::ListenersToken => StatusCode::FORBIDDEN,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::WebSocketHeaders | Self::WebSocketVersion | Self::NotATicket => StatusCode::BAD_REQUEST,
            Self::NoSuchChannel => StatusCode::NOT_FOUND,
        }
    }

    /// The same as the reason of a WebSocket's close: all that is left once it is one.
    pub(super) fn as_close_reason(self) -> String {
        let (status, explain) = (self.status().as_u16(), self.explanation().unwrap_or_default());
        format!("{{\"http_status\": {status}, \"explain\":{}}}", serde_json::json!(explain))
    }

    fn explanation(self) -> Option<String> {
        match self {
            Self::Channels(error) => Some(error.to_string()),
            Self::Body(error) => Some(error.to_string()),
            Self::Secret => Some("The Authorization header is not the publishing secret.".to_owned()),
            Self::NoToken => Some("A token is required, as Authorization: Bearer or as argument token.".to_owned()),
            Self::Token(refused) => Some(format!("Refused: {refused}.")),
            Self::NotYourChannel => Some("The token is not for this channel.".to_owned()),
            Self::ListenersToken => Some("The token does not allow this method.".to_owned()),
            Self::NotATicket => Some(
                "A ticket has channels (ids, * for anything, {uid} with a uid) and a ttl in seconds within the limit."
                    .to_owned(),
            ),
            Self::WebSocketHeaders => Some(
                "Don't have at least one of the mandatory headers: Connection, Upgrade, Sec-WebSocket-Key and \
                 Sec-WebSocket-Version"
                    .to_owned(),
            ),
            Self::WebSocketVersion => Some(format!("Version not supported. Supported versions: {WEBSOCKET_VERSIONS}")),
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
        if matches!(self, Self::NoToken | Self::Token(_)) && response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self == Self::WebSocketVersion {
            response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(WEBSOCKET_VERSIONS));
        }
        response
    }
}
