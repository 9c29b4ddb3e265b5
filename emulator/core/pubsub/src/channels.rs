//! All channels of a server: publish, subscribe, ask, delete, expire.
//!
//! Every call takes the time in milliseconds and first lets go of what has expired by then, so nobody ever meets an
//! expired message. Between calls [`Channels::next_deadline`] says when [`Channels::sweep`] has something to do. Must
//! not know: where the time comes from, and who holds the lock.

use crate::Millis;
use crate::channel::{Channel, ChannelInfo, Framed, cost};
use crate::error::Error;
use crate::framing::Framing;
use crate::message::{DELETED, Message, Publication, Stamp};
use crate::path::ChannelId;
use crate::settings::Settings;
use crate::slots::{Key, Slots};
use crate::statistics::{Head, Host, Query, Report, Summary};
use crate::subscriber::{FramingId, Outlet, Place, Subscribe, Subscriber, SubscriberId};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// What a subscriber reads that was cut off.
const TOO_SLOW: &str = "closed by the server: this listener does not read fast enough";

/// The channels; `S` is where a subscriber's frames go.
#[derive(Debug)]
pub struct Channels<S> {
    settings: Settings,
    host: Host,
    started: Millis,
    framings: Vec<Framing>,
    channels: Slots<Channel<S>>,
    by_id: BTreeMap<ChannelId, Key>,
    deadlines: BTreeSet<(Millis, Key)>,
    subscribers: Slots<Subscriber<S>>,
    latest: Stamp,
    created: u64,
    published: u64,
    bytes: usize,
    cut_off: u64,
}

impl<S: Outlet> Channels<S> {
    /// No channels yet. `host` is what statistics say of the server.
    pub fn new(settings: Settings, host: Host, now: Millis) -> Self {
        Self {
            settings,
            host,
            started: now,
            framings: Vec::new(),
            channels: Slots::default(),
            by_id: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            subscribers: Slots::default(),
            latest: Stamp::default(),
            created: 0,
            published: 0,
            bytes: 0,
            cut_off: 0,
        }
    }

    /// Makes a framing known. Equal ones are one.
    pub fn framing(&mut self, framing: Framing) -> FramingId {
        if let Some(known) = self.framings.iter().position(|known| *known == framing) {
            return FramingId(known);
        }
        self.framings.push(framing);
        FramingId(self.framings.len() - 1)
    }

    /// Whether `ids` may be published to, asked for and subscribed to, whatever exists now.
    ///
    /// # Errors
    /// There is no id, or one is a pattern or too long.
    pub fn check(&self, ids: &[ChannelId]) -> Result<(), Error> {
        if ids.is_empty() {
            return Err(Error::NoChannelId);
        }
        ids.iter().try_for_each(|id| self.check_one(id))
    }

    /// Publishes to each of `ids` in order, creating those that are missing, and answers what is told of them after
    /// it. With `store` the message is kept for later subscribers.
    ///
    /// # Errors
    /// Nothing is published. Channels created up to then stay, for their inactivity time.
    pub fn publish(
        &mut self,
        ids: &[ChannelId],
        publication: &Publication,
        store: bool,
        now: Millis,
    ) -> Result<Vec<ChannelInfo>, Error> {
        self.sweep(now);
        if ids.is_empty() {
            return Err(Error::NoChannelId);
        }
        for id in ids {
            self.check_one(id)?;
            self.open(id, now)?;
        }
        if publication.body.is_empty() {
            return Err(Error::EmptyMessage);
        }
        if store {
            let freed: usize = self.found(ids).map(|(_, channel)| channel.gives_way(&self.settings)).sum();
            self.room_for(ids.len() * cost(publication), freed)?;
        }
        let keys: Vec<Key> = self.found(ids).map(|(key, _)| key).collect();
        for key in keys {
            self.publish_one(key, publication.clone(), store, now);
        }
        Ok(self.infos(ids))
    }

