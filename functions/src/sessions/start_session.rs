//! `startSession`: reserves a code and hands out the tokens of a new session.

use super::refusal::Refusal;
use super::{Sessions, body, code, record, response, update};
use crate::ports::Platform;
use crate::request::{HttpRequest, Reply};
use bytes::Bytes;
use http::{Method, StatusCode};
use std::sync::Arc;

/// Answers a request. A body is the session's first update, and is published to its channel.
///
/// The code is reserved and written in the transaction that counts the call, so two starts never get one code, and no
/// token is handed out before the record is durable. When the first update cannot be published the session exists
/// already: the answer is still 201, as the original's, because the host needs the token to go on, and its next update
/// replaces this one; the loss is logged as an error.
pub(super) async fn start_session(
    sessions: &Sessions,
    platform: &Platform,
    request: &HttpRequest,
) -> Result<Reply, Refusal> {
    if request.has_body() && !body::is_json(&request.headers) {
        return Err(Refusal::ContentType);
    }
    if request.method == Method::OPTIONS {
        return Ok(response::phrase(StatusCode::OK));
    }
    if request.method != Method::POST {
        return Err(Refusal::Method);
    }
    let caller = sessions.caller(platform, request).await?;
    // Checked before the transaction, answered after its limit.
    let (update, refused) = match first_update(request) {
        Ok(update) => (update, None),
        Err(refusal) => (None, Some(refusal)),
    };
    let entropy = Arc::clone(&platform.entropy);
    let session = sessions
        .counted(platform, caller, move |transaction| match refused {
            Some(refusal) => Ok(Err(refusal)),
            None => {
                let refresh_token = code::refresh_token(&*entropy);
                record::reserve(transaction, || code::session_code(&*entropy), refresh_token)
            }
        })
        .await?;
    if let Some(update) = update
        && let Err(error) = platform.publisher.publish(&session.code, Bytes::from(update)).await
    {
        tracing::error!(session = session.code, %error, "the first update of a session was not published");
    }
    sessions.grant(&session)
}

/// What is published to the new channel. `{}` is no update, as in the original.
fn first_update(request: &HttpRequest) -> Result<Option<String>, Refusal> {
    if !request.has_body() {
        return Ok(None);
    }
    let text = body::text(request)?;
    let object = body::object(&text)?;
    if body::is_empty_object(object) { Ok(None) } else { update::published(object).map(Some) }
}
