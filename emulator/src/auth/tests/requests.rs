//! What section every request passes first: paths, methods, credentials, bodies, projects.

use super::*;

#[tokio::test]
async fn the_status_page_says_that_the_emulator_is_ready() {
    let house = House::emulator();
    let page = r#"{
  "authEmulator": {
    "ready": true,
    "docs": "https://firebase.google.com/docs/emulator-suite",
    "apiSpec": "/emulator/openapi.json"
  }
}"#;
    for (method, expected) in [("GET", page), ("HEAD", "")] {
        let got = house.send(Request::builder().method(method).uri("/"), Body::empty()).await;
        assert_eq!((got.status.as_u16(), got.text.as_str()), (200, expected));
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_apart() {
    let house = House::emulator();
    let got = house.post("accounts:nonsense", json!({})).await;
    let expected = r#"{
  "error": {
    "code": 404,
    "message": "Not Found",
    "errors": [
      {
        "message": "Not Found",
        "reason": "notFound"
      }
    ],
    "status": "NOT_FOUND"
  }
}"#;
    assert_eq!((got.status.as_u16(), got.text.as_str()), (404, expected));
    let got = house.send(Request::get(format!("{V1}/accounts:signUp?key=k")), Body::empty()).await;
    let expected = format!(r#"{{"message":"Method GET not allowed for {V1}/accounts:signUp?key=k"}}"#);
    assert_eq!((got.status.as_u16(), got.text), (405, expected));
    assert_eq!([&got.headers["allow"], &got.headers["content-type"]], ["POST", "application/json"]);
    let got = house.send(Request::put("/emulator/v1/projects/demo/config"), Body::empty()).await;
    assert_eq!(got.headers["allow"], "GET,PATCH");
}

#[tokio::test]
async fn known_operations_that_are_not_there_say_so() {
    let house = House::emulator();
    for (path, id) in [
        ("accounts:signInWithGameCenter", "identitytoolkit.accounts.signInWithGameCenter"),
        ("accounts:verifyIosClient", "identitytoolkit.accounts.verifyIosClient"),
        ("/www.googleapis.com/identitytoolkit/v3/relyingparty/signOutUser", "signOutUser"),
    ] {
        let got = house.admin("POST", path, json!({})).await;
        let message = format!("{id} is not implemented in the Auth Emulator.");
        let expected = json!({"error": {
            "code": 501,
            "message": message,
            "errors": [{"message": message, "reason": "unimplemented"}],
            "status": "NOT_IMPLEMENTED",
        }});
        assert_eq!((got.status.as_u16(), got.json()), (501, expected), "{path}");
    }
    let passkey = "/identitytoolkit.googleapis.com/v2/accounts/passkeySignIn:start";
    assert_eq!(house.admin("POST", passkey, json!({})).await.status.as_u16(), 403, "passkeys want a key");
}

#[tokio::test]
async fn browsers_of_every_origin_may_ask() {
    let house = House::emulator();
    let preflight = Request::options(format!("{V1}/accounts:signUp"))
        .header("origin", "http://app.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "x-client-version")
        .header("access-control-request-private-network", "true");
    let got = house.send(preflight, Body::empty()).await;
    assert_eq!((got.status.as_u16(), got.text.as_str()), (204, ""));
    assert_eq!(got.headers["access-control-allow-origin"], "http://app.example");
    assert_eq!(got.headers["access-control-allow-headers"], "x-client-version");
    assert_eq!(got.headers["access-control-allow-private-network"], "true");
    let plain = house.send(Request::options("/"), Body::empty()).await;
    for headers in [got.headers, plain.headers] {
        let vary: Vec<_> = headers.get_all("vary").iter().collect();
        assert_eq!(vary, ["Origin", "Access-Control-Request-Headers"], "whatever was asked for");
    }
    let request = Request::post(format!("{V1}/accounts:signUp")).header("origin", "http://app.example");
    let got = house.send(request, "{}").await;
    assert_eq!(got.status.as_u16(), 403);
    assert_eq!(got.headers["access-control-allow-origin"], "http://app.example", "errors can be read too");
}

#[tokio::test]
async fn callers_show_a_key_or_that_they_are_admins() {
    let house = House::emulator();
    let path = format!("{V1}/accounts:signUp");
    let with_key = format!("{path}?key=k");
    for (uri, header, status) in [
        (&with_key, None, 200),
        (&path, Some(("x-goog-api-key", "k")), 200),
        (&path, Some(("authorization", "Bearer owner")), 200),
        (&path, Some(("authorization", "bEArEr OWNER")), 200),
        (&path, Some(("authorization", "Bearer ya29.any")), 200),
        (&path, None, 403),
        (&format!("{path}?key="), None, 403),
        (&path, Some(("x-goog-api-key", "")), 403),
        (&path, Some(("authorization", "Basic owner")), 403),
        (&with_key, Some(("authorization", "Basic owner")), 200),
        (&with_key, Some(("authorization", "Bearer other")), 401),
        (&path, Some(("authorization", "Bearer Ya29.any")), 401),
    ] {
        let request = header.into_iter().fold(Request::post(uri), |request, (name, value)| request.header(name, value));
        let got = house.send(request, "{}").await;
        assert_eq!(got.status.as_u16(), status, "{uri} {header:?}");
        match status {
            401 => assert_eq!(
                (&got.json()["error"]["status"], &got.json()["error"]["errors"]),
                (
                    &json!("UNAUTHENTICATED"),
                    &json!([{
                        "message": "Invalid Credentials", "domain": "global", "reason": "authError",
                        "location": "Authorization", "locationType": "header",
                    }])
                )
            ),
            403 => assert_eq!(
                got.json()["error"],
                json!({
                    "code": 403, "message": "The request is missing a valid API key.",
                    "errors": [{
                        "message": "The request is missing a valid API key.", "reason": "forbidden", "domain": "global",
                    }],
                    "status": "PERMISSION_DENIED",
                })
            ),
            _ => {}
        }
    }
    let got = house.admin("POST", "/securetoken.googleapis.com/v1/token", json!({})).await;
    assert_eq!(got.status.as_u16(), 403, "only keys open the token exchange");
    let got = house.send(Request::post(TOKEN).header("authorization", "Bearer other"), "{}").await;
    assert_eq!(got.error(), (400, "MISSING_GRANT_TYPE".to_owned()), "which does not look at bearers");
}

#[tokio::test]
async fn bodies_are_read_leniently_but_not_blindly() {
    let house = House::emulator();
    let check = async |content_type: &str, body: &str, expected: (u16, &str)| {
        let request = Request::post(format!("{V1}/accounts:update")).header("authorization", "Bearer owner");
        let request = if content_type.is_empty() { request } else { request.header("content-type", content_type) };
        let got = house.send(request, body.to_owned()).await;
        assert_eq!(got.error(), (expected.0, expected.1.to_owned()), "{content_type} {body}");
        got
    };
    let json = "application/json; charset=utf-8";
    check(json, "", (400, "MISSING_LOCAL_ID")).await;
    check("", r#"{"localId":"x"}"#, (400, "USER_NOT_FOUND")).await;
    check(json, "\u{feff}{}", (400, "MISSING_LOCAL_ID")).await;
    check(
        json,
        r#"{"local_id":"x","valid_since":1611780718,"delete_attribute":[1],"unknown":{}}"#,
        (400, "USER_NOT_FOUND"),
    )
    .await;
    for (body, complaint) in [
        (r#"{"displayName":true}"#, "/displayName must be string"),
        (r#"{"localId":null}"#, "/localId must be string"),
        (r#"{"emailVerified":"true"}"#, "/emailVerified must be boolean"),
        (r#"{"deleteAttribute":["NONE"]}"#, "/deleteAttribute/0 must be equal to one of the allowed values"),
        (r#"{"deleteAttribute":"EMAIL"}"#, "/deleteAttribute must be array"),
        (r#"{"mfa":{"enrollments":[1]}}"#, "/mfa/enrollments/0 must be object"),
        (r#"{"returnSecureToken":"true"}"#, "/returnSecureToken must be boolean"),
        (r#"{"captchaChallenge":true}"#, "/captchaChallenge must be string"),
        (r#"{"linkProviderUserInfo":{"rawId":[]}}"#, "/linkProviderUserInfo/rawId must be string"),
        ("[]", " must be object"),
    ] {
        let got = check(json, body, (400, &format!("Invalid JSON payload received. {complaint}"))).await;
        assert_eq!(
            (&got.json()["error"]["status"], &got.json()["error"]["errors"][0]["reason"]),
            (&json!("INVALID_ARGUMENT"), &json!("invalid"))
        );
    }
    let deep = "[".repeat(200);
    for body in ["{", "{a:1}", "5", "null", "true", r#""{}""#, " ", &deep] {
        let got = house.send(Request::post(format!("{V1}/accounts:signUp?key=k")), body.to_owned()).await;
        let (status, message) = got.error();
        assert!(status == 400 && message.starts_with("Invalid JSON payload received. "), "{message}");
        assert_eq!(got.json()["error"]["errors"][0]["reason"], "parseError");
        assert_eq!(got.json()["error"]["status"], "INVALID_ARGUMENT");
    }
    for (body, complaint) in [
        (r#"{"clientType":"CLIENT_TYPE_OTHER"}"#, "/clientType must be equal to one of the allowed values"),
        (r#"{"recaptchaVersion":"X"}"#, "/recaptchaVersion must be equal to one of the allowed values"),
        (r#"{"mfaInfo":["+1"]}"#, "/mfaInfo/0 must be object"),
    ] {
        let got = house.send(Request::post(format!("{V1}/accounts:signUp?key=k")), body).await;
        assert_eq!(got.error(), (400, format!("Invalid JSON payload received. {complaint}")));
    }
    let got = house.send(Request::post(format!("{V1}/accounts:signUp?key=k")), r#"{"clientType":1}"#).await;
    assert_eq!(got.status.as_u16(), 200, "by its index");
    for (encoding, expected) in [("gzip", 415), ("Identity", 200)] {
        let request = Request::post(format!("{V1}/accounts:signUp?key=k")).header("content-encoding", encoding);
        let got = house.send(request, "{}").await;
        assert_eq!(got.status.as_u16(), expected, "{}", got.text);
    }
    check("text/plain", "{}", (400, "Invalid content-type: text/plain")).await;
    check("application/x-www-form-urlencoded", "a=b", (400, "Invalid content-type: application/x-www-form-urlencoded"))
        .await;
}

#[tokio::test]
async fn bodies_have_a_limit_by_caller() {
    let house = House::emulator();
    let body = |length: usize| json!({"localId": "x".repeat(length)});
    let got = house.post("accounts:signUp", body(1024 * 1024)).await;
    assert_eq!(got.error(), (413, "the request body is too large".to_owned()));
    assert_eq!(got.json()["error"]["status"], "INVALID_ARGUMENT");
    let got = house.admin("POST", "accounts:update", body(1024 * 1024)).await;
    assert_eq!(got.error(), (400, "USER_NOT_FOUND".to_owned()));
    let got = house.admin("POST", "accounts:update", body(10 * 1024 * 1024)).await;
    assert_eq!(got.status.as_u16(), 413);
}

#[tokio::test]
async fn only_admins_choose_the_project() {
    let house = House::emulator();
    let foreign = "INSUFFICIENT_PERMISSION : Only authenticated requests can specify target_project_id.";
    for (path, body) in [
        ("accounts:signUp", json!({"targetProjectId": "other"})),
        ("accounts:signUp", json!({"target_project_id": "demo"})),
        ("projects/demo/accounts", json!({})),
        ("projects/other/accounts:lookup", json!({})),
    ] {
        assert_eq!(house.post(path, body).await.error(), (400, foreign.to_owned()), "{path}");
    }
    let count = async |project: &str| {
        let got = house.admin("POST", &format!("projects/{project}:queryAccounts"), json!({})).await;
        got.text("recordsCount")
    };
    house.admin("POST", "accounts:signUp", json!({"targetProjectId": "other"})).await;
    house.admin("POST", "projects/third/accounts", json!({"localId": "me", "email": "a@b"})).await;
    house.admin("POST", "projects/fourth/accounts", json!({"localId": "me", "email": "a@b"})).await;
    house.sign_up().await;
    assert_eq!([count("demo").await, count("other").await, count("third").await], ["1", "1", "1"]);
}

#[tokio::test]
async fn tenants_keep_their_accounts_to_themselves() {
    let house = House::emulator();
    let got = house.post("accounts:signUp", json!({"tenantId": "t"})).await;
    let (id, token, refresh) = (got.text("localId"), got.text("idToken"), got.text("refreshToken"));
    let claims: Value = serde_json::from_str(&part(&token, 1)).unwrap();
    assert_eq!(claims["firebase"]["tenant"], "t");
    let got = house.post("accounts:lookup", json!({"idToken": token})).await;
    assert_eq!((&got.json()["users"][0]["localId"], &got.json()["users"][0]["tenantId"]), (&json!(id), &json!("t")));
    assert_eq!(house.verify(&token).await, Ok(id.clone()));
    let grant = json!({"grantType": "refresh_token", "refreshToken": refresh});
    assert_eq!(house.post(TOKEN, grant).await.text("user_id"), id);
    for (path, body) in [
        ("accounts:lookup", json!({"idToken": token, "tenantId": "u"})),
        ("projects/demo/tenants/u/accounts:lookup", json!({"idToken": token})),
        ("projects/demo/tenants/u/accounts:delete", json!({"localId": id, "tenantId": "t"})),
    ] {
        assert_eq!(house.admin("POST", path, body).await.error(), (400, "TENANT_ID_MISMATCH".to_owned()), "{path}");
    }
    let own = house.sign_up().await.text("idToken");
    let got = house.post("accounts:lookup", json!({"idToken": own, "tenantId": "t"})).await;
    assert_eq!(got.error(), (400, "USER_NOT_FOUND".to_owned()), "the project's users are not the tenant's");
    house.post("accounts:delete", json!({"idToken": own})).await;
    for (path, expected) in [
        ("projects/demo/accounts:query", "0"),
        ("projects/demo/tenants//accounts:query", "0"),
        ("projects/demo/tenants/t/accounts:query", "1"),
    ] {
        assert_eq!(house.admin("POST", path, json!({})).await.text("recordsCount"), expected, "{path}");
    }
    let got = house.admin("GET", "projects/demo/accounts:batchGet?tenantId=t", json!({})).await;
    assert_eq!(got.json()["users"][0]["localId"], json!(id));
    let got = house.send(Request::delete("/emulator/v1/projects/demo/tenants/t/accounts"), Body::empty()).await;
    assert_eq!((got.status.as_u16(), got.text.as_str()), (200, "{}"));
    assert_eq!(house.verify(&token).await, Err(TokenRefused::Account));
}

/// The operations that are known and not there yet, one to a line.
const NOT_YET: &str = "
    POST {v1}/accounts:issueSamlResponse identitytoolkit.accounts.issueSamlResponse
    POST {v1}/accounts:signInWithGameCenter identitytoolkit.accounts.signInWithGameCenter
    POST {v1}/accounts:verifyIosClient identitytoolkit.accounts.verifyIosClient
    POST {v2}/accounts:revokeToken identitytoolkit.accounts.revokeToken
    GET {v2}/projects/demo/passkeyConfig identitytoolkit.projects.getPasskeyConfig
    PATCH {v2}/projects/demo/passkeyConfig identitytoolkit.projects.updatePasskeyConfig
    GET {v2}/defaultSupportedIdps identitytoolkit.defaultSupportedIdps.list
    GET {v2}/recaptchaConfig identitytoolkit.getRecaptchaConfig
    POST {v2}/projects/demo/identityPlatform:initializeAuth identitytoolkit.projects.identityPlatform.initializeAuth
    POST {v2}/projects/demo/tenants/t:getIamPolicy identitytoolkit.projects.tenants.getIamPolicy
    POST {v2}/projects/demo/tenants/t:setIamPolicy identitytoolkit.projects.tenants.setIamPolicy
    POST {v2}/projects/demo/tenants/t:testIamPermissions identitytoolkit.projects.tenants.testIamPermissions
    POST {v3}/signOutUser signOutUser
";

#[tokio::test]
async fn every_operation_that_is_not_there_answers_501() {
    let house = House::emulator();
    for line in NOT_YET.lines().filter(|line| !line.trim().is_empty()) {
        let line = line
            .replace("{v1}", V1)
            .replace("{v2}", "/identitytoolkit.googleapis.com/v2")
            .replace("{v3}", "/www.googleapis.com/identitytoolkit/v3/relyingparty");
        let [method, path, id] = line.split_whitespace().collect::<Vec<_>>().try_into().unwrap();
        let got = house.send(Request::builder().method(method).uri(format!("{path}?key=k")), Body::empty()).await;
        let expected = (501, format!("{id} is not implemented in the Auth Emulator."));
        assert_eq!(got.error(), expected, "{method} {path}");
    }
}

#[tokio::test]
async fn what_the_original_stumbles_over_is_refused() {
    let house = House::emulator();
    let sign_up = format!("{V1}/accounts:signUp?key=k");
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(130), "]".repeat(130));
    for body in [deep.as_bytes(), br#"{"displayName":"\ud800"}"#, b"{\"displayName\":\"\xff\"}", br#"{"x":1e400}"#] {
        let got = house.send(Request::post(&sign_up), body.to_vec()).await;
        let (status, message) = got.error();
        assert!(status == 400 && message.starts_with("Invalid JSON payload received. "), "{message}");
    }
    for (kind, status) in [(None, 200), (Some("nonsense"), 400)] {
        let request = Request::post(&sign_up);
        let request = kind.into_iter().fold(request, |request, kind| request.header("content-type", kind));
        assert_eq!(house.send(request, "{}").await.status.as_u16(), status, "{kind:?}");
    }
    let v3 = "/www.googleapis.com/identitytoolkit/v3/relyingparty/downloadAccount";
    for (method, path) in [("POST", "/"), ("TRACE", "/"), ("GET", v3)] {
        let got = house.send(Request::builder().method(method).uri(path), "").await;
        assert_eq!((got.status.as_u16(), got.headers.contains_key("allow")), (405, true), "{method} {path}");
    }
    let got = house.admin("POST", "projects/demo/accounts", json!({"localId": ""})).await;
    assert_eq!(got.text("localId").len(), 28, "an id is drawn");
    let id = got.text("localId");
    for body in [json!({"createdAt": "x"}), json!({"validSince": "9".repeat(30)})] {
        let mut body = body;
        body["localId"] = json!(id);
        assert_eq!(house.admin("POST", "accounts:update", body).await.status.as_u16(), 400);
    }
    let got = house.admin("GET", "projects/demo/accounts:batchGet?maxResults=many", json!({})).await;
    assert!(got.status.as_u16() == 400 && got.error().1.contains("maxResults"), "{}", got.text);
    let unsigned = |claims: &str| {
        let [head, claims] = [r#"{"alg":"none","typ":"JWT"}"#, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!("{head}.{claims}.")
    };
    let got = house.post("accounts:lookup", json!({"idToken": unsigned(r#"{"iat":1}"#)})).await;
    assert_eq!(got.error(), (400, "INVALID_ID_TOKEN".to_owned()));
    let form = Request::post(TOKEN).header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(house.send(form, "").await.error(), (400, "MISSING_GRANT_TYPE".to_owned()));
}

#[tokio::test]
async fn a_passkey_opens_its_account_in_an_emulator_by_its_name() {
    let v2 = |path: &str| format!("/identitytoolkit.googleapis.com/v2/accounts/{path}?key=k");
    let house = House::emulator();
    let user = house.sign_up().await;
    let token = user.text("idToken");
    let start = house.post(&v2("passkeyEnrollment:start"), json!({"idToken": token})).await;
    assert_eq!(start.json()["credentialCreationOptions"]["rp"]["id"], "localhost");
    let response = json!({"id": "credential"});
    let enroll = json!({"idToken": token, "authenticatorRegistrationResponse": response, "name": "Key"});
    assert_eq!(
        house.post(&v2("passkeyEnrollment:finalize"), enroll.clone()).await.text("localId"),
        user.text("localId")
    );
    let again = house.post(&v2("passkeyEnrollment:finalize"), enroll).await;
    assert_eq!(again.error(), (400, "CREDENTIAL_ALREADY_IN_USE".to_owned()));
    let start = house.post(&v2("passkeySignIn:start"), json!({})).await;
    assert_eq!(start.json()["credentialRequestOptions"]["rpId"], "localhost");
    let sign_in = |id: &str| json!({"authenticatorAuthenticationResponse": {"id": id}});
    let got = house.post(&v2("passkeySignIn:finalize"), sign_in("credential")).await;
    assert!(part(&got.text("idToken"), 1).contains(r#""sign_in_provider":"passkey""#));
    let unknown = house.post(&v2("passkeySignIn:finalize"), sign_in("other")).await;
    assert_eq!(unknown.error(), (400, "PASSKEY_CREDENTIAL_NOT_FOUND".to_owned()));
    let found = house.admin("POST", "accounts:lookup", json!({"localId": [user.text("localId")]})).await;
    let passkeys = json!([{"credentialId": "credential", "name": "Key"}]);
    assert_eq!(found.json()["users"][0]["passkeyInfo"], passkeys);
}
