//! The REST API: requests in, status, headers and body out.

mod access;
mod at_once;
mod inspect;
mod queries;
mod settings;
mod streams;

use super::*;
use crate::clock::{Agenda, Clock, Entropy};
use crate::config::settings::DatabaseSettings;
use crate::server::credentials::{IdToken, IdTokens, TokenRefused};
use crate::storage::Storage;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tokio_util::sync::CancellationToken;

/// Knows its tokens by name.
struct Tokens;

/// A user whose token ends at so many seconds.
fn until(seconds: u64) -> IdToken {
    let claims = serde_json::Map::from_iter([("exp".to_owned(), seconds.into())]);
    IdToken { uid: "u".to_owned(), claims: Arc::new(claims) }
}

impl IdTokens for Tokens {
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<IdToken, TokenRefused>> {
        Box::pin(async move {
            match token {
                "good" => Ok(IdToken { uid: "u".to_owned(), claims: Arc::default() }),
                "short" => Ok(until(NOW / 1000 + 1)),
                "expired" => Err(TokenRefused::Expired),
                "forged" => Err(TokenRefused::Signature),
                "foreign" => Err(TokenRefused::Project),
                "orphan" => Err(TokenRefused::Account),
                "later" => Err(TokenRefused::Unavailable),
                // Of rules-unit-testing.
                "played" => Err(TokenRefused::Expired),
                _ => Err(TokenRefused::Malformed),
            }
        })
    }

    fn made_up<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<IdToken, TokenRefused>> {
        let known = token == "played";
        Box::pin(std::future::ready(if known { Ok(until(0)) } else { Err(TokenRefused::Account) }))
    }
}

const NOW: u64 = 1000;

struct Api {
    rest: Arc<Rest>,
    databases: Arc<Databases>,
    agenda: Agenda,
    stop: CancellationToken,
}

impl Api {
    /// With `trust` as the emulator has it, else as self-hosted.
    fn new(trust: bool, open: bool) -> Self {
        let settings =
            DatabaseSettings { rules: BTreeMap::new(), open, create_on_first_use: trust, explain_denials: trust };
        let (clock, entropy) = (Clock::manual(NOW), Entropy::seeded(1));
        let databases = Databases::open(Storage::memory(), "demo", settings, clock.clone(), entropy).unwrap();
        let credentials = Credentials::new(Some(Arc::new(Tokens)), trust);
        let (agenda, stop) = (Agenda::new(clock), CancellationToken::new());
        let streams = Streams::new(credentials.clone(), &agenda, stop.clone());
        let rest = Arc::new(Rest::new(Arc::clone(&databases), streams, credentials, Bodies::default()));
        Self { rest, databases, agenda, stop }
    }

    /// `request` is `METHOD target`, then `name: value` for each header.
    async fn send(&self, request: &str, body: impl Into<Body>) -> Response {
        let mut lines = request.lines();
        let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
        let headers = lines.map(|line| line.trim().split_once(": ").unwrap());
        let request = headers
            .fold(Request::builder().method(method).uri(target), |request, (name, value)| request.header(name, value));
        Arc::clone(&self.rest).handle(request.body(body.into()).unwrap()).await
    }

    /// The answer's status, those of its headers that are not the same for all, and its body.
    async fn ask(&self, request: &str, body: impl Into<Body>) -> String {
        let response = self.send(request, body).await;
        let headers = response.headers().clone();
        assert_eq!(headers["access-control-allow-origin"], "*", "{request}");
        assert_eq!(headers["cache-control"], "no-cache", "{request}");
        let mut text = response.status().as_u16().to_string();
        for name in ["etag", "content-disposition", "allow", "content-length"] {
            if let Some(value) = headers.get(name)
                && (name != "content-length" || request.starts_with("HEAD"))
            {
                let _ = write!(text, " {name}={}", value.to_str().unwrap());
            }
        }
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let kind = headers.get("content-type").map(|kind| kind.to_str().unwrap());
        match kind {
            None => assert!(body.is_empty(), "{request}"),
            Some("application/json; charset=utf-8") => assert_eq!(headers["x-content-type-options"], "nosniff"),
            Some(kind) => drop(write!(text, " {kind}")),
        }
        if !body.is_empty() {
            let _ = write!(text, " {}", String::from_utf8_lossy(&body));
        }
        text
    }

