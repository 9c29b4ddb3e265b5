//! Who has a service-account key is an admin of a server in earnest, and nobody else.

use super::*;
use crate::auth::rsa;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::crypto::sign;
use jsonwebtoken::{Algorithm, EncodingKey};
use std::path::Path;

/// What an Admin SDK does with a key's file.
pub(super) struct Holder {
    email: String,
    id: String,
    key: EncodingKey,
}

impl Holder {
    pub(super) async fn of(house: &House, path: &Path) -> Self {
        house.service.issue_service_account_key("http://127.0.0.1:1/token", path).await.unwrap();
        let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let pem: String = file["private_key"].as_str().unwrap().lines().filter(|line| !line.contains('-')).collect();
        let pkcs8 = STANDARD.decode(pem).unwrap();
        let text = |name: &str| file[name].as_str().unwrap().to_owned();
        let key = EncodingKey::from_rsa_der(rsa::pkcs1(&pkcs8).unwrap());
        Self { email: text("client_email"), id: text("private_key_id"), key }
    }

    pub(super) fn statement(&self, change: impl FnOnce(&mut Value, &mut Value)) -> String {
        let mut header = json!({"alg": "RS256", "kid": self.id, "typ": "JWT"});
        let now = MANUAL_START / 1000;
        let mut claims = json!({
            "iss": self.email, "scope": "https://www.googleapis.com/auth/identitytoolkit",
            "aud": "https://oauth2.googleapis.com/token", "iat": now, "exp": now + 3600,
        });
        change(&mut header, &mut claims);
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", encode(&header), encode(&claims));
        format!("{input}.{}", sign(input.as_bytes(), &self.key, Algorithm::RS256).unwrap())
    }
}

pub(super) async fn exchange(house: &House, assertion: &str) -> Got {
    let form = format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}");
    let request = Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
    house.send(request, form).await
}

async fn list(house: &House, project: &str, token: &str) -> Got {
    let path = format!("{V1}/projects/{project}/accounts:batchGet");
    house.send(Request::get(path).header("authorization", format!("Bearer {token}")), Body::empty()).await
}

#[tokio::test]
async fn a_key_makes_an_admin_for_an_hour() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::self_host();
    let holder = Holder::of(&house, &folder.path().join("key.json")).await;
    let got = exchange(&house, &holder.statement(|_, _| ())).await;
    assert_eq!((got.status.as_u16(), got.json()["token_type"].as_str()), (200, Some("Bearer")), "{}", got.text);
    let token = got.text("access_token");
    let id = house.sign_up().await.text("localId");
    assert_eq!(list(&house, "demo", &token).await.json()["users"][0]["localId"], json!(id));
    assert_eq!(list(&house, "other", &token).await.error(), (400, "PROJECT_NOT_FOUND".to_owned()));
    let unnamed = holder.statement(|header, _| drop(header.as_object_mut().unwrap().remove("kid")));
    assert_eq!(exchange(&house, &unnamed).await.status.as_u16(), 200, "not every SDK names the key");
    let until = MANUAL_START + 3_600_000;
    assert_eq!(house.service.access_token(&token).await, Ok(until), "the other services know it, too");
    house.advance(3599).await;
    assert_eq!(list(&house, "demo", &token).await.status.as_u16(), 200);
    house.advance(1).await;
    assert_eq!(list(&house, "demo", &token).await.status.as_u16(), 401);
    assert_eq!(house.service.access_token(&token).await, Err(TokenRefused::Signature));
}

