//! Data that leaves and comes back: exports of the suite, and files of accounts.

use hearth_tests::client::send;
use hearth_tests::process::{FREE_PORTS, Process, address};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

const BINARY: &str = env!("CARGO_BIN_EXE_hearth-under-test");
const I1: &str = "/identitytoolkit.googleapis.com/v1";
const OWNER: (&str, &str) = ("authorization", "Bearer owner");

fn start(folder: &Path, project: &str, more: &[&str]) -> Process {
    let start =
        ["emulators:start", "--project", project, "--port", FREE_PORTS, "--ports-file", "ports.json", "--ephemeral"];
    Process::start(BINARY, &[&start, more].concat(), folder)
}

async fn post(auth: SocketAddr, path: &str, body: Value) -> Value {
    let headers = [OWNER, ("content-type", "application/json")];
    send(auth, "POST", &format!("{I1}{path}"), &headers, body.to_string()).await.json()
}

async fn sign_in(auth: SocketAddr, tenant: Option<&str>, email: &str, password: &str) -> Value {
    let mut body = json!({"email": email, "password": password, "returnSecureToken": true});
    if let Some(tenant) = tenant {
        body["tenantId"] = json!(tenant);
    }
    let path = format!("{I1}/accounts:signInWithPassword?key=k");
    send(auth, "POST", &path, &[("content-type", "application/json")], body.to_string()).await.json()
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[tokio::test]
async fn what_a_suite_exports_at_its_end_another_one_begins_with() {
    let folder = tempfile::tempdir().unwrap();
    let project = "demo-transfer-end";
    let ports = folder.path().join("ports.json");
    let mut first = start(folder.path(), project, &["--export-on-exit", "data"]);
    first.ready().await;
    let (auth, database) = (address(&ports, "auth"), address(&ports, "database"));
    let user = json!({"localId": "ada", "email": "ada@b", "password": "secret1", "displayName": "Ada"});
    post(auth, &format!("/projects/{project}/accounts"), user).await;
    let user = json!({"localId": "bob", "email": "ada@b", "password": "secret2"});
    post(auth, &format!("/projects/{project}/tenants/t1/accounts"), user).await;
    let config = format!("/emulator/v1/projects/{project}/config");
    send(auth, "PATCH", &config, &[], r#"{"signIn":{"allowDuplicateEmails":true}}"#).await;
    let data = r#"{"a":{".value":1,".priority":2},"b":[true]}"#;
    assert_eq!(send(database, "PUT", "/.json", &[OWNER], data).await.status, 200);
    assert_eq!(send(database, "PUT", "/x.json?ns=other", &[OWNER], "7").await.status, 200);
    first.signal(Signal::SIGTERM);
    let (status, output) = first.ended().await;
    assert_eq!(status.code(), Some(0), "{output}");

    let exported = folder.path().join("data");
    let metadata = read(&exported.join("firebase-export-metadata.json"));
    assert_eq!(
        (&metadata["auth"]["path"], &metadata["database"]["path"]),
        (&json!("auth_export"), &json!("database_export"))
    );
    let accounts = read(&exported.join("auth_export/accounts.json"));
    assert_eq!(accounts["kind"], "identitytoolkit#DownloadAccountResponse");
    assert_eq!(accounts["users"][0]["localId"], "ada");
    assert_eq!(read(&exported.join("auth_export/accounts-t1.json"))["users"][0]["localId"], "bob");
    assert_eq!(read(&exported.join("auth_export/config.json"))["signIn"]["allowDuplicateEmails"], true);
    assert_eq!(read(&exported.join("database_export/other.json")), json!({"x": 7}));

    let mut second = start(folder.path(), project, &["--import", "data", "--export-on-exit"]);
    second.ready().await;
    let (auth, database) = (address(&ports, "auth"), address(&ports, "database"));
    assert_eq!(sign_in(auth, None, "ada@b", "secret1").await["localId"], "ada");
    assert_eq!(sign_in(auth, Some("t1"), "ada@b", "secret2").await["localId"], "bob");
    assert_eq!(send(auth, "GET", &config, &[], "").await.json()["signIn"]["allowDuplicateEmails"], true);
    let kept = send(database, "GET", "/.json?format=export", &[OWNER], "").await.json();
    assert_eq!(kept, json!({"a": {".value": 1, ".priority": 2}, "b": {"0": true}}));
    send(database, "DELETE", "/x.json?ns=other", &[OWNER], "").await;
    second.signal(Signal::SIGINT);
    assert_eq!(second.ended().await.0.code(), Some(0));
    assert!(!exported.join("database_export/other.json").exists(), "the export is the second one's");
    assert_eq!(read(&exported.join("auth_export/accounts.json"))["users"][0]["localId"], "ada");
}

#[tokio::test]
async fn the_hub_exports_for_tools_and_not_for_pages() {
    let folder = tempfile::tempdir().unwrap();
    let project = "demo-transfer-hub";
    let mut suite = start(folder.path(), project, &[]);
    suite.ready().await;
    let ports = folder.path().join("ports.json");
    let hub = address(&ports, "hub");
    post(address(&ports, "auth"), &format!("/projects/{project}/accounts"), json!({"localId": "u"})).await;
    let ask = |path: &Path| json!({"path": path, "initiatedBy": "test"}).to_string();
    let target = folder.path().join("out");
    let refused = send(hub, "POST", "/_admin/export", &[("origin", "http://evil.example")], ask(&target)).await;
    assert_eq!((refused.status.as_u16(), target.exists()), (403, false));
    for wrong in ["{", r#"{"path":"relative"}"#] {
        assert_eq!(send(hub, "POST", "/_admin/export", &[], wrong).await.status, 400);
    }
    let done = send(hub, "POST", "/_admin/export", &[], ask(&target)).await;
    assert_eq!((done.status.as_u16(), done.json()), (200, json!({"message": "OK"})));
    fs::write(target.join("auth_export/accounts.json"), "damaged").unwrap();

    let tool = ["emulators:export", "out", "--project", project, "--only", "auth"];
    let (status, output) = Process::start(BINARY, &tool, folder.path()).ended().await;
    assert_eq!(status.code(), Some(0), "{output}");
    assert_eq!(read(&target.join("auth_export/accounts.json"))["users"][0]["localId"], "u");

    let thesis = folder.path().join("thesis");
    fs::create_dir(&thesis).unwrap();
    fs::write(thesis.join("chapter.tex"), "").unwrap();
    let refused = send(hub, "POST", "/_admin/export", &[], ask(&thesis)).await;
    assert_eq!(refused.status, 500);
    assert!(refused.json()["message"].as_str().unwrap().contains("not empty"), "{}", refused.json());
    assert!(thesis.join("chapter.tex").exists());
}

#[tokio::test]
async fn nobody_to_ask_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let tool = ["emulators:export", "out", "--project", "demo-transfer-nobody"];
    let (status, output) = Process::start(BINARY, &tool, folder.path()).ended().await;
    assert_eq!(status.code(), Some(2));
    assert!(output.contains("Did not find any running emulators for project demo-transfer-nobody."), "{output}");
}

#[tokio::test]
async fn an_import_that_cannot_be_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut suite = start(folder.path(), "demo-transfer-none", &["--import", "missing"]);
    suite.ready().await;
    suite.printed("there is no export in").await;
    drop(suite);
    let (status, output) = start(folder.path(), "demo-transfer-none", &["--export-on-exit"]).ended().await;
    assert_eq!(status.code(), Some(2), "{output}");
    let data = folder.path().join("data/database_export");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("demo-transfer-none.json"), "{").unwrap();
    let metadata = r#"{"version":"1","database":{"version":"1","path":"database_export"}}"#;
    fs::write(folder.path().join("data/firebase-export-metadata.json"), metadata).unwrap();
    let (status, output) = start(folder.path(), "demo-transfer-none", &["--import", "data"]).ended().await;
    assert_eq!(status.code(), Some(3), "{output}");
    assert!(output.contains("demo-transfer-none.json"), "{output}");
}