    /// What is told of those of `ids` that exist.
    ///
    /// # Errors
    /// There is no id, or one is a pattern or too long.
    pub fn info(&mut self, ids: &[ChannelId], now: Millis) -> Result<Vec<ChannelInfo>, Error> {
        self.check(ids)?;
        self.sweep(now);
        Ok(self.infos(ids))
    }

    /// Deletes those of `ids` that exist, and answers how many. Their subscribers read `text`, or else the configured
    /// one; those without another channel come to their end.
    ///
    /// # Errors
    /// There is no id, or one is a pattern or too long.
    pub fn delete(&mut self, ids: &[ChannelId], text: Option<Bytes>, now: Millis) -> Result<usize, Error> {
        self.check(ids)?;
        self.sweep(now);
        let body = text.unwrap_or_else(|| self.settings.channel_deleted_message_text.clone());
        let mut deleted = 0;
        for id in ids {
            let Some(channel) = self.by_id.get(id).copied().and_then(|key| self.remove(key)) else { continue };
            deleted += 1;
            let publication = Publication::new(body.clone());
            let mut farewell = Framed::new(Message { id: DELETED, stamp: Stamp::default(), publication });
            let full = channel.deliver(&mut farewell, &self.framings);
            self.cut_off(full, now);
            for key in channel.listeners() {
                self.end_if_alone(key);
            }
        }
        Ok(deleted)
    }

    /// Adds a subscriber. `outlet` gets what the stream begins with, old messages included, and makes the place where
    /// later frames go: in one step, so that no message is missed or doubled.
    ///
    /// # Errors
    /// Nobody was subscribed. Channels created up to then stay, for their inactivity time.
    pub fn subscribe(
        &mut self,
        request: &Subscribe<'_>,
        outlet: impl FnOnce(Vec<Bytes>) -> S,
        now: Millis,
    ) -> Result<(SubscriberId, S), Error> {
        self.sweep(now);
        let ids = request.path.ids();
        if ids.is_empty() {
            return Err(Error::NoChannelId);
        }
        for id in &ids {
            self.may_subscribe(id, request.authorized_channels_only)?;
        }
        for id in &ids {
            self.open(id, now)?;
        }
        let mut backlog: Vec<Bytes> = self.framings.get(request.framing.0).map(Framing::opening).into_iter().collect();
        let mut keys = Vec::with_capacity(ids.len());
        for segment in &request.path.0 {
            let Self { by_id, channels, framings, bytes, .. } = self;
            let Some(&key) = by_id.get(&segment.id) else { continue };
            let Some(channel) = channels.get_mut(key) else { continue };
            let before = channel.bytes();
            backlog.append(&mut channel.replay(request.resume, segment.backtrack, request.framing, framings));
            *bytes = *bytes - before + channel.bytes();
            keys.push(key);
        }
        let outlet = outlet(backlog);
        let subscriber = Subscriber { outlet: outlet.clone(), framing: request.framing, places: Vec::new() };
        let id = self.subscribers.insert(subscriber).ok_or(Error::MemoryFull)?;
        let mut places = Vec::with_capacity(keys.len());
        for channel in keys {
            let joined = self.channels.get_mut(channel);
            let listener = joined.and_then(|channel| channel.join(id, outlet.clone(), request.framing, now));
            places.extend(listener.map(|listener| Place { channel, listener }));
            self.settle(channel, now);
        }
        if let Some(subscriber) = self.subscribers.get_mut(id) {
            subscriber.places = places;
        }
        Ok((SubscriberId(id), outlet))
    }

    /// Removes a subscriber that left; one that is gone already does not matter.
    pub fn unsubscribe(&mut self, subscriber: SubscriberId, now: Millis) {
        self.take_subscriber(subscriber.0, now);
        self.sweep(now);
    }

    /// Brings every stream to its end, as before a stop.
    pub fn end_all(&mut self, now: Millis) {
        for key in self.subscribers.keys() {
            if let Some(subscriber) = self.take_subscriber(key, now) {
                subscriber.outlet.end(self.closing(subscriber.framing));
            }
        }
    }

