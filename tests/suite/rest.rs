//! The Realtime Database's REST API as a client sees it: status, headers and body of every kind of request, and event
//! streams byte by byte.

use hearth::config::service::Service;
use hearth_tests::client::PATIENCE;
use hearth_tests::suite::Suite;
use hearth_tests::transcript::Transcript;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const OWNER: (&str, &str) = ("authorization", "Bearer owner");
const TAGGED: (&str, &str) = ("x-firebase-etag", "true");
const RULES: &str = r#"{"rules": {
  // Dinosaurs are found by their height.
  "dinosaurs": {".read": true, ".write": true, ".indexOn": ["height", "facts/order"]},
  "scores": {".read": true, ".indexOn": ".value"},
  "closed": {".read": false},
  "large": {".read": true, ".write": true}
}}"#;
const DINOSAURS: &str = r#"{"stegosaurus":{"height":4,"facts":{"order":"b"}},"lambeosaurus":{"height":2.1,"facts":{"order":"a"}},"triceratops":{"height":3,".priority":1}}"#;

type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

/// Method and target, headers, body; first the rules and the data that the rest is about.
const ROWS: &[Row] = &[
    ("PUT", "/.settings/rules.json", &[OWNER], RULES),
    (
        "PUT",
        "/.json?disableTriggers=true&writeSizeLimit=unlimited&print=silent",
        &[OWNER],
        r#"{"scores":{"a":3,"b":1,"c":"x"},"closed":{"x":1},"list":["zero",null,"two"]}"#,
    ),
    // Methods.
    ("PUT", "/dinosaurs.json", &[], DINOSAURS),
    ("GET", "/dinosaurs/triceratops.json", &[], ""),
    ("GET", "/dinosaurs/nobody.json", &[], ""),
    ("GET", "/dinosaurs/triceratops/.priority.json", &[], ""),
    ("PATCH", "/dinosaurs.json", &[], r#"{"stegosaurus/height":5,"triceratops/weight":{".sv":{"increment":7}}}"#),
    ("POST", "/dinosaurs/pushed.json?print=silent", &[], "1"),
    ("POST", "/dinosaurs/triceratops/weight.json", &[("x-http-method-override", "DELETE")], ""),
    ("DELETE", "/dinosaurs/pushed.json", &[], ""),
    ("HEAD", "/dinosaurs/stegosaurus.json", &[], ""),
    ("TRACE", "/dinosaurs.json", &[], ""),
    ("GET", "/dinosaurs", &[], ""),
    // Forms.
    ("GET", "/dinosaurs/stegosaurus.json?print=pretty", &[], ""),
    ("GET", "/dinosaurs.json?print=silent", &[], ""),
    ("GET", "/dinosaurs.json?shallow=true", &[], ""),
    ("GET", "/dinosaurs.json?shallow=true&limitToFirst=1&startAfter=lambeosaurus&timeout=3000ms", &[], ""),
    ("GET", "/dinosaurs/triceratops.json?format=export", &[], ""),
    ("GET", "/dinosaurs/triceratops/height.json?callback=show", &[], ""),
    ("GET", "/dinosaurs/triceratops/height.json?download=height.json", &[], ""),
    ("GET", "/list.json", &[OWNER], ""),
    (
        "OPTIONS",
        "/dinosaurs.json",
        &[
            ("origin", "http://app"),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "content-type"),
        ],
        "",
    ),
    // Queries.
    ("GET", "/dinosaurs.json?orderBy=%22height%22&startAt=3", &[], ""),
    ("GET", "/dinosaurs.json?orderBy=%22height%22&startAfter=3&limitToLast=1", &[], ""),
    ("GET", "/dinosaurs.json?orderBy=%22facts/order%22&equalTo=%22a%22", &[], ""),
    ("GET", "/dinosaurs.json?orderBy=%22$key%22&endBefore=%22t%22&limitToFirst=5", &[], ""),
    ("GET", "/dinosaurs.json?orderBy=%22$priority%22&equalTo=1,%22triceratops%22", &[], ""),
    ("GET", "/scores.json?orderBy=%22$value%22&endAt=3", &[], ""),
    ("GET", "/dinosaurs.json?orderBy=%22weight%22", &[], ""),
    ("GET", "/dinosaurs.json?limitToFirst=1", &[], ""),
    ("GET", "/dinosaurs.json?orderBy=height", &[], ""),
    ("GET", "/dinosaurs.json?orderBy=%22height%22&startAt=%7B%7D", &[], ""),
    ("GET", "/dinosaurs.json?orderBy=%22height%22&limitToFirst=1&limitToLast=1", &[], ""),
    ("GET", "/dinosaurs.json?orderBy=%22height%22&limitToFirst=0", &[], ""),
    ("GET", "/dinosaurs.json?orderBy=%22height%22&equalTo=1&endAt=2", &[], ""),
    ("GET", "/dinosaurs.json?orderBy=%22$key%22&startAt=1", &[], ""),
    ("GET", "/dinosaurs.json?shallow=true&orderBy=%22$key%22", &[], ""),
    ("PUT", "/dinosaurs.json?orderBy=%22$key%22", &[], "1"),
    // Conditions.
    ("GET", "/dinosaurs/triceratops/height.json", &[TAGGED], ""),
    ("GET", "/dinosaurs/nobody.json", &[TAGGED], ""),
    ("GET", "/dinosaurs/triceratops/height.json", &[("if-none-match", "3tYODYzGXwaGnXNech4jb4T9las=")], ""),
    ("PUT", "/dinosaurs/triceratops/height.json", &[("if-match", "null_etag")], "9"),
    ("PUT", "/dinosaurs/new.json", &[("if-match", "null_etag"), TAGGED], "9"),
    ("DELETE", "/dinosaurs/new.json", &[TAGGED], ""),
    ("GET", "/dinosaurs.json", &[("if-match", "x")], ""),
    ("POST", "/dinosaurs.json", &[("if-match", "x")], "1"),
    ("PATCH", "/dinosaurs.json", &[TAGGED], "{}"),
    // Who may.
    ("GET", "/closed.json", &[], ""),
    ("PUT", "/scores.json", &[], "1"),
    ("GET", "/closed.json", &[OWNER], ""),
    ("GET", "/closed.json?auth=owner", &[], ""),
    ("GET", "/closed.json?access_token=any", &[], ""),
    ("GET", "/closed.json?auth_variable_override=null", &[OWNER], ""),
    ("GET", "/closed.json?auth_variable_override=%7B%22uid%22:%22u%22%7D", &[OWNER], ""),
    // As rules-unit-testing makes tokens: unsigned, of another project, of 1970, of nobody.
    (
        "GET",
        "/dinosaurs/stegosaurus/height.json?auth=eyJhbGciOiJub25lIiwidHlwZSI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL3NlY3VyZXRva2VuLmdvb2dsZS5jb20vZGVtby1wcm9qZWN0IiwiYXVkIjoiZGVtby1wcm9qZWN0IiwiaWF0IjowLCJleHAiOjM2MDAsImF1dGhfdGltZSI6MCwic3ViIjoiYWxpY2UiLCJ1c2VyX2lkIjoiYWxpY2UiLCJmaXJlYmFzZSI6eyJzaWduX2luX3Byb3ZpZGVyIjoiY3VzdG9tIiwiaWRlbnRpdGllcyI6e319fQ.",
        &[],
        "",
    ),
    ("GET", "/dinosaurs.json?auth=nonsense", &[], ""),
    // Bodies and limits.
    ("PUT", "/large.json", &[], "{"),
    ("PATCH", "/large.json", &[], "[]"),
    ("PUT", "/large.json", &[], ""),
    ("PUT", "/large.json", &[], r#"{"a/b":1}"#),
    ("PUT", "/large.json", &[], r#"{".sv":"nonsense"}"#),
    ("PUT", "/large.json?writeSizeLimit=huge", &[], "1"),
    ("GET", "/large.json?timeout=20min", &[], ""),
    // Settings.
    ("GET", "/.settings/rules.json", &[OWNER], ""),
    ("GET", "/.settings/rules.json?format=strict", &[OWNER], ""),
    ("GET", "/.settings/rules.json", &[], ""),
    ("PUT", "/.settings/rules.json?dryRun=true", &[OWNER], r#"{"rules": {".read": 1}}"#),
    ("PUT", "/.settings/rules.json?ns=foo", &[OWNER], "invalid json %{!@["),
    ("PUT", "/.settings/defaultWriteSizeLimit.json", &[OWNER], r#""small""#),
    ("GET", "/.settings/strictTriggerValidation.json", &[OWNER], ""),
    ("POST", "/.settings/functionTriggers.json", &[OWNER], "{}"),
    ("GET", "/.settings/rulesets.json", &[OWNER], ""),
    ("PUT", "/x.json?ns=another", &[], "1"),
    ("GET", "/.inspect/databases.json", &[OWNER], ""),
    ("DELETE", "/.inspect/databases/another.json", &[OWNER], ""),
    ("DELETE", "/.inspect/databases/another.json", &[OWNER], ""),
    ("DELETE", "/.inspect/databases/demo-test.json", &[OWNER], ""),
];

#[tokio::test]
async fn every_kind_of_request_has_its_answer() {
    let suite = Suite::start().await;
    let mut seen = Transcript::default();
    for (method, target, headers, body) in ROWS {
        let answer = suite.ask(Service::Database, method, target, headers, body).await;
        let headers: Vec<_> = headers.iter().map(|(name, value)| format!("\n{name}: {value}")).collect();
        seen.add(format!("{method} {target}{}\n{body}", headers.concat()).trim_end(), &answer);
    }
    seen.check("rest");
    suite.stop().await;
}

/// An event stream, read as it comes.
struct Stream {
    socket: TcpStream,
    seen: String,
}

impl Stream {
    async fn open(suite: &Suite, target: &str) -> Self {
        let mut socket = TcpStream::connect(suite.address(Service::Database)).await.unwrap();
        let head = format!("GET {target} HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        Self { socket, seen: String::new() }
    }

    /// Reads until `text` has come, or the server has closed.
    async fn read_until(&mut self, text: &str) -> bool {
        let mut bytes = [0; 4096];
        while !self.seen.contains(text) {
            let read = tokio::time::timeout(PATIENCE, self.socket.read(&mut bytes)).await;
            let length = read.unwrap_or_else(|_| panic!("no {text:?} in {:?}", self.seen)).unwrap();
            if length == 0 {
                return false;
            }
            self.seen.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        }
        true
    }
}

#[tokio::test]
async fn a_stream_tells_what_happens_until_the_server_stops() {
    let suite = Suite::start().await;
    let mut stream = Stream::open(&suite, "/room.json?orderBy=%22$key%22&limitToLast=2").await;
    assert!(stream.read_until("\"data\":null}\n\n").await);
    for (method, path, body) in [
        ("PUT", "/room/a.json", r#"{"text":"one"}"#),
        ("PATCH", "/room.json", r#"{"b":2,"c":3}"#),
        ("PUT", "/room/a/text.json", r#""unseen""#),
        ("DELETE", "/room/c.json", ""),
    ] {
        assert_eq!(suite.ask(Service::Database, method, path, &[], body).await.status, 200);
    }
    assert!(stream.read_until("\"unseen\"}").await);
    suite.stop().await;
    // The last chunk has no bytes: the stream has ended, it did not break.
    assert!(stream.read_until("\r\n0\r\n\r\n").await);
    assert!(!stream.read_until("nothing more").await);
    let mut seen = Transcript::default();
    let chunks: Vec<_> = stream.seen.lines().filter(|line| !line.starts_with("date: ")).collect();
    seen.note(&chunks.join("\n"));
    seen.check("rest_stream");
}

#[tokio::test]
async fn a_stream_ends_with_its_users_token() {
    let suite = Suite::start().await;
    let (_, bearer) = suite.sign_up().await;
    let token = bearer.strip_prefix("Bearer ").unwrap();
    let mut stream = Stream::open(&suite, &format!("/room.json?auth={token}")).await;
    assert!(stream.read_until("\"data\":null}\n\n").await);
    suite.advance(3_600_000).await;
    assert!(stream.read_until("event: auth_revoked\ndata: \"credential is no longer valid\"\n\n").await);
    assert!(stream.read_until("\r\n0\r\n\r\n").await);
    suite.stop().await;
}