#[tokio::test]
async fn a_revoked_key_ends_its_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::self_host();
    let holder = Holder::of(&house, &folder.path().join("key.json")).await;
    let token = exchange(&house, &holder.statement(|_, _| ())).await.text("access_token");
    assert_eq!(house.service.service_account_keys().await, Ok(vec![(holder.id.clone(), MANUAL_START)]));
    assert_eq!(house.service.revoke_service_account_key("x".to_owned()).await, Ok(false));
    assert_eq!(house.service.revoke_service_account_key(holder.id.clone()).await, Ok(true));
    assert_eq!(list(&house, "demo", &token).await.status.as_u16(), 401);
    assert_eq!(exchange(&house, &holder.statement(|_, _| ())).await.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn statements_are_judged_strictly() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::self_host();
    let holder = Holder::of(&house, &folder.path().join("key.json")).await;
    let other = Holder::of(&House::self_host(), &folder.path().join("other.json")).await;
    let now = MANUAL_START / 1000;
    let statement = |change: &dyn Fn(&mut Value, &mut Value)| holder.statement(change);
    let (unsigned, _) = holder
        .statement(|header, _| header["alg"] = json!("none"))
        .rsplit_once('.')
        .map(|(signed, signature)| (format!("{signed}."), signature.to_owned()))
        .unwrap();
    for (name, assertion, error) in [
        ("none", String::new(), "invalid_request"),
        ("no token", "x".to_owned(), "invalid_grant"),
        ("unsigned", unsigned, "invalid_grant"),
        ("another server's key", other.statement(|_, _| ()), "invalid_grant"),
        ("another key's id", other.statement(|header, _| header["kid"] = json!(holder.id)), "invalid_grant"),
        ("a path for a key", statement(&|header, _| header["kid"] = json!("../../x' OR 1=1 --")), "invalid_grant"),
        ("no key", statement(&|header, _| header["kid"] = Value::Null), "invalid_grant"),
        (
            "another server's key, unnamed",
            other.statement(|header, _| drop(header.as_object_mut().unwrap().remove("kid"))),
            "invalid_grant",
        ),
        ("HS256", statement(&|header, _| header["alg"] = json!("HS256")), "invalid_grant"),
        ("somebody else", statement(&|_, claims| claims["iss"] = json!("x@y")), "invalid_grant"),
        ("for somebody else", statement(&|_, claims| claims["sub"] = json!("x@y")), "invalid_grant"),
        (
            "a custom token",
            statement(&|_, claims| {
                claims["aud"] = json!(hearth_auth::token::assertion::CUSTOM_TOKEN_AUDIENCE);
            }),
            "invalid_grant",
        ),
        (
            "expired",
            statement(&|_, claims| {
                claims["iat"] = json!(now - 3600);
                claims["exp"] = json!(now);
            }),
            "invalid_grant",
        ),
        ("from the future", statement(&|_, claims| claims["iat"] = json!(now + 61)), "invalid_grant"),
        ("for too long", statement(&|_, claims| claims["exp"] = json!(now + 3601)), "invalid_grant"),
    ] {
        let got = exchange(&house, &assertion).await;
        assert_eq!((got.status.as_u16(), got.json()["error"].as_str()), (400, Some(error)), "{name}: {}", got.text);
    }
    let got = house.send(Request::post("/token"), json!({"grant_type": "password"}).to_string()).await;
    assert_eq!((got.status.as_u16(), got.json()["error"].as_str()), (400, Some("unsupported_grant_type")));
    // What signs a statement is no access token itself, and neither is an ID token.
    let id_token = house.sign_up().await.text("idToken");
    for token in [holder.statement(|_, _| ()), id_token, "owner".to_owned(), "ya29.x".to_owned()] {
        assert_eq!(list(&house, "demo", &token).await.status.as_u16(), 401, "{token}");
    }
}

#[tokio::test]
async fn a_request_to_googles_name_arrives() {
    let house = House::self_host();
    let request = Request::post("/v1/accounts:signUp?key=k").header("host", "identitytoolkit.googleapis.com");
    assert_eq!(house.send(request, "{}").await.status.as_u16(), 200);
    let request = Request::post("/token").header("host", "oauth2.googleapis.com");
    assert_eq!(house.send(request, "{}").await.json()["error"], "invalid_request");
}

