//! The code flow on a server in earnest: sign-ins that begin here and end here, and attacks on what is between.

use super::issuer::{Answer, CLIENT, Issuer, Mood, Sent};
use super::*;
use hearth_auth::idp_config::{DefaultSupportedIdpConfig, OauthIdpConfig};
use hearth_auth::operations::{idp_configs, tenants};
use hearth_auth::uri::{Uri, form, parameters};
use sha2::{Digest, Sha256};

pub(super) const SECRET: &str = "a secret";
const BACK: &str = "http://localhost/back";
const SILENT: &str = "UNAVAILABLE : The identity provider does not answer as it should. Try again later.";

/// A sign-in that has begun.
pub(super) struct Begun {
    pub(super) session_id: String,
    pub(super) uri: Uri,
}

impl Begun {
    fn asks(&self, name: &str) -> &str {
        self.uri.parameter(name).unwrap_or_default()
    }
}

impl House {
    /// One that knows the issuer as `oidc.test`, with a secret.
    async fn with_code_flow(issuer: &Issuer) -> Self {
        let house = Self::self_host();
        house.configure_oidc("oidc.test", &issuer.url).await;
        house
    }

    async fn configure_oidc(&self, id: &str, issuer: &str) {
        let config = json!({
            "oauthIdpConfigId": id, "issuer": issuer, "clientId": CLIENT, "clientSecret": SECRET, "enabled": true,
        });
        self.privileged(None, |store, call, body| idp_configs::create::<OauthIdpConfig>(store, call, body), config)
            .await;
    }

    async fn change_oidc(&self, mut config: Value) {
        config["configId"] = "oidc.test".into();
        self.privileged(None, |store, call, body| idp_configs::update::<OauthIdpConfig>(store, call, body), config)
            .await;
    }

    /// Configures a provider that Firebase knows, here with its addresses.
    pub(super) async fn configure_known(&self, id: &str, addresses: Value) {
        let config = json!({
            "idpId": id, "clientId": CLIENT, "clientSecret": SECRET, "enabled": true, "addresses": addresses,
        });
        let create =
            |store: &mut dyn hearth_auth::store::Store, call: &hearth_auth::operations::Call<'_>, body: Value| {
                idp_configs::create::<DefaultSupportedIdpConfig>(store, call, body)
            };
        self.privileged(None, create, config).await;
    }

    pub(super) async fn begin(&self, provider: &str, tenant: Option<&Value>) -> Begun {
        let mut body = json!({"providerId": provider, "continueUri": BACK});
        if let Some(tenant) = tenant {
            body["tenantId"] = tenant.clone();
        }
        let got = self.post("accounts:createAuthUri", body).await;
        assert_eq!(got.status, StatusCode::OK, "{}", got.text);
        assert_eq!(got.text("providerId"), provider);
        Begun { session_id: got.text("sessionId"), uri: Uri::parse(&got.text("authUri")).unwrap() }
    }

    /// Comes back with these parameters, some of them in place of the usual ones.
    pub(super) async fn come_back(&self, begun: &Begun, change: &[(&str, &str)]) -> Got {
        self.come_back_with(begun, change, json!({})).await
    }

    async fn come_back_with(&self, begun: &Begun, change: &[(&str, &str)], more: Value) -> Got {
        let mut uri = Uri::parse(BACK).unwrap();
        uri.set("code", "the code");
        uri.set("state", begun.asks("state"));
        for (name, value) in change {
            uri.set(name, value);
        }
        let mut body = json!({"requestUri": uri.to_string(), "sessionId": begun.session_id});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.post("accounts:signInWithIdp", body).await
    }
}

/// Has the token endpoint give an ID token for this sign-in, with its claims changed.
fn give(issuer: &Issuer, begun: &Begun, change: impl FnOnce(&mut Value)) {
    let token = issuer.token(|_, claims| {
        claims["nonce"] = begun.asks("nonce").into();
        change(claims);
    });
    let answer = json!({"access_token": "at", "token_type": "Bearer", "expires_in": 3599, "id_token": token});
    issuer.answer("/token", Answer::Json(200, answer));
}

