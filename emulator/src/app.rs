//! The composition root: the only file that names every concrete type.
//!
//! It takes the ports, opens the data, builds each service with what it needs of the others, and serves them until
//! told to stop. Must not know: the command line, or what any service answers.

mod hosted;
mod transfer;

pub use transfer::export_users;

use crate::auth::{self, AuthService, KeyRotation};
use crate::clock::{Agenda, Clock, Entropy};
use crate::config::service::Service;
use crate::config::settings::{ClockSettings, Endpoint, FunctionsSettings, Mode, PushStreamSettings, Settings};
use crate::database::{self, Databases, Sessions, Streams};
use crate::functions::publisher::{HttpPublisher, LogPublisher, PublisherError};
use crate::functions::schedule::ScheduleError;
use crate::functions::{self, Host, platform, scheduler, secret};
use crate::hub::{self, Hub, Locator};
use crate::pubsub::{self, Deployment, PubsubService, PubsubSettings};
use crate::server::body::Bodies;
use crate::server::connections;
use crate::server::credentials::{Credentials, IdTokens};
use crate::server::handover::{Inherited, Offer};
use crate::server::ports::{Bound, bind, inherit};
use crate::server::revocation::Revocations;
use crate::storage::{Storage, StorageError};
use crate::transfer::TransferError;
use axum::Router;
use hearth_functions::ports::Publisher;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The file of the first service-account key, in the project's folder of data.
const SERVICE_ACCOUNT_FILE: &str = "service-account.json";
/// What a service-account key names if Auth has no port: the place Admin SDKs know.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// Functions whose clients have gone have this long to end.
const LAST_CALLS: Duration = Duration::from_millis(100);
/// The server that this one takes over from has this long to end.
const LAST_OF_ANOTHER: Duration = Duration::from_secs(60);
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
        let push_stream = push_stream_settings(&settings.push_stream)?;
        let mut inherited = Inherited::from_system().map_err(StartError::TakeOver)?;
        if let Some(folder) = settings.data.as_deref().filter(|_| settings.take_over) {
            inherited.take_over(folder).map_err(StartError::TakeOver)?;
        }
        let bound = take_ports(&settings, &mut inherited).await?;
        let addresses: BTreeMap<Service, Vec<SocketAddr>> =
            bound.iter().map(|(service, bound)| (*service, bound.addresses())).collect();
        let storage = match &settings.data {
            Some(path) if inherited.is_taken_over() => {
                Storage::directory_when_free(path, settings.durability, LAST_OF_ANOTHER).await?
            }
            Some(path) => Storage::directory(path, settings.durability)?,
            None => Storage::memory(),
        };
        let entropy = match settings.seed {
            Some(seed) => Entropy::seeded(seed),
            None => Entropy::from_system().map_err(|_| StartError::Entropy)?,
        };
        let clock = match settings.clock {
            ClockSettings::System => Clock::system(),
            ClockSettings::Manual { start } => Clock::manual(start),
        };
        let agenda = Agenda::new(clock.clone());
        let stop = CancellationToken::new();
        let bodies = Bodies::default();
        let mut notices = Vec::new();
        let offer = match storage.path().filter(|_| settings.mode == Mode::SelfHost) {
            Some(folder) => offer(folder, &bound)
                .inspect_err(|error| notices.push(format!("no other server can take over from this one: {error}")))
                .ok(),
            None => None,
        };

        let mut auth_settings = settings.auth.clone();
        if auth_settings.public_url.is_none() {
            let own = addresses.get(&Service::Auth).and_then(|all| all.first());
            auth_settings.public_url = own.map(|address| format!("http://{address}"));
        }
        let auth =
            AuthService::open(&storage, &settings.project, auth_settings, clock.clone(), entropy.stream("auth"))?;
        if settings.mode == Mode::SelfHost {
            notices.extend(missing_delivery(&auth));
        }
        if settings.mode == Mode::SelfHost
            && let Some(path) = first_key_file(&auth, &storage).await?
        {
            let port = addresses.get(&Service::Auth).and_then(|all| all.first());
            let token_uri = port.map_or_else(|| TOKEN_URI.to_owned(), |address| format!("http://{address}/token"));
            auth.issue_service_account_key(&token_uri, &path).await?;
            notices.push(format!("auth: wrote the admin's service-account key to {}; keep it secret", path.display()));
        }
        agenda.add(KeyRotation::new(Arc::clone(&auth)));
        let databases = Databases::open(
            storage.clone(),
            &settings.project,
            settings.database.clone(),
            clock.clone(),
            entropy.stream("database"),
        )?;
        let carrier = Arc::new(transfer::Carrier {
            auth: settings.services.contains_key(&Service::Auth).then(|| Arc::clone(&auth)),
            databases: settings.services.contains_key(&Service::Database).then(|| Arc::clone(&databases)),
            turn: tokio::sync::Mutex::default(),
        });
        if let Some(folder) = &settings.import {
            notices.extend(carrier.import(folder).await?);
        }
        let mut epoch = [0; 4];
        entropy.stream("pushStream").fill(&mut epoch);
        let epoch = u64::from(u32::from_le_bytes(epoch));
        let credentials =
            Credentials::new(Some(Arc::clone(&auth) as Arc<dyn IdTokens>), settings.mode == Mode::Emulator);
        // The official emulator's sessions go on; its tokens cannot be taken back in earnest.
        let revocations = (!settings.auth.unsigned_tokens).then(Arc::<Revocations>::default);
        let credentials = match &revocations {
            Some(revocations) => {
                auth.tell_of_revocations(Arc::clone(revocations));
                credentials.heeding(Arc::clone(revocations))
            }
            None => credentials,
        };
        // Another server may take over at any time.
        let keeps = offer.is_some() || push_stream.keep_channels || !push_stream.channels.durable_channels.is_empty();
        let runs = settings.services.contains_key(&Service::PushStream);
        let pubsub = if keeps && runs {
            PubsubService::open(push_stream, credentials.clone(), epoch, &agenda, stop.clone(), &storage)?
        } else {
            PubsubService::new(push_stream, credentials.clone(), epoch, &agenda, stop.clone())
        };

        let mut surfaces: BTreeMap<Service, Router> = BTreeMap::new();
        surfaces.insert(
            Service::Auth,
            auth::router(Arc::clone(&auth), bodies.clone(), settings.server.trusted_proxies.clone()),
        );
        // A budget of its own: the database's bodies are large, and shall not use up what the others need.
        let large = Bodies::default();
        let sessions = Sessions::new(
            Arc::clone(&databases),
            credentials.clone(),
            &agenda,
            entropy.stream("sessions"),
            stop.clone(),
        );
        let streams = Streams::new(credentials.clone(), &agenda, stop.clone());
        let database = database::Port::new(Arc::clone(&databases), Arc::clone(&sessions), streams, credentials, large);
        surfaces.insert(Service::PushStream, pubsub::router(Arc::clone(&pubsub), bodies.clone()));
        let mut functions = None;
        if settings.services.contains_key(&Service::Functions) {
            let mut functions_settings = settings.functions.clone();
            if functions_settings.jwt_secret.is_none() {
                let generated = secret::generate(&storage, &entropy.stream("jwt.secret"), settings.seed.is_some());
                functions_settings.jwt_secret = Some(generated.map_err(StartError::Secret)?);
                notices.push("functions: jwt.secret is not configured; using a generated one".to_owned());
            }
            let own_pubsub = settings.services.contains_key(&Service::PushStream).then(|| Arc::clone(&pubsub));
            let (publisher, notice) = choose_publisher(&functions_settings, own_pubsub)?;
            notices.push(notice);
            let platform = platform::platform(
                clock.clone(),
                entropy.stream("functions"),
                databases.default_database(),
                Arc::clone(&auth),
                publisher,
            );
            let registry = hearth_functions::registry(functions_config(functions_settings));
            let host = Host::new(registry, platform, &settings.functions, &settings.project);
            scheduler::start(&host, &agenda)?;
            surfaces.insert(Service::Functions, functions::router(Arc::clone(&host), bodies.clone()));
            functions = Some(host);
        }
        let tasks = TaskTracker::new();
        let triggers = functions.as_ref().filter(|host| host.hears_of_users());
        let triggers = triggers.map(|host| Arc::new(platform::UserTriggers::new(Arc::clone(host))) as _);
        auth.tell_of_users(triggers, &tasks, &stop).await?;
        let house = hosted::House {
            settings: &settings,
            databases: &databases,
            auth: &auth,
            pubsub: &pubsub,
            functions: functions.as_ref(),
            entropy: &entropy,
            agenda: &agenda,
            bodies: &bodies,
            tasks: &tasks,
            stop: &stop,
        };
        for (service, kind) in hosted::services(&settings) {
            surfaces.insert(service, house.open(service, kind).await?);
        }
        let hub = Hub {
            services: addresses.clone(),
            agenda: agenda.clone(),
            triggers: functions
                .clone()
                .map(|host| Arc::new(move |enabled| host.set_background_triggers(enabled)) as hub::TriggerSwitch),
            exporter: exporter(&carrier),
            bodies,
        };
        let mut locator = None;
        if settings.services.contains_key(&Service::Hub) {
            locator = Locator::write(&settings.project, &hub.locator())
                .inspect_err(|error| tracing::warn!(%error, "other tools will not find this suite"))
                .ok();
            surfaces.insert(Service::Hub, hub::router(hub));
        }

        for (service, bound) in bound {
            if service == Service::Database {
                match database.prompt() {
                    Some(prompt) => {
                        tasks.spawn(connections::serve_promptly(bound, database.clone(), prompt, stop.clone()))
                    }
                    None => tasks.spawn(connections::serve(bound, database.clone(), stop.clone())),
                };
            } else if let Some(router) = surfaces.remove(&service) {
                if service == Service::PushStream {
                    let prompt = pubsub::prompt(Arc::clone(&pubsub));
                    tasks.spawn(connections::serve_promptly(bound, router, prompt, stop.clone()));
                } else {
                    tasks.spawn(connections::serve(bound, router, stop.clone()));
                }
            }
        }
        tasks.spawn(async move { sessions.ended().await });
        if let Some(revocations) = revocations {
            tasks.spawn(revocations.run(stop.clone()));
        }
        tasks.spawn(database::watch_rules(Arc::clone(&databases), settings.rules_files, stop.clone()));
        let ending = Arc::clone(&pubsub);
        tasks.spawn(async move { ending.ended().await });
        let running = agenda.clone();
        let until = stop.clone();
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

