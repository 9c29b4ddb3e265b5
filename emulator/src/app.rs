//! The composition root: with its parts the only place that names every concrete type.
//!
//! It takes the ports and opens the data (`ground`), builds each service with what it needs of the others, and serves
//! them until told to stop. Must not know: the command line, or what any service answers.

mod accounts;
mod functions;
mod ground;
mod hosted;
mod push_stream;
mod transfer;

pub use accounts::open_auth;
pub use transfer::export_users;

use crate::auth::{self, AuthService};
use crate::clock::Agenda;
use crate::config::service::Service;
use crate::config::settings::{Endpoint, Mode, Settings};
use crate::database::{self, Databases, Sessions, Streams};
use crate::functions::platform::UserTriggers;
use crate::functions::publisher::PublisherError;
use crate::functions::schedule::ScheduleError;
use crate::functions::{Host, router};
use crate::hub::{self, Hub, Locator};
use crate::pubsub::{self, PubsubService};
use crate::server::body::Bodies;
use crate::server::connections;
use crate::server::handover::Offer;
use crate::storage::StorageError;
use crate::transfer::TransferError;
use axum::Router;
use ground::Ground;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Functions whose clients have gone have this long to end.
const LAST_CALLS: Duration = Duration::from_millis(100);
/// Changes that nobody waits for any more have this long to be stored; a larger one is left out whole.
const LAST_COMMITS: Duration = Duration::from_millis(300);

/// Everything that runs, until [`App::stop`].
#[derive(Debug)]
pub struct App {
    mode: Mode,
    project: String,
    addresses: BTreeMap<Service, Vec<SocketAddr>>,
    notices: Vec<String>,
    agenda: Agenda,
    stop: CancellationToken,
    tasks: TaskTracker,
    databases: Arc<Databases>,
    auth: Arc<AuthService>,
    carrier: Arc<transfer::Carrier>,
    pubsub: Arc<PubsubService>,
    offer: Option<Offer>,
    functions: Option<Arc<Host>>,
    _locator: Option<Locator>,
}

