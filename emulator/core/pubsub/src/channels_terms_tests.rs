//! What holds where a subscriber asks: waiting, pings, lifetimes, wildcard channels, the events channel.

use super::*;

const MINUTE: NonZeroU64 = NonZeroU64::new(60_000).unwrap();
const TENTH: NonZeroU64 = NonZeroU64::new(100).unwrap();

fn lasting() -> Settings {
    Settings { message_ttl: MINUTE, channel_inactivity_time: MINUTE, ..Settings::default() }
}

fn waits(answer: Result<Answer<Ears>, Error>) -> (SubscriberId, Ears) {
    match answer {
        Ok(Answer::Waits(id, ears)) => (id, ears),
        other => panic!("{other:?}"),
    }
}

fn since(time: i64, tag: u64) -> Resume {
    Resume { modified_since: Some(time), tag: Some(tag), ..Resume::default() }
}

#[test]
fn who_waits_gets_one_message_and_leaves() {
    let mut server = server(lasting());
    server.now = 7000;
    server.publish("a", "old").unwrap();
    let (_, ears) = waits(server.wait("a/a/b", &Resume::default()));
    assert_eq!((server.counts("a"), server.summary().subscribers), (Some((1, 1, 2)), 1));
    // The answer to the publisher counts who has waited for it.
    let told: Vec<_> = server.publish("b/a", "x").unwrap().iter().map(|info| info.subscribers).collect();
    assert_eq!(told, [1, 0]);
    server.publish("a", "y").unwrap();
    assert_eq!((ears.text(), ears.ended()), ("data: x\n\n".into(), false));
    assert_eq!(ears.0.borrow().stamps, [Stamp { time: 7, tag: 2 }]);
    assert_eq!((server.counts("a"), server.summary().subscribers), (Some((3, 3, 0)), 0));
}

#[test]
fn who_asks_for_what_is_there_does_not_wait() {
    let mut server = server(lasting());
    server.now = 7000;
    server.publish("a/b", "x").unwrap();
    server.publish("a", "y").unwrap();
    for (path, resume, newest, expect) in [
        ("a.b1/b.b1", Resume::default(), (7, 3), &["data: y\n\n", "data: x\n\n"][..]),
        ("b/a", since(7, 1), (7, 3), &["data: x\n\n", "data: y\n\n"]),
        ("a", since(7, 1), (7, 3), &["data: y\n\n"]),
        ("b", since(6, 9), (7, 2), &["data: x\n\n"]),
    ] {
        match server.wait(path, &resume) {
            Ok(Answer::Now(backlog)) => {
                assert_eq!(
                    (&backlog.opening[..], backlog.messages),
                    (OPEN.as_bytes(), expect.iter().map(|frame| Bytes::from(*frame)).collect())
                );
                assert_eq!(backlog.newest, Some(Stamp { time: newest.0, tag: newest.1 }), "{path}");
            }
            other => panic!("{path}: {other:?}"),
        }
    }
    waits(server.wait("a", &since(7, 3)));
    assert_eq!(server.counts("b"), Some((1, 1, 0)));
}

#[test]
fn polling_subscribes_to_nothing_but_makes_its_channels() {
    let mut server = server(lasting());
    let (path, resume) = (ChannelPath::parse(b"a.b1"), Resume::default());
    let poll = |server: &mut Server| {
        let request = Subscribe { path: &path, resume: &resume, terms: server.terms };
        server.channels.poll(&request, server.now).unwrap()
    };
    assert_eq!(poll(&mut server).newest, None);
    assert_eq!((server.counts("a"), server.summary().subscribers), (Some((0, 0, 0)), 0));
    server.publish("a", "x").unwrap();
    assert_eq!(poll(&mut server).messages, [Bytes::from_static(b"data: x\n\n")]);
    // Asking keeps a channel.
    server.now = 59_000;
    poll(&mut server);
    server.now = 100_000;
    assert_eq!(server.counts("a"), Some((1, 0, 0)));
    server.now = 119_000;
    assert_eq!(server.counts("a"), None);
}

#[test]
fn who_waits_too_long_is_told_or_not() {
    for (timeout_with_body, text, ended) in [(false, "", true), (true, "data: Timed out\n\n", false)] {
        let mut server = server(Settings { timeout_with_body, ..lasting() });
        server.terms.ttl = Some(TENTH);
        let (_, ears) = waits(server.wait("a", &Resume::default()));
        assert_eq!(server.channels.next_deadline(), Some(100));
        server.channels.sweep(99);
        assert_eq!(server.summary().subscribers, 1);
        server.channels.sweep(100);
        assert_eq!((ears.text(), ears.ended()), (text.into(), ended));
        assert_eq!((server.summary().subscribers, server.counts("a")), (0, Some((0, 0, 0))));
        assert_eq!(server.channels.next_deadline(), Some(60_000));
    }
}