/// How the hub has exports written.
fn exporter(carrier: &Arc<transfer::Carrier>) -> hub::Exporter {
    let carrier = Arc::clone(carrier);
    Arc::new(move |target, only| {
        let carrier = Arc::clone(&carrier);
        Box::pin(async move { carrier.export(&target, only.as_deref()).await.map_err(|error| error.to_string()) })
    })
}

/// Opens the accounts of a server that is not running, for a command.
///
/// # Errors
/// They cannot be opened, or the server is running.
pub fn open_auth(settings: &Settings) -> Result<Arc<AuthService>, StartError> {
    let storage = match &settings.data {
        Some(path) => Storage::directory(path, settings.durability)?,
        None => Storage::memory(),
    };
    let entropy = Entropy::from_system().map_err(|_| StartError::Entropy)?;
    Ok(AuthService::open(&storage, &settings.project, settings.auth.clone(), Clock::system(), entropy.stream("auth"))?)
}

/// Where the first service-account key goes, if there is none yet.
async fn first_key_file(auth: &AuthService, storage: &Storage) -> Result<Option<PathBuf>, StartError> {
    let keys = auth.service_account_keys().await.map_err(auth::IssueError::from)?;
    Ok(storage.path().filter(|_| keys.is_empty()).map(|folder| folder.join(SERVICE_ACCOUNT_FILE)))
}

