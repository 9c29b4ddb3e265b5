//! `accounts:update`: one's own account, or for an admin any.

use super::second_factors::{self, ENROLLMENT};
use super::sign_up::{free_email, free_phone_number};
use super::{Answer, Call, Message, given, json, oob, passkeys, password_policy, policy, sign_in, signed_in};
use crate::account::{ANONYMOUS, Account, MfaEnrollment, PASSWORD, PHONE, ProviderUserInfo};
use crate::code::RequestType;
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::store::Store;
use crate::token::claims;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The request's shape.
pub const SCHEMA: Schema = &[
    ("captchaChallenge", Kind::Text),
    ("captchaResponse", Kind::Text),
    ("createdAt", Kind::Int64),
    ("customAttributes", Kind::Text),
    ("delegatedProjectNumber", Kind::Int64),
    ("deleteAttribute", Kind::List(&DELETABLE)),
    ("deletePasskey", Kind::List(&Kind::Text)),
    ("deleteProvider", Kind::List(&Kind::Text)),
    ("disableUser", Kind::Flag),
    ("displayName", Kind::Text),
    ("email", Kind::Text),
    ("emailVerified", Kind::Flag),
    ("idToken", Kind::Text),
    ("instanceId", Kind::Text),
    ("lastLoginAt", Kind::Int64),
    ("linkProviderUserInfo", Kind::Object(PROVIDER_USER_INFO)),
    ("localId", Kind::Text),
    ("mfa", Kind::Object(&[("enrollments", Kind::List(&Kind::Object(ENROLLMENT)))])),
    ("oobCode", Kind::Text),
    ("password", Kind::Text),
    ("phoneNumber", Kind::Text),
    ("photoUrl", Kind::Text),
    ("provider", Kind::List(&Kind::Text)),
    ("returnSecureToken", Kind::Flag),
    ("targetProjectId", Kind::Text),
    ("tenantId", Kind::Text),
    ("upgradeToFederatedLogin", Kind::Flag),
    ("validSince", Kind::Int64),
];

const DELETABLE: Kind = Kind::Name(&[
    "USER_ATTRIBUTE_NAME_UNSPECIFIED",
    "EMAIL",
    "DISPLAY_NAME",
    "PROVIDER",
    "PHOTO_URL",
    "PASSWORD",
    "RAW_USER_INFO",
]);

/// The shape of what a provider says of a user.
pub(super) const PROVIDER_USER_INFO: Schema = &[
    ("providerId", Kind::Text),
    ("rawId", Kind::Text),
    ("federatedId", Kind::Text),
    ("email", Kind::Text),
    ("displayName", Kind::Text),
    ("photoUrl", Kind::Text),
    ("phoneNumber", Kind::Text),
    ("screenName", Kind::Text),
];

/// The request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    created_at: Option<String>,
    custom_attributes: Option<String>,
    delete_attribute: Vec<Attribute>,
    delete_passkey: Vec<String>,
    delete_provider: Vec<String>,
    disable_user: Option<bool>,
    display_name: Option<String>,
    email: Option<String>,
    email_verified: Option<bool>,
    id_token: Option<String>,
    last_login_at: Option<String>,
    link_provider_user_info: Option<ProviderUserInfo>,
    local_id: Option<String>,
    mfa: Option<Mfa>,
    oob_code: Option<String>,
    password: Option<String>,
    phone_number: Option<String>,
    photo_url: Option<String>,
    provider: Option<Value>,
    upgrade_to_federated_login: Option<Value>,
    valid_since: Option<String>,
}

