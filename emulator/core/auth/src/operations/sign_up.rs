//! `accounts:signUp` and `projects.accounts`: anonymous sign-in, and accounts that an admin creates.

use super::blocking::Told;
use super::entry::{Entry, enter};
use super::{Answer, Call, given, password_policy, policy, record, second_factors, signed_in};
use crate::account::{self, ANONYMOUS, Account, MfaEnrollment, PASSWORD};
use crate::entropy::local_id;
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::store::Store;
use serde::Deserialize;

/// A seeded source repeats the ids of an earlier run one after the other, so that many may be taken.
const MOST_DRAWS: usize = 1_000_000;

/// The request's shape.
pub const SCHEMA: Schema = &[
    ("captchaChallenge", Kind::Text),
    ("captchaResponse", Kind::Text),
    (
        "clientType",
        Kind::Name(&["CLIENT_TYPE_UNSPECIFIED", "CLIENT_TYPE_WEB", "CLIENT_TYPE_ANDROID", "CLIENT_TYPE_IOS"]),
    ),
    ("disabled", Kind::Flag),
    ("displayName", Kind::Text),
    ("email", Kind::Text),
    ("emailVerified", Kind::Flag),
    ("idToken", Kind::Text),
    ("instanceId", Kind::Text),
    ("localId", Kind::Text),
    ("mfaInfo", Kind::List(&Kind::Object(&[("displayName", Kind::Text), ("phoneInfo", Kind::Text)]))),
    ("password", Kind::Text),
    ("phoneNumber", Kind::Text),
    ("photoUrl", Kind::Text),
    ("recaptchaVersion", Kind::Name(&["RECAPTCHA_VERSION_UNSPECIFIED", "RECAPTCHA_ENTERPRISE"])),
    ("targetProjectId", Kind::Text),
    ("tenantId", Kind::Text),
];

/// The request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    disabled: Option<bool>,
    display_name: Option<String>,
    email: Option<String>,
    email_verified: Option<bool>,
    id_token: Option<String>,
    local_id: Option<String>,
    mfa_info: Option<Vec<MfaEnrollment>>,
    password: Option<String>,
    phone_number: Option<String>,
    photo_url: Option<String>,
}

/// Creates an account, or gives the one of an ID token the attributes.
///
/// # Errors
/// As the official emulator.
pub fn sign_up(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    if call.privileged { create(store, call, request) } else { register(store, call, request) }
}

fn register(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let policy = policy::of(store, call)?;
    if given(&request.local_id).is_some() {
        return Err(Error::UnexpectedUserId);
    }
    let [id_token, password, email] = [&request.id_token, &request.password, &request.email].map(given);
    let provider = if id_token.is_some() || password.is_some() || email.is_some() {
        email.ok_or(Error::MissingEmail)?;
        password.ok_or(Error::MissingPassword)?;
        policy.passwords.then_some(PASSWORD).ok_or(Error::OperationNotAllowed)?
    } else {
        policy.anonymous.then_some(ANONYMOUS).ok_or(Error::AdminOnlyOperation)?
    };
    let email = match own_email(store, call, &request)? {
        Some(email) => Some(email),
        None => free_email(store, call, request.email.as_deref())?,
    };
    let mut account = account_with_secrets(store, call, &request, None)?;
    if provider == PASSWORD {
        let is_new = account.email != email;
        account.display_name = request.display_name.or(account.display_name.filter(|_| !is_new));
        account.email_verified = account.email_verified.filter(|_| !is_new).or(Some(false));
        account.email = email;
    }
    // Whoever adds a password to an account has come in before.
    let asks = provider == PASSWORD && id_token.is_none();
    let told = asks.then(|| Told { method: PASSWORD.to_owned(), ..Told::default() });
    let entry = Entry { provider, is_new: asks, told, ..Entry::default() };
    let entered = enter(store, call, &policy, &mut account, entry)?;
    Ok(answer(&account).with_entered(entered))
}

fn create(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    policy::of(store, call)?;
    let wanted_id = given(&request.local_id);
    if let Some(wanted_id) = wanted_id {
        if given(&request.id_token).is_some() {
            return Err(Error::UnexpectedUserId);
        }
        if store.by_local_id(call.scope, wanted_id)?.is_some() {
            return Err(Error::DuplicateLocalId);
        }
    }
    let phone_number = given(&request.phone_number).map(str::to_owned);
    if let Some(phone_number) = &phone_number {
        free_phone_number(store, call, phone_number)?;
    }
    let email = free_email(store, call, given(&request.email))?;
    let mut account = account_with_secrets(store, call, &request, wanted_id)?;
    // Who is created by an admin has not come in; the official emulator says so all the same.
    if call.emulator || !call.privileged {
        account.last_login_at = Some(call.now.to_string());
    } else if given(&request.id_token).is_none() {
        account.last_login_at = None;
    }
    account.display_name = request.display_name;
    account.photo_url = request.photo_url;
    account.email_verified = Some(request.email_verified.unwrap_or(false));
    account.email = email.or(account.email);
    account.phone_number = phone_number.or(account.phone_number);
    account.disabled = request.disabled.filter(|disabled| *disabled).or(account.disabled);
    account.mirror_providers();
    record::keep(store, call, &account)?;
    Ok(answer(&account))
}

