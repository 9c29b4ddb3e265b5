//! A server's passkeys, from start to finish, and what of it is refused.

use super::super::tests::House;
use super::super::{lookup, oob, sign_in_email_link, sign_up, tenants, update};
use super::*;
use crate::account::iso;
use crate::code::UsedChallenge;
use crate::errand::Errand;
use crate::passkey::testing::{Authenticator, Manner, ORIGIN, RP_ID};
use crate::passkey::{Refused, RelyingParty};
use crate::store::Scope;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

const MINUTE: u64 = 60_000;

fn house() -> House {
    let mut house = House::self_host();
    house.relying_party = Some(RelyingParty::new(RP_ID, &[ORIGIN.to_owned()]).unwrap());
    house
}

type Done = Result<Answer, Error>;

fn start_enrollment_of(house: &mut House, token: &str) -> Result<Value, Error> {
    let run = |store: &mut dyn Store, call: &Call<'_>, request| start_enrollment(store, call, request);
    Ok(house.call(false, run, json!({"idToken": token}))?.body["credentialCreationOptions"].clone())
}

fn start(house: &mut House) -> Result<Value, Error> {
    let run = |store: &mut dyn Store, call: &Call<'_>, request| start_sign_in(store, call, request);
    Ok(house.call(false, run, json!({}))?.body["credentialRequestOptions"].clone())
}

fn challenge(options: &Value) -> &str {
    options["challenge"].as_str().unwrap()
}

fn finish_enrollment(house: &mut House, token: &str, response: Value) -> Done {
    let body = json!({"idToken": token, "authenticatorRegistrationResponse": response, "name": "Key"});
    house.call(false, finalize_enrollment, body)
}

fn finish(house: &mut House, response: Value) -> Done {
    house.call(false, finalize_sign_in, json!({"authenticatorAuthenticationResponse": response}))
}

/// Enrols a passkey for the holder of the token.
fn enroll(house: &mut House, token: &str, authenticator: &Authenticator) -> Done {
    let options = start_enrollment_of(house, token)?;
    let response = authenticator.registration(challenge(&options), &Manner::default());
    finish_enrollment(house, token, response)
}

/// Signs in; whom.
fn show(house: &mut House, authenticator: &Authenticator, manner: &Manner) -> Result<String, Error> {
    let options = start(house)?;
    let answer = finish(house, authenticator.assertion(challenge(&options), manner))?;
    Ok(answer.body["localId"].as_str().unwrap().to_owned())
}

fn refused(why: Refused) -> Error {
    Error::InvalidAuthenticatorResponse(why)
}

#[test]
fn a_passkey_opens_its_account() {
    let mut house = house();
    let (id, token) = house.sign_up();
    let authenticator = Authenticator::new(b"\xfb\xff one");
    let options = start_enrollment_of(&mut house, &token).unwrap();
    let rp = json!({"name": RP_ID, "id": RP_ID});
    assert_eq!((&options["rp"], &options["attestation"]), (&rp, &json!("none")));
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(options["pubKeyCredParams"].as_array().unwrap().len(), 3);
    for text in [&options["challenge"], &options["user"]["id"]] {
        let text = text.as_str().unwrap();
        assert_eq!(STANDARD.decode(text).unwrap(), URL_SAFE_NO_PAD.decode(text).unwrap(), "in both alphabets");
    }
    let handle = STANDARD.decode(options["user"]["id"].as_str().unwrap()).unwrap();
    assert_eq!(handle.len(), 48);

    let response = authenticator.registration(challenge(&options), &Manner::default());
    let answer = finish_enrollment(&mut house, &token, response).unwrap();
    assert_eq!(answer.body["localId"], id);
    assert_eq!(answer.id_token.unwrap().claims["firebase"]["sign_in_provider"], "passkey");
    let account = house.account(&id);
    assert!(!account.is_anonymous(), "it is somebody's now");
    let shown = json!([{"credentialId": "-_8gb25l", "name": "Key"}]);
    assert_eq!(serde_json::to_value(&account.passkey_info).unwrap(), shown);

    house.now += 1000;
    let with = |user_handle| Manner { user_handle, ..Manner::default() };
    assert_eq!(show(&mut house, &authenticator, &with(None)), Ok(id.clone()));
    assert_eq!(show(&mut house, &authenticator, &with(Some(handle))), Ok(id.clone()));
    assert_eq!(show(&mut house, &authenticator, &with(Some(b"x".to_vec()))), Err(refused(Refused::UserHandle)));
    assert_eq!(house.account(&id).last_login_at, Some(house.now.to_string()));
    assert_eq!(house.account(&id).last_refresh_at, Some(iso(house.now)));
    let again = start_enrollment_of(&mut house, &token).unwrap();
    assert_eq!(again["excludeCredentials"], json!([{"type": "public-key", "id": "-_8gb25l"}]));
    assert_eq!(again["user"]["id"], options["user"]["id"]);
}

