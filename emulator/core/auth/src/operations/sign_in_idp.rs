//! `accounts:signInWithIdp`: the rules by which an identity at a provider becomes, joins or opens an account.

use super::blocking::Told;
use super::entry::{Entered, Entry, enter};
use super::idp::{Assertion, Brought};
use super::idp_credential;
use super::policy::{self, Policy};
use super::sign_up::new_account;
use super::{Answer, Call, given, json, signed_in};
use crate::account::{Account, PASSWORD, PHONE, ProviderUserInfo};
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::store::Store;
use serde::Deserialize;
use serde_json::Value;

/// The request's shape.
pub const SCHEMA: Schema = &[
    ("autoCreate", Kind::Flag),
    ("delegatedProjectNumber", Kind::Int64),
    ("idToken", Kind::Text),
    ("pendingIdToken", Kind::Text),
    ("pendingToken", Kind::Text),
    ("postBody", Kind::Text),
    ("requestUri", Kind::Text),
    ("returnIdpCredential", Kind::Flag),
    ("returnRefreshToken", Kind::Flag),
    ("returnSecureToken", Kind::Flag),
    ("sessionId", Kind::Text),
    ("targetProjectId", Kind::Text),
    ("tenantId", Kind::Text),
];

/// The request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    id_token: Option<String>,
    pending_id_token: Option<String>,
    post_body: Option<String>,
    request_uri: Option<String>,
    return_idp_credential: bool,
    return_refresh_token: bool,
    session_id: Option<String>,
}

/// Lets in whom an identity provider vouches for, or gives the account of an ID token the identity.
///
/// # Errors
/// As the official emulator. A server that takes nobody at their word asks the provider.
pub fn sign_in(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let policy = policy::of(store, call)?;
    let absent = |field: &str| Err(Error::NotImplemented(format!("{field} is not implemented yet.")));
    if request.return_refresh_token {
        return absent("returnRefreshToken");
    }
    if given(&request.pending_id_token).is_some() {
        return absent("pendingIdToken");
    }
    let brought = Brought::read(request.request_uri.as_deref(), request.post_body.as_deref())?;
    let assertion = if call.emulator {
        Assertion::read(&brought)?
    } else {
        idp_credential::assertion(store, call, &brought, given(&request.session_id))?
    };
    let told = Answer { body: assertion.told(), ..Answer::default() };
    let of_token = given(&request.id_token).map(|token| signed_in(store, call, token)).transpose()?;
    let of_token = of_token.map(|(account, _)| account);
    let found = match find(store, call, &policy, &assertion, of_token) {
        Ok(found) => found,
        Err(error) if request.return_idp_credential && is_about_the_account(&error) => {
            return Ok(told.with("errorMessage", error.to_string()));
        }
        Err(error) => return Err(error),
    };
    match found {
        Found::Unconfirmed(account) => {
            let others = account.providers().iter().map(|info| info.provider_id.clone());
            let others = others.filter(|id| id != PASSWORD && id != PHONE);
            let others = account.provider_user_info.is_some().then(|| others.collect::<Vec<_>>());
            Ok(told
                .with("needConfirmation", true)
                .with("localId", account.local_id.clone())
                .with_some("verifiedProvider", others.as_ref().map(json)))
        }
        Found::Account { mut account, is_new, recycled } => {
            account.upsert_provider(identity(&assertion));
            let (provider, attributes) = (assertion.provider_id.as_str(), assertion.attributes.clone());
            let of_provider = told_to_functions(&assertion);
            let entry = Entry {
                provider,
                second_factors: true,
                attributes,
                is_new,
                told: Some(of_provider),
                ..Entry::default()
            };
            let entered = enter(store, call, &policy, &mut account, entry)?;
            Ok(answer(call, told, &assertion, &account, (is_new, recycled), entered))
        }
    }
}

fn answer(
    call: &Call<'_>,
    mut told: Answer,
    assertion: &Assertion,
    account: &Account,
    (is_new, recycled): (bool, bool),
    entered: Entered,
) -> Answer {
    if account.email == assertion.email {
        told = match account.email_verified {
            Some(verified) => told.with("emailVerified", verified),
            None => {
                told.body.shift_remove("emailVerified");
                told
            }
        };
    }
    told.with_some("emailRecycled", recycled.then_some(true))
        .with("localId", account.local_id.clone())
        .with_some("isNewUser", is_new.then_some(true))
        .with_some("tenantId", call.scope.tenant.clone())
        .with_entered(entered)
}

