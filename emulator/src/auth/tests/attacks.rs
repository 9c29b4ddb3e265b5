//! What attackers do with tokens, tenants and other people's addresses (RFC 8725, OWASP), and that none of it works on a
//! server in earnest.

use super::admin::{Holder, exchange};
use super::self_host::server;
use super::*;
use crate::auth::service::Asked;
use crate::config::delivery::{EmailCarrier, WebhookSettings};
use crate::config::secret::Secret;
use hearth_auth::operations::{oob, sign_up, tenants};
use hearth_auth::store::Scope;
use jsonwebtoken::Algorithm;

const INVALID: &str = "INVALID_ID_TOKEN";

impl House {
    /// What an admin does, as the server itself.
    pub(super) async fn privileged(
        &self,
        tenant: Option<&str>,
        run: fn(
            &mut dyn hearth_auth::store::Store,
            &hearth_auth::operations::Call<'_>,
            Value,
        ) -> Result<hearth_auth::operations::Answer, hearth_auth::Error>,
        body: Value,
    ) -> Value {
        let scope = Scope { tenant: tenant.map(str::to_owned), ..Scope::project("demo") };
        let answer = self.service.write(Asked::itself(scope), move |store, call| run(store, call, body.clone()));
        Value::Object(answer.await.unwrap().body)
    }

    /// The code of an email, as an admin gets it.
    async fn emailed(&self, tenant: Option<&str>, request_type: &str, email: &str) -> Value {
        let body = json!({"requestType": request_type, "email": email, "returnOobLink": true});
        let answer = self.privileged(
            tenant,
            |store, call, body| oob::send(store, call, serde_json::from_value(body).unwrap()),
            body,
        );
        answer.await["oobCode"].clone()
    }

    /// A tenant where everything is allowed.
    async fn tenant(&self) -> String {
        let body = json!({
            "allowPasswordSignup": true, "enableEmailLinkSignin": true, "enableAnonymousUser": true,
            "mfaConfig": {"state": "ENABLED", "enabledProviders": ["PHONE_SMS"]},
        });
        let made = self.privileged(None, |store, call, body| tenants::create(store, call, body), body).await;
        made["tenantId"].as_str().unwrap().to_owned()
    }

    /// Nobody takes it for an ID token.
    async fn refuses(&self, name: &str, token: &str) {
        assert!(self.verify(token).await.is_err(), "{name}");
        for operation in ["accounts:lookup", "accounts:update", "accounts:delete"] {
            let got = self.post(operation, json!({"idToken": token})).await;
            assert_eq!(got.error(), (400, INVALID.to_owned()), "{name} {operation}");
        }
        for body in [
            json!({"requestType": "VERIFY_EMAIL", "idToken": token}),
            json!({"requestType": "VERIFY_AND_CHANGE_EMAIL", "idToken": token, "newEmail": "a@b"}),
        ] {
            assert_ne!(self.post("accounts:sendOobCode", body).await.status, StatusCode::OK, "{name}");
        }
        let bearer = Request::get(format!("{V1}/projects/demo/accounts:batchGet?key=k"));
        let got = self.send(bearer.header("authorization", format!("Bearer {token}")), Body::empty()).await;
        assert_eq!(got.status.as_u16(), 401, "{name} as an admin");
    }
}

#[tokio::test]
async fn no_header_chooses_the_key() {
    let server = server().await;
    let attackers = self::server().await.key();
    let public = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "RS256", "use": "sig", "kid": "evil"});
    let headers = [
        ("a path", json!({"kid": "../../../../../../dev/null"})),
        ("an absolute path", json!({"kid": "/dev/null"})),
        ("SQL", json!({"kid": "' OR '1'='1"})),
        ("more SQL", json!({"kid": "x' UNION SELECT pkcs1 FROM signing_key --"})),
        ("a command", json!({"kid": "|/usr/bin/id"})),
        ("a number", json!({"kid": 0})),
        ("a list", json!({"kid": []})),
        ("an unknown one", json!({"kid": "0".repeat(40)})),
        ("a long one", json!({"kid": "a".repeat(10_000)})),
        ("a key of the attacker's", json!({"jwk": public})),
        ("only a key of the attacker's", json!({"kid": null, "jwk": public})),
        ("a place of keys", json!({"jku": "http://127.0.0.1:1/jwks.json"})),
        ("only a place of keys", json!({"kid": null, "jku": "http://127.0.0.1:1/jwks.json"})),
        ("certificates", json!({"x5c": ["MIIB"], "x5t": "x"})),
        ("a place of certificates", json!({"x5u": "http://127.0.0.1:1/cert.pem"})),
    ];
    for (name, header) in headers {
        let change = |token: &mut Value, _: &mut Value| {
            for (field, value) in header.as_object().unwrap() {
                token[field] = value.clone();
            }
        };
        server.house.refuses(name, &server.forge(&attackers, Algorithm::RS256, change)).await;
        // Of our own tokens the same headers change nothing, as long as they name our key.
        let own = server.own(change);
        if header.get("kid").is_some() {
            server.house.refuses(name, &own).await;
        } else {
            assert_eq!(server.house.verify(&own).await, Ok(server.id.clone()), "{name}");
        }
    }
}

