//! Who is connected: every user's sockets, by group. Sends what concerns them; waits for nobody.
//!
//! A user is active from his first socket to the end of his last one, and in one group at a time. It is kept in memory
//! only, so that nobody is active after a restart. Must not know: the database, or who may say what.

use super::envelope;
use crate::feed::Outlet;
use bytes::Bytes;
use serde::Serialize;
use std::collections::HashMap;

/// A user has at most so many sockets; the oldest goes.
const MOST_SOCKETS: usize = 100;
/// A policy was violated (RFC 6455, section 7.4.1).
const POLICY: u16 = 1008;

/// Everybody who is connected.
#[derive(Debug, Default)]
pub(super) struct Hall {
    /// By group and name.
    groups: HashMap<String, HashMap<String, Vec<Outlet>>>,
    /// By name, in which group a user is.
    homes: HashMap<String, String>,
}

/// Whether a user is connected, as others are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Presence {
    pub(super) username: String,
    pub(super) active: bool,
}

impl Hall {
    /// A socket of a user opens. If it is his first one, or he comes from another group, the others of his group hear.
    pub(super) fn join(&mut self, name: &str, group: &str, outlet: Outlet) {
        let mut sockets = match self.homes.get(name) {
            Some(home) if home != group => self.take(name),
            Some(_) | None => Vec::new(),
        };
        let others = self.groups.entry(group.to_owned()).or_default();
        if let Some(sockets) = others.get_mut(name) {
            if sockets.len() >= MOST_SOCKETS {
                sockets.remove(0).close(POLICY, "the user has too many connections");
            }
            sockets.push(outlet);
            return;
        }
        tell(others, name, true);
        sockets.push(outlet);
        others.insert(name.to_owned(), sockets);
        self.homes.insert(name.to_owned(), group.to_owned());
    }

    /// A socket of a user has ended. If it was his last one, the others of his group hear.
    pub(super) fn leave(&mut self, name: &str, outlet: &Outlet) {
        let sockets = self.sockets_mut(name);
        let Some(sockets) = sockets else { return };
        let before = sockets.len();
        sockets.retain(|other| !other.is(outlet));
        if sockets.is_empty() && before > 0 {
            self.take(name);
        }
    }

    /// Sends a text to all sockets of two users, or of one.
    pub(super) fn deliver(&self, from: &str, to: &str, text: &Bytes) {
        let sender = Some(from).filter(|from| *from != to);
        for name in [Some(to), sender].into_iter().flatten() {
            let home = self.homes.get(name).and_then(|group| self.groups.get(group));
            let sockets = home.and_then(|group| group.get(name));
            for socket in sockets.into_iter().flatten() {
                // Whoever cannot be sent it is being closed, and leaves.
                let _ = socket.send(text.clone());
            }
        }
    }

    /// Says of each name whether that user is active.
    pub(super) fn presences(&self, names: Vec<String>) -> impl Iterator<Item = Presence> {
        names.into_iter().map(|username| Presence { active: self.homes.contains_key(&username), username })
    }

    fn sockets_mut(&mut self, name: &str) -> Option<&mut Vec<Outlet>> {
        self.groups.get_mut(self.homes.get(name)?)?.get_mut(name)
    }

    /// Takes a user out of his group, whose others hear; his sockets.
    fn take(&mut self, name: &str) -> Vec<Outlet> {
        let Some(group) = self.homes.remove(name) else { return Vec::new() };
        let Some(others) = self.groups.get_mut(&group) else { return Vec::new() };
        let sockets = others.remove(name);
        if others.is_empty() {
            self.groups.remove(&group);
        } else {
            tell(others, name, false);
        }
        sockets.unwrap_or_default()
    }
}

