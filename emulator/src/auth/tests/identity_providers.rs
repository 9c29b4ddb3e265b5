//! Sign-in by an identity provider's ID token on a server in earnest: what is believed, and above all what is not.

use super::issuer::{CLIENT, Issuer, Mood};
use super::self_host::server;
use super::*;
use hearth_auth::idp_config::{DefaultSupportedIdpConfig, OauthIdpConfig};
use hearth_auth::operations::{idp_configs, sign_up};
use jsonwebtoken::{Algorithm, EncodingKey};
use sha2::{Digest, Sha256};

const NOT_CONFIGURED: &str = "OPERATION_NOT_ALLOWED : The identity provider configuration is not found.";
const UNAVAILABLE: &str = "UNAVAILABLE : The identity provider cannot be asked for its keys. Try again later.";

impl House {
    /// One that knows the issuer as `oidc.test`.
    async fn with_provider(issuer: &Issuer) -> Self {
        let house = Self::self_host();
        house.configure(json!({"issuer": issuer.url, "clientId": CLIENT, "enabled": true})).await;
        house
    }

    async fn configure(&self, mut config: Value) {
        config["oauthIdpConfigId"] = "oidc.test".into();
        self.privileged(None, |store, call, body| idp_configs::create::<OauthIdpConfig>(store, call, body), config)
            .await;
    }

    async fn sign_in_with(&self, provider: &str, credential: &str) -> Got {
        let post_body = format!("providerId={provider}&{credential}");
        self.post("accounts:signInWithIdp", json!({"requestUri": "http://localhost", "postBody": post_body})).await
    }

    async fn sign_in_by(&self, token: &str) -> Got {
        self.sign_in_with("oidc.test", &format!("id_token={token}")).await
    }
}

#[tokio::test]
async fn a_providers_word_opens_an_account_and_opens_it_again() {
    let issuer = Issuer::start().await;
    let house = House::with_provider(&issuer).await;
    let first = house.sign_in_by(&issuer.token(|_, _| ())).await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.text);
    let told = first.json();
    assert_eq!((&told["isNewUser"], &told["email"]), (&json!(true), &json!("user@example.org")));
    assert_eq!((&told["emailVerified"], told.get("oauthAccessToken")), (&json!(true), None));
    assert_eq!(house.verify(&first.text("idToken")).await, Ok(first.text("localId")));
    let again = house.sign_in_by(&issuer.token_of_the_curve()).await;
    assert_eq!(again.text("localId"), first.text("localId"), "{}", again.text);
    assert_eq!(issuer.asked(), 1, "the keys are kept");
    let claims: Value = serde_json::from_str(&part(&again.text("idToken"), 1)).unwrap();
    assert_eq!(claims["firebase"]["sign_in_provider"], "oidc.test");
    assert_eq!(claims["firebase"]["identities"]["oidc.test"], json!(["7"]));
}

