//! Passkeys as a server has them: what an authenticator says is verified as WebAuthn has it. Must not know: bytes.
//!
//! Whoever shows a passkey has it, and has been verified by it (a finger, a face, a PIN): no second factor is asked for,
//! and the API has no place where it could be.

use super::super::blocking::Told;
use super::super::entry::{Passed, let_in};
use super::super::{Answer, Call, given, sign_in, signed_in};
use super::response::canonical;
use super::{PASSKEY, Request, Response, TIMEOUT, UNNAMED, config};
use crate::account::{Account, Passkey};
use crate::code::{self, Code, UsedChallenge};
use crate::errors::Error;
use crate::passkey::challenge::{LIFETIME, Purpose};
use crate::passkey::{ALGORITHMS, Assertion, Expected, Refused, Registration, authenticate, register};
use crate::store::{Accounts, Scope, Store};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// The most passkeys of an account.
const MOST: usize = 20;
/// Characters of a user handle.
const HANDLE: usize = 48;

pub(super) fn start_enrollment(
    store: &(impl Accounts + ?Sized),
    call: &Call<'_>,
    request: Request,
) -> Result<Answer, Error> {
    let relying_party = config::relying_party(store, call)?;
    let id_token = given(&request.id_token).ok_or(Error::MissingIdToken)?;
    let (account, _) = signed_in(store, call, id_token)?;
    has_room(&account)?;
    let purpose = Purpose::Enrollment(&account.local_id);
    let algorithms = ALGORITHMS.map(|algorithm| json!({"type": "public-key", "alg": algorithm}));
    // So that no authenticator makes a second one.
    let known: Vec<Value> = account
        .passkey_info
        .iter()
        .flatten()
        // An emulator's may have any name.
        .filter(|passkey| canonical(&passkey.credential_id).as_ref() == Some(&passkey.credential_id))
        .map(|passkey| json!({"type": "public-key", "id": passkey.credential_id}))
        .collect();
    let name = account.email.as_deref().or(account.phone_number.as_deref()).or(account.display_name.as_deref());
    let options = json!({
        "rp": {"name": relying_party.id(), "id": relying_party.id()},
        "user": {
            "id": STANDARD.encode(user_handle(call.scope, &account.local_id)),
            "name": name.unwrap_or("user"),
            "displayName": account.display_name.as_deref().or(name).unwrap_or("User"),
        },
        "challenge": call.passkeys.challenges.issue(call.scope, purpose, call.now, call.entropy),
        "pubKeyCredParams": algorithms,
        "timeout": TIMEOUT,
        "excludeCredentials": known,
        "authenticatorSelection": {
            "residentKey": "required", "requireResidentKey": true, "userVerification": "required",
        },
        "attestation": "none",
    });
    Ok(Answer::default().with("credentialCreationOptions", options))
}

pub(super) fn finalize_enrollment(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let relying_party = config::relying_party(store, call)?;
    let id_token = given(&request.id_token).ok_or(Error::MissingIdToken)?;
    let response = request.authenticator_registration_response.ok_or(Error::MissingAuthenticatorResponse)?;
    let (mut account, _) = signed_in(store, call, id_token)?;
    has_room(&account)?;
    let credential_id = response.credential_id()?;
    let local_id = account.local_id.clone();
    let is_challenge = |challenge: &[u8]| {
        call.passkeys.challenges.check(call.scope, Purpose::Enrollment(&local_id), challenge, call.now)
    };
    let expected = Expected { relying_party: &relying_party, is_challenge: &is_challenge };
    let (client_data, attestation_object) = (response.client_data()?, response.part("attestationObject")?);
    let said = Registration { client_data: &client_data, attestation_object: &attestation_object };
    let registered = register(expected, said)?;
    if URL_SAFE_NO_PAD.encode(&registered.id) != credential_id {
        return Err(Refused::CredentialId.into());
    }
    if store.by_passkey(call.scope, &credential_id)?.is_some() {
        return Err(Error::CredentialAlreadyInUse);
    }
    use_up(store, call, &registered.challenge)?;
    let name = given(&request.name).or(given(&request.display_name)).unwrap_or(UNNAMED).to_owned();
    let passkey = Passkey { credential_id: credential_id.clone(), name: Some(name) };
    account.passkey_info.get_or_insert_default().push(passkey);
    let tokens = sign_in(store, call, &mut account, PASSKEY, Map::new(), None)?;
    store.put_passkey(call.scope, &credential_id, &registered.credential)?;
    Ok(Answer::default().with("localId", account.local_id).with_tokens(Some(tokens)))
}