#[tokio::test]
async fn each_token_is_good_for_its_own_purpose_only() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::self_host();
    let holder = Holder::of(&house, &folder.path().join("key.json")).await;
    let access = exchange(&house, &holder.statement(|_, _| ())).await.text("access_token");
    let custom = holder.statement(|_, claims| {
        claims["aud"] =
            json!("https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit");
        claims["sub"] = claims["iss"].clone();
        claims["uid"] = json!("u");
    });
    let got = house.post("accounts:signInWithCustomToken", json!({"token": custom})).await;
    let (id_token, refresh) = (got.text("idToken"), got.text("refreshToken"));
    let request = Request::post(format!("{V1}/projects/demo:createSessionCookie"));
    let request = request.header("authorization", format!("Bearer {access}"));
    let cookie = house.send(request, json!({"idToken": id_token, "validDuration": "300"}).to_string()).await;
    let cookie = cookie.text("sessionCookie");
    assert_eq!(house.verify(&id_token).await, Ok("u".to_owned()));
    for (name, token) in [("custom", &custom), ("refresh", &refresh), ("session cookie", &cookie)] {
        house.refuses(name, token).await;
    }
    assert!(house.verify(&access).await.is_err());
    for (name, token) in [("ID", &id_token), ("custom", &custom), ("cookie", &cookie), ("access", &access)] {
        let got = house.post(TOKEN, json!({"grantType": "refresh_token", "refreshToken": token})).await;
        assert_eq!(got.error(), (400, "INVALID_REFRESH_TOKEN".to_owned()), "{name} as a refresh token");
    }
    for (name, token) in [("ID", &id_token), ("refresh", &refresh), ("cookie", &cookie), ("access", &access)] {
        let got = house.post("accounts:signInWithCustomToken", json!({"token": token})).await;
        let (status, message) = got.error();
        assert!(status == 400 && message.starts_with("INVALID_CUSTOM_TOKEN"), "{name}: {message}");
    }
    for (name, token) in [("ID", &id_token), ("refresh", &refresh), ("custom", &custom), ("cookie", &cookie)] {
        let request = Request::get(format!("{V1}/projects/demo/accounts:batchGet"));
        let got = house.send(request.header("authorization", format!("Bearer {token}")), Body::empty()).await;
        assert_eq!(got.status.as_u16(), 401, "{name} as an admin's");
        assert!(exchange(&house, token).await.json()["error"].is_string(), "{name} as a statement");
    }
}

#[tokio::test]
async fn a_new_password_ends_every_other_session() {
    let house = House::self_host();
    let got = house.post("accounts:signUp", json!({"email": "a@b", "password": "secret"})).await;
    let (token, refresh) = (got.text("idToken"), got.text("refreshToken"));
    house.advance(2).await;
    let code = house.emailed(None, "PASSWORD_RESET", "a@b").await;
    let reset = json!({"oobCode": code, "newPassword": "another"});
    assert_eq!(house.post("accounts:resetPassword", reset.clone()).await.status, StatusCode::OK);
    assert_eq!(house.verify(&token).await, Err(TokenRefused::Account));
    let got = house.post("accounts:lookup", json!({"idToken": token})).await;
    assert_eq!(got.error(), (400, "TOKEN_EXPIRED".to_owned()));
    let got = house.post(TOKEN, json!({"grantType": "refresh_token", "refreshToken": refresh})).await;
    assert_eq!(got.status.as_u16(), 400, "{}", got.text);
    assert_eq!(house.post("accounts:resetPassword", reset).await.error(), (400, "INVALID_OOB_CODE".to_owned()));
}

