//! What the push stream has been told. Must not know: where the settings come from.

use super::directives;
use super::expression::Expression;
use super::location::{Location, Matcher};
use super::ticket::TicketKey;
use hearth_pubsub::framing::{Envelope, Framing, Padding};
use hearth_pubsub::pattern::Pattern;
use hearth_pubsub::settings::Settings;
use hearth_pubsub::subscriber::{FramingId, Terms};
use hearth_pubsub::template::Template;
use http::{HeaderValue, StatusCode};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

/// Everything the push stream has been told.
#[derive(Clone, Debug)]
pub struct PubsubSettings {
    /// Limits and lifetimes of channels.
    pub channels: Settings,
    /// The machine's name, for statistics.
    pub hostname: String,
    /// The places requests are for.
    pub locations: Vec<Location>,
    /// What every other request is answered with.
    pub elsewhere: StatusCode,
    /// Signs tickets, if there are to be any.
    pub ticket_key: Option<TicketKey>,
    /// A proper stop keeps all channels for the next run, not only durable ones.
    pub keep_channels: bool,
    /// Those who listen to presence are told of changes once in so many milliseconds at most.
    pub presence_interval: NonZeroU64,
}

/// What the push stream is told beside its configuration.
#[derive(Clone, Debug, Default)]
pub struct Deployment {
    /// Publishers send it as their `Authorization`; empty: anyone may publish.
    pub secret: String,
    /// Signs tickets; may be missing.
    pub ticket_secret: Option<String>,
    /// Where the files are that the configuration names.
    pub folder: PathBuf,
    /// Nobody publishes who is not known, unless the configuration says so in so many words.
    pub locked: bool,
}

/// What is done at a place.
#[derive(Clone, Debug)]
pub enum Role {
    /// Publish, ask, delete.
    Publisher(PublisherSettings),
    /// Listen.
    Subscriber(Box<SubscriberSettings>),
    /// Listen to how many others listen.
    Presence(Box<SubscriberSettings>),
    /// Statistics.
    Statistics,
    /// Make tickets.
    Tickets(TicketSettings),
}

/// Who may come to a place, besides those with the secret at a publishers' one and admins.
#[derive(Clone, Debug)]
pub struct Access {
    /// Whoever has an ID token, for some channels.
    pub id_tokens: bool,
    /// Whoever has a ticket, for the channels it names.
    pub tickets: bool,
    /// The channels that ID tokens are for; `{uid}` stands for the account.
    pub channels: Vec<Pattern>,
    /// A stream ends with the token it was opened with.
    pub end_with_token: bool,
    /// How often, in milliseconds, it is asked whether an account still has access.
    pub reauthorize_interval: NonZeroU64,
}

impl Default for Access {
    /// Nobody yet; streams end with their tokens, and accounts are asked about every minute.
    fn default() -> Self {
        Self {
            id_tokens: false,
            tickets: false,
            channels: Pattern::parse("*").into_iter().collect(),
            end_with_token: true,
            reauthorize_interval: MINUTE,
        }
    }
}

/// Settings of a place where tickets are made.
#[derive(Clone, Debug)]
pub struct TicketSettings {
    /// What `Authorization` must be, as publishers send it.
    pub secret: String,
    /// How long a ticket may last, in milliseconds.
    pub longest: NonZeroU64,
}

/// Settings of a publishers' place.
#[derive(Clone, Debug)]
pub struct PublisherSettings {
    /// What `Authorization` must be, byte for byte, without a scheme; empty: anyone may publish.
    pub secret: String,
    /// Publishers may also delete.
    pub admin: bool,
    /// Keep messages for later subscribers.
    pub store_messages: bool,
    /// Answer a publish with what is told of its channels, rather than with nothing.
    pub channel_info_on_publish: bool,
    /// The value of `Access-Control-Allow-Origin`; none if it comes to nothing.
    pub allowed_origins: Option<Expression>,
    /// A message may have so many bytes.
    pub body_limit: usize,
    /// Who may publish without the secret.
    pub access: Option<Access>,
}

