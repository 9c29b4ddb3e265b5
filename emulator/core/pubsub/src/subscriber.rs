//! Subscribers: where frames go, and who gets them. Must not know: what carries the frames.

use crate::Millis;
use crate::message::Stamp;
use crate::path::ChannelPath;
use crate::replay::Resume;
use crate::slots::Key;
use bytes::Bytes;
use std::num::{NonZeroU64, NonZeroUsize};

/// Where a subscriber's frames go. Its clones stand for the same subscriber. No call may wait.
pub trait Outlet: Clone {
    /// Queues a frame that others share. `stamp` is its message's; zero for what the server says of its own.
    fn deliver(&self, frame: &Bytes, stamp: Stamp) -> Delivery;

    /// Queues `last` (possibly nothing) and ends the stream after it.
    fn end(&self, last: Bytes);

    /// Drops what is queued, and ends the stream after `last`, which says the `reason` if there is room for it.
    fn cut_off(&self, last: Bytes, reason: &'static str);
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It is queued.
    Queued,
    /// It was all that the subscriber waited for: it has its answer, and leaves.
    Last,
    /// The queue is over its bound: the subscriber does not read fast enough, and is to be cut off.
    Full,
}

/// A framing that was made known to the channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramingId(pub(crate) usize);

/// A subscriber, until it is unsubscribed, cut off, or left without channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubscriberId(pub(crate) Key);

/// On what terms a place takes subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How messages are sent.
    pub framing: FramingId,
    /// Refuse channels that have no stored message, rather than create them; wildcard channels apart.
    pub authorized_channels_only: bool,
    /// So many wildcard channels a request may name, and one other at least; else the limit on all of them counts.
    pub wildcard_channel_max_qtd: Option<NonZeroUsize>,
    /// Whether the events channel may be subscribed to.
    pub events_channel: bool,
    /// Milliseconds without a message after which there is a ping.
    pub ping_interval: Option<NonZeroU64>,
    /// Milliseconds after which a subscription ends.
    pub ttl: Option<NonZeroU64>,
}

impl Terms {
    /// A place that takes everyone, for as long as they like.
    pub fn new(framing: FramingId) -> Self {
        Self {
            framing,
            authorized_channels_only: false,
            wildcard_channel_max_qtd: None,
            events_channel: false,
            ping_interval: None,
            ttl: None,
        }
    }
}

/// What a subscriber asks for.
#[derive(Clone, Copy, Debug)]
pub struct Subscribe<'a> {
    /// The channels; one that is named twice is subscribed to twice.
    pub path: &'a ChannelPath,
    /// What it has seen already.
    pub resume: &'a Resume,
    /// What holds where it asks.
    pub terms: Terms,
}

/// What a subscriber gets before it waits for anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// What every answer begins with; possibly nothing.
    pub opening: Bytes,
    /// A frame for each old message.
    pub messages: Vec<Bytes>,
    /// The latest of those messages.
    pub newest: Option<Stamp>,
}

/// What becomes of a subscriber that wants one answer.
#[derive(Debug)]
pub enum Answer<S> {
    /// There are messages already.
    Now(Backlog),
    /// It waits for one.
    Waits(SubscriberId, S),
}

/// A subscriber as the registry knows it.
#[derive(Debug)]
pub(crate) struct Subscriber<S> {
    pub(crate) outlet: S,
    pub(crate) framing: FramingId,
    pub(crate) places: Vec<Place>,
    /// It leaves with its first message.
    pub(crate) once: bool,
    pub(crate) ping_interval: Option<NonZeroU64>,
    /// When it came, or was pinged last.
    pub(crate) greeted: Millis,
    /// When its time is over.
    pub(crate) ends: Option<Millis>,
    /// The deadline under which the registry has it.
    pub(crate) registered: Option<Millis>,
}

/// Where a subscription stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) channel: Key,
    pub(crate) listener: Key,
}
