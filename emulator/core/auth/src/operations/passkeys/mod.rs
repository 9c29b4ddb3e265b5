//! Passkeys as the official emulator has them: what an authenticator says is taken at its word. So a server in earnest
//! has none of it.

use super::entry::{Passed, let_in};
use super::{Answer, Call, given, sign_in, signed_in};
use crate::account::Passkey;
use crate::entropy::alphanumeric;
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::store::{Accounts, Store};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, json};

/// What tokens say of them.
const PASSKEY: &str = "passkey";
/// Characters of a challenge before it is encoded.
const CHALLENGE: usize = 32;
/// Milliseconds that an authenticator is given.
const TIMEOUT: u32 = 60_000;

/// The shape of all of these requests.
pub const SCHEMA: Schema = &[
    ("authenticatorAuthenticationResponse", Kind::Object(&[("id", Kind::Text)])),
    ("authenticatorRegistrationResponse", Kind::Object(&[("id", Kind::Text)])),
    ("displayName", Kind::Text),
    ("idToken", Kind::Text),
    ("name", Kind::Text),
    ("tenantId", Kind::Text),
];

/// Any of these requests.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    authenticator_authentication_response: Option<Response>,
    authenticator_registration_response: Option<Response>,
    display_name: Option<String>,
    id_token: Option<String>,
    name: Option<String>,
}

/// What an authenticator says, as far as it is looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Response {
    id: Option<String>,
}

/// `passkeyEnrollment:start`: what a browser needs to make a passkey.
///
/// # Errors
/// As the official emulator.
pub fn start_enrollment(store: &(impl Accounts + ?Sized), call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    only_emulators(call)?;
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

/// `passkeyEnrollment:finalize`: keeps the passkey.
///
/// # Errors
/// As the official emulator.
pub fn finalize_enrollment(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    only_emulators(call)?;
    let id_token = given(&request.id_token).ok_or(Error::MissingIdToken)?;
    let response = request.authenticator_registration_response.ok_or(Error::MissingAuthenticatorResponse)?;
    let (mut account, _) = signed_in(store, call, id_token)?;
    let credential_id = given(&response.id).ok_or(Error::InvalidCredentialId)?.to_owned();
    if store.by_passkey(call.scope, &credential_id)?.is_some() {
        return Err(Error::CredentialAlreadyInUse);
    }
    let name = given(&request.name).or(given(&request.display_name)).unwrap_or("Unnamed Passkey").to_owned();
    account.passkey_info.get_or_insert_default().push(Passkey { credential_id, name: Some(name) });
    let tokens = sign_in(store, call, &mut account, PASSKEY, Map::new(), None)?;
    Ok(Answer::default().with("localId", account.local_id).with_bare_tokens(tokens))
}

/// `passkeySignIn:start`: what a browser needs to ask for a passkey.
///
/// # Errors
/// This is no emulator.
pub fn start_sign_in(_: &(impl Accounts + ?Sized), call: &Call<'_>, _: Request) -> Result<Answer, Error> {
    only_emulators(call)?;
    let options = json!({"challenge": challenge(call), "rpId": "localhost", "userVerification": "required"});
    Ok(Answer::default().with("credentialRequestOptions", options))
}

/// `passkeySignIn:finalize`: lets in whoever names a passkey.
///
/// # Errors
/// As the official emulator.
pub fn finalize_sign_in(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    only_emulators(call)?;
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

/// Nothing about a signature is checked here.
fn only_emulators(call: &Call<'_>) -> Result<(), Error> {
    match call.emulator {
        true => Ok(()),
        false => Err(Error::NotImplemented("Passkeys are not verified by this server yet.".to_owned())),
    }
}
