//! The command line, through the binary.

use hearth_tests::client::{send, send_raw};
use hearth_tests::process::{FREE_PORTS, Process, address};
use nix::sys::signal::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BINARY: &str = env!("CARGO_BIN_EXE_hearth-under-test");
const START: [&str; 7] =
    ["emulators:start", "--project", "demo-cli", "--port", FREE_PORTS, "--ports-file", "ports.json"];
const SERVICES: [&str; 5] = ["auth", "functions", "database", "pushStream", "hub"];

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn start(folder: &Path, more: &[&str]) -> Process {
    Process::start(BINARY, &[&START, more].concat(), folder)
}

#[tokio::test]
async fn every_port_answers_when_it_says_so() {
    let folder = folder();
    let mut process = start(folder.path(), &[]);
    process.ready().await;
    let ports = folder.path().join("ports.json");
    for service in SERVICES {
        let address = address(&ports, service);
        send(address, "GET", "/", &[], "").await;
        if service != "hub" {
            process.printed(&address.to_string()).await;
        }
    }
    let hub = send(address(&ports, "hub"), "GET", "/emulators", &[], "").await.json();
    assert_eq!(hub["database"]["port"], address(&ports, "database").port());
    let locator = std::env::temp_dir().join("hub-demo-cli.json");
    assert!(fs::read_to_string(&locator).unwrap().contains("origins"));
    process.signal(Signal::SIGTERM);
    let (status, _) = process.ended().await;
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn data_survives_every_kind_of_stop() {
    let folder = folder();
    for (round, signal) in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL, Signal::SIGTERM].into_iter().enumerate() {
        let mut process = start(folder.path(), &[]);
        process.ready().await;
        let ports = folder.path().join("ports.json");
        let database = address(&ports, "database");
        let kept = send(database, "GET", "/rounds.json", &[], "").await.json();
        assert_eq!(kept.as_u64().unwrap_or(0), round as u64);
        let written = send(database, "PUT", "/rounds.json", &[], (round + 1).to_string()).await;
        assert_eq!(written.status, 200);
        let sign_up = "/identitytoolkit.googleapis.com/v1/accounts:signUp?key=k";
        send(address(&ports, "auth"), "POST", sign_up, &[], "{}").await;
        let list = "/identitytoolkit.googleapis.com/v1/projects/demo-cli/accounts:batchGet";
        let accounts = send(address(&ports, "auth"), "GET", list, &[("authorization", "Bearer owner")], "").await;
        assert_eq!(accounts.json()["users"].as_array().unwrap().len(), round + 1);
        // What the push stream holds is gone, as in the original.
        let push_stream = address(&ports, "pushStream");
        assert_eq!(send(push_stream, "GET", "/pub?id=a", &[], "").await.status, 404);
        assert_eq!(send(push_stream, "POST", "/pub?id=a", &[], "x").await.status, 200);
        process.signal(signal);
        process.ended().await;
    }
    assert!(folder.path().join(".hearth/demo-cli").is_dir());
}

#[tokio::test]
async fn ephemeral_keeps_nothing() {
    let folder = folder();
    let mut process = start(folder.path(), &["--ephemeral"]);
    process.ready().await;
    let database = address(&folder.path().join("ports.json"), "database");
    assert_eq!(send(database, "PUT", "/a.json", &[], "1").await.status, 200);
    process.signal(Signal::SIGTERM);
    process.ended().await;
    assert!(!folder.path().join(".hearth").exists());
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let folder = folder();
    let ports = format!("auth=0,functions=0,database={port},pushStream=0,hub=0");
    let arguments = ["emulators:start", "--project", "demo-cli", "--port", &ports];
    let (status, output) = Process::start(BINARY, &arguments, folder.path()).ended().await;
    assert_eq!(status.code(), Some(1), "{output}");
    assert!(output.contains("Could not start Database, port taken") && output.contains(&port.to_string()), "{output}");
    assert!(!folder.path().join(".hearth").exists(), "nothing was begun");
}

#[tokio::test]
async fn data_in_use_is_named() {
    let folder = folder();
    let mut process = start(folder.path(), &[]);
    process.ready().await;
    let (status, output) = start(folder.path(), &[]).ended().await;
    assert_eq!(status.code(), Some(3), "{output}");
    assert!(output.contains("in use by another process"), "{output}");
    process.signal(Signal::SIGTERM);
    assert_eq!(process.ended().await.0.code(), Some(0));
}

#[tokio::test]
async fn data_that_cannot_be_read_is_named() {
    let folder = folder();
    let mut process = start(folder.path(), &[]);
    process.ready().await;
    process.signal(Signal::SIGTERM);
    process.ended().await;
    let files = walk(&folder.path().join(".hearth"));
    let database = files.iter().find(|file| file.to_string_lossy().contains("database/")).expect("a database");
    let whole = std::fs::read(database).unwrap();
    let mut newer = whole.clone();
    // The format's number, of four bytes.
    newer[60..64].copy_from_slice(&77_u32.to_be_bytes());
    for (bytes, expect) in [
        (newer, "has format 77, this version of Hearth knows up to"),
        (b"a note".repeat(1000), "file is not a database"),
    ] {
        std::fs::write(database, bytes).unwrap();
        let (status, output) = start(folder.path(), &[]).ended().await;
        assert_eq!(status.code(), Some(3), "{output}");
        assert!(output.contains(expect) && output.contains(&*database.to_string_lossy()), "{output}");
    }
    std::fs::write(database, whole).unwrap();
    let mut process = start(folder.path(), &[]);
    process.ready().await;
    process.signal(Signal::SIGTERM);
    assert_eq!(process.ended().await.0.code(), Some(0));
}

