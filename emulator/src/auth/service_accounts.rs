//! Service-account keys: who has one is an admin. The private half leaves in a file of Google's form, which Admin SDKs
//! read, and is not kept. Must not know: where files are.

use super::key_file;
use super::rsa::{self, Pair};
use super::service::{Asked, AuthService, ServiceError};
use crate::clock::Millis;
use crate::server::credentials::TokenRefused;
use hearth_auth::Error;
use hearth_auth::operations::access_token::admin_until;
use hearth_auth::store::{Scope, ServiceAccountKey};
use hearth_auth::token::armour;
use serde_json::json;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// It cannot be made or kept.
    #[error("no service-account key can be issued: {0}")]
    Service(#[from] ServiceError),
    /// Its file cannot be written.
    #[error("{path}: {cause}", path = .0.display(), cause = .1)]
    File(PathBuf, io::Error),
}

impl AuthService {
    /// Issues a key and writes its file. `token_uri` is where the holder gets access tokens.
    ///
    /// # Errors
    /// No key can be made or kept, or the file cannot be written.
    pub async fn issue_service_account_key(&self, token_uri: &str, path: &Path) -> Result<(), IssueError> {
        let made = tokio::task::spawn_blocking(|| {
            let pkcs8 = rsa::generate()?;
            let pair = Pair::read(rsa::pkcs1(&pkcs8)?)?;
            Some((pair.id(), pair.public().to_vec(), armour("PRIVATE KEY", &pkcs8)))
        });
        let made = made.await.map_err(|_| ServiceError::Stopped)?;
        let (id, public, private) =
            made.ok_or_else(|| ServiceError::from(Error::Signing("no key can be made".to_owned())))?;
        let project = self.project().to_owned();
        let email = format!("firebase-adminsdk@{project}.iam.gserviceaccount.com");
        let file = json!({
            "type": "service_account",
            "project_id": project,
            "private_key_id": id,
            "private_key": private,
            "client_email": email,
            // Google's have 21 digits; nobody here looks at them.
            "client_id": "100000000000000000000",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": token_uri,
            "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
            "client_x509_cert_url": format!("https://www.googleapis.com/robot/v1/metadata/x509/{email}"),
            "universe_domain": "googleapis.com",
        });
        key_file::write(path, &format!("{file:#}\n")).map_err(|cause| IssueError::File(path.to_path_buf(), cause))?;
        let key = ServiceAccountKey { id, email, created_at: 0, public };
        self.write(Asked::itself(Scope::project(&project)), move |store, call| {
            Ok(store.keep_service_account_key(&ServiceAccountKey { created_at: call.now, ..key.clone() })?)
        })
        .await?;
        Ok(())
    }

    /// The ids of the issued keys and when they were issued, the oldest first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn service_account_keys(&self) -> Result<Vec<(String, Millis)>, ServiceError> {
        let keys = self
            .read(Asked::itself(Scope::project(self.project())), |store, _| Ok(store.service_account_keys()?))
            .await?;
        Ok(keys.into_iter().map(|key| (key.id, key.created_at)).collect())
    }

    /// Takes a key back, and every access token that was given for it; answers whether there was one.
    ///
    /// # Errors
    /// The store failed.
    pub async fn revoke_service_account_key(&self, id: String) -> Result<bool, ServiceError> {
        let scope = Scope::project(self.project());
        self.write(Asked::itself(scope), move |store, _| Ok(store.forget_service_account_key(&id)?)).await
    }

    /// Until when the holder of this access token is an admin.
    pub(super) fn admin_until(&self, token: &str) -> Result<Millis, TokenRefused> {
        let until = self.look(|store, now| Ok(admin_until(store, token, now)?)).map_err(|error| {
            tracing::error!(%error, "access tokens cannot be read");
            TokenRefused::Unavailable
        })?;
        until.ok_or(TokenRefused::Signature)
    }
}
