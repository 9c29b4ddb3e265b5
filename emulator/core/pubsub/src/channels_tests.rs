//! The registry as its callers see it: who gets which bytes, and what is there when.

use super::*;
use crate::framing::Envelope;
use crate::message::EventField;
use crate::path::ChannelPath;
use crate::replay::Resume;
use crate::subscriber::{Answer, Delivery, Subscribe, SubscriberId, Terms};
use std::cell::RefCell;
use std::num::{NonZeroU64, NonZeroUsize};
use std::rc::Rc;

#[path = "channels_order_tests.rs"]
mod order;
#[path = "channels_terms_tests.rs"]
mod terms;

/// A subscriber's frames; takes `room` of them.
#[derive(Clone, Debug)]
struct Ears(Rc<RefCell<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    frames: Vec<Bytes>,
    /// The stamps of the frames that were delivered.
    stamps: Vec<Stamp>,
    room: usize,
    /// It leaves with its first frame.
    once: bool,
    ended: bool,
}

impl Outlet for Ears {
    fn deliver(&self, frame: &Bytes, stamp: Stamp) -> Delivery {
        let mut heard = self.0.borrow_mut();
        if heard.room == 0 {
            return Delivery::Full;
        }
        heard.room -= 1;
        heard.frames.push(frame.clone());
        heard.stamps.push(stamp);
        if heard.once { Delivery::Last } else { Delivery::Queued }
    }

    fn end(&self, last: Bytes) {
        let mut heard = self.0.borrow_mut();
        heard.frames.push(last);
        heard.ended = true;
    }

    fn cut_off(&self, last: Bytes, _reason: &'static str) {
        self.0.borrow_mut().frames.clear();
        self.end(last);
    }
}

impl Ears {
    /// Everything it got, as one text.
    fn text(&self) -> String {
        let heard = self.0.borrow();
        heard.frames.iter().map(|frame| String::from_utf8_lossy(frame).into_owned()).collect()
    }

    fn ended(&self) -> bool {
        self.0.borrow().ended
    }
}

const OPEN: &str = ": \n";
const GONE: &str = "data: Channel deleted\n\n";

struct Server {
    channels: Channels<Ears>,
    terms: Terms,
    now: Millis,
}

fn server(settings: Settings) -> Server {
    let host = Host { name: "box".into(), pid: 7 };
    let mut channels = Channels::new(settings, host, 0);
    let terms = Terms::new(channels.framing(Framing::default()));
    Server { channels, terms, now: 0 }
}

/// Keeps everything for a second, and idle channels for two.
fn roomy() -> Settings {
    Settings {
        message_ttl: NonZeroU64::new(1000).unwrap(),
        channel_inactivity_time: NonZeroU64::new(2000).unwrap(),
        ..Settings::default()
    }
}

fn ids(path: &str) -> Vec<ChannelId> {
    ChannelPath::parse(path.as_bytes()).ids()
}

impl Server {
    fn publish(&mut self, path: &str, body: &str) -> Result<Vec<ChannelInfo>, Error> {
        self.channels.publish(&ids(path), &publication(body), true, self.now)
    }

    fn subscribe_as(&mut self, path: &str, resume: &Resume, authorized: bool) -> Result<(SubscriberId, Ears), Error> {
        let path = ChannelPath::parse(path.as_bytes());
        let terms = Terms { authorized_channels_only: authorized, ..self.terms };
        let request = Subscribe { path: &path, resume, terms };
        let ears = |frames| Ears(Rc::new(RefCell::new(Heard { frames, room: 1000, ..Heard::default() })));
        self.channels.subscribe(&request, ears, self.now)
    }

    /// Waits for one answer; what is there already, or the waiting ears.
    fn wait(&mut self, path: &str, resume: &Resume) -> Result<Answer<Ears>, Error> {
        let path = ChannelPath::parse(path.as_bytes());
        let request = Subscribe { path: &path, resume, terms: self.terms };
        let ears = || Ears(Rc::new(RefCell::new(Heard { room: 1, once: true, ..Heard::default() })));
        self.channels.wait(&request, ears, self.now)
    }

    fn subscribe(&mut self, path: &str) -> (SubscriberId, Ears) {
        self.subscribe_as(path, &Resume::default(), false).unwrap()
    }

