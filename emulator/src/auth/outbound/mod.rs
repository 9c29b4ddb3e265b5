//! How emails and text messages leave. An emulator tells its developer instead; a server has carriers, or none.
//!
//! Nothing here holds up a request: what is to be sent waits in a queue of its own. Must not know: operations, accounts.

mod log;
mod parcel;
mod queue;
mod smtp;
mod webhook;

use self::parcel::Parcel;
use self::queue::{Patience, Queue};
use self::smtp::Smtp;
pub(super) use self::webhook::Webhook;
use crate::clock::{Clock, Millis};
use crate::config::delivery::{DeliverySettings, EmailCarrier};
use hearth_auth::mail::Templates;
use hearth_auth::operations::{Delivers, Message};
use std::sync::Arc;

/// Where emails and text messages go.
#[derive(Debug)]
pub(super) enum Outbound {
    /// They are written to the log.
    Log,
    /// They are carried, as far as somebody does.
    Carried(Box<Carried>),
}

/// Who carries what.
#[derive(Debug)]
pub(super) struct Carried {
    project: String,
    emails: Option<Arc<Carrier>>,
    texts: Option<Arc<Carrier>>,
    templates: Templates,
    queue: Queue,
}

/// Somebody who carries something.
#[derive(Debug)]
enum Carrier {
    Smtp(Box<Smtp>),
    Webhook(Box<Webhook>),
}

/// A carrier that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    /// An address of ours is none.
    #[error("auth.email: {0:?} is no email address")]
    Address(String),
    /// The certificates cannot be read.
    #[error("auth.email.smtp.caFile {file}: {problem}")]
    Certificates {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The connection cannot be protected.
    #[error("auth.email.smtp: {0}")]
    Tls(String),
    /// The secret is no key.
    #[error("webhook.secret begins with whsec_ and goes on with something that is not base64")]
    Secret,
    /// It is no URL.
    #[error("{0:?} is not a URL of a webhook")]
    Url(String),
}

/// Why an attempt to deliver something failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// For the log: neither codes nor passwords are in it.
    pub(super) reason: String,
    /// Whether the next attempt may fare better.
    pub(super) again: bool,
}

impl Outbound {
    /// The carriers that a server is configured with.
    ///
    /// # Errors
    /// One of them cannot be used.
    pub(super) fn carried(settings: &DeliverySettings, project: &str, clock: Clock) -> Result<Self, CarrierError> {
        let emails = match &settings.emails {
            None => None,
            Some(EmailCarrier::Smtp(smtp)) => Some(Carrier::Smtp(Box::new(Smtp::new(smtp)?))),
            Some(EmailCarrier::Webhook(webhook)) => Some(Carrier::Webhook(Box::new(Webhook::new(webhook)?))),
        };
        let texts = settings.texts.as_ref().map(Webhook::new).transpose()?;
        Ok(Self::Carried(Box::new(Carried {
            project: project.to_owned(),
            emails: emails.map(Arc::new),
            texts: texts.map(|webhook| Arc::new(Carrier::Webhook(Box::new(webhook)))),
            templates: settings.templates.clone(),
            queue: Queue::new(clock),
        })))
    }

    /// What can be sent.
    pub(super) fn delivers(&self) -> Delivers {
        match self {
            Self::Log => Delivers { emails: true, texts: true },
            Self::Carried(carried) => Delivers { emails: carried.emails.is_some(), texts: carried.texts.is_some() },
        }
    }

    /// Whether there is room for another one.
    pub(super) fn has_room(&self) -> bool {
        match self {
            Self::Log => true,
            Self::Carried(carried) => carried.queue.has_room(),
        }
    }

    /// Sends it, some time soon. `id` is told to receivers, so that they can tell a repetition.
    pub(super) fn send(&self, message: &Message, id: String, now: Millis) {
        let carried = match self {
            Self::Log => return log::tell(message),
            Self::Carried(carried) => carried,
        };
        let (carrier, patience) = match message {
            Message::Email(_) => (&carried.emails, Patience::EMAIL),
            Message::Text { .. } => (&carried.texts, Patience::TEXT),
        };
        let Some(carrier) = carrier else {
            // Operations that need it have been refused.
            return tracing::warn!("a message to a user has no carrier and is dropped");
        };
        let parcel = Parcel::new(message, &carried.templates, &carried.project, id, now);
        if !carried.queue.add(Arc::clone(carrier), parcel, patience) {
            tracing::error!("too many messages to users are waiting; one is dropped");
        }
    }

    /// Gives up what cannot be sent at once.
    pub(super) async fn close(&self) {
        match self {
            Self::Log => {}
            Self::Carried(carried) => carried.queue.close().await,
        }
    }
}

impl Carrier {
    async fn carry(&self, parcel: &Parcel, now: Millis) -> Result<(), Failure> {
        match self {
            Self::Smtp(smtp) => smtp.carry(parcel).await,
            Self::Webhook(webhook) => webhook.post(&parcel.id, &parcel.told, now).await,
        }
    }
}

impl Failure {
    fn again(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), again: true }
    }

    fn last(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), again: false }
    }
}