/// The account that is meant, with the password and second factors that the request brings.
fn account_with_secrets(
    store: &dyn Store,
    call: &Call<'_>,
    request: &Request,
    wanted_id: Option<&str>,
) -> Result<Account, Error> {
    let password = password_policy::new_password(store, call, given(&request.password))?;
    let factors = request.mfa_info.clone();
    let factors = factors.map(|factors| second_factors::given(factors, Some(call.entropy))).transpose()?;
    // Nobody has shown that the phone is theirs; only an emulator takes users at their word.
    if factors.is_some() && !call.privileged && !call.emulator {
        return Err(Error::InsufficientPermission);
    }
    let mut account = match given(&request.id_token) {
        Some(id_token) => signed_in(store, call, id_token)?.0,
        None => new_account(store, call, wanted_id)?,
    };
    if let Some(password) = password {
        account.set_secret(call.passwords.hash(password, call.entropy)?, call.now);
    }
    account.mfa_info = factors.or(account.mfa_info);
    Ok(account)
}

fn answer(account: &Account) -> Answer {
    Answer::kind("identitytoolkit#SignupNewUserResponse")
        .with("localId", account.local_id.clone())
        .with_some("displayName", account.display_name.clone())
        .with_some("email", account.email.clone())
}

/// An account that nobody has yet, with the wanted id or a drawn one.
pub(super) fn new_account(store: &dyn Store, call: &Call<'_>, wanted_id: Option<&str>) -> Result<Account, Error> {
    let id = match wanted_id {
        Some(id) => id.to_owned(),
        None => unused_id(store, call)?,
    };
    let now = Some(call.now.to_string());
    Ok(Account {
        local_id: id,
        created_at: now.clone(),
        last_login_at: now,
        tenant_id: call.scope.tenant.clone(),
        ..Account::default()
    })
}

fn unused_id(store: &dyn Store, call: &Call<'_>) -> Result<String, Error> {
    for _ in 0..MOST_DRAWS {
        let id = local_id(call.entropy);
        if store.standing(call.scope, &id)?.is_none() {
            return Ok(id);
        }
    }
    Err(Error::NoUnusedId)
}

/// The email in lower case, if it is that of the ID token's account already: a provider has brought it, and now it gets
/// a password.
fn own_email(store: &dyn Store, call: &Call<'_>, request: &Request) -> Result<Option<String>, Error> {
    let (Some(email), Some(id_token)) = (given(&request.email), given(&request.id_token)) else { return Ok(None) };
    let email = email.to_lowercase();
    let Some(owner) = store.by_email(call.scope, &email)? else { return Ok(None) };
    // Whatever is wrong with the token is said where the token's turn is.
    let is_own = signed_in(store, call, id_token).is_ok_and(|(account, _)| account.local_id == owner.local_id);
    Ok(is_own.then_some(email))
}

/// The email in lower case, if it has the form of one and is nobody's.
pub(super) fn free_email(store: &dyn Store, call: &Call<'_>, email: Option<&str>) -> Result<Option<String>, Error> {
    let Some(email) = email else { return Ok(None) };
    if !account::is_email(email) {
        return Err(Error::InvalidEmail);
    }
    let email = email.to_lowercase();
    match store.by_email(call.scope, &email)? {
        Some(_) => Err(Error::EmailExists),
        None => Ok(Some(email)),
    }
}