fn field(sent: &Sent, name: &str) -> String {
    let fields = parameters(&sent.body);
    fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

#[tokio::test]
async fn a_code_becomes_an_account() {
    let issuer = Issuer::start().await;
    let house = House::with_code_flow(&issuer).await;
    let begun = house.begin("oidc.test", None).await;
    assert!(begun.uri.to_string().starts_with(&format!("{}/authorize?tenant=a&", issuer.url)), "{}", begun.uri);
    for (name, expected) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", BACK),
        ("scope", "openid email profile"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(begun.asks(name), expected, "{name}");
    }
    give(&issuer, &begun, |_| ());
    let got = house.come_back(&begun, &[("iss", &issuer.url)]).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text);
    let told = got.json();
    for (field, expected) in [
        ("providerId", json!("oidc.test")),
        ("email", json!("user@example.org")),
        ("emailVerified", json!(true)),
        ("oauthAccessToken", json!("at")),
        ("oauthExpireIn", json!(3599)),
        ("federatedId", json!("7")),
        ("isNewUser", json!(true)),
    ] {
        assert_eq!(told[field], expected, "{field}");
    }
    assert!(told["rawUserInfo"].as_str().unwrap().contains("User@Example.org"));
    assert_eq!(house.verify(&got.text("idToken")).await, Ok(got.text("localId")));
    let [sent] = issuer.take_requests().try_into().unwrap();
    let expected = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{CLIENT}:a+secret")));
    assert_eq!((sent.path.as_str(), sent.authorization.as_str()), ("/token", expected.as_str()));
    for (name, expected) in [("grant_type", "authorization_code"), ("code", "the code"), ("redirect_uri", BACK)] {
        assert_eq!(field(&sent, name), expected, "{name}");
    }
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(field(&sent, "code_verifier")));
    assert_eq!(begun.asks("code_challenge"), challenge);
    // What the client has been told is good to show the ID token again.
    let again = form(&["id_token", "nonce"].map(|name| {
        let field = if name == "id_token" { "oauthIdToken" } else { "nonce" };
        (name.to_owned(), got.text(field))
    }));
    let body = json!({"requestUri": "http://localhost", "postBody": format!("providerId=oidc.test&{again}")});
    assert_eq!(house.post("accounts:signInWithIdp", body).await.text("localId"), got.text("localId"));
}

#[tokio::test]
async fn a_code_may_come_in_a_fragment_or_a_form() {
    let issuer = Issuer::start().await;
    let house = House::with_code_flow(&issuer).await;
    for part in ["requestUri", "postBody"] {
        let begun = house.begin("oidc.test", None).await;
        give(&issuer, &begun, |_| ());
        let answer = format!("code=c&state={}&iss={}&providerId=oidc.test", begun.asks("state"), issuer.url);
        let mut body = json!({"requestUri": BACK, "sessionId": begun.session_id});
        body[part] = if part == "postBody" { answer.into() } else { format!("{BACK}#{answer}").into() };
        let got = house.post("accounts:signInWithIdp", body).await;
        assert_eq!(got.status, StatusCode::OK, "{part}: {}", got.text);
    }
}

