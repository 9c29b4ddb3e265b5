//! Who listens to whom, and what waits for its turn.
//!
//! Pings of a user and those who begin to listen to him stand in one queue, from which they are taken in order and
//! together: so every listener hears each ping once, from the last one on, and pings that wait share one commit. Other
//! users' queues are not waited for. Must not know: how a batch is stored or sent.

use super::ping::Ping;
use super::refusal::Refusal;
use super::settings::Settings;
use crate::feed::Outlet;
use futures_channel::oneshot::Sender;
use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::sync::Arc;

/// So many of a user's pings and new listeners may wait.
const MOST_WAITING: usize = 4096;

/// What came of something that waited.
pub(super) type Outcome = Result<(), Refusal>;

/// Something that waits for its turn.
pub(super) enum Item {
    Ping { ping: Ping, done: Sender<Outcome> },
    Listener { id: u64, outlet: Outlet, done: Sender<Outcome> },
}

/// What is done together.
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    /// What is known of the user's last ping before these.
    pub(super) last: Last,
    /// Who listens already.
    pub(super) audience: Arc<[Outlet]>,
}

/// A user's last ping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Last {
    /// The database knows.
    #[default]
    Unknown,
    /// This one, or that there is none.
    Known(Option<Ping>),
}

/// All users of whom anything has to be remembered.
pub(super) struct Table {
    settings: Settings,
    users: HashMap<String, User>,
    streams: usize,
    last_id: u64,
}

#[derive(Default)]
struct User {
    last: Last,
    waiting: Vec<Item>,
    /// Somebody takes turns.
    working: bool,
    /// Listeners, those included who still wait.
    admitted: usize,
    listeners: BTreeMap<u64, Outlet>,
    /// The listeners, made when first needed after a change.
    audience: Option<Arc<[Outlet]>>,
}

impl User {
    fn is_idle(&self) -> bool {
        !self.working && self.admitted == 0 && self.waiting.is_empty()
    }
}