/// Why it did not start. Nothing is left running, and no port taken.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is taken, or its host unknown.
    #[error("Could not start {}, {}", service.label(), port_problem(*service, endpoint, source))]
    Port {
        /// Who wanted it.
        service: Service,
        /// Where.
        endpoint: Endpoint,
        /// What the system said.
        source: io::Error,
    },
    /// The sockets of another process cannot be taken over.
    #[error("cannot take the listening sockets over: {0}")]
    TakeOver(io::Error),
    /// The data cannot be opened.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The accounts cannot be opened.
    #[error(transparent)]
    Auth(#[from] auth::OpenError),
    /// The export to begin with cannot be read or kept.
    #[error("the import failed: {0}")]
    Import(#[from] TransferError),
    /// A schedule cannot be understood.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// What firebase.json declares for the push stream cannot be worked with: all that is wrong, a line each.
    #[error("firebase.json:\n  {0}")]
    PushStream(String),
    /// What firebase.json says of a service on the platform cannot be worked with: all that is wrong, a line each.
    #[error("firebase.json:\n  {0}")]
    Hosted(String),
    /// A service on the platform cannot start.
    #[error("{}: {reason}", service.label())]
    Service {
        /// Which.
        service: Service,
        /// Why.
        reason: String,
    },
    /// The pubsub server's URL or secret cannot be used.
    #[error(transparent)]
    Pubsub(#[from] PublisherError),
    /// The generated session secret cannot be kept.
    #[error("the generated jwt.secret cannot be kept: {0}")]
    Secret(io::Error),
    /// The admin's first service-account key cannot be issued.
    #[error(transparent)]
    ServiceAccount(#[from] auth::IssueError),
    /// The events that wait for those who are told of users cannot be looked through.
    #[error("the events of users cannot be read: {0}")]
    UserEvents(#[from] auth::ServiceError),
    /// The system has no random source.
    #[error("the system has no random bytes")]
    Entropy,
}

fn port_problem(service: Service, endpoint: &Endpoint, source: &io::Error) -> String {
    let Endpoint { host, port } = endpoint;
    if source.kind() == io::ErrorKind::AddrInUse {
        format!(
            "port taken: {port} on {host} is in use. Choose another one in firebase.json (emulators.{service}.port) \
             or with --port {service}=PORT; 0 means any free one."
        )
    } else {
        format!("cannot listen on port {port} of {host}: {source}")
    }
}

impl App {
    /// Takes every port, opens the data and starts serving.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let push_stream = push_stream::settings(&settings.push_stream)?;
        let (mut ground, bound) = Ground::lay(settings).await?;
        let auth = accounts::open(&mut ground).await?;
        let databases = Databases::open(
            ground.storage.clone(),
            &ground.settings.project,
            ground.settings.database.clone(),
            ground.clock.clone(),
            ground.entropy.stream("database"),
        )?;
        let carrier = Arc::new(transfer::Carrier {
            auth: ground.runs(Service::Auth).then(|| Arc::clone(&auth)),
            databases: ground.runs(Service::Database).then(|| Arc::clone(&databases)),
            turn: tokio::sync::Mutex::default(),
        });
        if let Some(folder) = &ground.settings.import {
            let notices = carrier.import(folder).await?;
            ground.notices.extend(notices);
        }
        let credentials = accounts::credentials(&ground, &auth);
        let pubsub = push_stream::open(&ground, push_stream, &credentials)?;
        let functions = functions::open(&mut ground, &databases, &auth, &pubsub)?;
        let triggers = functions.as_ref().filter(|host| host.hears_of_users());
        let triggers = triggers.map(|host| Arc::new(UserTriggers::new(Arc::clone(host))) as _);
        auth.tell_of_users(triggers, &ground.tasks, &ground.stop).await?;

        let mut surfaces: BTreeMap<Service, Router> = BTreeMap::new();
        let (proxies, bodies) = (ground.settings.server.trusted_proxies.clone(), &ground.bodies);
        surfaces.insert(Service::Auth, auth::router(Arc::clone(&auth), bodies.clone(), proxies));
        surfaces.insert(Service::PushStream, pubsub::router(Arc::clone(&pubsub), bodies.clone()));
        if let Some(host) = &functions {
            surfaces.insert(Service::Functions, router(Arc::clone(host), bodies.clone()));
        }
        let house = hosted::House {
            ground: &ground,
            databases: &databases,
            auth: &auth,
            pubsub: &pubsub,
            functions: functions.as_ref(),
        };
        for (service, kind) in hosted::services(&ground.settings) {
            surfaces.insert(service, house.open(service, kind).await?);
        }
        let hub = hub(&ground, functions.as_ref(), &carrier);
        let mut locator = None;
        if ground.runs(Service::Hub) {
            locator = Locator::write(&ground.settings.project, &hub.locator())
                .inspect_err(|error| tracing::warn!(%error, "other tools will not find this suite"))
                .ok();
            surfaces.insert(Service::Hub, hub::router(hub));
        }

        let sessions = Sessions::new(
            Arc::clone(&databases),
            credentials.clone(),
            &ground.agenda,
            ground.entropy.stream("sessions"),
            ground.stop.clone(),
        );
        let streams = Streams::new(credentials.clone(), &ground.agenda, ground.stop.clone());
        // A budget of its own: the database's bodies are large, and shall not use up what the others need.
        let large = Bodies::default();
        let database = database::Port::new(Arc::clone(&databases), Arc::clone(&sessions), streams, credentials, large);
        let Ground { settings, addresses, agenda, tasks, stop, offer, notices, .. } = ground;
        for (service, bound) in bound {
            if service == Service::Database {
                tasks.spawn(connections::serve(bound, database.clone(), database.prompt(), stop.clone()));
            } else if let Some(router) = surfaces.remove(&service) {
                let prompt = (service == Service::PushStream).then(|| pubsub::prompt(Arc::clone(&pubsub)));
                tasks.spawn(connections::serve(bound, router, prompt, stop.clone()));
            }
        }
        tasks.spawn(async move { sessions.ended().await });
        tasks.spawn(database::watch_rules(Arc::clone(&databases), settings.rules_files, stop.clone()));
        let ending = Arc::clone(&pubsub);
        tasks.spawn(async move { ending.ended().await });
        let (running, until) = (agenda.clone(), stop.clone());
        tasks.spawn(async move { running.run(until).await });
        tasks.close();
        Ok(Self {
            mode: settings.mode,
            project: settings.project,
            addresses,
            notices,
            agenda,
            stop,
            tasks,
            databases,
            auth,
            carrier,
            pubsub,
            offer,
            functions,
            _locator: locator,
        })
    }

    /// Which preset runs.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The project's id.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// All addresses of each service, the one to use first.
    pub fn addresses(&self) -> &BTreeMap<Service, Vec<SocketAddr>> {
        &self.addresses
    }

    /// What the user should know about how it started.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// The clock and what depends on it.
    pub fn agenda(&self) -> &Agenda {
        &self.agenda
    }

    /// Writes an export to `target`, in place of one that it holds.
    ///
    /// # Errors
    /// It cannot be written, or `target` holds something else. A former export is still there.
    pub async fn export(&self, target: &Path) -> Result<(), TransferError> {
        self.carrier.export(target, None).await
    }

    /// Returns once another server has taken the sockets over; it waits for this one to stop.
    pub async fn taken_over(&self) {
        match &self.offer {
            Some(offer) => offer.accepted().await,
            None => std::future::pending().await,
        }
        self.pubsub.keep_all();
    }

    /// Ends every connection properly, then closes the data. Everything acknowledged is durable before this anyway.
    pub async fn stop(self) {
        drop(self.offer);
        self.stop.cancel();
        self.tasks.wait().await;
        if let Some(host) = self.functions
            && tokio::time::timeout(LAST_CALLS, host.finish()).await.is_err()
        {
            tracing::warn!("functions are still at work; they are ended");
        }
        // However large: whoever comes back to a channel shall find it.
        self.pubsub.close().await;
        let close = async { tokio::join!(self.databases.close(), self.auth.close()) };
        if tokio::time::timeout(LAST_COMMITS, close).await.is_err() {
            tracing::warn!("a large change is still being stored; it was not acknowledged and is left out");
        }
    }
}

/// What the hub tells tools, and what it does for them.
fn hub(ground: &Ground, functions: Option<&Arc<Host>>, carrier: &Arc<transfer::Carrier>) -> Hub {
    let switch = |host: Arc<Host>| Arc::new(move |enabled| host.set_background_triggers(enabled)) as hub::TriggerSwitch;
    Hub {
        services: ground.addresses.clone(),
        agenda: ground.agenda.clone(),
        triggers: functions.cloned().map(switch),
        exporter: exporter(carrier),
        bodies: ground.bodies.clone(),
    }
}

/// How the hub has exports written.
fn exporter(carrier: &Arc<transfer::Carrier>) -> hub::Exporter {
    let carrier = Arc::clone(carrier);
    Arc::new(move |target, only| {
        let carrier = Arc::clone(&carrier);
        Box::pin(async move { carrier.export(&target, only.as_deref()).await.map_err(|error| error.to_string()) })
    })
}
