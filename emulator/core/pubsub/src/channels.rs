//! All channels of a server: publish, subscribe, ask, delete, expire.
//!
//! Every call takes the time in milliseconds and first lets go of what has expired by then, so nobody ever meets an
//! expired message. Between calls [`Channels::next_deadline`] says when [`Channels::sweep`] has something to do. Must
//! not know: where the time comes from, and who holds the lock.

use crate::Millis;
use crate::channel::{Channel, ChannelInfo, Framed, cost};
use crate::error::Error;
use crate::framing::Framing;
use crate::journal::Outdated;
use crate::message::{DELETED, Message, Publication, Stamp};
use crate::path::ChannelId;
use crate::settings::Settings;
use crate::slots::{Key, Slots};
use crate::statistics::{Head, Host, Query, Report, Summary};
use crate::subscriber::{FramingId, Outlet, Subscriber};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

mod durable;
mod events;
mod presence;
mod subscribers;

pub use durable::Reservation;
pub use subscribers::TOO_SLOW;

/// The channels; `S` is where a subscriber's frames go.
#[derive(Debug)]
pub struct Channels<S> {
    settings: Settings,
    host: Host,
    started: Millis,
    framings: Vec<Framing>,
    channels: Slots<Channel<S>>,
    by_id: BTreeMap<ChannelId, Key>,
    /// When something of a channel is over.
    deadlines: BTreeSet<(Millis, Key)>,
    subscribers: Slots<Subscriber<S>>,
    /// When a subscriber is to be pinged, or its time is over.
    appointments: BTreeSet<(Millis, Key)>,
    /// The stamp of the latest message.
    latest: Stamp,
    /// Counts all messages.
    seq: u64,
    /// The latest message of those channels that are no more, durable ones apart.
    forgotten: u64,
    /// The same of durable ones.
    forgotten_durable: u64,
    /// The ids that are being stored.
    ahead: Option<durable::Ahead>,
    /// What the journal still has of durable channels, and need not have any more.
    outdated: BTreeMap<ChannelId, Outdated>,
    created: u64,
    /// Messages published, those of the events channel apart.
    published: u64,
    wildcards: usize,
    /// The events channel, if there is to be one.
    events: Option<Key>,
    /// What it has yet to tell.
    news: Vec<events::News>,
    bytes: usize,
    cut_off: u64,
    /// Whose number of subscribers may have changed; nothing is noted unless somebody wants to know.
    recounted: Option<BTreeSet<ChannelId>>,
}