/// What users cannot be sent, and what that means.
fn missing_delivery(auth: &AuthService) -> Vec<String> {
    let delivers = auth.delivers();
    let emails = "auth: nobody carries emails (auth.email in firebase.json): requests to send one are refused; admins can \
                  still ask for links";
    let texts = "auth: nobody carries text messages (auth.sms in firebase.json): requests to send one are refused";
    [(delivers.emails, emails), (delivers.texts, texts)]
        .into_iter()
        .filter(|(is_carried, _)| !is_carried)
        .map(|(_, notice)| notice.to_owned())
        .collect()
}

/// What firebase.json declares, or else Pogify's profile.
fn push_stream_settings(settings: &PushStreamSettings) -> Result<PubsubSettings, StartError> {
    match &settings.declared {
        None => Ok(PubsubSettings { keep_channels: settings.locked, ..PubsubSettings::pogify(&settings.secret) }),
        Some(declared) => {
            let deployment = Deployment {
                secret: settings.secret.clone(),
                ticket_secret: settings.ticket_secret.clone(),
                folder: settings.folder.clone(),
                locked: settings.locked,
            };
            PubsubSettings::declared(declared, &deployment)
                .map_err(|mistakes| StartError::PushStream(mistakes.join("\n  ")))
        }
    }
}

