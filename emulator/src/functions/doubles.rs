//! What the tests of this room build a host from: ports that no function here uses.

use super::host::Host;
use crate::config::settings::FunctionsSettings;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use hearth_functions::ports::{
    Accounts, ChannelInfo, Clock, Database, DatabaseError, Entropy, Millis, NoUser, NotPublished, Platform, Publisher,
    TransactionBody, User,
};
use hearth_functions::registry::Registry;
use hearth_functions::request::Reply;
use std::sync::Arc;
use std::time::Duration;

/// Refuses everything.
struct Closed;

impl Clock for Closed {
    fn now(&self) -> Millis {
        0
    }
}

impl Entropy for Closed {
    fn fill(&self, _: &mut [u8]) {}
}

impl Database for Closed {
    fn run(&self, _: TransactionBody) -> BoxFuture<'_, Result<(), DatabaseError>> {
        Box::pin(async { Err(DatabaseError("closed".to_owned())) })
    }
}

impl Accounts for Closed {
    fn verify<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<User, NoUser>> {
        Box::pin(async { Err(NoUser::Refused) })
    }

    fn delete_anonymous(&self, _: Millis, _: usize) -> BoxFuture<'_, Result<usize, String>> {
        Box::pin(async { Err("closed".to_owned()) })
    }
}

impl Publisher for Closed {
    fn publish<'a>(&'a self, _: &'a str, _: Bytes) -> BoxFuture<'a, Result<ChannelInfo, NotPublished>> {
        Box::pin(async { Err(NotPublished("closed".to_owned())) })
    }
}

/// A host of `registry` for the project `demo`.
pub(super) fn host(registry: Registry, settings: &FunctionsSettings) -> Arc<Host> {
    let closed = Arc::new(Closed);
    let platform = Platform {
        clock: closed.clone(),
        entropy: closed.clone(),
        database: closed.clone(),
        accounts: closed.clone(),
        publisher: closed,
    };
    Host::new(registry, platform, settings, "demo")
}

/// As under the emulator.
pub(super) fn settings() -> FunctionsSettings {
    FunctionsSettings {
        skip_auth: true,
        skip_rate_limit: true,
        log_pubsub: false,
        jwt_secret: Some("secret".to_owned()),
        pubsub_url: None,
        pubsub_secret: String::new(),
        time_limit: Duration::from_secs(60),
        short_paths: false,
        open_triggers: true,
        purge_sessions: "every 3 hours".to_owned(),
        purge_accounts: "every 24 hours".to_owned(),
        anonymous_days: 30,
    }
}

/// A plain answer.
pub(super) fn reply(body: String) -> Reply {
    Reply::new(Bytes::from(body))
}
