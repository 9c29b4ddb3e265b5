//! Providers without ID tokens on a server in earnest: by code and by access token, whose token it is, and for which app.

use super::issuer::{Answer, CLIENT, Issuer};
use super::provider_sign_in::SECRET;
use super::*;

const SILENT: &str = "UNAVAILABLE : The identity provider does not answer as it should. Try again later.";
const ANOTHER_APP: &str = "INVALID_IDP_RESPONSE : The access token has been given to another app.";
const NOBODYS: &str = "INVALID_IDP_RESPONSE : The provider does not know the access token.";

/// A provider that stands for GitHub and Facebook, and what it answers as long as nobody says otherwise.
async fn start() -> (Issuer, House) {
    let provider = Issuer::start().await;
    let house = House::self_host();
    for (path, answer) in [
        ("/login/oauth/access_token", json!({"access_token": "gho_1", "token_type": "bearer"})),
        ("/applications/app/token", json!({"app": {"client_id": CLIENT}, "user": {"id": 42}})),
        ("/user", json!({"id": 42, "login": "grace", "name": "Grace", "email": "public@example.org"})),
        ("/user/emails", json!([{"email": "grace@example.org", "primary": true, "verified": true}])),
        ("/oauth/access_token", json!({"access_token": "fb1", "token_type": "bearer", "expires_in": 5_183_944})),
        ("/debug_token", json!({"data": {"app_id": CLIENT, "is_valid": true, "type": "USER", "user_id": "99"}})),
        (
            "/me",
            json!({"id": "99", "name": "Ada", "first_name": "Ada", "email": "ada@example.org",
            "picture": {"data": {"url": "https://p"}}}),
        ),
    ] {
        provider.answer(path, Answer::Json(200, answer));
    }
    // A slash at the end does not matter.
    let addresses = json!({"web": format!("{}/", provider.url), "api": provider.url});
    for id in ["github.com", "facebook.com"] {
        house.configure_known(id, addresses.clone()).await;
    }
    (provider, house)
}

async fn by_token(house: &House, provider: &str, token: &str) -> Got {
    let post_body = format!("providerId={provider}&access_token={token}");
    house.post("accounts:signInWithIdp", json!({"requestUri": "http://localhost", "postBody": post_body})).await
}

