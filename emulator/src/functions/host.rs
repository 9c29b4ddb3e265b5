//! The host: knows the functions, and runs each call apart from all others.
//!
//! Every call is a task of its own. A panic ends that call alone, one that takes too long is
//! ended, and a client that goes away ends nothing: what it asked for is done. Must not know: paths, bodies, sockets,
//! schedules.

use super::errors::Failure;
use super::routing::{Route, Routes};
use crate::config::settings::FunctionsSettings;
use futures_util::FutureExt;
use futures_util::future::join_all;
use hearth_functions::auth_event::AuthEvent;
use hearth_functions::ports::Platform;
use hearth_functions::registry::{AuthFunction, HttpsFunction, HttpsHandler, REGION, Registry, ScheduledFunction};
use hearth_functions::request::{HttpRequest, Reply};
use http::HeaderMap;
use serde_json::Value;
use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// All functions and what they run in.
pub struct Host {
    https: Vec<HttpsFunction>,
    /// By `{region}-{name}`, aliases included.
    handlers: HashMap<String, HttpsHandler>,
    scheduled: Vec<Arc<Scheduled>>,
    auth: Vec<AuthFunction>,
    /// Every function's key, as a caller of an unknown one is told.
    valid: String,
    headers: HeaderMap,
    platform: Platform,
    project: String,
    time_limit: Duration,
    short_paths: bool,
    open_triggers: bool,
    background: AtomicBool,
    calls: TaskTracker,
}

/// A scheduled function.
pub(super) struct Scheduled {
    pub(super) function: ScheduledFunction,
    /// Held by the run that is under way.
    running: Arc<Mutex<()>>,
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Host")
            .field("project", &self.project)
            .field("valid", &self.valid)
            .finish_non_exhaustive()
    }
}

impl Scheduled {
    /// `{region}-{name}`.
    pub(super) fn key(&self) -> String {
        key(&self.function.region, &self.function.name)
    }
}

impl Host {
    /// A host of `registry`'s functions for `project`, in which they use `platform`.
    pub fn new(registry: Registry, platform: Platform, settings: &FunctionsSettings, project: &str) -> Arc<Self> {
        let Registry { https, scheduled, auth, headers } = registry;
        // The keys as the official emulator has them: a background function's ends with its generation.
        let https_keys = https.iter().flat_map(|function| function.names().map(|name| key(&function.region, name)));
        let scheduled_keys = scheduled.iter().map(|function| trigger_key(&function.region, &function.name));
        let auth_keys = auth.iter().map(|function| trigger_key(&function.region, &function.name));
        let valid = https_keys.chain(scheduled_keys).chain(auth_keys).collect::<Vec<_>>().join(", ");
        let by_key = |function: &HttpsFunction| {
            let keys: Vec<String> = function.names().map(|name| key(&function.region, name)).collect();
            let handler = Arc::clone(&function.handler);
            keys.into_iter().map(move |key| (key, Arc::clone(&handler)))
        };
        Arc::new(Self {
            handlers: https.iter().flat_map(by_key).collect(),
            https,
            scheduled: scheduled
                .into_iter()
                .map(|function| Arc::new(Scheduled { function, running: Arc::default() }))
                .collect(),
            auth,
            valid,
            headers,
            platform,
            project: project.to_owned(),
            time_limit: settings.time_limit,
            short_paths: settings.short_paths,
            open_triggers: settings.open_triggers,
            background: AtomicBool::new(true),
            calls: TaskTracker::new(),
        })
    }

    /// Switches background functions, those that are scheduled or told of events, on or off. While they are off no schedule
    /// fires, events are lost on them, and what would run one answers 204.
    pub fn set_background_triggers(&self, on: bool) {
        self.background.store(on, Ordering::SeqCst);
    }

    /// Whether background functions run.
    pub fn background_triggers(&self) -> bool {
        self.background.load(Ordering::SeqCst)
    }

