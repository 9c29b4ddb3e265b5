//! The one table from what is refused to SQS' error names, statuses and texts.
//!
//! `__type` and status are the model's; the header `x-amzn-query-error` names the error as the older protocol did, which
//! clients that were written for it look at.

use super::super::signature::Denied;
use super::JSON;
use crate::queues::Refusal;
use crate::request::Reply;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// A refused request, or one entry of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) text: String,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    NoQueue,
    QueueExists,
    AttributeName,
    AttributeValue,
    ParameterValue,
    MissingParameter,
    Receipt,
    NotInFlight,
    Contents,
    EmptyBatch,
    LongBatch,
    BatchIds,
    BatchId,
    BatchBytes,
    OverLimit,
    Unsupported,
    UnknownOperation,
    Serialization,
    TooLarge,
    Unavailable,
    Internal,
    MissingSignature,
    IncompleteSignature,
    UnknownKey,
    Signature,
}

impl Kind {
    /// The model's name, the older protocol's, and the status.
    const fn names(self) -> (&'static str, &'static str, StatusCode) {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;
        match self {
            Self::NoQueue => ("com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", BAD),
            Self::QueueExists => ("com.amazonaws.sqs#QueueNameExists", "QueueAlreadyExists", BAD),
            Self::AttributeName => ("com.amazonaws.sqs#InvalidAttributeName", "InvalidAttributeName", BAD),
            Self::AttributeValue => ("com.amazonaws.sqs#InvalidAttributeValue", "InvalidAttributeValue", BAD),
            Self::ParameterValue => {
                ("com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue", BAD)
            }
            Self::MissingParameter => ("com.amazonaws.sqs#MissingRequiredParameterException", "MissingParameter", BAD),
            Self::Receipt => {
                ("com.amazonaws.sqs#ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", StatusCode::NOT_FOUND)
            }
            Self::NotInFlight => {
                ("com.amazonaws.sqs#MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", BAD)
            }
            Self::Contents => ("com.amazonaws.sqs#InvalidMessageContents", "InvalidMessageContents", BAD),
            Self::EmptyBatch => {
                ("com.amazonaws.sqs#EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", BAD)
            }
            Self::LongBatch => (
                "com.amazonaws.sqs#TooManyEntriesInBatchRequest",
                "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
                BAD,
            ),
            Self::BatchIds => {
                ("com.amazonaws.sqs#BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", BAD)
            }
            Self::BatchId => {
                ("com.amazonaws.sqs#InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId", BAD)
            }
            Self::BatchBytes => {
                ("com.amazonaws.sqs#BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", BAD)
            }
            Self::OverLimit => ("com.amazonaws.sqs#OverLimit", "OverLimit", FORBIDDEN),
            Self::Unsupported => {
                ("com.amazonaws.sqs#UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", BAD)
            }
            Self::UnknownOperation => ("com.amazon.coral.service#UnknownOperationException", "InvalidAction", BAD),
            Self::Serialization => ("com.amazon.coral.service#SerializationException", "MalformedInput", BAD),
            Self::TooLarge => (
                "com.amazon.coral.service#RequestEntityTooLargeException",
                "RequestEntityTooLarge",
                StatusCode::PAYLOAD_TOO_LARGE,
            ),
            Self::Unavailable => (
                "com.amazon.coral.service#ServiceUnavailableException",
                "ServiceUnavailable",
                StatusCode::SERVICE_UNAVAILABLE,
            ),
            Self::Internal => {
                ("com.amazon.coral.service#InternalFailure", "InternalFailure", StatusCode::INTERNAL_SERVER_ERROR)
            }
            Self::MissingSignature => (
                "com.amazon.coral.service#MissingAuthenticationTokenException",
                "MissingAuthenticationToken",
                FORBIDDEN,
            ),
            Self::IncompleteSignature => {
                ("com.amazon.coral.service#IncompleteSignatureException", "IncompleteSignature", BAD)
            }
            Self::UnknownKey => {
                ("com.amazon.coral.service#UnrecognizedClientException", "InvalidClientTokenId", FORBIDDEN)
            }
            Self::Signature => {
                ("com.amazon.coral.service#InvalidSignatureException", "SignatureDoesNotMatch", FORBIDDEN)
            }
        }
    }

    /// Whose fault it is.
    fn fault(self) -> &'static str {
        if self.names().2.is_server_error() { "Receiver" } else { "Sender" }
    }
}

impl Failure {
    pub(super) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// As an answer.
    pub(super) fn reply(&self) -> Reply {
        let (name, old_name, status) = self.kind.names();
        let mut reply = Reply::new(Bytes::from(json!({"__type": name, "message": self.text}).to_string()));
        *reply.status_mut() = status;
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        if let Ok(value) = HeaderValue::try_from(format!("{old_name};{}", self.kind.fault())) {
            headers.insert(QUERY_ERROR, value);
        }
        reply
    }

    /// As an entry's answer.
    pub(super) fn entry(&self, id: &str) -> Value {
        let (_, old_name, status) = self.kind.names();
        json!({"Id": id, "SenderFault": !status.is_server_error(), "Code": old_name, "Message": self.text})
    }
}

/// The answer to a client of the older protocol, in XML as it expects. The text is ours, and no markup.
pub(super) fn old_protocol(failure: &Failure, request: &str) -> Reply {
    let (_, name, status) = failure.kind.names();
    let (fault, text) = (failure.kind.fault(), &failure.text);
    let body = format!(
        "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><Error>\
         <Type>{fault}</Type><Code>{name}</Code><Message>{text}</Message><Detail/></Error>\
         <RequestId>{request}</RequestId></ErrorResponse>"
    );
    let mut reply = Reply::new(Bytes::from(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    reply
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoQueue => Self::new(Kind::NoQueue, "The specified queue does not exist."),
            Refusal::QueueExists(attribute) => Self::new(
                Kind::QueueExists,
                format!("A queue already exists with the same name and a different value for attribute {attribute}"),
            ),
            Refusal::QueueName => Self::new(
                Kind::ParameterValue,
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
            ),
            Refusal::TooLong { limit, .. } => Self::new(
                Kind::ParameterValue,
                format!("One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes."),
            ),
            Refusal::TooManyQueues(_) | Refusal::Full(_) => Self::new(Kind::OverLimit, refusal.to_string()),
            Refusal::Receipt => Self::new(Kind::Receipt, "The input receipt handle is invalid."),
            Refusal::NotInFlight => Self::new(Kind::NotInFlight, "The message is not in flight."),
            Refusal::NoMessage => Self::new(
                Kind::ParameterValue,
                "Value for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for \
                 visibility timeout change.",
            ),
            Refusal::TooLongInFlight => Self::new(
                Kind::ParameterValue,
                "Value for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is \
                 beyond the limit [43200 seconds].",
            ),
            Refusal::Database(error) => {
                tracing::error!(%error, "a queue cannot be used");
                Self::new(Kind::Internal, "The request could not be carried out; try again.")
            }
        }
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Missing => Self::new(Kind::MissingSignature, "Request is missing Authentication Token"),
            Denied::Incomplete(part) => Self::new(
                Kind::IncompleteSignature,
                format!("The signature is not one of version 4: {part} is missing or wrong"),
            ),
            Denied::UnknownKey => Self::new(Kind::UnknownKey, "The security token included in the request is invalid."),
            Denied::Expired => Self::new(Kind::Signature, "Signature expired or not yet valid"),
            Denied::Mismatch => Self::new(
                Kind::Signature,
                "The request signature we calculated does not match the signature you provided.",
            ),
        }
    }
}