/// Nothing, if the number has the form of one and is nobody's.
pub(super) fn free_phone_number(store: &dyn Store, call: &Call<'_>, phone_number: &str) -> Result<(), Error> {
    if !account::is_phone_number(phone_number) {
        return Err(Error::InvalidPhoneNumber);
    }
    match store.by_phone_number(call.scope, phone_number)? {
        Some(_) => Err(Error::PhoneNumberExists),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::super::update;
    use super::*;
    use crate::store::Accounts;
    use serde_json::{Value, json};

    fn check(house: &mut House, privileged: bool, body: Value, expected: Result<&str, Error>) {
        let result = house.call(privileged, sign_up, body.clone()).map(|answer| Value::Object(answer.body).to_string());
        assert_eq!(result.as_deref(), expected.as_deref(), "{body}");
    }

    #[test]
    fn anyone_can_sign_up_anonymously() {
        let mut house = House::new();
        let answer = house.call(false, sign_up, json!({"displayName": "ignored", "emailVerified": true})).unwrap();
        let fields: Vec<_> = answer.body.keys().map(String::as_str).collect();
        assert_eq!(fields, ["kind", "localId", "refreshToken", "expiresIn"]);
        let record = house.account(answer.body["localId"].as_str().unwrap());
        let expected = Account {
            local_id: record.local_id.clone(),
            created_at: Some("1893456000000".to_owned()),
            last_login_at: Some("1893456000000".to_owned()),
            last_refresh_at: Some("2030-01-01T00:00:00.000Z".to_owned()),
            ..Account::default()
        };
        assert_eq!(record, expected);
    }

    #[test]
    fn a_taken_id_is_drawn_again() {
        let mut house = House::new();
        let first = house.sign_up().0;
        let mut again = House::new();
        std::mem::swap(&mut house.store, &mut again.store);
        let second = again.sign_up().0;
        assert_ne!(first, second);
        assert_eq!(again.store.count(&again.scope), Ok(2));
    }

    #[test]
    fn users_hear_the_first_complaint() {
        let mut house = House::new();
        house.call(true, sign_up, json!({"email": "taken@b"})).unwrap();
        for (body, expected) in [
            (json!({"localId": "x", "password": "p"}), Error::UnexpectedUserId),
            (json!({"idToken": "x"}), Error::MissingEmail),
            (json!({"password": "secret"}), Error::MissingEmail),
            (json!({"email": "a@b"}), Error::MissingPassword),
            (json!({"email": ""}), Error::InvalidEmail),
            (json!({"email": "", "password": ""}), Error::InvalidEmail),
            (json!({"email": "ab", "password": "p"}), Error::InvalidEmail),
            (json!({"email": "TAKEN@b", "password": "p"}), Error::EmailExists),
            (json!({"email": "a@b", "password": "short"}), Error::WeakPassword),
            (json!({"mfaInfo": [{}]}), Error::InvalidMfaPhoneNumber),
            (json!({"email": "a@b", "password": "secret", "idToken": "x"}), Error::InvalidIdToken),
        ] {
            check(&mut house, false, body, Err(expected));
        }
        assert_eq!(house.store.count(&house.scope), Ok(1), "nothing is left of a refusal");
    }

    #[test]
    fn an_account_that_a_provider_gave_an_email_gets_a_password() {
        let mut house = House::new();
        let (id, token) = house.sign_up();
        house
            .call(
                true,
                update::update,
                json!({
                    "localId": id, "email": "a@b", "emailVerified": true, "displayName": "N", "validSince": "1",
                }),
            )
            .unwrap();
        house.call(false, sign_up, json!({"idToken": token, "email": "A@b", "password": "secret"})).unwrap();
        let account = house.account(&id);
        assert_eq!((account.email_verified, account.display_name.as_deref()), (Some(true), Some("N")));
        assert!(account.secret().is_some());
        let stranger = house.sign_up().1;
        let taken = json!({"idToken": stranger, "email": "a@b", "password": "secret"});
        check(&mut house, false, taken, Err(Error::EmailExists));
    }

    #[test]
    fn an_admin_creates_accounts_as_wanted() {
        let mut house = House::new();
        check(
            &mut house,
            true,
            json!({"localId": "me", "email": "A@B", "displayName": "N", "phoneNumber": "+1", "disabled": true}),
            Ok(r#"{"kind":"identitytoolkit#SignupNewUserResponse","localId":"me","displayName":"N","email":"a@b"}"#),
        );
        assert_eq!(
            serde_json::to_value(house.account("me")).unwrap(),
            json!({
                "localId": "me", "email": "a@b", "emailVerified": false, "displayName": "N", "phoneNumber": "+1",
                "disabled": true, "createdAt": "1893456000000", "lastLoginAt": "1893456000000",
                "providerUserInfo": [{"providerId": "phone", "rawId": "+1", "phoneNumber": "+1"}],
            })
        );
        for (body, expected) in [
            (json!({"localId": "me", "phoneNumber": "x"}), Error::DuplicateLocalId),
            (json!({"localId": "me", "idToken": "x"}), Error::UnexpectedUserId),
            (json!({"phoneNumber": "1"}), Error::InvalidPhoneNumber),
            (json!({"phoneNumber": "+1", "email": "x"}), Error::PhoneNumberExists),
            (json!({"email": "x"}), Error::InvalidEmail),
            (json!({"email": "a@B"}), Error::EmailExists),
            (json!({"password": "short"}), Error::WeakPassword),
            (json!({"idToken": "x"}), Error::InvalidIdToken),
        ] {
            check(&mut house, true, body, Err(expected));
        }
    }

    #[test]
    fn an_admin_gives_attributes_to_a_tokens_account() {
        let mut house = House::new();
        let (id, token) = house.sign_up();
        house.now += 5;
        house.call(true, sign_up, json!({"idToken": token, "email": "a@b"})).unwrap();
        let account = house.account(&id);
        assert_eq!((account.email.as_deref(), account.created_at.as_deref()), (Some("a@b"), Some("1893456000000")));
        assert_eq!(account.last_login_at.as_deref(), Some("1893456000005"));
    }

    #[test]
    fn whom_an_admin_creates_has_not_come_in() {
        let mut house = House::self_host();
        house.call(true, sign_up, json!({"localId": "u"})).unwrap();
        assert_eq!((house.account("u").last_login_at, house.account("u").created_at.is_some()), (None, true));
        let mut house = House::new();
        house.call(true, sign_up, json!({"localId": "u"})).unwrap();
        assert!(house.account("u").last_login_at.is_some(), "as the official emulator");
    }
}