impl Table {
    /// Nobody yet.
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, users: HashMap::new(), streams: 0, last_id: 0 }
    }

    /// Counts another listener to `user`, who counts until [`Table::gone`]; its id.
    pub(super) fn admit(&mut self, user: &str) -> Result<u64, Refusal> {
        if self.users.get(user).is_some_and(|user| user.admitted >= self.settings.most_subscribers) {
            return Err(Refusal::Subscribers);
        }
        if self.streams >= self.settings.most_streams {
            return Err(Refusal::Streams);
        }
        self.streams += 1;
        self.last_id += 1;
        self.users.entry(user.to_owned()).or_default().admitted += 1;
        Ok(self.last_id)
    }

    /// The listener has gone.
    pub(super) fn gone(&mut self, name: &str, id: u64) {
        self.streams -= 1;
        let Some(user) = self.users.get_mut(name) else { return };
        user.admitted -= 1;
        if user.listeners.remove(&id).is_some() {
            user.audience = None;
        }
        self.forget_if_idle(name);
    }

    /// Has `item` wait; whether somebody has to be found to take turns.
    pub(super) fn put(&mut self, user: &str, item: Item) -> Result<bool, Refusal> {
        let user = self.users.entry(user.to_owned()).or_default();
        if user.waiting.len() >= MOST_WAITING {
            return Err(Refusal::Pings);
        }
        user.waiting.push(item);
        Ok(!mem::replace(&mut user.working, true))
    }

    /// What waits; none if nothing does, and then nobody takes turns any more.
    pub(super) fn take(&mut self, name: &str) -> Option<Batch> {
        let user = self.users.get_mut(name)?;
        if user.waiting.is_empty() {
            user.working = false;
            self.forget_if_idle(name);
            return None;
        }
        let listeners = &user.listeners;
        let audience = user.audience.get_or_insert_with(|| listeners.values().cloned().collect());
        Some(Batch { items: mem::take(&mut user.waiting), last: user.last.clone(), audience: Arc::clone(audience) })
    }

    /// A batch has been stored and sent: this was the last ping, and these listen now.
    pub(super) fn done(&mut self, name: &str, last: Last, listeners: Vec<(u64, Outlet)>) {
        let Some(user) = self.users.get_mut(name) else { return };
        user.last = last;
        for (id, outlet) in listeners {
            // One that has gone before was not there to be removed.
            if outlet.is_open() {
                user.listeners.insert(id, outlet);
                user.audience = None;
            }
        }
    }

    /// Nobody takes turns any more, whatever waits.
    pub(super) fn abandon(&mut self, name: &str) -> Vec<Item> {
        let Some(user) = self.users.get_mut(name) else { return Vec::new() };
        user.working = false;
        let items = mem::take(&mut user.waiting);
        self.forget_if_idle(name);
        items
    }

    fn forget_if_idle(&mut self, name: &str) {
        if self.users.get(name).is_some_and(User::is_idle) {
            self.users.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{Feed, feed};
    use futures_channel::oneshot;

    fn table(most_streams: usize, most_subscribers: usize) -> Table {
        Table::new(Settings { most_streams, most_subscribers, identified_subscribers: false })
    }

    fn ping(time: u64) -> Item {
        Item::Ping { ping: Ping { time, status: String::new() }, done: oneshot::channel().0 }
    }

    fn times(batch: &Batch) -> Vec<u64> {
        let time = |item: &Item| match item {
            Item::Ping { ping, .. } => Some(ping.time),
            Item::Listener { .. } => None,
        };
        batch.items.iter().filter_map(time).collect()
    }

    fn listen(table: &mut Table, name: &str) -> (u64, Feed) {
        let (outlet, feed) = feed(1000);
        let id = table.admit(name).unwrap();
        table.put(name, Item::Listener { id, outlet, done: oneshot::channel().0 }).unwrap();
        let batch = table.take(name).unwrap();
        let newcomers = batch.items.into_iter().filter_map(|item| match item {
            Item::Listener { id, outlet, .. } => Some((id, outlet)),
            Item::Ping { .. } => None,
        });
        let newcomers = newcomers.collect();
        table.done(name, Last::Known(None), newcomers);
        (id, feed)
    }

    #[test]
    fn what_waits_is_taken_in_order_and_together_by_one() {
        let mut table = table(10, 10);
        assert_eq!(table.put("ann", ping(1)), Ok(true));
        assert_eq!(table.put("ann", ping(2)), Ok(false));
        assert_eq!(table.put("ben", ping(9)), Ok(true));
        let batch = table.take("ann").unwrap();
        assert_eq!((times(&batch), batch.last), (vec![1, 2], Last::Unknown));
        assert_eq!(table.put("ann", ping(3)), Ok(false));
        let last = Last::Known(Some(Ping { time: 2, status: String::new() }));
        table.done("ann", last.clone(), Vec::new());
        let batch = table.take("ann").unwrap();
        assert_eq!((times(&batch), batch.last), (vec![3], last));
        assert!(table.take("ann").is_none());
        assert_eq!(table.users.keys().collect::<Vec<_>>(), ["ben"]);
        assert_eq!(table.abandon("ben").len(), 1);
        assert!(table.users.is_empty());
    }

    #[test]
    fn whoever_goes_is_forgotten() {
        let mut table = table(10, 10);
        let (first, _feed) = listen(&mut table, "ann");
        let (second, gone) = listen(&mut table, "ann");
        table.put("ann", ping(1)).unwrap();
        let batch = table.take("ann").unwrap();
        assert_eq!((batch.audience.len(), batch.last), (2, Last::Known(None)));
        drop(gone);
        table.gone("ann", second);
        table.put("ann", ping(2)).unwrap();
        assert_eq!(table.take("ann").unwrap().audience.len(), 1);
        table.gone("ann", first);
        assert!(table.take("ann").is_none());
        assert!(table.users.is_empty() && table.streams == 0);
    }

    #[test]
    fn a_listener_that_went_while_it_waited_is_not_kept() {
        let mut table = table(10, 10);
        let (outlet, feed) = feed(1000);
        let id = table.admit("ann").unwrap();
        table.put("ann", Item::Listener { id, outlet: outlet.clone(), done: oneshot::channel().0 }).unwrap();
        drop(table.take("ann").unwrap());
        drop(feed);
        table.gone("ann", id);
        table.done("ann", Last::Known(None), vec![(id, outlet)]);
        assert!(table.take("ann").is_none());
        assert!(table.users.is_empty());
    }

    #[test]
    fn everything_is_bounded() {
        let mut table = table(3, 2);
        let ids = [table.admit("ann"), table.admit("ann")].map(Result::unwrap);
        assert_eq!(table.admit("ann"), Err(Refusal::Subscribers));
        table.admit("ben").unwrap();
        assert_eq!(table.admit("cleo"), Err(Refusal::Streams));
        table.gone("ann", ids[0]);
        table.admit("ann").unwrap();
        for time in 0..MOST_WAITING as u64 {
            table.put("ann", ping(time)).unwrap();
        }
        assert_eq!(table.put("ann", ping(0)), Err(Refusal::Pings));
        assert_eq!(table.put("ben", ping(0)), Ok(true));
    }
}
