//! Passkeys as the official emulator has them: what an authenticator says is taken at its word, and no signature is
//! asked for. Must not know: how one is verified.

use super::super::entry::{Passed, let_in};
use super::super::{Answer, Call, given, sign_in, signed_in};
use super::{PASSKEY, Request, TIMEOUT, UNNAMED};
use crate::account::Passkey;
use crate::entropy::alphanumeric;
use crate::errors::Error;
use crate::store::{Accounts, Store};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, json};

/// Characters of a challenge before it is encoded.
const CHALLENGE: usize = 32;

pub(super) fn start_enrollment(
    store: &(impl Accounts + ?Sized),
    call: &Call<'_>,
    request: Request,
) -> Result<Answer, Error> {
    let id_token = given(&request.id_token).ok_or(Error::MissingIdToken)?;
    let (account, _) = signed_in(store, call, id_token)?;
    let options = json!({
        "rp": {"name": "localhost", "id": "localhost"},
        "user": {
            "id": STANDARD.encode(&account.local_id),
            "name": account.email.as_deref().unwrap_or("user@example.com"),
            "displayName": account.display_name.as_deref().unwrap_or("User"),
        },
        "challenge": challenge(call),
        "pubKeyCredParams": [{"type": "public-key", "alg": -7}, {"type": "public-key", "alg": -257}],
        "timeout": TIMEOUT,
        "attestation": "none",
    });
    Ok(Answer::default().with("credentialCreationOptions", options))
}

pub(super) fn finalize_enrollment(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let id_token = given(&request.id_token).ok_or(Error::MissingIdToken)?;
    let response = request.authenticator_registration_response.ok_or(Error::MissingAuthenticatorResponse)?;
    let (mut account, _) = signed_in(store, call, id_token)?;
    let credential_id = given(&response.id).ok_or(Error::InvalidCredentialId)?.to_owned();
    if store.by_passkey(call.scope, &credential_id)?.is_some() {
        return Err(Error::CredentialAlreadyInUse);
    }
    let name = given(&request.name).or(given(&request.display_name)).unwrap_or(UNNAMED).to_owned();
    account.passkey_info.get_or_insert_default().push(Passkey { credential_id, name: Some(name) });
    let tokens = sign_in(store, call, &mut account, PASSKEY, Map::new(), None)?;
    Ok(Answer::default().with("localId", account.local_id).with_bare_tokens(tokens))
}

pub(super) fn start_sign_in(call: &Call<'_>) -> Answer {
    let options = json!({"challenge": challenge(call), "rpId": "localhost", "userVerification": "required"});
    Answer::default().with("credentialRequestOptions", options)
}

pub(super) fn finalize_sign_in(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let response = request.authenticator_authentication_response.ok_or(Error::MissingAuthenticatorResponse)?;
    let id = given(&response.id).ok_or(Error::InvalidCredentialId)?;
    let mut account = store.by_passkey(call.scope, id)?.ok_or(Error::PasskeyNotFound)?;
    if account.disabled == Some(true) {
        return Err(Error::UserDisabled);
    }
    let passed = Passed { provider: PASSKEY, claims: Map::new(), factor: None, told: None };
    let tokens = let_in(store, call, &mut account, passed)?;
    Ok(Answer::default().with_bare_tokens(tokens))
}

fn challenge(call: &Call<'_>) -> String {
    STANDARD.encode(alphanumeric(call.entropy, CHALLENGE))
}
