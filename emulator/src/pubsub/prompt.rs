//! Publishing, answered at once: what `publisher` answers to a message that has come whole and is taken.
//!
//! Everything else is left to `publisher`, refusals included: here it would only be said a second time. Must not know:
//! who listens.

use super::expression::Asked;
use super::headers::{self, EVENT_ID, EVENT_TYPE};
use super::location::{self, Location};
use super::publisher::{self, methods};
use super::settings::PublisherSettings;
use super::{PubsubService, Role};
use crate::server::prompt::{Answers, Lines, Prompt, Whole};
use bytes::Bytes;
use hearth_pubsub::format::Format;
use hearth_pubsub::message::{EventField, Publication};
use hearth_pubsub::path::ChannelId;
use hearth_pubsub::statistics::Report;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use std::sync::Arc;

/// The places where publishing is answered at once.
pub(super) struct Publishers {
    service: Arc<PubsubService>,
    /// By location: the fields that every answer has. None where an answer takes more than a look at the request.
    places: Vec<Option<Lines>>,
}

impl Publishers {
    pub(super) fn new(service: Arc<PubsubService>) -> Self {
        let places = service.settings().locations.iter().map(fields).collect();
        Self { service, places }
    }

    /// Where a request is for, if it may publish there and is answered at once: the settings, the fields of an answer
    /// and the channels.
    fn find(&self, request: &Whole<'_>) -> Option<(&PublisherSettings, &Lines, Vec<ChannelId>)> {
        let method = match request.method {
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            _ => return None,
        };
        let target = request.target;
        let path = location::normalized(target.split_once('?').map_or(target, |(path, _)| path));
        let (number, location, captures) = location::find(&self.service.settings().locations, &path)?;
        let lines = self.places.get(number)?.as_ref()?;
        let settings = location.publisher()?;
        if !publisher::is_secret(&settings.secret, request.field(&AUTHORIZATION).unwrap_or_default()) {
            return None;
        }
        // No value here asks for the fields.
        let asked = Asked { method: &method, target, headers: &HeaderMap::new(), path: &path, captures };
        Some((settings, lines, location::channels(location, &asked).into_ids()))
    }

    /// None if nothing was published.
    fn publish(&self, request: &Whole<'_>, answers: &mut Answers) -> Option<()> {
        let (settings, lines, ids) = self.find(request)?;
        if request.body.len() > settings.body_limit {
            return None;
        }
        let event_field = |name| request.field(name).and_then(EventField::new);
        let publication = Publication {
            body: Bytes::copy_from_slice(request.body),
            event_id: event_field(&EVENT_ID),
            event_type: event_field(&EVENT_TYPE),
        };
        let mut infos = self.service.publish_at_once(&ids, &publication, settings.store_messages)?.ok()?;
        if !settings.channel_info_on_publish {
            answers.ok(None, lines, b"");
            return Some(());
        }
        let report = match infos.len() {
            1 => Report::Channel(infos.pop()?),
            _ => self.service.report(infos)?,
        };
        let format = Format::from_accept(request.field(&ACCEPT).unwrap_or_default());
        answers.ok(Some((CONTENT_TYPE.as_str(), format.content_type())), lines, report.render(format).as_bytes());
        Some(())
    }
}

impl Prompt for Publishers {
    fn awaits(&self, head: &Whole<'_>) -> bool {
        self.find(head).is_some()
    }

    fn answer(&self, request: &Whole<'_>, answers: &mut Answers) -> bool {
        self.publish(request, answers).is_some()
    }
}

/// What answers at a place have besides what they say; none if publishing there is not answered at once.
fn fields(location: &Location) -> Option<Lines> {
    let (Role::Publisher(settings), false) = (&location.role, location.channels_path.needs_headers()) else {
        return None;
    };
    if settings.access.is_some() {
        return None;
    }
    let origins = match &settings.allowed_origins {
        Some(origins) => HeaderValue::from_bytes(origins.constant()?).ok().filter(|value| !value.is_empty()),
        None => None,
    };
    let mut fields = HeaderMap::new();
    headers::allow_origins(&mut fields, origins, methods(settings), false);
    headers::forbid_caching(&mut fields);
    Some(Lines::of(&fields))
}
