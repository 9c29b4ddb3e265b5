//! Queues as AWS clients speak them: SQS' JSON protocol, `POST` with `X-Amz-Target: AmazonSQS.{Operation}`.
//!
//! Source of names, shapes and limits: docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference and the service's
//! model. Reading order: this file (one request), `operations`, `batches`, `attributes` (of queues), `messages`,
//! `digest`, `fields` (members of a request), `errors`. Must not know: how queues keep their messages.

mod attributes;
mod batches;
mod digest;
mod errors;
mod fields;
mod messages;
mod operations;

use super::Gateway;
use super::signature;
use super::target::OPERATION;
use crate::request::{Reply, Unread};
use crate::service::Call;
use bytes::Bytes;
use errors::{Failure, Kind, old_protocol};
use fields::Fields;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderName, HeaderValue};
use serde_json::Value;

/// The account that all queues belong to.
const ACCOUNT: &str = "000000000000";
/// What signatures name.
const SERVICE: &str = "sqs";
const JSON: &str = "application/x-amz-json-1.0";
/// How a proxy was asked.
const FORWARDED_PROTOCOL: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// Where a request's answer takes names from.
struct Site<'a> {
    gateway: &'a Gateway,
    /// `http://host:port`, as the client names us.
    base: String,
    /// Whom messages are from.
    sender: String,
}

impl Site<'_> {
    /// A queue's URL.
    fn url(&self, queue: &str) -> String {
        format!("{}/{ACCOUNT}/{queue}", self.base)
    }

    /// A queue's ARN.
    fn arn(&self, queue: &str) -> String {
        format!("arn:aws:sqs:{}:{ACCOUNT}:{queue}", self.gateway.config.region)
    }
}

/// Answers one request.
pub(super) async fn answer(gateway: &Gateway, call: &Call) -> Reply {
    let request = gateway.request_id();
    let mut reply = match work(gateway, call).await {
        Ok(value) => {
            let mut reply = Reply::new(Bytes::from(value.to_string()));
            reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
            reply
        }
        Err(failure) if call.request.headers.contains_key(OPERATION) => failure.reply(),
        Err(failure) => old_protocol(&failure, &request),
    };
    if let Ok(id) = HeaderValue::try_from(request) {
        reply.headers_mut().insert(REQUEST_ID, id);
    }
    reply
}

async fn work(gateway: &Gateway, call: &Call) -> Result<Value, Failure> {
    let request = &call.request;
    let body = request.body.as_ref().map_err(|unread| match unread {
        Unread::TooLarge => Failure::new(Kind::TooLarge, "The request is longer than may be."),
        Unread::TimedOut | Unread::Incomplete => Failure::new(Kind::Serialization, "The request did not arrive."),
        Unread::Busy => Failure::new(Kind::Unavailable, "Too many requests are under way."),
    })?;
    if let Some(keys) = &gateway.config.keys {
        signature::verify(request, body, SERVICE, keys, gateway.now())?;
    }
    let Some(operation) = request.headers.get(OPERATION) else {
        let text = "This endpoint speaks the JSON protocol of Amazon SQS; use a client that does.";
        return Err(Failure::new(Kind::Unsupported, text));
    };
    let operation = operation.to_str().ok().and_then(|target| target.strip_prefix("AmazonSQS."));
    let operation = operation.ok_or_else(|| Failure::new(Kind::UnknownOperation, "The operation is not known."))?;
    let body: Value = serde_json::from_slice(if body.is_empty() { b"{}" } else { body })
        .map_err(|error| Failure::new(Kind::Serialization, format!("The request is not JSON: {error}.")))?;
    let fields = Fields::of(&body)?;
    let host = request.header(&HOST).unwrap_or("localhost");
    let secure = call.trusted && request.header(&FORWARDED_PROTOCOL) == Some("https");
    let scheme = if secure { "https" } else { "http" };
    let base = gateway.config.url.clone().unwrap_or_else(|| format!("{scheme}://{host}"));
    let sender = signature::claimed_key(&request.headers).unwrap_or(ACCOUNT).to_owned();
    operations::run(&Site { gateway, base, sender }, operation, fields).await
}
