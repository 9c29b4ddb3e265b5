//! Passkeys of a server over HTTP: from the first request to the second sign-in, and that they outlive the process.

use super::*;
use crate::server::client_address::of_peer;
use crate::storage::Durability;
use authenticator::{Authenticator, Manner, ORIGIN, RP_ID};
use hearth_auth::operations::guard::Limits;
use hearth_auth::passkey::RelyingParty;
use hearth_auth::throttle::Limit;

/// The authenticator in software of the core's own tests.
#[path = "../../../core/auth/src/passkey/testing.rs"]
mod authenticator;

const CONFIG: &str = "/identitytoolkit.googleapis.com/v2/projects/demo/passkeyConfig";

fn settings() -> AuthSettings {
    let relying_party = RelyingParty::new(RP_ID, &[ORIGIN.to_owned()]).unwrap();
    AuthSettings { passkeys: Some(relying_party), ..AuthSettings::self_host() }
}

async fn post(house: &House, path: &str, body: Value) -> Got {
    house.post(&format!("/identitytoolkit.googleapis.com/v2/accounts/{path}?key=k"), body).await
}

async fn challenge(house: &House, path: &str, body: Value) -> String {
    let got = post(house, path, body).await.json();
    let options = got.get("credentialCreationOptions").or(got.get("credentialRequestOptions"));
    options.unwrap_or_else(|| panic!("{got}"))["challenge"].as_str().unwrap().to_owned()
}

async fn enroll(house: &House, token: &str, authenticator: &Authenticator) -> Got {
    let challenge = challenge(house, "passkeyEnrollment:start", json!({"idToken": token})).await;
    let response = authenticator.registration(&challenge, &Manner::default());
    let body = json!({"idToken": token, "authenticatorRegistrationResponse": response, "name": "Key"});
    post(house, "passkeyEnrollment:finalize", body).await
}

async fn show(house: &House, authenticator: &Authenticator, manner: &Manner) -> Got {
    let challenge = challenge(house, "passkeySignIn:start", json!({})).await;
    let response = authenticator.assertion(&challenge, manner);
    post(house, "passkeySignIn:finalize", json!({"authenticatorAuthenticationResponse": response})).await
}

#[tokio::test]
async fn a_passkey_opens_its_account_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let open = || House::with(&Storage::directory(folder.path(), Durability::Process).unwrap(), settings());
    let house = open();
    let user = house.sign_up().await;
    let (id, token) = (user.text("localId"), user.text("idToken"));
    let authenticator = Authenticator::new(b"one");
    let got = enroll(&house, &token, &authenticator).await;
    assert_eq!((got.text("localId"), got.text("expiresIn").as_str()), (id.clone(), "3600"));
    assert_eq!(house.verify(&got.text("idToken")).await, Ok(id.clone()));
    let counted = |sign_count| Manner { sign_count, ..Manner::default() };
    assert_eq!(show(&house, &authenticator, &counted(1)).await.text("localId"), id);
    let early = challenge(&house, "passkeySignIn:start", json!({})).await;
    house.service.close().await;
    drop(house);

    let house = open();
    let body = json!({"authenticatorAuthenticationResponse": authenticator.assertion(&early, &counted(2))});
    let got = post(&house, "passkeySignIn:finalize", body.clone()).await;
    assert!(part(&got.text("idToken"), 1).contains(r#""sign_in_provider":"passkey""#));
    assert_eq!(got.text("localId"), id, "a challenge outlives the process");
    let again = post(&house, "passkeySignIn:finalize", body).await;
    let error = |why: &str| (400, format!("INVALID_AUTHENTICATOR_RESPONSE : {why}"));
    assert_eq!(again.error(), error("The signature counter went back"));
    // A new sign-in revokes nothing, and an update of the account keeps its passkeys.
    let update = json!({"idToken": got.text("idToken"), "displayName": "Ada"});
    assert_eq!(house.post("accounts:update", update).await.status, StatusCode::OK);
    let found = house.post("accounts:lookup", json!({"idToken": token})).await.json()["users"][0].clone();
    assert_eq!(found["passkeyInfo"], json!([{"credentialId": authenticator.name(), "name": "Key"}]));
    assert_eq!(show(&house, &authenticator, &counted(2)).await.error(), error("The signature counter went back"));
    assert_eq!(show(&house, &authenticator, &counted(3)).await.text("localId"), id);
    let delete = json!({"idToken": token, "deletePasskey": [authenticator.name()]});
    assert_eq!(house.post("accounts:update", delete).await.status, StatusCode::OK);
    let gone = show(&house, &authenticator, &counted(4)).await;
    assert_eq!(gone.error(), (400, "PASSKEY_CREDENTIAL_NOT_FOUND".to_owned()));
    assert_eq!(enroll(&house, &token, &authenticator).await.status, StatusCode::OK);
    assert_eq!(show(&house, &authenticator, &counted(0)).await.text("localId"), id, "it begins anew");
}

#[tokio::test]
async fn whoever_shows_too_many_wrong_ones_is_sent_away() {
    let mut settings = settings();
    settings.limits = Limits { address_codes: Some(Limit(2)), ..Limits::NONE };
    let house = House::with(&Storage::memory(), settings);
    let user = house.sign_up().await;
    let (authenticator, other) = (Authenticator::new(b"one"), Authenticator::new(b"one"));
    enroll(&house, &user.text("idToken"), &authenticator).await;
    let from = async |address: &str, by: &Authenticator| {
        of_peer(address.parse().unwrap(), show(&house, by, &Manner::default())).await
    };
    for _ in 0..3 {
        assert_eq!(from("192.0.2.1", &authenticator).await.status, StatusCode::OK, "right ones cost nothing");
    }
    for _ in 0..2 {
        let why = "INVALID_AUTHENTICATOR_RESPONSE : The signature does not verify";
        assert_eq!(from("192.0.2.1", &other).await.error(), (400, why.to_owned()));
    }
    let too_many = (400, "TOO_MANY_ATTEMPTS_TRY_LATER".to_owned());
    assert_eq!(from("192.0.2.1", &authenticator).await.error(), too_many);
    assert_eq!(from("198.51.100.7", &authenticator).await.status, StatusCode::OK, "nobody else");
}

#[tokio::test]
async fn without_a_domain_passkeys_are_refused_and_the_setting_is_named() {
    let house = House::self_host();
    for path in
        ["passkeyEnrollment:start", "passkeyEnrollment:finalize", "passkeySignIn:start", "passkeySignIn:finalize"]
    {
        let (status, message) = post(&house, path, json!({})).await.error();
        assert!(status == 400 && message.starts_with("PASSKEY_NOT_ENABLED : "), "{path}: {message}");
        assert!(message.contains("auth.passkeys.rpId"), "{message}");
    }
    let (status, message) = house.send(Request::get(format!("{CONFIG}?key=k")), Body::empty()).await.error();
    assert!(status == 400 && message.starts_with("INSUFFICIENT_PERMISSION"), "{message}");
    let emulator = House::emulator();
    assert_eq!(emulator.admin("GET", CONFIG, json!({})).await.status.as_u16(), 501);
}
