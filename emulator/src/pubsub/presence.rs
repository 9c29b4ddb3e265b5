//! How many listen to a channel, as a stream of `{"channel": ID, "subscribers": N}`.
//!
//! Each channel that somebody watches has a counterpart of the same name whose only message is the latest number, so
//! that every mode of subscribing is one of watching. Changes are told once in an interval at most: what lies between
//! is left out. Who watches does not count. Must not know: HTTP.

use super::PubsubService;
use super::subscriber::Line;
use crate::clock::{Job, Millis, Work};
use bytes::Bytes;
use hearth_pubsub::channels::Channels;
use hearth_pubsub::error::Error;
use hearth_pubsub::message::Publication;
use hearth_pubsub::path::{ChannelId, ChannelPath};
use hearth_pubsub::replay::Resume;
use hearth_pubsub::settings::Settings;
use serde_json::json;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Weak;

/// What the counterparts may take up.
const MEMORY: NonZeroUsize = NonZeroUsize::new(64 * 1024 * 1024).unwrap();
/// A number that was not asked for during this many milliseconds is counted anew.
const KEPT: NonZeroU64 = NonZeroU64::new(10 * 60 * 1000).unwrap();

/// The settings of the counterparts of channels with these.
pub(super) fn settings(channels: &Settings) -> Settings {
    Settings {
        memory: MEMORY,
        message_ttl: KEPT,
        max_messages_stored_per_channel: Some(NonZeroUsize::MIN),
        channel_inactivity_time: NonZeroU64::MIN,
        max_channel_id_length: channels.max_channel_id_length,
        ping_message_text: channels.ping_message_text.clone(),
        timeout_with_body: channels.timeout_with_body,
        ..Settings::default()
    }
}

/// Sees to it that each counterpart has the latest number.
pub(super) fn bring_up(
    counterparts: &mut Channels<Line>,
    numbers: impl IntoIterator<Item = (ChannelId, usize)>,
    now: Millis,
) -> Result<(), Error> {
    for (id, subscribers) in numbers {
        let body = Bytes::from(json!({ "channel": id.to_string(), "subscribers": subscribers }).to_string());
        if counterparts.newest(&id).is_none_or(|newest| newest.body != body) {
            counterparts.publish(&[id], &Publication::new(body), true, now)?;
        }
    }
    Ok(())
}

/// What somebody asks for who watches: the latest number, unless a poll says what it has seen already.
pub(super) fn path_of(path: &ChannelPath, resume: &Resume) -> ChannelPath {
    let mut path = path.clone();
    for segment in &mut path.0 {
        segment.backtrack = usize::from(resume.modified_since.is_none());
    }
    path
}

/// Tells what has changed.
pub(super) struct Telling(pub(super) Weak<PubsubService>);

impl Job for Telling {
    fn name(&self) -> &str {
        "push stream presence"
    }

    fn due(&self) -> Option<Millis> {
        self.0.upgrade()?.presence_due()
    }

    fn begin(&self, now: Millis) -> Work {
        if let Some(service) = self.0.upgrade() {
            service.tell_presence(now);
        }
        Box::pin(std::future::ready(()))
    }
}
