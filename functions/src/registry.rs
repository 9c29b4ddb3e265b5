//! Which functions there are, under which names, and when the scheduled ones run.
//!
//! A host serves whatever is in here, so a test can add a function of its own. Must not know: how a call is run, routed
//! or timed.

use crate::auth_event::{AuthEvent, AuthEventKind};
use crate::config::Config;
use crate::ports::Platform;
use crate::request::{HttpRequest, Reply};
use crate::sessions;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

/// Where every function is, as clients name it.
pub const REGION: &str = "us-central1";

/// Answers one request.
pub type HttpsHandler = Arc<dyn Fn(HttpRequest, Platform) -> BoxFuture<'static, Reply> + Send + Sync>;

/// Does one run; an error says what went wrong.
pub type ScheduledHandler = Arc<dyn Fn(Platform) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Does what is to be done when a user has come or gone; an error says what went wrong.
pub type AuthHandler = Arc<dyn Fn(AuthEvent, Platform) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// A function called over HTTP.
#[derive(Clone)]
pub struct HttpsFunction {
    /// Its name.
    pub name: String,
    /// Other names it answers to.
    pub aliases: Vec<String>,
    /// Its region.
    pub region: String,
    /// Its code.
    pub handler: HttpsHandler,
}

/// A function that runs by the clock.
#[derive(Clone)]
pub struct ScheduledFunction {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// When it runs: App Engine or cron syntax.
    pub schedule: String,
    /// The time zone of the schedule, by its IANA name.
    pub time_zone: String,
    /// Its code.
    pub handler: ScheduledHandler,
}

/// A function that runs when a user has come or gone. It may be told of one event more than once, with the same id.
#[derive(Clone)]
pub struct AuthFunction {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// What it is told of.
    pub kind: AuthEventKind,
    /// Its code.
    pub handler: AuthHandler,
}

impl HttpsFunction {
    /// A function `name` in [`REGION`].
    pub fn new<F>(name: &str, handler: impl Fn(HttpRequest, Platform) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        Self {
            name: name.to_owned(),
            aliases: Vec::new(),
            region: REGION.to_owned(),
            handler: Arc::new(move |request, platform| Box::pin(handler(request, platform))),
        }
    }

    /// Also answers to `name`.
    #[must_use]
    pub fn alias(mut self, name: &str) -> Self {
        self.aliases.push(name.to_owned());
        self
    }

    /// Every name it answers to, its own first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name.as_str()).chain(self.aliases.iter().map(String::as_str))
    }
}

impl ScheduledFunction {
    /// A function `name` in [`REGION`] that runs by `schedule` in `time_zone`.
    pub fn new<F>(
        name: &str,
        schedule: &str,
        time_zone: &str,
        handler: impl Fn(Platform) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self {
            name: name.to_owned(),
            region: REGION.to_owned(),
            schedule: schedule.to_owned(),
            time_zone: time_zone.to_owned(),
            handler: Arc::new(move |platform| Box::pin(handler(platform))),
        }
    }
}

impl AuthFunction {
    /// A function `name` in [`REGION`] that is told of events of `kind`.
    pub fn new<F>(
        name: &str,
        kind: AuthEventKind,
        handler: impl Fn(AuthEvent, Platform) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self {
            name: name.to_owned(),
            region: REGION.to_owned(),
            kind,
            handler: Arc::new(move |event, platform| Box::pin(handler(event, platform))),
        }
    }
}

impl fmt::Debug for HttpsFunction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("HttpsFunction").field(&self.name).finish()
    }
}

impl fmt::Debug for ScheduledFunction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ScheduledFunction").field(&self.name).field(&self.schedule).finish()
    }
}

impl fmt::Debug for AuthFunction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("AuthFunction").field(&self.name).field(&self.kind).finish()
    }
}

/// All functions.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    /// Those called over HTTP. Of two with one name the later is served.
    pub https: Vec<HttpsFunction>,
    /// Those that run by the clock.
    pub scheduled: Vec<ScheduledFunction>,
    /// Those that are told of users that come and go.
    pub auth: Vec<AuthFunction>,
    /// Headers of the answers that the host gives in a function's place, so that a browser can read those too.
    pub headers: HeaderMap,
}

/// The functions Hearth has.
pub fn registry(config: Config) -> Registry {
    sessions::registry(config)
}
