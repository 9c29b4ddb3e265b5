//! Passkeys: enrolled, shown at sign-in, removed. As the official emulator has them, which takes an authenticator at its
//! word (`at_its_word`), and as a server has them, which verifies what it says (`verified`).

mod at_its_word;
pub mod config;
mod response;
mod verified;

use super::{Answer, Call};
use crate::account::Account;
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::store::{Accounts, Store};
use response::Response;
use serde::Deserialize;

/// What tokens say of them.
const PASSKEY: &str = "passkey";
/// Milliseconds that an authenticator is given.
const TIMEOUT: u32 = 60_000;
/// The name of a passkey that was given none.
const UNNAMED: &str = "Unnamed Passkey";

/// The shape of all of these requests. What else authenticators say is looked at by servers only.
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

/// `passkeyEnrollment:start`: what a browser needs to make a passkey.
///
/// # Errors
/// As the official emulator; a server's also if there are no passkeys, or the account has as many as it may.
pub fn start_enrollment(store: &(impl Accounts + ?Sized), call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    match call.emulator {
        true => at_its_word::start_enrollment(store, call, request),
        false => verified::start_enrollment(store, call, request),
    }
}

/// `passkeyEnrollment:finalize`: keeps the passkey.
///
/// # Errors
/// As the official emulator; a server's also if what the authenticator says is not as it should be.
pub fn finalize_enrollment(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    match call.emulator {
        true => at_its_word::finalize_enrollment(store, call, request),
        false => verified::finalize_enrollment(store, call, request),
    }
}

/// `passkeySignIn:start`: what a browser needs to ask for a passkey.
///
/// # Errors
/// The store failed, or there are no passkeys.
pub fn start_sign_in(store: &(impl Accounts + ?Sized), call: &Call<'_>, _: Request) -> Result<Answer, Error> {
    match call.emulator {
        true => Ok(at_its_word::start_sign_in(call)),
        false => verified::start_sign_in(store, call),
    }
}

/// `passkeySignIn:finalize`: lets in whoever shows a passkey; an emulator, whoever names one.
///
/// # Errors
/// As the official emulator; a server's also if what the authenticator says is not as it should be.
pub fn finalize_sign_in(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    match call.emulator {
        true => at_its_word::finalize_sign_in(store, call, request),
        false => verified::finalize_sign_in(store, call, request),
    }
}

/// Takes the passkeys of these ids from the account.
pub(super) fn remove(call: &Call<'_>, account: &mut Account, ids: &[String]) {
    let named = |id: &String| if call.emulator { id.clone() } else { response::canonical(id).unwrap_or_default() };
    let ids: Vec<String> = ids.iter().map(named).collect();
    if let Some(passkeys) = &mut account.passkey_info {
        passkeys.retain(|passkey| !ids.contains(&passkey.credential_id));
    }
}

#[cfg(test)]
mod tests;
