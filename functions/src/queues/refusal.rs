//! Why a queue does not do what it is asked to.

use crate::ports::DatabaseError;

/// Why it was not done. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such queue.
    #[error("the queue does not exist")]
    NoQueue,
    /// There is one of this name with other attributes.
    #[error("a queue of this name exists with a different value for attribute {0}")]
    QueueExists(&'static str),
    /// The name is none.
    #[error("a queue's name has 1 to 80 letters, digits, hyphens and underscores")]
    QueueName,
    /// There are as many queues as may be.
    #[error("there are {0} queues already")]
    TooManyQueues(usize),
    /// The message is longer than the queue takes.
    #[error("the message has {size} bytes, the queue takes {limit}")]
    TooLong {
        /// Its bytes, attributes included.
        size: usize,
        /// What the queue takes.
        limit: usize,
    },
    /// The queue holds as much as may be.
    #[error("the queue holds {0} bytes already")]
    Full(u64),
    /// The receipt is not one of this queue's.
    #[error("the receipt handle is not valid")]
    Receipt,
    /// The message was deleted, or received again since.
    #[error("the message does not exist or was received again")]
    NoMessage,
    /// The message can be received, so its visibility cannot be changed.
    #[error("the message is not in flight")]
    NotInFlight,
    /// A message is in flight for 12 hours at most, counted from its receipt.
    #[error("the total visibility timeout is more than 12 hours")]
    TooLongInFlight,
    /// The database did not do it.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