/// Costs nothing but a hash: no address is counted for it.
pub(super) fn start_sign_in(store: &(impl Accounts + ?Sized), call: &Call<'_>) -> Result<Answer, Error> {
    let relying_party = config::relying_party(store, call)?;
    let options = json!({
        "challenge": call.passkeys.challenges.issue(call.scope, Purpose::SignIn, call.now, call.entropy),
        "rpId": relying_party.id(),
        "timeout": TIMEOUT,
        "userVerification": "required",
    });
    Ok(Answer::default().with("credentialRequestOptions", options))
}

pub(super) fn finalize_sign_in(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let relying_party = config::relying_party(store, call)?;
    let response = request.authenticator_authentication_response.ok_or(Error::MissingAuthenticatorResponse)?;
    let credential_id = response.credential_id()?;
    let mut account = store.by_passkey(call.scope, &credential_id)?.ok_or(Error::PasskeyNotFound)?;
    let kept = store.passkey(call.scope, &credential_id)?.ok_or(Error::PasskeyNotFound)?;
    let is_challenge =
        |challenge: &[u8]| call.passkeys.challenges.check(call.scope, Purpose::SignIn, challenge, call.now);
    let expected = Expected { relying_party: &relying_party, is_challenge: &is_challenge };
    let shown = authenticate(expected, &kept, said(&response)?.as_assertion())?;
    if response.user_handle()?.is_some_and(|handle| handle != user_handle(call.scope, &account.local_id).as_bytes()) {
        return Err(Refused::UserHandle.into());
    }
    use_up(store, call, &shown.challenge)?;
    if account.disabled == Some(true) {
        return Err(Error::UserDisabled);
    }
    let told = Some(Told { method: PASSKEY.to_owned(), ..Told::default() });
    let passed = Passed { provider: PASSKEY, claims: Map::new(), factor: None, told };
    let tokens = let_in(store, call, &mut account, passed)?;
    store.put_passkey(call.scope, &credential_id, &shown.credential)?;
    Ok(Answer::default().with("localId", account.local_id).with_tokens(Some(tokens)))
}

/// The parts of an answer, decoded.
struct Said {
    client_data: Vec<u8>,
    authenticator_data: Vec<u8>,
    signature: Vec<u8>,
}

fn said(response: &Response) -> Result<Said, Refused> {
    Ok(Said {
        client_data: response.client_data()?,
        authenticator_data: response.part("authenticatorData")?,
        signature: response.part("signature")?,
    })
}

impl Said {
    fn as_assertion(&self) -> Assertion<'_> {
        let Self { client_data, authenticator_data, signature } = self;
        Assertion { client_data, authenticator_data, signature }
    }
}

fn has_room(account: &Account) -> Result<(), Error> {
    match account.passkey_info.as_ref().is_some_and(|passkeys| passkeys.len() >= MOST) {
        true => Err(Error::PasskeyLimitExceeded),
        false => Ok(()),
    }
}

/// Keeps that the challenge has been answered; those that are past their time are forgotten.
fn use_up(store: &mut dyn Store, call: &Call<'_>, challenge: &[u8]) -> Result<(), Error> {
    // It has been found to be one of ours: text.
    let used = UsedChallenge { challenge: String::from_utf8_lossy(challenge).into_owned() };
    if code::find::<UsedChallenge>(store, call.scope, used.key())?.is_some() {
        return Err(Refused::Used.into());
    }
    store.delete_codes_of(call.scope, UsedChallenge::KIND, call.now.saturating_sub(LIFETIME))?;
    Ok(code::keep(store, call.scope, used, call.now, true)?)
}

/// What authenticators call the account: always the same, at most 64 bytes whatever its id is, and nothing that says who
/// it is (WebAuthn, section 14.6.1). Like challenges it reads alike in both alphabets of base64.
fn user_handle(scope: &Scope, local_id: &str) -> String {
    let tenant = scope.tenant.as_deref().unwrap_or_default();
    let mut hash = Sha256::new_with_prefix("passkey user");
    for part in [&scope.project, tenant, local_id] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let hex = hash.finalize().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    hex.chars().take(HANDLE).collect()
}
