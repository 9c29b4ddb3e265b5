//! `accounts:signInWithEmailLink`.

use super::blocking::Told;
use super::entry::{Entry, enter};
use super::sign_up::new_account;
use super::{Answer, Call, given, oob, policy, signed_in};
use crate::account::PASSWORD;
use crate::code::RequestType;
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::store::Store;
use serde::Deserialize;

/// The request's shape.
pub const SCHEMA: Schema = &[
    ("email", Kind::Text),
    ("idToken", Kind::Text),
    ("oobCode", Kind::Text),
    ("returnSecureToken", Kind::Flag),
    ("targetProjectId", Kind::Text),
    ("tenantId", Kind::Text),
];

/// The request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    email: Option<String>,
    id_token: Option<String>,
    oob_code: Option<String>,
}

/// Lets in whoever has got the email with the link, or gives the account of an ID token the email.
///
/// # Errors
/// As the official emulator; a server's codes also expire (`EXPIRED_OOB_CODE`).
pub fn sign_in(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let policy = policy::of(store, call)?;
    if !policy.email_links {
        return Err(Error::OperationNotAllowed);
    }
    let of_token = given(&request.id_token).map(|token| signed_in(store, call, token)).transpose()?;
    let of_token = of_token.map(|(account, _)| account);
    let email = given(&request.email).ok_or(Error::MissingEmail)?.to_lowercase();
    let oob_code = given(&request.oob_code).ok_or(Error::MissingOobCode)?;
    let code = oob::find(store, call, oob_code)?;
    if code.request_type != RequestType::EmailSignin {
        return Err(Error::InvalidOobCode);
    }
    if code.email != email {
        return Err(Error::OtherEmail);
    }
    oob::consume(store, call, oob_code)?;
    let of_email = store.by_email(call.scope, &email)?;
    if of_token.as_ref().or(of_email.as_ref()).is_some_and(|account| account.disabled == Some(true)) {
        return Err(Error::UserDisabled);
    }
    if let (Some(one), Some(other)) = (&of_token, &of_email)
        && one.local_id != other.local_id
    {
        return Err(Error::EmailExists);
    }
    let known = of_token.or(of_email);
    let is_new = known.is_none();
    let mut account = match known {
        Some(account) => account,
        None => new_account(store, call, None)?,
    };
    if !call.emulator && account.email_verified != Some(true) {
        // Whoever set a password or linked a provider before had not shown that the email is theirs.
        account.close_other_ways_in(call.now);
        store.revoke_refresh_tokens(call.scope, &account.local_id, call.now / 1000 * 1000)?;
    }
    account.email = Some(email.clone());
    account.email_verified = Some(true);
    account.email_link_signin = Some(true);
    let entry = Entry {
        provider: PASSWORD,
        second_factors: true,
        is_new,
        told: Some(Told { method: "emailLink".to_owned(), ..Told::default() }),
        ..Entry::default()
    };
    let entered = enter(store, call, &policy, &mut account, entry)?;
    Ok(Answer::kind("identitytoolkit#EmailLinkSigninResponse")
        .with("email", email)
        .with("localId", account.local_id)
        .with("isNewUser", is_new)
        .with_entered(entered))
}
