//! `accounts:batchCreate`: accounts that come from elsewhere, with their ids and passwords.

use super::second_factors::{self, ENROLLMENT};
use super::update::PROVIDER_USER_INFO;
use super::{Answer, Call, given, policy};
use crate::account::{
    Account, MfaEnrollment, PASSWORD, PHONE, ProviderUserInfo, is_e164, is_email, is_phone_number, iso,
};
use crate::errors::Error;
use crate::password::imported::{Parameters, Unusable};
use crate::password::{self, Password, Secret};
use crate::schema::{Kind, Schema};
use crate::store::Store;
use crate::token::claims;
use serde::Deserialize;
use serde_json::json;
use std::collections::HashSet;

/// The request's shape.
pub const SCHEMA: Schema = &[
    ("allowOverwrite", Kind::Flag),
    (
        "argon2Parameters",
        Kind::Object(&[("associatedData", Kind::Text), ("hashType", Kind::Text), ("version", Kind::Text)]),
    ),
    ("blockSize", Kind::Any),
    ("cpuMemCost", Kind::Any),
    ("delegatedProjectNumber", Kind::Int64),
    ("dkLen", Kind::Any),
    ("hashAlgorithm", Kind::Text),
    ("memoryCost", Kind::Any),
    ("parallelization", Kind::Any),
    ("passwordHashOrder", Kind::Name(&["UNSPECIFIED_ORDER", "SALT_AND_PASSWORD", "PASSWORD_AND_SALT"])),
    ("rounds", Kind::Any),
    ("saltSeparator", Kind::Text),
    ("sanityCheck", Kind::Flag),
    ("signerKey", Kind::Text),
    ("targetProjectId", Kind::Text),
    ("tenantId", Kind::Text),
    ("users", Kind::List(&Kind::Object(USER))),
];

const USER: Schema = &[
    ("createdAt", Kind::Int64),
    ("customAttributes", Kind::Text),
    ("customAuth", Kind::Flag),
    ("dateOfBirth", Kind::Text),
    ("disabled", Kind::Flag),
    ("displayName", Kind::Text),
    ("email", Kind::Text),
    ("emailLinkSignin", Kind::Flag),
    ("emailVerified", Kind::Flag),
    ("initialEmail", Kind::Text),
    ("language", Kind::Text),
    ("lastLoginAt", Kind::Int64),
    ("lastRefreshAt", Kind::Text),
    ("localId", Kind::Text),
    ("mfaInfo", Kind::List(&Kind::Object(ENROLLMENT))),
    ("passwordHash", Kind::Text),
    ("passwordUpdatedAt", Kind::Any),
    ("phoneNumber", Kind::Text),
    ("photoUrl", Kind::Text),
    ("providerUserInfo", Kind::List(&Kind::Object(PROVIDER_USER_INFO))),
    ("rawPassword", Kind::Text),
    ("salt", Kind::Text),
    ("screenName", Kind::Text),
    ("tenantId", Kind::Text),
    ("validSince", Kind::Int64),
    ("version", Kind::Any),
];

/// The request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    allow_overwrite: bool,
    sanity_check: bool,
    users: Vec<User>,
    /// How the passwords of the users were hashed.
    #[serde(flatten)]
    hashing: Parameters,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct User {
    created_at: Option<String>,
    custom_attributes: Option<String>,
    disabled: bool,
    display_name: Option<String>,
    email: Option<String>,
    email_link_signin: Option<bool>,
    email_verified: bool,
    last_login_at: Option<String>,
    local_id: Option<String>,
    mfa_info: Vec<MfaEnrollment>,
    password_hash: Option<String>,
    phone_number: Option<String>,
    photo_url: Option<String>,
    provider_user_info: Option<Vec<ProviderUserInfo>>,
    raw_password: Option<String>,
    salt: Option<String>,
    tenant_id: Option<String>,
}

/// Keeps the accounts that can be kept; the answer names the others.
///
/// # Errors
/// As the official emulator, if nothing can be kept because the request is at odds with itself.
pub fn batch_create(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let policy = policy::of(store, call)?;
    if request.users.is_empty() {
        return Err(Error::MissingUserAccount);
    }
    let one_account_per_email = request.sanity_check && !policy.duplicate_emails;
    check_whole(&request, one_account_per_email)?;
    check_hashing(call, &request)?;
    let mut secrets = hashed(call, &request.users)?.into_iter();
    let mut errors = Vec::new();
    for (index, user) in request.users.into_iter().enumerate() {
        let secret = if needs_hashing(&user) { secrets.next() } else { None };
        match account(store, call, &user, secret, &request.hashing, request.allow_overwrite, one_account_per_email)? {
            Ok(account) => store.put(call.scope, &account)?,
            Err(message) => errors.push(json!({"index": index, "message": message})),
        }
    }
    Ok(Answer::kind("identitytoolkit#UploadAccountResponse").with("error", errors))
}

