//! What firebase.json may say, and what is wrong with it.

use super::*;
use crate::pubsub::expression::Expression;
use serde_json::json;
use std::num::{NonZeroU64, NonZeroUsize};

fn declared(value: &Value) -> Result<PubsubSettings, Vec<String>> {
    read(value, &deployment())
}

fn deployment() -> Deployment {
    Deployment { secret: "secret".to_owned(), folder: "/nowhere".into(), ..Deployment::default() }
}

#[test]
fn nothing_declared_is_pogifys_profile() {
    let (given, profile) = (declared(&json!({})).unwrap(), PubsubSettings::pogify("secret"));
    assert_eq!(format!("{given:?}"), format!("{profile:?}"));
    // What is declared beside no locations changes it.
    let changed =
        declared(&json!({"message_ttl": "2h", "ping_message_interval": 25, "server_event_ids": true})).unwrap();
    assert_eq!(changed.channels.message_ttl.get(), 2 * 60 * 60 * 1000);
    assert_eq!(changed.channels.max_messages_stored_per_channel, NonZeroUsize::new(1));
    let subscriber = changed.locations.iter().find_map(Location::subscriber).unwrap();
    assert_eq!((subscriber.ping_message_interval, subscriber.server_event_ids), (NonZeroU64::new(25_000), true));
    assert!(subscriber.authorized_channels_only);
}

#[test]
fn every_directive_is_heeded() {
    let text = r#"{
        "shared_memory_size": "10m",
        "message_ttl": "10s",
        "max_messages_stored_per_channel": 5,
        "channel_inactivity_time": "1m",
        "max_subscribers_per_channel": "6",
        "max_channel_id_length": 7,
        "max_number_of_channels": 8,
        "max_number_of_wildcard_channels": 9,
        "wildcard_channel_prefix": "w_",
        "ping_message_text": "ping",
        "channel_deleted_message_text": "gone",
        "timeout_with_body": "on",
        "events_channel_id": "events",
        "durable_channels": "kept-*",
        "footer_template": "outer",
        "allowed_origins": "$http_origin",
        "locations": [
            {"path": "/pub", "role": "publisher", "channels_path": "$arg_id"},
            {"path": "= /admin", "role": "publisher", "mode": "admin", "channels_path": "$arg_id", "store_messages": true,
             "channel_info_on_publish": false, "client_max_body_size": "2k", "require_secret": false},
            {"path": "~ ^/ws/(.*)$", "role": "subscriber", "mode": "websocket", "channels_path": "$1",
             "websocket_allow_publish": true, "store_messages": "on", "allow_connections_to_events_channel": true,
             "authorized_channels_only": true, "message_template": "<~text~>", "header_template": "H",
             "ping_message_interval": "10s", "subscriber_connection_ttl": "20s", "longpolling_connection_ttl": "30s",
             "last_received_message_time": "$arg_time", "last_received_message_tag": "$arg_tag",
             "last_event_id": "$arg_eventid", "user_agent": "$arg_ua", "padding_by_user_agent": "[Tt]est,10,20:x,0,5",
             "wildcard_channel_max_qtd": 3, "default_type": "text/html", "unread_limit": "3k", "client_max_body_size": 99},
            {"path": "/stats", "role": "statistics", "channels_path": "$arg_id"}
        ]
    }"#;
    let settings = declared(&serde_json::from_str(text).unwrap()).unwrap();
    let channels = Settings {
        memory: NonZeroUsize::new(10 << 20).unwrap(),
        message_ttl: NonZeroU64::new(10_000).unwrap(),
        max_messages_stored_per_channel: NonZeroUsize::new(5),
        channel_inactivity_time: NonZeroU64::new(60_000).unwrap(),
        max_subscribers_per_channel: NonZeroUsize::new(6),
        max_channel_id_length: NonZeroUsize::new(7),
        max_number_of_channels: NonZeroUsize::new(8),
        max_number_of_wildcard_channels: NonZeroUsize::new(9),
        wildcard_channel_prefix: Some("w_".into()),
        events_channel_id: Some(ChannelId::new(b"events")),
        durable_channels: Pattern::parse("kept-*").into_iter().collect(),
        ping_message_text: "ping".into(),
        timeout_with_body: true,
        channel_deleted_message_text: "gone".into(),
    };
    assert_eq!(settings.channels, channels);
    assert_eq!((settings.elsewhere, settings.locations.len()), (StatusCode::NOT_FOUND, 4));
    let publishers: Vec<_> = settings.locations.iter().filter_map(Location::publisher).collect();
    let told = |settings: &PublisherSettings| {
        (
            settings.secret.clone(),
            settings.admin,
            settings.store_messages,
            settings.channel_info_on_publish,
            settings.body_limit,
        )
    };
    assert_eq!(told(publishers[0]), ("secret".to_owned(), false, false, true, 1 << 20));
    assert_eq!(told(publishers[1]), (String::new(), true, true, false, 2048));
    let subscriber = settings.locations.iter().find_map(Location::subscriber).unwrap();
    let origin = Some(Expression::parse("$http_origin", None).unwrap());
    assert_eq!((&publishers[0].allowed_origins, &subscriber.allowed_origins), (&origin, &origin));
    assert_eq!((subscriber.header_template.as_str(), subscriber.footer_template.as_str()), ("H", "outer"));
    assert_eq!(subscriber.message_template, Template::parse("<~text~>").unwrap());
    let times =
        [subscriber.ping_message_interval, subscriber.subscriber_connection_ttl, subscriber.longpolling_connection_ttl];
    assert_eq!(times, [NonZeroU64::new(10_000), NonZeroU64::new(20_000), NonZeroU64::new(30_000)]);
    let argument = |name| Some(Expression::argument(name));
    assert_eq!(subscriber.last_received_message_time, argument("time"));
    assert_eq!(
        (&subscriber.last_received_message_tag, &subscriber.last_event_id),
        (&argument("tag"), &argument("eventid"))
    );
    assert_eq!(subscriber.user_agent, argument("ua"));
    let padding: Vec<_> = subscriber.padding.iter().map(|rule| (rule.agent.as_str(), rule.padding)).collect();
    assert_eq!(padding, [("[Tt]est", Padding { header: 10, message: 20 }), ("x", Padding { header: 0, message: 5 })]);
    assert!(subscriber.websocket_allow_publish && subscriber.store_messages && subscriber.events_channel);
    assert!(subscriber.authorized_channels_only && subscriber.mode == Mode::WebSocket && !subscriber.server_event_ids);
    assert_eq!(
        (subscriber.wildcard_channel_max_qtd, subscriber.default_type.as_bytes()),
        (NonZeroUsize::new(3), &b"text/html"[..])
    );
    assert_eq!((subscriber.unread_limit, subscriber.body_limit), (3072, 99));
}