#[tokio::test]
async fn forged_tokens_open_nothing() {
    let issuer = Issuer::start().await;
    let house = House::with_provider(&issuer).await;
    let attacker = server().await;
    let now = MANUAL_START / 1000;
    let set = |field: &'static str, value: Value| move |_: &mut Value, claims: &mut Value| claims[field] = value;
    let own = |field: &'static str, value: Value| issuer.token(set(field, value));
    let rs256 = |change: &dyn Fn(&mut Value, &mut Value)| issuer.forged(&attacker.key(), Algorithm::RS256, change);
    let genuine = issuer.token(|_, _| ());
    let public_key = |set: &Value| URL_SAFE_NO_PAD.decode(set["keys"][0]["n"].as_str().unwrap()).unwrap();
    let path = "/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com";
    let published = issuer.server.house.send(Request::get(path), Body::empty()).await.json();
    let as_secret = |header: &mut Value, _: &mut Value| header["alg"] = "HS256".into();
    let hs256 = |secret: &[u8]| issuer.forged(&EncodingKey::from_secret(secret), Algorithm::HS256, as_secret);
    let (signed, signature) = genuine.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let other_claims = format!("{header}.{}.{signature}", own("sub", json!("8")).split('.').nth(1).unwrap());
    let unsigned = |algorithm: &str| {
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": algorithm}).to_string());
        format!("{header}.{}.", genuine.split('.').nth(1).unwrap())
    };
    let signer = "INVALID_IDP_RESPONSE : None of the provider's keys has signed the ID token.";
    let algorithm = "INVALID_IDP_RESPONSE : The ID token has to be signed with RS256 or ES256.";
    let somebody_else = "INVALID_IDP_RESPONSE : The ID token has been issued by somebody else.";
    let other_app = "INVALID_IDP_RESPONSE : The ID token has been issued for another app.";
    let malformed = "INVALID_IDP_RESPONSE : The ID token is malformed.";
    let unknown_key = issuer.token(|header, _| header["kid"] = "unknown".into());
    let evil = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "evil"});
    for (name, token, expected) in [
        ("another issuer", own("iss", json!("https://accounts.google.com")), somebody_else),
        ("the server itself", issuer.server.token.clone(), somebody_else),
        ("another app", own("aud", json!("other")), other_app),
        ("other apps as well", own("aud", json!([CLIENT, "other"])), other_app),
        ("expired", own("exp", json!(now)), "INVALID_IDP_RESPONSE : The ID token has expired."),
        ("from the future", own("iat", json!(now + 61)), "INVALID_IDP_RESPONSE : The ID token is not valid yet."),
        ("nobody", own("sub", json!("")), malformed),
        ("a number", own("sub", json!(7)), malformed),
        ("no token", "x".to_owned(), malformed),
        ("an emulator's", r#"{"sub":"7","email":"a@b"}"#.to_owned(), malformed),
        ("unsigned", unsigned("none"), algorithm),
        ("unsigned in capitals", unsigned("NONE"), algorithm),
        ("without its signature", format!("{signed}."), signer),
        ("another's signature", format!("{signed}.{}", rs256(&|_, _| ()).rsplit_once('.').unwrap().1), signer),
        ("other claims", other_claims, signer),
        ("signed by another", rs256(&|_, _| ()), signer),
        ("a key of the attacker's", rs256(&|header, _| header["jwk"] = evil.clone()), signer),
        ("a place of keys", rs256(&|header, _| header["jku"] = "http://127.0.0.1:1/keys".into()), signer),
        ("the public key as a secret", hs256(&public_key(&published)), algorithm),
        ("the key set as a secret", hs256(published.to_string().as_bytes()), algorithm),
        ("an unknown key", unknown_key, signer),
        ("the other kind of key", issuer.token(|header, _| header["kid"] = "curve-1_a".into()), signer),
    ] {
        let got = house.sign_in_by(&token).await;
        assert_eq!(got.error(), (400, expected.to_owned()), "{name}");
    }
    assert_eq!(house.sign_in_by(&genuine).await.status, StatusCode::OK, "what has not been forged");
}

#[tokio::test]
async fn a_token_is_bound_to_its_sign_in() {
    let issuer = Issuer::start().await;
    let house = House::with_provider(&issuer).await;
    let hash: String = Sha256::digest("raw").iter().map(|byte| format!("{byte:02x}")).collect();
    let bound = issuer.token(|_, claims| claims["nonce"] = hash.clone().into());
    let missing = "MISSING_OR_INVALID_NONCE : Nonce is missing in the request.";
    let other = "MISSING_OR_INVALID_NONCE : The nonce in the ID token is not the SHA-256 hash, in hexadecimal, of the \
                 nonce in the request.";
    for (token, nonce, expected) in [
        (&bound, "", missing),
        (&bound, "&nonce=other", other),
        (&bound, &format!("&nonce={hash}"), other),
        (&issuer.token(|_, _| ()), "&nonce=raw", other),
    ] {
        let got = house.sign_in_with("oidc.test", &format!("id_token={token}{nonce}")).await;
        assert_eq!(got.error(), (400, expected.to_owned()), "{nonce}");
    }
    let got = house.sign_in_with("oidc.test", &format!("id_token={bound}&nonce=raw")).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text);
}

