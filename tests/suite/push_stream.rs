//! The push stream of a declared configuration: a transcript of raw answers, and the binary's own words.

use hearth::config::service::Service;
use hearth::config::settings::Mode;
use hearth_tests::client::{PATIENCE, send};
use hearth_tests::process::{FREE_PORTS, Process, address};
use hearth_tests::suite::Suite;
use hearth_tests::transcript::Transcript;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BINARY: &str = env!("CARGO_BIN_EXE_hearth-under-test");
const SECRET: (&str, &str) = ("authorization", "a pubsub secret");

/// A place for each role and mode.
fn declared() -> Value {
    let text = r#"{
        "message_ttl": "10m",
        "max_messages_stored_per_channel": 3,
        "max_subscribers_per_channel": 2,
        "max_channel_id_length": 12,
        "max_number_of_channels": 5,
        "wildcard_channel_prefix": "w_",
        "max_number_of_wildcard_channels": 2,
        "events_channel_id": "events",
        "allowed_origins": "$http_origin",
        "locations": [
            {"path": "= /pub", "role": "publisher", "channels_path": "$arg_id", "store_messages": true},
            {"path": "= /admin", "role": "publisher", "mode": "admin", "channels_path": "$arg_id",
             "channel_info_on_publish": false, "require_secret": false},
            {"path": "= /stats", "role": "statistics", "channels_path": "$arg_id"},
            {"path": "~ ^/poll/(.*)$", "role": "subscriber", "mode": "polling", "channels_path": "$1",
             "message_template": "{\"id\":~id~,\"tag\":~tag~,\"time\":\"~time~\",\"channel\":\"~channel~\",\"event\":\"~event-id~/~event-type~\",\"size\":~size~,\"text\":\"~text~\"}\n",
             "header_template": "[head]", "footer_template": "[foot]", "default_type": "text/x-told",
             "padding_by_user_agent": "Padded,100,0"},
            {"path": "~ ^/args/(.*)$", "role": "subscriber", "mode": "polling", "channels_path": "$1",
             "last_received_message_time": "$arg_time", "last_received_message_tag": "$arg_tag"},
            {"path": "~ ^/events/(.*)$", "role": "subscriber", "mode": "eventsource", "channels_path": "$1",
             "allow_connections_to_events_channel": true, "server_event_ids": true, "authorized_channels_only": true},
            {"path": "~ ^/ws/(.*)$", "role": "subscriber", "mode": "websocket", "channels_path": "$1"}
        ]
    }"#;
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn every_role_answers_as_declared() {
    let suite = Suite::start_with(Mode::Emulator, |settings| settings.push_stream.declared = Some(declared())).await;
    let mut seen = Transcript::default();
    let since = ("if-modified-since", "Tue, 01 Jan 2030 00:00:00 GMT");
    let origin = ("origin", "http://app.example");
    for (method, path, headers, body) in [
        ("OPTIONS", "/pub?id=a", &[SECRET, origin][..], ""),
        ("POST", "/pub?id=a", &[], "x"),
        ("POST", "/pub?id=a", &[SECRET, origin, ("event-id", "e1"), ("event-type", "t1")], "one"),
        ("PUT", "/pub?id=a/b", &[SECRET, ("accept", "text/plain")], "two"),
        ("GET", "/pub?id=a/none", &[SECRET, ("accept", "application/xml")], ""),
        ("GET", "/pub?id=none", &[SECRET], ""),
        ("DELETE", "/pub?id=a", &[SECRET], ""),
        ("HEAD", "/pub?id=a", &[SECRET], ""),
        ("POST", "/pub", &[SECRET], "x"),
        ("POST", "/pub?id=ALL", &[SECRET], "x"),
        ("POST", "/pub?id=0123456789abc", &[SECRET], "x"),
        ("POST", "/pub?id=a", &[SECRET], ""),
        ("POST", "/pub?id=events", &[SECRET], "x"),
        ("POST", "/pub?id=w_1/w_2", &[SECRET], "wild"),
        ("POST", "/pub?id=w_3", &[SECRET], "wild"),
        ("POST", "/pub?id=c/d/e/f", &[SECRET], "many"),
        ("POST", "/admin?id=a", &[], "not stored"),
        ("GET", "/stats", &[], ""),
        ("GET", "/stats?id=ALL", &[("accept", "application/yaml")], ""),
        ("GET", "/stats?id=w_*", &[("accept", "text/plain")], ""),
        ("GET", "/stats?id=b/a", &[("accept", "text/x-json")], ""),
        ("GET", "/stats?id=a", &[("accept", "application/xml")], ""),
        ("GET", "/stats?id=none", &[], ""),
        ("POST", "/stats", &[], ""),
        ("OPTIONS", "/poll/a", &[origin], ""),
        ("GET", "/poll/a", &[origin], ""),
        ("GET", "/poll/a.b9/b.b1", &[], ""),
        ("GET", "/poll/b.b1", &[("user-agent", "A Padded one")], ""),
        ("GET", "/poll/a", &[since, ("if-none-match", "W/1")], ""),
        ("GET", "/poll/a", &[since, ("if-none-match", "W/99")], ""),
        ("GET", "/poll/a", &[("last-event-id", "e1")], ""),
        ("GET", "/poll/a.b9?callback=call", &[], ""),
        ("GET", "/args/a?time=Tue,%2001%20Jan%202030%2000%3A00%3A00%20GMT&tag=1", &[since], ""),
        ("GET", "/poll/", &[], ""),
        ("GET", "/poll/ALL", &[], ""),
        ("GET", "/poll/0123456789abc", &[], ""),
        ("GET", "/poll/w_1", &[], ""),
        ("GET", "/poll/w_1/w_2/w_3/a", &[], ""),
        ("GET", "/poll/events", &[], ""),
        ("GET", "/poll/q", &[], ""),
        ("POST", "/poll/a", &[], ""),
        ("GET", "/events/none", &[], ""),
        ("GET", "/ws/a", &[], ""),
        (
            "GET",
            "/ws/a",
            &[
                ("connection", "upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-key", "k"),
                ("sec-websocket-version", "7"),
            ],
            "",
        ),
        ("OPTIONS", "/ws/a", &[], ""),
        ("DELETE", "/admin?id=a/none", &[], "bye"),
        ("DELETE", "/admin?id=a", &[], ""),
        ("DELETE", "/admin?id=events", &[], ""),
        ("GET", "/elsewhere", &[], ""),
    ] {
        let mut answer = suite.ask(Service::PushStream, method, path, headers, body).await;
        let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
        let mut text = answer.text().replace(&format!("\"pid\": \"{}\"", std::process::id()), "\"pid\": \"[pid]\"");
        for (key, value) in [("\"hostname\": \"", "\""), ("hostname: ", "")] {
            text = text.replace(&format!("{key}{host}{value}"), &format!("{key}[host]{value}"));
        }
        answer.body = text.into();
        answer.headers.remove("content-length");
        let with: Vec<_> = headers.iter().map(|(name, value)| format!(" {name}: {value}")).collect();
        seen.add(&format!("{method} {path}{} {body:?}", with.concat()), &answer);
    }
    suite.stop().await;
    seen.check("push_stream");
}

