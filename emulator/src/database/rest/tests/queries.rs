//! Reads that order, limit and filter.

use super::{Api, emulator, error};

const RULES: &str = r#"{"rules": {".read": true, ".write": true,
    "list": {".indexOn": ["n", "deep/er", ".value"]}, "values": {".indexOn": ".value"}}}"#;
const LIST: &str = r#"{
    "a": {"n": 3, "deep": {"er": "y"}, ".priority": 2},
    "b": {"n": 1, "deep": {"er": "x"}},
    "c": {"n": 2, ".priority": 1},
    "d": {"n": 2, "deep": 5},
    "1": {"n": "text"}, "10": {"n": true}, "9": {"m": 0}}"#;

/// With the data and the rules above.
async fn api() -> Api {
    let api = emulator();
    api.check(&[("PUT /.settings/rules.json\nAuthorization: Bearer owner", RULES, r#"200 {"status":"ok"}"#)]).await;
    api.ask("PUT /list.json", LIST).await;
    api.ask("PUT /values.json", r#"{"a":3,"b":"x","c":false,"d":{"e":1},"f":-1.5,"g":true}"#).await;
    api.ask("PUT /array.json", r#"["zero","one","two","three"]"#).await;
    api
}

/// Asks for the keys of what a query finds.
async fn check(api: &Api, place: &str, parameters: &str, keys: &str) {
    let encoded = parameters.replace('"', "%22");
    let answer = api.ask(&format!("GET /{place}.json?format=export&{encoded}"), "").await;
    let found: serde_json::Value = serde_json::from_str(answer.strip_prefix("200 ").unwrap_or(&answer)).unwrap();
    let found: Vec<_> = found.as_object().map(|found| found.keys().cloned().collect()).unwrap_or_default();
    assert_eq!(found.join(" "), keys, "{place} {parameters}: {answer}");
}

#[tokio::test]
async fn children_are_filtered_by_every_order() {
    let api = api().await;
    for (parameters, keys) in [
        (r#"orderBy="n""#, "1 9 10 a b c d"),
        (r#"orderBy="n"&startAt=2"#, "1 a c d"),
        (r#"orderBy="n"&startAt=2&endAt=2.5"#, "c d"),
        (r#"orderBy="n"&startAfter=2&endAt=3"#, "a"),
        (r#"orderBy="n"&startAt=2,"d"&endAt=3"#, "a d"),
        (r#"orderBy="n"&startAfter=2,"c"&endAt=3"#, "a d"),
        (r#"orderBy="n"&endBefore=2"#, "9 10 b"),
        (r#"orderBy="n"&startAt=1&endBefore=2,"d""#, "b c"),
        (r#"orderBy="n"&equalTo=2"#, "c d"),
        (r#"orderBy="n"&equalTo=2,"d""#, "d"),
        (r#"orderBy="n"&equalTo="text""#, "1"),
        (r#"orderBy="n"&equalTo=null"#, "9"),
        (r#"orderBy="n"&equalTo=true"#, "10"),
        (r#"orderBy="n"&limitToFirst=3"#, "9 10 b"),
        (r#"orderBy="n"&limitToLast=2"#, "1 a"),
        (r#"orderBy="n"&startAt=1&limitToFirst=2"#, "b c"),
        (r#"orderBy="n"&endAt=3&limitToLast=2"#, "a d"),
        (r#"orderBy="n"&startAt=100"#, "1"),
        (r#"orderBy="n"&equalTo=100"#, ""),
        (r#"orderBy="deep/er"&startAt="x""#, "a b"),
        (r#"orderBy="$key"&limitToFirst=3"#, "1 9 10"),
        (r#"orderBy="$key"&startAt="10"&endAt="b""#, "10 a b"),
        (r#"orderBy="$key"&startAfter="10"&endBefore="b""#, "a"),
        (r#"orderBy="$key"&equalTo="c""#, "c"),
        (r#"orderBy="$priority"&startAt=1"#, "a c"),
        (r#"orderBy="$priority"&equalTo=1"#, "c"),
        (r#"orderBy="$priority"&equalTo=null&limitToLast=2"#, "b d"),
        (r#"orderBy="$priority"&startAfter=1"#, "a"),
    ] {
        check(&api, "list", parameters, keys).await;
    }
    for (parameters, keys) in [
        (r#"orderBy="$value"&limitToFirst=3"#, "c f g"),
        (r#"orderBy="$value"&startAt=0"#, "a b d"),
        (r#"orderBy="$value"&equalTo="x""#, "b"),
        (r#"orderBy="$value"&limitToLast=1"#, "d"),
    ] {
        check(&api, "values", parameters, keys).await;
    }
}

#[tokio::test]
async fn what_is_found_comes_in_every_form() {
    let api = api().await;
    api.check(&[
        ("GET /list.json?orderBy=%22n%22&equalTo=1", "", r#"200 {"b":{"deep":{"er":"x"},"n":1}}"#),
        (
            "GET /list.json?orderBy=%22n%22&equalTo=3&format=export&print=pretty",
            "",
            "200 {\n  \"a\" : {\n    \"deep\" : {\n      \"er\" : \"y\"\n    },\n    \"n\" : 3,\n    \".priority\" : 2\n  }\n}",
        ),
        ("GET /array.json?orderBy=%22$key%22&limitToFirst=2", "", r#"200 ["zero","one"]"#),
        ("GET /array.json?orderBy=%22$key%22&startAt=%223%22", "", r#"200 {"3":"three"}"#),
        ("GET /list/a/n.json?orderBy=%22$key%22&limitToFirst=2", "", "200 null"),
        ("GET /list/a/n.json?orderBy=%22$key%22", "", "200 3"),
        ("GET /nowhere.json?orderBy=%22$key%22&limitToFirst=2", "", "200 null"),
        ("GET /list/a/.priority.json?orderBy=%22$key%22", "", "200 2"),
        ("GET /list.json?orderBy=%22n%22&equalTo=100&callback=f", "", "200 application/javascript; charset=utf-8 f(null)"),
        ("GET /list.json?orderBy=%22n%22&equalTo=100\nX-Firebase-ETag: true", "", "200 etag=null_etag null"),
        ("HEAD /list.json?orderBy=%22n%22&equalTo=1", "", "200 content-length=31"),
    ])
    .await;
}

#[tokio::test]
async fn an_order_needs_an_index() {
    let api = api().await;
    let unindexed = |index: &str, path: &str| {
        error(400, &format!("Index not defined, add \".indexOn\": \"{index}\", for path \"{path}\", to the rules"))
    };
    api.check(&[
        ("GET /list.json?orderBy=%22m%22&limitToFirst=1", "", &unindexed("m", "/list")),
        ("GET /list.json?orderBy=%22m%22", "", &unindexed("m", "/list")),
        ("GET /array.json?orderBy=%22$value%22&equalTo=1", "", &unindexed(".value", "/array")),
        ("GET /.json?orderBy=%22n%22\nAuthorization: Bearer owner", "", &unindexed("n", "/")),
        ("GET /list.json?orderBy=%22m%22\nAccept: text/event-stream", "", &unindexed("m", "/list")),
    ])
    .await;
}

#[tokio::test]
async fn many_children_are_found_too() {
    let api = api().await;
    let list: Vec<_> = (0..5000).map(|n| format!(r#""k{n}":{{"n":{}}}"#, 5000 - n)).collect();
    api.ask("PUT /list.json?print=silent", format!("{{{}}}", list.join(","))).await;
    check(&api, "list", r#"orderBy="n"&limitToFirst=2"#, "k4998 k4999").await;
    check(&api, "list", r#"orderBy="n"&equalTo=5000&timeout=1min"#, "k0").await;
}