    /// Published, stored and subscribers of a channel, if it exists.
    fn counts(&mut self, id: &str) -> Option<(u64, usize, usize)> {
        let info = self.channels.info(&ids(id), self.now).unwrap().pop()?;
        Some((info.published_messages, info.stored_messages, info.subscribers))
    }

    fn summary(&mut self) -> Summary {
        match self.channels.statistics(&Query::Summary, self.now) {
            Ok(Some(Report::Summary(summary))) => summary,
            other => panic!("{other:?}"),
        }
    }

    /// The ids a group answers with.
    fn group(&mut self, path: &str) -> Vec<String> {
        let query = Query::from_path(&ChannelPath::parse(path.as_bytes()));
        match self.channels.statistics(&query, self.now) {
            Ok(Some(Report::Group(_, infos))) => {
                infos.iter().map(|info| String::from_utf8_lossy(info.id.as_bytes()).into_owned()).collect()
            }
            other => panic!("{other:?}"),
        }
    }
}

fn publication(body: &str) -> Publication {
    Publication::new(Bytes::copy_from_slice(body.as_bytes()))
}

#[test]
fn a_message_reaches_every_subscriber_of_its_channel_as_the_same_bytes() {
    let mut server = server(roomy());
    let (_, one) = server.subscribe("a");
    let (_, two) = server.subscribe("b/a");
    let (_, other) = server.subscribe("b");
    server.publish("a", "hi").unwrap();
    for (ears, expect) in [(&one, ": \ndata: hi\n\n"), (&two, ": \ndata: hi\n\n"), (&other, OPEN)] {
        assert_eq!(ears.text(), expect);
    }
    let last = |ears: &Ears| ears.0.borrow().frames.last().map(|frame| frame.as_ptr());
    assert_eq!(last(&one), last(&two));
    // Also those who come later share them.
    let (_, late) = server.subscribe("a.b1");
    assert_eq!(last(&late), last(&one));
}

#[test]
fn equal_framings_are_one_and_others_get_their_own_bytes() {
    let mut server = server(roomy());
    assert_eq!(server.channels.framing(Framing::default()), server.terms.framing);
    let template = crate::template::Template::parse("~id~").unwrap();
    let (_, plain) = server.subscribe("a");
    server.terms.framing = server.channels.framing(Framing { message_template: template, ..Framing::default() });
    let (_, numbered) = server.subscribe("a");
    server.publish("a", "hi").unwrap();
    assert_eq!((plain.text(), numbered.text()), (": \ndata: hi\n\n".into(), ": \ndata: 1\n\n".into()));
}

#[test]
fn a_publish_to_several_channels_gives_each_its_own_id_and_tells_of_all() {
    let mut server = server(roomy());
    server.publish("b", "x").unwrap();
    let infos = server.publish("a/b", "x").unwrap();
    let told: Vec<_> = infos.iter().map(|info| (info.published_messages, info.stored_messages)).collect();
    assert_eq!(told, [(1, 1), (2, 2)]);
    assert_eq!(server.summary().published_messages, 3);
}

#[test]
fn a_channel_that_is_listed_twice_is_subscribed_twice() {
    let mut server = server(roomy());
    let (id, ears) = server.subscribe("a/a");
    server.publish("a", "x").unwrap();
    assert_eq!(ears.text(), ": \ndata: x\n\ndata: x\n\n");
    assert_eq!((server.counts("a"), server.summary().subscribers), (Some((1, 1, 2)), 1));
    server.channels.unsubscribe(id, 0);
    assert_eq!((server.counts("a"), server.summary().subscribers), (Some((1, 1, 0)), 0));
}

#[test]
fn old_messages_come_by_channel_in_the_order_of_the_path() {
    let mut server = server(roomy());
    for (path, body) in [("a", "a1"), ("b", "b1"), ("a", "a2"), ("b", "b2")] {
        server.publish(path, body).unwrap();
    }
    for (path, expect) in [
        ("a.b1", ": \ndata: a2\n\n"),
        ("a.b9", ": \ndata: a1\n\ndata: a2\n\n"),
        ("a.b0", OPEN),
        ("b.b2/a.b1", ": \ndata: b1\n\ndata: b2\n\ndata: a2\n\n"),
    ] {
        assert_eq!(server.subscribe(path).1.text(), expect, "{path}");
    }
}

