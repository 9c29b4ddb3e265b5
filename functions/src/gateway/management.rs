//! `@connections`: what AWS' client of the API Gateway Management API asks of a connection.
//!
//! Shapes, statuses and error names:
//! docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html and the
//! service's model. The table from error to answer is here, since nothing else answers so.

use super::signature::{self, Denied};
use super::{Gateway, Unposted, records};
use crate::request::{Reply, Unread};
use crate::service::Call;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::json;
use std::sync::Arc;

/// What signatures name.
const SERVICE: &str = "execute-api";
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// Why it was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Unposted(Unposted),
    Denied(Denied),
    NotText,
    Unread(Unread),
    Method,
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl Failure {
    fn answer(self) -> (StatusCode, &'static str, &'static str) {
        let forbidden = StatusCode::FORBIDDEN;
        match self {
            Self::Unposted(Unposted::Gone) => (StatusCode::GONE, "GoneException", "The connection is gone"),
            Self::Unposted(Unposted::TooLong) | Self::Unread(Unread::TooLarge) => {
                (StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLargeException", "The data is longer than 131072 bytes")
            }
            Self::Denied(Denied::Missing) => {
                (forbidden, "MissingAuthenticationTokenException", "Missing Authentication Token")
            }
            Self::Denied(Denied::Incomplete(_)) => {
                (forbidden, "IncompleteSignatureException", "The signature is not one of version 4")
            }
            Self::Denied(Denied::UnknownKey) => {
                (forbidden, "UnrecognizedClientException", "The security token included in the request is invalid.")
            }
            Self::Denied(Denied::Expired) => {
                (forbidden, "InvalidSignatureException", "Signature expired or not yet valid")
            }
            Self::Denied(Denied::Mismatch) => {
                (forbidden, "InvalidSignatureException", "The signature does not match the request")
            }
            Self::NotText => (StatusCode::BAD_REQUEST, "BadRequestException", "The data is not UTF-8"),
            Self::Unread(Unread::TimedOut | Unread::Incomplete) => {
                (StatusCode::BAD_REQUEST, "BadRequestException", "The data did not arrive")
            }
            Self::Unread(Unread::Busy) => {
                (StatusCode::TOO_MANY_REQUESTS, "LimitExceededException", "Too many requests are under way")
            }
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "BadRequestException", "POST, GET or DELETE"),
        }
    }
}

/// Answers one request.
pub(super) async fn answer(gateway: &Arc<Gateway>, call: &Call, stage: Option<&str>, id: &str) -> Reply {
    let (status, kind, body) = match work(gateway, call, stage, id).await {
        Ok((status, body)) => (status, None, body),
        Err(failure) => {
            let (status, kind, text) = failure.answer();
            (status, Some(kind), Bytes::from(json!({"message": text}).to_string()))
        }
    };
    let mut reply = Reply::new(body);
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    if status != StatusCode::NO_CONTENT {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Some(kind) = kind {
        headers.insert(ERROR_TYPE, HeaderValue::from_static(kind));
    }
    if let Ok(id) = HeaderValue::try_from(gateway.request_id()) {
        headers.insert(REQUEST_ID, id);
    }
    reply
}

async fn work(
    gateway: &Arc<Gateway>,
    call: &Call,
    stage: Option<&str>,
    id: &str,
) -> Result<(StatusCode, Bytes), Failure> {
    let body = call.request.body.clone().map_err(Failure::Unread)?;
    if let Some(keys) = &gateway.config.keys {
        signature::verify(&call.request, &body, SERVICE, keys, gateway.now())?;
    }
    match call.request.method {
        Method::POST => {
            std::str::from_utf8(&body).map_err(|_| Failure::NotText)?;
            gateway.post(stage, id, body).map_err(Failure::Unposted)?;
            Ok((StatusCode::OK, Bytes::new()))
        }
        Method::GET => {
            let found = gateway.connections.find(stage, id).ok_or(Failure::Unposted(Unposted::Gone))?;
            let source = found.source.map(|source| source.to_string()).unwrap_or_default();
            let connection = json!({
                "connectedAt": records::iso(found.connected),
                "identity": {"sourceIp": source, "userAgent": found.agent},
                "lastActiveAt": records::iso(found.active()),
            });
            Ok((StatusCode::OK, Bytes::from(connection.to_string())))
        }
        Method::DELETE => {
            gateway.disconnect(stage, id, None).await.map_err(Failure::Unposted)?;
            Ok((StatusCode::NO_CONTENT, Bytes::new()))
        }
        _ => Err(Failure::Method),
    }
}