#[test]
fn the_forms_of_both_sdks_and_api_will_do() {
    let mut house = house();
    let (id, token) = house.sign_up();
    let authenticator = Authenticator::new(b"\xfb\xff\xfe\xfd");
    let base64 = |bytes: Vec<u8>| STANDARD.encode(bytes);
    let options = start_enrollment_of(&mut house, &token).unwrap();
    let (client_data, object) = authenticator.make(challenge(&options), &Manner::default());
    let response = json!({
        "credentialId": STANDARD.encode(&authenticator.id), "credentialType": "public-key",
        "authenticatorAttestationResponse": {
            "clientDataJson": base64(client_data), "attestationObject": base64(object), "transports": ["internal"],
        },
    });
    finish_enrollment(&mut house, &token, response).unwrap();
    let options = start(&mut house).unwrap();
    assert_eq!((&options["rpId"], &options["userVerification"]), (&json!(RP_ID), &json!("required")));
    let (client_data, data, signature) = authenticator.show(challenge(&options), &Manner::default());
    let response = json!({
        "credentialId": STANDARD.encode(&authenticator.id),
        "authenticatorAssertionResponse": {
            "clientDataJson": base64(client_data), "authenticatorData": base64(data), "signature": base64(signature),
        },
    });
    assert_eq!(finish(&mut house, response).unwrap().body["localId"], id);
}

#[test]
fn a_sign_in_is_as_it_was_asked_for() {
    let mut house = house();
    let (id, token) = house.sign_up();
    let (authenticator, other) = (Authenticator::new(b"one"), Authenticator::new(b"two"));
    enroll(&mut house, &token, &authenticator).unwrap();
    let second = house.sign_up().1;
    enroll(&mut house, &second, &other).unwrap();
    let with = |change: &dyn Fn(&mut Manner)| {
        let mut manner = Manner { sign_count: 5, ..Manner::default() };
        change(&mut manner);
        manner
    };
    type Change = fn(&mut Value, &Authenticator);
    let as_it_is: Change = |_, _| ();
    for (name, manner, change, expected) in [
        ("another origin", with(&|m| m.origin = "https://example.com".to_owned()), as_it_is, Refused::Origin),
        ("another relying party", with(&|m| m.rp_id = "app.example.com".to_owned()), as_it_is, Refused::RelyingParty),
        ("making one", with(&|m| m.ceremony = Some("webauthn.create".to_owned())), as_it_is, Refused::Ceremony),
        ("inside another page", with(&|m| m.cross_origin = true), as_it_is, Refused::CrossOrigin),
        ("nobody there", with(&|m| m.flags = 0b100), as_it_is, Refused::NotPresent),
        ("whoever was there", with(&|m| m.flags = 0b1), as_it_is, Refused::NotVerified),
        ("something after it", with(&|m| m.trailing = vec![0]), as_it_is, Refused::AuthenticatorData),
        ("much after it", with(&|m| m.trailing = vec![0; 1 << 20]), as_it_is, Refused::TooLong),
        (
            "another's passkey",
            with(&|_| ()),
            |response, other| {
                response["id"] = other.name().into();
                response["rawId"] = other.name().into();
            },
            Refused::Signature,
        ),
        (
            "an altered signature",
            with(&|_| ()),
            |response, _| {
                let mut signature =
                    URL_SAFE_NO_PAD.decode(response["response"]["signature"].as_str().unwrap()).unwrap();
                *signature.last_mut().unwrap() ^= 1;
                response["response"]["signature"] = URL_SAFE_NO_PAD.encode(signature).into();
            },
            Refused::Signature,
        ),
        ("no signature", with(&|_| ()), |r, _| r["response"]["signature"] = "".into(), Refused::Signature),
        (
            "without a signature",
            with(&|_| ()),
            |r, _| drop(r["response"].as_object_mut().unwrap().remove("signature")),
            Refused::Missing("signature"),
        ),
        ("no data", with(&|_| ()), |r, _| r["response"]["authenticatorData"] = "".into(), Refused::AuthenticatorData),
        (
            "no base64",
            with(&|_| ()),
            |r, _| r["response"]["clientDataJSON"] = "{}".into(),
            Refused::Missing("clientDataJSON"),
        ),
        ("no JSON", with(&|_| ()), |r, _| r["response"]["clientDataJSON"] = "AAAA".into(), Refused::ClientData),
        ("nothing", with(&|_| ()), |r, _| r["response"] = json!({}), Refused::Missing("clientDataJSON")),
    ] {
        let options = start(&mut house).unwrap();
        let mut response = authenticator.assertion(challenge(&options), &manner);
        change(&mut response, &other);
        assert_eq!(finish(&mut house, response).map(drop), Err(refused(expected)), "{name}");
    }
    // None of this has made it useless.
    assert_eq!(show(&mut house, &authenticator, &with(&|_| ())), Ok(id));
    assert_eq!(show(&mut house, &authenticator, &with(&|_| ())), Err(refused(Refused::Counter)), "it has not gone on");
    assert_eq!(show(&mut house, &authenticator, &with(&|m| m.sign_count = 4)), Err(refused(Refused::Counter)));
    assert!(show(&mut house, &authenticator, &with(&|m| m.sign_count = 6)).is_ok());
    for (body, expected) in [
        (json!({}), Error::MissingAuthenticatorResponse),
        (json!({"authenticatorAuthenticationResponse": {}}), Error::InvalidCredentialId),
        (json!({"authenticatorAuthenticationResponse": {"id": "a credential"}}), Error::InvalidCredentialId),
        (json!({"authenticatorAuthenticationResponse": {"id": "AAAA"}}), Error::PasskeyNotFound),
    ] {
        assert_eq!(house.call(false, finalize_sign_in, body), Err(expected));
    }
}