#[tokio::test]
async fn only_providers_that_are_configured_count() {
    let issuer = Issuer::start().await;
    let house = House::self_host();
    let token = issuer.token(|_, _| ());
    assert_eq!(house.sign_in_by(&token).await.error(), (400, NOT_CONFIGURED.to_owned()));
    house.configure(json!({"issuer": issuer.url, "clientId": CLIENT})).await;
    assert_eq!(house.sign_in_by(&token).await.error(), (400, NOT_CONFIGURED.to_owned()), "not enabled");
    let google = json!({"idpId": "google.com", "clientId": "web", "additionalClientIds": [CLIENT], "enabled": true});
    let create = |store: &mut dyn hearth_auth::store::Store, call: &hearth_auth::operations::Call<'_>, body: Value| {
        idp_configs::create::<DefaultSupportedIdpConfig>(store, call, body)
    };
    house.privileged(None, create, google).await;
    let saml = "OPERATION_NOT_ALLOWED : This server does not sign in by SAML.";
    let others = "OPERATION_NOT_ALLOWED : This server signs in by google.com, apple.com, microsoft.com, github.com, \
                  facebook.com and OpenID Connect providers (oidc.*) only.";
    let no_token = "OPERATION_NOT_ALLOWED : This server accepts this provider's ID tokens, and codes of sign-ins that it \
                    has begun; an access token alone proves nothing.";
    let no_session = "INVALID_IDP_RESPONSE : A code counts only with the sessionId of accounts:createAuthUri.";
    let somebody_else = "INVALID_IDP_RESPONSE : The ID token has been issued by somebody else.";
    let id_token = format!("id_token={token}");
    for (provider, credential, expected) in [
        ("google.com", id_token.as_str(), somebody_else),
        ("google.com", "access_token=x", no_token),
        ("google.com", "code=x", no_session),
        ("github.com", "code=x", no_session),
        ("apple.com", &id_token, NOT_CONFIGURED),
        ("oidc.other", &id_token, NOT_CONFIGURED),
        ("example.org", &id_token, NOT_CONFIGURED),
        ("github.com", "access_token=x", NOT_CONFIGURED),
        ("facebook.com", &id_token, NOT_CONFIGURED),
        ("twitter.com", "access_token=x", others),
        ("saml.test", "SAMLResponse=x", saml),
    ] {
        let got = house.sign_in_with(provider, credential).await;
        assert_eq!(got.error(), (400, expected.to_owned()), "{provider} {credential}");
    }
    assert_eq!(issuer.asked(), 0, "nobody has to be asked for that");
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_rightly_is_told_of() {
    let issuer = Issuer::start().await;
    for mood in [Mood::Down, Mood::Huge, Mood::LeadsAway, Mood::Pretends, Mood::Redirects, Mood::Keyless] {
        let house = House::with_provider(&issuer).await;
        issuer.set(mood);
        let token = issuer.token(|_, _| ());
        assert_eq!(house.sign_in_by(&token).await.error(), (503, UNAVAILABLE.to_owned()), "{mood:?}");
        issuer.set(Mood::Good);
        assert_eq!(house.sign_in_by(&token).await.error(), (503, UNAVAILABLE.to_owned()), "{mood:?}: left alone");
        house.advance(10).await;
        assert_eq!(house.sign_in_by(&token).await.status, StatusCode::OK, "{mood:?}: asked again");
    }
}

#[tokio::test]
async fn an_issuer_that_is_silent_holds_nobody_up_for_long() {
    let issuer = Issuer::start().await;
    let house = House::with_provider(&issuer).await;
    issuer.set(Mood::Silent);
    let token = issuer.token(|_, _| ());
    // From here on time passes as soon as nobody has anything to do.
    tokio::time::pause();
    let waiting = futures_util::future::join_all((0..20).map(|_| house.sign_in_by(&token)));
    for got in waiting.await {
        assert_eq!(got.error(), (503, UNAVAILABLE.to_owned()));
    }
}

