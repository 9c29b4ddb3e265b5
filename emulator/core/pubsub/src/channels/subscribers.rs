//! Who listens: coming, waiting, being pinged, leaving. Must not know: what carries the frames.

use super::{Channels, events::Kind};
use crate::Millis;
use crate::channel::{Channel, Leaving};
use crate::error::Error;
use crate::framing::Framing;
use crate::message::{Stamp, TIMED_OUT};
use crate::path::ChannelId;
use crate::slots::Key;
use crate::subscriber::{
    Answer, Backlog, Delivery, FramingId, Outlet, Place, Subscribe, Subscriber, SubscriberId, Terms,
};
use bytes::Bytes;

/// What a subscriber reads that was cut off.
pub const TOO_SLOW: &str = "closed by the server: this listener does not read fast enough";
/// What it reads that has waited too long, if it is to read anything.
const TIME_IS_OVER: Bytes = Bytes::from_static(b"Timed out");

/// After so many milliseconds a subscriber shall come back whose stream was ended by a stop: not all at once.
fn retry_after(place: u64) -> u64 {
    100 + place % 64 * 15
}

impl<S: Outlet> Channels<S> {
    /// The old messages that a request asks for, without subscribing to anything.
    ///
    /// # Errors
    /// Channels created up to then stay, for their inactivity time.
    pub fn poll(&mut self, request: &Subscribe<'_>, now: Millis) -> Result<Backlog, Error> {
        self.sweep(now);
        let backlog = self.admit(request, now).map(|()| self.backlog(request));
        for id in request.path.ids() {
            if let Some(channel) = self.by_id.get(&id).and_then(|key| self.channels.get_mut(*key)) {
                channel.touch(now);
            }
            self.settle_named(&id, now);
        }
        self.tell_news(now);
        backlog
    }

    /// The old messages that a request asks for; if there are none, it waits for the first new one.
    ///
    /// # Errors
    /// Nobody was subscribed. Channels created up to then stay, for their inactivity time.
    pub fn wait(
        &mut self,
        request: &Subscribe<'_>,
        outlet: impl FnOnce() -> S,
        now: Millis,
    ) -> Result<Answer<S>, Error> {
        let backlog = self.poll(request, now)?;
        if backlog.newest.is_some() {
            return Ok(Answer::Now(backlog));
        }
        let outlet = outlet();
        let id = self.join(request, outlet.clone(), true, now)?;
        Ok(Answer::Waits(id, outlet))
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
        if let Err(error) = self.admit(request, now) {
            self.tell_news(now);
            return Err(error);
        }
        let Backlog { opening, mut messages, .. } = self.backlog(request);
        if !opening.is_empty() {
            messages.insert(0, opening);
        }
        let outlet = outlet(messages);
        let id = self.join(request, outlet.clone(), false, now)?;
        Ok((id, outlet))
    }

    /// Removes a subscriber that left; one that is gone already does not matter.
    pub fn unsubscribe(&mut self, subscriber: SubscriberId, now: Millis) {
        self.take_subscriber(subscriber.0, now);
        self.sweep(now);
        self.tell_news(now);
    }

    /// Ends a subscription for a `reason` that its subscriber reads; whether there was one.
    pub fn expel(&mut self, subscriber: SubscriberId, reason: &'static str, now: Millis) -> bool {
        let expelled = self.take_subscriber(subscriber.0, now);
        if let Some(subscriber) = &expelled {
            let framing = self.framings.get(subscriber.framing.0).filter(|_| !subscriber.once);
            subscriber.outlet.cut_off(framing.map(|framing| framing.cut_off(reason)).unwrap_or_default(), reason);
        }
        self.tell_news(now);
        expelled.is_some()
    }

    /// Brings every stream to its end, as before a stop. Who can come back without a gap is told to, soon.
    pub fn end_all(&mut self, now: Millis) {
        for (key, place) in self.subscribers.keys().into_iter().zip(0_u64..) {
            if let Some(subscriber) = self.take_subscriber(key, now) {
                let retry = self.known(subscriber.framing).and_then(|framing| framing.retry(retry_after(place)));
                let closing = self.closing(&subscriber);
                subscriber.outlet.end(match retry.filter(|_| !subscriber.once) {
                    Some(retry) => [retry, closing].concat().into(),
                    None => closing,
                });
            }
        }
        self.tell_news(now);
    }

    /// When the next message expires, channel is collected, or subscriber is to be pinged or to end.
    pub fn next_deadline(&self) -> Option<Millis> {
        let first = |deadlines: &std::collections::BTreeSet<(Millis, Key)>| deadlines.first().map(|(due, _)| *due);
        match (first(&self.deadlines), first(&self.appointments)) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
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
        while let Some(&(due, key)) = self.appointments.first()
            && due <= now
        {
            self.appointments.pop_first();
            if let Some(subscriber) = self.subscribers.get_mut(key) {
                subscriber.registered = None;
            }
            self.attend(key, now);
        }
        self.tell_news(now);
    }

