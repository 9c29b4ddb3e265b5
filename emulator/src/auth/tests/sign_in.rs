//! Signing in, over HTTP: in an emulator as the official one does it, on a server in earnest with nobody taken at their
//! word.

use super::*;
use crate::auth::service::Asked;
use crate::storage::Durability;
use hearth_auth::operations::oob;
use hearth_auth::store::Scope;

const CODES: &str = "/emulator/v1/projects/demo/oobCodes";
const TEXTS: &str = "/emulator/v1/projects/demo/verificationCodes";

impl House {
    pub(super) async fn get(&self, path: &str) -> Got {
        self.send(Request::get(path), Body::empty()).await
    }

    async fn with_password(&self) -> Got {
        self.post("accounts:signUp", json!({"email": "a@b", "password": "secret"})).await
    }

    /// The newest code sent by email.
    async fn code(&self, body: Value) -> Value {
        let got = self.post("accounts:sendOobCode", body).await;
        assert_eq!(got.status.as_u16(), 200, "{}", got.text);
        self.get(CODES).await.json()["oobCodes"].as_array().unwrap().last().unwrap().clone()
    }

    /// The page behind a code's link; `more` is added to it.
    async fn open_link(&self, code: &Value, more: &str) -> Got {
        let link = code["oobLink"].as_str().unwrap();
        let path = link.strip_prefix("http://localhost").unwrap_or(link);
        self.get(&format!("{path}{more}")).await
    }
}

#[tokio::test]
async fn a_password_to_the_byte() {
    let house = House::emulator();
    let id = house.with_password().await.text("localId");
    let got = house.post("accounts:signInWithPassword", json!({"email": "a@b", "password": "secret"})).await;
    let (token, refresh) = (got.text("idToken"), got.text("refreshToken"));
    assert_eq!(
        got.text,
        format!(
            r#"{{"kind":"identitytoolkit#VerifyPasswordResponse","registered":true,"localId":"{id}","email":"a@b","idToken":"{token}","refreshToken":"{refresh}","expiresIn":"3600"}}"#
        )
    );
    let user = house.post("accounts:lookup", json!({"idToken": token})).await.json()["users"][0].clone();
    let salt = user["salt"].as_str().unwrap();
    assert_eq!(user["passwordHash"], format!("fakeHash:salt={salt}:password=secret"));
    assert_eq!(user["providerUserInfo"][0]["providerId"], "password");
    let old = house
        .post(
            "/www.googleapis.com/identitytoolkit/v3/relyingparty/verifyPassword?key=k",
            json!({
                "email": "a@b", "password": "secret",
            }),
        )
        .await;
    assert_eq!(old.text("localId"), id, "by its former name too");
}

#[tokio::test]
async fn links_do_what_they_are_for() {
    let house = House::emulator();
    let token = house.with_password().await.text("idToken");
    let verify = house.code(json!({"requestType": "VERIFY_EMAIL", "idToken": token})).await;
    assert_eq!(house.open_link(&verify, "").await.json()["authEmulator"]["email"], "a@b");
    let again = house.open_link(&verify, "").await;
    assert_eq!(again.status.as_u16(), 400);
    assert!(again.json()["authEmulator"]["error"].as_str().unwrap().contains("already been used"), "{}", again.text);

    let reset = house.code(json!({"requestType": "PASSWORD_RESET", "email": "a@b"})).await;
    for (more, status) in [("", 400), ("&newPassword=NEW_PASSWORD_HERE", 400), ("&newPassword=another", 200)] {
        assert_eq!(house.open_link(&reset, more).await.status.as_u16(), status, "{more}");
    }
    let got = house.post("accounts:signInWithPassword", json!({"email": "a@b", "password": "another"})).await;
    assert_eq!(got.status.as_u16(), 200);

    let change = json!({"requestType": "VERIFY_AND_CHANGE_EMAIL", "idToken": got.text("idToken"), "newEmail": "n@b"});
    let change = house.code(change).await;
    let done = house.open_link(&change, "&continueUrl=http%3A%2F%2Fapp%2Fdone").await;
    assert_eq!((done.status.as_u16(), &done.headers["location"]), (303, &"http://app/done".parse().unwrap()));

    let sign_in = json!({"requestType": "EMAIL_SIGNIN", "email": "l@b", "continueUrl": "http://app/in?x=1"});
    let sign_in = house.code(sign_in).await;
    let there = house.open_link(&sign_in, "").await;
    let location = there.headers["location"].to_str().unwrap();
    assert!(location.starts_with("http://app/in?x=1&mode=signIn&lang=en&oobCode="), "{location}");

    for (path, error) in [
        ("/emulator/action?mode=verifyEmail", "missing apiKey query parameter"),
        ("/emulator/action?apiKey=k&mode=verifyEmail", "missing oobCode query parameter"),
        ("/emulator/action?apiKey=k&oobCode=c", "Invalid mode"),
        ("/emulator/action?apiKey=k&oobCode=c&mode=signIn", "Missing continueUrl query parameter"),
        (
            "/emulator/action?apiKey=k&oobCode=c&mode=recoverEmail",
            "Requested mode does not match the OOB code provided.",
        ),
    ] {
        let got = house.get(path).await;
        assert_eq!((got.status.as_u16(), got.json()["authEmulator"]["error"].as_str()), (400, Some(error)), "{path}");
    }
}