#[tokio::test]
async fn a_code_counts_only_for_the_sign_in_that_has_begun() {
    let issuer = Issuer::start().await;
    let house = House::with_code_flow(&issuer).await;
    house.configure_oidc("oidc.other", &issuer.url).await;
    let iss = ("iss", issuer.url.as_str());
    let other = house.begin("oidc.test", None).await;
    let others_state = other.asks("state").to_owned();
    let state = "INVALID_IDP_RESPONSE : The state is not the session's.";
    let issuer_of_another = "INVALID_IDP_RESPONSE : The answer is another provider's.";
    let unknown = "INVALID_IDP_RESPONSE : The sessionId is not of a sign-in that has begun here.";
    let none = "INVALID_IDP_RESPONSE : A code counts only with the sessionId of accounts:createAuthUri.";
    for (name, change, more, expected) in [
        ("no state", vec![iss, ("state", "")], json!({}), state),
        ("another's state", vec![iss, ("state", others_state.as_str())], json!({}), state),
        ("another's session", vec![iss], json!({"sessionId": other.session_id}), state),
        ("no session", vec![iss], json!({"sessionId": ""}), none),
        ("a made-up session", vec![iss], json!({"sessionId": "made-up"}), unknown),
        ("the state as the session", vec![iss], json!({"sessionId": others_state}), unknown),
        (
            "another provider",
            vec![iss, ("providerId", "oidc.other")],
            json!({}),
            "INVALID_IDP_RESPONSE : The session is of a sign-in by another provider.",
        ),
        ("another issuer", vec![("iss", "https://accounts.google.com")], json!({}), issuer_of_another),
        ("an issuer that hides", vec![], json!({}), issuer_of_another),
        (
            "an error with a code",
            vec![iss, ("error", "access_denied")],
            json!({}),
            "INVALID_IDP_RESPONSE : The provider refuses: access_denied.",
        ),
        (
            "markup",
            vec![iss, ("error", "<script>")],
            json!({}),
            "INVALID_IDP_RESPONSE : The provider refuses: it does not say why.",
        ),
        ("no code", vec![iss, ("code", "")], json!({}), "INVALID_CREDENTIAL_OR_PROVIDER_ID"),
        (
            "an endless code",
            vec![iss, ("code", &"x".repeat(5000))],
            json!({}),
            "INVALID_IDP_RESPONSE : The code is malformed.",
        ),
    ] {
        let begun = house.begin("oidc.test", None).await;
        give(&issuer, &begun, |_| ());
        let (status, message) = house.come_back_with(&begun, &change, more).await.error();
        assert!(status == 400 && message.starts_with(expected), "{name}: {message}");
        assert_eq!(issuer.take_requests().len(), 0, "{name}: nobody has the code");
        let right = house.come_back(&begun, &[iss]).await;
        assert_eq!(right.status, StatusCode::OK, "{name}: what has not been redeemed can be: {}", right.text);
        issuer.take_requests();
    }
}

#[tokio::test]
async fn a_session_is_good_once_and_for_ten_minutes() {
    let issuer = Issuer::start().await;
    let house = House::with_code_flow(&issuer).await;
    let iss = [("iss", issuer.url.as_str())];
    let begun = house.begin("oidc.test", None).await;
    give(&issuer, &begun, |_| ());
    assert_eq!(house.come_back(&begun, &iss).await.status, StatusCode::OK);
    issuer.take_requests();
    for code in ["the code", "another"] {
        let got = house.come_back(&begun, &[iss[0], ("code", code)]).await;
        assert_eq!(got.error(), (400, "INVALID_IDP_RESPONSE : The session has been used.".to_owned()), "{code}");
    }
    assert_eq!(issuer.take_requests().len(), 0);

    let begun = house.begin("oidc.test", None).await;
    give(&issuer, &begun, |_| ());
    let many = futures_util::future::join_all((0..8).map(|_| house.come_back(&begun, &iss))).await;
    assert_eq!(many.iter().filter(|got| got.status == StatusCode::OK).count(), 1, "whoever is first");
    assert_eq!(issuer.take_requests().len(), 1);

    let [early, late] = [house.begin("oidc.test", None).await, house.begin("oidc.test", None).await];
    house.advance(599).await;
    give(&issuer, &early, |_| ());
    assert_eq!(house.come_back(&early, &iss).await.status, StatusCode::OK);
    house.advance(1).await;
    give(&issuer, &late, |_| ());
    let got = house.come_back(&late, &iss).await;
    assert_eq!(got.error(), (400, "INVALID_IDP_RESPONSE : The sign-in has taken too long.".to_owned()));
}

