//! What admins may ask besides data.

use super::{Api, emulator, error};

const OWNER: &str = "\nAuthorization: Bearer owner";

async fn check(api: &Api, cases: &[(&str, &str, &str)]) {
    for (request, body, answer) in cases {
        api.check(&[(&format!("{request}{OWNER}"), body, answer)]).await;
    }
}

#[tokio::test]
async fn rules_are_read_and_set() {
    let api = emulator();
    let denied = error(401, "Permission denied");
    let rules = "{\"rules\": { // none may write\n\".read\": true}}";
    let ok = r#"200 {"status":"ok"}"#;
    let given = format!("200 {rules}");
    check(
        &api,
        &[
            (
                "GET /.settings/rules.json",
                "",
                "200 {\n  \"rules\": {\n    \".read\": true,\n    \".write\": true\n  }\n}\n",
            ),
            ("GET /.settings/rules.json?format=strict", "", r#"200 {"rules":{".read":true,".write":true}}"#),
            ("PUT /.settings/rules.json?dryRun=true", rules, ok),
            ("PUT /a.json", "1", "200 1"),
            ("PUT /.settings/rules.json", rules, ok),
            ("GET /.settings/rules.json", "", &given),
            ("GET /.settings/rules.json?format=strict", "", r#"200 {"rules":{".read":true}}"#),
            ("PUT /a.json", "2", "200 2"),
        ],
    )
    .await;
    api.check(&[("PUT /a.json", "3", &denied), ("GET /a.json", "", "200 2")]).await;
    // Another database has its own.
    api.check(&[("PUT /a.json?ns=other", "3", "200 3")]).await;
    check(&api, &[("PUT /.settings/rules.json?ns=other", r#"{"rules":{}}"#, ok)]).await;
    api.check(&[("GET /a.json?ns=other", "", &denied), ("GET /a.json", "", "200 2")]).await;
    api.check(&[
        ("GET /.settings/rules.json", "", &denied),
        ("PUT /.settings/rules.json", r#"{"rules":{}}"#, &denied),
        ("PUT /.settings/rules.json?auth=good", r#"{"rules":{}}"#, &denied),
    ])
    .await;
}

#[tokio::test]
async fn expressions_are_taken_for_true() {
    let api = emulator();
    let rules = r#"{"rules":{"a":{".read":"auth != null",".write":"auth.uid == 'u'"}}}"#;
    check(&api, &[("PUT /.settings/rules.json", rules, r#"200 {"status":"ok"}"#)]).await;
    api.check(&[("PUT /a.json", "1", "200 1"), ("PUT /b.json", "1", &error(401, "Permission denied"))]).await;
}

#[tokio::test]
async fn wrong_rules_are_told_all_that_is_wrong_and_change_nothing() {
    let api = emulator();
    let two = "Line 1, column 21: \".read\" has to be a string or a boolean\n\
               Line 1, column 24: \".nonsense\" is unknown: there are .read, .write, .validate and .indexOn";
    check(
        &api,
        &[
            (
                "PUT /.settings/rules.json",
                "{\"rules\": ",
                &error(400, "Line 1, column 11: Parse error: the text ends where a value is expected"),
            ),
            ("PUT /.settings/rules.json?dryRun=true", r#"{"rules": {".read": 1, ".nonsense": 2}}"#, &error(400, two)),
            ("PUT /.settings/rules.json", "", &error(400, "Error: No data supplied.")),
            ("GET /.settings/rules.json?format=strict", "", r#"200 {"rules":{".read":true,".write":true}}"#),
        ],
    )
    .await;
    let answer = api.ask(&format!("PUT /.settings/rules.json{OWNER}"), vec![b'"', 0xff, b'"']).await;
    assert_eq!(answer, error(400, "the body is not UTF-8"));
}

#[tokio::test]
async fn other_settings_are_kept() {
    let api = emulator();
    let limits = "defaultWriteSizeLimit must be \"tiny\", \"small\", \"medium\", \"large\" or \"unlimited\"";
    check(
        &api,
        &[
            ("GET /.settings/defaultWriteSizeLimit.json", "", r#"200 "unlimited""#),
            ("PUT /.settings/defaultWriteSizeLimit.json", r#""tiny""#, r#"200 "tiny""#),
            ("GET /.settings/defaultWriteSizeLimit.json", "", r#"200 "tiny""#),
            ("GET /.settings/defaultWriteSizeLimit.json?ns=other", "", r#"200 "unlimited""#),
            ("PUT /.settings/defaultWriteSizeLimit.json", r#""huge""#, &error(400, limits)),
            ("GET /.settings/strictTriggerValidation.json", "", "200 true"),
            ("PUT /.settings/strictTriggerValidation.json", "false", "200 false"),
            ("GET /.settings/strictTriggerValidation.json", "", "200 false"),
            (
                "PUT /.settings/strictTriggerValidation.json",
                "1",
                &error(400, "strictTriggerValidation must be true or false"),
            ),
            (
                "POST /.settings/functionTriggers.json",
                "{}",
                &error(501, "Triggers of functions are not supported: no write runs a function."),
            ),
            (
                "GET /.settings/profile.json",
                "",
                &error(501, "This endpoint of .settings or .inspect is not supported."),
            ),
            (
                "DELETE /.settings/rules.json",
                "",
                r#"405 allow=GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS {"error":"Method not allowed"}"#,
            ),
        ],
    )
    .await;
    let denied = error(401, "Permission denied");
    api.check(&[
        ("GET /.settings/defaultWriteSizeLimit.json", "", &denied),
        ("POST /.settings/functionTriggers.json", "{}", &denied),
    ])
    .await;
}

#[tokio::test]
async fn a_write_over_its_limit_is_refused() {
    let api = emulator();
    let too_large = error(400, "Data to write exceeds the maximum size that can be modified with a single request.");
    let large = format!("\"{}\"", "x".repeat(5 * 1024 * 1024));
    api.check(&[
        ("PUT /a.json?writeSizeLimit=tiny", &large, &too_large),
        ("PUT /a.json?writeSizeLimit=small&print=silent", &large, "204"),
        ("DELETE /a.json?writeSizeLimit=tiny", "", &too_large),
        ("PATCH /.json?writeSizeLimit=tiny", r#"{"a":null}"#, &too_large),
    ])
    .await;
    check(&api, &[("PUT /.settings/defaultWriteSizeLimit.json", r#""tiny""#, r#"200 "tiny""#)]).await;
    api.check(&[("DELETE /a.json", "", &too_large), ("DELETE /a.json?writeSizeLimit=unlimited", "", "200 null")]).await;
}

#[tokio::test]
async fn databases_are_listed_and_dropped() {
    let api = emulator();
    let unknown = error(404, "The namespace \"other\" does not exist.");
    api.check(&[("PUT /a.json?ns=other", "1", "200 1")]).await;
    check(
        &api,
        &[
            ("GET /.inspect/databases.json", "", r#"200 [{"name":"demo-default-rtdb"},{"name":"other"}]"#),
            ("DELETE /.inspect/databases/other.json", "", "200 null"),
            ("DELETE /.inspect/databases/other.json", "", &unknown),
            ("GET /.inspect/databases.json", "", r#"200 [{"name":"demo-default-rtdb"}]"#),
            (
                "DELETE /.inspect/databases/demo.json",
                "",
                &error(400, "The default database cannot be dropped; DELETE /.json empties it."),
            ),
            (
                "GET /.inspect/databases/other.json",
                "",
                r#"405 allow=GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS {"error":"Method not allowed"}"#,
            ),
            ("GET /a.json?ns=other", "", "200 null"),
        ],
    )
    .await;
    let denied = error(401, "Permission denied");
    api.check(&[("DELETE /.inspect/databases/other.json", "", &denied)]).await;
}