#[tokio::test]
async fn a_script_sees_what_was_imported_and_its_traces_are_exported() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("data/auth_export");
    fs::create_dir_all(&users).unwrap();
    fs::write(users.join("accounts.json"), r#"{"kind":"x","users":[{"localId":"u","email":"a@b"}]}"#).unwrap();
    let metadata = r#"{"version":"15.34.2","auth":{"version":"15.34.2","path":"auth_export"}}"#;
    fs::write(folder.path().join("data/firebase-export-metadata.json"), metadata).unwrap();
    let exec = ["emulators:exec", "true", "--project", "demo-transfer-exec", "--port", FREE_PORTS, "--ephemeral"];
    let more = ["--import", "data", "--export-on-exit", "after"];
    let (status, output) = Process::start(BINARY, &[&exec[..], &more].concat(), folder.path()).ended().await;
    assert_eq!(status.code(), Some(0), "{output}");
    let exported = read(&folder.path().join("after/auth_export/accounts.json"));
    assert_eq!((&exported["users"][0]["localId"], &exported["users"][0]["email"]), (&json!("u"), &json!("a@b")));
}

#[tokio::test]
async fn accounts_move_between_servers_with_their_passwords() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = r#"{"jwt":{"secret":"a secret for tests"},"pubsub":{"secret":"another"}}"#;
    fs::write(folder.path().join(".runtimeconfig.json"), runtime).unwrap();
    // The hash, key and parameters are those of Firebase's own example of its scrypt (github.com/firebase/scrypt).
    let users = json!({"users": [{
        "localId": "moved",
        "email": "moved@b",
        "passwordHash": "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
        "salt": "42xEC+ixf3L2lw==",
        "lastSignedInAt": "5",
    }]});
    fs::write(folder.path().join("firebase.json.users.json"), users.to_string()).unwrap();
    let run = async |arguments: &[&str]| {
        let (status, output) = Process::start(BINARY, arguments, folder.path()).ended().await;
        (status.code(), output)
    };
    let of = |data: &'static str| ["--project", "demo-users", "--data-dir", data];
    let import = ["auth:import", "firebase.json.users.json"];
    let (code, output) = run(&[&import[..], &of("one")].concat()).await;
    assert_eq!(code, Some(3), "without the algorithm the passwords would be lost: {output}");
    let scrypt = [
        "--hash-algo",
        "SCRYPT",
        "--hash-key",
        "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
        "--salt-separator",
        "Bw==",
        "--rounds",
        "8",
        "--mem-cost",
        "14",
    ];
    let (code, output) = run(&[&import[..], &of("one"), &scrypt].concat()).await;
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains("Imported 1 account(s)."), "{output}");
    // On to a second server and a third one, by either format, before anybody has signed in.
    for (from, file, to) in [("one", "users.csv", "two"), ("two", "users.json", "three")] {
        let (code, output) = run(&[&["auth:export", file][..], &of(from)].concat()).await;
        assert_eq!(code, Some(0), "{output}");
        let (code, output) = run(&[&["auth:import", file][..], &of(to)].concat()).await;
        assert_eq!(code, Some(0), "{output}");
    }
    let serve = ["serve", "--port", FREE_PORTS, "--ports-file", "ports.json"];
    let mut server = Process::start(BINARY, &[&serve[..], &of("three")].concat(), folder.path());
    server.ready().await;
    let auth = address(&folder.path().join("ports.json"), "auth");
    assert_eq!(sign_in(auth, None, "moved@b", "user1password").await["localId"], "moved");
    assert!(sign_in(auth, None, "moved@b", "user2password").await["error"].is_object());
    let (code, output) = run(&[&["auth:export", "x.json"][..], &of("three")].concat()).await;
    assert_eq!(code, Some(3), "the data is in use: {output}");
}
