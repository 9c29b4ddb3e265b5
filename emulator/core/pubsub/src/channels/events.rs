//! The events channel: it tells what happens to the others. Must not know: who listens to it.
//!
//! What happens within a call is told at the call's end, so that telling it cannot get in the way of what happens.

use super::Channels;
use crate::Millis;
use crate::error::Error;
use crate::message::{EventField, Publication};
use crate::path::ChannelId;
use crate::subscriber::Outlet;
use serde_json::json;

/// What can happen to a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    ChannelCreated,
    ChannelDestroyed,
    ClientSubscribed,
    ClientUnsubscribed,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::ChannelCreated => "channel_created",
            Self::ChannelDestroyed => "channel_destroyed",
            Self::ClientSubscribed => "client_subscribed",
            Self::ClientUnsubscribed => "client_unsubscribed",
        }
    }
}

/// What has happened to which channel.
#[derive(Clone, Debug)]
pub(super) struct News {
    kind: Kind,
    channel: ChannelId,
}

impl<S: Outlet> Channels<S> {
    /// Makes the events channel, if there is to be one. It is the first, and is never collected.
    pub(super) fn open_events_channel(&mut self, now: Millis) {
        let Some(id) = self.settings.events_channel_id.clone() else { return };
        // Only memory for less than one channel could refuse it; then no other is made either.
        if self.open(&id, now).is_ok() {
            self.events = self.by_id.get(&id).copied();
        }
    }

    /// Notes what the events channel is to tell. Of itself it tells nothing.
    pub(super) fn note(&mut self, kind: Kind, channel: &ChannelId) {
        self.count_anew(kind, channel);
        if self.events.is_some() && !self.is_events_channel(channel) {
            self.news.push(News { kind, channel: channel.clone() });
        }
    }

    /// Tells what has happened, and what happens by the telling. That comes to an end: a listener who is told too much
    /// leaves only once.
    pub(super) fn tell_news(&mut self, now: Millis) {
        let Some(key) = self.events else { return };
        while !self.news.is_empty() {
            for News { kind, channel } in std::mem::take(&mut self.news) {
                let body = format!("{{\"type\": \"{}\", \"channel\": {}}}", kind.name(), json!(channel.to_string()));
                let event_type = EventField::new(kind.name().as_bytes());
                let publication = Publication { event_type, ..Publication::new(body.into()) };
                self.publish_one(key, publication, true, now);
            }
        }
    }

    pub(super) fn is_events_channel(&self, id: &ChannelId) -> bool {
        self.settings.events_channel_id.as_ref() == Some(id)
    }

    pub(super) fn refuse_events_channel(&self, id: &ChannelId) -> Result<(), Error> {
        if self.is_events_channel(id) { Err(Error::EventsChannelReadOnly) } else { Ok(()) }
    }

    pub(super) fn stored_events(&self) -> usize {
        self.events.and_then(|key| self.channels.get(key)).map_or(0, super::Channel::stored)
    }
}