    async fn check(&self, cases: &[(&str, &str, &str)]) {
        for (request, body, answer) in cases {
            let found = self.ask(request, (*body).to_owned()).await;
            assert!(found == *answer, "{request} {body:.200}\n found {found:.500}\nexpect {answer:.500}");
        }
    }
}

fn emulator() -> Api {
    Api::new(true, true)
}

fn error(status: u16, text: &str) -> String {
    format!("{status} {}", serde_json::json!({ "error": text }))
}

const TREE: &str = r#"{"a":{"b":1,"c":[true,"x"]},"p":{".value":5,".priority":2}}"#;

#[tokio::test]
async fn each_method_does_what_it_says() {
    emulator()
        .check(&[
            ("GET /.json", "", "200 null"),
            ("PUT /.json", TREE, r#"200 {"a":{"b":1,"c":[true,"x"]},"p":5}"#),
            ("GET /a/c.json", "", r#"200 [true,"x"]"#),
            ("GET /a/c/1.json", "", r#"200 "x""#),
            ("GET /a/c/.json", "", r#"200 [true,"x"]"#),
            ("GET /p/.priority.json", "", "200 2"),
            ("PUT /p/.priority.json", "\"z\"", "200 \"z\""),
            ("GET /p.json?format=export", "", r#"200 {".value":5,".priority":"z"}"#),
            ("PATCH /a.json", r#"{"b":null,"d/e":{".sv":"timestamp"}}"#, r#"200 {"b":null,"d/e":1000}"#),
            ("GET /a.json", "", r#"200 {"c":[true,"x"],"d":{"e":1000}}"#),
            ("PUT /n.json", r#"{".sv":{"increment":2}}"#, "200 2"),
            ("PUT /n.json", r#"{".sv":{"increment":0.5}}"#, "200 2.5"),
            ("DELETE /a/d.json", "", "200 null"),
            ("PATCH /a.json", "null", "200 null"),
            ("GET /.json", "", r#"200 {"n":2.5,"p":5}"#),
            ("PUT /%C3%A9%20x.json", "1", "200 1"),
            ("GET /%c3%a9%20x.json", "", "200 1"),
            ("HEAD /p.json", "", "200 content-length=1"),
            ("HEAD /p/q.json", "", "200 content-length=4"),
            ("PUT /empty.json", "{}", "200 null"),
        ])
        .await;
}

#[tokio::test]
async fn a_push_answers_its_name() {
    let api = emulator();
    let names = [api.ask("POST /list.json", "1").await, api.ask("POST /list.json", r#"{"x":[2]}"#).await];
    let names =
        names.map(|name| name.strip_prefix(r#"200 {"name":""#).unwrap().strip_suffix(r#""}"#).unwrap().to_owned());
    assert!(names[0] < names[1] && names.iter().all(|name| name.len() == 20 && name.starts_with("------Ec")));
    let list = format!(r#"200 {{"{}":1,"{}":{{"x":[2]}}}}"#, names[0], names[1]);
    api.check(&[("GET /list.json", "", &list)]).await;
}

#[tokio::test]
async fn a_post_may_stand_for_another_method() {
    emulator()
        .check(&[
            ("POST /a.json\nX-HTTP-Method-Override: PUT", "1", "200 1"),
            ("POST /a.json?x-http-method-override=PATCH", r#"{"b":2}"#, r#"200 {"b":2}"#),
            ("POST /a.json\nX-HTTP-Method-Override: get", "", r#"200 {"b":2}"#),
            ("POST /a.json?x-http-method-override=DELETE", "", "200 null"),
            ("GET /a.json?x-http-method-override=DELETE", "", "200 null"),
            (
                "POST /a.json\nX-HTTP-Method-Override: TRACE",
                "",
                r#"405 allow=GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS {"error":"Method not allowed"}"#,
            ),
            (
                "TRACE /a.json",
                "",
                r#"405 allow=GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS {"error":"Method not allowed"}"#,
            ),
        ])
        .await;
}

#[tokio::test]
async fn answers_come_in_the_form_that_is_asked_for() {
    let api = emulator();
    api.ask("PUT /.json", TREE).await;
    api.check(&[
        ("GET /a.json?print=pretty", "", "200 {\n  \"b\" : 1,\n  \"c\" : [\n    true,\n    \"x\"\n  ]\n}"),
        ("GET /a.json?print=silent", "", "204"),
        ("PUT /q.json?print=silent", "1", "204"),
        ("PATCH /q.json?print=silent", "{}", "204"),
        ("POST /q.json?print=silent", "null", "204"),
        ("DELETE /q.json?print=silent&writeSizeLimit=tiny", "", "204"),
        ("PUT /q.json?print=pretty", "[1]", "200 [\n  1\n]"),
        (
            "GET /.json?format=export",
            "",
            r#"200 {"a":{"b":1,"c":{"0":true,"1":"x"}},"p":{".value":5,".priority":2},"q":{"0":1}}"#,
        ),
        ("GET /.json?shallow=true", "", r#"200 {"a":true,"p":true,"q":true}"#),
        ("GET /.json?shallow=true&limitToFirst=1", "", r#"200 {"a":true}"#),
        ("GET /.json?shallow=true&limitToFirst=1&startAfter=a&timeout=3s", "", r#"200 {"p":true}"#),
        ("GET /.json?shallow=true&startAfter=%22p%22", "", r#"200 {"q":true}"#),
        ("GET /p.json?shallow=true", "", "200 5"),
        ("GET /none.json?shallow=true", "", "200 null"),
        ("GET /p.json?callback=a.b_1", "", "200 application/javascript; charset=utf-8 a.b_1(5)"),
        (
            "GET /p.json?download=%C3%A9%20%22.json",
            "",
            "200 content-disposition=attachment; filename=\"_ _.json\"; filename*=UTF-8''%C3%A9%20%22%2Ejson 5",
        ),
        ("GET /p.json?timeout=15min&unknown=1&ac=x", "", "200 5"),
        ("GET /p.json?print=silent&print=pretty", "", "200 5"),
        ("PUT /p.json?disableTriggers=true&writeSizeLimit=unlimited", "6", "200 6"),
    ])
    .await;
}

#[tokio::test]
async fn tags_guard_writes() {
    let api = emulator();
    let tag = hearth_database::json::parse(b"5", 0).unwrap().node.etag();
    let first = format!("200 etag={tag} 5");
    let six = format!("200 etag={} 6", hearth_database::json::parse(b"6", 0).unwrap().node.etag());
    let stale = format!("412 etag={tag} 5");
    let get = |name: &str, value: &str| format!("GET /a.json\n{name}: {value}");
    api.check(&[
        ("PUT /a.json\nX-Firebase-ETag: true\nif-match: null_etag", "5", &first),
        ("GET /a.json\nx-firebase-etag: true", "", &first),
        ("GET /a.json\nx-firebase-etag: false", "", "200 5"),
        ("GET /none.json\nX-Firebase-ETag: true", "", "200 etag=null_etag null"),
        ("PUT /a.json\nif-match: null_etag", "6", &stale),
        ("DELETE /a.json\nif-match: wrong", "", &stale),
        ("PUT /a.json?print=silent\nif-match: wrong", "6", &stale),
        (&format!("PUT /a.json\nif-match: {tag}\nX-Firebase-ETag: true"), "6", &six),
        (&format!("PUT /a.json\nif-match: {tag}\nX-Firebase-ETag: true"), "5", &six.replace("200", "412")),
        ("PUT /a.json\nX-Firebase-ETag: true", "5", &first),
        (&get("If-None-Match", &tag), "", &format!("304 etag={tag}")),
        (&get("If-None-Match", "other"), "", &first),
        (&format!("DELETE /a.json\nif-match: {tag}\nX-Firebase-ETag: true"), "", "200 etag=null_etag null"),
        (&get("if-match", &tag), "", &error(400, "if-match is not supported for GET requests")),
        ("POST /a.json\nif-match: x", "1", &error(400, "if-match is not supported for POST requests")),
        (
            "PATCH /a.json\nif-match: x",
            "{}",
            &error(400, "X-Firebase-ETag and if-match are not supported for PATCH requests"),
        ),
        (
            "PATCH /a.json\nX-Firebase-ETag: true",
            "{}",
            &error(400, "X-Firebase-ETag and if-match are not supported for PATCH requests"),
        ),
    ])
    .await;
    let pushed = api.ask("POST /l.json\nX-Firebase-ETag: true", "5").await;
    assert!(pushed.starts_with(&format!("200 etag={tag} {{\"name\":")), "{pushed}");
}

#[tokio::test]
async fn bad_requests_are_told_why() {
    let unreadable = error(400, "Invalid data; couldn't parse JSON object, array, or value.");
    let update =
        error(400, "Invalid data; couldn't parse JSON object. Are you sending a JSON object with valid key names?");
    let key = |text: &str, key: &str| {
        error(
            400,
            &format!(
                "{text} Perhaps you're using invalid characters in your key names. (key {key:?} holds a character that is not allowed: . $ # [ ] / or a control character)"
            ),
        )
    };
    let path = |key: &str| {
        error(
            400,
            &format!(
                "Invalid path: key {key:?} holds a character that is not allowed: . $ # [ ] / or a control character"
            ),
        )
    };
    let no_data = error(400, "Error: No data supplied.");
    let not_json = error(404, "append .json to your request URI to use the REST API.");
    let too_deep = error(400, "Invalid data; the data is nested deeper than 32 keys, counted from the root.");
    let deep = format!("PUT /{}.json", ["a"; 31].join("/"));
    let deeper = format!("GET /{}.json", ["a"; 33].join("/"));
    let long = format!("GET /{}.json", "a".repeat(769));
    let string = format!("\"{}\"", "x".repeat(10 * 1024 * 1024 + 1));
    emulator()
        .check(&[
            ("PUT /a.json", "{", &unreadable),
            ("PUT /a.json", "{\"a\":1} x", &unreadable),
            ("POST /a.json", "'a'", &unreadable),
            ("PATCH /a.json", "{", &update),
            ("PATCH /a.json", "[1]", &update),
            ("PATCH /a.json", "1", &update),
            ("PUT /a.json", "", &no_data),
            ("POST /a.json", " \n", &no_data),
            ("PATCH /a.json", "", &no_data),
            ("PUT /a.json", r#"{"a.b":1}"#, &key("Invalid data; couldn't parse JSON object, array, or value.", "a.b")),
            (
                "PATCH /a.json",
                r#"{"a/$b":1}"#,
                &key(
                    "Invalid data; couldn't parse JSON object. Are you sending a JSON object with valid key names?",
                    "$b",
                )
                .replace("(key", "(invalid path: key"),
            ),
            (
                "PATCH /a.json",
                r#"{"a":1,"a/b":2}"#,
                &error(400, "Invalid data; the update's path /a/a/b lies below its path /a/a."),
            ),
            ("PATCH /.priority.json", "{}", &error(400, "Invalid data; a priority can only be set or removed.")),
            ("PUT /a/.priority.json", "true", &error(400, "Invalid data; a priority must be a number or a string.")),
            (
                "PUT /a.json",
                r#"{".value":1,".priority":[]}"#,
                &error(400, "Invalid data; .value must hold a single value and have nothing but .priority beside it."),
            ),
            ("PUT /a.json", r#"{".sv":"now"}"#, &error(400, "Invalid data; unknown server value \"now\".")),
            (
                "PUT /a.json",
                &string,
                &error(400, "Invalid data; a string has 10485761 bytes, at most 10485760 are allowed."),
            ),
            (&deep, r#"{"a":1}"#, r#"200 {"a":1}"#),
            (&deep, r#"{"a":{"b":1}}"#, &too_deep),
            (&deeper, "", &error(400, "The path is deeper than 32 keys")),
            (&long, "", &error(400, "Invalid path: a key has 769 bytes, at most 768 are allowed")),
            ("GET /a.b.json", "", &path("a.b")),
            ("GET /a/.value.json", "", &path(".value")),
            ("GET /a%2Fb.json", "", &path("a/b")),
            ("GET /a%00.json", "", &path("a\0")),
            ("GET /%ff.json", "", &error(400, "Invalid path: not percent-encoded UTF-8")),
            (
                "GET /a/.priority/b.json",
                "",
                &error(400, "Invalid path: .priority is addressed where there can be none"),
            ),
            ("GET /", "", &not_json),
            ("PUT /a", "1", &not_json),
            ("GET /a.jsonx", "", &not_json),
            ("HEAD /a", "", &format!("404 content-length={}", not_json.len() - 4)),
        ])
        .await;
}

#[tokio::test]
async fn bad_parameters_are_told_why() {
    let only_get = error(400, "shallow, orderBy and filters are supported for GET requests only");
    let mixed = error(400, "shallow cannot be mixed with other query parameters");
    let timeout = error(400, "timeout must be like 3ms, 3s or 3min, and at most 15min");
    let order = error(400, "orderBy must be a valid JSON encoded path");
    let needs_order = error(400, "orderBy must be defined when other query parameters are defined");
    let primitive = error(400, "Constraint index field must be a JSON primitive");
    let equal = error(400, "equalTo cannot be specified in addition to startAfter, startAt, endAt, or endBefore");
    let callback = error(400, "callback must be the name of a JavaScript function");
    let both = |one: &str, other: &str| error(400, &format!("Only one of {one} and {other} may be specified"));
    let key_bound = error(400, "Constraint index field must be a string when ordering by $key");
    let unindexed = |index: &str| {
        error(400, &format!("Index not defined, add \".indexOn\": \"{index}\", for path \"/a\", to the rules"))
    };
    let api = emulator();
    for (parameters, answer) in [
        ("print=nice", &error(400, "print must be pretty or silent")),
        ("format=xml", &error(400, "format must be export")),
        ("shallow=1", &error(400, "shallow must be true or false")),
        ("writeSizeLimit=huge", &error(400, "writeSizeLimit must be tiny, small, medium, large or unlimited")),
        ("disableTriggers=1", &error(400, "disableTriggers must be true or false")),
        ("download=", &error(400, "download must be a file name")),
        ("callback=alert(1)", &callback),
        ("callback=", &callback),
        ("callback=1a", &callback),
        ("timeout=0s", &timeout),
        ("timeout=3", &timeout),
        ("timeout=16min", &timeout),
        ("timeout=99999999999999999999s", &timeout),
        ("timeout=%C3%A9s", &timeout),
        ("limitToFirst=1", &needs_order),
        ("equalTo=1", &needs_order),
        ("orderBy=a", &order),
        ("orderBy=%22a.b%22", &order),
        ("orderBy=%22%22", &order),
        (
            "orderBy=%22$key%22&limitToFirst=1&limitToLast=2",
            &error(400, "Only one of limitToFirst and limitToLast may be specified"),
        ),
        ("orderBy=%22a%22&limitToFirst=0", &error(400, "limitToFirst must be positive")),
        ("orderBy=%22a%22&limitToLast=x", &error(400, "limitToLast must be positive")),
        ("orderBy=%22a%22&equalTo=1&startAt=2", &equal),
        ("orderBy=%22a%22&startAt=x", &primitive),
        ("orderBy=%22a%22&startAt=[1]", &primitive),
        ("orderBy=%22a%22&startAt=5,k", &primitive),
        ("orderBy=%22$key%22&startAt=5", &key_bound),
        ("orderBy=%22$key%22&endBefore=null", &key_bound),
        (
            "orderBy=%22$priority%22&equalTo=true",
            &error(400, "Constraint index field must be null, a number or a string when ordering by $priority"),
        ),
        ("orderBy=%22a%22&startAt=1&startAfter=1", &both("startAt", "startAfter")),
        ("orderBy=%22a%22&endAt=1&endBefore=1", &both("endAt", "endBefore")),
        ("orderBy=%22a%22", &unindexed("a")),
        ("orderBy=%22a%22&startAt=5,%22k%22", &unindexed("a")),
        ("orderBy=%22a/b%22&limitToLast=2&endAt=null", &unindexed("a/b")),
        ("orderBy=%22$value%22&limitToLast=2", &unindexed(".value")),
        ("format=strict", &error(400, "format must be export")),
        ("dryRun=yes", &error(400, "dryRun must be true or false")),
        ("shallow=true&orderBy=%22$key%22", &mixed),
        ("shallow=true&limitToLast=1", &mixed),
        ("shallow=true&limitToFirst=-1", &error(400, "limitToFirst must be positive")),
    ] {
        assert_eq!(&api.ask(&format!("GET /a.json?{parameters}"), "").await, answer, "{parameters}");
    }
    api.check(&[
        ("PUT /a.json?shallow=true", "1", &only_get),
        ("PATCH /a.json?orderBy=%22a%22", "{}", &only_get),
        ("DELETE /a.json?limitToFirst=1", "", &only_get),
        ("GET /a.json", "", "200 null"),
    ])
    .await;
}

#[tokio::test]
async fn a_preflight_is_answered() {
    let api = emulator();
    let request = "OPTIONS /a.json\nOrigin: http://h\nAccess-Control-Request-Method: PUT\nAccess-Control-Request-Headers: authorization,x-firebase-etag\nAccess-Control-Request-Private-Network: true";
    let response = api.send(request, "").await;
    assert_eq!(response.status(), 204);
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS"),
        ("access-control-allow-headers", "authorization,x-firebase-etag"),
        ("access-control-max-age", "3600"),
        ("access-control-allow-private-network", "true"),
        ("access-control-expose-headers", "ETag"),
    ] {
        assert_eq!(response.headers()[name], value, "{name}");
    }
    assert!(
        !api.send("GET /a.json\nOrigin: http://h", "").await.headers().contains_key("access-control-allow-methods")
    );
}

#[tokio::test]
async fn large_data_goes_in_and_out() {
    let api = emulator();
    let large: serde_json::Value = (0..20_000)
        .map(|i| (format!("k{i:05}"), serde_json::json!({"t": "x".repeat(10), "v": i})))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let text = large.to_string();
    assert!(text.len() as u64 > 4 * WORTH_A_THREAD);
    let expect = format!("200 {text}");
    api.check(&[
        ("PUT /a.json", &text, &expect),
        ("GET /a.json?timeout=10min", "", &expect),
        ("HEAD /a.json", "", &format!("200 content-length={}", text.len())),
        ("PATCH /b.json", &text, &expect),
    ])
    .await;
    let shallow = api.ask("GET /a.json?shallow=true", "").await;
    assert_eq!(shallow.matches("true").count(), 20_000);
    let tag = api.databases.default_database().snapshot().root.find("a").etag();
    let not_modified = format!("304 etag={tag}");
    api.check(&[(&format!("GET /b.json\nIf-None-Match: {tag}"), "", &not_modified)]).await;
}

/// Announces a length and never sends anything.
struct Announced(u64);

impl http_body::Body for Announced {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Pending
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.0)
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let announced = Body::new(Announced(MOST_BODY_BYTES as u64 + 1));
    let answer = emulator().ask("PUT /a.json", announced).await;
    let text = "Data to write exceeds the maximum size that can be modified with a single request.";
    assert_eq!(answer, error(400, text));
}

#[tokio::test]
async fn a_closed_database_is_unavailable() {
    let api = emulator();
    api.databases.close().await;
    let closed = error(503, "The databases are closed.");
    api.check(&[("GET /a.json", "", &closed), ("PUT /a.json", "1", &closed)]).await;
}

#[tokio::test]
async fn large_answers_are_bounded_in_size_in_number_and_in_time() {
    const MOST: u64 = 256 * 1024 * 1024;
    let encoder = Encoder::default();
    let render = async |weight| encoder.render(weight, || Rendered { etag: None, body: vec![b'1'] }).await;
    assert_eq!(
        render(MOST + 1).await.unwrap_err().answer(),
        (
            StatusCode::BAD_REQUEST,
            "Data requested exceeds the maximum size that can be accessed with a single request.".into()
        )
    );
    let under_way = (render(MOST).await.unwrap(), render(MOST).await.unwrap());
    assert!(matches!(render(WORTH_A_THREAD).await, Err(Failure::Crowded)));
    drop(under_way);
    assert!(render(WORTH_A_THREAD).await.is_ok());
    let (go_on, waits) = std::sync::mpsc::channel::<()>();
    let slow = move || {
        // It ends when the sender is dropped.
        let _ = waits.recv();
        Rendered { etag: None, body: Vec::new() }
    };
    let limit = Some(std::time::Duration::from_millis(1));
    let late = response::within(limit, encoder.render(WORTH_A_THREAD, slow)).await.unwrap_err();
    drop(go_on);
    assert_eq!(late.answer(), (StatusCode::BAD_REQUEST, "The request took longer than its timeout.".into()));
}