#[test]
fn a_client_goes_on_after_the_last_event_it_saw() {
    let mut server = server(roomy());
    for event in ["e1", "e2", "e3"] {
        let publication = Publication { event_id: EventField::new(event.as_bytes()), ..publication("x") };
        server.channels.publish(&ids("a"), &publication, true, 0).unwrap();
    }
    let resume = Resume { last_event_id: Some(b"e2".to_vec()), ..Resume::default() };
    assert_eq!(server.subscribe_as("a", &resume, true).unwrap().1.text(), ": \nid: e3\ndata: x\n\n");
    assert_eq!(server.subscribe_as("a.b1", &resume, true).unwrap().1.text(), ": \nid: e3\ndata: x\n\n");
}

#[test]
fn only_what_is_to_be_stored_is() {
    let mut server = server(Settings { max_messages_stored_per_channel: NonZeroUsize::new(2), ..roomy() });
    server.channels.publish(&ids("a"), &publication("x"), false, 0).unwrap();
    assert_eq!(server.counts("a"), Some((1, 0, 0)));
    for body in ["1", "2", "3"] {
        server.publish("a", body).unwrap();
    }
    assert_eq!(server.counts("a"), Some((4, 2, 0)));
    assert_eq!(server.subscribe("a.b9").1.text(), ": \ndata: 2\n\ndata: 3\n\n");
}

#[test]
fn refusals() {
    let limits = Settings {
        max_channel_id_length: NonZeroUsize::new(3),
        max_number_of_channels: NonZeroUsize::new(2),
        max_subscribers_per_channel: NonZeroUsize::new(1),
        ..roomy()
    };
    let mut server = server(limits);
    server.publish("old", "x").unwrap();
    for (path, body, expect) in [
        ("", "x", Error::NoChannelId),
        ("ALL", "x", Error::ChannelIdNotAuthorized),
        ("a*", "x", Error::ChannelIdNotAuthorized),
        ("long", "x", Error::ChannelIdTooLarge),
        ("long*", "", Error::ChannelIdNotAuthorized),
        ("old", "", Error::EmptyMessage),
        ("new", "", Error::EmptyMessage),
        ("one", "x", Error::TooManyChannels),
    ] {
        assert_eq!(server.publish(path, body), Err(expect), "{path:?} {body:?}");
    }
    // The channel of an empty message is there, as in the original.
    assert_eq!((server.counts("new"), server.counts("old")), (Some((0, 0, 0)), Some((1, 1, 0))));
    server.subscribe("old");
    for (path, authorized, expect) in [
        ("", false, Error::NoChannelId),
        ("ALL", false, Error::ChannelIdNotAuthorized),
        ("new/a*", false, Error::ChannelIdNotAuthorized),
        ("long", false, Error::ChannelIdTooLarge),
        ("new", true, Error::SubscriberCannotCreate),
        ("one", true, Error::SubscriberCannotCreate),
        ("old", true, Error::TooManySubscribers),
        ("new/old", false, Error::TooManySubscribers),
        ("new/one", false, Error::TooManyChannels),
    ] {
        let refused = server.subscribe_as(path, &Resume::default(), authorized);
        assert_eq!(refused.err(), Some(expect), "{path:?} {authorized}");
    }
    assert_eq!(server.counts("new"), Some((0, 0, 0)));
    for path in ["", "ALL", "long"] {
        assert_eq!(server.channels.info(&ids(path), 0).err(), server.channels.delete(&ids(path), None, 0).err());
        assert!(server.channels.info(&ids(path), 0).is_err());
    }
}

#[test]
fn memory_is_bounded_and_given_back() {
    let mut server = server(Settings {
        memory: NonZeroUsize::new(5000).unwrap(),
        max_messages_stored_per_channel: NonZeroUsize::new(1),
        ..roomy()
    });
    let (large, small) = ("x".repeat(3000), "x".repeat(1500));
    server.publish("a", &large).unwrap();
    assert_eq!(server.publish("b", &large), Err(Error::MemoryFull));
    assert_eq!(server.counts("b"), Some((0, 0, 0)));
    // What gives way counts as free, and a message that is not stored needs no room.
    server.publish("a", &large).unwrap();
    server.channels.publish(&ids("b"), &publication(&large), false, 0).unwrap();
    server.publish("a", &small).unwrap();
    server.publish("b", &small).unwrap();
    server.channels.delete(&ids("a/b"), None, 0).unwrap();
    server.publish("a.b1", &small).unwrap();
    server.subscribe("a.b1");
    server.channels.delete(&ids("a"), None, 0).unwrap();
    assert_eq!(server.channels.bytes, 0);
}