    /// Waits until no call is under way. Ends at the latest a time limit after the last one began; to be called when the
    /// listeners and the agenda have stopped, so that no new ones begin.
    pub async fn finish(&self) {
        self.calls.close();
        self.calls.wait().await;
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(super) fn project(&self) -> &str {
        &self.project
    }

    pub(super) fn time_limit(&self) -> Duration {
        self.time_limit
    }

    /// Whether the emulator's own paths are open.
    pub(super) fn open_triggers(&self) -> bool {
        self.open_triggers
    }

    pub(super) fn https(&self) -> &[HttpsFunction] {
        &self.https
    }

    pub(super) fn scheduled(&self) -> &[Arc<Scheduled>] {
        &self.scheduled
    }

    pub(super) fn auth(&self) -> &[AuthFunction] {
        &self.auth
    }

    /// What a path means.
    pub(super) fn find<'a>(&self, path: &'a str) -> Route<'a> {
        let short_region = self.short_paths.then_some(REGION);
        Routes { project: &self.project, short_region, triggers: self.open_triggers }.find(path)
    }

    /// Whether there is an HTTPS function of this key.
    pub(super) fn serves(&self, key: &str) -> bool {
        self.handlers.contains_key(key)
    }

    /// Calls an HTTPS function.
    pub(super) async fn call(&self, key: &str, request: HttpRequest) -> Result<Reply, Failure> {
        let Some(handler) = self.handlers.get(key) else { return Err(self.no_function(key)) };
        self.watched(key.to_owned(), handler(request, self.platform.clone())).await
    }

    /// Runs a background function because someone asks for it: one that is told of events with this one, a scheduled one
    /// after the run that may be under way. `key` is its own or its trigger's.
    pub(super) async fn trigger(&self, key: &str, event: Option<&Value>) -> Result<(), Failure> {
        let own = key.strip_suffix(GENERATION).unwrap_or(key);
        if let Some(function) = self.auth.iter().find(|function| key_of(function) == own) {
            if !self.background_triggers() {
                return Err(Failure::Disabled);
            }
            return self.tell(function, event.and_then(AuthEvent::read).ok_or(Failure::NoEvent)?).await;
        }
        let scheduled = self.scheduled.iter().find(|scheduled| scheduled.key() == own);
        let scheduled = scheduled.ok_or_else(|| self.no_function(key))?;
        if !self.background_triggers() {
            return Err(Failure::Disabled);
        }
        let running = Arc::clone(&scheduled.running).lock_owned().await;
        self.run(scheduled, running).await
    }

    /// Tells every function that waits for it of an event, and waits for them. Whether they fail is logged: they are not
    /// run again, as in Firebase unless a function asks for it.
    pub async fn tell_of_user(&self, event: &AuthEvent) {
        if !self.background_triggers() {
            tracing::debug!("a {} is lost: background functions are switched off", event.kind.event_type());
            return;
        }
        let told = self.auth.iter().filter(|function| function.kind == event.kind);
        join_all(told.map(|function| self.tell(function, event.clone()))).await;
    }

    /// Whether any function is told of users that come and go.
    pub fn hears_of_users(&self) -> bool {
        !self.auth.is_empty()
    }

    /// Tells of an event without making anybody wait; `held` is let go when every function is done.
    pub(super) fn multicast(self: &Arc<Self>, event: AuthEvent, held: impl Send + 'static) {
        let host = Arc::clone(self);
        self.calls.spawn(async move {
            host.tell_of_user(&event).await;
            drop(held);
        });
    }

    async fn tell(&self, function: &AuthFunction, event: AuthEvent) -> Result<(), Failure> {
        let (key, work) = (key_of(function), (function.handler)(event, self.platform.clone()));
        self.watched(key.clone(), work).await?.map_err(|error| {
            tracing::error!("\"{key}\" failed: {error}");
            Failure::Failed
        })
    }

    /// Runs a scheduled function because its time has come, unless its last run is still under way.
    pub(super) async fn fire(&self, scheduled: &Scheduled) {
        let key = scheduled.key();
        if !self.background_triggers() {
            tracing::debug!("\"{key}\" is due, but background functions are switched off");
            return;
        }
        match Arc::clone(&scheduled.running).try_lock_owned() {
            // A failure has been logged, and the next run comes all the same.
            Ok(running) => drop(self.run(scheduled, running).await),
            Err(_) => tracing::warn!("\"{key}\" is due, but its last run is still under way; this one is left out"),
        }
    }

    /// `running` goes with the work, so that it is held until the work ends, whoever waits for it.
    async fn run(&self, scheduled: &Scheduled, running: impl Send + 'static) -> Result<(), Failure> {
        let (key, work) = (scheduled.key(), (scheduled.function.handler)(self.platform.clone()));
        let work = async move {
            let result = work.await;
            drop(running);
            result
        };
        self.watched(key.clone(), work).await?.map_err(|error| {
            tracing::error!("\"{key}\" failed: {error}");
            Failure::Failed
        })
    }

    /// Runs `work` in a task of its own, for as long as the time limit lets it.
    async fn watched<T: Send + 'static>(
        &self,
        key: String,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Failure> {
        let limit = self.time_limit;
        // The caller may be dropped with its connection; the task goes on, with its limit and its log.
        let task = self.calls.spawn(async move {
            tracing::debug!("Beginning execution of \"{key}\"");
            let begun = Instant::now();
            // What the work held is dropped with it, so nobody sees it half changed.
            let guarded = AssertUnwindSafe(tokio::time::timeout(limit, work)).catch_unwind();
            let result = match guarded.await {
                Ok(Ok(value)) => Ok(value),
                Err(panic) => {
                    tracing::error!("\"{key}\" panicked: {}", message(&*panic));
                    Err(Failure::Panicked)
                }
                Ok(Err(_)) => {
                    tracing::error!("\"{key}\" was ended: it ran longer than {} ms", limit.as_millis());
                    Err(Failure::TimedOut)
                }
            };
            tracing::debug!("Finished \"{key}\" in {} ms", begun.elapsed().as_millis());
            result
        });
        task.await.unwrap_or(Err(Failure::Panicked))
    }

    fn no_function(&self, asked: &str) -> Failure {
        Failure::NoFunction { asked: asked.to_owned(), valid: self.valid.clone() }
    }
}

fn key(region: &str, name: &str) -> String {
    format!("{region}-{name}")
}

/// `{region}-{name}`.
fn key_of(function: &AuthFunction) -> String {
    key(&function.region, &function.name)
}

/// How a background trigger's key ends: with its generation, which is always the first.
const GENERATION: &str = "-0";

/// The key of a background function's trigger.
fn trigger_key(region: &str, name: &str) -> String {
    format!("{region}-{name}{GENERATION}")
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
