//! Files of rules that are edited while the binary runs.

use hearth_tests::client::{Answer, send};
use hearth_tests::process::{FREE_PORTS, Process, address};
use hearth_tests::websocket::Client;
use nix::sys::signal::Signal;
use serde_json::json;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

const BINARY: &str = env!("CARGO_BIN_EXE_hearth-under-test");
const SECRETS: [(&str, &str); 2] = [("HEARTH_JWT_SECRET", "a secret"), ("HEARTH_PUBSUB_SECRET", "a secret")];
const TAKEN: &str = "the rules have changed; they hold from now on";
const KEPT: &str = "The last good rules still hold.";

fn rules(read: &str, write: &str) -> String {
    format!("{{\n  \"rules\": {{\n    \".read\": {read},\n    \".write\": {write}\n  }}\n}}\n")
}

/// Starts the binary in `folder` with a file of rules for the default database, another for the one called `more`.
async fn start(command: &str, folder: &Path) -> (Process, SocketAddr) {
    let settings = json!({"emulators": {"database": {}}, "database": [
        {"rules": "rules.json"}, {"rules": "more.json", "instance": "more"}]});
    fs::write(folder.join("firebase.json"), settings.to_string()).unwrap();
    fs::write(folder.join("rules.json"), rules("true", "true")).unwrap();
    fs::write(folder.join("more.json"), rules("true", "true")).unwrap();
    let arguments = [command, "--project", "demo-rules", "--port", FREE_PORTS, "--ports-file", "ports.json"];
    let mut process = Process::start_with(BINARY, &arguments, folder, &SECRETS);
    process.ready().await;
    let address = address(&folder.join("ports.json"), "database");
    (process, address)
}

/// Waits until this is printed, and forgets what has been.
async fn told(process: &mut Process, text: &str) -> String {
    process.printed(text).await;
    std::mem::take(&mut process.output)
}

async fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, "GET", path, &[], "").await
}

#[tokio::test]
async fn a_good_edit_takes_effect_and_a_broken_one_changes_nothing() {
    for command in ["emulators:start", "serve"] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.json");
        let (mut process, database) = start(command, folder.path()).await;
        assert_eq!(send(database, "PUT", "/a.json", &[], "1").await.status, 200);
        let (mut client, _) = Client::greeted(database, "").await;
        assert_eq!(client.ask("q", json!({"p": "/a", "h": ""})).await["s"], "ok");

        fs::write(&file, rules("\"auth.uid = 1\"", "true")).unwrap();
        let output = told(&mut process, KEPT).await;
        assert!(output.contains("rules.json: \nLine 3, column 24: "), "{output}");
        assert!(output.contains("\n      \".read\": \"auth.uid = 1\",\n                         ^"), "{output}");
        assert_eq!(get(database, "/a.json").await.status, 200);

        fs::write(&file, rules("\"auth != null\"", "true")).unwrap();
        told(&mut process, TAKEN).await;
        assert_eq!(get(database, "/a.json").await.status, 401);
        let revoked = client.message().await["d"].take();
        assert_eq!((&revoked["a"], &revoked["b"]["p"]), (&json!("c"), &json!("/a")), "{revoked}");

        // As editors write: a new file takes the old one's place.
        let new = folder.path().join("rules.json~");
        fs::write(&new, rules("true", "false")).unwrap();
        fs::rename(&new, &file).unwrap();
        told(&mut process, TAKEN).await;
        assert_eq!(get(database, "/a.json").await.status, 200);
        assert_eq!(send(database, "PUT", "/a.json", &[], "2").await.status, 401);

        fs::remove_file(&file).unwrap();
        let output = told(&mut process, KEPT).await;
        assert!(output.contains("there is no such file"), "{output}");
        assert_eq!(get(database, "/a.json").await.status, 200);

        process.signal(Signal::SIGTERM);
        assert_eq!(process.ended().await.0.code(), Some(0));
    }
}

#[tokio::test]
async fn rules_that_were_set_by_request_hold_until_the_file_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, database) = start("emulators:start", folder.path()).await;
    let owner = [("authorization", "Bearer owner")];
    let set = send(database, "PUT", "/.settings/rules.json", &owner, rules("false", "false")).await;
    assert_eq!(set.status, 200);
    assert_eq!(get(database, "/a.json").await.status, 401);

    // The other database's file has nothing to do with it. That database is opened only now.
    fs::write(folder.path().join("more.json"), rules("\"now > 0\"", "false")).unwrap();
    told(&mut process, TAKEN).await;
    assert_eq!(get(database, "/a.json").await.status, 401);
    let more = send(database, "GET", "/.settings/rules.json?ns=more", &owner, "").await;
    assert_eq!(more.text(), rules("\"now > 0\"", "false"));

    fs::write(folder.path().join("rules.json"), rules("true", "false")).unwrap();
    told(&mut process, TAKEN).await;
    assert_eq!(get(database, "/a.json").await.status, 200);
    process.signal(Signal::SIGTERM);
    process.ended().await;
}

#[tokio::test]
async fn a_script_sees_its_edits_take_effect() {
    let folder = tempfile::tempdir().unwrap();
    let settings = json!({"emulators": {"database": {}}, "database": {"rules": "rules.json"}});
    fs::write(folder.path().join("firebase.json"), settings.to_string()).unwrap();
    fs::write(folder.path().join("rules.json"), rules("true", "true")).unwrap();
    fs::write(folder.path().join("next.json"), rules("false", "false")).unwrap();
    let script = "mv next.json rules.json; url=http://$FIREBASE_DATABASE_EMULATOR_HOST/.json; \
                  until curl -s $url | grep -q denied; do :; done; echo it took effect";
    let arguments = ["emulators:exec", "--project", "demo-rules", "--port", FREE_PORTS, script];
    let (status, output) = Process::start(BINARY, &arguments, folder.path()).ended().await;
    assert_eq!(status.code(), Some(0), "{output}");
    assert!(output.contains("\nit took effect\n"), "{output}");
}