#[test]
fn a_message_expires_to_the_millisecond_and_its_channel_is_collected() {
    let mut server = server(roomy());
    server.now = 100;
    server.publish("a", "x").unwrap();
    assert_eq!(server.channels.next_deadline(), Some(1100));
    server.now = 1099;
    assert_eq!(server.subscribe_as("a.b1", &Resume::default(), true).unwrap().1.text(), ": \ndata: x\n\n");
    server.now = 1100;
    assert_eq!(server.counts("a"), Some((1, 0, 1)));
    let refused = server.subscribe_as("a.b1", &Resume::default(), true);
    assert_eq!(refused.err(), Some(Error::SubscriberCannotCreate));
    assert_eq!(server.subscribe("a.b1").1.text(), OPEN);
}

#[test]
fn an_idle_empty_channel_is_collected_after_its_time() {
    let mut server = server(roomy());
    server.publish("a", "x").unwrap();
    let (id, _) = server.subscribe("b");
    for (now, a, b, deadline) in [
        (999, Some((1, 1, 0)), Some((0, 0, 1)), Some(1000)),
        (1000, Some((1, 0, 0)), Some((0, 0, 1)), Some(2000)),
        (1999, Some((1, 0, 0)), Some((0, 0, 1)), Some(2000)),
        (2000, None, Some((0, 0, 1)), None),
        (9000, None, Some((0, 0, 1)), None),
    ] {
        server.now = now;
        server.channels.sweep(now);
        assert_eq!((server.counts("a"), server.counts("b")), (a, b), "{now}");
        assert_eq!(server.channels.next_deadline(), deadline, "{now}");
    }
    // Its time is over when its last subscriber leaves.
    server.channels.unsubscribe(id, server.now);
    assert_eq!((server.counts("b"), server.channels.next_deadline()), (None, None));
    // A subscriber's leaving does not count as activity, its coming does.
    let (id, _) = server.subscribe("c");
    server.now = 10_000;
    server.channels.unsubscribe(id, server.now);
    assert_eq!(server.channels.next_deadline(), Some(11_000));
    // A new channel of that name counts from one again.
    assert_eq!(server.publish("a", "x").unwrap().first().map(|info| info.published_messages), Some(1));
}

#[test]
fn a_clock_that_is_set_back_does_not_keep_messages_longer() {
    let mut server = server(roomy());
    for now in [5000, 2000, 2500] {
        server.now = now;
        server.publish("a", &now.to_string()).unwrap();
    }
    for (now, stored, deadline) in [(2999, 3, 3000), (3000, 2, 3500), (3500, 1, 6000)] {
        server.channels.sweep(now);
        server.now = now;
        assert_eq!(server.counts("a").map(|counts| counts.1), Some(stored), "{now}");
        assert_eq!(server.channels.next_deadline(), Some(deadline), "{now}");
    }
}

#[test]
fn a_deleted_channel_tells_its_subscribers_and_ends_those_without_another() {
    let mut server = server(roomy());
    server.publish("a/b", "x").unwrap();
    let (_, alone) = server.subscribe("a");
    let (_, both) = server.subscribe("a/b");
    assert_eq!(server.channels.delete(&ids("a/nothing"), None, 0), Ok(1));
    assert_eq!((alone.text(), alone.ended()), (format!("{OPEN}{GONE}"), true));
    assert_eq!((both.text(), both.ended()), (format!("{OPEN}{GONE}"), false));
    assert_eq!((server.counts("a"), server.summary().subscribers), (None, 1));
    server.publish("a/b", "y").unwrap();
    assert_eq!(both.text(), format!("{OPEN}{GONE}data: y\n\n"));
    assert_eq!(server.counts("a"), Some((1, 1, 0)));
    assert_eq!(server.channels.delete(&ids("b"), Some(Bytes::from_static(b"bye\nnow")), 0), Ok(1));
    assert_eq!((both.text().ends_with("data: bye\ndata: now\n\n"), both.ended()), (true, true));
    assert_eq!(server.channels.delete(&ids("b"), None, 0), Ok(0));
}