#[tokio::test]
async fn tenants_are_strangers_to_each_other() {
    let mut settings = AuthSettings::self_host();
    settings.delivery.texts = Some(WebhookSettings { url: "http://127.0.0.1:1/".to_owned(), secret: Secret::new("s") });
    let house = House::with(&Storage::memory(), settings);
    let [a, b] = [house.tenant().await, house.tenant().await];
    let in_a = json!({"email": "a@b", "password": "secret", "tenantId": a});
    let got = house.post("accounts:signUp", in_a.clone()).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text);
    let (id, token, refresh) = (got.text("localId"), got.text("idToken"), got.text("refreshToken"));
    let with = |tenant: Option<&str>, mut body: Value| {
        if let Some(tenant) = tenant {
            body["tenantId"] = json!(tenant);
        }
        body
    };
    let elsewhere = [Some(b.as_str()), None];
    // Its token is good there alone.
    for operation in ["accounts:lookup", "accounts:update", "accounts:delete"] {
        let got = house.post(operation, with(Some(&b), json!({"idToken": token}))).await;
        assert_eq!(got.error(), (400, "TENANT_ID_MISMATCH".to_owned()), "{operation}");
    }
    let got = house.post(TOKEN, json!({"grantType": "refresh_token", "refreshToken": refresh, "tenantId": b})).await;
    assert!(got.status != StatusCode::OK || got.text("user_id") == id, "never another tenant's: {}", got.text);
    for tenant in elsewhere {
        let body = with(tenant, json!({"email": "a@b", "password": "secret"}));
        let got = house.post("accounts:signInWithPassword", body).await;
        assert_eq!(got.error(), (400, "INVALID_LOGIN_CREDENTIALS".to_owned()), "{tenant:?}");
    }
    // An own token of b's, with the same address, doesn't reach a's account.
    let in_b = house.post("accounts:signUp", with(Some(&b), in_a.clone())).await;
    let got = house.post("accounts:lookup", with(Some(&b), json!({"idToken": in_b.text("idToken")}))).await;
    assert_ne!(got.json()["users"][0]["localId"], json!(id));
    // Codes.
    for (request_type, path, more) in [
        ("PASSWORD_RESET", "accounts:resetPassword", json!({"newPassword": "another"})),
        ("EMAIL_SIGNIN", "accounts:signInWithEmailLink", json!({"email": "a@b"})),
        ("VERIFY_EMAIL", "accounts:update", json!({})),
    ] {
        let code = house.emailed(Some(&a), request_type, "a@b").await;
        for tenant in elsewhere {
            let mut body = with(tenant, more.clone());
            body["oobCode"] = code.clone();
            let got = house.post(path, body).await;
            assert_eq!(got.error(), (400, "INVALID_OOB_CODE".to_owned()), "{request_type} {tenant:?}");
        }
    }
    // Between two factors.
    let factors = json!([{"phoneInfo": "+15555550100"}]);
    let body = json!({"email": "m@b", "password": "secret", "emailVerified": true, "mfaInfo": factors});
    let sign_up = |store: &mut dyn hearth_auth::store::Store, call: &hearth_auth::operations::Call<'_>, body: Value| {
        sign_up::sign_up(store, call, serde_json::from_value(body).unwrap())
    };
    house.privileged(Some(&a), sign_up, body).await;
    let first = json!({"email": "m@b", "password": "secret", "tenantId": a});
    let got = house.post("accounts:signInWithPassword", first).await;
    let (pending, factor) = (got.text("mfaPendingCredential"), got.json()["mfaInfo"][0]["mfaEnrollmentId"].clone());
    let start = "/identitytoolkit.googleapis.com/v2/accounts/mfaSignIn:start?key=k";
    for tenant in elsewhere {
        let body = json!({"mfaPendingCredential": pending, "mfaEnrollmentId": factor});
        let got = house.post(start, with(tenant, body)).await;
        assert_ne!(got.status, StatusCode::OK, "{tenant:?}: {}", got.text);
    }
    let body = json!({"mfaPendingCredential": pending, "mfaEnrollmentId": factor, "tenantId": a});
    assert_eq!(house.post(start, body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_server_links_nobody_by_what_a_client_says_of_a_provider() {
    let house = House::self_host();
    house.post("accounts:signUp", json!({"email": "victim@b", "password": "secret"})).await;
    let claims = r#"{"sub":"attacker","email":"victim@b","email_verified":true}"#;
    for provider in ["google.com", "apple.com", "facebook.com", "oidc.any", "saml.any"] {
        for idp in [format!("id_token={claims}"), format!("access_token={claims}")] {
            let body = json!({
                "requestUri": "http://localhost", "returnSecureToken": true,
                "postBody": format!("providerId={provider}&{idp}"),
            });
            let (status, message) = house.post("accounts:signInWithIdp", body).await.error();
            assert!(status == 400 && message.starts_with("OPERATION_NOT_ALLOWED"), "{provider}: {message}");
        }
    }
    let body = json!({"email": "victim@b", "password": "secret"});
    assert_eq!(
        house.post("accounts:signInWithPassword", body).await.status,
        StatusCode::OK,
        "its owner still comes in"
    );
}

/// The rules by which identities join accounts are the same in both modes; here they can be tried.
#[tokio::test]
async fn whoever_opened_an_account_with_anothers_address_loses_it_to_its_owner() {
    for (name, claims, joins) in [
        ("a verified address", r#"{"sub":"owner","email":"victim@b","email_verified":true}"#, true),
        ("an unverified address", r#"{"sub":"thief","email":"victim@b","email_verified":false}"#, false),
        ("an address of no standing", r#"{"sub":"thief","email":"victim@b"}"#, false),
    ] {
        let house = House::emulator();
        let got = house.post("accounts:signUp", json!({"email": "victim@b", "password": "planted"})).await;
        let (id, planted) = (got.text("localId"), got.text("idToken"));
        house.advance(2).await;
        let body = json!({
            "requestUri": "http://localhost", "returnSecureToken": true,
            "postBody": format!("providerId=google.com&id_token={claims}"),
        });
        let got = house.post("accounts:signInWithIdp", body).await;
        let sign_in = json!({"email": "victim@b", "password": "planted"});
        let by_password = house.post("accounts:signInWithPassword", sign_in).await;
        if joins {
            assert_eq!(got.text("localId"), id, "{name}");
            assert_eq!(by_password.error(), (400, "INVALID_PASSWORD".to_owned()), "{name}");
            assert_eq!(house.verify(&planted).await, Err(TokenRefused::Account), "{name}");
        } else {
            assert_eq!(
                (got.json()["needConfirmation"].clone(), got.json().get("idToken")),
                (json!(true), None),
                "{name}"
            );
            assert_eq!(by_password.status, StatusCode::OK, "{name}");
        }
    }
}

#[tokio::test]
async fn a_link_by_email_ends_a_planted_password() {
    let house = House::self_host();
    let got = house.post("accounts:signUp", json!({"email": "victim@b", "password": "planted"})).await;
    let (token, refresh) = (got.text("idToken"), got.text("refreshToken"));
    house.advance(2).await;
    let code = house.emailed(None, "EMAIL_SIGNIN", "victim@b").await;
    let got = house.post("accounts:signInWithEmailLink", json!({"email": "victim@b", "oobCode": code})).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text);
    let body = json!({"email": "victim@b", "password": "planted"});
    let again = house.post("accounts:signInWithPassword", body).await;
    assert_eq!(again.error(), (400, "INVALID_LOGIN_CREDENTIALS".to_owned()));
    assert_eq!(house.verify(&token).await, Err(TokenRefused::Account));
    let got = house.post(TOKEN, json!({"grantType": "refresh_token", "refreshToken": refresh})).await;
    assert_eq!(got.status.as_u16(), 400, "{}", got.text);
}

#[tokio::test]
async fn links_lead_where_the_admin_says_whatever_host_is_asked() {
    let mut settings = AuthSettings::self_host();
    settings.public_url = Some("https://auth.example.com".to_owned());
    settings.delivery.emails = Some(EmailCarrier::Webhook(WebhookSettings {
        url: "http://127.0.0.1:1/".to_owned(),
        secret: Secret::new("s"),
    }));
    let folder = tempfile::tempdir().unwrap();
    let house = House::with(&Storage::memory(), settings);
    let holder = Holder::of(&house, &folder.path().join("key.json")).await;
    let access = exchange(&house, &holder.statement(|_, _| ())).await.text("access_token");
    let request = Request::post(format!("{V1}/projects/demo/accounts:sendOobCode"))
        .header("authorization", format!("Bearer {access}"))
        .header("x-forwarded-host", "evil.example")
        .header("host", "evil.example");
    let body = json!({"requestType": "EMAIL_SIGNIN", "email": "a@b", "returnOobLink": true});
    let link = house.send(request, body.to_string()).await.text("oobLink");
    assert!(link.starts_with("https://auth.example.com/__/auth/action?"), "{link}");
}
