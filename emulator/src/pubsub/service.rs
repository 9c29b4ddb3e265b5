//! The channels of this process, their lock and their clock. Must not know: HTTP.
//!
//! One lock guards all channels. What is done under it never waits: a publish queues the same frame with every
//! subscriber and wakes it, and each connection writes on its own.

use super::location::Location;
use super::settings::{PubsubSettings, Role, SubscriberSettings};
use super::subscriber::{Line, Outbox, Subscription, Wait};
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
use hearth_pubsub::subscriber::{Answer, Backlog, FramingId, Subscribe, SubscriberId, Terms};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The push stream.
pub struct PubsubService {
    channels: Mutex<Channels<Line>>,
    settings: PubsubSettings,
    /// By location: its framing without padding, then that of each of its padding rules. None where nobody subscribes.
    framings: Vec<Vec<FramingId>>,
    agenda: Agenda,
    stop: CancellationToken,
    /// Connections that have left HTTP: streams, and WebSockets.
    streams: TaskTracker,
}

/// Where a subscriber comes to, and what it asks for.
pub(super) struct Request<'r> {
    /// The location's number.
    pub(super) location: usize,
    /// Which of its padding rules holds.
    pub(super) padding: Option<usize>,
    pub(super) path: &'r ChannelPath,
    pub(super) resume: &'r Resume,
    /// The location's terms, but for the framing.
    pub(super) terms: fn(&SubscriberSettings, FramingId) -> Terms,
}

/// What becomes of a subscriber that wants one answer.
pub(super) enum Polled {
    Now(Backlog),
    Waits(Subscription<Wait>),
}

impl fmt::Debug for PubsubService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PubsubService").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl PubsubService {
    /// A push stream without channels. `epoch` tells this run from earlier and later ones. Expiry follows the clock of `agenda`; on `stop` every stream ends. Must be
    /// called within a Tokio runtime.
    pub fn new(settings: PubsubSettings, epoch: u64, agenda: &Agenda, stop: CancellationToken) -> Arc<Self> {
        let host = Host { name: settings.hostname.clone(), pid: std::process::id() };
        let mut channels = Channels::new(settings.channels.clone(), host, agenda.clock().now());
        let framings = settings.locations.iter().map(|location| match &location.role {
            Role::Subscriber(settings) => {
                let framings = settings.framings(epoch);
                framings.into_iter().map(|framing| channels.framing(framing)).collect()
            }
            Role::Publisher(_) | Role::Statistics => Vec::new(),
        });
        let framings = framings.collect();
        let (channels, agenda, streams) = (Mutex::new(channels), agenda.clone(), TaskTracker::new());
        let service = Arc::new(Self { channels, settings, framings, agenda, stop, streams });
        service.agenda.add(Arc::new(Expiry(Arc::downgrade(&service))));
        tokio::spawn(end_streams(Arc::downgrade(&service), service.stop.clone()));
        service
    }

    /// Publishes `message` to the one channel that `channel` names, as the first publishers' place does, without the
    /// secret; without such a place it is stored.
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
        let places = self.settings.locations.iter();
        let store = places.filter_map(Location::publisher).map(|publisher| publisher.store_messages).next();
        self.publish_to(&ids, &publication, store.unwrap_or(true))?.pop().ok_or(Error::NoChannelId)
    }

    /// How many subscribers were closed because they did not read fast enough.
    pub fn cut_off_count(&self) -> u64 {
        self.with(|channels, _| channels.cut_off_count())
    }

    /// Ready once every stream and WebSocket is closed, which a stop brings about.
    pub async fn ended(&self) {
        self.stop.cancelled().await;
        self.streams.close();
        self.streams.wait().await;
    }

    pub(super) fn settings(&self) -> &PubsubSettings {
        &self.settings
    }

    pub(super) fn streams(&self) -> &TaskTracker {
        &self.streams
    }

    pub(super) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Milliseconds since the epoch.
    pub(super) fn now(&self) -> Millis {
        self.agenda.clock().now()
    }

    /// Whether `ids` can be published to and deleted at all.
    pub(super) fn check_writable(&self, ids: &[ChannelId]) -> Result<(), Error> {
        self.with(|channels, _| channels.check_writable(ids))
    }

    pub(super) fn publish_to(
        &self,
        ids: &[ChannelId],
        publication: &Publication,
        store: bool,
    ) -> Result<Vec<ChannelInfo>, Error> {
        let (result, cut) = self.with(|channels, now| {
            let before = channels.cut_off_count();
            let result = channels.publish(ids, publication, store, now);
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
        request: &Request<'_>,
        hang_up: Option<HangUp>,
    ) -> Result<Subscription<Outbox>, Error> {
        let (settings, subscribe) = self.terms(request).ok_or(Error::NoChannelId)?;
        let mut outbox = None;
        let open = |backlog| Line::Stream(outbox.insert(Outbox::new(backlog, settings.unread_limit, hang_up)).clone());
        let (id, _) = self.with(|channels, now| channels.subscribe(&subscribe, open, now))?;
        let subscription = outbox.map(|outbox| Subscription::new(outbox, id, Arc::clone(self)));
        self.end_late_comers();
        subscription.ok_or(Error::NoChannelId)
    }

    /// The old messages that a request asks for.
    pub(super) fn poll(&self, request: &Request<'_>) -> Result<Backlog, Error> {
        let (_, subscribe) = self.terms(request).ok_or(Error::NoChannelId)?;
        self.with(|channels, now| channels.poll(&subscribe, now))
    }

    /// The old messages that a request asks for, or else the first new one.
    pub(super) fn wait(self: &Arc<Self>, request: &Request<'_>) -> Result<Polled, Error> {
        let (_, subscribe) = self.terms(request).ok_or(Error::NoChannelId)?;
        let wait = Wait::default();
        let line = || Line::Once(wait.clone());
        Ok(match self.with(|channels, now| channels.wait(&subscribe, line, now))? {
            Answer::Now(backlog) => Polled::Now(backlog),
            Answer::Waits(id, _) => {
                let subscription = Subscription::new(wait, id, Arc::clone(self));
                self.end_late_comers();
                Polled::Waits(subscription)
            }
        })
    }

    /// What stands before and after the messages of one answer.
    pub(super) fn around(&self, request: &Request<'_>) -> (Bytes, Bytes) {
        let framing = self.framing(request);
        self.with(|channels, _| {
            let framing = framing.and_then(|framing| channels.known(framing));
            framing.map(|framing| (framing.opening(), framing.closing())).unwrap_or_default()
        })
    }

    fn framing(&self, request: &Request<'_>) -> Option<FramingId> {
        let index = request.padding.map_or(0, |rule| rule + 1);
        self.framings.get(request.location)?.get(index).copied()
    }

    fn terms<'r>(&self, request: &Request<'r>) -> Option<(&SubscriberSettings, Subscribe<'r>)> {
        let settings = self.settings.locations.get(request.location).and_then(Location::subscriber)?;
        let terms = (request.terms)(settings, self.framing(request)?);
        Some((settings, Subscribe { path: request.path, resume: request.resume, terms }))
    }

    /// Whoever comes after a stop is ended like the others.
    fn end_late_comers(&self) {
        if self.stop.is_cancelled() {
            self.end_all();
        }
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
    fn with<R>(&self, act: impl FnOnce(&mut Channels<Line>, Millis) -> R) -> R {
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
