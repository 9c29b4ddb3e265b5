//! What is answered at once is answered as everything else, byte for byte.

use super::*;
use crate::server::connections;
use crate::server::ports::bind;
use crate::server::prompt::{Answers, Prompt, Whole};
use axum::Router;
use axum::routing::any;
use hearth_database::Ruleset;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Counts what it answers.
struct Counted(Reads, Arc<AtomicUsize>);

impl Prompt for Counted {
    fn awaits(&self, head: &Whole<'_>) -> bool {
        self.0.awaits(head)
    }

    fn answer(&self, request: &Whole<'_>, answers: &mut Answers) -> bool {
        let answered = self.0.answer(request, answers);
        self.1.fetch_add(usize::from(answered), Ordering::SeqCst);
        answered
    }
}

/// The answer to a request on a connection of its own, its date apart.
async fn ask(address: SocketAddr, target: &str, fields: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The second one, for the library, ends the connection.
    let last = "DELETE /.ends.json HTTP/1.1\r\nHost: box\r\nConnection: close\r\n\r\n";
    let request = format!("GET {target} HTTP/1.1\r\n{fields}\r\n{last}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    let (first, _) = answers.rsplit_once("HTTP/1.1 ").unwrap();
    let lines = first.split_inclusive("\r\n");
    let dates = lines.clone().filter(|line| line.starts_with("date: ")).count();
    assert_eq!(dates, 1, "{answers}");
    lines.filter(|line| !line.starts_with("date: ")).collect()
}

#[tokio::test]
async fn both_ways_answer_alike() {
    let rules = r#"{"rules":{".write":true,"open":{".read":true},"priced":{".read":"query.limitToFirst<9"}}}"#;
    let api = Api::new(false, true);
    api.databases.set_rules(&[None], &Ruleset::parse(rules).unwrap()).await;
    let long = "x".repeat(20_000);
    let tree =
        format!(r#"{{"open":{{"a b":{{"c":[true,"\u00e4"]}},"long":"{long}","p":{{".value":5,".priority":2}}}}}}"#);
    assert_eq!(api.send("PUT /.json?print=silent", tree).await.status(), StatusCode::NO_CONTENT);

    let at_once = Arc::new(AtomicUsize::new(0));
    let prompt = Counted(Reads::of(&api.databases).unwrap(), Arc::clone(&at_once));
    let rest = Arc::clone(&api.rest);
    let router = Router::new().fallback(any(async move |request: Request<Body>| rest.handle(request).await));
    let (one, other) = (bind("127.0.0.1", 0).await.unwrap(), bind("127.0.0.1", 0).await.unwrap());
    let (prompted, library) = (one.address, other.address);
    let serving = [
        tokio::spawn(connections::serve(one, router.clone(), Some(Arc::new(prompt)), api.stop.clone())),
        tokio::spawn(connections::serve(other, router, None, api.stop.clone())),
    ];

    let host = "Host: box\r\n";
    let field = |field: &str| format!("{host}{field}\r\n");
    for (answered, target, fields, status) in [
        (true, "/open/p.json", field("User-Agent: curl"), 200),
        (true, "/open/a%20b.json", field("Accept: application/json, */*"), 200),
        (true, "/open/a%20b/c/1.json?ns=demo", field("Origin: http://a"), 200),
        (true, "/open//none/.json?ns=DEMO-default-rtdb", host.to_owned(), 200),
        (true, "/open/p.json", "host: demo.localhost:9000\r\n".to_owned(), 200),
        (true, "/open/p/.priority.json", host.to_owned(), 200),
        (false, "/open/long.json", host.to_owned(), 200),
        (false, "/open.json", host.to_owned(), 200),
        (false, "/open/p.json?format=export", host.to_owned(), 200),
        (false, "/open/p.json?ns=demo&print=pretty", host.to_owned(), 200),
        (false, "/open/p.json?", host.to_owned(), 200),
        (false, "/open/p.json?ns=%64emo", host.to_owned(), 200),
        (false, "/open/p.json?ns=other", host.to_owned(), 404),
        (false, "/open/p.json?ns=a.b", host.to_owned(), 400),
        (false, "/open/p.json", "Host: other.localhost\r\n".to_owned(), 404),
        (false, "/open/p.json", field("Authorization: Bearer good"), 200),
        (false, "/open/p.json?auth=forged", host.to_owned(), 401),
        (false, "/open/p.json", field("X-Firebase-ETag: true"), 200),
        (false, "/open/p.json", field("If-None-Match: x"), 200),
        (false, "/open/p.json", field("If-Match: x"), 400),
        (false, "/open/p.json", field("Access-Control-Request-Private-Network: true"), 200),
        (false, "/open/p.json", field("Accept: */*\r\naccept: application/octet-stream"), 200),
        (false, "/open/p", host.to_owned(), 404),
        (false, "/open/%ff.json", host.to_owned(), 400),
        (false, "/open/a$b.json", host.to_owned(), 400),
        (false, "/closed.json", host.to_owned(), 401),
        (false, "/priced.json", host.to_owned(), 401),
        (false, "/.settings/rules.json", host.to_owned(), 401),
    ] {
        let before = at_once.load(Ordering::SeqCst);
        let found = ask(prompted, target, &fields).await;
        assert_eq!(found, ask(library, target, &fields).await, "{target} {fields}");
        assert!(found.starts_with(&format!("HTTP/1.1 {status} ")), "{target} {fields}{found}");
        assert_eq!(at_once.load(Ordering::SeqCst) > before, answered, "{target} {fields}");
    }
    api.stop.cancel();
    for served in serving {
        served.await.unwrap();
    }
}

#[test]
fn where_denials_are_explained_nothing_is_judged_twice() {
    assert!(Reads::of(&emulator().databases).is_none());
}
