//! What functions need, from the rooms that have it: implements the ports of `hearth_functions`.
//!
//! The one file of this room that names other rooms; nothing else in it may.

use super::Host;
use crate::auth::{self, AuthService, NotTold};
use crate::clock::{Agenda, Clock, Entropy, Job, Millis, Work};
use crate::database::DatabaseService;
use crate::pubsub::PubsubService;
use crate::server::credentials::{IdTokens, TokenRefused};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use hearth_auth::event::UserEvent;
use hearth_database::{TransactionError, json};
use hearth_functions::auth_event::AuthEvent;
use hearth_functions::ports::{
    self, Accounts, ChannelInfo, Database, DatabaseError, Functions, NoAnswer, NoUser, NotPublished, Platform,
    Publisher, Transaction, TransactionBody, User,
};
use hearth_functions::registry::REGION;
use hearth_functions::request::{HttpRequest, Reply};
use serde_json::Value;
use std::sync::Arc;

/// Puts a platform together.
pub fn platform(
    clock: Clock,
    entropy: Entropy,
    database: Arc<DatabaseService>,
    auth: Arc<AuthService>,
    publisher: Arc<dyn Publisher>,
) -> Platform {
    Platform {
        clock: Arc::new(clock),
        entropy: Arc::new(entropy),
        database: Arc::new(ProjectDatabase(database)),
        accounts: Arc::new(ProjectAccounts(auth)),
        publisher,
    }
}

impl ports::Timers for Agenda {
    fn add(&self, timer: Arc<dyn ports::Timer>) {
        Self::add(self, Arc::new(Planned(timer)));
    }

    fn touch(&self) {
        Self::touch(self);
    }
}

/// A timer on the agenda.
struct Planned(Arc<dyn ports::Timer>);

impl Job for Planned {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn due(&self) -> Option<Millis> {
        self.0.due()
    }

    fn begin(&self, now: Millis) -> Work {
        self.0.begin(now)
    }
}

impl ports::Clock for Clock {
    fn now(&self) -> Millis {
        Self::now(self)
    }
}

impl ports::Entropy for Entropy {
    fn fill(&self, bytes: &mut [u8]) {
        Self::fill(self, bytes);
    }
}

/// The project's default database.
struct ProjectDatabase(Arc<DatabaseService>);

impl Database for ProjectDatabase {
    fn run(&self, body: TransactionBody) -> BoxFuture<'_, Result<(), DatabaseError>> {
        let done = self.0.transact(move |transaction| {
            body(&mut Steps(transaction)).map_err(|DatabaseError(reason)| TransactionError::Aborted(reason))
        });
        Box::pin(async move { done.await.map_err(|error| DatabaseError(error.to_string())) })
    }
}

/// A transaction in JSON.
struct Steps<'a, 'b>(&'a mut hearth_database::Transaction<'b>);

impl Transaction for Steps<'_, '_> {
    fn now(&self) -> Millis {
        self.0.now()
    }

    fn get(&self, path: &str) -> Value {
        json::to_value(self.0.get(path))
    }

    fn set(&mut self, path: &str, value: Value) -> Result<(), DatabaseError> {
        let depth = path.split('/').filter(|segment| !segment.is_empty()).count();
        let data = json::from_value(&value, depth).map_err(|error| DatabaseError(error.to_string()))?;
        self.0.set(path, data).map_err(|error| DatabaseError(error.to_string()))
    }

    fn children(&self, path: &str, after: Option<&str>, limit: usize) -> Vec<(String, Value)> {
        let children = self.0.children(path, after, limit);
        children.into_iter().map(|(key, node)| (key.to_string(), json::to_value(&node))).collect()
    }
}

/// The project's accounts.
struct ProjectAccounts(Arc<AuthService>);

impl Accounts for ProjectAccounts {
    fn verify<'a>(&'a self, id_token: &'a str) -> BoxFuture<'a, Result<User, NoUser>> {
        Box::pin(async move {
            match IdTokens::verify(&*self.0, id_token).await {
                Ok(token) => Ok(User { uid: token.uid, claims: token.claims }),
                Err(refused @ TokenRefused::Unavailable) => Err(NoUser::Unavailable(refused.to_string())),
                Err(
                    TokenRefused::Malformed
                    | TokenRefused::Signature
                    | TokenRefused::Expired
                    | TokenRefused::Project
                    | TokenRefused::Account,
                ) => Err(NoUser::Refused),
            }
        })
    }

    fn delete_anonymous(&self, before: Millis, limit: usize) -> BoxFuture<'_, Result<usize, String>> {
        Box::pin(async move { self.0.delete_anonymous(before, limit).await.map_err(|error| error.to_string()) })
    }
}