/// Tells all of `others` about a user: one text, which they share.
fn tell(others: &HashMap<String, Vec<Outlet>>, name: &str, active: bool) {
    let text = envelope::text(&Presence { username: name.to_owned(), active });
    for socket in others.values().flatten() {
        let _ = socket.send(text.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{Ending, Feed, feed};
    use std::task::{Context, Poll, Waker};

    fn connect(hall: &mut Hall, name: &str, group: &str) -> (Outlet, Feed) {
        let (outlet, feed) = feed(64 * 1024);
        hall.join(name, group, outlet.clone());
        (outlet, feed)
    }

    fn heard(feed: &mut Feed) -> Vec<String> {
        let mut texts = Vec::new();
        while let Poll::Ready(Some(text)) = feed.poll_take(&mut Context::from_waker(Waker::noop())) {
            texts.push(String::from_utf8(text.to_vec()).unwrap());
        }
        texts
    }

    fn presence(name: &str, active: bool) -> String {
        format!(r#"{{"username":"{name}","active":{active}}}"#)
    }

    #[test]
    fn a_group_hears_of_first_and_last_sockets() {
        let mut hall = Hall::default();
        let (_, mut ann) = connect(&mut hall, "ann", "red");
        let (_, mut eve) = connect(&mut hall, "eve", "blue");
        let (first, mut bob) = connect(&mut hall, "bob", "red");
        let (second, _other) = connect(&mut hall, "bob", "red");
        assert_eq!(heard(&mut ann), [presence("bob", true)]);
        hall.leave("bob", &first);
        hall.leave("bob", &first);
        assert!(heard(&mut ann).is_empty());
        hall.leave("bob", &second);
        hall.leave("bob", &second);
        assert_eq!(heard(&mut ann), [presence("bob", false)]);
        assert!(heard(&mut eve).is_empty() && heard(&mut bob).is_empty());
        let names = ["ann", "bob", "eve"].map(str::to_owned).to_vec();
        let active: Vec<_> = hall.presences(names).map(|presence| presence.active).collect();
        assert_eq!(active, [true, false, true]);
    }

    #[test]
    fn a_message_reaches_all_sockets_of_both() {
        let mut hall = Hall::default();
        let (_, mut ann) = connect(&mut hall, "ann", "red");
        let (_, mut ann_too) = connect(&mut hall, "ann", "red");
        let (_, mut bob) = connect(&mut hall, "bob", "blue");
        let (_, mut eve) = connect(&mut hall, "eve", "blue");
        heard(&mut bob);
        hall.deliver("ann", "bob", &Bytes::from("x"));
        hall.deliver("ann", "ann", &Bytes::from("y"));
        hall.deliver("ann", "nobody", &Bytes::from("z"));
        assert_eq!((heard(&mut ann), heard(&mut ann_too)), (to_texts(&["x", "y", "z"]), to_texts(&["x", "y", "z"])));
        assert_eq!((heard(&mut bob), heard(&mut eve)), (to_texts(&["x"]), to_texts(&[])));
    }

    fn to_texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn who_comes_from_another_group_leaves_it() {
        let mut hall = Hall::default();
        let (_, mut red) = connect(&mut hall, "ann", "red");
        let (_, mut blue) = connect(&mut hall, "eve", "blue");
        let (first, mut bob) = connect(&mut hall, "bob", "red");
        let (second, _other) = connect(&mut hall, "bob", "blue");
        assert_eq!(heard(&mut red), [presence("bob", true), presence("bob", false)]);
        assert_eq!(heard(&mut blue), [presence("bob", true)]);
        connect(&mut hall, "tom", "blue");
        assert_eq!(heard(&mut bob), [presence("tom", true)]);
        for socket in [first, second] {
            assert!(hall.homes.contains_key("bob"));
            hall.leave("bob", &socket);
        }
        assert!(!hall.homes.contains_key("bob"));
    }

    #[test]
    fn a_user_has_so_many_sockets_and_the_slow_harm_nobody() {
        let mut hall = Hall::default();
        let mut feeds: Vec<_> = (0..=MOST_SOCKETS).map(|_| connect(&mut hall, "ann", "red").1).collect();
        let endings: Vec<_> = feeds.iter().filter_map(Feed::ending).collect();
        let reason = "the user has too many connections".to_owned();
        assert_eq!(endings, [Ending::Closed { code: POLICY, reason }]);
        let slow = feed(8);
        hall.join("bob", "red", slow.0);
        hall.deliver("ann", "bob", &Bytes::from("hello"));
        assert_eq!(slow.1.ending(), Some(Ending::TooSlow));
        assert_eq!(heard(feeds.last_mut().unwrap()), [presence("bob", true), "hello".to_owned()]);
        assert!(hall.groups["red"].len() == 2 && hall.homes.len() == 2);
    }
}