    /// Whether a request may have what it asks for; then all its channels exist.
    fn admit(&mut self, request: &Subscribe<'_>, now: Millis) -> Result<(), Error> {
        let ids = request.path.ids();
        if ids.is_empty() {
            return Err(Error::NoChannelId);
        }
        for id in &ids {
            self.may_subscribe(id, &request.terms)?;
        }
        let wildcards = ids.iter().filter(|id| self.is_wildcard(id)).count();
        let most = request.terms.wildcard_channel_max_qtd.or(self.settings.max_number_of_wildcard_channels);
        if wildcards > 0 && most.is_some_and(|most| wildcards > most.get() || wildcards == ids.len()) {
            return Err(Error::TooManyWildcardChannels);
        }
        ids.iter().try_for_each(|id| self.open(id, now).map(drop))
    }

    fn may_subscribe(&self, id: &ChannelId, terms: &Terms) -> Result<(), Error> {
        self.check_one(id)?;
        let channel = self.by_id.get(id).and_then(|key| self.channels.get(*key));
        let must_exist = terms.authorized_channels_only && !self.is_wildcard(id) && !self.is_events_channel(id);
        if must_exist && channel.is_none_or(|channel| channel.stored() == 0) {
            return Err(Error::SubscriberCannotCreate);
        }
        let subscribers = channel.map_or(0, Channel::subscribers);
        if self.settings.max_subscribers_per_channel.is_some_and(|most| subscribers >= most.get()) {
            return Err(Error::TooManySubscribers);
        }
        if self.is_events_channel(id) && !terms.events_channel {
            return Err(Error::EventsChannelClosed);
        }
        Ok(())
    }

    /// What a subscriber gets to begin with. Where the server gives ids, what lies between the last one seen and now
    /// comes in the order of all messages, and with it what of that is lost.
    fn backlog(&mut self, request: &Subscribe<'_>) -> Backlog {
        let Self { by_id, channels, framings, bytes, .. } = self;
        let framing = request.terms.framing;
        let known = framings.get(framing.0);
        let epoch = known.and_then(Framing::server_ids);
        let position = epoch.and_then(|epoch| request.resume.position(epoch, self.seq));
        let opening = known.map(Framing::opening).unwrap_or_default();
        let (mut gaps, mut old) = (Vec::new(), Vec::new());
        for segment in &request.path.0 {
            let Some(channel) = by_id.get(&segment.id).and_then(|key| channels.get_mut(*key)) else { continue };
            let before = channel.bytes();
            match position {
                Some(position) => {
                    if let Some(lost) =
                        channel.gap(position, if channel.durable { self.forgotten_durable } else { self.forgotten })
                    {
                        gaps.extend(known.and_then(|framing| framing.gap(&segment.id, lost)));
                    }
                    old.append(&mut channel.replay_after(position, framing, framings));
                }
                None => old.append(&mut channel.replay(request.resume, segment.backtrack, framing, framings)),
            }
            *bytes = *bytes - before + channel.bytes();
        }
        if epoch.is_some() {
            old.sort_by_key(|old| old.seq);
        }
        let newest = old.iter().map(|old| old.stamp).max();
        let mut messages = gaps;
        messages.extend(old.into_iter().map(|old| old.frame));
        messages.extend(known.and_then(|framing| framing.mark(self.seq)));
        Backlog { opening, messages, newest }
    }

    /// Makes a subscriber of `outlet`.
    fn join(&mut self, request: &Subscribe<'_>, outlet: S, once: bool, now: Millis) -> Result<SubscriberId, Error> {
        let terms = &request.terms;
        let subscriber = Subscriber {
            outlet: outlet.clone(),
            framing: terms.framing,
            places: Vec::new(),
            once,
            ping_interval: terms.ping_interval.filter(|_| !once),
            greeted: now,
            ends: terms.ttl.map(|ttl| now.saturating_add(ttl.get())),
            registered: None,
        };
        let id = self.subscribers.insert(subscriber).ok_or(Error::MemoryFull)?;
        let mut places = Vec::with_capacity(request.path.0.len());
        for segment in &request.path.0 {
            let Some(&channel) = self.by_id.get(&segment.id) else { continue };
            let joined = self.channels.get_mut(channel);
            let listener = joined.and_then(|channel| channel.join(id, outlet.clone(), terms.framing, now));
            places.extend(listener.map(|listener| Place { channel, listener }));
            self.settle(channel, now);
            self.note(Kind::ClientSubscribed, &segment.id);
        }
        if let Some(subscriber) = self.subscribers.get_mut(id) {
            subscriber.places = places;
        }
        self.make_appointment(id);
        self.tell_news(now);
        Ok(SubscriberId(id))
    }

