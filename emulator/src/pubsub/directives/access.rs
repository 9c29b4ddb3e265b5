//! The directives that say who may come to a place. Must not know: what is done there.

use super::values::Section;
use crate::pubsub::location::Location;
use crate::pubsub::settings::{Access, Deployment, Role};
use crate::pubsub::ticket::TicketKey;
use hearth_pubsub::pattern::Pattern;

/// What is wrong with a place where anyone may publish, on a server that is locked.
pub(super) const OPEN_PUBLISHER: &str = "anyone could publish there; authorize those who may, or say that \
                                         anyone_may_publish";

/// Who may come, if the place is not open to all.
pub(super) fn read(section: &mut Section<'_>) -> Option<Access> {
    let ways = section.texts("authorize")?;
    let mut access = Access::default();
    for way in &ways {
        match way.as_str() {
            "id_token" => access.id_tokens = true,
            "ticket" => access.tickets = true,
            _ => section.note("authorize", "it is id_token, ticket or a list of both"),
        }
    }
    if ways.is_empty() {
        section.note("authorize", "nobody could come; it is id_token, ticket or a list of both");
    }
    if let Some(sources) = section.texts("authorized_channels") {
        let patterns: Option<Vec<_>> = sources.iter().map(|source| Pattern::parse(source)).collect();
        match patterns {
            Some(patterns) => access.channels = patterns,
            None => section.note("authorized_channels", "a pattern has ids, * for anything, and {uid} for the account"),
        }
    }
    if let Some(ends) = section.flag("end_with_token") {
        access.end_with_token = ends;
    }
    if let Some(interval) = section.duration("reauthorize_interval") {
        access.reauthorize_interval = interval;
    }
    Some(access)
}

/// What signs tickets. It is missing only where nobody needs it.
pub(super) fn read_ticket_key(
    locations: &[Location],
    deployment: &Deployment,
    mistakes: &mut Vec<String>,
) -> Option<TicketKey> {
    let key = deployment.ticket_secret.as_deref().map(TicketKey::new);
    let needed = locations.iter().any(|location| {
        let access = match &location.role {
            Role::Tickets(_) => return true,
            Role::Publisher(settings) => &settings.access,
            Role::Subscriber(settings) | Role::Presence(settings) => &settings.access,
            Role::Statistics => &None,
        };
        access.as_ref().is_some_and(|access| access.tickets)
    });
    match key {
        Some(Some(key)) => return Some(key),
        Some(None) => mistakes.push("pubsub.ticket_secret: shorter than 32 bytes".to_owned()),
        None if needed => mistakes.push(
            "pushStream: tickets need a secret: pubsub.ticket_secret in .runtimeconfig.json, or \
             HEARTH_PUBSUB_TICKET_SECRET"
                .to_owned(),
        ),
        None => {}
    }
    None
}
