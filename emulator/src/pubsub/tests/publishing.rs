//! Publishers and statistics: one request, one answer.

use super::*;
use bytes::Bytes;
use futures_util::stream;
use hearth_pubsub::error::Error;
use std::convert::Infallible;
use std::num::NonZeroUsize;

const CORS: [(&str, &str); 2] = [
    ("access-control-allow-origin", "*"),
    ("access-control-allow-headers", "If-Modified-Since,If-None-Match,Etag,Event-Id,Event-Type,Last-Event-Id"),
];
const NOT_CACHED: [(&str, &str); 2] =
    [("expires", "Thu, 01 Jan 1970 00:00:01 GMT"), ("cache-control", "no-cache, no-store, must-revalidate")];

fn expect_headers(answer: &Answer, expect: &[(&str, &str)]) {
    for (name, value) in expect {
        assert_eq!(answer.header(name), Some(*value), "{name}");
    }
}

fn info(published: u64, stored: u64, subscribers: u64) -> String {
    format!(
        "{{\"channel\": \"a\", \"published_messages\": {published}, \"stored_messages\": {stored}, \
         \"subscribers\": {subscribers}}}\r\n"
    )
}

#[tokio::test]
async fn a_publish_answers_with_what_is_told_of_the_channel() {
    let house = house(settings(""));
    for (method, published) in [("POST", 1), ("PUT", 2)] {
        let answer = house.send(method, "/pub?id=a", &[], "hi").await;
        assert_eq!((answer.status, answer.body.clone()), (StatusCode::OK, info(published, 1, 0)));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        expect_headers(&answer, &CORS);
        expect_headers(&answer, &NOT_CACHED);
        assert_eq!(answer.header("access-control-allow-methods"), Some("GET, POST, PUT, DELETE"));
    }
    let chunks = stream::iter(["he", "llo"].map(|part| Ok::<_, Infallible>(Bytes::from_static(part.as_bytes()))));
    assert_eq!(house.send("POST", "/pub?id=a", &[], Body::from_stream(chunks)).await.body, info(3, 1, 0));
    let answer = house.send("GET", "/pub?id=a", &[("accept", "text/plain")], "").await;
    let text = "channel: a\r\npublished_messages: 3\r\nstored_messages: 1\r\nactive_subscribers: 0\r\n";
    assert_eq!((answer.header("content-type"), answer.body.as_str()), (Some("text/plain"), text));
    // Several channels are told of as a group.
    let group = house.send("POST", "/pub?id=a/b", &[], "hi").await.body;
    assert!(
        group.starts_with("{\"hostname\": \"box\", \"time\": \"2030-01-01T00:00:00\", \"channels\": 2, "),
        "{group}"
    );
}

#[tokio::test]
async fn a_publish_may_answer_with_nothing() {
    let mut settings = settings("");
    publisher(&mut settings).channel_info_on_publish = false;
    let house = house(settings);
    let answer = house.send("POST", "/pub?id=a", &[], "hi").await;
    assert_eq!((answer.status, answer.body.as_str(), answer.header("content-type")), (StatusCode::OK, "", None));
}

#[tokio::test]
async fn options_head_and_unknown_methods() {
    let house = house(settings(""));
    let options = house.send("OPTIONS", "/pub", &[], "").await;
    assert_eq!((options.status, options.body.as_str()), (StatusCode::OK, ""));
    expect_headers(&options, &CORS);
    for method in ["HEAD", "PATCH", "MKCOL"] {
        let answer = house.send(method, "/pub?id=a", &[], "").await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (StatusCode::METHOD_NOT_ALLOWED, Some("GET, POST, PUT, DELETE"))
        );
        expect_headers(&answer, &CORS);
    }
}

#[tokio::test]
async fn refusals_explain_themselves_and_can_be_read_from_anywhere() {
    let mut settings = settings("");
    settings.channels.max_channel_id_length = NonZeroUsize::new(5);
    settings.channels.max_number_of_channels = NonZeroUsize::new(2);
    publisher(&mut settings).body_limit = 10;
    let house = house(settings);
    house.publish("a", "x").await;
    let pub_a = "/pub?id=a";
    for (method, target, body, status, explanation) in [
        ("POST", "/pub", "x", 400, Some("No channel id provided.")),
        ("GET", "/pub?id=", "", 400, Some("No channel id provided.")),
        ("POST", "/pub?id=ALL", "x", 403, Some("Channel id not authorized for this method.")),
        ("GET", "/pub?id=ALL", "", 403, Some("Channel id not authorized for this method.")),
        ("DELETE", "/pub?id=a*", "", 403, Some("Channel id not authorized for this method.")),
        ("POST", "/pub?id=a/b%2A", "x", 403, Some("Channel id not authorized for this method.")),
        ("POST", "/pub?id=toolong", "x", 400, Some("Channel id is too large.")),
        ("POST", pub_a, "", 400, Some("Empty post requests are not allowed.")),
        ("POST", pub_a, "12345678901", 413, Some("the request body is too large")),
        ("GET", "/pub?id=none", "", 404, None),
        ("DELETE", "/pub?id=none", "", 404, None),
        ("PUT", "/pub?id=b", "", 400, Some("Empty post requests are not allowed.")),
        // The empty message has created its channel, as in the original.
        ("GET", "/pub?id=b", "", 200, None),
        ("PUT", "/pub?id=c", "x", 403, Some("Number of channels were exceeded.")),
    ] {
        let answer = house.send(method, target, &[], body).await;
        assert_eq!((answer.status.as_u16(), answer.explanation()), (status, explanation), "{method} {target}");
        expect_headers(&answer, &CORS);
        expect_headers(&answer, &NOT_CACHED);
        assert!(answer.status == 200 || answer.body.is_empty());
    }
}