/// A stream, read as it comes.
struct Stream {
    socket: TcpStream,
    seen: String,
}

impl Stream {
    async fn open(suite: &Suite, target: &str, headers: &str) -> Self {
        let mut socket = TcpStream::connect(suite.address(Service::PushStream)).await.unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        Self { socket, seen: String::new() }
    }

    async fn until(&mut self, end: &str) -> &str {
        let mut bytes = Vec::new();
        while !self.seen.contains(end) {
            let read = tokio::time::timeout(PATIENCE, self.socket.read_buf(&mut bytes)).await.expect("it says more");
            assert_ne!(read.unwrap(), 0, "it ended before {end:?}: {}", self.seen);
            self.seen.push_str(&String::from_utf8(std::mem::take(&mut bytes)).unwrap());
        }
        &self.seen
    }
}

#[tokio::test]
async fn the_events_channel_tells_of_the_others_and_ids_go_on() {
    let suite = Suite::start_with(Mode::Emulator, |settings| settings.push_stream.declared = Some(declared())).await;
    let publish = async |id: &str, body: &str| {
        let path = format!("/pub?id={id}");
        assert_eq!(suite.ask(Service::PushStream, "POST", &path, &[SECRET], body).await.status, 200);
    };
    let mut events = Stream::open(&suite, "/events/events", "").await;
    events.until("-0\n\n").await;
    publish("a", "1").await;
    let created = "event: channel_created\ndata: {\"type\": \"channel_created\", \"channel\": \"a\"}\n\n";
    events.until(created).await;
    let mut listener = Stream::open(&suite, "/events/a", "").await;
    listener.until("\n\n").await;
    events.until("event: client_subscribed\ndata: {\"type\": \"client_subscribed\", \"channel\": \"a\"}\n\n").await;
    publish("a", "2").await;
    let seen = listener.until("data: 2\n\n").await;
    let id = seen.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().unwrap().to_owned();
    drop(listener);
    events.until("\"client_unsubscribed\", \"channel\": \"a\"}\n\n").await;
    for body in ["3", "4"] {
        publish("a", body).await;
    }
    let mut back = Stream::open(&suite, "/events/a.b1", &format!("last-event-id: {id}\r\n")).await;
    let seen = back.until("data: 4\n\n").await;
    assert!(seen.contains("data: 3\n\n") && !seen.contains("data: 2\n\n") && !seen.contains("event: gap"), "{seen}");
    for body in ["5", "6"] {
        publish("a", body).await;
    }
    let mut late = Stream::open(&suite, "/events/a.b1", &format!("last-event-id: {id}\r\n")).await;
    let seen = late.until("data: 6\n\n").await;
    assert!(
        seen.contains("event: gap\ndata: {\"channel\":\"a\",\"lost\":\"") && seen.contains("data: 4\n\n"),
        "{seen}"
    );
    suite.stop().await;
}

