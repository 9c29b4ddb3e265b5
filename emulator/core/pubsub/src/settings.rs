//! The directives that hold for all channels of a server. Must not know: locations, headers, secrets.

use crate::path::ChannelId;
use crate::pattern::Pattern;
use bytes::Bytes;
use std::num::{NonZeroU64, NonZeroUsize};

/// Limits and lifetimes. Zero is no value for any of the limits, as in the original, hence the types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes that channels and stored messages may take up, estimated (`push_stream_shared_memory_size`).
    pub memory: NonZeroUsize,
    /// Milliseconds a stored message lives (`push_stream_message_ttl`).
    pub message_ttl: NonZeroU64,
    /// Messages a channel stores; the oldest gives way (`push_stream_max_messages_stored_per_channel`).
    pub max_messages_stored_per_channel: Option<NonZeroUsize>,
    /// Milliseconds since the last publish or subscribe after which a channel without stored messages and subscribers
    /// is collected (`push_stream_channel_inactivity_time`). Zero would collect it while it is being published to.
    pub channel_inactivity_time: NonZeroU64,
    /// `push_stream_max_subscribers_per_channel`
    pub max_subscribers_per_channel: Option<NonZeroUsize>,
    /// In bytes (`push_stream_max_channel_id_length`).
    pub max_channel_id_length: Option<NonZeroUsize>,
    /// Wildcard channels and the events channel apart (`push_stream_max_number_of_channels`).
    pub max_number_of_channels: Option<NonZeroUsize>,
    /// `push_stream_max_number_of_wildcard_channels`
    pub max_number_of_wildcard_channels: Option<NonZeroUsize>,
    /// Ids that begin like this are of wildcard channels (`push_stream_wildcard_channel_prefix`).
    pub wildcard_channel_prefix: Option<Bytes>,
    /// The channel that tells what happens to the others (`push_stream_events_channel_id`).
    pub events_channel_id: Option<ChannelId>,
    /// Channels whose messages are stored before anybody hears of them. The original has none.
    pub durable_channels: Vec<Pattern>,
    /// What a ping of a stream without an envelope says (`push_stream_ping_message_text`).
    pub ping_message_text: Bytes,
    /// Answer who has waited too long with a message (`push_stream_timeout_with_body`).
    pub timeout_with_body: bool,
    /// What the subscribers of a deleted channel read (`push_stream_channel_deleted_message_text`).
    pub channel_deleted_message_text: Bytes,
}

/// Memory where none is configured, and in Pogify's profile.
const MEMORY: NonZeroUsize = NonZeroUsize::new(700 * 1024 * 1024).unwrap();
const HALF_A_MINUTE: NonZeroU64 = NonZeroU64::new(30 * 1000).unwrap();
const HALF_AN_HOUR: NonZeroU64 = NonZeroU64::new(30 * 60 * 1000).unwrap();
const HOUR: NonZeroU64 = NonZeroU64::new(60 * 60 * 1000).unwrap();

impl Default for Settings {
    /// The original's defaults; the memory size has none there.
    fn default() -> Self {
        Self {
            memory: MEMORY,
            message_ttl: HALF_AN_HOUR,
            max_messages_stored_per_channel: None,
            channel_inactivity_time: HALF_A_MINUTE,
            max_subscribers_per_channel: None,
            max_channel_id_length: None,
            max_number_of_channels: None,
            max_number_of_wildcard_channels: None,
            wildcard_channel_prefix: None,
            events_channel_id: None,
            durable_channels: Vec::new(),
            ping_message_text: Bytes::from_static(b" "),
            timeout_with_body: false,
            channel_deleted_message_text: Bytes::from_static(b"Channel deleted"),
        }
    }
}

impl Settings {
    /// Whether a channel is durable. The events channel never is.
    pub fn is_durable(&self, id: &ChannelId) -> bool {
        self.events_channel_id.as_ref() != Some(id)
            && self.durable_channels.iter().any(|pattern| pattern.matches(id, None))
    }

    /// What Pogify's own deployment runs with: one stored message a channel, everything forgotten after an hour.
    pub fn pogify() -> Self {
        Self {
            message_ttl: HOUR,
            max_messages_stored_per_channel: Some(NonZeroUsize::MIN),
            channel_inactivity_time: HOUR,
            ..Self::default()
        }
    }
}