    /// When the next message expires or channel is collected.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Lets go of what has expired by `now`; afterwards the next deadline is later than `now`.
    pub fn sweep(&mut self, now: Millis) {
        while let Some(&(deadline, key)) = self.deadlines.first()
            && deadline <= now
        {
            self.deadlines.pop_first();
            if let Some(channel) = self.channels.get_mut(key) {
                channel.registered = None;
            }
            self.settle(key, now);
        }
    }

    /// How many subscribers were cut off because they did not read fast enough.
    pub fn cut_off_count(&self) -> u64 {
        self.cut_off
    }

    /// Answers a question for statistics; `None` if none of the channels exists.
    ///
    /// # Errors
    /// An id is too long.
    pub fn statistics(&mut self, query: &Query, now: Millis) -> Result<Option<Report>, Error> {
        self.sweep(now);
        match query {
            Query::Summary => Ok(Some(Report::Summary(self.summary(now)))),
            Query::StartingWith(prefix) => {
                let keys = self.by_id.range::<[u8], _>((Bound::Included(prefix.as_slice()), Bound::Unbounded));
                let mut found: Vec<&Channel<S>> = keys
                    .take_while(|(id, _)| id.as_bytes().starts_with(prefix))
                    .filter_map(|(_, key)| self.channels.get(*key))
                    .collect();
                found.sort_by_key(|channel| channel.serial);
                let infos = found.into_iter().map(Channel::info).collect();
                Ok(Some(Report::Group(self.head(now), infos)))
            }
            Query::Named(ids) => {
                ids.iter().try_for_each(|id| self.check_length(id))?;
                let infos = self.infos(ids);
                Ok(self.report(infos, now))
            }
        }
    }

    /// The form in which `infos` are told: one channel alone, several with a head, `None` for none.
    pub fn report(&self, mut infos: Vec<ChannelInfo>, now: Millis) -> Option<Report> {
        match infos.len() {
            0 => None,
            1 => infos.pop().map(Report::Channel),
            _ => Some(Report::Group(self.head(now), infos)),
        }
    }

    fn check_one(&self, id: &ChannelId) -> Result<(), Error> {
        if id.is_pattern() {
            return Err(Error::ChannelIdNotAuthorized);
        }
        self.check_length(id)
    }

    fn check_length(&self, id: &ChannelId) -> Result<(), Error> {
        match self.settings.max_channel_id_length {
            Some(most) if id.as_bytes().len() > most.get() => Err(Error::ChannelIdTooLarge),
            Some(_) | None => Ok(()),
        }
    }

    fn may_subscribe(&self, id: &ChannelId, authorized_channels_only: bool) -> Result<(), Error> {
        self.check_one(id)?;
        let channel = self.by_id.get(id).and_then(|key| self.channels.get(*key));
        if authorized_channels_only && channel.is_none_or(|channel| channel.stored() == 0) {
            return Err(Error::SubscriberCannotCreate);
        }
        let subscribers = channel.map_or(0, Channel::subscribers);
        match self.settings.max_subscribers_per_channel {
            Some(most) if subscribers >= most.get() => Err(Error::TooManySubscribers),
            Some(_) | None => Ok(()),
        }
    }

    fn room_for(&self, bytes: usize, freed: usize) -> Result<(), Error> {
        let used = self.bytes.saturating_sub(freed).saturating_add(bytes);
        if used > self.settings.memory.get() { Err(Error::MemoryFull) } else { Ok(()) }
    }

    /// Creates a channel unless it exists.
    fn open(&mut self, id: &ChannelId, now: Millis) -> Result<(), Error> {
        if self.by_id.contains_key(id) {
            return Ok(());
        }
        if self.settings.max_number_of_channels.is_some_and(|most| self.channels.len() >= most.get()) {
            return Err(Error::TooManyChannels);
        }
        let channel = Channel::new(id.clone(), self.created, now);
        let bytes = channel.bytes();
        self.room_for(bytes, 0)?;
        let key = self.channels.insert(channel).ok_or(Error::MemoryFull)?;
        self.by_id.insert(id.clone(), key);
        self.created += 1;
        self.bytes += bytes;
        self.settle(key, now);
        Ok(())
    }