#[tokio::test]
async fn a_session_is_of_its_server_tenant_and_configuration() {
    let issuer = Issuer::start().await;
    let house = House::with_code_flow(&issuer).await;
    let iss = [("iss", issuer.url.as_str())];
    let unknown = (400, "INVALID_IDP_RESPONSE : The sessionId is not of a sign-in that has begun here.".to_owned());
    let begun = house.begin("oidc.test", None).await;
    let elsewhere = House::with_code_flow(&issuer).await;
    assert_eq!(elsewhere.come_back(&begun, &iss).await.error(), unknown, "another server");
    let tenant =
        house.privileged(None, |store, call, body| tenants::create(store, call, body), json!({})).await["tenantId"]
            .clone();
    let as_tenant = json!({"tenantId": tenant});
    assert_eq!(house.come_back_with(&begun, &iss, as_tenant).await.error(), unknown, "a tenant's");
    let changed = "INVALID_IDP_RESPONSE : The provider has been configured otherwise since the sign-in began.";
    let not_configured = "OPERATION_NOT_ALLOWED : The identity provider configuration is not found.";
    for (change, expected) in [
        (json!({"updateMask": "clientId", "clientId": "other"}), changed),
        (
            json!({"updateMask": "issuer,clientId", "issuer": "https://accounts.google.com", "clientId": CLIENT}),
            changed,
        ),
        (json!({"updateMask": "issuer,enabled", "issuer": issuer.url, "enabled": false}), not_configured),
    ] {
        house.change_oidc(change.clone()).await;
        assert_eq!(house.come_back(&begun, &iss).await.error(), (400, expected.to_owned()), "{change}");
    }
    assert_eq!(issuer.take_requests().len(), 0);
}

#[tokio::test]
async fn what_a_code_brings_is_not_believed_unseen() {
    let issuer = Issuer::start().await;
    let house = House::with_code_flow(&issuer).await;
    let now = MANUAL_START / 1000;
    let nonce = "MISSING_OR_INVALID_NONCE : The nonce in the ID token is not the SHA-256 hash";
    for (name, claim, value, expected) in [
        ("no nonce", "nonce", Value::Null, nonce),
        ("another sign-in's", "nonce", json!("0".repeat(64)), nonce),
        (
            "another app's",
            "aud",
            json!("other"),
            "INVALID_IDP_RESPONSE : The ID token has been issued for another app.",
        ),
        (
            "another issuer's",
            "iss",
            json!("https://accounts.google.com"),
            "INVALID_IDP_RESPONSE : The ID token has been issued by somebody else.",
        ),
        ("expired", "exp", json!(now), "INVALID_IDP_RESPONSE : The ID token has expired."),
        ("another token's", "at_hash", json!("x"), "INVALID_IDP_RESPONSE : The access token is not the ID token's."),
    ] {
        let begun = house.begin("oidc.test", None).await;
        give(&issuer, &begun, |claims| {
            if value.is_null() {
                claims.as_object_mut().unwrap().shift_remove(claim);
            } else {
                claims[claim] = value.clone();
            }
        });
        let (status, message) = house.come_back(&begun, &[("iss", &issuer.url)]).await.error();
        assert!(status == 400 && message.starts_with(expected), "{name}: {message}");
    }
    let begun = house.begin("oidc.test", None).await;
    let unsigned = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
        issuer.token(|_, claims| claims["nonce"] = begun.asks("nonce").into()).split('.').nth(1).unwrap()
    );
    issuer.answer("/token", Answer::Json(200, json!({"access_token": "at", "id_token": unsigned})));
    let got = house.come_back(&begun, &[("iss", &issuer.url)]).await;
    let algorithm = "INVALID_IDP_RESPONSE : The ID token has to be signed with RS256 or ES256.";
    assert_eq!(got.error(), (400, algorithm.to_owned()));
}

