//! pushUpdate, row by row.

use super::{Host, JSON, MINUTE, UPDATE};
use hearth::config::service::Service;
use hearth::config::settings::Mode;
use hearth_tests::suite::Suite;
use hearth_tests::transcript::Transcript;

#[tokio::test]
async fn every_row_of_the_table() {
    let suite = Suite::start().await;
    let host = Host::start(&suite).await;
    let auth = ("authorization", host.id.as_str());
    let session = ("x-session-token", host.token.as_str());
    let garbage = ("x-session-token", "garbage");
    let mut seen = Transcript::default();
    for (case, method, headers, body) in [
        ("OPTIONS", "OPTIONS", &[][..], ""),
        ("GET", "GET", &[auth, session], ""),
        ("no ID token", "POST", &[session, JSON], UPDATE),
        (
            "a session token as ID token",
            "POST",
            &[("authorization", &format!("Bearer {}", host.token)), session, JSON],
            UPDATE,
        ),
        ("no session token", "POST", &[auth, JSON], UPDATE),
        ("a body of another type", "POST", &[auth, session, ("content-type", "text/plain")], UPDATE),
        ("no body, no type", "POST", &[auth, session], ""),
        ("no body", "POST", &[auth, session, JSON], ""),
        ("an empty object", "POST", &[auth, session, JSON], "{}"),
        ("an empty object and a bad session token", "POST", &[auth, garbage, JSON], "{}"),
        ("a bad session token", "POST", &[auth, garbage, JSON], UPDATE),
        ("malformed JSON", "POST", &[auth, session, JSON], "{"),
        ("JSON that is no object", "POST", &[auth, session, JSON], "[]"),
        ("JSON null", "POST", &[auth, session, JSON], "null"),
        ("an update", "POST", &[auth, session, JSON], UPDATE),
        ("the host has disconnected", "POST", &[auth, session, JSON], &UPDATE.replace("spotify:track:x", "")),
    ] {
        seen.add(case, &suite.call(method, "pushUpdate", headers, body).await);
    }
    for alias in ["postUpdate", "publishUpdate"] {
        seen.add(alias, &suite.call("POST", alias, &host.json_headers(), UPDATE).await);
    }
    let large = format!(r#"{{"x":"{}"}}"#, "x".repeat(100 * 1024));
    seen.add("a body over 100 KB", &suite.call("POST", "pushUpdate", &host.json_headers(), &large).await);
    // 30 minutes later the session token has expired; a fresh ID token is needed only after 60.
    suite.advance(30 * MINUTE).await;
    seen.add("an expired session token", &suite.call("POST", "pushUpdate", &host.json_headers(), UPDATE).await);
    seen.check("push_update");
    suite.stop().await;
}

#[tokio::test]
async fn every_message_of_the_validation() {
    let suite = Suite::start().await;
    let host = Host::start(&suite).await;
    let mut seen = Transcript::default();
    for body in [
        r#"{"x":1}"#,
        r#"{"timestamp":null,"uri":null,"position":null,"playing":null}"#,
        r#"{"timestamp":1e400,"uri":"","position":1e400,"playing":true}"#,
        r#"{"timestamp":true,"uri":[],"position":"1","playing":0}"#,
        r#"{"timestamp":157762700399,"uri":"http://x","position":0,"playing":false}"#,
        r#"{"timestamp":157762700400,"uri":"spotify:","position":0,"playing":false}"#,
        r#"{"timestamp":157762700400,"uri":"spotify:x","position":0,"playing":false,"track_window":null}"#,
        r#"{"timestamp":157762700400,"uri":"spotify:x","position":0,"playing":false,"track_window":[]}"#,
        r#"{"timestamp":157762700400,"uri":"spotify:x","position":0,"playing":false,"track_window":["spotify:a",1]}"#,
        r#"{"timestamp":157762700400,"uri":"spotify:x","position":0,"playing":false,"track_window":["a"]}"#,
    ] {
        let answer = suite.call("POST", "pushUpdate", &host.json_headers(), body).await;
        seen.note(&format!("{body}\n{} {}", answer.status.as_u16(), answer.text()));
    }
    seen.check("update_messages");
    suite.stop().await;
}

#[tokio::test]
async fn what_is_published_holds_the_known_fields_in_their_order() {
    let suite = Suite::start().await;
    let host = Host::start(&suite).await;
    let mut seen = Transcript::default();
    for body in [
        r#"{"playing":true,"position":1.0,"extra":1,"track_window":["spotify:a"],"uri":"spotify:b","timestamp":1600000000000}"#,
        "{ \"playing\": false,\n \"position\": -0, \"uri\": \"spotify:\\\"\\\\\\u00e9\\u2028\\u0007\\ud83d\\ude00\", \"timestamp\": 1600000000000.5 }",
        r#"{"timestamp":1600000000000,"uri":"","position":1e21,"playing":true,"playing":false}"#,
    ] {
        let answer = suite.call("POST", "pushUpdate", &host.json_headers(), body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        seen.note(&stored(&suite, &host.session).await);
    }
    seen.check("published_updates");
    suite.stop().await;
}

/// The stored message, as a listener who joins now gets it.
async fn stored(suite: &Suite, session: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(suite.address(Service::PushStream)).await.unwrap();
    let request = format!("GET /sub/{session}.b1 HTTP/1.0\r\nhost: x\r\n\r\n");
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    loop {
        tokio::io::AsyncReadExt::read_buf(&mut stream, &mut read).await.unwrap();
        let text = String::from_utf8_lossy(&read);
        if let Some((_, message)) = text.split_once("data: ")
            && let Some((message, _)) = message.split_once("\n\n")
        {
            return message.to_owned();
        }
    }
}

#[tokio::test]
async fn an_unreachable_pubsub_is_a_clear_error() {
    // A port that was free a moment ago: nobody listens there.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let suite = Suite::start_with(Mode::Emulator, |settings| {
        settings.functions.pubsub_url = Some(format!("http://{nobody}"));
    })
    .await;
    let host = Host::start(&suite).await;
    let mut seen = Transcript::default();
    seen.add("pubsub unreachable", &suite.call("POST", "pushUpdate", &host.json_headers(), UPDATE).await);
    seen.check("push_update_unreachable");
    suite.stop().await;
}