#[tokio::test]
async fn a_cookie_is_no_id_token_and_an_id_token_no_cookie() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::self_host();
    let holder = Holder::of(&house, &folder.path().join("key.json")).await;
    let admin = exchange(&house, &holder.statement(|_, _| ())).await.text("access_token");
    let got = house.sign_up().await;
    let token = got.text("idToken");
    let make = async |token: &str| {
        let request = Request::post(format!("{V1}/projects/demo:createSessionCookie"));
        let request = request.header("authorization", format!("Bearer {admin}"));
        house.send(request, json!({"idToken": token, "validDuration": "300"}).to_string()).await
    };
    let cookie = make(&token).await.text("sessionCookie");
    assert_eq!(house.verify(&cookie).await, Err(TokenRefused::Signature));
    let lookup = house.post("accounts:lookup", json!({"idToken": cookie})).await;
    assert_eq!(lookup.error(), (400, "INVALID_ID_TOKEN".to_owned()));
    assert_eq!(make(&cookie).await.error(), (400, "INVALID_ID_TOKEN".to_owned()), "no cookie from a cookie");
    // Whoever checks cookies does so by their own keys, which have not signed the ID token.
    let keys = house.send(Request::get("/identitytoolkit/v3/relyingparty/publicKeys"), Body::empty()).await.json();
    let kid = |token: &str| serde_json::from_str::<Value>(&part(token, 0)).unwrap()["kid"].as_str().unwrap().to_owned();
    assert!(keys.get(kid(&cookie)).is_some() && keys.get(kid(&token)).is_none());
    let claims: Value = serde_json::from_str(&part(&cookie, 1)).unwrap();
    assert_eq!(claims["iss"], "https://session.firebase.google.com/demo");
    // Without an admin there is no cookie.
    let got = house.post("projects/demo:createSessionCookie", json!({"idToken": token})).await;
    assert_eq!(got.status.as_u16(), 400);
}

#[tokio::test]
async fn passwords_from_firebase_sign_in_and_are_hashed_anew() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::self_host();
    let holder = Holder::of(&house, &folder.path().join("key.json")).await;
    let admin = exchange(&house, &holder.statement(|_, _| ())).await.text("access_token");
    let send = async |path: &str, body: Value| {
        let request = Request::post(format!("{V1}/projects/demo/{path}"));
        house.send(request.header("authorization", format!("Bearer {admin}")), body.to_string()).await
    };
    // Firebase's own example of its scrypt.
    let user = json!({
        "localId": "u", "email": "a@b", "salt": "42xEC-ixf3L2lw==",
        "passwordHash": "lSrfV15cpx95_sZS2W9c9Kp6i_LVgQNDNC_qzrCnh1SAyZvqmZqAjTdn3aoItz-VHjoZilo78198JAdRuid5lQ==",
    });
    let parameters = json!({
        "hashAlgorithm": "SCRYPT", "saltSeparator": "Bw==", "rounds": 8, "memoryCost": 14, "users": [user],
        "signerKey": "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
    });
    assert_eq!(
        send("accounts:batchCreate", json!({"users": parameters["users"]})).await.error(),
        (400, "MISSING_HASH_ALGORITHM".to_owned())
    );
    let got = send("accounts:batchCreate", parameters).await;
    assert_eq!(got.json()["error"], json!([]), "{}", got.text);
    let kept =
        async || send("accounts:lookup", json!({"localId": ["u"]})).await.json()["users"][0]["passwordHash"].clone();
    assert!(kept().await.as_str().unwrap().starts_with("$imported$"));
    let sign_in = async |password: &str| {
        house.post("accounts:signInWithPassword", json!({"email": "a@b", "password": password})).await
    };
    assert_eq!(sign_in("user2password").await.status.as_u16(), 400);
    let got = sign_in("user1password").await;
    assert_eq!(got.text("localId"), "u");
    assert!(kept().await.as_str().unwrap().starts_with("$argon2id$"), "hashed anew");
    assert_eq!(sign_in("user1password").await.text("localId"), "u");
    let user = house.post("accounts:lookup", json!({"idToken": got.text("idToken")})).await.json()["users"][0].clone();
    assert_eq!((user.get("passwordHash"), user.get("salt")), (None, None), "users do not see hashes");
}

