//! `pushUpdate`, also known as `postUpdate` and `publishUpdate`: publishes an update to a session's channel.

use super::refusal::Refusal;
use super::{Sessions, body, response, session_token, update};
use crate::ports::{ChannelInfo, Platform};
use crate::request::{HttpRequest, Reply};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Serialize;

/// What the publisher says of the channel, in nginx push stream's words.
#[derive(Serialize)]
struct Published<'a> {
    channel: &'a str,
    published_messages: u64,
    stored_messages: u64,
    subscribers: u64,
}

/// Answers a request. The session's record is neither read nor touched.
///
/// A body that is no JSON object is told so where an invalid update is, after the session token: only whether there is
/// anything in it at all is looked at before.
pub(super) async fn push_update(
    sessions: &Sessions,
    platform: &Platform,
    request: &HttpRequest,
) -> Result<Reply, Refusal> {
    if request.method == Method::OPTIONS {
        return Ok(response::phrase(StatusCode::OK));
    }
    if request.method != Method::POST {
        return Err(Refusal::Method);
    }
    if let Some(uid) = sessions.caller(platform, request).await? {
        sessions.counted(platform, Some(uid), |_| Ok(Ok(()))).await?;
    }
    let token = session_token(request)?;
    if !body::is_json(&request.headers) {
        return Err(Refusal::ContentType);
    }
    let text = body::text(request);
    let object = match &text {
        Ok(text) if text.is_empty() => return Err(Refusal::EmptyBody),
        Ok(text) => body::object(text),
        Err(unread) => Err(unread.clone()),
    };
    if object.as_ref().is_ok_and(|object| body::is_empty_object(object)) {
        return Err(Refusal::EmptyBody);
    }
    let now = platform.clock.now();
    let claims = sessions.tokens.read(token, now).filter(|claims| claims.expired_for(now).is_none());
    let session = claims.ok_or(Refusal::SessionToken)?.session;
    let update = update::published(object?)?;
    match platform.publisher.publish(&session, Bytes::from(update)).await {
        Ok(info) => published(&info),
        Err(error) => {
            tracing::error!(session, %error, "an update was not published");
            Err(Refusal::NotPublished)
        }
    }
}

fn published(info: &ChannelInfo) -> Result<Reply, Refusal> {
    let ChannelInfo { channel, published_messages, stored_messages, subscribers } = info;
    let published = Published {
        channel,
        published_messages: *published_messages,
        stored_messages: *stored_messages,
        subscribers: *subscribers,
    };
    let body = serde_json::to_string(&published).map_err(|error| Refusal::failed(&error))?;
    Ok(response::json(StatusCode::OK, body))
}