/// Publishes to the push stream of this process, without a network between.
pub struct OwnPushStream(Arc<PubsubService>);

impl OwnPushStream {
    /// Publishes to `service`.
    pub fn new(service: Arc<PubsubService>) -> Self {
        Self(service)
    }
}

impl Publisher for OwnPushStream {
    fn publish<'a>(&'a self, channel: &'a str, message: Bytes) -> BoxFuture<'a, Result<ChannelInfo, NotPublished>> {
        Box::pin(async move {
            let info = self.0.publish(channel, message).await.map_err(|error| NotPublished(error.to_string()))?;
            Ok(ChannelInfo {
                channel: info.id.to_string(),
                published_messages: info.published_messages,
                stored_messages: info.stored_messages as u64,
                subscribers: info.subscribers as u64,
            })
        })
    }
}

/// The functions that are told of users that come and go.
pub struct UserTriggers(Arc<Host>);

impl UserTriggers {
    /// Those of `host`.
    pub fn new(host: Arc<Host>) -> Self {
        Self(host)
    }
}

impl auth::Receiver for UserTriggers {
    fn tell<'a>(&'a self, event: &'a UserEvent) -> BoxFuture<'a, Result<(), NotTold>> {
        Box::pin(async {
            let told = serde_json::from_str(&event.body).ok().and_then(|body| AuthEvent::read(&body));
            let unreadable = || NotTold { reason: "the event cannot be read".to_owned(), again: false };
            self.0.tell_of_user(&told.ok_or_else(unreadable)?).await;
            Ok(())
        })
    }
}

/// The functions that a host serves; none if there is no host.
pub struct HostedFunctions(Option<Arc<Host>>);

impl HostedFunctions {
    /// Those of `host`.
    pub fn new(host: Option<Arc<Host>>) -> Self {
        Self(host)
    }
}

impl Functions for HostedFunctions {
    fn has(&self, name: &str) -> bool {
        self.0.as_ref().is_some_and(|host| host.serves(&in_region(name)))
    }

    fn call<'a>(&'a self, name: &'a str, request: HttpRequest) -> BoxFuture<'a, Result<Reply, NoAnswer>> {
        Box::pin(async move {
            let host = self.0.as_ref().ok_or_else(|| NoAnswer("there are no functions".to_owned()))?;
            let answer = host.call(&in_region(name), request).await;
            Ok(answer.unwrap_or_else(|failure| failure.reply(host.headers())))
        })
    }
}

/// The key by which a host knows a function.
fn in_region(name: &str) -> String {
    format!("{REGION}-{name}")
}

#[cfg(test)]
mod tests {
    use super::super::doubles::{host, settings};
    use super::*;
    use auth::Receiver;
    use hearth_auth::account::Account;
    use hearth_auth::event::Kind;
    use hearth_auth::store::Scope;
    use hearth_functions::auth_event::AuthEventKind;
    use hearth_functions::registry::{AuthFunction, Registry};
    use std::sync::Mutex;

    #[tokio::test]
    async fn functions_are_told_of_users_unless_they_are_switched_off() {
        let noted = Arc::new(Mutex::new(Vec::new()));
        let note = |name: &str, kind| {
            let noted = Arc::clone(&noted);
            let name = name.to_owned();
            AuthFunction::new(&name.clone(), kind, move |event: AuthEvent, _| {
                noted.lock().unwrap().push((name.clone(), event.id, event.user["uid"].clone()));
                async { Err("as it should".to_owned()) }
            })
        };
        let auth = vec![note("welcome", AuthEventKind::Created), note("farewell", AuthEventKind::Deleted)];
        let host = host(Registry { auth, ..Registry::default() }, &settings());
        assert!(host.hears_of_users());
        let triggers = UserTriggers::new(Arc::clone(&host));
        let account = Account { local_id: "u".to_owned(), ..Account::default() };
        let told = |kind| UserEvent::new(kind, &Scope::project("demo"), &account, 0, &Entropy::seeded(1));
        let (created, deleted) = (told(Kind::Created), told(Kind::Deleted));
        // A function that fails has been told all the same.
        assert_eq!(triggers.tell(&created).await, Ok(()));
        host.set_background_triggers(false);
        assert_eq!(triggers.tell(&deleted).await, Ok(()));
        host.set_background_triggers(true);
        assert_eq!(triggers.tell(&deleted).await, Ok(()));
        let of = |name: &str, event: &UserEvent| (name.to_owned(), event.id.clone(), Value::from("u"));
        assert_eq!(*noted.lock().unwrap(), [of("welcome", &created), of("farewell", &deleted)]);
        let broken = UserEvent { body: "{}".to_owned(), ..created };
        assert!(triggers.tell(&broken).await.is_err_and(|failed| !failed.again));
    }
}