/// How subscribers are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A stream of messages as the template makes them.
    Streaming,
    /// What is there.
    Polling,
    /// What is there, or else the first message that comes.
    LongPolling,
    /// A stream of events.
    EventSource,
    /// A WebSocket.
    WebSocket,
}

/// Settings of a subscribers' place.
#[derive(Clone, Debug)]
pub struct SubscriberSettings {
    /// How they are served, unless a request asks for polling.
    pub mode: Mode,
    /// Refuse channels without a stored message, rather than create them.
    pub authorized_channels_only: bool,
    /// What becomes of a message.
    pub message_template: Template,
    /// What answers begin with.
    pub header_template: String,
    /// What answers end with.
    pub footer_template: String,
    /// For which clients there is padding; the first that matches counts.
    pub padding: Vec<PaddingRule>,
    /// What `padding` is matched with; else the request's `User-Agent`.
    pub user_agent: Option<Expression>,
    /// In the place of `If-Modified-Since`.
    pub last_received_message_time: Option<Expression>,
    /// In the place of `If-None-Match`.
    pub last_received_message_tag: Option<Expression>,
    /// In the place of `Last-Event-Id`.
    pub last_event_id: Option<Expression>,
    /// The value of `Access-Control-Allow-Origin`; none if it comes to nothing.
    pub allowed_origins: Option<Expression>,
    /// Milliseconds without a message after which a stream is pinged.
    pub ping_message_interval: Option<NonZeroU64>,
    /// Milliseconds after which a stream ends.
    pub subscriber_connection_ttl: Option<NonZeroU64>,
    /// Milliseconds after which a long poll is answered; else the same as a stream's.
    pub longpolling_connection_ttl: Option<NonZeroU64>,
    /// So many wildcard channels a request may name.
    pub wildcard_channel_max_qtd: Option<NonZeroUsize>,
    /// Whether the events channel may be subscribed to.
    pub events_channel: bool,
    /// What a WebSocket's client says is published to its channels.
    pub websocket_allow_publish: bool,
    /// And kept for later subscribers.
    pub store_messages: bool,
    /// A text of its may have so many bytes.
    pub body_limit: usize,
    /// Events bear ids of the server's making, and gaps are told.
    pub server_event_ids: bool,
    /// The `Content-Type` of what is no stream of events.
    pub default_type: HeaderValue,
    /// A subscriber with more unread bytes than this is cut off. What it was sent to begin with does not count, and a
    /// single message always fits.
    pub unread_limit: usize,
    /// One that reads nothing for so many milliseconds, or has not read a message after twice that, is cut off.
    pub unread_time: NonZeroU64,
    /// Who may listen; without it anyone.
    pub access: Option<Access>,
}

/// Padding for clients of some kind.
#[derive(Clone, Debug)]
pub struct PaddingRule {
    /// Matches what they call themselves.
    pub agent: regex::bytes::Regex,
    /// How much they need.
    pub padding: Padding,
}

const MEBIBYTE: usize = 1024 * 1024;
const SECOND: NonZeroU64 = NonZeroU64::new(1000).unwrap();
const HALF_A_MINUTE: NonZeroU64 = NonZeroU64::new(30 * 1000).unwrap();
const MINUTE: NonZeroU64 = NonZeroU64::new(60 * 1000).unwrap();

impl Default for SubscriberSettings {
    /// The original's defaults.
    fn default() -> Self {
        Self {
            mode: Mode::Streaming,
            authorized_channels_only: false,
            message_template: Template::default(),
            header_template: String::new(),
            footer_template: String::new(),
            padding: Vec::new(),
            user_agent: None,
            last_received_message_time: None,
            last_received_message_tag: None,
            last_event_id: None,
            allowed_origins: None,
            ping_message_interval: None,
            subscriber_connection_ttl: None,
            longpolling_connection_ttl: None,
            wildcard_channel_max_qtd: None,
            events_channel: false,
            websocket_allow_publish: false,
            store_messages: false,
            body_limit: MEBIBYTE,
            server_event_ids: false,
            default_type: HeaderValue::from_static("text/plain"),
            unread_limit: MEBIBYTE,
            unread_time: HALF_A_MINUTE,
            access: None,
        }
    }
}

