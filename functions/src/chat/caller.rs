//! Who calls: by an ID token of this suite's Auth, or by what the configured verification URL answers.

use super::refusal::Refusal;
use super::remembered::{Digest, Remembered};
use crate::identity::is_name;
use crate::ports::{Accounts, Clock, NoUser, Web};
use crate::service::Call;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Request, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex, PoisonError};

/// Somebody who is known.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Caller {
    #[serde(rename = "username")]
    pub(super) name: String,
    /// What he is said to belong to, if anybody says so.
    #[serde(rename = "user_group")]
    pub(super) group: Option<String>,
}

/// Finds out who calls.
pub(super) struct Callers {
    pub(super) accounts: Arc<dyn Accounts>,
    pub(super) web: Arc<dyn Web>,
    pub(super) clock: Arc<dyn Clock>,
    /// Asked in place of the accounts, if there is one.
    pub(super) url: Option<Uri>,
    pub(super) remembered: Mutex<Remembered<Caller>>,
}

impl Callers {
    /// The caller.
    pub(super) async fn of(&self, call: &Call) -> Result<Caller, Refusal> {
        let header = call.request.headers.get(AUTHORIZATION).ok_or(Refusal::NotAuthorised)?;
        let caller = match &self.url {
            None => self.account(header).await?,
            Some(url) => self.verified(url, header).await?,
        };
        caller.usable().ok_or(Refusal::NotAuthorised)
    }

    /// Whose ID token it is; with or without `Bearer` before it.
    async fn account(&self, header: &HeaderValue) -> Result<Caller, Refusal> {
        let text = header.to_str().map_err(|_| Refusal::NotAuthorised)?;
        let token = match text.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token,
            Some(_) => return Err(Refusal::NotAuthorised),
            None => text,
        };
        let user = self.accounts.verify(token).await.map_err(|error| match error {
            NoUser::Refused => Refusal::NotAuthorised,
            NoUser::Unavailable(reason) => {
                tracing::error!(%reason, "chat: an ID token cannot be verified");
                Refusal::Unavailable
            }
        })?;
        let claim = |name: &str| text_claim(&user.claims, name);
        Ok(Caller { name: claim("username").unwrap_or(user.uid.clone()), group: claim("user_group") })
    }

    /// Who the verification URL says it is, now or a moment ago.
    async fn verified(&self, url: &Uri, header: &HeaderValue) -> Result<Caller, Refusal> {
        let question = sha256(header.as_bytes());
        let known = self.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(&question, self.clock.now());
        if let Some(caller) = known {
            return Ok(caller);
        }
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = url.clone();
        request.headers_mut().insert(AUTHORIZATION, header.clone());
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        let answer = self.web.fetch(request).await.map_err(|reason| {
            tracing::warn!(%reason, %url, "chat: the verification URL does not answer");
            Refusal::Unavailable
        })?;
        if answer.status().is_server_error() || answer.status() == StatusCode::TOO_MANY_REQUESTS {
            tracing::warn!(status = %answer.status(), %url, "chat: the verification URL does not say who is asking");
            return Err(Refusal::Unavailable);
        }
        let caller = read(&answer).ok_or(Refusal::NotAuthorised)?;
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.put(question, caller.clone(), self.clock.now());
        Ok(caller)
    }
}

impl Caller {
    /// The caller, if he can be a user. A group without a name is none.
    fn usable(mut self) -> Option<Self> {
        self.group = self.group.filter(|group| !group.is_empty());
        (is_name(&self.name) && self.group.as_deref().is_none_or(is_name)).then_some(self)
    }
}

/// Whether `given` is the secret. Takes as long for every wrong one.
pub(super) fn is_secret(given: Option<&HeaderValue>, secret: Option<&HeaderValue>) -> bool {
    let (Some(given), Some(secret)) = (given, secret) else { return false };
    verify_slices_are_equal(&sha256(given.as_bytes()), &sha256(secret.as_bytes())).is_ok()
}

/// What the verification URL answers: `{"result":{"username","user_group"}}`.
fn read(answer: &http::Response<Bytes>) -> Option<Caller> {
    if answer.status() != StatusCode::OK {
        return None;
    }
    let mut answer: Map<String, Value> = serde_json::from_slice(answer.body()).ok()?;
    serde_json::from_value(answer.remove("result")?).ok().and_then(Caller::usable)
}

/// A claim that is a text and not empty.
fn text_claim(claims: &Map<String, Value>, name: &str) -> Option<String> {
    claims.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn sha256(bytes: &[u8]) -> Digest {
    let mut hash = [0; 32];
    hash.iter_mut().zip(digest(&SHA256, bytes).as_ref()).for_each(|(place, byte)| *place = *byte);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verification_urls_answer_is_read() {
        let check = |status: u16, body: &str, expect: Option<(&str, Option<&str>)>| {
            let mut answer = http::Response::new(Bytes::copy_from_slice(body.as_bytes()));
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            let read = read(&answer);
            let read = read.as_ref().map(|caller| (caller.name.as_str(), caller.group.as_deref()));
            assert_eq!(read, expect, "{status} {body}");
        };
        let both = r#"{"result":{"username":"ann","user_group":"red","more":1},"message":null}"#;
        check(200, both, Some(("ann", Some("red"))));
        check(200, r#"{"result":{"username":"ann","user_group":""}}"#, Some(("ann", None)));
        check(200, r#"{"result":{"username":"ann"}}"#, Some(("ann", None)));
        check(401, both, None);
        check(204, both, None);
        for body in
            ["", "[]", "{}", r#"{"result":null}"#, r#"{"result":{"username":""}}"#, r#"{"result":{"username":7}}"#]
        {
            check(200, body, None);
        }
        check(200, &format!(r#"{{"result":{{"username":"{}"}}}}"#, "x".repeat(257)), None);
    }

    #[test]
    fn only_the_secret_is_the_secret() {
        let header = HeaderValue::from_static;
        for (given, secret, expect) in [
            (Some("s"), Some("s"), true),
            (Some("S"), Some("s"), false),
            (Some("ss"), Some("s"), false),
            (Some(""), Some("s"), false),
            (None, Some("s"), false),
            (Some("s"), None, false),
            (None, None, false),
        ] {
            assert_eq!(
                is_secret(given.map(header).as_ref(), secret.map(header).as_ref()),
                expect,
                "{given:?} {secret:?}"
            );
        }
    }
}