#[tokio::test]
async fn only_the_holders_custom_tokens_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::self_host();
    let holder = Holder::of(&house, &folder.path().join("key.json")).await;
    let other = Holder::of(&House::self_host(), &folder.path().join("other.json")).await;
    let custom = |claims: &mut Value| {
        claims["aud"] = json!(hearth_auth::token::assertion::CUSTOM_TOKEN_AUDIENCE);
        claims["sub"] = claims["iss"].clone();
        claims["uid"] = json!("u");
    };
    let made = |holder: &Holder, change: &dyn Fn(&mut Value, &mut Value)| {
        holder.statement(|header, claims| {
            custom(claims);
            change(header, claims);
        })
    };
    let sign_in = async |token: &str| house.post("accounts:signInWithCustomToken", json!({"token": token})).await;
    let got = sign_in(&made(&holder, &|_, claims| claims["claims"] = json!({"role": "dj"}))).await;
    let token = got.text("idToken");
    assert_eq!(house.verify(&token).await, Ok("u".to_owned()));
    assert_eq!(serde_json::from_str::<Value>(&part(&token, 1)).unwrap()["role"], "dj");
    let now = MANUAL_START / 1000;
    let unsigned =
        format!("{}.", made(&holder, &|header, _| header["alg"] = json!("none")).rsplit_once('.').unwrap().0);
    for (name, token, starts) in [
        ("strict JSON", r#"{"uid":"u"}"#.to_owned(), "INVALID_CUSTOM_TOKEN"),
        ("unsigned", unsigned, "INVALID_CUSTOM_TOKEN"),
        ("another server's", made(&other, &|_, _| ()), "INVALID_CUSTOM_TOKEN"),
        ("for access", holder.statement(|_, claims| claims["uid"] = json!("u")), "INVALID_CUSTOM_TOKEN"),
        ("expired", made(&holder, &|_, claims| claims["exp"] = json!(now)), "INVALID_CUSTOM_TOKEN"),
        ("an ID token", token.clone(), "INVALID_CUSTOM_TOKEN"),
        ("nobody's", made(&holder, &|_, claims| claims["uid"] = json!("")), "MISSING_IDENTIFIER"),
        ("too long", made(&holder, &|_, claims| claims["uid"] = json!("u".repeat(129))), "MISSING_IDENTIFIER"),
        ("a tenant's", made(&holder, &|_, claims| claims["tenant_id"] = json!("t")), "TENANT_ID_MISMATCH"),
        ("reserved", made(&holder, &|_, claims| claims["claims"] = json!({"sub": "v"})), "FORBIDDEN_CLAIM"),
    ] {
        let (status, message) = sign_in(&token).await.error();
        assert!(status == 400 && message.starts_with(starts), "{name}: {status} {message}");
    }
    // Nor is a custom token an ID token.
    assert_eq!(house.verify(&made(&holder, &|_, _| ())).await, Err(TokenRefused::Signature));
}

#[tokio::test]
async fn nobody_learns_which_emails_have_an_account() {
    let house = House::self_host();
    let sign_up = json!({"email": "a@b", "password": "correct horse"});
    assert_eq!(house.post("accounts:signUp", sign_up).await.status.as_u16(), 200);
    for email in ["a@b", "x@y"] {
        let got = house.post("accounts:signInWithPassword", json!({"email": email, "password": "wrong!"})).await;
        assert_eq!(got.error(), (400, "INVALID_LOGIN_CREDENTIALS".to_owned()), "{email}");
        let asked = json!({"identifier": email, "continueUri": "http://localhost"});
        let got = house.post("accounts:createAuthUri", asked).await.json();
        let fields: Vec<_> = got.as_object().unwrap().keys().cloned().collect();
        assert_eq!(fields, ["kind", "sessionId"], "{email}");
    }
}
