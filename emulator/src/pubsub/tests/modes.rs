//! The modes of subscribers, byte for byte.

use super::streams::{Listener, open};
use super::*;
use crate::pubsub::expression::Expression;
use crate::pubsub::settings::Mode;
use std::num::{NonZeroU64, NonZeroUsize};

/// A place for everyone, in one mode, whose messages are kept.
fn place(mode: Mode) -> PubsubSettings {
    let mut settings = settings("");
    settings.channels.max_messages_stored_per_channel = None;
    let subscriber = subscriber(&mut settings);
    subscriber.mode = mode;
    subscriber.authorized_channels_only = false;
    settings
}

const ALL: [Mode; 5] = [Mode::Streaming, Mode::Polling, Mode::LongPolling, Mode::EventSource, Mode::WebSocket];

const START: &str = "Tue, 01 Jan 2030 00:00:00 GMT";
const UPGRADE: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn head(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.trim_end().split("\r\n").filter(|line| !line.starts_with("date: ")).collect();
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn a_stream_is_what_the_templates_make() {
    let mut settings = place(Mode::Streaming);
    let place = subscriber(&mut settings);
    place.message_template = hearth_pubsub::template::Template::parse("<p>~id~:~text~</p>").unwrap();
    place.header_template = "<html>".to_owned();
    place.footer_template = "</html>".to_owned();
    place.default_type = "text/html".parse().unwrap();
    place.allowed_origins = None;
    let house = house(settings);
    let (address, _serving) = open(&house).await;
    house.publish("a", "old").await;
    let mut listener = Listener::listen(address, "/sub/a.b1", "").await;
    let expect = [
        "HTTP/1.1 200 OK",
        "cache-control: no-cache, no-store, must-revalidate",
        "content-type: text/html",
        "expires: Thu, 01 Jan 1970 00:00:01 GMT",
        "transfer-encoding: chunked",
    ];
    assert_eq!(head(&listener.until("\r\n\r\n").await), expect);
    assert_eq!(listener.chunk().await, "<html><p>1:old</p>");
    house.send("POST", "/pub?id=a", &[("event-id", "7")], "new").await;
    assert_eq!(listener.chunk().await, "<p>2:new</p>");
    house.send("DELETE", "/pub?id=a", &[], "").await;
    assert_eq!(listener.chunk().await, "<p>-2:Channel deleted</p></html>");
    assert_eq!(listener.until("0\r\n\r\n").await, "0\r\n\r\n");
}

#[tokio::test]
async fn polling_answers_at_once() {
    let house = house(place(Mode::Polling));
    let ask = |headers: Vec<(&'static str, &'static str)>, target: &'static str| {
        let house = &house;
        async move { house.send("GET", target, &headers, "").await }
    };
    let told = |answer: &Answer| {
        let header = |name| answer.header(name).unwrap_or("-").to_owned();
        (answer.status.as_u16(), answer.body.clone(), header("last-modified"), header("etag"))
    };
    let nothing = |modified: &str, tag: &str| (304, String::new(), modified.to_owned(), tag.to_owned());
    assert_eq!(told(&ask(vec![], "/sub/a").await), nothing("-", "-"));
    // The channel is there by now, and nobody listens to it.
    assert_eq!(house.send("GET", "/pub?id=a", &[], "").await.status, 200);
    assert_eq!(house.subscribers().await, 0);
    house.publish("a/b", "one").await;
    house.publish("a", "two").await;
    assert_eq!(told(&ask(vec![], "/sub/a").await), nothing("-", "-"));
    let since = ("if-modified-since", START);
    for (headers, target, body, tag) in [
        (vec![], "/sub/a.b1", "two", "W/3"),
        (vec![], "/sub/a.b9/b.b9", "onetwoone", "W/3"),
        (vec![since, ("if-none-match", "W/1")], "/sub/a/b", "twoone", "W/3"),
        (vec![since, ("if-none-match", "1")], "/sub/b", "one", "W/2"),
        (vec![("if-modified-since", "Mon, 31 Dec 2029 23:59:59 GMT")], "/sub/b", "one", "W/2"),
    ] {
        let answer = ask(headers, target).await;
        assert_eq!(told(&answer), (200, body.to_owned(), START.to_owned(), tag.to_owned()), "{target}");
        assert_eq!(answer.header("content-type"), Some("text/plain"));
    }
    assert_eq!(told(&ask(vec![since, ("if-none-match", "W/3")], "/sub/a").await), nothing(START, "W/3"));
    let unquoted = ask(vec![since, ("if-none-match", "\"1\"")], "/sub/a").await;
    assert_eq!(told(&unquoted), nothing(START, "-"));
}

