//! What the push stream has been told. Must not know: where the settings come from.

use hearth_pubsub::framing::Framing;
use hearth_pubsub::settings::Settings;
use http::HeaderValue;

/// Everything the push stream has been told.
#[derive(Clone, Debug)]
pub struct PubsubSettings {
    /// Limits and lifetimes of channels.
    pub channels: Settings,
    /// The machine's name, for statistics.
    pub hostname: String,
    /// The publishers' place.
    pub publisher: PublisherSettings,
    /// The subscribers' place.
    pub subscriber: SubscriberSettings,
}

/// Settings of `/pub`, whose publishers are admins: they may also delete.
#[derive(Clone, Debug)]
pub struct PublisherSettings {
    /// What `Authorization` must be, byte for byte, without a scheme; empty: anyone may publish.
    pub secret: String,
    /// Keep messages for later subscribers.
    pub store_messages: bool,
    /// Answer a publish with what is told of its channels, rather than with nothing.
    pub channel_info_on_publish: bool,
    /// The value of `Access-Control-Allow-Origin`.
    pub allowed_origins: Option<HeaderValue>,
    /// A message may have so many bytes.
    pub body_limit: usize,
}

/// Settings of `/sub`, which speaks EventSource.
#[derive(Clone, Debug)]
pub struct SubscriberSettings {
    /// Refuse channels without a stored message, rather than create them.
    pub authorized_channels_only: bool,
    /// What streams look like.
    pub framing: Framing,
    /// The value of `Access-Control-Allow-Origin`.
    pub allowed_origins: Option<HeaderValue>,
    /// A subscriber with more unread bytes than this is cut off. What it was sent to begin with does not count, and a
    /// single message always fits.
    pub unread_limit: usize,
}

const MEBIBYTE: usize = 1024 * 1024;

impl PubsubSettings {
    /// What Pogify's own deployment runs with, and this publishing secret.
    pub fn pogify(secret: &str) -> Self {
        let anyone = Some(HeaderValue::from_static("*"));
        Self {
            channels: Settings::pogify(),
            hostname: nix::unistd::gethostname()
                .map_or_else(|_| "localhost".to_owned(), |name| name.to_string_lossy().into_owned()),
            publisher: PublisherSettings {
                secret: secret.to_owned(),
                store_messages: true,
                channel_info_on_publish: true,
                allowed_origins: anyone.clone(),
                body_limit: MEBIBYTE,
            },
            subscriber: SubscriberSettings {
                authorized_channels_only: true,
                framing: Framing::default(),
                allowed_origins: anyone,
                unread_limit: MEBIBYTE,
            },
        }
    }
}