#[test]
fn everything_that_is_wrong_is_named_with_its_place() {
    let mistakes = declared(&json!({
        "message_ttl": 0,
        "max_number_of_channels": -1,
        "max_number_of_wildcard_channels": 2,
        "events_channel_id": "a*",
        "mesage_ttl": "1h",
        "ping_message_interval": "soon",
        "locations": [
            {"path": "/pub", "role": "publisher", "mode": "boss", "channels_path": "$arg_id"},
            {"path": "/pub", "role": "subscriber", "mode": "eventsource", "channels_path": "$1", "message_ttl": "1h",
             "message_template": "", "padding_by_user_agent": "x,1", "wildcard_channel_max_qtd": 3, "colour": "red",
             "header_template": "H", "header_template_file": "h.html", "store_messages": "maybe",
             "unread_time": "3m"},
            {"path": "~ (", "role": "listener"},
            {"path": "/s", "role": "subscriber", "channels_path": "$arg_id", "header_template_file": "h.html"},
            7,
        ],
    }))
    .unwrap_err();
    let expect = [
        "pushStream.mesage_ttl: there is no such directive",
        "pushStream.message_ttl: 0 is not a time above zero, like 30 (seconds), \"500ms\" or \"1h30m\"",
        "pushStream.max_number_of_channels: -1 is not a whole number above zero",
        "pushStream.events_channel_id: ALL and ids with * are no channels",
        "pushStream.max_number_of_wildcard_channels: means nothing without wildcard_channel_prefix",
        "pushStream.locations[0].mode: a publisher is normal or admin",
        "pushStream.locations[1].message_ttl: holds for all channels and stands beside the locations",
        "pushStream.locations[1].colour: there is no such directive",
        "pushStream.locations[1].path: \"/pub\" is declared twice",
        "pushStream.locations[1].channels_path: $1 is not a variable here",
        "pushStream.locations[1].message_template: it is blank",
        "pushStream.locations[1].header_template_file: header_template is given as well",
        "pushStream.ping_message_interval: \"soon\" is not a time above zero, like 30 (seconds), \"500ms\" or \"1h30m\"",
        "pushStream.locations[1].padding_by_user_agent: \"x,1\" is not REGEX,HEADER_MIN,MESSAGE_MIN",
        "pushStream.locations[1].wildcard_channel_max_qtd: means nothing without wildcard_channel_prefix",
        "pushStream.locations[1].wildcard_channel_max_qtd: above max_number_of_wildcard_channels",
        "pushStream.locations[1].store_messages: \"maybe\" is not true or false",
        "pushStream.locations[1].unread_time: above two minutes, after which the system ends such a connection",
        "pushStream.locations[2].path: error: unclosed group",
        "pushStream.locations[2].role: it is publisher, subscriber, presence, statistics or tickets",
        "pushStream.locations[2].channels_path: missing: it says which channels a request names",
        "pushStream.locations[3].header_template_file: h.html: No such file or directory (os error 2)",
        "pushStream.locations[4]: not an object",
    ];
    assert_eq!(mistakes, expect);
    assert_eq!(declared(&json!([])).unwrap_err(), ["pushStream is not an object"]);
    assert_eq!(declared(&json!({"locations": {}})).unwrap_err(), ["pushStream.locations: not a list"]);
}

