//! Queues, for any function: at-least-once, with visibility timeouts, delays, receive counts and dead letters.
//!
//! Everything a queue holds lies in the function's database, so that what was acknowledged survives the end of the
//! process. Who waits for a message, and what is due when, is kept in memory and found again at a start. The semantics
//! and limits are those of Amazon SQS' standard queues (docs.aws.amazon.com/AWSSimpleQueueService). Reading order:
//! `definition`, `message`, `store` (what is done in a transaction), `waiters`, `plan`, `consumer`, `service` (all of it
//! together). Must not know: how clients speak to a queue.

mod consumer;
mod definition;
mod message;
mod plan;
mod refusal;
mod service;
mod store;
mod waiters;

pub use consumer::Consumer;
pub use definition::{Attributes, DeadLetters, Definition};
pub use message::{AttributeValue, MessageAttribute, MessageId, NewMessage, Prepared, Receipt, Received};
pub use refusal::Refusal;
pub use service::{Ask, Queues};
pub use store::Counts;
