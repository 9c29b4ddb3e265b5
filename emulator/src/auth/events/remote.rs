//! Those who are told over HTTP: the functions emulator of a Firebase suite, and webhooks. Must not know: what is told.

use super::{Named, NotTold, Receiver};
use crate::auth::outbound::{CarrierError, Failure, Webhook};
use crate::clock::Clock;
use crate::config::auth_triggers::TriggerSettings;
use futures_util::future::BoxFuture;
use hearth_auth::event::UserEvent;
use std::sync::Arc;
use std::time::Duration;

/// One attempt has this long.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// The receivers that a server is configured with. Their names say their places in the configuration.
///
/// # Errors
/// One of them cannot be used.
pub(in crate::auth) fn remote(
    settings: &TriggerSettings,
    project: &str,
    clock: &Clock,
) -> Result<Vec<Named>, CarrierError> {
    let of = |webhook| Arc::new(Remote { webhook, clock: clock.clone() });
    let functions = settings.functions.iter().enumerate().map(|(place, base)| {
        let url = format!("{base}/functions/projects/{project}/trigger_multicast");
        Ok(Named::new(format!("functions {place}"), of(Webhook::unsigned(&url)?)))
    });
    let webhooks = settings.webhooks.iter().enumerate();
    let webhooks =
        webhooks.map(|(place, settings)| Ok(Named::new(format!("webhook {place}"), of(Webhook::new(settings)?))));
    functions.chain(webhooks).collect()
}

/// A place that takes events by POST.
struct Remote {
    webhook: Webhook,
    clock: Clock,
}

impl Receiver for Remote {
    fn tell<'a>(&'a self, event: &'a UserEvent) -> BoxFuture<'a, Result<(), NotTold>> {
        Box::pin(async {
            let posted = self.webhook.post(&event.id, &event.body, self.clock.now());
            match tokio::time::timeout(TIME_LIMIT, posted).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(Failure { reason, again })) => Err(NotTold { reason, again }),
                Err(_) => Err(NotTold { reason: format!("no answer within {} s", TIME_LIMIT.as_secs()), again: true }),
            }
        })
    }
}