    fn publish_one(&mut self, key: Key, publication: Publication, store: bool, now: Millis) {
        let Some(channel) = self.channels.get_mut(key) else { return };
        self.latest = self.latest.next(now / 1000);
        self.published += 1;
        let before = channel.bytes();
        let mut framed = channel.accept(publication, self.latest, now);
        let full = channel.deliver(&mut framed, &self.framings);
        if store {
            channel.keep(framed, &self.settings, now);
        }
        self.bytes = self.bytes - before + channel.bytes();
        self.cut_off(full, now);
        self.settle(key, now);
    }

    fn cut_off(&mut self, full: Vec<Key>, now: Millis) {
        for key in full {
            // Nobody is found the second time a frame for the same subscriber did not fit.
            if let Some(subscriber) = self.take_subscriber(key, now) {
                subscriber.outlet.cut_off(Framing::cut_off(TOO_SLOW));
                self.cut_off += 1;
            }
        }
    }

    /// Forgets the places of a subscriber in channels that are gone, and ends its stream if no others are left.
    fn end_if_alone(&mut self, key: Key) {
        let Some(subscriber) = self.subscribers.get_mut(key) else { return };
        subscriber.places.retain(|place| self.channels.get(place.channel).is_some());
        if subscriber.places.is_empty()
            && let Some(subscriber) = self.subscribers.remove(key)
        {
            subscriber.outlet.end(self.closing(subscriber.framing));
        }
    }

    fn take_subscriber(&mut self, key: Key, now: Millis) -> Option<Subscriber<S>> {
        let subscriber = self.subscribers.remove(key)?;
        for place in &subscriber.places {
            if let Some(channel) = self.channels.get_mut(place.channel) {
                channel.leave(subscriber.framing, place.listener);
            }
            self.settle(place.channel, now);
        }
        Some(subscriber)
    }

    /// Brings a channel and its deadline up to `now`; an idle one whose time has come is collected.
    fn settle(&mut self, key: Key, now: Millis) {
        let Some(channel) = self.channels.get_mut(key) else { return };
        let before = channel.bytes();
        channel.expire(now);
        self.bytes = self.bytes - before + channel.bytes();
        let deadline = channel.deadline(&self.settings);
        if deadline.is_some_and(|deadline| deadline <= now) {
            self.remove(key);
        } else if channel.registered != deadline {
            if let Some(old) = std::mem::replace(&mut channel.registered, deadline) {
                self.deadlines.remove(&(old, key));
            }
            self.deadlines.extend(deadline.map(|deadline| (deadline, key)));
        }
    }

    fn remove(&mut self, key: Key) -> Option<Channel<S>> {
        let channel = self.channels.remove(key)?;
        self.by_id.remove(&channel.id);
        if let Some(deadline) = channel.registered {
            self.deadlines.remove(&(deadline, key));
        }
        self.bytes -= channel.bytes();
        Some(channel)
    }

    fn closing(&self, framing: FramingId) -> Bytes {
        self.framings.get(framing.0).map(Framing::closing).unwrap_or_default()
    }

    fn found<'a>(&'a self, ids: &'a [ChannelId]) -> impl Iterator<Item = (Key, &'a Channel<S>)> {
        ids.iter().filter_map(|id| self.by_id.get(id)).filter_map(|key| Some((*key, self.channels.get(*key)?)))
    }

    fn infos(&self, ids: &[ChannelId]) -> Vec<ChannelInfo> {
        self.found(ids).map(|(_, channel)| channel.info()).collect()
    }

    fn head(&self, now: Millis) -> Head {
        Head {
            hostname: self.host.name.clone(),
            time: now / 1000,
            channels: self.channels.len(),
            uptime: now.saturating_sub(self.started) / 1000,
        }
    }

    fn summary(&self, now: Millis) -> Summary {
        Summary {
            head: self.head(now),
            published_messages: self.published,
            stored_messages: self.channels.values().map(Channel::stored).sum(),
            subscribers: self.subscribers.len(),
            pid: self.host.pid,
        }
    }
}

#[cfg(test)]
#[path = "channels_tests.rs"]
mod tests;