#[test]
fn a_full_subscriber_is_cut_off_and_no_other_notices() {
    let mut server = server(roomy());
    let (id, slow) = server.subscribe("a/a/b");
    let (_, quick) = server.subscribe("a");
    slow.0.borrow_mut().room = 1;
    let infos = server.publish("a", "x").unwrap();
    assert_eq!(infos.first().map(|info| info.subscribers), Some(1));
    assert_eq!((slow.text(), slow.ended()), (format!("\n: {TOO_SLOW}\n\n"), true));
    assert_eq!((quick.text(), quick.ended()), (": \ndata: x\n\n".into(), false));
    assert_eq!((server.channels.cut_off_count(), server.summary().subscribers), (1, 1));
    assert_eq!(server.counts("b"), Some((0, 0, 0)));
    // Its late goodbye does not hit whoever came after it.
    let (_, next) = server.subscribe("a");
    server.channels.unsubscribe(id, 0);
    server.publish("a", "y").unwrap();
    assert_eq!(next.text(), ": \ndata: y\n\n");
}

#[test]
fn all_streams_end_with_the_footer() {
    let mut server = server(roomy());
    let (_, plain) = server.subscribe("a/b");
    let footed = Framing { footer_template: "bye".into(), ..Framing::default() };
    server.terms.framing = server.channels.framing(footed);
    let (_, footed) = server.subscribe("a");
    server.channels.end_all(0);
    assert_eq!((plain.text(), plain.ended()), (OPEN.into(), true));
    assert_eq!((footed.text(), footed.ended()), (": \n: bye\n".into(), true));
    assert_eq!((server.summary().subscribers, server.counts("a")), (0, Some((0, 0, 0))));
}

#[test]
fn groups_come_in_order() {
    let mut server = server(roomy());
    for id in ["zebra", "apple", "zoo", "z"] {
        server.publish(id, "x").unwrap();
    }
    for (path, expect) in [
        ("ALL", &["zebra", "apple", "zoo", "z"][..]),
        ("*", &["zebra", "apple", "zoo", "z"]),
        ("z*", &["zebra", "zoo", "z"]),
        ("ze*bra", &["zebra"]),
        ("apple/zo*/a*", &["zoo"]),
        ("q*", &[]),
        ("zoo/q/apple", &["zoo", "apple"]),
    ] {
        assert_eq!(server.group(path), expect, "{path}");
    }
    for (path, found) in [("apple", true), ("apple/q", true), ("q", false)] {
        let query = Query::from_path(&ChannelPath::parse(path.as_bytes()));
        let report = server.channels.statistics(&query, 0).unwrap();
        assert_eq!(matches!(report, Some(Report::Channel(_))), found, "{path}");
        assert_eq!(report.is_none(), !found, "{path}");
    }
}

#[test]
fn the_summary_counts() {
    let mut server = server(roomy());
    server.publish("a/b", "x").unwrap();
    server.subscribe("a/b");
    server.subscribe("a");
    server.now = 900;
    server.publish("a", "y").unwrap();
    server.now = 1500;
    let head = Head { hostname: "box".into(), time: 1, channels: 2, wildcard_channels: 0, uptime: 1 };
    let expect = Summary { head, published_messages: 3, stored_messages: 1, subscribers: 2, pid: 7 };
    assert_eq!(server.summary(), expect);
}

#[test]
fn others_are_published_between_two_of_a_batch_and_ids_grow() {
    let mut server = server(Settings::default());
    let channels = &mut server.channels;
    let publication = |body: &'static str| Publication::new(Bytes::from_static(body.as_bytes()));
    let mut batch = channels.begin_batch();
    let mut reserve = |channels: &mut Channels<_>, body| {
        channels.reserve(&mut batch, &ids("a"), &publication(body), true, 0).unwrap()
    };
    let (first, second) = (reserve(channels, "first"), reserve(channels, "second"));
    channels.publish(&ids("b"), &publication("before"), true, 0).unwrap();
    channels.fulfil(first, 0);
    channels.publish(&ids("b"), &publication("between"), true, 0).unwrap();
    channels.fulfil(second, 0);
    channels.end_batch(None);
    channels.publish(&ids("b"), &publication("after"), true, 0).unwrap();
    let latest = |channels: &Channels<_>, id: &str| {
        channels.found(&ids(id)).map(|(_, channel)| channel.latest()).next().unwrap()
    };
    assert!(latest(channels, "b") > latest(channels, "a"));
}