#[test]
fn a_challenge_is_answered_once_in_time_by_whom_it_is_for() {
    let mut house = house();
    let ((_, token), (_, other)) = (house.sign_up(), house.sign_up());
    let authenticator = Authenticator::new(b"one");
    let manner = Manner::default();
    let options = start_enrollment_of(&mut house, &token).unwrap();
    let response = authenticator.registration(challenge(&options), &manner);
    for (name, token, response, expected) in [
        ("another user", &other, response.clone(), refused(Refused::Challenge)),
        (
            "of a sign-in",
            &token,
            {
                let options = start(&mut house).unwrap();
                authenticator.registration(challenge(&options), &manner)
            },
            refused(Refused::Challenge),
        ),
        (
            "made up",
            &token,
            authenticator.registration(&STANDARD.encode([b'a'; 120]), &manner),
            refused(Refused::Challenge),
        ),
        ("empty", &token, authenticator.registration("", &manner), refused(Refused::Challenge)),
    ] {
        assert_eq!(finish_enrollment(&mut house, token, response), Err(expected), "{name}");
    }
    house.now += 5 * MINUTE;
    let late = finish_enrollment(&mut house, &token, response.clone());
    assert_eq!(late, Err(Error::PasskeyChallengeTimeout));
    house.now -= 1;
    finish_enrollment(&mut house, &token, response.clone()).unwrap();
    assert_eq!(finish_enrollment(&mut house, &token, response.clone()), Err(Error::CredentialAlreadyInUse));
    let delete = json!({"idToken": token, "deletePasskey": [authenticator.name()]});
    house.call(false, update::update, delete).unwrap();
    assert_eq!(finish_enrollment(&mut house, &token, response), Err(refused(Refused::Used)), "though it is gone");
    enroll(&mut house, &token, &authenticator).unwrap();

    let options = start(&mut house).unwrap();
    let response = authenticator.assertion(challenge(&options), &manner);
    finish(&mut house, response.clone()).unwrap();
    assert_eq!(finish(&mut house, response.clone()), Err(refused(Refused::Used)));
    house.now += 5 * MINUTE;
    assert_eq!(finish(&mut house, response), Err(Error::PasskeyChallengeTimeout));
    let enrolling = start_enrollment_of(&mut house, &token).unwrap();
    let response = authenticator.assertion(challenge(&enrolling), &manner);
    assert_eq!(finish(&mut house, response), Err(refused(Refused::Challenge)), "of an enrollment");
    house.now += 5 * MINUTE;
    show(&mut house, &authenticator, &manner).unwrap();
    let used = crate::code::list::<UsedChallenge>(&house.store, &house.scope).unwrap();
    assert_eq!(used.len(), 1, "those that are past their time are forgotten");
}