/// What blocking functions are told of what the provider said.
fn told_to_functions(assertion: &Assertion) -> Told {
    let told = assertion.told();
    let text = |name: &str| told.get(name).and_then(Value::as_str).map(str::to_owned);
    Told {
        method: assertion.provider_id.clone(),
        raw_user_info: text("rawUserInfo"),
        attributes: assertion.attributes.as_ref().map(Value::to_string),
        access_token: text("oauthAccessToken").filter(|_| assertion.vouches_for_access_token),
        id_token: text("oauthIdToken"),
        second_factor: None,
    }
}

/// Refusals that tell clients what to do with the credential they have.
fn is_about_the_account(error: &Error) -> bool {
    matches!(error, Error::FederatedUserIdAlreadyLinked | Error::EmailExists)
}

/// What the provider says, as the account keeps it.
fn identity(assertion: &Assertion) -> ProviderUserInfo {
    ProviderUserInfo {
        provider_id: assertion.provider_id.clone(),
        raw_id: assertion.raw_id.clone(),
        federated_id: Some(assertion.raw_id.clone()),
        display_name: assertion.display_name.clone(),
        photo_url: assertion.photo_url.clone(),
        email: assertion.email.clone(),
        screen_name: assertion.screen_name.clone(),
        phone_number: None,
    }
}

/// Whose identity it is.
enum Found {
    /// An account, as the identity makes it.
    Account {
        account: Account,
        is_new: bool,
        /// The email was another user's of the same provider before.
        recycled: bool,
    },
    /// An account has the email, but nobody has shown that it is the same person's.
    Unconfirmed(Account),
}

fn find(
    store: &dyn Store,
    call: &Call<'_>,
    policy: &Policy,
    assertion: &Assertion,
    of_token: Option<Account>,
) -> Result<Found, Error> {
    let of_identity = store.by_provider(call.scope, &assertion.provider_id, &assertion.raw_id)?;
    let of_email = match &assertion.email {
        Some(email) if !policy.duplicate_emails => store.by_email(call.scope, email)?,
        Some(_) | None => None,
    };
    if let Some(account) = of_token {
        if of_identity.is_some() {
            return Err(Error::FederatedUserIdAlreadyLinked);
        }
        if of_email.is_some_and(|owner| owner.local_id != account.local_id) {
            return Err(Error::EmailExists);
        }
        return Ok(known(linked(policy, assertion, account)));
    }
    match (of_identity, of_email) {
        (Some(account), _) => Ok(known(account)),
        (None, Some(account)) if assertion.email_verified => Ok(joined(call, assertion, account)),
        (None, Some(account)) => Ok(Found::Unconfirmed(account)),
        (None, None) => {
            let mut account = new_account(store, call, None)?;
            describe(&mut account, assertion);
            if !policy.duplicate_emails && assertion.email.is_some() {
                account.email.clone_from(&assertion.email);
                account.email_verified = Some(assertion.email_verified);
            }
            Ok(Found::Account { account, is_new: true, recycled: false })
        }
    }
}

fn known(account: Account) -> Found {
    Found::Account { account, is_new: false, recycled: false }
}

/// The caller's account, with the identity's email if it has none.
fn linked(policy: &Policy, assertion: &Assertion, mut account: Account) -> Account {
    if !policy.duplicate_emails && assertion.email.is_some() && account.email.is_none() {
        account.email.clone_from(&assertion.email);
        account.email_verified = Some(assertion.email_verified);
    }
    if assertion.email.is_some() && assertion.email_verified && account.email == assertion.email {
        account.email_verified = Some(true);
    }
    account
}

/// The account that has the email, for which the provider vouches.
fn joined(call: &Call<'_>, assertion: &Assertion, mut account: Account) -> Found {
    let same_provider = |info: &ProviderUserInfo| info.provider_id == assertion.provider_id;
    let recycled = account.providers().iter().any(|info| same_provider(info) && info.raw_id != assertion.raw_id);
    if account.email_verified != Some(true) {
        account.close_other_ways_in(call.now);
    }
    describe(&mut account, assertion);
    account.email_verified = Some(true);
    Found::Account { account, is_new: false, recycled }
}