fn start(folder: &Path, firebase: &Value) -> Process {
    fs::write(folder.join("firebase.json"), firebase.to_string()).unwrap();
    let arguments = ["emulators:start", "--project", "demo-push", "--port", FREE_PORTS, "--ports-file", "ports.json"];
    Process::start(BINARY, &arguments, folder)
}

#[tokio::test]
async fn everything_wrong_is_said_at_start_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let declared = json!({"message_ttl": 0, "locations": [
        {"path": "pub", "role": "publisher", "channels_path": "$arg_id"},
        {"path": "/sub", "role": "subscriber", "mode": "push", "channels_path": "$1"},
    ]});
    let process = start(folder.path(), &json!({"emulators": {"pushStream": {}}, "pushStream": declared}));
    let (status, output) = process.ended().await;
    assert_eq!(status.code(), Some(2), "{output}");
    for mistake in [
        "pushStream.message_ttl: 0 is not a time above zero",
        "pushStream.locations[0].path: \"pub\" does not begin with /",
        "pushStream.locations[1].mode: it is streaming, polling, long-polling, eventsource or websocket",
        "pushStream.locations[1].channels_path: $1 is not a variable here",
    ] {
        assert!(output.contains(mistake), "{mistake}: {output}");
    }
}

#[tokio::test]
async fn an_nginx_configuration_is_imported_and_served() {
    let folder = tempfile::tempdir().unwrap();
    let nginx = "http {\n  push_stream_shared_memory_size 32m;\n  push_stream_message_ttl 5m;\n  server {\n\
                 location /publish { push_stream_publisher admin; push_stream_channels_path $arg_id; \
                 push_stream_store_messages on; auth_request /auth; }\n\
                 location ~ ^/listen/(.*)$ { push_stream_subscriber long-polling; push_stream_channels_path $1; \
                 push_stream_message_template '<~text~>'; }\n  }\n}\n";
    fs::write(folder.path().join("nginx.conf"), nginx).unwrap();
    let imported = Process::start(BINARY, &["pushstream:import", "nginx.conf"], folder.path());
    let (status, output) = imported.ended().await;
    assert_eq!(status.code(), Some(0), "{output}");
    assert!(output.contains("line 5: auth_request /auth: nothing here does that"), "{output}");
    let end = output.rfind("\n}\n").unwrap() + 2;
    let begin = output.find("{\n").unwrap();
    let mut firebase: Value = serde_json::from_str(output.get(begin..end).unwrap()).unwrap();
    assert_eq!(firebase["pushStream"]["locations"][1]["mode"], "long-polling");
    firebase["emulators"] = json!({"pushStream": {}});
    let mut process = start(folder.path(), &firebase);
    process.ready().await;
    let push_stream = address(&folder.path().join("ports.json"), "pushStream");
    assert_eq!(send(push_stream, "POST", "/publish?id=a", &[], "x").await.status, 200);
    let answer = send(push_stream, "GET", "/listen/a.b1", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "<x>"));
    assert_eq!(send(push_stream, "GET", "/sub/a.b1", &[], "").await.status, 404);

    let missing = Process::start(BINARY, &["pushstream:import", "none.conf"], folder.path());
    let (status, output) = missing.ended().await;
    assert!(status.code() == Some(2) && output.contains("none.conf"), "{output}");
}
