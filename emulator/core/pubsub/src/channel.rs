//! One channel: its stored messages, its counters, its listeners.
//!
//! Must not know: other channels, and what else a subscriber listens to.

use crate::Millis;
use crate::framing::Framing;
use crate::journal::{ChannelRecord, MessageRecord};
use crate::message::{Message, Publication, Stamp};
use crate::path::ChannelId;
use crate::replay::{Position, Resume};
use crate::settings::Settings;
use crate::slots::{Key, Slots};
use crate::subscriber::{Delivery, FramingId, Outlet};
use bytes::Bytes;
use std::collections::VecDeque;

/// What a channel costs in memory, its id and messages apart; an estimate.
const CHANNEL_BYTES: usize = 512;
/// What a message costs in memory, its bytes apart; an estimate.
const MESSAGE_BYTES: usize = 256;

/// What is told of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelInfo {
    /// Its id.
    pub id: ChannelId,
    /// Messages ever published to it, stored or not.
    pub published_messages: u64,
    /// Messages it stores.
    pub stored_messages: usize,
    /// Its subscriptions.
    pub subscribers: usize,
}

/// A message with the frames it was made into so far.
#[derive(Debug)]
pub(crate) struct Framed {
    message: Message,
    frames: Vec<(FramingId, Bytes)>,
}

impl Framed {
    pub(crate) fn new(message: Message) -> Self {
        Self { message, frames: Vec::new() }
    }

    /// The frame for `id`, made once.
    fn frame(&mut self, id: FramingId, framings: &[Framing], channel: &ChannelId) -> Bytes {
        if let Some((_, frame)) = self.frames.iter().find(|(made, _)| *made == id) {
            return frame.clone();
        }
        let frame = framings.get(id.0).map(|framing| framing.message(channel, &self.message)).unwrap_or_default();
        self.frames.push((id, frame.clone()));
        frame
    }

    pub(crate) fn stamp(&self) -> Stamp {
        self.message.stamp
    }

    fn bytes(&self) -> usize {
        cost(&self.message.publication) + self.frames.iter().map(|(_, frame)| frame.len()).sum::<usize>()
    }
}

#[derive(Debug)]
struct Stored {
    framed: Framed,
    expires: Millis,
}

#[derive(Debug)]
struct Listener<S> {
    outlet: S,
    subscriber: Key,
}

/// Who is to leave after a message.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    /// Those whose outlets are full.
    pub(crate) full: Vec<Key>,
    /// Those who waited for one message.
    pub(crate) answered: Vec<Key>,
}

/// An old message that a subscriber is to get.
#[derive(Debug)]
pub(crate) struct Old {
    pub(crate) seq: u64,
    pub(crate) stamp: Stamp,
    pub(crate) frame: Bytes,
}

/// Listeners that get the same bytes.
#[derive(Debug)]
struct Group<S> {
    framing: FramingId,
    listeners: Slots<Listener<S>>,
}

/// A channel.
#[derive(Debug)]
pub(crate) struct Channel<S> {
    pub(crate) id: ChannelId,
    /// Place in the order of creation.
    pub(crate) serial: u64,
    /// Its id has the prefix of wildcard channels.
    pub(crate) wildcard: bool,
    /// Its messages are stored before anybody hears of them.
    pub(crate) durable: bool,
    /// Messages that are being stored: it stays until they are.
    pub(crate) pending: u64,
    /// The lost messages up to this one the journal has been told of.
    told_lost: u64,
    /// The deadline under which the registry has it.
    pub(crate) registered: Option<Millis>,
    /// The latest message of all channels when this one was made.
    born: u64,
    /// The latest message of this one that nobody can be given any more.
    lost: u64,
    /// The latest message of this one.
    latest: u64,
    /// When a message went out last.
    pub(crate) delivered: Millis,
    published: u64,
    ring: VecDeque<Stored>,
    /// Whether messages expire in the order in which they are stored; not so after the clock was set back.
    in_order: bool,
    groups: Vec<Group<S>>,
    /// The last publish or subscribe.
    active: Millis,
    bytes: usize,
}

impl<S: Outlet> Channel<S> {
    /// A channel made at `now`, after the message `born` of all channels.
    pub(crate) fn new(id: ChannelId, wildcard: bool, serial: u64, born: u64, now: Millis) -> Self {
        let bytes = CHANNEL_BYTES + id.as_bytes().len();
        Self {
            id,
            serial,
            wildcard,
            durable: false,
            pending: 0,
            told_lost: 0,
            registered: None,
            born,
            lost: 0,
            latest: 0,
            delivered: 0,
            published: 0,
            ring: VecDeque::new(),
            in_order: true,
            groups: Vec::new(),
            active: now,
            bytes,
        }
    }

