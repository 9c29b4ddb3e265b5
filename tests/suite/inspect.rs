//! Why the rules deny something, over every transport: in emulator mode told, when self-hosted not.

use hearth::config::service::Service;
use hearth::config::settings::Mode;
use hearth_tests::client::send;
use hearth_tests::process::{FREE_PORTS, Process, address};
use hearth_tests::suite::Suite;
use hearth_tests::websocket::Client;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_hearth-under-test");
const OWNER: (&str, &str) = ("authorization", "Bearer owner");
/// Long past what anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);
const DENIALS: &str = "/.inspect/denials.json";

async fn set_rules(suite: &Suite, rules: &Value) {
    let rules = json!({ "rules": rules }).to_string();
    let answer = suite.ask(Service::Database, "PUT", "/.settings/rules.json", &[OWNER], &rules).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// What was denied, the oldest first.
async fn denials(suite: &Suite) -> Vec<String> {
    let found = suite.ask(Service::Database, "GET", DENIALS, &[OWNER], "").await.json();
    let mut denials: Vec<_> = found["denials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|denied| {
            let rules = denied["rules"].as_array().unwrap();
            let decides = rules.iter().find(|rule| rule["decides"] == true).unwrap_or(&Value::Null);
            let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
            [&denied["operation"], &denied["path"], &decides["kind"], &decides["rulePath"]].map(text).join(" ")
        })
        .collect();
    denials.reverse();
    denials
}

#[tokio::test]
async fn what_is_denied_over_a_websocket_is_explained_at_the_endpoint_alone() {
    let suite = Suite::start().await;
    let own = json!({"own": {"$uid": {".read": "data.child('open').val() == true", ".write": "auth.uid == $uid"}}});
    set_rules(&suite, &own).await;
    suite.write("/own/ann", &json!({"open": true})).await;
    let (mut client, _) = Client::greeted(suite.address(Service::Database), "").await;
    // The answers are those there always were.
    let denied = json!({"s": "permission_denied", "d": "Permission denied"});
    assert_eq!(client.ask("p", json!({"p": "/own/ann", "d": 1})).await, denied);
    assert_eq!(client.ask("m", json!({"p": "/own", "d": {"bob/x": 1}})).await, denied);
    assert_eq!(client.ask("q", json!({"p": "/own/bob", "h": ""})).await, denied);
    assert_eq!(client.ask("g", json!({"p": "/own/bob", "q": {}})).await["d"], "Permission denied");
    assert_eq!(client.ask("o", json!({"p": "/own/ann", "d": 1})).await, denied);
    let (read, write) = (".read /own/$uid", ".write /own/$uid");
    let mut expect = vec![
        format!("write /own/ann {write}"),
        format!("write /own/bob/x {write}"),
        format!("read /own/bob {read}"),
        format!("read /own/bob {read}"),
        format!("write /own/ann {write}"),
    ];
    assert_eq!(denials(&suite).await, expect);
    // A listener that loses its right is told no more than that; why is told here.
    assert_eq!(client.ask("q", json!({"p": "/own/ann", "h": ""})).await["s"], "ok");
    suite.write("/own/ann/open", &json!(false)).await;
    let revoked = loop {
        let message = client.message().await;
        if message["d"]["a"] == "c" {
            break message;
        }
    };
    assert_eq!(revoked, json!({"t": "d", "d": {"a": "c", "b": {"p": "/own/ann"}}}));
    expect.push(format!("read /own/ann {read}"));
    assert_eq!(denials(&suite).await, expect);
    // What was intended for the end of a session and is forbidden by then is left out.
    assert_eq!(client.ask("gauth", json!({"cred": "owner", "authvar": {"uid": "ann"}})).await["s"], "ok");
    assert_eq!(client.ask("o", json!({"p": "/own/ann/gone", "d": 1})).await["s"], "ok");
    set_rules(&suite, &json!({"own": {".write": false}})).await;
    client.close().await;
    expect.push("write /own/ann/gone .write /own".to_owned());
    let left_out = async { while denials(&suite).await != expect {} };
    tokio::time::timeout(PATIENCE, left_out).await.unwrap();
    suite.stop().await;
}

#[tokio::test]
async fn self_hosted_nothing_is_explained_on_any_transport() {
    let suite = Suite::start_with(Mode::SelfHost, |_| {}).await;
    let address = suite.address(Service::Database);
    let (mut client, _) = Client::greeted(address, "").await;
    let denied = json!({"s": "permission_denied", "d": "Permission denied"});
    assert_eq!(client.ask("p", json!({"p": "/a", "d": 1})).await, denied);
    for (method, path) in [
        ("GET", "/a.json"),
        ("GET", "/.inspect/coverage"),
        ("GET", "/.inspect/coverage.json"),
        ("GET", DENIALS),
        ("POST", "/.inspect/explain.json"),
    ] {
        for headers in [&[][..], &[OWNER]] {
            let answer = suite.ask(Service::Database, method, path, headers, "{}").await;
            assert_eq!(answer.status, 401, "{method} {path}");
            assert_eq!(answer.header("x-hearth-rules-explanation"), "");
            assert!(answer.text().len() < 50, "{}", answer.text());
        }
    }
    suite.stop().await;
}

#[tokio::test]
async fn denials_are_in_the_log_of_an_emulator_only() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("firebase.json"), r#"{"database":{"rules":"rules.json"}}"#).unwrap();
    fs::write(folder.path().join("rules.json"), "{\"rules\": {\n  \".read\": \"auth.uid == 'ann'\"\n}}").unwrap();
    let secrets = [("HEARTH_JWT_SECRET", "s"), ("HEARTH_PUBSUB_SECRET", "s")];
    for command in ["emulators:start", "serve"] {
        let arguments = [command, "--project", "demo-why", "--port", FREE_PORTS, "--ports-file", "ports.json"];
        let mut process = Process::start_with(BINARY, &arguments, folder.path(), &secrets);
        process.ready().await;
        let database = address(&folder.path().join("ports.json"), "database");
        for _ in 0..50 {
            assert_eq!(send(database, "GET", "/secret.json", &[], "").await.status, 401);
        }
        if command == "emulators:start" {
            process.printed("auth.uid is null").await;
        }
        process.signal(Signal::SIGTERM);
        let (_, output) = process.ended().await;
        let expect = "database demo-why-default-rtdb: Denied: read /secret\n  auth is null\n  no .read from the root down to there holds\n\
                      > .read at / (2:13) is false\n      auth.uid == 'ann'\n      2:13   auth.uid is null\n";
        let times = output.matches(expect).count();
        // However often it is denied, it is told once.
        assert_eq!(times, usize::from(command == "emulators:start"), "{output}");
        assert!(command != "serve" || !output.contains("Denied"), "{output}");
    }
}
