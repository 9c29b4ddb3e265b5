//! Which route a message takes, and the servers and functions that answer routes.

use super::config::Integration;
use crate::ports::{Functions, NoAnswer, Web};
use crate::request::HttpRequest;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::Value;
use std::sync::Arc;

/// The routes that a message cannot name.
pub(super) const CONNECT: &str = "$connect";
/// See [`CONNECT`].
pub(super) const DISCONNECT: &str = "$disconnect";
/// The route of messages that name no other.
pub(super) const DEFAULT: &str = "$default";

/// What a message says.
pub(super) struct Selected {
    /// The key of its route, whether there is one or not; none if it names none.
    pub(super) key: Option<String>,
    /// The message; null if it is not JSON.
    pub(super) body: Value,
}

/// Reads a message and finds the key of its route.
pub(super) fn select(selection: &[String], text: &str) -> Selected {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    let named = selection.iter().try_fold(&body, |value, key| value.as_object()?.get(key));
    let key = match named {
        Some(Value::String(key)) => Some(key.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_)) | None => None,
    };
    Selected { key: key.filter(|key| !key.starts_with('$')), body }
}

/// Those that answer routes.
#[derive(Clone)]
pub(super) struct Integrations {
    pub(super) web: Arc<dyn Web>,
    pub(super) functions: Arc<dyn Functions>,
}

impl Integrations {
    /// Tells one what has happened; what it answers.
    pub(super) async fn call(&self, one: &Integration, event: &Value) -> Result<(StatusCode, Bytes), NoAnswer> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let body = Bytes::from(event.to_string());
        let answer = match one {
            Integration::Function(name) => {
                let uri = http::Uri::from_static("/");
                self.functions.call(name, HttpRequest { method: Method::POST, uri, headers, body: Ok(body) }).await?
            }
            Integration::Url(url) => {
                let mut request = http::Request::post(url).body(body).map_err(|error| NoAnswer(error.to_string()))?;
                *request.headers_mut() = headers;
                self.web.fetch(request).await?
            }
        };
        let (head, body) = answer.into_parts();
        Ok((head.status, body))
    }
}

/// Whether an authorizer's answer lets a client in: `{"isAuthorized": true}`, or an IAM policy whose statements all
/// allow. Anything else does not.
pub(super) fn allows(status: StatusCode, body: &[u8]) -> bool {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let simple = answer.get("isAuthorized").and_then(Value::as_bool);
    let statements = answer.pointer("/policyDocument/Statement").and_then(Value::as_array);
    let policy = statements.is_some_and(|statements| {
        let allow = |statement: &Value| statement.get("Effect").and_then(Value::as_str) == Some("Allow");
        !statements.is_empty() && statements.iter().all(allow)
    });
    status.is_success() && simple.unwrap_or(policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_what_the_expression_finds() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(select(&["action".to_owned()], text).key.as_deref(), expect, "{text}");
        };
        check(r#"{"action":"ping","name":"Stepan"}"#, Some("ping"));
        check(r#"{"action":7}"#, Some("7"));
        check(r#"{"action":"$connect"}"#, None);
        check(r#"{"action":"$default"}"#, None);
        for text in ["", "ping", "[]", "null", "7", r#"{"action":{}}"#, r#"{"action":null}"#, r#"{"Action":"ping"}"#] {
            check(text, None);
        }
        check(&"[".repeat(100_000), None);
        let nested = select(&["a".to_owned(), "b".to_owned()], r#"{"a":{"b":"c"}}"#);
        assert_eq!(nested.key.as_deref(), Some("c"));
    }

    #[test]
    fn only_what_clearly_allows_does() {
        let check = |status: u16, body: &str, expect: bool| {
            assert_eq!(allows(StatusCode::from_u16(status).unwrap(), body.as_bytes()), expect, "{status} {body}");
        };
        check(200, r#"{"isAuthorized":true}"#, true);
        check(403, r#"{"isAuthorized":true}"#, false);
        check(200, r#"{"isAuthorized":"true"}"#, false);
        check(200, r#"{"principalId":"a","policyDocument":{"Statement":[{"Effect":"Allow"}]}}"#, true);
        check(200, r#"{"policyDocument":{"Statement":[{"Effect":"Allow"},{"Effect":"Deny"}]}}"#, false);
        check(200, r#"{"isAuthorized":false,"policyDocument":{"Statement":[{"Effect":"Allow"}]}}"#, false);
        for body in ["", "ok", "{}", r#"{"policyDocument":{"Statement":[]}}"#] {
            check(200, body, false);
        }
    }
}