    pub(crate) fn info(&self) -> ChannelInfo {
        ChannelInfo {
            id: self.id.clone(),
            published_messages: self.published,
            stored_messages: self.ring.len(),
            subscribers: self.subscribers(),
        }
    }

    pub(crate) fn subscribers(&self) -> usize {
        self.groups.iter().map(|group| group.listeners.len()).sum()
    }

    /// The last message that is stored.
    pub(crate) fn newest(&self) -> Option<&Publication> {
        self.ring.back().map(|stored| &stored.framed.message.publication)
    }

    pub(crate) fn stored(&self) -> usize {
        self.ring.len()
    }

    /// An estimate of its memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How much memory storing one more message will give back, because the oldest gives way.
    pub(crate) fn gives_way(&self, settings: &Settings) -> usize {
        match (settings.max_messages_stored_per_channel, self.ring.front()) {
            (Some(most), Some(oldest)) if self.ring.len() >= most.get() => oldest.framed.bytes(),
            (Some(_) | None, _) => 0,
        }
    }

    /// Gives a publication its id. Until it is kept it counts as lost to whoever comes later.
    pub(crate) fn accept(&mut self, publication: Publication, seq: u64, stamp: Stamp, now: Millis) -> Framed {
        self.published += 1;
        (self.active, self.delivered, self.latest) = (now, now, seq);
        Framed::new(Message { id: i64::try_from(self.published).unwrap_or(i64::MAX), seq, stamp, publication })
    }

    /// A message that is not stored.
    pub(crate) fn pass_over(&mut self) {
        self.lost = self.latest;
    }

    /// Messages ever published to it.
    pub(crate) fn published(&self) -> u64 {
        self.published
    }

    /// What is kept of it, its messages apart.
    pub(crate) fn record(&self) -> ChannelRecord {
        let Self { id, published, born, latest, lost, .. } = self;
        ChannelRecord { id: id.clone(), published: *published, born: *born, latest: *latest, lost: *lost }
    }

    /// What is kept of its messages.
    pub(crate) fn messages(&self) -> impl Iterator<Item = MessageRecord> {
        self.ring.iter().map(|Stored { framed, expires }| MessageRecord {
            channel: self.id.clone(),
            expires: *expires,
            message: framed.message.clone(),
        })
    }

    /// Goes on where an earlier run stood.
    pub(crate) fn restore(&mut self, record: &ChannelRecord) {
        (self.published, self.born, self.latest) = (record.published, record.born, record.latest);
        (self.lost, self.told_lost) = (record.lost, record.lost);
    }

    /// Takes back a message of an earlier run, the latest so far; without `room` it is lost.
    pub(crate) fn restore_message(&mut self, record: MessageRecord, settings: &Settings, room: bool) {
        let MessageRecord { expires, message, .. } = record;
        // What is stored with a count that was not: the end came between the two.
        self.published = self.published.max(u64::try_from(message.id).unwrap_or_default());
        self.latest = self.latest.max(message.seq);
        if room {
            self.push(Framed::new(message), expires, settings);
        } else {
            self.lost = self.lost.max(message.seq);
        }
    }

    /// Up to where a durable channel's messages are lost, if the journal does not know yet.
    pub(crate) fn outdated(&mut self) -> Option<u64> {
        let untold = self.durable && self.lost > self.told_lost;
        self.told_lost = self.lost;
        untold.then_some(self.lost)
    }

    /// The latest message it has had.
    pub(crate) fn latest(&self) -> u64 {
        self.latest
    }

    /// Somebody has asked for it.
    pub(crate) fn touch(&mut self, now: Millis) {
        self.active = now;
    }

    /// Hands a message to all listeners.
    pub(crate) fn deliver(&self, framed: &mut Framed, framings: &[Framing]) -> Leaving {
        let mut leaving = Leaving::default();
        let stamp = framed.stamp();
        for group in self.groups.iter().filter(|group| group.listeners.len() > 0) {
            let frame = framed.frame(group.framing, framings, &self.id);
            for listener in group.listeners.values() {
                match listener.outlet.deliver(&frame, stamp) {
                    Delivery::Queued => {}
                    Delivery::Last => leaving.answered.push(listener.subscriber),
                    Delivery::Full => leaving.full.push(listener.subscriber),
                }
            }
        }
        leaving
    }

    /// Stores a message; the oldest gives way if there are too many.
    pub(crate) fn keep(&mut self, framed: Framed, settings: &Settings, now: Millis) {
        self.push(framed, now.saturating_add(settings.message_ttl.get()), settings);
    }

