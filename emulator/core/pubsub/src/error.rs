//! Why something was refused, in the words clients and test suites compare.
//!
//! Must not know: which status an answer bears.

/// A refusal. Its text is what the original sends as explanation, word for word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The path names no channel.
    #[error("No channel id provided.")]
    NoChannelId,
    /// A channel id is longer than allowed.
    #[error("Channel id is too large.")]
    ChannelIdTooLarge,
    /// `ALL`, or an id with a `*`: names that only statistics understand.
    #[error("Channel id not authorized for this method.")]
    ChannelIdNotAuthorized,
    /// A message has no bytes. Its channels exist by now, as they do in the original.
    #[error("Empty post requests are not allowed.")]
    EmptyMessage,
    /// Only channels with a stored message may be subscribed to, and this one has none.
    #[error("Subscriber could not create channels.")]
    SubscriberCannotCreate,
    /// The channel has as many subscribers as allowed.
    #[error("Subscribers limit per channel has been exceeded.")]
    TooManySubscribers,
    /// More wildcard channels than allowed, or nothing but such.
    #[error("Subscribed too much wildcard channels.")]
    TooManyWildcardChannels,
    /// The events channel is written by the server alone.
    #[error("Only internal routines can change events channel.")]
    EventsChannelReadOnly,
    /// The events channel may not be subscribed to here.
    #[error("Subscription to events channel is not allowed.")]
    EventsChannelClosed,
    /// There are as many channels as allowed.
    #[error("Number of channels were exceeded.")]
    TooManyChannels,
    /// Channels and stored messages take up all the memory they may. The original gives no text.
    #[error("The memory for channels and messages is full.")]
    MemoryFull,
    /// Too much waits to be stored. The original stores nothing.
    #[error("Too much is waiting to be stored.")]
    Busy,
    /// A message of a durable channel could not be stored, and nobody has heard of it.
    #[error("The message could not be stored.")]
    NotStored,
}