#[tokio::test]
async fn long_polling_waits_for_one_message() {
    let house = house(place(Mode::LongPolling));
    let (address, _serving) = open(&house).await;
    house.publish("a", "old").await;
    let mut listener = Listener::listen(address, "/sub/a/b", "").await;
    house.wait_for_subscribers(1).await;
    house.agenda.advance(5000).await;
    house.publish("b", "new").await;
    let expect = [
        "HTTP/1.1 200 OK",
        "access-control-allow-headers: If-Modified-Since,If-None-Match,Etag,Event-Id,Event-Type,Last-Event-Id",
        "access-control-allow-methods: GET",
        "access-control-allow-origin: *",
        "cache-control: no-cache, no-store, must-revalidate",
        "content-length: 3",
        "content-type: text/plain",
        "etag: W/1",
        "expires: Thu, 01 Jan 1970 00:00:01 GMT",
        "last-modified: Tue, 01 Jan 2030 00:00:05 GMT",
    ];
    assert_eq!(head(&listener.until("\r\n\r\n").await), expect);
    assert_eq!(listener.until("new").await, "new");
    assert_eq!(house.subscribers().await, 0);
    // The connection goes on, and with the two headers nothing is lost in between.
    house.publish("a", "between").await;
    let again = "GET /sub/a/b HTTP/1.1\r\nHost: box\r\nIf-Modified-Since: Tue, 01 Jan 2030 00:00:05 GMT\r\n\
                 If-None-Match: W/1\r\n\r\n";
    listener.say(again).await;
    assert!(listener.until("\r\n\r\n").await.contains("etag: W/2\r\n"));
    assert_eq!(listener.until("between").await, "between");
    // Who goes away while it waits is gone.
    listener.say("GET /sub/a/b HTTP/1.1\r\nHost: box\r\n\r\n").await;
    house.wait_for_subscribers(1).await;
    drop(listener);
    house.wait_for_subscribers(0).await;
}

#[tokio::test]
async fn who_polls_too_long_gets_no_message_or_says_so() {
    for (timeout_with_body, status, body) in [(false, "304 Not Modified", ""), (true, "200 OK", "<-3|0||Timed out>")] {
        let mut settings = place(Mode::Streaming);
        settings.channels.timeout_with_body = timeout_with_body;
        let place = subscriber(&mut settings);
        place.message_template = hearth_pubsub::template::Template::parse("<~id~|~tag~|~channel~|~text~>").unwrap();
        place.longpolling_connection_ttl = NonZeroU64::new(9000);
        place.subscriber_connection_ttl = NonZeroU64::new(1000);
        let house = house(settings);
        let (address, _serving) = open(&house).await;
        let mode = "X-Nginx-PushStream-Mode: Long-Polling\r\nConnection: close\r\n";
        let mut listener = Listener::listen(address, "/sub/a", mode).await;
        house.wait_for_subscribers(1).await;
        house.agenda.advance(8999).await;
        assert_eq!(house.subscribers().await, 1);
        house.agenda.advance(1).await;
        let answer = listener.rest().await;
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
        assert!(
            head.contains("last-modified: Tue, 01 Jan 2030 00:00:09 GMT\r\n") && head.contains("etag: W/0\r\n"),
            "{head}"
        );
        assert_eq!(text, body);
    }
}