    fn push(&mut self, framed: Framed, expires: Millis, settings: &Settings) {
        self.in_order &= self.ring.back().is_none_or(|last| last.expires <= expires);
        self.bytes += framed.bytes();
        self.ring.push_back(Stored { framed, expires });
        while settings.max_messages_stored_per_channel.is_some_and(|most| self.ring.len() > most.get()) {
            self.drop_oldest();
        }
    }

    /// The stored messages that a new subscriber is to get.
    pub(crate) fn replay(
        &mut self,
        resume: &Resume,
        backtrack: usize,
        framing: FramingId,
        framings: &[Framing],
    ) -> Vec<Old> {
        let skip = resume.skip(self.ring.iter().map(|stored| &stored.framed.message), backtrack);
        self.frames_from(skip, framing, framings)
    }

    /// The stored messages that follow a place in the server's order.
    pub(crate) fn replay_after(&mut self, position: Position, framing: FramingId, framings: &[Framing]) -> Vec<Old> {
        let skip = match position {
            Position::After(seq) => self.ring.partition_point(|stored| stored.framed.message.seq <= seq),
            Position::Elsewhere => 0,
        };
        self.frames_from(skip, framing, framings)
    }

    /// Whether something between a place in the server's order and the stored messages is lost, or may be: then the
    /// latest lost message, if it is known. `forgotten` is the latest message of the channels that are no more; one of
    /// them may have had this one's name.
    pub(crate) fn gap(&self, position: Position, forgotten: u64) -> Option<Option<u64>> {
        match position {
            Position::After(seq) if self.lost > seq => Some(Some(self.lost)),
            Position::After(seq) if self.born > seq && forgotten > seq => Some(None),
            Position::After(_) => None,
            Position::Elsewhere => Some((self.lost > 0).then_some(self.lost)),
        }
    }

    fn frames_from(&mut self, skip: usize, framing: FramingId, framings: &[Framing]) -> Vec<Old> {
        let mut frames = Vec::with_capacity(self.ring.len() - skip);
        for stored in self.ring.iter_mut().skip(skip) {
            let before = stored.framed.bytes();
            let frame = stored.framed.frame(framing, framings, &self.id);
            frames.push(Old { seq: stored.framed.message.seq, stamp: stored.framed.stamp(), frame });
            self.bytes += stored.framed.bytes() - before;
        }
        frames
    }

    /// Adds a listener; `None` if there is no room for so many.
    pub(crate) fn join(&mut self, subscriber: Key, outlet: S, framing: FramingId, now: Millis) -> Option<Key> {
        self.active = now;
        let listener = Listener { outlet, subscriber };
        if let Some(group) = self.groups.iter_mut().find(|group| group.framing == framing) {
            return group.listeners.insert(listener);
        }
        let mut listeners = Slots::default();
        let key = listeners.insert(listener);
        self.groups.push(Group { framing, listeners });
        key
    }

    /// Removes a listener.
    pub(crate) fn leave(&mut self, framing: FramingId, listener: Key) {
        if let Some(group) = self.groups.iter_mut().find(|group| group.framing == framing) {
            group.listeners.remove(listener);
        }
    }

    /// Every listener's subscriber; one that listens twice is named twice.
    pub(crate) fn listeners(&self) -> Vec<Key> {
        self.groups.iter().flat_map(|group| group.listeners.values()).map(|listener| listener.subscriber).collect()
    }

    /// Drops the messages whose time has come.
    pub(crate) fn expire(&mut self, now: Millis) {
        if self.in_order {
            while self.ring.front().is_some_and(|oldest| oldest.expires <= now) {
                self.drop_oldest();
            }
            return;
        }
        let (mut freed, mut lost) = (0, self.lost);
        self.ring.retain(|stored| {
            let stays = stored.expires > now;
            if !stays {
                freed += stored.framed.bytes();
                lost = lost.max(stored.framed.message.seq);
            }
            stays
        });
        self.bytes -= freed;
        self.lost = lost;
        self.in_order = self.ring.iter().is_sorted_by_key(|stored| stored.expires);
    }

    /// When the next message expires or, without any and without subscribers, the channel is collected.
    pub(crate) fn deadline(&self, settings: &Settings) -> Option<Millis> {
        if self.ring.is_empty() {
            let idle = self.subscribers() == 0 && self.pending == 0;
            return idle.then(|| self.active.saturating_add(settings.channel_inactivity_time.get()));
        }
        let mut times = self.ring.iter().map(|stored| stored.expires);
        if self.in_order { times.next() } else { times.min() }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.ring.pop_front() {
            self.lost = self.lost.max(oldest.framed.message.seq);
            self.bytes -= oldest.framed.bytes();
        }
    }
}

/// What storing a publication costs in memory, before it is framed; an estimate.
pub(crate) fn cost(publication: &Publication) -> usize {
    MESSAGE_BYTES + publication.bytes()
}