/// The provider's word replaces what was known.
fn describe(account: &mut Account, assertion: &Assertion) {
    account.date_of_birth = None;
    account.display_name.clone_from(&assertion.display_name);
    account.language = None;
    account.photo_url.clone_from(&assertion.photo_url);
    account.screen_name.clone_from(&assertion.screen_name);
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::super::{config, sign_up, update};
    use super::*;
    use serde_json::{Value, json};

    fn body(claims: Value) -> Value {
        let post_body = format!("providerId=google.com&id_token={claims}");
        json!({"requestUri": "http://localhost", "postBody": post_body})
    }

    fn run(house: &mut House, body: Value) -> Result<serde_json::Map<String, Value>, Error> {
        house.call(false, sign_in, body).map(|answer| answer.body)
    }

    #[test]
    fn an_identity_becomes_an_account_and_opens_it_again() {
        let mut house = House::new();
        let claims = json!({"sub": "7", "email": "A@b", "name": "N", "picture": "P"});
        let first = run(&mut house, body(claims.clone())).unwrap();
        let again = run(&mut house, body(claims)).unwrap();
        assert_eq!((&first["isNewUser"], again.get("isNewUser")), (&json!(true), None));
        assert_eq!(first["localId"], again["localId"]);
        let account = house.account(first["localId"].as_str().unwrap());
        assert_eq!((account.email.as_deref(), account.email_verified), (Some("a@b"), Some(false)));
        assert_eq!((account.display_name.as_deref(), account.photo_url.as_deref()), (Some("N"), Some("P")));
        assert_eq!(account.providers().len(), 1);
    }

    #[test]
    fn an_email_joins_only_if_the_provider_vouches_for_it() {
        for (verified_before, verified_there, joins, password_stays) in [
            (false, false, false, true),
            (true, false, false, true),
            (false, true, true, false),
            (true, true, true, true),
        ] {
            let mut house = House::new();
            let known = json!({
                "localId": "u", "email": "a@b", "password": "secret", "emailVerified": verified_before, "phoneNumber": "+1",
            });
            house.call(true, sign_up::sign_up, known).unwrap();
            let got =
                run(&mut house, body(json!({"sub": "7", "email": "a@b", "email_verified": verified_there}))).unwrap();
            assert_eq!(got["localId"], "u");
            assert_eq!(got.get("needConfirmation").is_some(), !joins, "{verified_before} {verified_there}");
            assert_eq!(got.get("refreshToken").is_some(), joins, "{verified_before} {verified_there}");
            let account = house.account("u");
            assert_eq!(
                (account.secret().is_some(), account.phone_number.is_some()),
                (password_stays, password_stays),
                "{verified_before} {verified_there}"
            );
        }
    }

    #[test]
    fn a_token_links() {
        let mut house = House::new();
        house.call(true, sign_up::sign_up, json!({"localId": "taken", "email": "taken@b"})).unwrap();
        let link = json!({"providerId": "google.com", "rawId": "known"});
        house.call(true, update::update, json!({"localId": "taken", "linkProviderUserInfo": link})).unwrap();
        let (id, token) = house.sign_up();
        for (claims, expected) in [
            (json!({"sub": "known"}), "FEDERATED_USER_ID_ALREADY_LINKED"),
            (json!({"sub": "7", "email": "taken@b"}), "EMAIL_EXISTS"),
        ] {
            let mut request = body(claims);
            request["idToken"] = token.clone().into();
            assert_eq!(run(&mut house, request.clone()).unwrap_err().to_string(), expected);
            request["returnIdpCredential"] = true.into();
            let told = run(&mut house, request).unwrap();
            assert_eq!((&told["errorMessage"], told.get("idToken")), (&json!(expected), None));
        }
        let mut request = body(json!({"sub": "7", "email": "new@b"}));
        request["idToken"] = token.into();
        assert_eq!(run(&mut house, request).unwrap()["localId"].as_str(), Some(id.as_str()));
        assert_eq!(house.account(&id).email.as_deref(), Some("new@b"));
    }

    #[test]
    fn emails_may_come_twice_where_that_is_allowed() {
        let mut house = House::new();
        house.call(true, sign_up::sign_up, json!({"email": "a@b"})).unwrap();
        house.call(true, config::update, json!({"signIn": {"allowDuplicateEmails": true}})).unwrap();
        let got = run(&mut house, body(json!({"sub": "7", "email": "a@b", "email_verified": true}))).unwrap();
        assert_eq!(got["isNewUser"], true);
        assert_eq!(house.account(got["localId"].as_str().unwrap()).email, None);
    }
}