#[test]
fn a_header_may_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("head.html"), "<html>\n").unwrap();
    let in_folder = Deployment { folder: folder.path().to_path_buf(), ..deployment() };
    let settings = read(&json!({"header_template_file": "head.html"}), &in_folder).unwrap();
    assert_eq!(settings.locations.iter().find_map(Location::subscriber).unwrap().header_template, "<html>\n");
    // A location's own header goes before a file that is named beside the locations.
    let place = json!({"path": "/s", "role": "subscriber", "channels_path": "$arg_id", "header_template": "own"});
    let declared = json!({"header_template_file": "head.html", "locations": [place]});
    let settings = read(&declared, &in_folder).unwrap();
    assert_eq!(settings.locations.iter().find_map(Location::subscriber).unwrap().header_template, "own");
}

#[test]
fn who_may_come_is_told() {
    let secret = Some("0123456789abcdef0123456789abcdef".to_owned());
    let value = json!({"presence_interval": "2s", "locations": [
        {"path": "/a", "role": "subscriber", "channels_path": "$arg_id", "authorize": ["id_token", "ticket"],
         "authorized_channels": ["news", "user_{uid}"], "end_with_token": false, "reauthorize_interval": "5s",
         "unread_time": "10s"},
        {"path": "/b", "role": "publisher", "channels_path": "$arg_id", "authorize": "id_token"},
        {"path": "/c", "role": "presence", "channels_path": "$arg_id", "server_event_ids": true},
        {"path": "/d", "role": "tickets", "longest_ticket": "5m"}
    ]});
    let settings = read(&value, &Deployment { ticket_secret: secret, ..deployment() }).unwrap();
    assert!(settings.ticket_key.is_some() && settings.presence_interval.get() == 2000);
    let subscriber = settings.locations[0].subscriber().unwrap();
    let access = subscriber.access.as_ref().unwrap();
    let patterns: Vec<_> =
        ["news", "user_{uid}"].into_iter().filter_map(hearth_pubsub::pattern::Pattern::parse).collect();
    assert!(access.id_tokens && access.tickets && !access.end_with_token && access.channels == patterns);
    assert_eq!((access.reauthorize_interval.get(), subscriber.unread_time.get()), (5000, 10_000));
    let access = settings.locations[1].publisher().unwrap().access.as_ref().unwrap();
    assert!(
        access.id_tokens && !access.tickets && access.end_with_token && access.reauthorize_interval.get() == 60_000
    );
    let watching = settings.locations[2].subscriber().unwrap();
    assert!(watching.mode == Mode::EventSource && !watching.server_event_ids && watching.access.is_none());
    assert!(matches!(&settings.locations[3].role, Role::Tickets(settings) if settings.longest.get() == 300_000));
    let wrong = json!({"locations": [
        {"path": "/a", "role": "subscriber", "channels_path": "x", "authorize": "everyone", "authorized_channels": "{x}"},
        {"path": "/d", "role": "tickets", "mode": "admin", "require_secret": false, "longest_ticket": "1ms"}
    ]});
    assert_eq!(
        declared(&wrong).unwrap_err(),
        [
            "pushStream.locations[0].authorize: it is id_token, ticket or a list of both",
            "pushStream.locations[0].authorized_channels: a pattern has ids, * for anything, and {uid} for the account",
            "pushStream.locations[1].mode: tickets have no mode",
            "pushStream.locations[1].require_secret: tickets are made by those who know the secret only",
            "pushStream.locations[1].longest_ticket: less than a second",
            "pushStream: tickets need a secret: pubsub.ticket_secret in .runtimeconfig.json, or \
             HEARTH_PUBSUB_TICKET_SECRET",
        ]
    );
}

#[test]
fn on_a_locked_server_nobody_publishes_unknown_unless_that_is_said() {
    let locked = Deployment { locked: true, ..deployment() };
    let places = |more: Value| {
        let mut places = json!({"locations": [
            {"path": "/p", "role": "publisher", "channels_path": "$arg_id", "require_secret": false},
            {"path": "/w", "role": "subscriber", "mode": "websocket", "channels_path": "$arg_id",
             "websocket_allow_publish": true}
        ]});
        places.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        places
    };
    let problem = "anyone could publish there; authorize those who may, or say that anyone_may_publish";
    assert_eq!(
        read(&places(json!({})), &locked).unwrap_err(),
        [
            format!("pushStream.locations[0].require_secret: {problem}"),
            format!("pushStream.locations[1].websocket_allow_publish: {problem}"),
        ]
    );
    for enough in [json!({"authorize": "id_token"}), json!({"anyone_may_publish": true})] {
        assert!(read(&places(enough), &locked).is_ok());
    }
    assert!(declared(&places(json!({}))).is_ok());
}
