//! Input that no client should send, to every surface: a clear error in that surface's own words, and the next request
//! is answered as ever.

use hearth::config::service::Service;
use hearth_tests::client::{PATIENCE, send, send_raw};
use hearth_tests::process::{FREE_PORTS, Process, address};
use hearth_tests::suite::{PROJECT, Suite};
use hearth_tests::transcript::Transcript;
use nix::sys::signal::Signal;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const BINARY: &str = env!("CARGO_BIN_EXE_hearth-under-test");
const SERVICES: [Service; 5] =
    [Service::Auth, Service::Functions, Service::Database, Service::PushStream, Service::Hub];
const SIGN_UP: &str = "/identitytoolkit.googleapis.com/v1/accounts:signUp?key=k";
const LOOK_UP: &str = "/identitytoolkit.googleapis.com/v1/accounts:lookup?key=k";
const TOKEN: &str = "/securetoken.googleapis.com/v1/token?key=k";

/// One request a surface must refuse.
struct Bad {
    service: Service,
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
}

const fn bad(service: Service, method: &'static str, path: &'static str, body: &'static str) -> Bad {
    Bad { service, method, path, headers: &[("content-type", "application/json")], body }
}

const REFUSED: &[Bad] = &[
    bad(Service::Auth, "POST", SIGN_UP, "{"),
    bad(Service::Auth, "POST", SIGN_UP, "[]"),
    bad(Service::Auth, "POST", SIGN_UP, r#"{"email":{}}"#),
    bad(Service::Auth, "GET", SIGN_UP, ""),
    bad(Service::Auth, "POST", "/identitytoolkit.googleapis.com/v1/accounts:signUp", "{}"),
    bad(Service::Auth, "POST", LOOK_UP, r#"{"idToken":"garbage"}"#),
    bad(Service::Auth, "POST", LOOK_UP, "{}"),
    bad(Service::Auth, "POST", TOKEN, r#"{"grant_type":"refresh_token","refresh_token":"garbage"}"#),
    bad(Service::Auth, "POST", TOKEN, "{}"),
    bad(Service::Auth, "POST", "/identitytoolkit.googleapis.com/v1/accounts:nonsense?key=k", "{}"),
    Bad {
        headers: &[("authorization", "Bearer garbage")],
        ..bad(Service::Auth, "POST", "/identitytoolkit.googleapis.com/v1/accounts:lookup", "{}")
    },
    bad(Service::Database, "PUT", "/a.json", "{"),
    bad(Service::Database, "PUT", "/a.json", r#"{"a.b":1}"#),
    bad(Service::Database, "PUT", "/a.json", r#"{"":1}"#),
    bad(Service::Database, "PUT", "/a.json", ""),
    bad(Service::Database, "PUT", "/a.json", r#"{".sv":"nonsense"}"#),
    bad(Service::Database, "PATCH", "/a.json", "1"),
    bad(Service::Database, "PATCH", "/a.json", r#"{"b":1,"b/c":2}"#),
    bad(Service::Database, "PUT", "/a$b.json", "1"),
    bad(Service::Database, "PUT", "/a%00b.json", "1"),
    bad(Service::Database, "PUT", "/a%ff.json", "1"),
    bad(Service::Database, "PUT", "/a", "1"),
    bad(Service::Database, "TRACE", "/a.json", ""),
    bad(Service::Database, "GET", "/a.json?ns=../../etc", ""),
    bad(Service::Database, "GET", "/a.json?auth=garbage", ""),
    bad(Service::Database, "GET", "/a.json?orderBy=x", ""),
    bad(Service::Functions, "GET", "/", ""),
    bad(Service::Functions, "GET", "/demo-test/us-central1/nosuch", ""),
    bad(Service::Functions, "GET", "/demo-test/europe-west1/startSession", ""),
    bad(Service::Functions, "GET", "/other/us-central1/startSession", ""),
    bad(Service::Functions, "POST", "/functions/projects/demo-test/triggers/nosuch-0", "{"),
    bad(Service::PushStream, "POST", "/pub", "x"),
    bad(Service::PushStream, "POST", "/pub?id=a", ""),
    bad(Service::PushStream, "POST", "/pub?id=ALL", "x"),
    bad(Service::PushStream, "PATCH", "/pub?id=a", "x"),
    bad(Service::PushStream, "GET", "/sub/", ""),
    bad(Service::PushStream, "GET", "/sub/nobody", ""),
    bad(Service::PushStream, "POST", "/sub/a", "x"),
    bad(Service::PushStream, "POST", "/channels-stats", "x"),
    bad(Service::Hub, "POST", "/emulator/v1/clock", "{"),
    bad(Service::Hub, "POST", "/emulator/v1/clock", r#"{"advance":-1}"#),
    bad(Service::Hub, "DELETE", "/emulators", ""),
    bad(Service::Hub, "GET", "/nosuch", ""),
];

#[tokio::test]
async fn every_surface_refuses_in_its_own_words() {
    let suite = Suite::start().await;
    let secret = ("authorization", "a pubsub secret");
    let mut seen = Transcript::default();
    for Bad { service, method, path, headers, body } in REFUSED {
        let mut headers = headers.to_vec();
        if *service == Service::PushStream {
            headers.push(secret);
        }
        let answer = suite.ask(*service, method, path, &headers, body).await;
        assert!(answer.status.is_client_error(), "{method} {path} {body}: {}", answer.status);
        seen.note(&format!(
            "{service} {method} {path} {body}\n{} {}",
            answer.status.as_u16(),
            answer.text().trim_end()
        ));
    }
    seen.check("bad_input");
    suite.stop().await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_read() {
    let suite = Suite::start().await;
    for (service, path) in [
        (Service::Auth, SIGN_UP.to_owned()),
        (Service::Database, "/a.json".to_owned()),
        (Service::PushStream, "/pub?id=a".to_owned()),
    ] {
        let method = if service == Service::Database { "PUT" } else { "POST" };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: a pubsub secret\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: 99999999999\r\n\r\n{{"
        );
        let answer = send_raw(suite.address(service), head.as_bytes()).await;
        let answer = String::from_utf8_lossy(&answer);
        let status = if service == Service::Database { "HTTP/1.1 400" } else { "HTTP/1.1 413" };
        // The push stream says why in a header, the others in the body.
        let says_why = answer.contains("x-nginx-pushstream-explain") || !answer.ends_with("\r\n\r\n");
        assert!(answer.starts_with(status) && says_why, "{service}: {answer}");
    }
    suite.stop().await;
}

#[tokio::test]
async fn deep_and_long_values_are_refused() {
    let suite = Suite::start().await;
    let deep = format!("{}1{}", r#"{"a":"#.repeat(40), "}".repeat(40));
    let deeper = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let long_key = format!(r#"{{"{}":1}}"#, "k".repeat(769));
    let long_text = format!(r#""{}""#, "x".repeat(10 * 1024 * 1024 + 1));
    for body in [deep, deeper, long_key, long_text] {
        let answer = suite.ask(Service::Database, "PUT", "/a.json", &[], &body).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.json()["error"].is_string());
    }
    suite.stop().await;
}

#[tokio::test]
async fn malformed_http_is_refused_everywhere() {
    let suite = Suite::start().await;
    let giant = format!("GET / HTTP/1.1\r\nhost: x\r\nx-giant: {}\r\n\r\n", "x".repeat(300_000));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(500));
    for service in SERVICES {
        for (bytes, status) in [
            (giant.as_str(), "HTTP/1.1 431"),
            (&many, "HTTP/1.1 431"),
            ("nonsense\r\n\r\n", "HTTP/1.1 400"),
            ("GET / HTTP/9.9\r\n\r\n", "HTTP/1.1 400"),
            ("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: abc\r\n\r\n", "HTTP/1.1 400"),
            ("\0\0\0\0\r\n\r\n", "HTTP/1.1 400"),
        ] {
            let answer = send_raw(suite.address(service), bytes.as_bytes()).await;
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.starts_with(status), "{service} {:?}: {answer:?}", bytes.get(..40));
        }
        assert!(suite.ask(service, "GET", "/", &[], "").await.status.as_u16() < 500);
    }
    suite.stop().await;
}

#[tokio::test]
async fn a_body_cut_off_harms_nobody() {
    let suite = Suite::start().await;
    for (service, path) in [
        (Service::Auth, SIGN_UP.to_owned()),
        (Service::Database, "/a.json".to_owned()),
        (Service::Functions, format!("/{PROJECT}/us-central1/startSession")),
        (Service::PushStream, "/pub?id=a".to_owned()),
        (Service::Hub, "/emulator/v1/clock".to_owned()),
    ] {
        let half = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{{");
        let mut stream = TcpStream::connect(suite.address(service)).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, half.as_bytes()).await.unwrap();
        drop(stream);
        assert!(suite.ask(service, "GET", "/", &[], "").await.status.as_u16() < 500);
    }
    suite.stop().await;
}

#[tokio::test]
async fn thousands_of_idle_connections_cost_little_and_block_nobody() {
    let limit = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap().1;
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, limit, limit).unwrap();
    // Ten thousand, or as many as this machine lets one process open.
    let connections = usize::try_from(limit.saturating_sub(1000).min(10_000)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "emulators:start",
        "--project",
        "demo-idle",
        "--port",
        FREE_PORTS,
        "--ports-file",
        "ports.json",
        "--ephemeral",
    ];
    let mut process = Process::start(BINARY, &arguments, folder.path());
    process.ready().await;
    let database = address(&folder.path().join("ports.json"), "database");
    let before = resident_kilobytes(process.id());
    let mut idle = Vec::with_capacity(connections);
    let mut opening = JoinSet::new();
    for _ in 0..connections {
        opening.spawn(connect(database));
        if opening.len() >= 100 {
            idle.extend(opening.join_next().await.unwrap().unwrap());
        }
    }
    while let Some(opened) = opening.join_next().await {
        idle.extend(opened.unwrap());
    }
    assert_eq!(send(database, "PUT", "/a.json", &[], "1").await.status, 200);
    let each = (resident_kilobytes(process.id()) - before) / idle.len() as f64;
    println!("{} idle connections, {each:.1} KB each", idle.len());
    assert!(idle.len() == connections && each < 20.0, "{} connections, {each} KB each", idle.len());
    process.signal(Signal::SIGTERM);
    assert_eq!(process.ended().await.0.code(), Some(0));
}

async fn connect(address: SocketAddr) -> Option<TcpStream> {
    tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await.ok()?.ok()
}

fn resident_kilobytes(process: i32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
