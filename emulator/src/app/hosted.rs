//! The services on the platform, put together. A part of the composition root: it names what they are made of.

use super::StartError;
use crate::auth::AuthService;
use crate::clock::{Agenda, Entropy};
use crate::config::service::Service;
use crate::config::settings::{HostedSettings, Mode, Settings};
use crate::database::Databases;
use crate::functions::services::{Background, Port, Trust, WebClient};
use crate::functions::{Host, platform};
use crate::pubsub::PubsubService;
use crate::server::body::Bodies;
use axum::Router;
use hearth_functions::service::{Hosted, Kind};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The services on the platform that are to run.
pub(super) fn services(settings: &Settings) -> impl Iterator<Item = (Service, Kind)> {
    settings.services.keys().filter_map(|service| Some((*service, service.hosted()?)))
}

/// What services on the platform are built from.
pub(super) struct House<'a> {
    pub(super) settings: &'a Settings,
    pub(super) databases: &'a Arc<Databases>,
    pub(super) auth: &'a Arc<AuthService>,
    pub(super) pubsub: &'a Arc<PubsubService>,
    pub(super) functions: Option<&'a Arc<Host>>,
    pub(super) entropy: &'a Entropy,
    pub(super) agenda: &'a Agenda,
    pub(super) bodies: &'a Bodies,
    pub(super) tasks: &'a TaskTracker,
    pub(super) stop: &'a CancellationToken,
}

impl House<'_> {
    /// Builds and starts a service; its surface.
    pub(super) async fn open(&self, service: Service, kind: Kind) -> Result<Router, StartError> {
        let failed = |reason| StartError::Service { service, reason };
        let own = self.databases.own(service.key()).await.map_err(|error| failed(error.to_string()))?;
        let platform = platform::platform(
            self.agenda.clock().clone(),
            self.entropy.stream(service.key()),
            own,
            Arc::clone(self.auth),
            Arc::new(platform::OwnPushStream::new(Arc::clone(self.pubsub))),
        );
        let HostedSettings { config, secrets } = self.settings.hosted.get(&service).cloned().unwrap_or_default();
        let emulator = self.settings.mode == Mode::Emulator;
        let told = Hosted {
            config,
            secrets,
            emulator,
            platform,
            timers: Arc::new(self.agenda.clone()),
            tasks: Arc::new(Background::new(self.tasks.clone(), self.stop.clone())),
            web: Arc::new(WebClient::default()),
            functions: Arc::new(platform::HostedFunctions::new(self.functions.cloned())),
        };
        let built = hearth_functions::service::build(kind, told);
        let built = built.map_err(|mistakes| StartError::Hosted(mistakes.join("\n  ")))?;
        Arc::clone(&built).start().await.map_err(failed)?;
        let trust =
            if emulator { Trust::Everybody } else { Trust::Proxies(self.settings.server.trusted_proxies.clone()) };
        Ok(Port::new(built, self.bodies.clone(), trust, self.tasks, self.stop.clone()).router())
    }
}