#[tokio::test]
async fn a_deletion_answers_who_waits() {
    let mut settings = place(Mode::LongPolling);
    subscriber(&mut settings).header_template = "H".to_owned();
    let house = house(settings);
    let (address, _serving) = open(&house).await;
    let mut listener = Listener::listen(address, "/sub/a/b", "Connection: close\r\n").await;
    house.wait_for_subscribers(1).await;
    house.send("DELETE", "/pub?id=b", &[], "bye").await;
    let answer = listener.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("etag: W/0\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nHbye"), "{answer}");
}

#[tokio::test]
async fn a_stop_answers_who_waits() {
    let house = house(place(Mode::LongPolling));
    let (address, serving) = open(&house).await;
    let mut listener = Listener::listen(address, "/sub/a", "").await;
    house.wait_for_subscribers(1).await;
    house.stop.cancel();
    assert!(listener.rest().await.starts_with("HTTP/1.1 304 Not Modified\r\n"));
    serving.await.unwrap();
    assert_eq!(house.send("GET", "/sub/a", &[], "").await.status, 304);
}

#[tokio::test]
async fn polls_may_be_wrapped_for_a_script() {
    let mut settings = place(Mode::LongPolling);
    subscriber(&mut settings).header_template = "/**/".to_owned();
    let house = house(settings);
    house.publish("a", "1").await;
    house.publish("a", "{\"x\":2}").await;
    for (target, body) in [
        ("/sub/a.b9?callback=cb", "/**/cb([1,{\"x\":2}]);"),
        ("/sub/a.b1?x=1&callback=a%5B0%5D.b", "/**/a[0].b([{\"x\":2}]);"),
        ("/sub/a.b1?callback=", "/**/{\"x\":2}"),
    ] {
        let answer = house.send("GET", target, &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, body));
        let kind = if body.contains('[') { "application/javascript" } else { "text/plain" };
        assert_eq!(answer.header("content-type"), Some(kind));
    }
    let (address, _serving) = open(&house).await;
    let mut listener = Listener::listen(address, "/sub/a?callback=cb", "Connection: close\r\n").await;
    house.wait_for_subscribers(1).await;
    house.publish("a", "3").await;
    assert!(listener.rest().await.ends_with("\r\n\r\n/**/cb([3]);"));
}

#[tokio::test]
async fn an_event_place_that_is_polled_keeps_its_form() {
    let house = house(place(Mode::EventSource));
    house.send("POST", "/pub?id=a", &[("event-id", "7")], "x").await;
    for mode in ["polling", "LONG-POLLING"] {
        let answer = house.send("GET", "/sub/a.b1", &[("x-nginx-pushstream-mode", mode)], "").await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ": \nid: 7\ndata: x\n\n"));
        assert_eq!(answer.header("content-type"), Some("text/plain"));
    }
}

#[tokio::test]
async fn marks_may_come_as_arguments() {
    for mode in [Mode::Polling, Mode::LongPolling] {
        let mut settings = place(mode);
        let place = subscriber(&mut settings);
        place.last_received_message_time = Some(Expression::argument("time"));
        place.last_received_message_tag = Some(Expression::argument("tag"));
        place.last_event_id = Some(Expression::argument("eventid"));
        let house = house(settings);
        for id in ["1", "2", "3"] {
            house.send("POST", "/pub?id=a", &[("event-id", id)], format!("m{id}")).await;
        }
        for (target, body) in [
            ("/sub/a?time=Tue,%2001%20Jan%202030%2000:00:00%20GMT&tag=1", "m2m3"),
            ("/sub/a?time=Tue,%2001%20Jan%202030%2000:00:00%20GMT&tag=W%2F2", "m3"),
            ("/sub/a?eventid=2", "m3"),
            ("/sub/a.b1?eventid=1", "m3"),
        ] {
            // The headers do not count then.
            let headers = [("last-event-id", "1"), ("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT")];
            assert_eq!(house.send("GET", target, &headers, "").await.body, body, "{target}");
        }
    }
}

