//! Subscribers: where frames go, and who gets them. Must not know: what carries the frames.

use crate::path::ChannelPath;
use crate::replay::Resume;
use crate::slots::Key;
use bytes::Bytes;

/// Where a subscriber's frames go. Its clones stand for the same subscriber. No call may wait.
pub trait Outlet: Clone {
    /// Queues a frame that others share.
    fn deliver(&self, frame: &Bytes) -> Delivery;

    /// Queues `last` (possibly nothing) and ends the stream after it.
    fn end(&self, last: Bytes);

    /// Drops what is queued, and ends the stream after `last`.
    fn cut_off(&self, last: Bytes);
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It is queued.
    Queued,
    /// The queue is over its bound: the subscriber does not read fast enough, and is to be cut off.
    Full,
}

/// A framing that was made known to the channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramingId(pub(crate) usize);

/// A subscriber, until it is unsubscribed, cut off, or left without channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriberId(pub(crate) Key);

/// What a subscriber asks for.
#[derive(Clone, Debug)]
pub struct Subscribe<'a> {
    /// The channels; one that is named twice is subscribed to twice.
    pub path: &'a ChannelPath,
    /// What it has seen already.
    pub resume: &'a Resume,
    /// How it wants to be sent messages.
    pub framing: FramingId,
    /// Refuse channels that have no stored message, rather than create them.
    pub authorized_channels_only: bool,
}

/// A subscriber as the registry knows it.
#[derive(Debug)]
pub(crate) struct Subscriber<S> {
    pub(crate) outlet: S,
    pub(crate) framing: FramingId,
    pub(crate) places: Vec<Place>,
}

/// Where a subscription stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) channel: Key,
    pub(crate) listener: Key,
}
