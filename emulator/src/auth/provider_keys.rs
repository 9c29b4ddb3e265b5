//! Fetches the public keys of identity providers, with what they say of themselves, and keeps them while they are good.
//! Must not know: what they verify.
//!
//! An issuer is asked by one task at a time; who wants its keys meanwhile waits for that answer. The task goes on when
//! the client that wanted them first goes away.

use super::provider_client::{NoAnswer, ProviderClient};
use crate::clock::{Clock, Millis};
use bytes::Bytes;
use hearth_auth::errand::KeysWanted;
use hearth_auth::oidc::{Endpoints, Issuer, KnownKeys, ProviderKeys, Step, UnusableKeys, max_age};
use http::header::{ACCEPT, AGE, CACHE_CONTROL};
use http::{HeaderMap, HeaderName, Request, StatusCode};
use http_body_util::Full;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex as TaskMutex;

/// An issuer has so long to describe itself and to show its keys, both together.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many issuers are remembered; with one more all are forgotten and asked anew. Only admins name issuers.
const MOST_ISSUERS: usize = 1024;

/// The keys of identity providers.
#[derive(Debug)]
pub(super) struct ProviderKeyring {
    client: ProviderClient,
    clock: Clock,
    issuers: Mutex<HashMap<Issuer, Arc<TaskMutex<KnownKeys>>>>,
}

/// Why keys cannot be had.
#[derive(Debug, thiserror::Error)]
enum Unavailable {
    #[error("{0} cannot be a URL")]
    Url(String),
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    #[error("{0} answered {1}")]
    Status(String, StatusCode),
    #[error("{0} does not name the issuer and a place of its keys that may be asked")]
    Description(String),
    #[error("{0}: {1}")]
    Keys(String, UnusableKeys),
    #[error("no answer within {} seconds", PATIENCE.as_secs())]
    TimedOut,
}

impl ProviderKeyring {
    /// One that knows no keys yet.
    pub(super) fn new(client: ProviderClient, clock: Clock) -> Self {
        Self { client, clock, issuers: Mutex::default() }
    }

    /// The keys of an issuer, fetched if they have to be. Nothing if they cannot be had; why is in the log.
    pub(super) async fn get(&self, wanted: &KeysWanted) -> Option<Arc<ProviderKeys>> {
        let known = self.known(&wanted.issuer);
        let (client, clock, wanted) = (self.client.clone(), self.clock.clone(), wanted.clone());
        let ask = async move {
            let mut known = known.lock().await;
            let step = known.step(wanted.key_id.as_deref(), clock.now());
            if step == Step::Fetch {
                renew(&mut known, &client, &wanted.issuer, &clock).await;
                return usable(known.step(wanted.key_id.as_deref(), clock.now()));
            }
            usable(step)
        };
        tokio::spawn(ask).await.ok().flatten()
    }

    fn known(&self, issuer: &Issuer) -> Arc<TaskMutex<KnownKeys>> {
        let mut issuers = self.issuers.lock().unwrap_or_else(PoisonError::into_inner);
        if issuers.len() >= MOST_ISSUERS && !issuers.contains_key(issuer) {
            issuers.clear();
        }
        Arc::clone(issuers.entry(issuer.clone()).or_default())
    }
}

fn usable(step: Step) -> Option<Arc<ProviderKeys>> {
    match step {
        Step::Use(keys) => Some(keys),
        Step::Fetch | Step::GoWithout => None,
    }
}

async fn renew(known: &mut KnownKeys, client: &ProviderClient, issuer: &Issuer, clock: &Clock) {
    let fetched = tokio::time::timeout(PATIENCE, fetch(client, issuer)).await;
    let now: Millis = clock.now();
    match fetched.unwrap_or(Err(Unavailable::TimedOut)) {
        Ok((keys, max_age)) => known.fetched(keys, max_age, now),
        Err(error) => {
            tracing::warn!(issuer = issuer.as_str(), %error, "an identity provider's keys cannot be had");
            known.failed(now);
        }
    }
}

async fn fetch(client: &ProviderClient, issuer: &Issuer) -> Result<(ProviderKeys, Option<u64>), Unavailable> {
    let description_url = issuer.discovery_url();
    let (_, description) = get(client, &description_url).await?;
    let url = issuer.keys_url(&description).ok_or(Unavailable::Description(description_url))?;
    let (headers, keys) = get(client, &url).await?;
    let keys = ProviderKeys::parse(&keys).map_err(|error| Unavailable::Keys(url, error))?;
    let keys = keys.with(Endpoints::read(issuer, &description));
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    Ok((keys, text(CACHE_CONTROL).and_then(|control| max_age(control, text(AGE)))))
}

async fn get(client: &ProviderClient, url: &str) -> Result<(HeaderMap, Bytes), Unavailable> {
    let request = Request::get(url).header(ACCEPT, "application/json").body(Full::default());
    let request = request.map_err(|_| Unavailable::Url(url.to_owned()))?;
    match client.send(request).await? {
        (StatusCode::OK, headers, body) => Ok((headers, body)),
        (status, ..) => Err(Unavailable::Status(url.to_owned(), status)),
    }
}
