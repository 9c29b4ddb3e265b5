//! The push stream, as the settings have it. A part of the composition root.

use super::StartError;
use super::ground::Ground;
use crate::config::service::Service;
use crate::config::settings::PushStreamSettings;
use crate::pubsub::{Deployment, PubsubService, PubsubSettings};
use crate::server::credentials::Credentials;
use std::sync::Arc;

/// Opens the push stream.
pub(super) fn open(
    ground: &Ground,
    settings: PubsubSettings,
    credentials: &Credentials,
) -> Result<Arc<PubsubService>, StartError> {
    let mut epoch = [0; 4];
    ground.entropy.stream("pushStream").fill(&mut epoch);
    let epoch = u64::from(u32::from_le_bytes(epoch));
    // Another server may take over at any time.
    let keeps = ground.offer.is_some() || settings.keep_channels || !settings.channels.durable_channels.is_empty();
    let (credentials, stop) = (credentials.clone(), ground.stop.clone());
    Ok(if keeps && ground.runs(Service::PushStream) {
        PubsubService::open(settings, credentials, epoch, &ground.agenda, stop, &ground.storage)?
    } else {
        PubsubService::new(settings, credentials, epoch, &ground.agenda, stop)
    })
}

/// What firebase.json declares, or else Pogify's profile.
pub(super) fn settings(settings: &PushStreamSettings) -> Result<PubsubSettings, StartError> {
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