fn needs_hashing(user: &User) -> bool {
    given(&user.password_hash).is_none() && given(&user.raw_password).is_some()
}

fn hashed(call: &Call<'_>, users: &[User]) -> Result<Vec<Secret>, Error> {
    let raw = users.iter().filter(|user| needs_hashing(user)).filter_map(|user| given(&user.raw_password));
    call.passwords.hash_all(raw.map(Password::tried).collect(), call.entropy)
}

/// Whether the passwords can be verified later. An emulator keeps what it cannot verify, as the official one does.
fn check_hashing(call: &Call<'_>, request: &Request) -> Result<(), Error> {
    let hashes = request.users.iter().filter_map(|user| given(&user.password_hash));
    if hashes.filter(|hash| !password::says_how_it_was_made(hash)).count() == 0 {
        return Ok(());
    }
    match request.hashing.check() {
        Ok(()) => Ok(()),
        Err(Unusable::NoAlgorithm) if call.emulator => Ok(()),
        Err(unusable) => Err(Error::UnusableHashing(unusable)),
    }
}

/// What may not come twice in one request.
fn check_whole(request: &Request, one_account_per_email: bool) -> Result<(), Error> {
    let (mut emails, mut identities, mut ids) = (HashSet::new(), HashSet::new(), HashSet::new());
    if one_account_per_email {
        for email in request.users.iter().filter_map(|user| given(&user.email)) {
            if !emails.insert(email) {
                return Err(Error::DuplicateEmail(email.to_owned()));
            }
        }
    }
    if request.sanity_check {
        for info in request.users.iter().flat_map(|user| user.provider_user_info.iter().flatten()) {
            if !identities.insert((&info.provider_id, &info.raw_id)) {
                let (provider_id, raw_id) = (info.provider_id.clone(), info.raw_id.clone());
                return Err(Error::DuplicateRawId { provider_id, raw_id });
            }
        }
    }
    if !request.allow_overwrite {
        for id in request.users.iter().map(|user| given(&user.local_id).unwrap_or_default()) {
            if !ids.insert(id) {
                return Err(Error::ImportedTwice(id.to_owned()));
            }
        }
    }
    Ok(())
}