#[tokio::test]
async fn userinfo_fills_what_the_id_token_leaves_out() {
    let issuer = Issuer::start().await;
    let house = House::with_code_flow(&issuer).await;
    let profile =
        |subject: &str| json!({"sub": subject, "email": "u@example.org", "email_verified": true, "name": "U"});
    let others = "INVALID_IDP_RESPONSE : The provider's userinfo is another user's.";
    for (with_token, userinfo, expected) in [
        (true, Answer::Json(200, profile("7")), Ok("u@example.org")),
        (true, Answer::Json(200, profile("8")), Err((400, others))),
        (true, Answer::Json(200, json!({"email": "u@example.org"})), Err((400, others))),
        (true, Answer::Text(200, "no JSON"), Err((503, SILENT))),
        (false, Answer::Json(200, profile("7")), Ok("u@example.org")),
        (false, Answer::Json(401, json!({"error": "invalid_token"})), Err((503, SILENT))),
    ] {
        let begun = house.begin("oidc.test", None).await;
        give(&issuer, &begun, |claims| {
            claims.as_object_mut().unwrap().shift_remove("email");
        });
        if !with_token {
            issuer.answer("/token", Answer::Json(200, json!({"access_token": "at", "token_type": "Bearer"})));
        }
        issuer.answer("/userinfo", userinfo.clone());
        issuer.take_requests();
        let got = house.come_back(&begun, &[("iss", &issuer.url)]).await;
        match expected {
            Ok(email) => assert_eq!(got.text("email"), email, "{userinfo:?}"),
            Err((status, message)) => assert_eq!(got.error(), (status, message.to_owned()), "{userinfo:?}"),
        }
        assert_eq!(issuer.take_requests().last().unwrap().authorization, "Bearer at");
    }
    // Google gives an ID token, or is not Google.
    house.configure_known("google.com", json!({"issuer": issuer.url})).await;
    let begun = house.begin("google.com", None).await;
    issuer.answer("/token", Answer::Json(200, json!({"access_token": "at"})));
    let got = house.come_back(&begun, &[("iss", &issuer.url)]).await;
    assert_eq!(got.error(), (400, "INVALID_IDP_RESPONSE : The provider has given no ID token.".to_owned()));
}

#[tokio::test]
async fn a_token_endpoint_that_does_not_answer_rightly_is_told_of() {
    let issuer = Issuer::start().await;
    let house = House::with_code_flow(&issuer).await;
    let refused = |why: &str| format!("INVALID_IDP_RESPONSE : The provider refuses the code: {why}.");
    for (answer, status, expected) in [
        (Answer::Json(400, json!({"error": "invalid_grant"})), 400, refused("invalid_grant")),
        (Answer::Json(401, json!({"error": "invalid_client"})), 400, refused("invalid_client")),
        (Answer::Json(200, json!({"error": "<b>"})), 400, refused("it does not say why")),
        (Answer::Json(500, json!({"error": "server_error"})), 503, SILENT.to_owned()),
        (Answer::Json(200, json!([])), 503, SILENT.to_owned()),
        (Answer::Text(200, "access_token=at"), 503, SILENT.to_owned()),
        (Answer::Huge, 503, SILENT.to_owned()),
        (Answer::Redirect, 503, SILENT.to_owned()),
    ] {
        let begun = house.begin("oidc.test", None).await;
        issuer.answer("/token", answer.clone());
        let got = house.come_back(&begun, &[("iss", &issuer.url)]).await;
        assert_eq!(got.error(), (status, expected), "{answer:?}");
        assert!(!got.text.contains(SECRET) && house.come_back(&begun, &[("iss", &issuer.url)]).await.status != 200);
    }
}

#[tokio::test]
async fn a_token_endpoint_that_is_silent_holds_nobody_up_for_long() {
    let issuer = Issuer::start().await;
    let house = House::with_code_flow(&issuer).await;
    let begun = futures_util::future::join_all((0..20).map(|_| house.begin("oidc.test", None))).await;
    issuer.answer("/token", Answer::Silent);
    // From here on time passes as soon as nobody has anything to do.
    tokio::time::pause();
    let iss = [("iss", issuer.url.as_str())];
    let waiting = futures_util::future::join_all(begun.iter().map(|begun| house.come_back(begun, &iss)));
    for got in waiting.await {
        assert_eq!(got.error(), (503, SILENT.to_owned()));
    }
}

