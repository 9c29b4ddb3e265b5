//! What outlives the process: the port to the store of durable channels, and what passes through it.
//!
//! A batch is one transaction. Whatever is in it is durable, or nothing of it is. Must not know: files, SQL.

use crate::Millis;
use crate::message::{Message, Stamp};
use crate::path::ChannelId;

/// Where the counters of a server stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// All message ids up to this one may have been given by now.
    pub seq: u64,
    /// The latest message of durable channels that are no more.
    pub forgotten: u64,
    /// The latest message of other channels that are no more.
    pub forgotten_volatile: u64,
    /// No later stamp has been given to a stored message.
    pub stamp: Stamp,
}

/// A channel without its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelRecord {
    /// Its id.
    pub id: ChannelId,
    /// Messages ever published to it.
    pub published: u64,
    /// The latest message of all channels when it was made.
    pub born: u64,
    /// Its latest message.
    pub latest: u64,
    /// Its latest message that nobody can be given any more.
    pub lost: u64,
}

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRecord {
    /// Its channel.
    pub channel: ChannelId,
    /// When its time is over.
    pub expires: Millis,
    /// The message.
    pub message: Message,
}

/// Messages of a channel that are no longer stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outdated {
    /// All up to this one.
    pub up_to: u64,
    /// The channel itself is no more, unless it had a later message since.
    pub is_gone: bool,
}

/// What is committed together, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// What is no longer stored.
    pub outdated: Vec<(ChannelId, Outdated)>,
    /// The channels as they stand afterwards; later ones of the same id replace earlier ones.
    pub channels: Vec<ChannelRecord>,
    /// Messages that are new.
    pub messages: Vec<MessageRecord>,
    /// The counters afterwards.
    pub counters: Counters,
}

/// All that was kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The counters.
    pub counters: Counters,
    /// The channels.
    pub channels: Vec<ChannelRecord>,
    /// Their messages, in order.
    pub messages: Vec<MessageRecord>,
    /// The run before has ended as it should, and everything is here, other channels than durable ones included.
    pub is_whole: bool,
}

/// Makes batches durable.
pub trait Journal {
    /// Returns once the batch is durable.
    ///
    /// # Errors
    /// In words for the log. Nothing of the batch is kept, as far as anybody knows.
    fn commit(&mut self, batch: &Batch) -> Result<(), String>;
}