impl SubscriberSettings {
    /// What its answers look like: without padding, then with that of each rule. Ids of the server's making bear
    /// `epoch`.
    pub(super) fn framings(&self, epoch: u64) -> Vec<Framing> {
        let envelope = match self.mode {
            Mode::Streaming | Mode::Polling | Mode::LongPolling => Envelope::Plain,
            Mode::EventSource => Envelope::EventSource,
            Mode::WebSocket => Envelope::WebSocket,
        };
        let paddings = std::iter::once(Padding::default()).chain(self.padding.iter().map(|rule| rule.padding));
        let framing = |padding| Framing {
            envelope,
            message_template: self.message_template.clone(),
            header_template: self.header_template.clone(),
            footer_template: self.footer_template.clone(),
            padding,
            server_ids: self.server_event_ids.then_some(epoch),
        };
        paddings.map(framing).collect()
    }

    /// On what terms a stream is taken.
    pub(super) fn terms(&self, framing: FramingId) -> Terms {
        Terms {
            framing,
            authorized_channels_only: self.authorized_channels_only,
            wildcard_channel_max_qtd: self.wildcard_channel_max_qtd,
            events_channel: self.events_channel,
            ping_interval: self.ping_message_interval,
            ttl: self.subscriber_connection_ttl,
        }
    }

    /// On what terms a long poll is taken.
    pub(super) fn waiting_terms(&self, framing: FramingId) -> Terms {
        let ttl = self.longpolling_connection_ttl.or(self.subscriber_connection_ttl);
        Terms { ttl, ..self.terms(framing) }
    }
}

impl PublisherSettings {
    /// The original's defaults, and this secret.
    pub fn new(secret: &str) -> Self {
        Self {
            secret: secret.to_owned(),
            admin: false,
            store_messages: false,
            channel_info_on_publish: true,
            allowed_origins: None,
            body_limit: MEBIBYTE,
            access: None,
        }
    }
}

impl PubsubSettings {
    /// What Pogify's own deployment runs with, and this publishing secret.
    pub fn pogify(secret: &str) -> Self {
        let anyone = Some(Expression::literal("*"));
        let id = Expression::argument("id");
        let publisher = PublisherSettings {
            admin: true,
            store_messages: true,
            allowed_origins: anyone.clone(),
            ..PublisherSettings::new(secret)
        };
        let subscriber = SubscriberSettings {
            mode: Mode::EventSource,
            authorized_channels_only: true,
            allowed_origins: anyone,
            ..SubscriberSettings::default()
        };
        let location = |matcher, channels_path, role| Location { matcher, channels_path, role };
        Self {
            channels: Settings::pogify(),
            hostname: hostname(),
            locations: vec![
                location(Matcher::exact("/pub"), id.clone(), Role::Publisher(publisher)),
                location(Matcher::after("/sub/"), Expression::capture(1), Role::Subscriber(Box::new(subscriber))),
                location(Matcher::exact("/channels-stats"), id, Role::Statistics),
            ],
            elsewhere: StatusCode::NO_CONTENT,
            ticket_key: None,
            keep_channels: false,
            presence_interval: SECOND,
        }
    }
}

impl PubsubSettings {
    /// What firebase.json's `pushStream` declares.
    ///
    /// # Errors
    /// Everything that is wrong, a line each with its place.
    pub fn declared(declared: &serde_json::Value, deployment: &Deployment) -> Result<Self, Vec<String>> {
        directives::read(declared, deployment)
    }
}

/// The machine's name.
pub(super) fn hostname() -> String {
    nix::unistd::gethostname().map_or_else(|_| "localhost".to_owned(), |name| name.to_string_lossy().into_owned())
}