    /// Notes when a subscriber is to be looked after next.
    fn make_appointment(&mut self, key: Key) {
        let Self { subscribers, channels, appointments, .. } = self;
        let Some(subscriber) = subscribers.get_mut(key) else { return };
        let ping = subscriber.ping_interval.map(|interval| {
            let delivered = subscriber.places.iter().filter_map(|place| channels.get(place.channel));
            let last = delivered.map(|channel| channel.delivered).max().unwrap_or_default().max(subscriber.greeted);
            last.saturating_add(interval.get())
        });
        let due = match (ping, subscriber.ends) {
            (Some(ping), Some(ends)) => Some(ping.min(ends)),
            (one, other) => one.or(other),
        };
        subscriber.registered = due;
        appointments.extend(due.map(|due| (due, key)));
    }

    /// Pings a subscriber if nothing was sent to it for long enough, or ends it if its time is over.
    fn attend(&mut self, key: Key, now: Millis) {
        let Some(subscriber) = self.subscribers.get(key) else { return };
        if subscriber.ends.is_some_and(|ends| ends <= now) {
            return self.time_out(key, now);
        }
        // A message since has moved the ping; where none has, it is due now.
        self.make_appointment(key);
        let Some(subscriber) = self.subscribers.get_mut(key) else { return };
        let Some(due) = subscriber.registered.filter(|due| *due <= now) else { return };
        self.appointments.remove(&(due, key));
        subscriber.registered = None;
        subscriber.greeted = now;
        let text = &self.settings.ping_message_text;
        let ping = self.framings.get(subscriber.framing.0).map(|framing| framing.ping(text)).unwrap_or_default();
        match subscriber.outlet.deliver(&ping, Stamp::default()) {
            Delivery::Queued => self.make_appointment(key),
            Delivery::Last => self.dismiss(Leaving { answered: vec![key], full: Vec::new() }, now),
            Delivery::Full => self.dismiss(Leaving { answered: Vec::new(), full: vec![key] }, now),
        }
    }

    /// A subscriber's time is over.
    fn time_out(&mut self, key: Key, now: Millis) {
        let says_so = self.settings.timeout_with_body;
        if let Some(subscriber) = self.subscribers.get(key)
            && subscriber.once
            && says_so
        {
            let framing = self.framings.get(subscriber.framing.0);
            let frame = framing.map(|framing| framing.own(TIMED_OUT, TIME_IS_OVER)).unwrap_or_default();
            subscriber.outlet.deliver(&frame, Stamp::default());
            self.take_subscriber(key, now);
        } else {
            self.end(key, now);
        }
    }

    /// Lets those go who have their answer, and cuts off those who do not read.
    pub(super) fn dismiss(&mut self, leaving: Leaving, now: Millis) {
        for key in leaving.answered {
            self.take_subscriber(key, now);
        }
        for key in leaving.full {
            // Nobody is found the second time a frame for the same subscriber did not fit.
            if let Some(subscriber) = self.take_subscriber(key, now) {
                let framing = self.framings.get(subscriber.framing.0);
                let last = framing.map(|framing| framing.cut_off(TOO_SLOW)).unwrap_or_default();
                subscriber.outlet.cut_off(last, TOO_SLOW);
                self.cut_off += 1;
            }
        }
    }

    /// Forgets the places of a subscriber in channels that are gone, and ends its stream if no others are left.
    pub(super) fn end_if_alone(&mut self, key: Key) {
        let Some(subscriber) = self.subscribers.get_mut(key) else { return };
        subscriber.places.retain(|place| self.channels.get(place.channel).is_some());
        if subscriber.places.is_empty()
            && let Some(subscriber) = self.remove_subscriber(key)
        {
            subscriber.outlet.end(self.closing(&subscriber));
        }
    }

    fn end(&mut self, key: Key, now: Millis) {
        if let Some(subscriber) = self.take_subscriber(key, now) {
            subscriber.outlet.end(self.closing(&subscriber));
        }
    }

    /// Takes a subscriber and its places away.
    fn take_subscriber(&mut self, key: Key, now: Millis) -> Option<Subscriber<S>> {
        let subscriber = self.remove_subscriber(key)?;
        for place in &subscriber.places {
            if let Some(channel) = self.channels.get_mut(place.channel) {
                channel.leave(subscriber.framing, place.listener);
                let id = channel.id.clone();
                self.note(Kind::ClientUnsubscribed, &id);
            }
            self.settle(place.channel, now);
        }
        Some(subscriber)
    }

    fn remove_subscriber(&mut self, key: Key) -> Option<Subscriber<S>> {
        let subscriber = self.subscribers.remove(key)?;
        if let Some(due) = subscriber.registered {
            self.appointments.remove(&(due, key));
        }
        Some(subscriber)
    }

    /// What a stream ends with. Who waits for one answer gets none, and knows by that.
    fn closing(&self, subscriber: &Subscriber<S>) -> Bytes {
        if subscriber.once {
            return Bytes::new();
        }
        self.known(subscriber.framing).map(Framing::closing).unwrap_or_default()
    }

    /// The framing behind its name.
    pub fn known(&self, framing: FramingId) -> Option<&Framing> {
        self.framings.get(framing.0)
    }

    fn settle_named(&mut self, id: &ChannelId, now: Millis) {
        if let Some(&key) = self.by_id.get(id) {
            self.settle(key, now);
        }
    }
}
