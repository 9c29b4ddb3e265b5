//! The channels of this process, their lock and their clock. Must not know: HTTP.
//!
//! One lock guards all channels. What is done under it never waits: a publish queues the same frame with every
//! subscriber and wakes it, and each connection writes on its own.

use super::access::Pass;
use super::journal::{self, Journal};
use super::location::Location;
use super::presence::{self, Telling};
use super::reauthorization::{Reauthorization, Watches};
use super::settings::{PubsubSettings, Role, SubscriberSettings};
use super::store::{MIGRATIONS, Store};
use super::subscriber::{Line, Outbox, Subscription, Wait};
use crate::clock::{Agenda, Job, Millis, Work};
use crate::server::connections::HangUp;
use crate::server::credentials::Credentials;
use crate::storage::{Storage, StorageError};
use bytes::Bytes;
use hearth_pubsub::channel::ChannelInfo;
use hearth_pubsub::channels::Channels;
use hearth_pubsub::error::Error;
use hearth_pubsub::journal::{ChannelRecord, Kept};
use hearth_pubsub::message::Publication;
use hearth_pubsub::path::{ChannelId, ChannelPath};
use hearth_pubsub::replay::Resume;
use hearth_pubsub::statistics::{Host, Query, Report};
use hearth_pubsub::subscriber::{Answer, Backlog, FramingId, Subscribe, SubscriberId, Terms};
use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The name of the file that channels are kept in.
const STORE: &str = "push-stream";

/// The push stream.
pub struct PubsubService {
    channels: Mutex<Channels<Line>>,
    /// The counterparts of channels whose numbers of subscribers are watched. Locked before `channels`.
    presence: Mutex<Channels<Line>>,
    /// When those who watch were told last.
    told: AtomicU64,
    settings: PubsubSettings,
    /// By location: its framing without padding, then that of each of its padding rules. None where nobody subscribes.
    framings: Vec<Vec<FramingId>>,
    credentials: Credentials,
    watches: Watches,
    /// Where durable channels are stored; none where nothing is to be kept.
    journal: Option<Journal>,
    /// A proper stop keeps channels that are not durable as well.
    keeps_all: AtomicBool,
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
    /// What its token allows.
    pub(super) pass: &'r Pass,
}