#[tokio::test]
async fn a_former_email_comes_back_by_its_link() {
    let house = House::emulator();
    let token = house.with_password().await.text("idToken");
    house.post("accounts:update", json!({"idToken": token, "email": "thief@b"})).await;
    let codes = house.get(CODES).await.json();
    let code = &codes["oobCodes"][0];
    assert_eq!((&code["requestType"], &code["email"]), (&json!("RECOVER_EMAIL"), &json!("a@b")));
    assert_eq!(house.open_link(code, "").await.json()["authEmulator"]["email"], "a@b");
}

#[tokio::test]
async fn codes_outlive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::directory(folder.path(), Durability::Process).unwrap();
    let house = House::open(&storage, true);
    let code = house.code(json!({"requestType": "EMAIL_SIGNIN", "email": "a@b"})).await;
    house.post("accounts:sendVerificationCode", json!({"phoneNumber": "+1"})).await;
    // Nothing is closed: what was answered is in the file.
    let again = House::open(&storage, true);
    assert_eq!(again.get(CODES).await.json()["oobCodes"], json!([code]));
    let texts = again.get(TEXTS).await.json();
    let text = &texts["verificationCodes"][0];
    let got = again
        .post("accounts:signInWithPhoneNumber", json!({"sessionInfo": text["sessionInfo"], "code": text["code"]}))
        .await;
    assert_eq!(got.text("phoneNumber"), "+1");
    assert_eq!(again.get(TEXTS).await.json(), json!({"verificationCodes": []}));
}