/// The SQLite files in a folder and below.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|entry| entry.is_dir());
    let files = files.into_iter().filter(|file| file.extension().is_some_and(|end| end == "sqlite"));
    files.chain(folders.iter().flat_map(|folder| walk(folder))).collect()
}

#[tokio::test]
async fn a_stop_ends_streams_properly_within_a_second_however_often_it_is_asked() {
    let folder = folder();
    let mut process = start(folder.path(), &[]);
    process.ready().await;
    let push_stream = address(&folder.path().join("ports.json"), "pushStream");
    assert_eq!(send(push_stream, "POST", "/pub?id=a", &[], "hello").await.status, 200);
    let mut stream = TcpStream::connect(push_stream).await.unwrap();
    stream.write_all(b"GET /sub/a.b1 HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("data: hello") {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0);
    }
    let asked = Instant::now();
    for signal in [Signal::SIGINT, Signal::SIGINT, Signal::SIGTERM] {
        process.signal(signal);
    }
    stream.read_to_end(&mut seen).await.unwrap();
    assert!(seen.ends_with(b"\r\n0\r\n\r\n"), "{}", String::from_utf8_lossy(&seen));
    let (status, _) = process.ended().await;
    assert_eq!(status.code(), Some(0));
    // A promise to the user, ten times as wide as it usually takes.
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_missing_jwt_secret_is_made_and_said_and_kept() {
    let folder = folder();
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let mut process = start(folder.path(), &[]);
        process.ready().await;
        assert!(process.output.contains("jwt.secret is not configured; using a generated one"), "{}", process.output);
        let functions = address(&folder.path().join("ports.json"), "functions");
        if let Some(token) = tokens.first() {
            // The first run's token verifies in the second run.
            let headers = [("x-session-token", String::as_str(token)), ("content-type", "application/json")];
            let update = r#"{"timestamp":1767225600000,"uri":"","position":0,"playing":true}"#;
            let pushed = send(functions, "POST", "/demo-cli/us-central1/pushUpdate", &headers, update).await;
            assert_eq!(pushed.status, 200, "{}", pushed.text());
        }
        let started = send(functions, "POST", "/demo-cli/us-central1/startSession", &[], "").await.json();
        tokens.push(started["token"].as_str().unwrap().to_owned());
        process.signal(Signal::SIGTERM);
        process.ended().await;
    }
}

#[tokio::test]
async fn exec_sets_the_environment_and_passes_the_exit_code() {
    let folder = folder();
    let script = "env | grep -E '^(FIREBASE|GCLOUD|FUNCTIONS|PUSH)' | sort > env.txt; exit 7";
    let arguments = ["emulators:exec", script, "--project", "demo-cli", "--port", FREE_PORTS];
    let (status, output) = Process::start(BINARY, &arguments, folder.path()).ended().await;
    assert_eq!(status.code(), Some(7), "{output}");
    assert!(output.contains("Script exited unsuccessfully (code 7)"), "{output}");
    let environment = fs::read_to_string(folder.path().join("env.txt")).unwrap();
    for line in [
        "FIREBASE_AUTH_EMULATOR_HOST=127.0.0.1:",
        r#"FIREBASE_CONFIG={"projectId":"demo-cli","storageBucket":"demo-cli.appspot.com","databaseURL":"https://demo-cli.firebaseio.com"}"#,
        "FIREBASE_DATABASE_EMULATOR_HOST=127.0.0.1:",
        "FIREBASE_EMULATOR_HUB=127.0.0.1:",
        "FUNCTIONS_EMULATOR_HOST=127.0.0.1:",
        "GCLOUD_PROJECT=demo-cli",
        "PUSH_STREAM_EMULATOR_HOST=127.0.0.1:",
    ] {
        assert!(environment.lines().any(|found| found.starts_with(line)), "{line} in {environment}");
    }
}

#[tokio::test]
async fn exec_leaves_no_process_behind() {
    let folder = folder();
    let script = "sleep 1000 & echo $! > one; setsid sleep 1000 & echo $! > two; exit 0";
    let arguments = ["emulators:exec", script, "--project", "demo-cli", "--port", FREE_PORTS];
    let (status, output) = Process::start(BINARY, &arguments, folder.path()).ended().await;
    assert_eq!(status.code(), Some(0), "{output}");
    for file in ["one", "two"] {
        let id: i32 = fs::read_to_string(folder.path().join(file)).unwrap().trim().parse().unwrap();
        let alive = nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), None);
        assert!(alive.is_err(), "process {id} is still there");
    }
}

