//! Why the rules of an emulator deny something: the header, the endpoints, the coverage.

use super::{Api, emulator, error};
use axum::response::Response;
use http_body_util::BodyExt;
use serde_json::{Value, json};

const RULES: &str = r#"{"rules": {
  "users": { "$uid": {
    ".read": "auth.uid == $uid",
    ".write": "auth.uid == $uid",
    ".validate": "newData.hasChild('name') || !newData.hasChildren()"
  } },
  "list": { ".read": "query.limitToFirst <= 5" }
}}"#;

const OWNER: &str = "\nAuthorization: Bearer owner";
const HEADER: &str = "x-hearth-rules-explanation";

async fn with_rules(rules: &str) -> Api {
    let api = emulator();
    api.check(&[(&format!("PUT /.settings/rules.json{OWNER}"), rules, r#"200 {"status":"ok"}"#)]).await;
    api
}

fn header(response: &Response) -> Option<&str> {
    response.headers().get(HEADER).map(|value| value.to_str().unwrap())
}

async fn body(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn json_of(api: &Api, request: &str, body_text: &str) -> Value {
    let response = api.send(request, body_text.to_owned()).await;
    let text = body(response).await;
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{request}: {text}"))
}

async fn explain(api: &Api, supposed: Value) -> Value {
    json_of(api, &format!("POST /.inspect/explain.json{OWNER}"), &supposed.to_string()).await
}

#[tokio::test]
async fn a_denial_says_why_in_a_header() {
    let api = with_rules(RULES).await;
    for (request, text, expect) in [
        (
            "GET /users/ann.json",
            "",
            "denied: read /users/ann: no .read from the root down to there holds; .read at /users/$uid (3:15) is false: \
             auth.uid == $uid; auth.uid is null; $uid is \"ann\"",
        ),
        (
            "PUT /users/u.json?auth=good",
            r#"{"age":1}"#,
            "denied: write /users/u: a .validate does not hold; .validate at /users/$uid (5:19) is false: \
             newData.hasChild('name') || !newData.hasChildren(); newData.hasChild('name') is false; \
             newData is {\"age\":1}; !newData.hasChildren() is false; newData.hasChildren() is true; \
             newData is {\"age\":1}",
        ),
        (
            "PATCH /users.json?auth=good",
            r#"{"u/name":"x","b\u00f8b/name":"y"}"#,
            "denied: write /users/b\\u{f8}b/name: no .write from the root down to there holds; .write at /users/$uid \
             (4:16) is false: auth.uid == $uid; auth.uid is \"u\"; $uid is \"b\\u{f8}b\"",
        ),
        (
            "GET /list.json?orderBy=\"$key\"&limitToFirst=6",
            "",
            "denied: read /list: no .read from the root down to there holds; .read at /list (7:23) is false: \
             query.limitToFirst <= 5; query.limitToFirst is 6",
        ),
        ("GET /other.json", "", "denied: read /other: there is no .read from the root down to there"),
        (
            "GET /users/ann.json\nAccept: text/event-stream",
            "",
            "denied: read /users/ann: no .read from the root down to there holds; .read at /users/$uid (3:15) is false: \
             auth.uid == $uid; auth.uid is null; $uid is \"ann\"",
        ),
        (
            "PUT /users/ann.json\nif-match: x",
            "1",
            "denied: read /users/ann: no .read from the root down to there holds; .read at /users/$uid (3:15) is false: \
             auth.uid == $uid; auth.uid is null; $uid is \"ann\"",
        ),
    ] {
        let response = api.send(&request.replace('"', "%22"), text).await;
        assert_eq!(header(&response), Some(expect), "{request}");
        assert_eq!(response.headers()["access-control-expose-headers"], "ETag, X-Hearth-Rules-Explanation");
        assert_eq!(response.status(), 401);
        assert_eq!(body(response).await, r#"{"error":"Permission denied"}"#);
    }
    for allowed in ["GET /users/u.json?auth=good", &format!("GET /.json{OWNER}")] {
        let response = api.send(allowed, "").await;
        assert_eq!((response.status().as_u16(), header(&response)), (200, None));
        assert_eq!(response.headers()["access-control-expose-headers"], "ETag");
    }
    // Refused for other reasons than the rules.
    assert_eq!(header(&api.send("GET /.inspect/databases.json", "").await), None);
    assert_eq!(header(&api.send("GET /a.json?auth=expired", "").await), None);
}

#[tokio::test]
async fn who_may_write_nothing_at_all_is_told_why_too() {
    let api = with_rules(r#"{"rules":{"a":{".read":true,".write":false}}}"#).await;
    let response = api.send("PUT /a/b.json", "{ not even read").await;
    let expect = "denied: write /a/b: no .write from the root down to there holds; .write at /a (1:38) is false";
    assert_eq!(header(&response), Some(expect));
}

#[tokio::test]
async fn a_header_is_never_long() {
    let rule = vec!["root.child('text').val() == 'é'"; 500].join(" || ");
    let api = with_rules(&json!({"rules": {"$any": {".read": rule}}}).to_string()).await;
    api.ask(&format!("PUT /text.json{OWNER}"), format!("\"{}\"", "é".repeat(1000))).await;
    let response = api.send(&format!("GET /{}.json", "%C3%A9".repeat(300)), "").await;
    let header = header(&response).unwrap();
    assert!(header.len() <= 1024 && header.is_ascii() && header.ends_with("..."), "{header}");
}

#[tokio::test]
async fn the_last_denials_are_listed() {
    let api = with_rules(RULES).await;
    let list = format!("GET /.inspect/denials.json{OWNER}");
    assert_eq!(json_of(&api, &list, "").await, json!({"total": 0, "denials": []}));
    api.ask("GET /users/ann.json?auth=good", "").await;
    api.ask("PUT /users/ann/name.json", "1").await;
    api.ask("GET /users/u.json?auth=good", "").await;
    let found = json_of(&api, &list, "").await;
    assert_eq!(found["total"], 2);
    let [write, read] = found["denials"].as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!(
        (&write["operation"], &write["path"], &write["number"]),
        (&json!("write"), &json!("/users/ann/name"), &json!(2))
    );
    assert_eq!(
        (&read["operation"], &read["path"], &read["time"]),
        (&json!("read"), &json!("/users/ann"), &json!(super::NOW))
    );
    assert_eq!(read["auth"]["uid"], "u");
    let rule = &read["rules"][0];
    let expect = json!({
        "kind": ".read", "rulePath": "/users/$uid", "dataPath": "/users/ann", "wildcards": {"$uid": "ann"},
        "line": 3, "column": 15, "source": "auth.uid == $uid", "outcome": "false", "decides": true,
        "expressions": [
            {"text": "auth.uid", "line": 3, "column": 15, "depth": 0, "value": "u", "decides": false},
            {"text": "$uid", "line": 3, "column": 27, "depth": 0, "value": "ann", "decides": false},
        ],
    });
    assert_eq!(*rule, expect);
    assert!(read["text"].as_str().unwrap().starts_with("Denied: read /users/ann\n  auth is {\"uid\":\"u\""), "{read}");
    // Another database has its own.
    assert_eq!(json_of(&api, &format!("GET /.inspect/denials.json?ns=other{OWNER}"), "").await["total"], 0);
    let denied = error(401, "Permission denied");
    let method = r#"405 allow=GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS {"error":"Method not allowed"}"#;
    api.check(&[
        ("GET /.inspect/denials.json", "", &denied),
        ("GET /.inspect/denials.json?auth=good", "", &denied),
        (&format!("PUT /.inspect/denials.json{OWNER}"), "1", method),
        (&format!("DELETE /.inspect/denials.json{OWNER}"), "", "200 null"),
        (&list, "", r#"200 {"total":0,"denials":[]}"#),
    ])
    .await;
}

#[tokio::test]
async fn what_would_be_allowed_can_be_asked() {
    let api = with_rules(RULES).await;
    api.ask(&format!("PUT /users/ann.json{OWNER}"), r#"{"name":"Ann"}"#).await;
    let ann = json!({"uid": "ann"});
    for (supposed, allowed, reasons) in [
        (json!({"operation": "read", "path": "/users/ann", "auth": ann}), true, &["holds"][..]),
        (json!({"operation": "read", "path": "/users/ann"}), false, &["nothingHolds"]),
        (json!({"operation": "read", "path": "/users/ann", "auth": null}), false, &["nothingHolds"]),
        (json!({"operation": "read", "path": "/", "admin": true}), true, &["admin"]),
        (
            json!({"operation": "read", "path": "/list", "query": {"orderBy": "$key", "limitToFirst": 5}}),
            true,
            &["holds"],
        ),
        (
            json!({"operation": "read", "path": "/list", "query": {"orderBy": "$key", "limitToFirst": 6}}),
            false,
            &["nothingHolds"],
        ),
        (json!({"operation": "write", "path": "/users/ann/age", "auth": ann, "newData": 5}), true, &["holds"]),
        (json!({"operation": "write", "path": "/users/ann", "auth": ann, "newData": {"age": 5}}), false, &["invalid"]),
        (json!({"operation": "write", "path": "/users/ann", "auth": ann, "newData": null}), true, &["holds"]),
        (
            json!({"operation": "update", "path": "/users/ann", "auth": ann, "newData": {"age": 5, "name": null}}),
            false,
            &["invalid", "invalid"],
        ),
        (
            json!({"operation": "update", "path": "/", "auth": ann, "newData": {"users/ann/a": 5, "users/bob": 1}}),
            false,
            &["holds", "nothingHolds"],
        ),
        (
            json!({"operation": "write", "path": "/users/ann/age", "auth": ann, "data": 3, "newData": {".sv": {"increment": 1}}}),
            true,
            &["holds"],
        ),
    ] {
        let found = explain(&api, supposed.clone()).await;
        assert_eq!(found["allowed"], allowed, "{supposed} {found}");
        let found: Vec<_> =
            found["explanations"].as_array().unwrap().iter().map(|one| one["reason"].as_str().unwrap()).collect();
        assert_eq!(found, reasons, "{supposed}");
    }
    // Nothing of this has happened.
    let list = json_of(&api, &format!("GET /.inspect/denials.json{OWNER}"), "").await;
    assert_eq!(list["total"], 0);
    api.check(&[(&format!("GET /.json{OWNER}"), "", r#"200 {"users":{"ann":{"name":"Ann"}}}"#)]).await;
    let coverage = json_of(&api, "GET /.inspect/coverage.json", "").await;
    assert!(coverage["report"].as_array().unwrap().iter().all(|rule| rule["values"] == json!([])), "{coverage}");
}

#[tokio::test]
async fn what_is_supposed_has_to_make_sense() {
    let api = with_rules(RULES).await;
    for (supposed, problem) in [
        ("[]", r#"the body must be a JSON object, as {"operation": "read", "path": "/"}"#),
        ("{", r#"the body must be a JSON object, as {"operation": "read", "path": "/"}"#),
        ("", "Error: No data supplied."),
        (
            r#"{"path":"/","uid":1}"#,
            "the members are operation, path, auth, admin, data, newData and query; there is another one",
        ),
        (r#"{"path":"/"}"#, r#"operation must be "read", "write" or "update""#),
        (r#"{"operation":"listen","path":"/"}"#, r#"operation must be "read", "write" or "update""#),
        (r#"{"operation":"read"}"#, "path must be a string"),
        (
            r#"{"operation":"read","path":"/a.b"}"#,
            "Invalid path: key \"a.b\" holds a character that is not allowed: . $ # [ ] / or a control character",
        ),
        (r#"{"operation":"read","path":"/","auth":"ann"}"#, r#"auth must be an object, as {"uid": "ann"}, or null"#),
        (r#"{"operation":"read","path":"/","admin":1}"#, "admin must be true or false"),
        (
            r#"{"operation":"read","path":"/","query":1}"#,
            r#"query must be an object, as {"orderBy": "$key", "limitToFirst": 5}"#,
        ),
        (
            r#"{"operation":"read","path":"/","query":{"limitToFirst":1}}"#,
            "orderBy must be defined when other query parameters are defined",
        ),
        (r#"{"operation":"write","path":"/"}"#, "newData is missing"),
        (
            r#"{"operation":"update","path":"/","newData":1}"#,
            "Invalid data; couldn't parse JSON object. Are you sending a JSON object with valid key names?",
        ),
        (
            r#"{"operation":"update","path":"/","newData":{"a":1,"a/b":2}}"#,
            "Invalid data; the update's path /a/b lies below its path /a.",
        ),
    ] {
        api.check(&[(&format!("POST /.inspect/explain.json{OWNER}"), supposed, &error(400, problem))]).await;
    }
    let method = r#"405 allow=GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS {"error":"Method not allowed"}"#;
    api.check(&[
        ("POST /.inspect/explain.json", "{}", &error(401, "Permission denied")),
        (&format!("GET /.inspect/explain.json{OWNER}"), "", method),
    ])
    .await;
}

#[tokio::test]
async fn coverage_is_counted_until_the_rules_change() {
    let rules = r#"{"rules":{"a<b":{".read":"auth != null && now > 1",".write":"\"x\" == auth.uid"}}}"#;
    let api = with_rules(rules).await;
    for request in ["GET /a%3Cb.json", "GET /a%3Cb.json?auth=good", "GET /a%3Cb/c.json"] {
        api.ask(request, "").await;
    }
    // Nobody has to be signed in to see it, as with the original.
    let found = json_of(&api, "GET /.inspect/coverage.json?ns=demo-default-rtdb", "").await;
    assert_eq!(found["rules"], rules);
    let expect = json!({
        "sourcePosition": {"line": 1, "column": 27, "currentOffset": 26, "endOffset": 49},
        "text": "auth != null && now > 1",
        "values": [{"value": "true", "count": 1}, {"value": "false", "count": 2}],
        "children": [
            {
                "sourcePosition": {"line": 1, "column": 27, "currentOffset": 26, "endOffset": 38},
                "text": "auth != null",
                "values": [{"value": "true", "count": 1}, {"value": "false", "count": 2}],
                "children": [],
            },
            {
                "sourcePosition": {"line": 1, "column": 43, "currentOffset": 42, "endOffset": 49},
                "text": "now > 1",
                "values": [{"value": "true", "count": 1}],
                "children": [{
                    "sourcePosition": {"line": 1, "column": 43, "currentOffset": 42, "endOffset": 45},
                    "text": "now",
                    "values": [{"value": "other", "count": 1}],
                    "children": [],
                }],
            },
        ],
        "rule": ".read",
        "path": "/a<b",
    });
    assert_eq!(found["report"][0], expect);
    assert_eq!(found["report"][1]["values"], json!([]));
    let page = api.send("GET /.inspect/coverage?ns=demo-default-rtdb", "").await;
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers()["content-security-policy"], "default-src 'none'; style-src 'unsafe-inline'");
    let page = body(page).await;
    let text = page.split("<pre>").nth(1).and_then(|rest| rest.split("</pre>").next());
    let expect = "{&quot;rules&quot;:{&quot;a&lt;b&quot;:{&quot;.read&quot;:&quot;\
        <span class=\"both\" title=\"auth != null &amp;&amp; now &gt; 1: true ×1, false ×2\">\
        <span class=\"both\" title=\"auth != null: true ×1, false ×2\">auth != null</span> &amp;&amp; \
        <span class=\"one\" title=\"now &gt; 1: true ×1\"><span class=\"one\" title=\"now: other ×1\">now</span> &gt; 1</span>\
        </span>&quot;,&quot;.write&quot;:&quot;\
        <span class=\"never\" title=\"&quot;x&quot; == auth.uid: never evaluated\">\\&quot;x\\&quot; == \
        <span class=\"never\" title=\"auth.uid: never evaluated\">auth.uid</span></span>&quot;}}}";
    assert_eq!(text, Some(expect));
    assert!(page.contains("4 of 6 expressions have been evaluated"), "{page}");
    // The same rules again begin anew.
    api.check(&[(&format!("PUT /.settings/rules.json{OWNER}"), rules, r#"200 {"status":"ok"}"#)]).await;
    let found = json_of(&api, "GET /.inspect/coverage.json", "").await;
    assert!(found["report"].as_array().unwrap().iter().all(|rule| rule["values"] == json!([])));
    let method = r#"405 allow=GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS {"error":"Method not allowed"}"#;
    api.check(&[("DELETE /.inspect/coverage.json", "", method)]).await;
}

#[tokio::test]
async fn without_rules_there_is_coverage_of_their_stand_in() {
    let api = emulator();
    api.ask("GET /a.json", "").await;
    let found = json_of(&api, "GET /.inspect/coverage.json", "").await;
    assert_eq!(found["report"][0]["values"], json!([{"value": "true", "count": 1}]));
}

#[tokio::test]
async fn self_hosted_nothing_is_explained() {
    let (denied, unauthorized) = (error(401, "Permission denied"), error(401, "Unauthorized request."));
    let api = Api::new(false, false);
    for request in ["GET /a.json", "PUT /a.json", "GET /a.json\nAccept: text/event-stream"] {
        let response = api.send(request, "").await;
        assert_eq!((response.status().as_u16(), header(&response)), (401, None), "{request}");
        assert_eq!(response.headers()["access-control-expose-headers"], "ETag");
    }
    for place in [
        "GET /.inspect/coverage",
        "GET /.inspect/coverage.json",
        "GET /.inspect/denials.json",
        "POST /.inspect/explain.json",
    ] {
        api.check(&[
            (place, "", &denied),
            (&format!("{place}?auth=good"), "", &denied),
            (&format!("{place}{OWNER}"), "", &unauthorized),
        ])
        .await;
    }
    let database = api.databases.default_database();
    assert!(database.inspection().is_none() && database.snapshot().rules.coverage().is_none());
}
