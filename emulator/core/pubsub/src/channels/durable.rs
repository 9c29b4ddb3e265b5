//! Durable channels: a message is stored before anybody hears of it.
//!
//! A publication first gets its ids ([`Channels::reserve`]); once the journal has them it is delivered
//! ([`Channels::fulfil`]). Other channels do not wait meanwhile, and yet ids have to grow in the order in which messages
//! are delivered, or a listener of both kinds would miss something when it comes back. Hence a batch takes ids far ahead
//! of the last one, which nobody reaches before it is delivered. Must not know: what the journal writes to.

use super::Channels;
use crate::Millis;
use crate::channel::{Channel, ChannelInfo, cost};
use crate::error::Error;
use crate::journal::{Batch, ChannelRecord, Counters, Kept, MessageRecord, Outdated};
use crate::message::{Message, Publication, Stamp};
use crate::path::ChannelId;
use crate::slots::Key;
use crate::subscriber::Outlet;

/// A batch's ids begin so far ahead; more messages of other channels are never published during one commit.
const LEAP: u64 = 1 << 24;
/// Between two ids of a batch is room for so many: messages of other channels come between two that are delivered.
const STRIDE: u64 = 1 << 14;
/// After a crash ids go on so far ahead of the last one that was written down: beyond all that were given since.
const AHEAD: u64 = 1 << 40;

/// A publication that is about to be stored.
#[derive(Debug)]
pub struct Reservation {
    publication: Publication,
    store: bool,
    places: Vec<Reserved>,
}

#[derive(Debug)]
struct Reserved {
    key: Key,
    seq: u64,
    stamp: Stamp,
}

/// The ids that a batch under way has taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead {
    /// No message of another channel may have this id or a later one: the first that is not delivered yet.
    first: u64,
    next: u64,
    stamp: Stamp,
}

impl<S: Outlet> Channels<S> {
    /// Begins a batch with what is no longer stored. There is one at a time, until [`Channels::end_batch`].
    pub fn begin_batch(&mut self) -> Batch {
        let first = self.seq.saturating_add(LEAP);
        self.ahead = Some(Ahead { first, next: first, stamp: self.latest });
        let outdated = std::mem::take(&mut self.outdated).into_iter().collect();
        Batch { outdated, counters: self.counters(), ..Batch::default() }
    }

    /// Gives a publication its ids, and adds what is to be stored of it to the batch.
    ///
    /// # Errors
    /// As [`Channels::publish`]; nothing is added.
    pub fn reserve(
        &mut self,
        batch: &mut Batch,
        ids: &[ChannelId],
        publication: &Publication,
        store: bool,
        now: Millis,
    ) -> Result<Reservation, Error> {
        self.sweep(now);
        let admitted = self.admit_publication(ids, publication, store, now);
        self.tell_news(now);
        admitted?;
        let mut ahead = self.ahead.ok_or(Error::NotStored)?;
        let expires = now.saturating_add(self.settings.message_ttl.get());
        let mut places = Vec::with_capacity(ids.len());
        for id in ids {
            let Some(&key) = self.by_id.get(id) else { continue };
            let Some(channel) = self.channels.get_mut(key) else { continue };
            ahead.next += STRIDE;
            ahead.stamp = ahead.stamp.next(now / 1000);
            let (seq, stamp) = (ahead.next, ahead.stamp);
            channel.pending += 1;
            if channel.durable {
                let published = channel.published() + channel.pending;
                let record = ChannelRecord { published, latest: seq, ..channel.record() };
                let lost = if store { record.lost } else { seq };
                batch.channels.push(ChannelRecord { lost, ..record });
                if store {
                    let number = i64::try_from(published).unwrap_or(i64::MAX);
                    let message = Message { id: number, seq, stamp, publication: publication.clone() };
                    batch.messages.push(MessageRecord { channel: id.clone(), expires, message });
                }
            }
            places.push(Reserved { key, seq, stamp });
        }
        self.ahead = Some(ahead);
        batch.counters = self.counters();
        Ok(Reservation { publication: publication.clone(), store, places })
    }

    /// Adds to the batch that channels are deleted; they are ([`Channels::delete`]) once it is durable.
    pub fn reserve_deletion(&self, batch: &mut Batch, ids: &[ChannelId]) {
        let durable = self.found(ids).filter(|(_, channel)| channel.durable);
        batch.outdated.extend(
            durable.map(|(_, channel)| (channel.id.clone(), Outdated { up_to: channel.latest(), is_gone: true })),
        );
        let latest = batch.outdated.iter().filter(|(_, outdated)| outdated.is_gone).map(|(_, outdated)| outdated.up_to);
        batch.counters.forgotten = latest.fold(batch.counters.forgotten, u64::max);
    }