#[tokio::test]
async fn strangers_cannot_have_an_issuer_asked_often() {
    let issuer = Issuer::start().await;
    let house = House::with_provider(&issuer).await;
    let unknown = async |number: usize| {
        let token = issuer.token(|header, _| header["kid"] = format!("k{number}").into());
        house.sign_in_by(&token).await.status
    };
    for number in 0..50 {
        assert_eq!(unknown(number).await, StatusCode::BAD_REQUEST);
    }
    assert_eq!(issuer.asked(), 1);
    house.advance(30).await;
    for number in 0..50 {
        assert_eq!(unknown(number).await, StatusCode::BAD_REQUEST);
    }
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn keys_change_with_their_issuer() {
    let issuer = Issuer::start().await;
    let house = House::with_provider(&issuer).await;
    let old = issuer.token(|_, _| ());
    assert_eq!(house.sign_in_by(&old).await.status, StatusCode::OK);
    let path = "/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com";
    let other = server().await;
    issuer.set_keys(other.house.send(Request::get(path), Body::empty()).await.json());
    house.advance(30).await;
    let kid: Value = serde_json::from_str(&part(&other.token, 0)).unwrap();
    let new = issuer.forged(&other.key(), Algorithm::RS256, |header, _| header["kid"] = kid["kid"].clone());
    assert_eq!(house.sign_in_by(&new).await.status, StatusCode::OK, "a new key is asked for");
    assert_eq!(house.sign_in_by(&old).await.status, StatusCode::BAD_REQUEST, "the old one is gone");
}

#[tokio::test]
async fn an_email_that_is_not_verified_takes_nobodys_account() {
    let issuer = Issuer::start().await;
    for (word, joins) in [
        (json!(true), true),
        (json!("true"), true),
        (json!(false), false),
        (json!("yes"), false),
        (json!(1), false),
        (Value::Null, false),
    ] {
        let house = House::with_provider(&issuer).await;
        let known =
            json!({"localId": "owner", "email": "user@example.org", "password": "secret", "emailVerified": true});
        let create =
            |store: &mut dyn hearth_auth::store::Store, call: &hearth_auth::operations::Call<'_>, body: Value| {
                sign_up::sign_up(store, call, serde_json::from_value(body).unwrap())
            };
        house.privileged(None, create, known).await;
        let got = house.sign_in_by(&issuer.token(|_, claims| claims["email_verified"] = word.clone())).await.json();
        assert_eq!(got.get("idToken").is_some(), joins, "{word}");
        assert_eq!(got.get("needConfirmation").is_some(), !joins, "{word}");
    }
}

#[tokio::test]
async fn a_tenants_providers_are_its_own() {
    let issuer = Issuer::start().await;
    let house = House::with_provider(&issuer).await;
    let tenant = house
        .privileged(None, |store, call, body| hearth_auth::operations::tenants::create(store, call, body), json!({}))
        .await;
    let post_body = format!("providerId=oidc.test&id_token={}", issuer.token(|_, _| ()));
    let body = json!({"requestUri": "http://localhost", "postBody": post_body, "tenantId": tenant["tenantId"]});
    let got = house.post("accounts:signInWithIdp", body).await;
    assert_eq!(got.error(), (400, NOT_CONFIGURED.to_owned()));
}

#[tokio::test]
async fn a_providers_identity_is_linked_and_blocked_as_any() {
    let issuer = Issuer::start().await;
    let house = House::with_provider(&issuer).await;
    let anonymous = house.sign_up().await;
    let link = async |id_token: &str| {
        let post_body = format!("providerId=oidc.test&id_token={}", issuer.token(|_, _| ()));
        let body = json!({"requestUri": "http://localhost", "postBody": post_body, "idToken": id_token});
        house.post("accounts:signInWithIdp", body).await
    };
    assert_eq!(link(&anonymous.text("idToken")).await.text("localId"), anonymous.text("localId"));
    let other = house.sign_up().await.text("idToken");
    assert_eq!(link(&other).await.error(), (400, "FEDERATED_USER_ID_ALREADY_LINKED".to_owned()));
}