/// Offers the sockets to the next server.
fn offer(folder: &Path, bound: &BTreeMap<Service, Bound>) -> io::Result<Offer> {
    let mut sockets = Vec::new();
    for (service, bound) in bound {
        sockets.extend(bound.copies()?.into_iter().map(|socket| (service.key().to_owned(), socket)));
    }
    Offer::new(folder, sockets)
}

async fn take_ports(settings: &Settings, inherited: &mut Inherited) -> Result<BTreeMap<Service, Bound>, StartError> {
    let mut bound = BTreeMap::new();
    for (service, endpoint) in &settings.services {
        let sockets = inherited.take(service.key(), endpoint.port);
        let taken = if sockets.is_empty() { bind(&endpoint.host, endpoint.port).await } else { inherit(sockets) };
        let taken =
            taken.map_err(|source| StartError::Port { service: *service, endpoint: endpoint.clone(), source })?;
        bound.insert(*service, taken);
    }
    Ok(bound)
}

/// Where updates go, and how to say so: the log if asked for, another server if configured, our own push stream if it
/// runs, else the log.
fn choose_publisher(
    settings: &FunctionsSettings,
    own: Option<Arc<PubsubService>>,
) -> Result<(Arc<dyn Publisher>, String), StartError> {
    Ok(match (&settings.pubsub_url, own) {
        _ if settings.log_pubsub => {
            (Arc::new(LogPublisher), "functions: updates are logged, not sent (toggles.log_pubsub)".to_owned())
        }
        (Some(url), _) => {
            (Arc::new(HttpPublisher::new(url, &settings.pubsub_secret)?), format!("functions: updates go to {url}"))
        }
        (None, Some(own)) => {
            (Arc::new(platform::OwnPushStream::new(own)), "functions: updates go to our own push stream".to_owned())
        }
        (None, None) => (
            Arc::new(LogPublisher),
            "functions: updates are logged, not sent: there is no push stream and no pubsub.url".to_owned(),
        ),
    })
}

/// What the functions are told of the settings.
fn functions_config(settings: FunctionsSettings) -> hearth_functions::config::Config {
    hearth_functions::config::Config {
        jwt_secret: settings.jwt_secret.unwrap_or_default(),
        skip_auth: settings.skip_auth,
        skip_rate_limit: settings.skip_rate_limit,
        anonymous_days: settings.anonymous_days,
        purge_sessions: settings.purge_sessions,
        purge_accounts: settings.purge_accounts,
        ..hearth_functions::config::Config::default()
    }
}
