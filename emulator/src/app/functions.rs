//! The host of functions, with what it needs of the other services. A part of the composition root.

use super::StartError;
use super::ground::Ground;
use crate::auth::AuthService;
use crate::config::service::Service;
use crate::config::settings::FunctionsSettings;
use crate::database::Databases;
use crate::functions::publisher::{HttpPublisher, LogPublisher};
use crate::functions::{Host, platform, scheduler, secret};
use crate::pubsub::PubsubService;
use hearth_functions::ports::Publisher;
use std::sync::Arc;

/// Starts the host, if it is to run.
pub(super) fn open(
    ground: &mut Ground,
    databases: &Databases,
    auth: &Arc<AuthService>,
    pubsub: &Arc<PubsubService>,
) -> Result<Option<Arc<Host>>, StartError> {
    if !ground.runs(Service::Functions) {
        return Ok(None);
    }
    let mut settings = ground.settings.functions.clone();
    if settings.jwt_secret.is_none() {
        let (entropy, seeded) = (ground.entropy.stream("jwt.secret"), ground.settings.seed.is_some());
        settings.jwt_secret = Some(secret::generate(&ground.storage, &entropy, seeded).map_err(StartError::Secret)?);
        ground.notices.push("functions: jwt.secret is not configured; using a generated one".to_owned());
    }
    let own_pubsub = ground.runs(Service::PushStream).then(|| Arc::clone(pubsub));
    let (publisher, notice) = choose_publisher(&settings, own_pubsub)?;
    ground.notices.push(notice);
    let (clock, entropy) = (ground.clock.clone(), ground.entropy.stream("functions"));
    let platform = platform::platform(clock, entropy, databases.default_database(), Arc::clone(auth), publisher);
    let registry = hearth_functions::registry(functions_config(settings));
    let host = Host::new(registry, platform, &ground.settings.functions, &ground.settings.project);
    scheduler::start(&host, &ground.agenda)?;
    Ok(Some(host))
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