#[tokio::test]
async fn a_sign_in_begins_only_where_the_provider_can_be_asked() {
    let issuer = Issuer::start().await;
    for mood in [Mood::Down, Mood::LeadsAway, Mood::Pretends, Mood::Redirects] {
        let house = House::with_code_flow(&issuer).await;
        issuer.set(mood);
        let body = json!({"providerId": "oidc.test", "continueUri": BACK});
        assert_eq!(house.post("accounts:createAuthUri", body).await.status.as_u16(), 503, "{mood:?}");
        issuer.set(Mood::Good);
    }
}

#[tokio::test]
async fn the_pages_of_a_sign_in_lead_to_the_app_alone() {
    let house = House::self_host();
    let page =
        "/emulator/auth/handler?apiKey=k&appName=a&authType=signInViaRedirect&providerId=google.com&redirectUrl=";
    for (url, expected) in [
        ("http%3A%2F%2Flocalhost%3A3000%2Fapp%23here", 200),
        ("https%3A%2F%2Fevil.example%2F", 400),
        ("javascript%3Aalert(1)", 400),
        ("http%3A%2F%2Fevil.example%5C%40localhost%2F", 400),
        ("%09http%3A%2F%2Flocalhost%2F", 400),
        ("x", 400),
        ("", 200),
    ] {
        let got = house.get(&format!("{page}{url}")).await;
        assert_eq!(got.status.as_u16(), expected, "{url}");
        assert!(!got.text.contains("evil") && !got.text.contains("alert"), "{url}: {}", got.text);
    }
    for path in ["/emulator/auth/handler", "/__/auth/handler"] {
        let same = house.get(path).await;
        let told = house.get(&format!("{path}?code=%3Cscript%3E&state=x&error=%3Cb%3E")).await;
        assert_eq!(same.text, told.text, "{path}: nothing of the request is in it");
        let policy = same.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(
            (&same.headers["referrer-policy"], &same.headers["cache-control"]),
            (&"no-referrer".parse().unwrap(), &"no-store".parse().unwrap())
        );
    }
    for path in ["/emulator/auth/iframe", "/__/auth/iframe"] {
        let frame = house.get(path).await;
        let policy = frame.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'self' ") && policy.contains(" localhost:*"), "{policy}");
        assert!(!policy.contains(" *"), "{policy}");
    }
    assert_eq!(house.get("/__/auth/handler.js").await.headers["content-type"], "text/javascript; charset=utf-8");
}

#[tokio::test]
async fn a_providers_form_becomes_a_part_of_the_address_that_no_server_sees() {
    let house = House::self_host();
    let body = "code=a%26b&state=s&x=y&user=%7B%22name%22%3A1%7D&id_token=t%0D%0AX: y";
    let got = house.send(Request::post("/__/auth/handler"), body).await;
    assert_eq!(got.status.as_u16(), 303);
    assert_eq!(got.headers["location"], "/__/auth/handler#code=a%26b&state=s&user=%7B%22name%22%3A1%7D");
    assert_eq!(house.send(Request::post("/__/auth/handler"), "x".repeat(70_000)).await.status.as_u16(), 413);
    assert_eq!(House::emulator().send(Request::post("/__/auth/handler"), body).await.status.as_u16(), 404);
}

#[tokio::test]
async fn apple_asks_for_a_form_and_tells_a_name_once() {
    let issuer = Issuer::start().await;
    let house = House::self_host();
    house.configure_known("apple.com", json!({"issuer": issuer.url})).await;
    let begun = house.begin("apple.com", None).await;
    assert_eq!((begun.asks("response_mode"), begun.asks("scope")), ("form_post", "openid name email"));
    give(&issuer, &begun, |claims| {
        claims.as_object_mut().unwrap().shift_remove("name");
    });
    let user = r#"{"name":{"firstName":"Ada","lastName":"L"},"email":"else@example.org"}"#;
    let got = house.come_back(&begun, &[("iss", &issuer.url), ("user", user)]).await;
    assert_eq!((got.text("displayName"), got.text("email")), ("Ada L".to_owned(), "user@example.org".to_owned()));
}
