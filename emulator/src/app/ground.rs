//! What everything stands on: ports, data, time, chance. A part of the composition root; must not know any service.

use super::StartError;
use crate::clock::{Agenda, Clock, Entropy};
use crate::config::service::Service;
use crate::config::settings::{ClockSettings, Mode, Settings};
use crate::server::body::Bodies;
use crate::server::handover::{Inherited, Offer};
use crate::server::ports::{Bound, bind, inherit};
use crate::storage::Storage;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The server that this one takes over from has this long to end.
const LAST_OF_ANOTHER: Duration = Duration::from_secs(60);

/// What everything is built from.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) settings: Settings,
    /// All addresses of each service, the one to use first.
    pub(super) addresses: BTreeMap<Service, Vec<SocketAddr>>,
    pub(super) storage: Storage,
    pub(super) clock: Clock,
    pub(super) entropy: Entropy,
    pub(super) agenda: Agenda,
    pub(super) bodies: Bodies,
    /// What runs until `stop`.
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    /// Has another server take over from this one.
    pub(super) offer: Option<Offer>,
    /// What the user should know about how it started.
    pub(super) notices: Vec<String>,
}

impl Ground {
    /// Takes every port and opens the data.
    pub(super) async fn lay(settings: Settings) -> Result<(Self, BTreeMap<Service, Bound>), StartError> {
        let mut inherited = Inherited::from_system().map_err(StartError::TakeOver)?;
        if let Some(folder) = settings.data.as_deref().filter(|_| settings.take_over) {
            inherited.take_over(folder).map_err(StartError::TakeOver)?;
        }
        let bound = take_ports(&settings, &mut inherited).await?;
        let addresses = bound.iter().map(|(service, bound)| (*service, bound.addresses())).collect();
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
        let mut notices = Vec::new();
        let offer = match storage.path().filter(|_| settings.mode == Mode::SelfHost) {
            Some(folder) => offer(folder, &bound)
                .inspect_err(|error| notices.push(format!("no other server can take over from this one: {error}")))
                .ok(),
            None => None,
        };
        let ground = Self {
            settings,
            addresses,
            storage,
            agenda: Agenda::new(clock.clone()),
            clock,
            entropy,
            bodies: Bodies::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            offer,
            notices,
        };
        Ok((ground, bound))
    }

    /// Whether a service is to run.
    pub(super) fn runs(&self, service: Service) -> bool {
        self.settings.services.contains_key(&service)
    }

    /// The address of a service to tell others, if it runs.
    pub(super) fn address(&self, service: Service) -> Option<&SocketAddr> {
        self.addresses.get(&service).and_then(|all| all.first())
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
