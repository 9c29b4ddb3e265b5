//! What functions need of the house they run in.
//!
//! The shell implements these traits; nothing here knows how. Time and chance come in through them as well, so that
//! a function answers the same bytes when both are held still.

use crate::request::{HttpRequest, Reply};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Milliseconds since the Unix epoch.
pub type Millis = u64;

/// Everything a function may use.
#[derive(Clone)]
pub struct Platform {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// The project's default Realtime Database.
    pub database: Arc<dyn Database>,
    /// The project's accounts.
    pub accounts: Arc<dyn Accounts>,
    /// Where updates go.
    pub publisher: Arc<dyn Publisher>,
}

impl fmt::Debug for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Platform")
    }
}

/// The time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Millis;
}

/// Random bytes.
pub trait Entropy: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// The database did not do it: nothing of the transaction is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("database: {0}")]
pub struct DatabaseError(pub String);

/// What is done to the database in one go. It sees no other writer's steps, and is durable as a whole or not at all.
pub trait Transaction {
    /// The time of the transaction, which a server timestamp would get.
    fn now(&self) -> Millis;

    /// The JSON value at `path` (`a/b`, without a leading slash); `null` where there is nothing.
    fn get(&self, path: &str) -> Value;

    /// Replaces the value at `path`; `null` removes it.
    ///
    /// # Errors
    /// The path or the value is not one the database can hold.
    fn set(&mut self, path: &str, value: Value) -> Result<(), DatabaseError>;

    /// Up to `limit` children of `path`, in key order, after the key `after`.
    fn children(&self, path: &str, after: Option<&str>, limit: usize) -> Vec<(String, Value)>;
}

/// A transaction's body. Runs on the database's writer: it must be quick and must not block.
pub type TransactionBody = Box<dyn FnOnce(&mut dyn Transaction) -> Result<(), DatabaseError> + Send>;

/// The Realtime Database.
pub trait Database: Send + Sync {
    /// Runs `body` alone on the writer and answers when what it set is durable. An error of `body` undoes what it set.
    fn run(&self, body: TransactionBody) -> BoxFuture<'_, Result<(), DatabaseError>>;
}

impl dyn Database {
    /// Runs `body` as [`Database::run`] does, and hands out what it returns.
    ///
    /// # Errors
    /// The database refused, failed, or is stopping; nothing was written.
    pub async fn transact<T: Send + 'static>(
        &self,
        body: impl FnOnce(&mut dyn Transaction) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let slot = Arc::new(Mutex::new(None));
        let filled = Arc::clone(&slot);
        self.run(Box::new(move |transaction| {
            let value = body(transaction)?;
            *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            Ok(())
        }))
        .await?;
        let value = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or_else(|| DatabaseError("the transaction did not run".to_owned()))
    }
}

/// A verified Firebase ID token's owner.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// The account's id.
    pub uid: String,
    /// Every claim of the token.
    pub claims: Arc<Map<String, Value>>,
}

/// Why there is no user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoUser {
    /// The token is not one of this project's, has expired, or its account is unknown or disabled.
    #[error("the ID token does not verify")]
    Refused,
    /// The accounts cannot be asked now.
    #[error("accounts: {0}")]
    Unavailable(String),
}

/// The project's accounts.
pub trait Accounts: Send + Sync {
    /// Verifies a Firebase ID token.
    fn verify<'a>(&'a self, id_token: &'a str) -> BoxFuture<'a, Result<User, NoUser>>;

    /// Deletes up to `limit` anonymous accounts last seen before `before`, never others; answers how many.
    fn delete_anonymous(&self, before: Millis, limit: usize) -> BoxFuture<'_, Result<usize, String>>;
}

/// What the publisher says of a channel after a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelInfo {
    /// The channel's id.
    pub channel: String,
    /// Messages ever published to it, this one included.
    pub published_messages: u64,
    /// Messages it keeps.
    pub stored_messages: u64,
    /// Its listeners.
    pub subscribers: u64,
}

/// A message that was not taken, after every retry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pubsub: {0}")]
pub struct NotPublished(pub String);

/// Where updates go: the suite's own push stream, another server, or the log.
pub trait Publisher: Send + Sync {
    /// Publishes `message`, retrying for as long as it makes sense; `Ok` means it was taken.
    fn publish<'a>(&'a self, channel: &'a str, message: Bytes) -> BoxFuture<'a, Result<ChannelInfo, NotPublished>>;
}

/// Something that has to be done at a time it knows itself.
pub trait Timer: Send + Sync {
    /// A name for the log.
    fn name(&self) -> &str;

    /// When the next run is due; `None` while there is nothing to do.
    fn due(&self) -> Option<Millis>;

    /// Takes the run that is due at `now` and moves [`Timer::due`] past `now`; the work itself happens in the future.
    fn begin(&self, now: Millis) -> BoxFuture<'static, ()>;
}

/// What has to be done later, by the [`Clock`].
pub trait Timers: Send + Sync {
    /// Has `timer` run whenever it is due, until the process ends.
    fn add(&self, timer: Arc<dyn Timer>);

    /// Says that some timer's due time has changed.
    fn touch(&self);
}

/// Work that nobody waits for.
pub trait Tasks: Send + Sync {
    /// Has `work` done. It is given up when the process stops.
    fn spawn(&self, work: BoxFuture<'static, ()>);
}

/// Another server did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(pub String);

/// Other servers.
pub trait Web: Send + Sync {
    /// Sends a request to the absolute URL it names; an answer is any status, with a body of up to 1 MiB. Given up
    /// after 30 seconds.
    fn fetch(&self, request: http::Request<Bytes>) -> BoxFuture<'_, Result<http::Response<Bytes>, NoAnswer>>;
}

/// The functions of this house.
pub trait Functions: Send + Sync {
    /// Whether there is an HTTPS function `name` in [`crate::registry::REGION`].
    fn has(&self, name: &str) -> bool;

    /// Calls it as a client does over HTTP; an answer is any status.
    fn call<'a>(&'a self, name: &'a str, request: HttpRequest) -> BoxFuture<'a, Result<Reply, NoAnswer>>;
}