impl Request {
    /// To do what a code from an email is for.
    pub fn of_code(oob_code: &str) -> Self {
        Self { oob_code: Some(oob_code.to_owned()), ..Self::default() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Attribute {
    UserAttributeNameUnspecified,
    Email,
    DisplayName,
    Provider,
    PhotoUrl,
    Password,
    RawUserInfo,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Mfa {
    enrollments: Vec<MfaEnrollment>,
}

/// Changes an account. New tokens are answered when the change revokes the caller's own. When an email is changed for
/// the first time, the former one is sent a code to put it back.
///
/// # Errors
/// As the official emulator; a server's codes also expire (`EXPIRED_OOB_CODE`).
pub fn update(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    policy::of(store, call)?;
    check(call, &request)?;
    let changed = match given(&request.oob_code) {
        Some(oob_code) => apply_code(store, call, oob_code)?,
        None => apply(store, call, &request)?,
    };
    let Changed { mut account, provider, revokes, new_email, moved } = changed;
    account.delete_providers(&request.delete_provider);
    link(store, call, &mut account, request.link_provider_user_info)?;
    account.mirror_providers();

    let tokens = match provider.as_deref().filter(|_| revokes) {
        Some(provider) => Some(sign_in(store, call, &mut account, provider, Map::new(), None)?),
        None => {
            store.put(call.scope, &account)?;
            None
        }
    };
    if let Some(since) = account.valid_since_seconds().filter(|_| revokes) {
        let since = u64::try_from(since).unwrap_or(0).saturating_mul(1000);
        store.revoke_refresh_tokens(call.scope, &account.local_id, since)?;
    }
    let recovery = match account.initial_email.clone() {
        Some(email) if moved && provider.as_deref() != Some(ANONYMOUS) && call.delivers.emails => {
            Some(oob::issue(store, call, RequestType::RecoverEmail, email, None, None)?)
        }
        Some(_) | None => None,
    };
    let password_hash = if call.emulator { account.password_hash } else { None };
    let mut answer = Answer::kind("identitytoolkit#SetAccountInfoResponse")
        .with("localId", account.local_id)
        .with_some("emailVerified", account.email_verified)
        .with_some("providerUserInfo", account.provider_user_info.as_ref().map(json))
        .with_some("email", account.email)
        .with_some("displayName", account.display_name)
        .with_some("photoUrl", account.photo_url)
        .with_some("newEmail", new_email)
        .with_some("passwordHash", password_hash)
        .with_tokens(tokens);
    answer.messages.extend(recovery.map(Message::Email));
    Ok(answer)
}

/// An account as a request wants it.
struct Changed {
    account: Account,
    /// How the caller signed in, or will have by this.
    provider: Option<String>,
    /// Tokens issued before are revoked.
    revokes: bool,
    new_email: Option<String>,
    /// The request gave the account another email.
    moved: bool,
}

/// What the request says by itself.
fn apply(store: &dyn Store, call: &Call<'_>, request: &Request) -> Result<Changed, Error> {
    let (mut account, provider) = match given(&request.id_token) {
        Some(id_token) => {
            let signed_in = signed_in(store, call, id_token)?;
            if request.disable_user.is_some() {
                return Err(Error::OperationNotAllowed);
            }
            signed_in
        }
        None => {
            let local_id = given(&request.local_id).ok_or(Error::MissingLocalId)?;
            (store.by_local_id(call.scope, local_id)?.ok_or(Error::UserNotFound)?, None)
        }
    };
    let moved = change_email(store, call, &mut account, provider.as_deref(), given(&request.email))? == Email::Changed;
    let password = password_policy::new_password(store, call, given(&request.password))?;
    let provider = if password.is_some() { Some(PASSWORD.to_owned()) } else { provider };
    let revokes = moved || password.is_some() || request.valid_since.is_some();
    if revokes {
        account.valid_since = Some((call.now / 1000).to_string());
    }
    if let Some(mfa) = &request.mfa {
        let factors = second_factors::given(mfa.enrollments.clone(), None)?;
        // Nobody has shown that a phone is theirs; only an emulator takes users at their word.
        if !call.privileged && !call.emulator {
            return Err(Error::InsufficientPermission);
        }
        account.mfa_info = (!factors.is_empty()).then_some(factors);
    }
    if call.privileged {
        change_as_admin(store, call, &mut account, request)?;
    }
    if let Some(password) = password {
        let valid_since = account.valid_since.clone();
        account.set_secret(call.passwords.hash(password, call.entropy)?, call.now);
        account.valid_since = valid_since;
    }
    overwrite(&mut account.display_name, &request.display_name);
    overwrite(&mut account.photo_url, &request.photo_url);
    remove(&mut account, request);
    passkeys::remove(call, &mut account, &request.delete_passkey);
    let new_email = given(&request.email).map(str::to_lowercase);
    Ok(Changed { account, provider, revokes, new_email, moved })
}

/// What a code from an email stands for.
fn apply_code(store: &mut dyn Store, call: &Call<'_>, oob_code: &str) -> Result<Changed, Error> {
    let code = oob::find(store, call, oob_code)?;
    oob::consume(store, call, oob_code)?;
    let is_free = |store: &dyn Store, email: &str| match store.by_email(call.scope, email)? {
        // The code is used up all the same.
        Some(_) => Err(Error::EmailExists.kept()),
        None => Ok(()),
    };
    let mut changed =
        Changed { account: Account::default(), provider: None, revokes: false, new_email: None, moved: false };
    // Whoever has read the email has the account's address, unless that has changed since.
    let mut is_owners = true;
    match code.request_type {
        RequestType::VerifyEmail => {
            changed.account = store.by_email(call.scope, &code.email)?.ok_or(Error::InvalidOobCode)?;
            changed.provider = Some(PASSWORD.to_owned());
        }
        RequestType::VerifyAndChangeEmail => {
            changed.account = store.by_email(call.scope, &code.email)?.ok_or(Error::InvalidOobCode)?;
            let email = code.new_email.ok_or(Error::InvalidOobCode)?;
            is_free(store, &email)?;
            changed.account.email = Some(email.clone());
            changed.new_email = Some(email);
        }
        RequestType::RecoverEmail => {
            let account = store.by_initial_email(call.scope, &code.email)?;
            changed.account = account.ok_or(Error::InvalidOobCode)?;
            is_free(store, &code.email)?;
            changed.account.email = Some(code.email);
        }
        RequestType::RevertSecondFactorAddition => {
            let added = code.added_factor.ok_or(Error::InvalidOobCode)?;
            let account = store.by_local_id(call.scope, &added.local_id)?;
            changed.account = account.ok_or(Error::InvalidOobCode)?;
            second_factors::remove(store, call, &mut changed.account, added.factor.mfa_enrollment_id.as_deref())?;
            is_owners = changed.account.email.as_ref() == Some(&code.email);
        }
        RequestType::PasswordReset => return Err(Error::NotImplemented("PASSWORD_RESET".to_owned())),
        RequestType::EmailSignin => return Err(Error::NotImplemented("EMAIL_SIGNIN".to_owned())),
    }
    if is_owners {
        changed.account.email_verified = Some(true);
    }
    // On a server the tokens of whoever took the email, or added the factor, end with it.
    let ends_others = match code.request_type {
        RequestType::VerifyAndChangeEmail | RequestType::RecoverEmail | RequestType::RevertSecondFactorAddition => true,
        RequestType::VerifyEmail | RequestType::PasswordReset | RequestType::EmailSignin => false,
    };
    if !call.emulator && ends_others {
        changed.account.valid_since = Some((call.now / 1000).to_string());
        changed.revokes = true;
    }
    Ok(changed)
}

/// What can be said before the account is known.
fn check(call: &Call<'_>, request: &Request) -> Result<(), Error> {
    if request.provider.is_some() {
        return Err(Error::field_not_implemented("provider"));
    }
    if request.upgrade_to_federated_login.is_some() {
        return Err(Error::field_not_implemented("upgradeToFederatedLogin"));
    }
    if call.privileged {
        given(&request.local_id).ok_or(Error::MissingLocalId)?;
    } else {
        given(&request.id_token).or(given(&request.oob_code)).ok_or(Error::InvalidReqType)?;
        if request.custom_attributes.is_some() {
            return Err(Error::InsufficientPermission);
        }
    }
    if let Some(custom) = given(&request.custom_attributes) {
        claims::check_custom(custom)?;
    }
    for attribute in &request.delete_attribute {
        match attribute {
            Attribute::Provider => return Err(Error::NotImplemented("deleteAttribute: PROVIDER".to_owned())),
            Attribute::RawUserInfo => return Err(Error::NotImplemented("deleteAttribute: RAW_USER_INFO".to_owned())),
            Attribute::UserAttributeNameUnspecified
            | Attribute::Email
            | Attribute::DisplayName
            | Attribute::PhotoUrl
            | Attribute::Password => {}
        }
    }
    Ok(())
}

#[derive(PartialEq, Eq)]
enum Email {
    Same,
    Changed,
}

fn change_email(
    store: &dyn Store,
    call: &Call<'_>,
    account: &mut Account,
    provider: Option<&str>,
    email: Option<&str>,
) -> Result<Email, Error> {
    let Some(email) = email else { return Ok(Email::Same) };
    if account.email.as_deref().is_some_and(|current| current == email.to_lowercase()) {
        return Ok(Email::Same);
    }
    // Where emails are private, whether one is taken is told to who can read what is sent there.
    if !call.privileged && !call.emulator && account.email.is_some() && policy::of(store, call)?.email_privacy {
        return Err(Error::UnverifiedNewEmail);
    }
    let Some(email) = free_email(store, call, Some(email))? else { return Ok(Email::Same) };
    let former = account.email.replace(email);
    account.email_verified = Some(false);
    if provider != Some(ANONYMOUS) && account.initial_email.is_none() {
        account.initial_email = former;
    }
    Ok(Email::Changed)
}

fn change_as_admin(store: &dyn Store, call: &Call<'_>, account: &mut Account, request: &Request) -> Result<(), Error> {
    overwrite(&mut account.disabled, &request.disable_user);
    if let Some(phone_number) = given(&request.phone_number)
        && account.phone_number.as_deref() != Some(phone_number)
    {
        free_phone_number(store, call, phone_number)?;
        account.phone_number = Some(phone_number.to_owned());
    }
    overwrite(&mut account.email_verified, &request.email_verified);
    overwrite(&mut account.custom_attributes, &request.custom_attributes);
    overwrite(&mut account.created_at, &request.created_at);
    overwrite(&mut account.last_login_at, &request.last_login_at);
    overwrite(&mut account.valid_since, &request.valid_since);
    Ok(())
}

fn overwrite<T: Clone>(field: &mut Option<T>, value: &Option<T>) {
    if value.is_some() {
        field.clone_from(value);
    }
}

fn remove(account: &mut Account, request: &Request) {
    for attribute in &request.delete_attribute {
        match attribute {
            Attribute::DisplayName => account.display_name = None,
            Attribute::PhotoUrl => account.photo_url = None,
            Attribute::Email => account.delete_email(),
            Attribute::Password => account.delete_secret(),
            // The others have been refused.
            Attribute::UserAttributeNameUnspecified | Attribute::Provider | Attribute::RawUserInfo => {}
        }
    }
    for provider in &request.delete_provider {
        if provider == PASSWORD {
            account.delete_email();
            account.delete_secret();
        } else if provider == PHONE {
            account.phone_number = None;
        }
    }
}

fn link(
    store: &dyn Store,
    call: &Call<'_>,
    account: &mut Account,
    info: Option<ProviderUserInfo>,
) -> Result<(), Error> {
    let Some(info) = info else { return Ok(()) };
    if info.provider_id.is_empty() {
        return Err(Error::MissingProviderId);
    }
    if info.raw_id.is_empty() {
        return Err(Error::MissingRawId);
    }
    // Nobody has shown that the identity is the caller's; only an emulator takes users at their word.
    if !call.privileged && !call.emulator {
        return Err(Error::InsufficientPermission);
    }
    match store.by_provider(call.scope, &info.provider_id, &info.raw_id)? {
        Some(other) if other.local_id != account.local_id => Err(Error::FederatedUserIdAlreadyLinked),
        Some(_) | None => {
            account.upsert_provider(info);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::*;
    use crate::operations::sign_up::sign_up;
    use serde_json::json;

    fn check(house: &mut House, privileged: bool, body: Value, expected: Error) {
        assert_eq!(house.call(privileged, update, body.clone()), Err(expected), "{body}");
    }

    #[test]
    fn users_hear_the_first_complaint() {
        let mut house = House::new();
        let token = house.sign_up().1;
        house.call(true, sign_up, json!({"localId": "taken", "email": "taken@b"})).unwrap();
        let link = json!({"providerId": "google.com", "rawId": "g"});
        house.call(true, update, json!({"localId": "taken", "linkProviderUserInfo": link})).unwrap();
        let absent = Error::field_not_implemented;
        for (body, expected) in [
            (json!({"provider": [], "upgradeToFederatedLogin": true}), absent("provider")),
            (json!({"upgradeToFederatedLogin": false}), absent("upgradeToFederatedLogin")),
            (json!({"localId": "x"}), Error::InvalidReqType),
            (json!({"idToken": "", "customAttributes": "{"}), Error::InvalidReqType),
            (json!({"idToken": "x", "customAttributes": ""}), Error::InsufficientPermission),
            (
                json!({"idToken": "x", "deleteAttribute": ["PROVIDER"]}),
                Error::NotImplemented("deleteAttribute: PROVIDER".to_owned()),
            ),
            (
                json!({"idToken": "x", "deleteAttribute": ["RAW_USER_INFO"]}),
                Error::NotImplemented("deleteAttribute: RAW_USER_INFO".to_owned()),
            ),
            (json!({"idToken": "x", "oobCode": "c"}), Error::InvalidOobCode),
            (json!({"oobCode": "c"}), Error::InvalidOobCode),
            (json!({"idToken": "x", "disableUser": true}), Error::InvalidIdToken),
            (json!({"idToken": token, "disableUser": false}), Error::OperationNotAllowed),
            (json!({"idToken": token, "email": "x"}), Error::InvalidEmail),
            (json!({"idToken": token, "email": "Taken@b"}), Error::EmailExists),
            (json!({"idToken": token, "password": "short"}), Error::WeakPassword),
            (json!({"idToken": token, "mfa": {"enrollments": [{}]}}), Error::InvalidMfaPhoneNumber),
            (json!({"idToken": token, "linkProviderUserInfo": {"rawId": "g"}}), Error::MissingProviderId),
            (json!({"idToken": token, "linkProviderUserInfo": {"providerId": "g"}}), Error::MissingRawId),
            (json!({"idToken": token, "linkProviderUserInfo": link}), Error::FederatedUserIdAlreadyLinked),
        ] {
            check(&mut house, false, body, expected);
        }
    }

    #[test]
    fn admins_hear_the_first_complaint() {
        let mut house = House::new();
        house.call(true, sign_up, json!({"localId": "a", "phoneNumber": "+1"})).unwrap();
        house.call(true, sign_up, json!({"localId": "b", "phoneNumber": "+2"})).unwrap();
        for (body, expected) in [
            (json!({"customAttributes": "{"}), Error::MissingLocalId),
            (json!({"localId": "x", "customAttributes": "{"}), Error::InvalidClaims),
            (json!({"localId": "x", "customAttributes": r#"{"sub":1}"#}), Error::ForbiddenClaim("sub")),
            (json!({"localId": "x", "customAttributes": "x".repeat(1001)}), Error::ClaimsTooLarge),
            (json!({"localId": "x"}), Error::UserNotFound),
            (json!({"localId": "a", "phoneNumber": "2"}), Error::InvalidPhoneNumber),
            (json!({"localId": "a", "phoneNumber": "+2"}), Error::PhoneNumberExists),
        ] {
            check(&mut house, true, body, expected);
        }
    }

    #[test]
    fn an_admin_changes_everything() {
        let mut house = House::new();
        house.call(true, sign_up, json!({"localId": "a", "email": "a@b", "displayName": "N"})).unwrap();
        let change = json!({
            "localId": "a", "email": "C@d", "emailVerified": true, "displayName": "M", "photoUrl": "P",
            "phoneNumber": "+1", "disableUser": true, "customAttributes": "{\"r\":1}", "createdAt": "1",
            "lastLoginAt": "2", "validSince": "3", "mfa": {}, "deletePasskey": ["p"],
        });
        let answer = house.call(true, update, change).unwrap();
        let phone = json!([{"providerId": "phone", "rawId": "+1", "phoneNumber": "+1"}]);
        assert_eq!(
            Value::Object(answer.body),
            json!({
                "kind": "identitytoolkit#SetAccountInfoResponse", "localId": "a", "emailVerified": true,
                "providerUserInfo": phone, "email": "c@d", "displayName": "M", "photoUrl": "P", "newEmail": "c@d",
            })
        );
        assert_eq!(answer.id_token, None, "an admin's change signs nobody in");
        assert_eq!(
            serde_json::to_value(house.account("a")).unwrap(),
            json!({
                "localId": "a", "email": "c@d", "emailVerified": true, "displayName": "M", "photoUrl": "P",
                "phoneNumber": "+1", "validSince": "3", "disabled": true, "createdAt": "1", "lastLoginAt": "2",
                "customAttributes": "{\"r\":1}", "providerUserInfo": phone, "initialEmail": "a@b",
            })
        );
        let removal = json!({
            "localId": "a", "deleteAttribute": ["DISPLAY_NAME", "PHOTO_URL", "EMAIL", "PASSWORD"],
            "deleteProvider": ["phone"], "displayName": "forgotten",
        });
        let answer = house.call(true, update, removal).unwrap();
        let fields: Vec<_> = answer.body.keys().map(String::as_str).collect();
        assert_eq!(fields, ["kind", "localId", "providerUserInfo"]);
        let account = house.account("a");
        assert_eq!((account.phone_number.as_deref(), account.providers().len(), account.email), (None, 0, None));
    }

    #[test]
    fn a_new_email_revokes_and_renews_the_callers_tokens() {
        let mut house = House::new();
        let (id, old) = house.sign_up();
        house.now += 1_000;
        let answer = house.call(false, update, json!({"idToken": old, "email": "A@b", "emailVerified": true})).unwrap();
        assert_eq!(answer.body["newEmail"], "a@b");
        assert_eq!(answer.body["emailVerified"], false, "users cannot vouch for themselves");
        assert!(answer.body.contains_key("refreshToken"));
        let new = house.forge(Value::Object(answer.id_token.unwrap().claims));
        check(&mut house, false, json!({"idToken": old}), Error::TokenExpired);
        let answer = house.call(false, update, json!({"idToken": new, "email": "a@B", "displayName": "N"})).unwrap();
        assert_eq!((answer.id_token, &answer.body["newEmail"]), (None, &json!("a@b")));
        let account = house.account(&id);
        assert_eq!((account.initial_email, account.display_name.as_deref()), (None, Some("N")));
    }

    /// The code of the first email that was sent.
    fn sent(house: &mut House, body: Value) -> String {
        let answer = house.call(false, oob::send, body).unwrap();
        match answer.messages.as_slice() {
            [Message::Email(code)] => code.oob_code.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn token(house: &House) -> String {
        house.forge(json!({"user_id": "u", "iat": house.now / 1000, "firebase": {"sign_in_provider": "password"}}))
    }

    #[test]
    fn codes_from_emails_do_what_they_are_for() {
        let mut house = House::new();
        house.call(true, sign_up, json!({"localId": "u", "email": "a@b", "password": "secret"})).unwrap();
        let token = token(&house);
        let verify = sent(&mut house, json!({"requestType": "VERIFY_EMAIL", "idToken": token}));
        house.call(false, update, json!({"oobCode": verify})).unwrap();
        assert_eq!(house.account("u").email_verified, Some(true));
        check(&mut house, false, json!({"oobCode": verify}), Error::InvalidOobCode);

        let change = json!({"requestType": "VERIFY_AND_CHANGE_EMAIL", "idToken": token, "newEmail": "N@b"});
        let change = sent(&mut house, change);
        let answer = house.call(false, update, json!({"oobCode": change})).unwrap();
        assert_eq!((&answer.body["newEmail"], &answer.body["email"]), (&json!("n@b"), &json!("n@b")));

        let late = json!({"requestType": "VERIFY_AND_CHANGE_EMAIL", "idToken": token, "newEmail": "late@b"});
        let late = sent(&mut house, late);
        house.call(true, sign_up, json!({"email": "late@b"})).unwrap();
        check(&mut house, false, json!({"oobCode": late}), Error::EmailExists);
        check(&mut house, false, json!({"oobCode": late}), Error::InvalidOobCode);
    }

    #[test]
    fn a_former_email_can_be_put_back() {
        let mut house = House::new();
        house.call(true, sign_up, json!({"localId": "u", "email": "a@b", "password": "secret"})).unwrap();
        let token = token(&house);
        let answer = house.call(false, update, json!({"idToken": token, "email": "thief@b"})).unwrap();
        let [Message::Email(code)] = answer.messages.as_slice() else { panic!("{:?}", answer.messages) };
        assert_eq!((code.request_type, code.email.as_str()), (RequestType::RecoverEmail, "a@b"));
        let code = code.oob_code.clone();
        let answer = house.call(false, update, json!({"oobCode": code})).unwrap();
        assert_eq!(answer.body["email"], "a@b");
        assert_eq!(house.account("u").email_verified, Some(true));
    }

    #[test]
    fn a_password_belongs_to_an_email() {
        let mut house = House::new();
        let (id, token) = house.sign_up();
        let answer =
            house.call(false, update, json!({"idToken": token, "email": "a@b", "password": "secret"})).unwrap();
        assert!(answer.id_token.is_some(), "the caller's own token has been revoked");
        let providers = |house: &House| house.account(&id).providers().len();
        assert_eq!(providers(&house), 1);
        house.call(true, update, json!({"localId": id, "deleteProvider": ["password"]})).unwrap();
        assert_eq!((providers(&house), house.account(&id).secret(), house.account(&id).email), (0, None, None));
    }
}
