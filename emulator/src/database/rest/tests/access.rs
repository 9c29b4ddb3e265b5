//! Who is let in, and to which database.

use super::{Api, emulator, error};

#[tokio::test]
async fn the_emulator_trusts_bearers() {
    let denied = error(401, "Permission denied");
    let unparsed = error(401, "Could not parse auth token.");
    let overrides = error(400, "auth_variable_override must be a JSON object or null");
    let api = Api::new(true, false);
    api.check(&[
        ("PUT /a.json\nAuthorization: Bearer owner", "1", "200 1"),
        ("GET /a.json\nAuthorization: Bearer anything", "", "200 1"),
        ("GET /a.json\nAuthorization: bearer x\nOrigin: http://h", "", "200 1"),
        ("GET /a.json?access_token=x", "", "200 1"),
        ("GET /a.json?auth=owner", "", "200 1"),
        ("GET /a.json?auth=bad\nAuthorization: Bearer owner", "", "200 1"),
        ("GET /a.json", "", &denied),
        ("PUT /a.json", "2", &denied),
        ("PUT /a.json", "{ not even read", &denied),
        ("POST /a.json", "2", &denied),
        ("PATCH /a.json", r#"{"b":1}"#, &denied),
        ("DELETE /a.json", "", &denied),
        ("GET /a.json?shallow=true", "", &denied),
        ("PUT /a.json\nif-match: x", "2", &denied),
        ("GET /a.json?auth=good", "", &denied),
        ("GET /a.json?auth=played", "", &denied),
        ("GET /a.json?auth=nonsense", "", &unparsed),
        ("GET /a.json?auth=expired", "", &error(401, "Auth token is expired")),
        (
            "GET /a.json?auth=forged",
            "",
            &error(401, "Could not verify auth token: the token is not signed by this server."),
        ),
        ("GET /a.json?auth=foreign", "", &error(401, "Could not verify auth token: the token is another project's.")),
        (
            "GET /a.json?auth=orphan",
            "",
            &error(401, "Could not verify auth token: the token's account is gone or disabled."),
        ),
        ("GET /a.json?auth=later", "", &error(503, "Could not verify auth token: the accounts cannot be read.")),
        ("GET /a.json?auth_variable_override=null\nAuthorization: Bearer owner", "", &denied),
        ("GET /a.json?auth_variable_override=%7B%22uid%22:1%7D\nAuthorization: Bearer owner", "", &denied),
        ("GET /a.json?auth_variable_override=1\nAuthorization: Bearer owner", "", &overrides),
        (
            "GET /a.json?auth_variable_override=null",
            "",
            &error(400, "auth_variable_override is supported with admin credentials only"),
        ),
        ("GET /a.json?ns=other", "", &error(404, "The namespace \"other\" does not exist.")),
        ("GET /a.json?ns=other\nAuthorization: Bearer owner", "", "200 null"),
        ("GET /.inspect/databases.json", "", &denied),
        (
            "GET /.inspect/databases.json\nAuthorization: Bearer owner",
            "",
            r#"200 [{"name":"demo-default-rtdb"},{"name":"other"}]"#,
        ),
        (
            "PUT /.inspect/databases.json\nAuthorization: Bearer owner",
            "",
            r#"405 allow=GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS {"error":"Method not allowed"}"#,
        ),
    ])
    .await;
}

#[tokio::test]
async fn self_hosted_nobody_is_an_admin_by_saying_so() {
    let denied = error(401, "Permission denied");
    let unauthorized = error(401, "Unauthorized request.");
    for open in [true, false] {
        let granted = if open { "200 null" } else { &denied };
        let api = Api::new(false, open);
        api.check(&[
            ("GET /a.json\nAuthorization: Bearer owner", "", &unauthorized),
            ("PUT /a.json\nAuthorization: Bearer owner", "1", &unauthorized),
            ("GET /a.json?access_token=", "", &unauthorized),
            ("GET /a.json?access_token=owner", "", &unauthorized),
            ("GET /a.json?auth=owner", "", &error(401, "Could not parse auth token.")),
            ("GET /a.json?auth=played", "", &error(401, "Auth token is expired")),
            ("GET /.settings/rules.json?auth=good", "", &denied),
            ("PUT /.settings/rules.json\nAuthorization: Bearer owner", "{}", &unauthorized),
            ("DELETE /.inspect/databases/demo.json?auth=good", "", &denied),
            ("GET /.inspect/databases.json\nAuthorization: Bearer owner", "", &unauthorized),
            ("GET /.inspect/databases.json?auth=good", "", &denied),
            ("GET /a.json\nAuthorization: Bearer expired", "", &error(401, "Auth token is expired")),
            ("GET /a.json\nAuthorization: Bearer good", "", granted),
            ("GET /a.json?auth=good", "", granted),
            ("GET /a.json", "", granted),
            ("GET /a.json?ns=other", "", &error(404, "The namespace \"other\" does not exist.")),
        ])
        .await;
    }
}

#[tokio::test]
async fn namespaces_are_apart() {
    emulator()
        .check(&[
            ("PUT /a.json", "1", "200 1"),
            ("GET /a.json?ns=demo", "", "200 1"),
            ("GET /a.json?ns=demo-default-rtdb", "", "200 1"),
            ("PUT /a.json?ns=other", "2", "200 2"),
            ("GET /a.json", "", "200 1"),
            ("GET /a.json?ns=OTHER", "", "200 2"),
            ("GET /a.json\nHost: other.localhost:9000", "", "200 2"),
            ("GET /a.json\nHost: Other.firebaseio.com", "", "200 2"),
            ("GET /a.json\nHost: other.europe-west1.firebasedatabase.app", "", "200 2"),
            ("GET /a.json?ns=demo\nHost: other.localhost", "", "200 1"),
            ("GET /a.json\nHost: localhost:9000", "", "200 1"),
            ("GET /a.json\nHost: 127.0.0.1:9000", "", "200 1"),
            ("GET /a.json\nHost: other.example.com", "", "200 1"),
            (
                "GET /a.json?ns=../x",
                "",
                &error(400, "The namespace \"../x\" is invalid: it has to be of letters, digits, '-' and '_'."),
            ),
            (
                "GET /a.json?ns=",
                "",
                &error(400, "The namespace \"\" is invalid: it has to be of letters, digits, '-' and '_'."),
            ),
        ])
        .await;
}