    /// Delivers what is durable now, and answers what is told of its channels.
    pub fn fulfil(&mut self, reservation: Reservation, now: Millis) -> Vec<ChannelInfo> {
        self.sweep(now);
        let Reservation { publication, store, places } = reservation;
        let keys: Vec<Key> = places.iter().map(|place| place.key).collect();
        let mut answered = Vec::with_capacity(places.len());
        for Reserved { key, seq, stamp } in places {
            self.release(key);
            let stamp = if stamp > self.latest { stamp } else { self.latest.next(now / 1000) };
            answered.push(self.publish_as(key, publication.clone(), store, seq, stamp, now));
            if let Some(ahead) = &mut self.ahead {
                ahead.first = seq.saturating_add(STRIDE);
            }
        }
        let infos = self.infos_with(&keys, answered);
        self.tell_news(now);
        infos
    }

    /// Forgets a publication that could not be stored.
    pub fn abandon(&mut self, reservation: Reservation, now: Millis) {
        for Reserved { key, .. } in reservation.places {
            self.release(key);
            self.settle(key, now);
        }
        self.tell_news(now);
    }

    /// Ends a batch. What could not be written of it, and is still so, is noted again.
    pub fn end_batch(&mut self, failed: Option<Batch>) {
        self.ahead = None;
        for (id, outdated) in failed.into_iter().flat_map(|batch| batch.outdated) {
            let exists = self.found(std::slice::from_ref(&id)).any(|(_, channel)| channel.latest() <= outdated.up_to);
            if !(outdated.is_gone && exists) {
                self.note_outdated(id, outdated);
            }
        }
    }

    /// Whether something is stored that need not be any more.
    pub fn has_outdated(&self) -> bool {
        !self.outdated.is_empty()
    }

    /// All that there is, to go on with in the next run.
    pub fn keep(&self) -> Kept {
        let channels = self.by_id.values().filter_map(|key| self.channels.get(*key));
        let channels: Vec<_> = channels.filter(|channel| !self.is_events_channel(&channel.id)).collect();
        let mut messages: Vec<_> = channels.iter().flat_map(|channel| channel.messages()).collect();
        messages.sort_by_key(|record| record.message.seq);
        Kept {
            counters: Counters { seq: self.seq, ..self.counters() },
            channels: channels.iter().map(|channel| channel.record()).collect(),
            messages,
            is_whole: true,
        }
    }

    /// Goes on where an earlier run stood. Only before anything else happens.
    pub fn restore(&mut self, kept: Kept, now: Millis) {
        let Kept { counters, channels, messages, is_whole } = kept;
        self.seq = counters.seq;
        self.latest = counters.stamp;
        self.forgotten_durable = counters.forgotten;
        // What was published to other channels before a crash nobody knows.
        self.forgotten = if is_whole { counters.forgotten_volatile } else { counters.seq };
        for record in channels {
            let durable = self.settings.is_durable(&record.id);
            if self.open(&record.id, now).is_ok()
                && let Some(channel) = self.by_id.get(&record.id).and_then(|key| self.channels.get_mut(*key))
            {
                channel.restore(&record);
            } else if durable {
                // There is no room for it any more.
                self.forgotten_durable = self.forgotten_durable.max(record.latest);
            }
        }
        for record in messages {
            let Some(&key) = self.by_id.get(&record.channel) else { continue };
            let room = self.room_for(cost(&record.message.publication), 0).is_ok();
            let Some(channel) = self.channels.get_mut(key) else { continue };
            let before = channel.bytes();
            channel.restore_message(record, &self.settings, room);
            self.bytes = self.bytes - before + channel.bytes();
        }
        for key in self.channels.keys() {
            self.settle(key, now);
        }
        self.news.clear();
    }

    pub(super) fn note_outdated(&mut self, id: ChannelId, outdated: Outdated) {
        let noted = self.outdated.entry(id).or_default();
        noted.up_to = noted.up_to.max(outdated.up_to);
        noted.is_gone |= outdated.is_gone;
    }

    /// Whether `count` messages of other channels would run into the ids of a batch under way.
    pub(super) fn runs_into_batch(&self, count: usize) -> bool {
        self.ahead.is_some_and(|ahead| self.seq.saturating_add(count as u64) >= ahead.first)
    }

    fn release(&mut self, key: Key) {
        if let Some(channel) = self.channels.get_mut(key) {
            channel.pending = channel.pending.saturating_sub(1);
        }
    }

    /// What is to be written down of the counters: nothing that is given from now on is given again after a crash.
    pub fn counters(&self) -> Counters {
        let (seq, stamp) = self.ahead.map_or((self.seq, self.latest), |ahead| (ahead.next, ahead.stamp));
        Counters {
            seq: seq.saturating_add(AHEAD),
            forgotten: self.forgotten_durable,
            forgotten_volatile: self.forgotten,
            stamp,
        }
    }
}

impl<S: Outlet> Channels<S> {
    pub(super) fn infos_with(&self, keys: &[Key], answered: Vec<usize>) -> Vec<ChannelInfo> {
        let channels = keys.iter().filter_map(|key| self.channels.get(*key));
        let mut infos: Vec<_> = channels.map(Channel::info).collect();
        for (info, answered) in infos.iter_mut().zip(answered) {
            // Who waited for this message has it and is gone, and was there when it was published.
            info.subscribers += answered;
        }
        infos
    }
}