#[tokio::test]
async fn exec_stops_when_asked_to() {
    let folder = folder();
    let arguments = ["emulators:exec", "echo running; sleep 1000", "--project", "demo-cli", "--port", FREE_PORTS];
    let mut process = Process::start(BINARY, &arguments, folder.path());
    process.printed("running\n").await;
    process.signal(Signal::SIGTERM);
    let (status, output) = process.ended().await;
    assert_eq!(status.code(), Some(128 + 15), "{output}");
}

#[tokio::test]
async fn serve_refuses_to_start_without_its_secrets() {
    for (environment, key) in [(&[][..], "jwt.secret"), (&[("HEARTH_JWT_SECRET", "j")], "pubsub.secret")] {
        let folder = folder();
        let arguments = ["serve", "--project", "demo-cli", "--port", FREE_PORTS];
        let (status, output) = Process::start_with(BINARY, &arguments, folder.path(), environment).ended().await;
        assert_eq!(status.code(), Some(2), "{output}");
        assert!(output.contains(&format!("{key} is missing")), "{output}");
    }
}

#[tokio::test]
async fn serve_has_no_hub_and_keeps_its_data() {
    let folder = folder();
    let arguments = ["serve", "--project", "demo-cli", "--port", FREE_PORTS, "--ports-file", "ports.json"];
    let secrets = [("HEARTH_JWT_SECRET", "j"), ("HEARTH_PUBSUB_SECRET", "p")];
    let mut process = Process::start_with(BINARY, &arguments, folder.path(), &secrets);
    process.ready().await;
    let ports = fs::read_to_string(folder.path().join("ports.json")).unwrap();
    assert!(!ports.contains("hub") && ports.contains("auth"), "{ports}");
    process.signal(Signal::SIGTERM);
    assert_eq!(process.ended().await.0.code(), Some(0));
}

#[tokio::test]
async fn wrong_configuration_is_named() {
    for (name, text, named) in [
        ("firebase.json", r#"{"emulators":{"auth":{"port":"x"}}}"#, "emulators.auth.port"),
        ("firebase.json", "{", "firebase.json"),
        (".runtimeconfig.json", r#"{"purge":{"sessions":"every blue moon"}}"#, "every blue moon"),
        (".runtimeconfig.json", r#"{"pubsub":{"url":"ftp://x"}}"#, "pubsub.url"),
    ] {
        let folder = folder();
        fs::write(folder.path().join(name), text).unwrap();
        let (status, output) = start(folder.path(), &[]).ended().await;
        assert_eq!(status.code(), Some(2), "{output}");
        assert!(output.contains(named), "{named} in {output}");
    }
}

#[tokio::test]
async fn the_hub_moves_a_manual_clock() {
    let folder = folder();
    let mut process = start(folder.path(), &["--clock", "manual@1000", "--seed", "7"]);
    process.ready().await;
    let hub = address(&folder.path().join("ports.json"), "hub");
    assert_eq!(send(hub, "GET", "/emulator/v1/clock", &[], "").await.json()["now"], 1000);
    let moved = send(hub, "POST", "/emulator/v1/clock", &[], r#"{"advance":10800000}"#).await.json();
    assert_eq!((&moved["now"], moved["ran"].as_u64() > Some(0)), (&10_801_000.into(), true), "{moved}");
    process.signal(Signal::SIGTERM);
    assert_eq!(process.ended().await.0.code(), Some(0));
}

#[tokio::test]
async fn half_a_request_does_not_hold_up_a_stop() {
    let folder = folder();
    let mut process = start(folder.path(), &[]);
    process.ready().await;
    let auth = address(&folder.path().join("ports.json"), "auth");
    let half =
        tokio::spawn(
            async move { send_raw(auth, b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc").await },
        );
    // The process has taken the connection once it answers another one that came later.
    send(auth, "GET", "/", &[], "").await;
    process.signal(Signal::SIGTERM);
    assert_eq!(process.ended().await.0.code(), Some(0));
    half.await.unwrap();
}

#[tokio::test]
async fn a_ports_file_that_cannot_be_written_is_named() {
    let folder = folder();
    let arguments =
        ["emulators:start", "--project", "demo-cli", "--port", FREE_PORTS, "--ports-file", "nowhere/ports.json"];
    let (status, output) = Process::start(BINARY, &arguments, folder.path()).ended().await;
    assert_eq!(status.code(), Some(4), "{output}");
    assert!(output.contains("nowhere/ports.json"), "{output}");
}

#[tokio::test]
async fn exec_leaves_what_is_set_already() {
    let folder = folder();
    let script = "echo project=$GCLOUD_PROJECT config=$FIREBASE_CONFIG";
    let arguments = ["emulators:exec", script, "--project", "demo-cli", "--port", FREE_PORTS];
    let environment = [("GCLOUD_PROJECT", "mine"), ("FIREBASE_CONFIG", "too")];
    let (status, output) = Process::start_with(BINARY, &arguments, folder.path(), &environment).ended().await;
    assert_eq!(status.code(), Some(0), "{output}");
    assert!(output.contains("project=mine config=too\n"), "{output}");
}
