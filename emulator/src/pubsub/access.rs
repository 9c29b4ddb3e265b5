//! Who may come to a place: by an ID token, a ticket, or as an admin.
//!
//! `Authorization: Bearer TOKEN`, or `?token=` for clients that send no headers, as EventSource. Must not know: what is
//! done at the place.

use super::PubsubService;
use super::errors::Refusal;
use super::expression::Asked;
use super::settings::Access;
use super::ticket::NoTicket;
use crate::clock::Millis;
use crate::server::credentials::{IdToken, TokenRefused, bearer};
use hearth_pubsub::path::{ChannelId, ChannelPath};
use serde_json::Value;
use std::num::NonZeroU64;
use std::sync::Arc;

/// The token that is an admin's in emulator mode.
const OWNER: &str = "owner";

/// What somebody may do at a place.
#[derive(Clone, Debug, Default)]
pub(super) struct Pass {
    /// Publish, too.
    pub(super) publishes: bool,
    /// Whatever can be done there.
    pub(super) is_admin: bool,
    /// Until when, in milliseconds since the epoch.
    pub(super) until: Option<Millis>,
    /// What is to be asked about again, and how often in milliseconds.
    pub(super) again: Option<(Arc<str>, NonZeroU64)>,
}

impl Pass {
    /// At a place that is open to all.
    pub(super) fn open() -> Self {
        Self { publishes: true, ..Self::default() }
    }

    fn admin() -> Self {
        Self { publishes: true, is_admin: true, ..Self::default() }
    }
}

/// Lets a request come to a place, for these channels.
pub(super) async fn admit(
    service: &PubsubService,
    access: &Access,
    asked: &Asked<'_>,
    path: &ChannelPath,
) -> Result<Pass, Refusal> {
    let argument = asked.decoded_argument("token");
    let argument = str::from_utf8(&argument).unwrap_or_default();
    let token = bearer(asked.headers).unwrap_or(argument);
    if token.is_empty() {
        return Err(Refusal::NoToken);
    }
    let credentials = service.credentials();
    if credentials.trusts_bearer() && token == OWNER {
        return Ok(Pass::admin());
    }
    let now = service.now();
    let key = service.settings().ticket_key.as_ref().filter(|_| access.tickets);
    match key.map(|key| key.read(token, now / 1000)) {
        Some(Ok(ticket)) => {
            allow(path, |id| ticket.names(id))?;
            let until = access.end_with_token.then_some(ticket.exp.saturating_mul(1000));
            return Ok(Pass { publishes: ticket.publish, until, ..Pass::default() });
        }
        Some(Err(NoTicket::Expired)) => return Err(Refusal::Token(TokenRefused::Expired)),
        Some(Err(NoTicket::Foreign)) | None => {}
    }
    if credentials.access_token(token).await.is_ok_and(|until| until > now) {
        return Ok(Pass::admin());
    }
    if !access.id_tokens {
        return Err(Refusal::Token(TokenRefused::Signature));
    }
    let found = credentials.verify_or_made_up(token).await.map_err(Refusal::Token)?;
    allow(path, |id| access.channels.iter().any(|pattern| pattern.matches(id, Some(&found.uid))))?;
    // Those of test libraries have ended in 1970.
    let until = end(&found).filter(|end| *end > now && access.end_with_token);
    Ok(Pass { publishes: true, until, again: Some((token.into(), access.reauthorize_interval)), ..Pass::default() })
}

fn allow(path: &ChannelPath, allows: impl Fn(&ChannelId) -> bool) -> Result<(), Refusal> {
    if path.0.iter().all(|segment| allows(&segment.id)) { Ok(()) } else { Err(Refusal::NotYourChannel) }
}

/// When an ID token ends, in milliseconds since the epoch.
fn end(token: &IdToken) -> Option<Millis> {
    token.claims.get("exp").and_then(Value::as_u64)?.checked_mul(1000)
}