#[tokio::test]
async fn who_comes_back_goes_on_in_every_mode() {
    for mode in ALL {
        let house = house(place(mode));
        let (address, _serving) = open(&house).await;
        for id in ["1", "2", "3"] {
            house.send("POST", "/pub?id=a", &[("event-id", id)], format!("m{id}")).await;
        }
        for (target, headers, expect) in [
            ("/sub/a.b2", "", ["m2", "m3"]),
            ("/sub/a", "Last-Event-ID: 1\r\n", ["m2", "m3"]),
            ("/sub/a", "If-Modified-Since: Tue, 01 Jan 2030 00:00:00 GMT\r\nIf-None-Match: W/1\r\n", ["m2", "m3"]),
        ] {
            let upgrade = if mode == Mode::WebSocket { UPGRADE } else { "" };
            let mut listener = Listener::listen(address, target, &format!("{upgrade}{headers}")).await;
            listener.until("\r\n\r\n").await;
            let body = listener.until_bytes(b"m3").await;
            let at = |text: &str| body.windows(2).position(|part| part == text.as_bytes());
            assert!(at("m1").is_none() && at(expect[0]) < at(expect[1]), "{mode:?} {target} {headers}");
        }
    }
}

#[tokio::test]
async fn pings_keep_a_silent_stream_alive() {
    for (mode, ping) in [(Mode::EventSource, ": -1\n"), (Mode::Streaming, "still here"), (Mode::WebSocket, "\u{89}\0")]
    {
        let mut settings = place(mode);
        settings.channels.ping_message_text = "still here".into();
        subscriber(&mut settings).ping_message_interval = NonZeroU64::new(10_000);
        let house = house(settings);
        let (address, _serving) = open(&house).await;
        let upgrade = if mode == Mode::WebSocket { UPGRADE } else { "" };
        let mut listener = Listener::listen(address, "/sub/a", upgrade).await;
        listener.until("\r\n\r\n").await;
        house.agenda.advance(10_000).await;
        let ping: Vec<u8> = ping.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
        listener.until_bytes(&ping).await;
        house.agenda.advance(6000).await;
        house.publish("a", "message").await;
        listener.until_bytes(b"message").await;
        house.agenda.advance(9999).await;
        house.publish("a", "end").await;
        // A message puts the next ping off.
        let between = listener.until_bytes(b"end").await;
        assert!(!between.windows(ping.len()).any(|part| part == ping), "{mode:?}");
    }
}

#[tokio::test]
async fn a_stream_has_its_time() {
    let mut settings = place(Mode::EventSource);
    let place = subscriber(&mut settings);
    place.subscriber_connection_ttl = NonZeroU64::new(1000);
    place.footer_template = "bye".to_owned();
    let house = house(settings);
    let (address, _serving) = open(&house).await;
    let mut listener = Listener::listen(address, "/sub/a", "").await;
    listener.until(": \n\r\n").await;
    house.agenda.advance(1000).await;
    assert_eq!(listener.chunk().await, ": bye\n");
    assert_eq!(listener.until("0\r\n\r\n").await, "0\r\n\r\n");
    assert_eq!(house.subscribers().await, 0);
}

#[tokio::test]
async fn some_agents_get_padding() {
    let mut settings = place(Mode::Polling);
    let place = subscriber(&mut settings);
    place.header_template = "H".to_owned();
    place.padding = ["[Tt]est", "other"]
        .into_iter()
        .zip([(0, 508), (300, 0)])
        .map(|(agent, (header, message))| crate::pubsub::settings::PaddingRule {
            agent: crate::pubsub::location::regex(agent, false).unwrap(),
            padding: hearth_pubsub::framing::Padding { header, message },
        })
        .collect();
    let house = house(settings);
    house.publish("a", "x").await;
    for (agent, length) in [("a Test", 1 + 1 + 600), ("another", 1 + 300 + 1), ("TEST", 2), ("", 2)] {
        let answer = house.send("GET", "/sub/a.b1", &[("user-agent", agent)], "").await;
        assert_eq!((answer.body.trim_end().replace(' ', ""), answer.body.len()), ("Hx".to_owned(), length), "{agent}");
    }
}

