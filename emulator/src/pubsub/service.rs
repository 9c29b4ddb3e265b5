//! The channels of this process, their lock and their clock. Must not know: HTTP.
//!
//! One lock guards all channels. What is done under it never waits: a publish queues the same frame with every
//! subscriber and wakes it, and each connection writes on its own.

use super::settings::PubsubSettings;
use super::subscriber::{EventStream, Outbox};
use crate::clock::{Agenda, Job, Millis, Work};
use crate::server::connections::HangUp;
use bytes::Bytes;
use hearth_pubsub::channel::ChannelInfo;
use hearth_pubsub::channels::Channels;
use hearth_pubsub::error::Error;
use hearth_pubsub::message::Publication;
use hearth_pubsub::path::{ChannelId, ChannelPath};
use hearth_pubsub::replay::Resume;
use hearth_pubsub::statistics::{Host, Query, Report};
use hearth_pubsub::subscriber::{FramingId, Subscribe, SubscriberId};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio_util::sync::CancellationToken;

/// The push stream.
pub struct PubsubService {
    channels: Mutex<Channels<Outbox>>,
    settings: PubsubSettings,
    framing: FramingId,
    agenda: Agenda,
    stop: CancellationToken,
}

impl fmt::Debug for PubsubService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PubsubService").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl PubsubService {
    /// A push stream without channels. Expiry follows the clock of `agenda`; on `stop` every stream ends. Must be
    /// called within a Tokio runtime.
    pub fn new(settings: PubsubSettings, agenda: &Agenda, stop: CancellationToken) -> Arc<Self> {
        let host = Host { name: settings.hostname.clone(), pid: std::process::id() };
        let mut channels = Channels::new(settings.channels.clone(), host, agenda.clock().now());
        let framing = channels.framing(settings.subscriber.framing.clone());
        let agenda = agenda.clone();
        let service = Arc::new(Self { channels: Mutex::new(channels), settings, framing, agenda, stop });
        service.agenda.add(Arc::new(Expiry(Arc::downgrade(&service))));
        tokio::spawn(end_streams(Arc::downgrade(&service), service.stop.clone()));
        service
    }

    /// Publishes `message` to the one channel that `channel` names, as `/pub` does, without the secret.
    ///
    /// # Errors
    /// See [`Error`]; what names several channels is [`Error::ChannelIdNotAuthorized`].
    pub fn publish(&self, channel: &str, message: Bytes) -> Result<ChannelInfo, Error> {
        let ids = ChannelPath::parse(channel.as_bytes()).ids();
        if ids.len() > 1 {
            return Err(Error::ChannelIdNotAuthorized);
        }
        // Copied, for it may be a slice of something large that would be kept as long as the message.
        let publication = Publication::new(Bytes::copy_from_slice(&message));
        self.publish_to(&ids, &publication)?.pop().ok_or(Error::NoChannelId)
    }

    /// How many subscribers were closed because they did not read fast enough.
    pub fn cut_off_count(&self) -> u64 {
        self.with(|channels, _| channels.cut_off_count())
    }

    pub(super) fn settings(&self) -> &PubsubSettings {
        &self.settings
    }

    /// Whether `ids` can be published to, asked for and deleted at all.
    pub(super) fn check(&self, ids: &[ChannelId]) -> Result<(), Error> {
        self.with(|channels, _| channels.check(ids))
    }

    pub(super) fn publish_to(&self, ids: &[ChannelId], publication: &Publication) -> Result<Vec<ChannelInfo>, Error> {
        let (result, cut) = self.with(|channels, now| {
            let before = channels.cut_off_count();
            let result = channels.publish(ids, publication, self.settings.publisher.store_messages, now);
            (result, channels.cut_off_count() - before)
        });
        if cut > 0 {
            tracing::warn!(subscribers = cut, "closed subscribers that do not read fast enough");
        }
        result
    }

    /// What is told of those of `ids` that exist; `None` if none does.
    pub(super) fn info(&self, ids: &[ChannelId]) -> Result<Option<Report>, Error> {
        self.with(|channels, now| channels.info(ids, now).map(|infos| channels.report(infos, now)))
    }

    pub(super) fn report(&self, infos: Vec<ChannelInfo>) -> Option<Report> {
        self.with(|channels, now| channels.report(infos, now))
    }

    /// Deletes channels and answers how many there were.
    pub(super) fn delete(&self, ids: &[ChannelId], text: Option<Bytes>) -> Result<usize, Error> {
        self.with(|channels, now| channels.delete(ids, text, now))
    }

    pub(super) fn statistics(&self, query: &Query) -> Result<Option<Report>, Error> {
        self.with(|channels, now| channels.statistics(query, now))
    }

    /// Opens a stream. It has its old messages and its place among the channels' subscribers in one step.
    pub(super) fn subscribe(
        self: &Arc<Self>,
        path: &ChannelPath,
        resume: &Resume,
        hang_up: Option<HangUp>,
    ) -> Result<EventStream, Error> {
        let settings = &self.settings.subscriber;
        let request = Subscribe {
            path,
            resume,
            framing: self.framing,
            authorized_channels_only: settings.authorized_channels_only,
        };
        let open = |backlog| Outbox::new(backlog, settings.unread_limit, hang_up);
        let (id, outbox) = self.with(|channels, now| channels.subscribe(&request, open, now))?;
        if self.stop.is_cancelled() {
            // It may have come after the others were ended.
            self.end_all();
        }
        Ok(EventStream::new(outbox, id, Arc::clone(self)))
    }

    pub(super) fn unsubscribe(&self, subscriber: SubscriberId) {
        self.with(|channels, now| channels.unsubscribe(subscriber, now));
    }

    /// Whether something is still to expire.
    #[cfg(test)]
    pub(super) fn has_deadline(&self) -> bool {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner).next_deadline().is_some()
    }

    fn end_all(&self) {
        self.with(Channels::end_all);
    }

    /// Does something to the channels, and wakes the agenda if something falls due earlier after it.
    fn with<R>(&self, act: impl FnOnce(&mut Channels<Outbox>, Millis) -> R) -> R {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let before = channels.next_deadline();
        let result = act(&mut channels, self.agenda.clock().now());
        let after = channels.next_deadline();
        drop(channels);
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            self.agenda.touch();
        }
        result
    }
}

/// Lets go of messages and channels when their time has come.
struct Expiry(Weak<PubsubService>);

impl Job for Expiry {
    fn name(&self) -> &str {
        "push stream expiry"
    }

    fn due(&self) -> Option<Millis> {
        self.0.upgrade()?.with(|channels, _| channels.next_deadline())
    }

    fn begin(&self, now: Millis) -> Work {
        if let Some(service) = self.0.upgrade() {
            service.with(|channels, _| channels.sweep(now));
        }
        Box::pin(std::future::ready(()))
    }
}

async fn end_streams(service: Weak<PubsubService>, stop: CancellationToken) {
    stop.cancelled().await;
    if let Some(service) = service.upgrade() {
        service.end_all();
    }
}