#[tokio::test]
async fn a_body_of_a_mebibyte_is_the_most() {
    let house = house(settings(""));
    for (length, status) in [(1 << 20, 200), ((1 << 20) + 1, 413)] {
        assert_eq!(house.send("POST", "/pub?id=a", &[], "x".repeat(length)).await.status, status);
    }
}

#[tokio::test]
async fn every_method_asks_for_the_bare_secret() {
    let house = house(settings("s3cret"));
    for (authorization, knows) in [
        (None, false),
        (Some(""), false),
        (Some("s3cre"), false),
        (Some("S3cret"), false),
        (Some("Bearer s3cret"), false),
        (Some("s3cret"), true),
    ] {
        let headers: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().collect();
        for (method, body, status) in [
            ("OPTIONS", "", 200),
            ("POST", "x", 200),
            ("PUT", "x", 200),
            ("GET", "", 200),
            ("HEAD", "", 405),
            ("DELETE", "", 200),
        ] {
            let answer = house.send(method, "/pub?id=a", &headers, body).await;
            let expect = if knows { status } else { 401 };
            assert_eq!(answer.status, expect, "{method} {authorization:?}");
            expect_headers(&answer, &CORS);
            assert!(knows || answer.explanation().is_some());
        }
    }
    assert_eq!(house.send("POST", "/pub", &[], "x").await.status, 401);
    // Statistics are open.
    assert_eq!(house.send("GET", "/channels-stats", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_deleted_channel_is_gone_and_starts_anew() {
    let house = house(settings(""));
    house.publish("a", "x").await;
    house.publish("a", "y").await;
    let answer = house.send("DELETE", "/pub?id=none/a", &[], "").await;
    assert_eq!(
        (answer.status.as_u16(), answer.explanation(), answer.body.as_str()),
        (200, Some("Channel deleted."), "")
    );
    assert_eq!(house.send("GET", "/pub?id=a", &[], "").await.status, 404);
    assert_eq!(house.send("POST", "/pub?id=a", &[], "z").await.body, info(1, 1, 0));
}

#[tokio::test]
async fn statistics_in_their_forms_and_formats() {
    let house = house(settings(""));
    house.publish("a", "x").await;
    house.publish("b", "x").await;
    house.agenda.advance(7000).await;
    let head = "\"hostname\": \"box\", \"time\": \"2030-01-01T00:00:07\", \"channels\": 2, \"wildcard_channels\": 0";
    let b = "{\"channel\": \"b\", \"published_messages\": 1, \"stored_messages\": 1, \"subscribers\": 0}\r\n";
    let all = format!("{{{head}, \"uptime\": 7, \"infos\": [\r\n{},\r\n{b}]}}\r\n", info(1, 1, 0).trim_end());
    let pid = std::process::id();
    let summary = format!(
        "{{{head}, \"published_messages\": 2, \"stored_messages\": 2, \"messages_in_trash\": 0, \
         \"channels_in_delete\": 0, \"channels_in_trash\": 0, \"subscribers\": 0, \"uptime\": 7, \"by_worker\": [\r\n\
         {{\"pid\": \"{pid}\", \"subscribers\": 0, \"uptime\": 7}}\r\n]}}\r\n"
    );
    for (target, status, body) in [
        ("/channels-stats", 200, summary.as_str()),
        ("/channels-stats?id=", 200, &summary),
        ("/channels-stats?id=ALL", 200, &all),
        ("/channels-stats?id=*", 200, &all),
        ("/channels-stats?id=a/b", 200, &all),
        ("/channels-stats?id=b/none", 200, b),
        ("/channels-stats?id=none", 404, ""),
    ] {
        let answer = house.send("GET", target, &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (status, body), "{target}");
        expect_headers(&answer, &NOT_CACHED);
        assert!(answer.header("x-nginx-pushstream-tag").is_some_and(|tag| tag.starts_with("hearth-")));
    }
    for (accept, content_type) in [
        ("text/plain", "text/plain"),
        ("application/xml", "application/xml"),
        ("text/x-yaml", "text/x-yaml"),
        ("image/png", "application/json"),
    ] {
        let answer = house.send("GET", "/channels-stats", &[("accept", accept)], "").await;
        assert_eq!(answer.header("content-type"), Some(content_type));
    }
    for method in ["POST", "HEAD", "OPTIONS", "DELETE"] {
        let answer = house.send(method, "/channels-stats", &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("GET")), "{method}");
    }
}

#[tokio::test]
async fn messages_and_channels_go_when_their_time_has_come() {
    let house = house(settings(""));
    house.publish("a", "x").await;
    house.agenda.advance(10).await;
    house.publish("b", "x").await;
    assert_eq!(house.agenda.advance(HOUR - 11).await.map(|(_, runs)| runs), Some(0));
    assert_eq!(house.send("GET", "/pub?id=a", &[], "").await.body, info(1, 1, 0));
    assert_eq!(house.agenda.advance(1).await.map(|(_, runs)| runs), Some(1));
    assert_eq!(house.send("GET", "/pub?id=a", &[], "").await.status, 404);
    assert_eq!(house.send("GET", "/pub?id=b", &[], "").await.status, 200);
    assert_eq!(house.agenda.advance(10 * HOUR).await.map(|(_, runs)| runs), Some(1));
    assert_eq!(house.send("GET", "/pub?id=b", &[], "").await.status, 404);
}

#[tokio::test]
async fn the_agenda_is_woken_when_something_falls_due_sooner() {
    let agenda = Agenda::new(Clock::system());
    let stop = CancellationToken::new();
    let mut settings = settings("");
    settings.channels.message_ttl = 5.try_into().unwrap();
    settings.channels.channel_inactivity_time = 5.try_into().unwrap();
    let service = PubsubService::new(settings, Credentials::new(None, false), EPOCH, &agenda, stop.clone());
    let running = tokio::spawn(async move { agenda.run(stop).await });
    tokio::task::yield_now().await;
    service.publish("a", Bytes::from_static(b"x")).await.unwrap();
    // Nobody asks the channels for anything, so only the agenda can let go of this one.
    let collected = async {
        while service.has_deadline() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, collected).await.expect("nothing expires");
    running.abort();
}

#[tokio::test]
async fn functions_publish_without_the_secret() {
    let house = house(settings("secret"));
    let message = Bytes::from_static(b"x");
    let told = house.service.publish("a.b1", message.clone()).await.unwrap();
    assert_eq!((told.id.to_string(), told.published_messages, told.stored_messages), ("a".to_owned(), 1, 1));
    for (channel, message, expect) in [
        ("", message.clone(), Error::NoChannelId),
        ("a/b", message.clone(), Error::ChannelIdNotAuthorized),
        ("ALL", message, Error::ChannelIdNotAuthorized),
        ("a", Bytes::new(), Error::EmptyMessage),
    ] {
        assert_eq!(house.service.publish(channel, message).await, Err(expect), "{channel}");
    }
}

#[tokio::test]
async fn of_the_channels_asked_for_those_that_exist_are_told_of() {
    let house = house(settings(""));
    house.publish("a", "x").await;
    assert_eq!(house.send("GET", "/pub?id=none/a", &[], "").await.body, info(1, 1, 0));
}

#[tokio::test]
async fn limits_reach_the_wire() {
    let mut full = settings("");
    full.channels.memory = NonZeroUsize::new(1000).unwrap();
    let full = house(full);
    let answer = full.send("POST", "/pub?id=a", &[], "x".repeat(900)).await;
    let explanation = "The memory for channels and messages is full.";
    assert_eq!((answer.status.as_u16(), answer.explanation()), (500, Some(explanation)));
    let mut small = settings("");
    small.channels.max_channel_id_length = NonZeroUsize::new(3);
    let answer = house(small).send("GET", "/channels-stats?id=long", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.explanation()), (400, Some("Channel id is too large.")));
    assert_eq!(answer.header("x-nginx-pushstream-commit"), None);
}

#[tokio::test]
async fn what_is_refused_makes_no_channel() {
    let house = house(settings(""));
    for (target, body, status) in [("/pub?id=new/a*", "x".to_owned(), 403), ("/pub?id=new", "x".repeat(2 << 20), 413)] {
        assert_eq!(house.send("POST", target, &[], body).await.status, status, "{target}");
        assert_eq!(house.send("GET", "/pub?id=new", &[], "").await.status, 404, "{target}");
    }
}