#[test]
fn a_deletion_is_an_answer() {
    let mut server = server(lasting());
    let (_, ears) = waits(server.wait("a/b", &Resume::default()));
    assert_eq!(server.channels.delete(&ids("a"), None, 0), Ok(1));
    assert_eq!(ears.text(), GONE);
    assert_eq!((server.counts("b"), server.summary().subscribers), (Some((0, 0, 0)), 0));
}

#[test]
fn a_stream_ends_when_its_time_is_over() {
    let mut server = server(lasting());
    let footed = Framing { footer_template: "bye".into(), ..Framing::default() };
    server.terms = Terms { ttl: Some(TENTH), ..Terms::new(server.channels.framing(footed)) };
    let (_, ears) = server.subscribe("a");
    let (early, _) = server.subscribe("a");
    server.channels.unsubscribe(early, 0);
    server.channels.sweep(100);
    assert_eq!((ears.text(), ears.ended()), (": \n: bye\n".into(), true));
    assert_eq!(server.summary().subscribers, 0);
    assert_eq!(server.channels.appointments.len(), 0);
}

#[test]
fn pings_come_when_nothing_else_does() {
    let mut server = server(Settings { ping_message_text: "still here".into(), ..lasting() });
    server.terms.ping_interval = Some(TENTH);
    let (_, events) = server.subscribe("a/b");
    let template = crate::template::Template::parse("[~id~|~text~]").unwrap();
    let plain = Framing { envelope: Envelope::Plain, message_template: template, ..Framing::default() };
    server.terms.framing = server.channels.framing(plain);
    let (_, plain) = server.subscribe("a");
    server.terms.framing = server.channels.framing(Framing { envelope: Envelope::WebSocket, ..Framing::default() });
    let (_, socket) = server.subscribe("c");
    for (now, publish) in [(99, ""), (100, ""), (150, "a"), (200, ""), (249, ""), (250, ""), (340, "b"), (350, "")] {
        server.now = now;
        server.channels.sweep(now);
        if !publish.is_empty() {
            server.publish(publish, "x").unwrap();
        }
    }
    assert_eq!(events.text(), ": \n: -1\ndata: x\n\n: -1\ndata: x\n\n");
    assert_eq!(plain.text(), "[-1|still here][1|x][-1|still here][-1|still here]");
    assert_eq!(socket.0.borrow().frames, vec![Bytes::from_static(b"\x89\0"); 3]);
    // Who does not read pings is cut off by them.
    socket.0.borrow_mut().room = 0;
    server.channels.sweep(500);
    assert_eq!((server.channels.cut_off_count(), server.summary().subscribers), (1, 2));
}

#[test]
fn wildcard_channels_are_counted_apart_and_need_no_message() {
    let mut server = server(Settings {
        wildcard_channel_prefix: Some("w_".into()),
        max_number_of_channels: NonZeroUsize::new(2),
        max_number_of_wildcard_channels: NonZeroUsize::new(3),
        ..lasting()
    });
    server.publish("a", "x").unwrap();
    let mut ask = |path: &str, quantity| {
        server.terms.wildcard_channel_max_qtd = NonZeroUsize::new(quantity);
        server.subscribe_as(path, &Resume::default(), true).err()
    };
    for (path, quantity, expect) in [
        ("w_1/a", 1, None),
        ("w_1", 1, Some(Error::TooManyWildcardChannels)),
        ("w_1/w_2/a", 1, Some(Error::TooManyWildcardChannels)),
        ("w_1/w_2/a", 2, None),
        ("w_1/w_2/w_3/a", 0, None),
        ("w_1/w_2/w_3/w_4/a", 0, Some(Error::TooManyWildcardChannels)),
        ("w_4/a", 0, Some(Error::TooManyChannels)),
        ("b/w_1", 0, Some(Error::SubscriberCannotCreate)),
    ] {
        assert_eq!(ask(path, quantity), expect, "{path} {quantity}");
    }
    assert_eq!(server.publish("w_4", "x"), Err(Error::TooManyChannels));
    server.publish("b", "x").unwrap();
    assert_eq!(server.publish("c", "x"), Err(Error::TooManyChannels));
    let head = server.summary().head;
    assert_eq!((head.channels, head.wildcard_channels), (2, 3));
    server.channels.delete(&ids("w_1"), None, 0).unwrap();
    server.publish("w_4", "x").unwrap();
    assert_eq!(server.summary().head.wildcard_channels, 3);
}

#[test]
fn a_prefix_without_a_limit_takes_any_number() {
    let mut server = server(Settings { wildcard_channel_prefix: Some("w_".into()), ..lasting() });
    assert!(server.subscribe_as("w_1/w_2", &Resume::default(), true).is_ok());
}