#[test]
fn a_passkey_is_somebodys_and_nobody_elses() {
    let mut house = house();
    let ((id, token), (_, other)) = (house.sign_up(), house.sign_up());
    let authenticator = Authenticator::new(b"one");
    enroll(&mut house, &token, &authenticator).unwrap();
    for token in [&token, &other] {
        assert_eq!(enroll(&mut house, token, &authenticator), Err(Error::CredentialAlreadyInUse));
    }
    // Whoever names another's passkey has to have it.
    let options = start_enrollment_of(&mut house, &other).unwrap();
    let mut response = Authenticator::new(b"two").registration(challenge(&options), &Manner::default());
    response["id"] = URL_SAFE_NO_PAD.encode(b"three").into();
    assert_eq!(finish_enrollment(&mut house, &other, response.clone()), Err(Error::InvalidCredentialId));
    response["rawId"] = response["id"].clone();
    assert_eq!(finish_enrollment(&mut house, &other, response), Err(refused(Refused::CredentialId)));
    // In another tenant it is nobody's.
    let tenant = house.call(true, tenants::create, json!({"enableAnonymousUser": true})).unwrap();
    house.scope.tenant = Some(tenant.body["tenantId"].as_str().unwrap().to_owned());
    assert_eq!(show(&mut house, &authenticator, &Manner::default()), Err(Error::PasskeyNotFound));
    house.scope = Scope::project("demo");
    let options = start(&mut house).unwrap();
    let response = authenticator.assertion(challenge(&options), &Manner::default());
    house.scope.tenant = Some("t".to_owned());
    assert_eq!(finish(&mut house, response.clone()), Err(Error::PasskeyNotFound));
    house.scope.tenant = None;
    finish(&mut house, response).unwrap();

    house.call(true, update::update, json!({"localId": id, "disableUser": true})).unwrap();
    assert_eq!(show(&mut house, &authenticator, &Manner::default()), Err(Error::UserDisabled));
    assert_eq!(enroll(&mut house, &token, &Authenticator::new(b"two")), Err(Error::UserDisabled));
    house.call(true, update::update, json!({"localId": id, "disableUser": false})).unwrap();
    let delete = json!({"localId": id, "deletePasskey": [STANDARD.encode(b"one")]});
    house.call(true, update::update, delete).unwrap();
    assert_eq!(show(&mut house, &authenticator, &Manner::default()), Err(Error::PasskeyNotFound), "removed");
    enroll(&mut house, &other, &authenticator).unwrap();
}

#[test]
fn an_account_has_so_many() {
    let mut house = house();
    let token = house.sign_up().1;
    for number in 0..20 {
        enroll(&mut house, &token, &Authenticator::new(&[number])).unwrap();
    }
    assert_eq!(start_enrollment_of(&mut house, &token), Err(Error::PasskeyLimitExceeded));
}

#[test]
fn whoever_shows_that_the_email_is_theirs_closes_other_ways_in() {
    type Show = fn(&mut House, Value);
    let by_link: Show = |house, code| {
        let body = json!({"email": "v@example.com", "oobCode": code});
        house.call(false, sign_in_email_link::sign_in, body).unwrap();
    };
    let by_reset: Show = |house, code| {
        house.call(false, oob::reset_password, json!({"oobCode": code, "newPassword": "secret"})).unwrap();
    };
    for (kind, show_email) in [("EMAIL_SIGNIN", by_link), ("PASSWORD_RESET", by_reset)] {
        let mut house = house();
        house.call(true, sign_up::sign_up, json!({"localId": "v", "email": "v@example.com"})).unwrap();
        let token = house.forge(json!({"user_id": "v", "iat": house.now / 1000, "firebase": {}}));
        let authenticator = Authenticator::new(b"one");
        enroll(&mut house, &token, &authenticator).unwrap();
        let ask = json!({"requestType": kind, "email": "v@example.com", "returnOobLink": true});
        let code = house.call(true, oob::send, ask).unwrap().body["oobCode"].clone();
        show_email(&mut house, code);
        assert_eq!(show(&mut house, &authenticator, &Manner::default()), Err(Error::PasskeyNotFound), "{kind}");
    }
}