impl<S: Outlet> Channels<S> {
    /// No channels yet. `host` is what statistics say of the server.
    pub fn new(settings: Settings, host: Host, now: Millis) -> Self {
        let mut channels = Self {
            settings,
            host,
            started: now,
            framings: Vec::new(),
            channels: Slots::default(),
            by_id: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            subscribers: Slots::default(),
            appointments: BTreeSet::new(),
            latest: Stamp::default(),
            seq: 0,
            forgotten: 0,
            forgotten_durable: 0,
            ahead: None,
            outdated: BTreeMap::new(),
            created: 0,
            published: 0,
            wildcards: 0,
            events: None,
            news: Vec::new(),
            bytes: 0,
            cut_off: 0,
            recounted: None,
        };
        channels.open_events_channel(now);
        channels
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

    /// Whether `ids` may be written to.
    ///
    /// # Errors
    /// As [`Channels::check`], or one is the events channel.
    pub fn check_writable(&self, ids: &[ChannelId]) -> Result<(), Error> {
        self.check(ids)?;
        ids.iter().try_for_each(|id| self.refuse_events_channel(id))
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
        let result = self.publish_all(ids, publication, store, now);
        self.tell_news(now);
        result
    }

    fn publish_all(
        &mut self,
        ids: &[ChannelId],
        publication: &Publication,
        store: bool,
        now: Millis,
    ) -> Result<Vec<ChannelInfo>, Error> {
        let keys = self.admit_publication(ids, publication, store, now)?;
        if self.runs_into_batch(ids.len()) {
            return Err(Error::Busy);
        }
        let mut answered = Vec::with_capacity(keys.len());
        for key in &keys {
            answered.push(self.publish_one(*key, publication.clone(), store, now));
        }
        Ok(self.infos_with(&keys, answered))
    }

    /// Whether something may be published; then all its channels exist, and are answered in order.
    fn admit_publication(
        &mut self,
        ids: &[ChannelId],
        publication: &Publication,
        store: bool,
        now: Millis,
    ) -> Result<Vec<Key>, Error> {
        if ids.is_empty() {
            return Err(Error::NoChannelId);
        }
        let mut keys = Vec::with_capacity(ids.len());
        for id in ids {
            self.check_one(id)?;
            self.refuse_events_channel(id)?;
            keys.push(self.open(id, now)?);
        }
        if publication.body.is_empty() {
            return Err(Error::EmptyMessage);
        }
        if store {
            let channels = keys.iter().filter_map(|key| self.channels.get(*key));
            let freed = channels.map(|channel| channel.gives_way(&self.settings)).sum();
            self.room_for(ids.len() * cost(publication), freed)?;
        }
        Ok(keys)
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
    /// There is no id, or one is a pattern, too long, or the events channel.
    pub fn delete(&mut self, ids: &[ChannelId], text: Option<Bytes>, now: Millis) -> Result<usize, Error> {
        self.check_writable(ids)?;
        self.sweep(now);
        let body = text.unwrap_or_else(|| self.settings.channel_deleted_message_text.clone());
        let mut deleted = 0;
        for id in ids {
            let Some(channel) = self.by_id.get(id).copied().and_then(|key| self.remove(key)) else { continue };
            deleted += 1;
            let mut farewell = Framed::new(Message::own(DELETED, body.clone()));
            let leaving = channel.deliver(&mut farewell, &self.framings);
            self.dismiss(leaving, now);
            for key in channel.listeners() {
                self.end_if_alone(key);
            }
        }
        self.tell_news(now);
        Ok(deleted)
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

    fn room_for(&self, bytes: usize, freed: usize) -> Result<(), Error> {
        let used = self.bytes.saturating_sub(freed).saturating_add(bytes);
        if used > self.settings.memory.get() { Err(Error::MemoryFull) } else { Ok(()) }
    }

    /// Creates a channel unless it exists.
    fn open(&mut self, id: &ChannelId, now: Millis) -> Result<Key, Error> {
        if let Some(key) = self.by_id.get(id) {
            return Ok(*key);
        }
        let wildcard = self.is_wildcard(id);
        let (most, there_are) = if wildcard {
            (self.settings.max_number_of_wildcard_channels, self.wildcards)
        } else {
            let others = self.wildcards + usize::from(self.events.is_some());
            (self.settings.max_number_of_channels, self.channels.len().saturating_sub(others))
        };
        if most.is_some_and(|most| there_are >= most.get()) {
            return Err(Error::TooManyChannels);
        }
        let mut channel = Channel::new(id.clone(), wildcard, self.created, self.seq, now);
        channel.durable = self.settings.is_durable(id);
        let bytes = channel.bytes();
        self.room_for(bytes, 0)?;
        let key = self.channels.insert(channel).ok_or(Error::MemoryFull)?;
        self.by_id.insert(id.clone(), key);
        self.created += 1;
        self.wildcards += usize::from(wildcard);
        self.bytes += bytes;
        self.settle(key, now);
        self.note(events::Kind::ChannelCreated, id);
        Ok(key)
    }

    fn is_wildcard(&self, id: &ChannelId) -> bool {
        self.settings.wildcard_channel_prefix.as_ref().is_some_and(|prefix| id.as_bytes().starts_with(prefix))
    }

    /// Publishes to one channel; how many subscriptions that message has answered and ended.
    fn publish_one(&mut self, key: Key, publication: Publication, store: bool, now: Millis) -> usize {
        let (seq, stamp) = (self.seq + 1, self.latest.next(now / 1000));
        self.publish_as(key, publication, store, seq, stamp, now)
    }

    /// The same with an id and a stamp that are later than all others.
    fn publish_as(
        &mut self,
        key: Key,
        publication: Publication,
        store: bool,
        seq: u64,
        stamp: Stamp,
        now: Millis,
    ) -> usize {
        let Some(channel) = self.channels.get_mut(key) else { return 0 };
        (self.seq, self.latest) = (self.seq.max(seq), stamp);
        self.published += u64::from(self.events != Some(key));
        let before = channel.bytes();
        let mut framed = channel.accept(publication, seq, stamp, now);
        let leaving = channel.deliver(&mut framed, &self.framings);
        if store {
            channel.keep(framed, &self.settings, now);
        } else {
            channel.pass_over();
        }
        self.bytes = self.bytes - before + channel.bytes();
        let answered = leaving.answered.len();
        self.dismiss(leaving, now);
        self.settle(key, now);
        answered
    }

    /// Brings a channel and its deadline up to `now`; an idle one whose time has come is collected.
    fn settle(&mut self, key: Key, now: Millis) {
        let Some(channel) = self.channels.get_mut(key) else { return };
        let before = channel.bytes();
        channel.expire(now);
        self.bytes = self.bytes - before + channel.bytes();
        let outdated = channel.outdated().map(|up_to| (channel.id.clone(), Outdated { up_to, is_gone: false }));
        let deadline = channel.deadline(&self.settings).filter(|_| self.events != Some(key) || channel.stored() > 0);
        if deadline.is_some_and(|deadline| deadline <= now) {
            self.remove(key);
        } else if channel.registered != deadline {
            if let Some(old) = std::mem::replace(&mut channel.registered, deadline) {
                self.deadlines.remove(&(old, key));
            }
            self.deadlines.extend(deadline.map(|deadline| (deadline, key)));
        }
        if let Some((id, outdated)) = outdated {
            self.note_outdated(id, outdated);
        }
    }

    fn remove(&mut self, key: Key) -> Option<Channel<S>> {
        let channel = self.channels.remove(key)?;
        self.by_id.remove(&channel.id);
        if let Some(deadline) = channel.registered {
            self.deadlines.remove(&(deadline, key));
        }
        self.bytes -= channel.bytes();
        self.wildcards -= usize::from(channel.wildcard);
        if channel.durable {
            self.forgotten_durable = self.forgotten_durable.max(channel.latest());
            self.note_outdated(channel.id.clone(), Outdated { up_to: channel.latest(), is_gone: true });
        } else {
            self.forgotten = self.forgotten.max(channel.latest());
        }
        for _ in 0..channel.subscribers() {
            self.note(events::Kind::ClientUnsubscribed, &channel.id);
        }
        self.note(events::Kind::ChannelDestroyed, &channel.id);
        Some(channel)
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
            channels: self.channels.len() - self.wildcards,
            wildcard_channels: self.wildcards,
            uptime: now.saturating_sub(self.started) / 1000,
        }
    }

    fn summary(&self, now: Millis) -> Summary {
        Summary {
            head: self.head(now),
            published_messages: self.published,
            stored_messages: self.channels.values().map(Channel::stored).sum::<usize>() - self.stored_events(),
            subscribers: self.subscribers.len(),
            pid: self.host.pid,
        }
    }
}

#[cfg(test)]
#[path = "channels_tests.rs"]
mod tests;