/// The account, or why there is none.
fn account(
    store: &dyn Store,
    call: &Call<'_>,
    user: &User,
    secret: Option<Secret>,
    hashing: &Parameters,
    allow_overwrite: bool,
    one_account_per_email: bool,
) -> Result<Result<Account, String>, Error> {
    let refuse = |why: &str| Ok(Err(why.to_owned()));
    let Some(local_id) = given(&user.local_id) else { return refuse("localId is missing") };
    let is_other = |found: Option<Account>| found.is_some_and(|owner| owner.local_id != local_id);
    if given(&user.tenant_id).is_some_and(|tenant| call.scope.tenant.as_deref() != Some(tenant)) {
        return refuse("Tenant id in userInfo does not match the tenant id in request.");
    }
    let mut account = Account {
        local_id: local_id.to_owned(),
        display_name: user.display_name.clone(),
        photo_url: user.photo_url.clone(),
        last_login_at: user.last_login_at.clone(),
        created_at: user.created_at.clone().or_else(|| Some(call.now.to_string())),
        valid_since: Some((call.now / 1000).to_string()),
        email_verified: Some(user.email_verified),
        email_link_signin: user.email_link_signin,
        disabled: Some(user.disabled),
        tenant_id: call.scope.tenant.clone(),
        ..Account::default()
    };
    let kept = given(&user.password_hash).map(|hash| {
        if hashing.are_given() && !password::says_how_it_was_made(hash) {
            hashing.secret(hash, given(&user.salt))
        } else {
            Secret { hash: hash.to_owned(), salt: user.salt.clone() }
        }
    });
    if let Some(secret) = kept.or(secret) {
        account.set_secret(secret, call.now);
    }
    if let Some(custom) = given(&user.custom_attributes) {
        if let Err(error) = claims::check_custom(custom) {
            return Ok(Err(claims_complaint(&error)));
        }
        account.custom_attributes = Some(custom.to_owned());
    }
    if let Some(infos) = &user.provider_user_info {
        account.provider_user_info = Some(Vec::new());
        // The other two follow from the email and the phone number.
        for info in infos.iter().filter(|info| info.provider_id != PASSWORD && info.provider_id != PHONE) {
            if info.provider_id.is_empty() || info.raw_id.is_empty() {
                return refuse(match given(&info.federated_id) {
                    None => "federatedId or (providerId & rawId) is required",
                    Some(_) => {
                        "((Parsing federatedId is not implemented in Auth Emulator; please specify providerId AND rawId \
                         as a workaround.))"
                    }
                });
            }
            if is_other(store.by_provider(call.scope, &info.provider_id, &info.raw_id)?) {
                return refuse("raw id exists in other account in database");
            }
            account.upsert_provider(info.clone());
        }
    }
    if let Some(phone_number) = given(&user.phone_number) {
        if !is_phone_number(phone_number) || (!call.emulator && !is_e164(phone_number)) {
            return refuse("phone number format is invalid");
        }
        if is_other(store.by_phone_number(call.scope, phone_number)?) {
            return refuse("phone number exists in other account in database");
        }
        account.phone_number = Some(phone_number.to_owned());
    }
    if let Some(email) = given(&user.email) {
        if !is_email(email) {
            return refuse("email is invalid");
        }
        if is_other(store.by_email(call.scope, &email.to_lowercase())?) {
            return Ok(Err(if one_account_per_email {
                "email exists in other account in database".to_owned()
            } else {
                format!("((Auth Emulator does not support importing duplicate email: {email}))")
            }));
        }
        account.email = Some(email.to_lowercase());
    }
    if !user.mfa_info.is_empty() {
        match factors(call, &account, &user.mfa_info) {
            Ok(factors) => account.mfa_info = Some(factors),
            Err(why) => return refuse(why),
        }
    }
    if !allow_overwrite && store.standing(call.scope, local_id)?.is_some() {
        return refuse("localId belongs to an existing account - can not overwrite.");
    }
    account.mirror_providers();
    Ok(Ok(account))
}

fn claims_complaint(error: &Error) -> String {
    if *error == Error::InvalidClaims {
        return "Invalid custom claims provided.".to_owned();
    }
    if *error == Error::ClaimsTooLarge {
        return "Custom claims provided are too large.".to_owned();
    }
    if let Error::ForbiddenClaim(_) = error {
        return "Custom claims provided include a reserved claim.".to_owned();
    }
    error.to_string()
}

fn factors(
    call: &Call<'_>,
    account: &Account,
    enrollments: &[MfaEnrollment],
) -> Result<Vec<MfaEnrollment>, &'static str> {
    if account.email.is_none() {
        return Err("Second factor account requires email to be presented.");
    }
    if account.email_verified != Some(true) {
        return Err("Second factor account requires email to be verified.");
    }
    let mut ids = HashSet::new();
    for id in enrollments.iter().filter_map(|enrollment| given(&enrollment.mfa_enrollment_id)) {
        if !ids.insert(id.to_owned()) {
            return Err("Enrollment id already exists.");
        }
    }
    let mut kept = Vec::new();
    for enrollment in enrollments {
        let id = match given(&enrollment.mfa_enrollment_id) {
            Some(id) => id.to_owned(),
            None => second_factors::new_id(call.entropy, &ids),
        };
        ids.insert(id.clone());
        let number = given(&enrollment.phone_info).ok_or("Second factor not supported.")?;
        if !is_phone_number(number) {
            return Err("Phone number format is invalid");
        }
        kept.push(MfaEnrollment {
            mfa_enrollment_id: Some(id),
            enrolled_at: given(&enrollment.enrolled_at).map(str::to_owned).or_else(|| Some(iso(call.now))),
            unobfuscated_phone_info: Some(number.to_owned()),
            ..enrollment.clone()
        });
    }
    Ok(kept)
}

/// As [`batch_create`], by its former name (`uploadAccount`): the project is in the body.
///
/// # Errors
/// The request names no project.
pub fn upload(store: &mut dyn Store, call: &Call<'_>, request: Upload) -> Result<Answer, Error> {
    given(&request.target_project_id).ok_or(Error::InsufficientPermission)?;
    batch_create(store, call, request.request)
}