#[test]
fn the_events_channel_tells_what_happens_to_the_others() {
    let events = ChannelId::new(b"events");
    let mut server = server(Settings {
        events_channel_id: Some(events.clone()),
        max_number_of_channels: NonZeroUsize::new(2),
        ..lasting()
    });
    assert_eq!(server.counts("events"), Some((0, 0, 0)));
    let refused = server.subscribe_as("events", &Resume::default(), false).err();
    assert_eq!(refused, Some(Error::EventsChannelClosed));
    server.terms.events_channel = true;
    let (_, ears) = server.subscribe_as("events", &Resume::default(), true).unwrap();
    let told = |ears: &Ears| {
        let told = std::mem::take(&mut ears.0.borrow_mut().frames);
        let told: String = told.iter().map(|frame| String::from_utf8_lossy(frame).into_owned()).collect();
        told.replace(": \n", "").replace("event: ", "").replace("\ndata: ", " ").replace("\n\n", "\n")
    };
    let line = |kind: &str, channel: &str| format!("{kind} {{\"type\": \"{kind}\", \"channel\": \"{channel}\"}}\n");
    let (created, destroyed) = (line("channel_created", "a"), line("channel_destroyed", "a"));
    let (came, left) = (line("client_subscribed", "a"), line("client_unsubscribed", "a"));
    server.publish("a", "x").unwrap();
    let (id, _) = server.subscribe("a");
    server.publish("a", "x").unwrap();
    server.channels.unsubscribe(id, 0);
    server.channels.delete(&ids("a"), None, 0).unwrap();
    assert_eq!(told(&ears), format!("{created}{came}{left}{destroyed}"));
    server.subscribe("a");
    server.channels.delete(&ids("a"), None, 0).unwrap();
    assert_eq!(told(&ears), format!("{created}{came}{left}{destroyed}"));
    // A quote in an id is escaped.
    server.publish("\"", "x").unwrap();
    assert_eq!(told(&ears), line("channel_created", "\\\""));
    server.now = 60_000;
    server.channels.sweep(60_000);
    assert_eq!(told(&ears), line("channel_destroyed", "\\\""));
    // Nobody else writes to it, it does not count, and it stays.
    assert_eq!(server.publish("events", "x"), Err(Error::EventsChannelReadOnly));
    assert_eq!(server.channels.delete(&ids("a/events"), None, 0), Err(Error::EventsChannelReadOnly));
    assert_eq!(server.channels.check_writable(&ids("events")), Err(Error::EventsChannelReadOnly));
    let summary = server.summary();
    assert_eq!((summary.published_messages, summary.stored_messages), (3, 0));
    server.publish("1/2", "x").unwrap();
    assert_eq!(server.publish("3", "x"), Err(Error::TooManyChannels));
    server.channels.end_all(server.now);
    for now in [600_000, 700_000] {
        server.now = now;
        server.channels.sweep(now);
    }
    assert_eq!(server.counts("events").map(|counts| (counts.1, counts.2)), Some((0, 0)));
    assert_eq!(server.channels.next_deadline(), None);
}

#[test]
fn an_events_listener_that_does_not_read_is_cut_off_once() {
    let settings = Settings { events_channel_id: Some(ChannelId::new(b"events")), ..lasting() };
    let mut server = server(settings);
    server.terms.events_channel = true;
    let (_, slow) = server.subscribe("events/a");
    slow.0.borrow_mut().room = 1;
    server.publish("b/c/d", "x").unwrap();
    assert_eq!((server.channels.cut_off_count(), server.summary().subscribers), (1, 0));
    assert_eq!(slow.text(), format!("\n: {TOO_SLOW}\n\n"));
}

#[test]
fn who_is_expelled_reads_why_and_is_gone() {
    let mut server = server(lasting());
    let (id, ears) = server.subscribe("a/b");
    server.channels.publish(&ids("a"), &publication("unread"), true, 0).unwrap();
    assert!(server.channels.expel(id, "no longer", 0) && !server.channels.expel(id, "no longer", 0));
    assert_eq!((ears.text(), ears.ended()), ("\n: no longer\n\n".into(), true));
    assert_eq!((server.counts("a"), server.channels.cut_off_count()), (Some((1, 1, 0)), 0));
}

#[test]
fn numbers_that_may_have_changed_are_noted_for_those_who_ask() {
    let mut server = server(lasting());
    let (before, _) = server.subscribe("a");
    assert!(!server.channels.has_recounted());
    server.channels.recount();
    let (id, _) = server.subscribe("a/b");
    server.publish("a/c", "x").unwrap();
    let told = |server: &mut Server| -> Vec<_> {
        server.channels.take_recounted().into_iter().map(|(id, count)| (id.to_string(), count)).collect()
    };
    assert_eq!(told(&mut server), [("a".to_owned(), 2), ("b".to_owned(), 1)]);
    assert!(!server.channels.has_recounted());
    server.channels.unsubscribe(before, 0);
    server.channels.delete(&ids("b"), None, 0).unwrap();
    assert_eq!(told(&mut server), [("a".to_owned(), 1), ("b".to_owned(), 0)]);
    server.channels.unsubscribe(id, 0);
    assert_eq!(told(&mut server), [("a".to_owned(), 0)]);
    assert_eq!(server.channels.newest(&ids("a")[0]).map(|newest| &newest.body[..]), Some(&b"x"[..]));
    assert_eq!((server.channels.exists(&ids("a")[0]), server.channels.exists(&ids("b")[0])), (true, false));
}
