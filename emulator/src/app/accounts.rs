//! Auth, and what it means for all who ask who somebody is. A part of the composition root.

use super::StartError;
use super::ground::Ground;
use crate::auth::{self, AuthService, KeyRotation};
use crate::clock::{Clock, Entropy};
use crate::config::service::Service;
use crate::config::settings::{Mode, Settings};
use crate::server::credentials::{Credentials, IdTokens};
use crate::server::revocation::Revocations;
use crate::storage::Storage;
use std::path::PathBuf;
use std::sync::Arc;

/// The file of the first service-account key, in the project's folder of data.
const SERVICE_ACCOUNT_FILE: &str = "service-account.json";
/// What a service-account key names if Auth has no port: the place Admin SDKs know.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// Opens the accounts. A self-hosted server whose admin has no key yet writes one.
pub(super) async fn open(ground: &mut Ground) -> Result<Arc<AuthService>, StartError> {
    let mut settings = ground.settings.auth.clone();
    if settings.public_url.is_none() {
        settings.public_url = ground.address(Service::Auth).map(|address| format!("http://{address}"));
    }
    let (clock, entropy) = (ground.clock.clone(), ground.entropy.stream("auth"));
    let auth = AuthService::open(&ground.storage, &ground.settings.project, settings, clock, entropy)?;
    if ground.settings.mode == Mode::SelfHost {
        ground.notices.extend(missing_delivery(&auth));
        if let Some(path) = first_key_file(&auth, &ground.storage).await? {
            let port = ground.address(Service::Auth);
            let token_uri = port.map_or_else(|| TOKEN_URI.to_owned(), |address| format!("http://{address}/token"));
            auth.issue_service_account_key(&token_uri, &path).await?;
            let notice = format!("auth: wrote the admin's service-account key to {}; keep it secret", path.display());
            ground.notices.push(notice);
        }
    }
    ground.agenda.add(KeyRotation::new(Arc::clone(&auth)));
    Ok(auth)
}

/// How tokens are told apart. Where they are signed they can be taken back, and who holds one is told.
pub(super) fn credentials(ground: &Ground, auth: &Arc<AuthService>) -> Credentials {
    let tokens = Arc::clone(auth) as Arc<dyn IdTokens>;
    let credentials = Credentials::new(Some(tokens), ground.settings.mode == Mode::Emulator);
    // The official emulator's sessions go on; its tokens cannot be taken back in earnest.
    if ground.settings.auth.unsigned_tokens {
        return credentials;
    }
    let revocations = Arc::<Revocations>::default();
    auth.tell_of_revocations(Arc::clone(&revocations));
    ground.tasks.spawn(Arc::clone(&revocations).run(ground.stop.clone()));
    credentials.heeding(revocations)
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