/// The request of `uploadAccount`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Upload {
    target_project_id: Option<String>,
    #[serde(flatten)]
    request: Request,
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::super::{sign_in_password, sign_up};
    use super::*;
    use crate::store::Accounts;
    use serde_json::Value;

    fn check(house: &mut House, body: Value, expected: Result<Value, Error>) {
        let result = house.call(true, batch_create, body.clone()).map(|answer| answer.body["error"].clone());
        assert_eq!(result, expected, "{body}");
    }

    #[test]
    fn a_request_at_odds_with_itself_keeps_nothing() {
        let mut house = House::new();
        let google = json!([{"providerId": "google.com", "rawId": "g"}]);
        for (body, expected) in [
            (json!({}), Error::MissingUserAccount),
            (json!({"users": [{"localId": "a"}, {"localId": "a"}]}), Error::ImportedTwice("a".to_owned())),
            (
                json!({"users": [{"localId": "a", "email": "a@b"}, {"localId": "b", "email": "a@b"}], "sanityCheck": true}),
                Error::DuplicateEmail("a@b".to_owned()),
            ),
            (
                json!({
                    "users": [{"localId": "a", "providerUserInfo": google}, {"localId": "b", "providerUserInfo": google}],
                    "sanityCheck": true,
                }),
                Error::DuplicateRawId { provider_id: "google.com".to_owned(), raw_id: "g".to_owned() },
            ),
        ] {
            check(&mut house, body, Err(expected));
        }
        assert_eq!(house.store.count(&house.scope), Ok(0));
    }

    #[test]
    fn what_is_wrong_with_one_account_does_not_stop_the_others() {
        let mut house = House::new();
        house
            .call(true, sign_up::sign_up, json!({"localId": "known", "email": "taken@b", "phoneNumber": "+1"}))
            .unwrap();
        let factor = json!([{"phoneInfo": "+1"}]);
        let cases = [
            (json!({}), "localId is missing"),
            (json!({"localId": "known"}), "localId belongs to an existing account - can not overwrite."),
            (json!({"localId": "u", "email": "x"}), "email is invalid"),
            (
                json!({"localId": "v", "email": "Taken@b"}),
                "((Auth Emulator does not support importing duplicate email: Taken@b))",
            ),
            (json!({"localId": "w", "phoneNumber": "1"}), "phone number format is invalid"),
            (json!({"localId": "w2", "phoneNumber": "+1"}), "phone number exists in other account in database"),
            (json!({"localId": "x", "customAttributes": "["}), "Invalid custom claims provided."),
            (
                json!({"localId": "x2", "customAttributes": r#"{"sub":1}"#}),
                "Custom claims provided include a reserved claim.",
            ),
            (
                json!({"localId": "y", "providerUserInfo": [{"providerId": "g"}]}),
                "federatedId or (providerId & rawId) is required",
            ),
            (json!({"localId": "z", "mfaInfo": factor}), "Second factor account requires email to be presented."),
            (
                json!({"localId": "z2", "email": "z@b", "mfaInfo": factor}),
                "Second factor account requires email to be verified.",
            ),
            (
                json!({"localId": "t", "tenantId": "t"}),
                "Tenant id in userInfo does not match the tenant id in request.",
            ),
        ];
        let errors: Vec<_> =
            cases.iter().enumerate().map(|(index, (_, message))| json!({"index": index, "message": message})).collect();
        let mut users: Vec<_> = cases.iter().map(|(user, _)| user.clone()).collect();
        users.push(json!({"localId": "fine"}));
        check(&mut house, json!({"users": users}), Ok(json!(errors)));
        assert_eq!(house.store.count(&house.scope), Ok(2));
    }

    #[test]
    fn passwords_come_along() {
        let mut house = House::new();
        let users = json!([
            {"localId": "raw", "email": "Raw@b", "rawPassword": "secret"},
            {"localId": "hash", "email": "hash@b", "passwordHash": "fakeHash:salt=s:password=secret", "salt": "s"},
        ]);
        check(&mut house, json!({"users": users}), Ok(json!([])));
        for email in ["raw@b", "hash@b"] {
            let body = json!({"email": email, "password": "secret"});
            assert!(house.call(false, sign_in_password::sign_in, body).is_ok(), "{email}");
        }
        let again = json!({"users": [{"localId": "raw", "displayName": "N"}], "allowOverwrite": true});
        check(&mut house, again, Ok(json!([])));
        let account = house.account("raw");
        assert_eq!((account.email, account.display_name.as_deref()), (None, Some("N")));
    }
}