/// A subscriber's place, among the listeners or among those who watch presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seat {
    watches_presence: bool,
    subscriber: SubscriberId,
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
    /// A push stream that goes on where the one before it in `storage` has ended: with durable channels, and with all of
    /// them if that was a proper end. `epoch` is that of the first one.
    ///
    /// # Errors
    /// The file cannot be opened or read.
    pub fn open(
        settings: PubsubSettings,
        credentials: Credentials,
        epoch: u64,
        agenda: &Agenda,
        stop: CancellationToken,
        storage: &Storage,
    ) -> Result<Arc<Self>, StorageError> {
        let failed = |source| StorageError::Sqlite { path: STORE.to_owned(), source };
        let mut store = Store(storage.open(STORE, MIGRATIONS)?.writer);
        let epoch = store.epoch(epoch).map_err(failed)?;
        let kept = store.load().map_err(failed)?;
        let is_volatile = |record: &&ChannelRecord| !settings.channels.is_durable(&record.id);
        let volatile: Vec<_> = kept.channels.iter().filter(is_volatile).map(|record| record.id.clone()).collect();
        let (journal, inbox) = Journal::new();
        let service = Self::build(settings, credentials, epoch, agenda, stop, Some(journal));
        let counters = service.with(|channels, now| {
            channels.restore(kept, now);
            channels.counters()
        });
        store.begin_run(&counters, &volatile).map_err(failed)?;
        let weak = Arc::downgrade(&service);
        std::thread::Builder::new()
            .name("push stream".to_owned())
            .spawn(move || journal::run(&weak, inbox, store))
            .map_err(|source| StorageError::Io { path: STORE.into(), source })?;
        Ok(service)
    }

    /// A push stream without channels, of which nothing is kept. `epoch` tells this run from earlier and later ones.
    /// Expiry follows the clock of `agenda`; on `stop` every stream ends. Must be called within a Tokio runtime.
    pub fn new(
        settings: PubsubSettings,
        credentials: Credentials,
        epoch: u64,
        agenda: &Agenda,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Self::build(settings, credentials, epoch, agenda, stop, None)
    }

    fn build(
        settings: PubsubSettings,
        credentials: Credentials,
        epoch: u64,
        agenda: &Agenda,
        stop: CancellationToken,
        journal: Option<Journal>,
    ) -> Arc<Self> {
        let host = Host { name: settings.hostname.clone(), pid: std::process::id() };
        let now = agenda.clock().now();
        let mut presence = Channels::new(presence::settings(&settings.channels), host.clone(), now);
        let mut channels = Channels::new(settings.channels.clone(), host, now);
        let framings = settings.locations.iter().map(|location| match &location.role {
            Role::Subscriber(settings) => {
                let framings = settings.framings(epoch);
                framings.into_iter().map(|framing| channels.framing(framing)).collect()
            }
            Role::Presence(settings) => {
                channels.recount();
                let framings = settings.framings(epoch);
                framings.into_iter().map(|framing| presence.framing(framing)).collect()
            }
            Role::Publisher(_) | Role::Statistics | Role::Tickets(_) => Vec::new(),
        });
        let framings = framings.collect();
        let service = Arc::new(Self {
            channels: Mutex::new(channels),
            presence: Mutex::new(presence),
            told: AtomicU64::new(0),
            keeps_all: AtomicBool::new(settings.keep_channels),
            settings,
            framings,
            credentials,
            watches: Watches::default(),
            journal,
            agenda: agenda.clone(),
            stop,
            streams: TaskTracker::new(),
        });
        service.agenda.add(Arc::new(Expiry(Arc::downgrade(&service))));
        service.agenda.add(Arc::new(Telling(Arc::downgrade(&service))));
        service.agenda.add(Arc::new(Reauthorization(Arc::downgrade(&service))));
        tokio::spawn(end_streams(Arc::downgrade(&service), service.stop.clone()));
        service
    }

    /// Publishes `message` to the one channel that `channel` names, as the first publishers' place does, without the
    /// secret; without such a place it is stored.
    ///
    /// # Errors
    /// See [`Error`]; what names several channels is [`Error::ChannelIdNotAuthorized`].
    pub async fn publish(&self, channel: &str, message: Bytes) -> Result<ChannelInfo, Error> {
        let ids = ChannelPath::parse(channel.as_bytes()).ids();
        if ids.len() > 1 {
            return Err(Error::ChannelIdNotAuthorized);
        }
        // Copied, for it may be a slice of something large that would be kept as long as the message.
        let publication = Publication::new(Bytes::copy_from_slice(&message));
        let places = self.settings.locations.iter();
        let store = places.filter_map(Location::publisher).map(|publisher| publisher.store_messages).next();
        let store = store.unwrap_or(true);
        self.publish_to(&ids, &publication, store).await?.pop().ok_or(Error::NoChannelId)
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

    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub(super) fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    pub(super) fn watches(&self) -> &Watches {
        &self.watches
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

    pub(super) async fn publish_to(
        &self,
        ids: &[ChannelId],
        publication: &Publication,
        store: bool,
    ) -> Result<Vec<ChannelInfo>, Error> {
        match (self.publish_at_once(ids, publication, store), &self.journal) {
            (Some(published), _) => published,
            (None, Some(journal)) => journal.publish(ids, publication, store).await,
            (None, None) => Err(Error::Busy),
        }
    }

    /// The same where it takes no time; `None`, and nothing is done, where messages are stored first.
    pub(super) fn publish_at_once(
        &self,
        ids: &[ChannelId],
        publication: &Publication,
        store: bool,
    ) -> Option<Result<Vec<ChannelInfo>, Error>> {
        if self.journal.is_some() && self.has_durable(ids) {
            return None;
        }
        Some(self.with_news(|channels, now| channels.publish(ids, publication, store, now)))
    }

    fn has_durable(&self, ids: &[ChannelId]) -> bool {
        ids.iter().any(|id| self.settings.channels.is_durable(id))
    }

    /// Does something to the channels that may cut subscribers off.
    pub(super) fn with_news<R>(&self, act: impl FnOnce(&mut Channels<Line>, Millis) -> R) -> R {
        let (result, cut) = self.with(|channels, now| {
            let before = channels.cut_off_count();
            let result = act(channels, now);
            (result, channels.cut_off_count() - before)
        });
        if cut > 0 {
            tracing::warn!(subscribers = cut, "closed subscribers that do not read fast enough");
        }
        result
    }

    /// Stores what the next run goes on with. Nothing durable is taken after this.
    pub async fn close(&self) {
        if let Some(journal) = &self.journal {
            journal.close().await;
        }
    }

    /// A proper stop shall keep all channels, whatever the settings say: somebody goes on with them at once.
    pub fn keep_all(&self) {
        self.keeps_all.store(true, Ordering::Relaxed);
    }

    /// What the next run is to have.
    pub(super) fn kept(&self) -> Kept {
        let kept = self.with(|channels, _| channels.keep());
        if self.keeps_all.load(Ordering::Relaxed) {
            return kept;
        }
        let durable = |id: &ChannelId| self.settings.channels.is_durable(id);
        Kept {
            channels: kept.channels.into_iter().filter(|record| durable(&record.id)).collect(),
            messages: kept.messages.into_iter().filter(|record| durable(&record.channel)).collect(),
            is_whole: false,
            ..kept
        }
    }

    /// What is told of those of `ids` that exist; `None` if none does.
    pub(super) fn info(&self, ids: &[ChannelId]) -> Result<Option<Report>, Error> {
        self.with(|channels, now| channels.info(ids, now).map(|infos| channels.report(infos, now)))
    }

    pub(super) fn report(&self, infos: Vec<ChannelInfo>) -> Option<Report> {
        self.with(|channels, now| channels.report(infos, now))
    }

    /// Deletes channels and answers how many there were.
    pub(super) async fn delete(&self, ids: &[ChannelId], text: Option<Bytes>) -> Result<usize, Error> {
        match self.journal.as_ref().filter(|_| self.has_durable(ids)) {
            Some(journal) => journal.delete(ids, text).await,
            None => self.with(|channels, now| channels.delete(ids, text, now)),
        }
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
        let settings = self.subscriber(request).ok_or(Error::NoChannelId)?;
        if let Some(hang_up) = &hang_up {
            hang_up.set_patience(Duration::from_millis(settings.unread_time.get()));
        }
        let (limit, patience) = (settings.unread_limit, settings.unread_time.get().div_ceil(1000));
        let (id, line) = self.ask(request, |channels, subscribe, now| {
            let open = |backlog| Line::Stream(Outbox::new(backlog, limit, patience, hang_up));
            channels.subscribe(subscribe, open, now)
        })?;
        let Line::Stream(outbox) = line else { return Err(Error::NoChannelId) };
        let seat = self.sit_down(request, id);
        let subscription = Subscription::new(outbox, seat, Arc::clone(self));
        self.end_late_comers();
        Ok(subscription)
    }

    /// The old messages that a request asks for.
    pub(super) fn poll(&self, request: &Request<'_>) -> Result<Backlog, Error> {
        self.ask(request, |channels, subscribe, now| channels.poll(subscribe, now))
    }

    /// The old messages that a request asks for, or else the first new one.
    pub(super) fn wait(self: &Arc<Self>, request: &Request<'_>) -> Result<Polled, Error> {
        let wait = Wait::default();
        let line = || Line::Once(wait.clone());
        Ok(match self.ask(request, |channels, subscribe, now| channels.wait(subscribe, line, now))? {
            Answer::Now(backlog) => Polled::Now(backlog),
            Answer::Waits(id, _) => {
                let subscription = Subscription::new(wait.clone(), self.sit_down(request, id), Arc::clone(self));
                self.end_late_comers();
                Polled::Waits(subscription)
            }
        })
    }

    /// What stands before and after the messages of one answer.
    pub(super) fn around(&self, request: &Request<'_>) -> (Bytes, Bytes) {
        let framing = self.framing(request);
        self.with_those(self.watches_presence(request), |channels, _| {
            let framing = framing.and_then(|framing| channels.known(framing));
            framing.map(|framing| (framing.opening(), framing.closing())).unwrap_or_default()
        })
    }

    fn framing(&self, request: &Request<'_>) -> Option<FramingId> {
        let index = request.padding.map_or(0, |rule| rule + 1);
        self.framings.get(request.location)?.get(index).copied()
    }

    fn subscriber(&self, request: &Request<'_>) -> Option<&SubscriberSettings> {
        self.settings.locations.get(request.location).and_then(Location::subscriber)
    }

    fn watches_presence(&self, request: &Request<'_>) -> bool {
        let location = self.settings.locations.get(request.location);
        location.is_some_and(|location| matches!(location.role, Role::Presence(_)))
    }

    /// Asks the channels, or those of presence, what a request asks for.
    fn ask<R>(
        &self,
        request: &Request<'_>,
        ask: impl FnOnce(&mut Channels<Line>, &Subscribe<'_>, Millis) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let framing = self.framing(request).ok_or(Error::NoChannelId)?;
        let settings = self.subscriber(request).ok_or(Error::NoChannelId)?;
        let mut terms = (request.terms)(settings, framing);
        if let Some(until) = request.pass.until {
            let left = NonZeroU64::new(until.saturating_sub(self.now())).unwrap_or(NonZeroU64::MIN);
            terms.ttl = Some(terms.ttl.map_or(left, |ttl| ttl.min(left)));
        }
        if !self.watches_presence(request) {
            let subscribe = Subscribe { path: request.path, resume: request.resume, terms };
            return self.with(|channels, now| ask(channels, &subscribe, now));
        }
        let path = presence::path_of(request.path, request.resume);
        self.with_those(true, |counterparts, now| {
            let ids = path.ids();
            counterparts.check(&ids)?;
            let numbers = self.with(|channels, _| {
                ids.into_iter().map(|id| (id.clone(), channels.subscribers_of(&id))).collect::<Vec<_>>()
            });
            presence::bring_up(counterparts, numbers, now)?;
            ask(counterparts, &Subscribe { path: &path, resume: request.resume, terms }, now)
        })
    }

    /// A subscriber has come; its token is asked about from now on.
    fn sit_down(&self, request: &Request<'_>, subscriber: SubscriberId) -> Seat {
        let seat = Seat { watches_presence: self.watches_presence(request), subscriber };
        if let Some((token, every)) = &request.pass.again {
            self.watches.add(seat, Arc::clone(token), *every, self.now());
            self.agenda.touch();
        }
        seat
    }

    /// When those who watch presence are to be told something.
    pub(super) fn presence_due(&self) -> Option<Millis> {
        let changed = self.with(|channels, _| channels.has_recounted());
        changed.then(|| self.told.load(Ordering::Relaxed).saturating_add(self.settings.presence_interval.get()))
    }

    /// Tells those who watch presence what has changed.
    pub(super) fn tell_presence(&self, now: Millis) {
        self.with_those(true, |counterparts, _| {
            let numbers = self.with(|channels, _| channels.take_recounted());
            self.told.store(now, Ordering::Relaxed);
            let watched: Vec<_> = numbers.into_iter().filter(|(id, _)| counterparts.exists(id)).collect();
            if let Err(error) = presence::bring_up(counterparts, watched, now) {
                tracing::warn!(%error, "not everyone who watches is told who listens");
            }
        });
    }

    /// Whoever comes after a stop is ended like the others.
    fn end_late_comers(&self) {
        if self.stop.is_cancelled() {
            self.end_all();
        }
    }

    pub(super) fn unsubscribe(&self, seat: Seat) {
        self.watches.remove(seat);
        self.with_those(seat.watches_presence, |channels, now| channels.unsubscribe(seat.subscriber, now));
    }

    /// Ends a subscription for a reason that its subscriber reads.
    pub(super) fn expel(&self, seat: Seat, reason: &'static str) {
        self.watches.remove(seat);
        self.with_those(seat.watches_presence, |channels, now| channels.expel(seat.subscriber, reason, now));
    }

    /// Whether some token is still to be asked about.
    #[cfg(test)]
    pub(super) fn has_watches(&self) -> bool {
        !self.watches.is_empty()
    }

    /// Whether something is still to expire.
    #[cfg(test)]
    pub(super) fn has_deadline(&self) -> bool {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner).next_deadline().is_some()
    }

    fn end_all(&self) {
        for presence in [true, false] {
            self.with_those(presence, Channels::end_all);
        }
    }

    /// Does something to the channels.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut Channels<Line>, Millis) -> R) -> R {
        self.with_those(false, act)
    }

    /// Does something to the channels, or to those of presence, and wakes the agenda if something falls due earlier
    /// after it.
    fn with_those<R>(&self, presence: bool, act: impl FnOnce(&mut Channels<Line>, Millis) -> R) -> R {
        let channels = if presence { &self.presence } else { &self.channels };
        let mut channels = channels.lock().unwrap_or_else(PoisonError::into_inner);
        let before = (channels.next_deadline(), channels.has_recounted());
        let was_tidy = !channels.has_outdated();
        let result = act(&mut channels, self.agenda.clock().now());
        let after = (channels.next_deadline(), channels.has_recounted());
        let is_outdated = channels.has_outdated();
        drop(channels);
        if was_tidy
            && is_outdated
            && let Some(journal) = &self.journal
        {
            journal.tidy();
        }
        let earlier = after.0.is_some_and(|after| before.0.is_none_or(|before| after < before));
        if earlier || (after.1 && !before.1) {
            self.agenda.touch();
        }
        result
    }

    fn next_deadline(&self) -> Option<Millis> {
        let first = |presence| self.with_those(presence, |channels, _| channels.next_deadline());
        [true, false].into_iter().filter_map(first).min()
    }
}

/// Lets go of messages and channels when their time has come.
struct Expiry(Weak<PubsubService>);

impl Job for Expiry {
    fn name(&self) -> &str {
        "push stream expiry"
    }

    fn due(&self) -> Option<Millis> {
        self.0.upgrade()?.next_deadline()
    }

    fn begin(&self, now: Millis) -> Work {
        if let Some(service) = self.0.upgrade() {
            for presence in [true, false] {
                service.with_those(presence, |channels, _| channels.sweep(now));
            }
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
