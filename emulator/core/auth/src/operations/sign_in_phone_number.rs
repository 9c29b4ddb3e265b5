//! `accounts:signInWithPhoneNumber`.

use super::blocking::Told;
use super::entry::{Entry, enter};
use super::sign_up::new_account;
use super::{Answer, Call, given, phone, policy, second_factors, signed_in};
use crate::account::PHONE;
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::store::Store;
use serde::Deserialize;

/// The request's shape.
pub const SCHEMA: Schema = &[
    ("code", Kind::Text),
    ("idToken", Kind::Text),
    ("operation", Kind::Name(&["VERIFY_OP_UNSPECIFIED", "SIGN_UP_OR_IN", "REAUTH", "UPDATE", "LINK"])),
    ("phoneNumber", Kind::Text),
    ("sessionInfo", Kind::Text),
    ("targetProjectId", Kind::Text),
    ("temporaryProof", Kind::Text),
    ("tenantId", Kind::Text),
    ("verificationProof", Kind::Text),
];

/// The request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    code: Option<String>,
    id_token: Option<String>,
    phone_number: Option<String>,
    session_info: Option<String>,
    temporary_proof: Option<String>,
}

/// Lets in whoever has got the text message, or gives the account of an ID token the phone number. If the number is
/// another account's, the answer is a proof with which its bearer may sign in there.
///
/// # Errors
/// As the official emulator; a server's codes also expire (`SESSION_EXPIRED`) and end after five wrong ones.
pub fn sign_in(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let policy = policy::of(store, call)?;
    if call.scope.tenant.is_some() {
        return Err(Error::UnsupportedTenantOperation);
    }
    let proof = given(&request.temporary_proof);
    let phone_number = match proof {
        Some(proof) => {
            let phone_number = given(&request.phone_number).ok_or(Error::MissingPhoneNumber)?;
            phone::check_proof(store, call, proof, phone_number)?;
            phone_number.to_owned()
        }
        None => {
            let session_info = given(&request.session_info).ok_or(Error::MissingSessionInfo)?;
            let code = given(&request.code).ok_or(Error::MissingCode)?;
            phone::verify(store, call, session_info, code)?
        }
    };
    let of_number = store.by_phone_number(call.scope, &phone_number)?;
    let of_token = given(&request.id_token).map(|token| signed_in(store, call, token)).transpose()?;
    let of_token = of_token.map(|(account, _)| account);
    if let (Some(one), Some(other)) = (&of_token, &of_number)
        && one.local_id != other.local_id
    {
        if proof.is_some() {
            return Err(Error::PhoneNumberExists);
        }
        let proof = phone::issue_proof(store, call, phone_number)?;
        return Ok(Answer::default()
            .with("phoneNumber", proof.phone_number)
            .with("temporaryProof", proof.temporary_proof)
            .with("temporaryProofExpiresIn", proof.temporary_proof_expires_in));
    }
    let known = of_token.or(of_number);
    let is_new = known.is_none();
    let mut account = match known {
        Some(account) if account.disabled == Some(true) => return Err(Error::UserDisabled),
        Some(account) if second_factors::has_any(&account) => return Err(Error::UnsupportedFirstFactor),
        Some(account) => account,
        None => new_account(store, call, None)?,
    };
    account.phone_number = Some(phone_number.clone());
    let entry = Entry {
        provider: PHONE,
        is_new,
        told: Some(Told { method: PHONE.to_owned(), ..Told::default() }),
        ..Entry::default()
    };
    let entered = enter(store, call, &policy, &mut account, entry)?;
    Ok(Answer::default()
        .with("isNewUser", is_new)
        .with("phoneNumber", phone_number)
        .with("localId", account.local_id)
        .with_entered(entered))
}