#[test]
fn functions_are_asked_before_somebody_comes_in() {
    let mut house = house();
    let token = house.sign_up().1;
    let authenticator = Authenticator::new(b"one");
    enroll(&mut house, &token, &authenticator).unwrap();
    let triggers = json!({"beforeSignIn": {"functionUri": "http://127.0.0.1:1"}});
    house.call(true, super::super::config::update_all, json!({"blockingFunctions": {"triggers": triggers}})).unwrap();
    let Err(Error::Errands(errands)) = show(&mut house, &authenticator, &Manner::default()) else { panic!("nobody") };
    let [Errand::Ask(question)] = &errands[..] else { panic!("{errands:?}") };
    let body: Value = serde_json::from_str(&question.body).unwrap();
    let claims = body["data"]["jwt"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!((&claims["event_type"], &claims["sign_in_method"]), (&json!("beforeSignIn"), &json!("passkey")));
}

#[test]
fn without_a_domain_there_are_none() {
    let mut house = House::self_host();
    let token = house.sign_up().1;
    let find = |store: &mut dyn Store, call: &Call<'_>, request| lookup::lookup(store, call, request);
    assert!(house.call(false, find, json!({"idToken": token})).is_ok());
    for result in [
        start_enrollment_of(&mut house, &token).map(drop),
        start(&mut house).map(drop),
        finish_enrollment(&mut house, &token, json!({})).map(drop),
        finish(&mut house, json!({})).map(drop),
    ] {
        assert_eq!(result, Err(Error::PasskeysNotEnabled));
    }
}

#[test]
fn admins_settle_the_domain() {
    let mut house = house();
    let get = |house: &mut House, privileged| {
        let run = |store: &mut dyn Store, call: &Call<'_>, request| config::get(store, call, request);
        house.call(privileged, run, json!({})).map(|answer| Value::Object(answer.body))
    };
    let set = |house: &mut House, body: Value| {
        house.call(true, config::update, body).map(|answer| Value::Object(answer.body))
    };
    let mask = "rpId,expectedOrigins";
    let own = json!({"name": "projects/demo/passkeyConfig", "rpId": RP_ID, "expectedOrigins": [ORIGIN]});
    assert_eq!(get(&mut house, true), Ok(own.clone()));
    assert_eq!(set(&mut house, json!({"rpId": "a.b"})), Ok(own.clone()), "no mask, no change");
    let other = json!({"updateMask": mask, "rpId": "localhost", "expectedOrigins": ["http://localhost:1/"]});
    let settled = json!({
        "name": "projects/demo/passkeyConfig", "rpId": "localhost", "expectedOrigins": ["http://localhost:1"],
    });
    assert_eq!(set(&mut house, other), Ok(settled));
    assert_eq!(start(&mut house).unwrap()["rpId"], "localhost");
    for (change, why) in [
        (json!({"updateMask": mask, "rpId": "https://a.b"}), "rpId has to be a domain"),
        (json!({"updateMask": "rpId"}), "rpId has to be a domain"),
        (json!({"updateMask": mask, "rpId": "a.b", "expectedOrigins": ["a.b"]}), "expectedOrigins are such as"),
    ] {
        let Err(Error::InvalidConfig(message)) = set(&mut house, change.clone()) else { panic!("{change}") };
        assert!(message.starts_with(why), "{message}");
    }
    // A tenant has the project's, until it has its own.
    house.scope.tenant = Some("t".to_owned());
    assert_eq!(start(&mut house).unwrap()["rpId"], "localhost");
    let change = json!({"updateMask": "rpId", "rpId": "t.example"});
    let settled = json!({
        "name": "projects/demo/tenants/t/passkeyConfig", "rpId": "t.example",
        "expectedOrigins": ["https://t.example"],
    });
    assert_eq!(set(&mut house, change), Ok(settled));
    house.scope.tenant = None;
    assert_eq!(start(&mut house).unwrap()["rpId"], "localhost");
    assert_eq!(set(&mut house, json!({"updateMask": mask})), Ok(own), "and the server's own again");
    assert_eq!(get(&mut house, false), Err(Error::InsufficientPermission));
    assert_eq!(house.call(false, config::update, json!({})), Err(Error::InsufficientPermission));
}