#[tokio::test]
async fn the_providers_page_shows_users_without_running_them() {
    let house = House::emulator();
    let claims = r#"{"sub":"7","email":"a@b","name":"</script><b>"}"#;
    let body =
        json!({"requestUri": "http://localhost", "postBody": format!("providerId=google.com&id_token={claims}")});
    assert_eq!(house.post("accounts:signInWithIdp", body).await.json()["isNewUser"], true);
    let page = house.get("/emulator/auth/handler?apiKey=k&providerId=google.com").await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(page.text.contains(r#""name":"\u003c/script>\u003cb>""#) && !page.text.contains("</script><b>"));
    assert_eq!(house.get("/emulator/auth/handler?apiKey=k").await.status.as_u16(), 400);
    for (path, sign) in
        [("/emulator/auth/iframe?apiKey=k&appName=a", "sendAuthEvent"), ("/emulator/auth/gapi.js", "gapi.iframes")]
    {
        assert!(house.get(path).await.text.contains(sign), "{path}");
    }
}

#[tokio::test]
async fn the_api_describes_itself() {
    let document = House::emulator().get("/emulator/openapi.json").await.json();
    let operation = &document["paths"]["/identitytoolkit.googleapis.com/v1/accounts:signInWithPassword"]["post"];
    assert_eq!(operation["operationId"], "identitytoolkit.accounts.signInWithPassword");
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(schema["properties"]["email"], json!({"type": "string"}));
    assert_eq!(document["servers"], json!([{"url": "http://localhost"}]));
}

#[tokio::test]
async fn a_server_hashes_passwords_and_shows_no_hash() {
    let house = House::self_host();
    let got = house.with_password().await;
    let (id, token) = (got.text("localId"), got.text("idToken"));
    assert_eq!(house.verify(&token).await, Ok(id.clone()));
    let kept = house.service.read(Asked::itself(Scope::project("demo")), move |store, call| {
        Ok(store.by_local_id(call.scope, &id)?.and_then(|account| account.password_hash))
    });
    assert!(kept.await.unwrap().unwrap().starts_with("$argon2id$v=19$"));
    let got = house.post("accounts:lookup", json!({"idToken": token})).await;
    assert!(!got.text.contains("argon2") && !got.text.contains("passwordHash"), "{}", got.text);
    let got = house.post("accounts:update", json!({"idToken": token, "password": "another"})).await;
    assert!(!got.text.contains("argon2") && got.json()["idToken"].is_string(), "{}", got.text);
    for (email, password, expected) in [
        ("a@b", "another", None),
        ("a@b", "secret", Some("INVALID_LOGIN_CREDENTIALS")),
        ("x@y", "secret", Some("INVALID_LOGIN_CREDENTIALS")),
    ] {
        let got = house.post("accounts:signInWithPassword", json!({"email": email, "password": password})).await;
        assert_eq!(got.json()["error"]["message"].as_str(), expected, "{email} {password}");
    }
}

#[tokio::test]
async fn a_server_takes_nobody_at_their_word() {
    let house = House::self_host();
    let claims = r#"{"sub":"7","email":"a@b","email_verified":true}"#;
    let unsigned =
        format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(r#"{"uid":"u"}"#));
    for (operation, body, message) in [
        (
            "signInWithIdp",
            json!({"requestUri": "http://localhost", "postBody": format!("providerId=google.com&id_token={claims}")}),
            "OPERATION_NOT_ALLOWED : The identity provider configuration is not found.",
        ),
        (
            "sendOobCode",
            json!({"requestType": "EMAIL_SIGNIN", "email": "a@b"}),
            "OPERATION_NOT_ALLOWED : This server has not been told how to send emails.",
        ),
        (
            "sendVerificationCode",
            json!({"phoneNumber": "+15555550100"}),
            "OPERATION_NOT_ALLOWED : This server has not been told how to send text messages.",
        ),
        (
            "signUp",
            json!({"email": "a@b", "password": "secret", "mfaInfo": [{"phoneInfo": "+1"}]}),
            "INSUFFICIENT_PERMISSION",
        ),
    ] {
        let got = house.post(&format!("accounts:{operation}"), body).await;
        assert_eq!(got.error(), (400, message.to_owned()), "{operation}");
    }
    for token in [r#"{"uid":"u"}"#, unsigned.as_str()] {
        let (status, message) = house.post("accounts:signInWithCustomToken", json!({"token": token})).await.error();
        assert!(status == 400 && message.starts_with("INVALID_CUSTOM_TOKEN"), "{token}: {message}");
    }
    for path in [CODES, TEXTS, "/emulator/openapi.json"] {
        assert_eq!(house.get(path).await.status.as_u16(), 404, "{path}");
    }
    let page = house.get("/emulator/auth/handler?apiKey=k&providerId=google.com").await;
    assert!(!page.text.contains("js-new-account"), "nobody stands for a provider: {}", page.text);
}

#[tokio::test]
async fn an_admin_of_a_server_hands_out_links_that_people_can_open() {
    let house = House::self_host();
    house.with_password().await;
    let request =
        || serde_json::from_value(json!({"requestType": "PASSWORD_RESET", "email": "a@b", "returnOobLink": true}));
    let asked = Asked { origin: "https://auth.example".to_owned(), ..Asked::itself(Scope::project("demo")) };
    let answer =
        house.service.write(asked, move |store, call| oob::send(store, call, request().unwrap())).await.unwrap();
    let link = answer.body["oobLink"].as_str().unwrap();
    let page = house.get(link.strip_prefix("https://auth.example").unwrap()).await;
    assert_eq!(
        (page.status.as_u16(), &page.headers["content-type"]),
        (200, &"text/html; charset=utf-8".parse().unwrap())
    );
    let code = &answer.body["oobCode"];
    let look = house.post("accounts:resetPassword", json!({"oobCode": code})).await;
    assert_eq!((look.text("email"), look.text("requestType")), ("a@b".to_owned(), "PASSWORD_RESET".to_owned()));
    house.advance(3600).await;
    let late = house.post("accounts:resetPassword", json!({"oobCode": code, "newPassword": "another"})).await;
    assert_eq!(late.error(), (400, "EXPIRED_OOB_CODE".to_owned()));
}

#[tokio::test]
async fn nobody_is_asked_to_be_no_machine() {
    let got = House::emulator().get(&format!("{V1}/recaptchaParams?key=k")).await;
    assert_eq!(got.text("kind"), "identitytoolkit#GetRecaptchaParamResponse");
    assert!(got.text("recaptchaSiteKey").starts_with("Fake-key") && got.text("recaptchaStoken").len() == 107);
}