#[tokio::test]
async fn a_normal_publisher_does_not_delete_and_need_not_store() {
    let mut settings = settings("");
    let place = publisher(&mut settings);
    (place.admin, place.store_messages) = (false, false);
    let house = house(settings);
    house.publish("a", "x").await;
    let refused = house.send("DELETE", "/pub?id=a", &[], "").await;
    assert_eq!((refused.status.as_u16(), refused.header("allow")), (405, Some("GET, POST, PUT")));
    assert_eq!(refused.header("access-control-allow-methods"), Some("GET, POST, PUT"));
    let info = house.send("GET", "/pub?id=a", &[], "").await.body;
    assert!(info.contains("\"published_messages\": 1, \"stored_messages\": 0"), "{info}");
}

#[tokio::test]
async fn wildcard_channels_and_the_events_channel_over_http() {
    let mut settings = settings("");
    settings.channels.wildcard_channel_prefix = Some("w_".into());
    settings.channels.max_number_of_wildcard_channels = NonZeroUsize::new(2);
    settings.channels.events_channel_id = Some(hearth_pubsub::path::ChannelId::new(b"events"));
    let house = house(settings);
    house.publish("a", "x").await;
    for (method, target, status, explanation) in [
        ("GET", "/sub/w_1", 403, "Subscribed too much wildcard channels."),
        ("GET", "/sub/a/w_1/w_2/w_3", 403, "Subscribed too much wildcard channels."),
        ("GET", "/sub/events", 403, "Subscription to events channel is not allowed."),
        ("POST", "/pub?id=events", 403, "Only internal routines can change events channel."),
        ("DELETE", "/pub?id=a/events", 403, "Only internal routines can change events channel."),
        ("GET", "/pub?id=events", 200, ""),
        ("PUT", "/pub?id=w_1", 200, ""),
        ("PUT", "/pub?id=w_2", 200, ""),
        ("PUT", "/pub?id=w_3", 403, "Number of channels were exceeded."),
    ] {
        let answer = house.send(method, target, &[], "x").await;
        assert_eq!(
            (answer.status.as_u16(), answer.explanation().unwrap_or_default()),
            (status, explanation),
            "{target}"
        );
    }
    let summary = house.send("GET", "/channels-stats", &[], "").await.body;
    assert!(summary.contains("\"channels\": 2, \"wildcard_channels\": 2, \"published_messages\": 3,"), "{summary}");
}

#[tokio::test]
async fn an_event_source_that_comes_back_misses_nothing_or_is_told() {
    let mut settings = place(Mode::EventSource);
    settings.channels.max_messages_stored_per_channel = NonZeroUsize::new(2);
    subscriber(&mut settings).server_event_ids = true;
    let house = house(settings);
    let (address, _serving) = open(&house).await;
    let mut listener = Listener::listen(address, "/sub/a.b1", "").await;
    listener.until("\r\n\r\n").await;
    assert_eq!(listener.chunk().await, ": \nid: 7-0\n\n");
    house.send("POST", "/pub?id=a", &[("event-id", "mine")], "1").await;
    assert_eq!(listener.chunk().await, "id: 7-1\ndata: 1\n\n");
    drop(listener);
    house.publish("a", "2").await;
    house.publish("a", "3").await;
    for (last, expect) in [
        ("7-1", ": \nid: 7-2\ndata: 2\n\nid: 7-3\ndata: 3\n\nid: 7-3\n\n"),
        (
            "7-0",
            ": \nevent: gap\ndata: {\"channel\":\"a\",\"lost\":\"7-1\"}\n\nid: 7-2\ndata: 2\n\nid: 7-3\ndata: 3\n\nid: 7-3\n\n",
        ),
        (
            "6-3",
            ": \nevent: gap\ndata: {\"channel\":\"a\",\"lost\":\"7-1\"}\n\nid: 7-2\ndata: 2\n\nid: 7-3\ndata: 3\n\nid: 7-3\n\n",
        ),
    ] {
        let mut listener = Listener::listen(address, "/sub/a.b1", &format!("Last-Event-ID: {last}\r\n")).await;
        listener.until("\r\n\r\n").await;
        assert_eq!(listener.chunk().await, expect, "{last}");
    }
}
