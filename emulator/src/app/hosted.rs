//! The services on the platform, put together. A part of the composition root: it names what they are made of.

use super::StartError;
use super::ground::Ground;
use crate::auth::AuthService;
use crate::config::service::Service;
use crate::config::settings::{HostedSettings, Mode, Settings};
use crate::database::Databases;
use crate::functions::services::{Background, Port, Trust, WebClient};
use crate::functions::{Host, platform};
use crate::pubsub::PubsubService;
use axum::Router;
use hearth_functions::service::{Hosted, Kind};
use std::sync::Arc;

/// The services on the platform that are to run.
pub(super) fn services(settings: &Settings) -> impl Iterator<Item = (Service, Kind)> {
    settings.services.keys().filter_map(|service| Some((*service, service.hosted()?)))
}

/// What services on the platform are built from.
pub(super) struct House<'a> {
    pub(super) ground: &'a Ground,
    pub(super) databases: &'a Arc<Databases>,
    pub(super) auth: &'a Arc<AuthService>,
    pub(super) pubsub: &'a Arc<PubsubService>,
    pub(super) functions: Option<&'a Arc<Host>>,
}

impl House<'_> {
    /// Builds and starts a service; its surface.
    pub(super) async fn open(&self, service: Service, kind: Kind) -> Result<Router, StartError> {
        let ground = self.ground;
        let failed = |reason| StartError::Service { service, reason };
        let own = self.databases.own(service.key()).await.map_err(|error| failed(error.to_string()))?;
        let platform = platform::platform(
            ground.clock.clone(),
            ground.entropy.stream(service.key()),
            own,
            Arc::clone(self.auth),
            Arc::new(platform::OwnPushStream::new(Arc::clone(self.pubsub))),
        );
        let HostedSettings { config, secrets } = ground.settings.hosted.get(&service).cloned().unwrap_or_default();
        let emulator = ground.settings.mode == Mode::Emulator;
        let told = Hosted {
            config,
            secrets,
            emulator,
            platform,
            timers: Arc::new(ground.agenda.clone()),
            tasks: Arc::new(Background::new(ground.tasks.clone(), ground.stop.clone())),
            web: Arc::new(WebClient::default()),
            functions: Arc::new(platform::HostedFunctions::new(self.functions.cloned())),
        };
        let built = hearth_functions::service::build(kind, told);
        let built = built.map_err(|mistakes| StartError::Hosted(mistakes.join("\n  ")))?;
        Arc::clone(&built).start().await.map_err(failed)?;
        let trust =
            if emulator { Trust::Everybody } else { Trust::Proxies(ground.settings.server.trusted_proxies.clone()) };
        Ok(Port::new(built, ground.bodies.clone(), trust, &ground.tasks, ground.stop.clone()).router())
    }
}
