//! Signing keys: published, changed in time, and what an emulator with `--signed-tokens` does.

use super::*;
use crate::auth::KeyRotation;
use jsonwebtoken::crypto::verify;
use jsonwebtoken::{Algorithm, DecodingKey};

const JWKS: &str = "/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com";
const X509: &str = "/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com";
const DAY: u64 = 24 * 3600;

async fn get(house: &House, path: &str) -> Got {
    let got = house.send(Request::get(path), Body::empty()).await;
    assert_eq!(got.status, StatusCode::OK, "{path}: {}", got.text);
    got
}

fn kid(token: &str) -> String {
    let header: Value = serde_json::from_str(&part(token, 0)).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

/// The ids of the published keys.
async fn published(house: &House) -> Vec<String> {
    let keys = get(house, JWKS).await.json();
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Whether a library that knows nothing but the published keys accepts the token.
async fn verifies(house: &House, path: &str, token: &str) -> bool {
    let keys = get(house, path).await.json();
    let Some(key) = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid(token)) else { return false };
    let key = DecodingKey::from_rsa_components(key["n"].as_str().unwrap(), key["e"].as_str().unwrap()).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    verify(signature, signed.as_bytes(), &key, Algorithm::RS256).unwrap()
}

fn turning(house: House) -> House {
    house.agenda.add(KeyRotation::new(Arc::clone(&house.service)));
    house
}

#[tokio::test]
async fn whoever_has_the_published_keys_can_verify() {
    let house = House::self_host();
    let token = house.sign_up().await.text("idToken");
    assert!(verifies(&house, JWKS, &token).await);
    assert!(verifies(&house, &format!("/www.googleapis.com{JWKS}"), &token).await);
    let got = get(&house, X509).await;
    assert_eq!(got.headers["cache-control"], "public, max-age=21600, must-revalidate, no-transform");
    let certificate = got.json()[kid(&token)].as_str().unwrap().to_owned();
    assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----\nMII"), "{certificate}");
    let cookies = get(&house, &format!("{V1}/sessionCookiePublicKeys")).await.json();
    assert_eq!(cookies["keys"].as_array().unwrap().len(), 1);
    assert_ne!(cookies["keys"][0]["kid"], kid(&token), "cookies have keys of their own");
    assert_eq!(
        get(&House::emulator(), JWKS).await.json(),
        json!({"keys": []}),
        "nothing is signed, so there is no key"
    );
}

#[tokio::test]
async fn keys_change_without_anybody_noticing() {
    let house = turning(House::self_host());
    let first = house.sign_up().await.text("idToken");
    assert_eq!(published(&house).await, [kid(&first)]);
    // The new key is published a day before it signs.
    house.advance(14 * DAY).await;
    let both = published(&house).await;
    assert_eq!((both.len(), &both[0]), (2, &kid(&first)));
    house.advance(DAY - 1).await;
    let last = house.sign_up().await.text("idToken");
    assert_eq!(kid(&last), both[0]);
    house.advance(1).await;
    let next = house.sign_up().await.text("idToken");
    assert_eq!(kid(&next), both[1]);
    // The old one verifies until its last token is dead, and is forgotten then.
    assert!(house.verify(&last).await.is_ok() && verifies(&house, JWKS, &last).await);
    house.advance(3598).await;
    assert!(house.verify(&last).await.is_ok());
    house.advance(1).await;
    assert_eq!(house.verify(&last).await, Err(TokenRefused::Expired));
    house.advance(3601).await;
    assert_eq!(published(&house).await, [kid(&next)]);
    assert_eq!(house.verify(&first).await, Err(TokenRefused::Signature));
}

#[tokio::test]
async fn keys_survive_a_restart_and_idle_ones_stay() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::directory(folder.path(), crate::storage::Durability::Process).unwrap();
    let house = turning(House::open(&storage, false));
    let token = house.sign_up().await.text("idToken");
    house.advance(15 * DAY).await;
    let before = published(&house).await;
    assert_eq!(before.len(), 2);
    // Nobody signs in for a century; no keys are made for nobody.
    house.advance(36_500 * DAY).await;
    let idle = published(&house).await;
    assert_eq!(idle, before[1..]);
    house.service.close().await;
    let again = House::open(&storage, false);
    assert_eq!(published(&again).await[0], idle[0]);
    assert!(!verifies(&again, JWKS, &token).await);
}

#[tokio::test]
async fn an_emulator_can_sign() {
    let house = House::with(&Storage::memory(), AuthSettings { unsigned_tokens: false, ..AuthSettings::emulator() });
    let got = house.sign_up().await;
    let token = got.text("idToken");
    assert!(verifies(&house, JWKS, &token).await);
    assert_eq!(house.verify(&token).await, Ok(got.text("localId")));
    let claims: Value = serde_json::from_str(&part(&token, 1)).unwrap();
    let unsigned = hearth_auth::token::Tokens::Unsigned.encode(claims.as_object().unwrap()).unwrap();
    assert_eq!(house.verify(&unsigned).await, Err(TokenRefused::Signature));
    let refreshed = house.post(TOKEN, json!({"grantType": "refresh_token", "refreshToken": got.text("refreshToken")}));
    assert!(verifies(&house, JWKS, &refreshed.await.text("id_token")).await);
    // It is an emulator all the same.
    assert_eq!(house.admin("GET", "projects/demo/accounts:batchGet", json!({})).await.status, StatusCode::OK);
    let got = house.send(Request::delete("/emulator/v1/projects/demo/accounts"), Body::empty()).await;
    assert_eq!(got.status, StatusCode::OK);
    assert_eq!(house.verify(&token).await, Err(TokenRefused::Account));
}