#[tokio::test]
async fn github_signs_in_by_code_and_by_token() {
    let (provider, house) = start().await;
    let begun = house.begin("github.com", None).await;
    let by_code = house.come_back(&begun, &[]).await;
    assert_eq!(by_code.status, StatusCode::OK, "{}", by_code.text);
    let told = by_code.json();
    for (field, expected) in [
        ("email", "grace@example.org"),
        ("screenName", "grace"),
        ("displayName", "Grace"),
        ("oauthAccessToken", "gho_1"),
        ("federatedId", "http://github.com/42"),
    ] {
        assert_eq!(told[field], expected, "{field}");
    }
    let profile: Value = serde_json::from_str(told["rawUserInfo"].as_str().unwrap()).unwrap();
    assert_eq!((&profile["login"], &told["emailVerified"]), (&json!("grace"), &json!(true)));
    let sent = provider.take_requests();
    let paths: Vec<_> = sent.iter().map(|sent| sent.path.as_str()).collect();
    assert_eq!(paths, ["/login/oauth/access_token", "/user", "/user/emails"]);
    assert!(sent[0].body.contains("client_secret=a+secret") && sent[1].authorization == "Bearer gho_1");

    let by_token = by_token(&house, "github.com", "gho_2").await;
    assert_eq!(by_token.text("localId"), by_code.text("localId"), "{}", by_token.text);
    let check = provider.take_requests().remove(0);
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{CLIENT}:{SECRET}"));
    assert_eq!((check.path.as_str(), check.authorization), ("/applications/app/token", format!("Basic {basic}")));
    assert_eq!(check.body, r#"{"access_token":"gho_2"}"#);
}

#[tokio::test]
async fn facebook_signs_in_by_code_and_by_token() {
    let (provider, house) = start().await;
    let begun = house.begin("facebook.com", None).await;
    assert!(begun.uri.to_string().starts_with(&format!("{}/dialog/oauth?", provider.url)));
    let by_code = house.come_back(&begun, &[]).await;
    let told = by_code.json();
    for (field, expected) in [
        ("email", json!("ada@example.org")),
        ("emailVerified", json!(false)),
        ("photoUrl", json!("https://p")),
        ("oauthExpireIn", json!(5_183_944)),
    ] {
        assert_eq!(told[field], expected, "{field}: {}", by_code.text);
    }
    let by_token = by_token(&house, "facebook.com", "fb2").await;
    assert_eq!(by_token.text("localId"), by_code.text("localId"));
    let sent = provider.take_requests();
    assert!(sent.iter().any(|sent| sent.query == "input_token=fb2&access_token=app%7Ca+secret"), "{sent:?}");
    assert!(sent.last().unwrap().query.contains("appsecret_proof="), "{sent:?}");
}

#[tokio::test]
async fn a_token_of_another_app_or_user_opens_nothing() {
    let (provider, house) = start().await;
    let debug = |change: &[(&str, Value)]| {
        let mut data = json!({"app_id": CLIENT, "is_valid": true, "type": "USER", "user_id": "99"});
        change.iter().for_each(|(name, value)| data[*name] = value.clone());
        Answer::Json(200, json!({"data": data}))
    };
    let (github, facebook) = ("github.com", "facebook.com");
    let (application, debug_token) = ("/applications/app/token", "/debug_token");
    for (id, path, answer, status, expected) in [
        (github, application, Answer::Json(404, json!({"message": "Not Found"})), 400, NOBODYS),
        (github, application, Answer::Json(200, json!({"app": {"client_id": "other"}})), 400, ANOTHER_APP),
        (github, application, Answer::Json(200, json!({"client_id": CLIENT})), 400, ANOTHER_APP),
        (github, application, Answer::Json(500, json!({})), 503, SILENT),
        (github, application, Answer::Json(403, json!({"message": "rate limit"})), 503, SILENT),
        (github, application, Answer::Redirect, 503, SILENT),
        (github, application, Answer::Huge, 503, SILENT),
        (github, "/user", Answer::Json(401, json!({})), 400, NOBODYS),
        (github, "/user", Answer::Json(200, json!({"login": "grace"})), 503, SILENT),
        (github, "/user", Answer::Json(200, json!({"id": "42"})), 503, SILENT),
        (facebook, debug_token, debug(&[("app_id", json!("other"))]), 400, ANOTHER_APP),
        (facebook, debug_token, debug(&[("app_id", Value::Null)]), 400, ANOTHER_APP),
        (facebook, debug_token, debug(&[("is_valid", json!(false))]), 400, NOBODYS),
        (facebook, debug_token, debug(&[("type", json!("PAGE"))]), 400, NOBODYS),
        (facebook, debug_token, debug(&[("user_id", json!("98"))]), 400, NOBODYS),
        (facebook, debug_token, Answer::Json(400, json!({"error": {}})), 400, NOBODYS),
        (facebook, "/me", Answer::Json(200, json!({"id": "98"})), 400, NOBODYS),
        (facebook, "/me", Answer::Text(200, "<html>"), 503, SILENT),
    ] {
        provider.answer(path, answer.clone());
        let got = by_token(&house, id, "theirs").await;
        assert_eq!(got.error(), (status, expected.to_owned()), "{id} {path} {answer:?}");
        restore(&provider);
    }
    for token in ["a b", "a%0d%0aX:%20y", &"x".repeat(5000)] {
        let got = by_token(&house, github, token).await;
        assert_eq!(got.error(), (400, "INVALID_IDP_RESPONSE : The access token is malformed.".to_owned()));
    }
    assert_eq!(by_token(&house, github, "ours").await.status, StatusCode::OK, "and what is right is taken");
}

/// As it was in the beginning.
fn restore(provider: &Issuer) {
    for (path, answer) in [
        ("/applications/app/token", json!({"app": {"client_id": CLIENT}, "user": {"id": 42}})),
        ("/user", json!({"id": 42, "login": "grace"})),
        ("/debug_token", json!({"data": {"app_id": CLIENT, "is_valid": true, "type": "USER", "user_id": "99"}})),
        ("/me", json!({"id": "99"})),
    ] {
        provider.answer(path, Answer::Json(200, answer));
    }
}

#[tokio::test]
async fn an_email_that_nobody_vouches_for_takes_nobodys_account() {
    let (provider, house) = start().await;
    let taken = |email: &str| json!({"email": email, "password": "long enough", "returnSecureToken": true});
    for email in ["grace@example.org", "public@example.org", "ada@example.org"] {
        assert_eq!(house.post("accounts:signUp", taken(email)).await.status, StatusCode::OK);
    }
    provider.answer("/user/emails", Answer::Json(404, json!({"message": "Not Found"})));
    for (id, email) in [("github.com", "public@example.org"), ("facebook.com", "ada@example.org")] {
        let got = by_token(&house, id, "t").await.json();
        assert_eq!((&got["needConfirmation"], got.get("idToken")), (&json!(true), None), "{id}");
        assert_eq!(got["email"], email);
    }
    let unverified = json!([{"email": "grace@example.org", "primary": true, "verified": false}]);
    provider.answer("/user/emails", Answer::Json(200, unverified));
    assert_eq!(by_token(&house, "github.com", "t").await.json()["needConfirmation"], true);
    let verified = json!([{"email": "grace@example.org", "primary": true, "verified": true}]);
    provider.answer("/user/emails", Answer::Json(200, verified));
    assert!(by_token(&house, "github.com", "t").await.json().get("idToken").is_some());
}
