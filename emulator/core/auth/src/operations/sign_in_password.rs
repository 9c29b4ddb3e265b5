//! `accounts:signInWithPassword`.

use super::blocking::Told;
use super::entry::{Entry, enter};
use super::{Answer, Call, given, password_policy, policy};
use crate::account::{self, Account, PASSWORD};
use crate::errors::Error;
use crate::password::{Password, Verdict};
use crate::schema::{Kind, Schema};
use crate::store::Store;
use serde::Deserialize;

/// The request's shape.
pub const SCHEMA: Schema = &[
    ("captchaChallenge", Kind::Text),
    ("captchaResponse", Kind::Text),
    ("delegatedProjectNumber", Kind::Int64),
    ("email", Kind::Text),
    ("idToken", Kind::Text),
    ("instanceId", Kind::Text),
    ("password", Kind::Text),
    ("pendingIdToken", Kind::Text),
    ("returnSecureToken", Kind::Flag),
    ("targetProjectId", Kind::Text),
    ("tenantId", Kind::Text),
];

/// The request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    captcha_challenge: Option<String>,
    captcha_response: Option<String>,
    email: Option<String>,
    id_token: Option<String>,
    password: Option<String>,
    pending_id_token: Option<String>,
}

/// Lets in whoever knows an account's email and password.
///
/// # Errors
/// As the official emulator.
pub fn sign_in(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let policy = policy::of(store, call)?;
    if !policy.passwords {
        return Err(Error::PasswordLoginDisabled);
    }
    let email = request.email.as_deref().ok_or(Error::MissingEmail)?;
    if !account::is_email(email) {
        return Err(Error::InvalidEmail);
    }
    let password = Password::tried(given(&request.password).ok_or(Error::MissingPassword)?);
    if given(&request.captcha_response).or(given(&request.captcha_challenge)).is_some() {
        return Err(Error::NotImplemented("captcha unimplemented".to_owned()));
    }
    if given(&request.id_token).or(given(&request.pending_id_token)).is_some() {
        return Err(Error::NotImplemented(
            "idToken / pendingIdToken is no longer in use and unsupported by the Auth Emulator.".to_owned(),
        ));
    }
    let [unknown, wrong] = match policy.email_privacy {
        true => [Error::InvalidLoginCredentials, Error::InvalidLoginCredentials],
        false => [Error::EmailNotFound, Error::InvalidPassword],
    };
    let email = email.to_lowercase();
    let found = store.by_email(call.scope, &email)?;
    if found.as_ref().and_then(Account::secret).is_none() && policy.email_privacy {
        // Nobody learns by the time it takes that there is nothing to compare with.
        call.passwords.hash(password.clone(), call.entropy)?;
    }
    let mut account = found.ok_or(unknown)?;
    // Where emails are private, only who knows the password learns that there is a disabled account.
    let is_told = call.emulator || !policy.email_privacy;
    if account.disabled == Some(true) && is_told {
        return Err(Error::UserDisabled);
    }
    check(call, &mut account, password.clone(), wrong)?;
    if account.disabled == Some(true) {
        return Err(Error::UserDisabled);
    }
    password_policy::check_sign_in(store, call, password.text())?;
    let entry = Entry {
        provider: PASSWORD,
        second_factors: true,
        told: Some(Told { method: PASSWORD.to_owned(), ..Told::default() }),
        ..Entry::default()
    };
    let entered = enter(store, call, &policy, &mut account, entry)?;
    Ok(Answer::kind("identitytoolkit#VerifyPasswordResponse")
        .with("registered", true)
        .with("localId", account.local_id)
        .with("email", email)
        .with_entered(entered))
}

/// Refuses a wrong password; one that was kept in an outdated way is hashed anew.
fn check(call: &Call<'_>, account: &mut Account, password: Password, wrong: Error) -> Result<(), Error> {
    let secret = account.secret().ok_or_else(|| wrong.clone())?;
    match call.passwords.verify(password.clone(), secret)? {
        Verdict::Right => Ok(()),
        Verdict::Wrong => Err(wrong),
        Verdict::Outdated => {
            let secret = call.passwords.hash(password, call.entropy)?;
            account.password_hash = Some(secret.hash);
            account.salt = secret.salt;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::super::{config, sign_up, update};
    use super::*;
    use serde_json::{Value, json};

    fn check(house: &mut House, body: Value, expected: Result<&str, Error>) {
        let result = house.call(false, sign_in, body.clone()).map(|answer| Value::Object(answer.body).to_string());
        let result = result.map(|text| text.split(r#","refreshToken""#).next().unwrap().to_owned());
        assert_eq!(result.as_deref().map_err(Clone::clone), expected, "{body}");
    }

    fn house() -> House {
        let mut house = House::new();
        house.call(true, sign_up::sign_up, json!({"localId": "u", "email": "a@b", "password": "secret"})).unwrap();
        house.call(true, sign_up::sign_up, json!({"localId": "bare", "email": "c@d"})).unwrap();
        house
    }

    #[test]
    fn complaints_have_an_order() {
        let mut house = house();
        let absent = |message: &str| Error::NotImplemented(message.to_owned());
        for (body, expected) in [
            (json!({"password": "x"}), Error::MissingEmail),
            (json!({"email": "", "password": ""}), Error::InvalidEmail),
            (json!({"email": "x@y", "captchaResponse": "c"}), Error::MissingPassword),
            (json!({"email": "x@y", "password": "x", "captchaResponse": "c"}), absent("captcha unimplemented")),
            (
                json!({"email": "x@y", "password": "x", "idToken": "t"}),
                absent("idToken / pendingIdToken is no longer in use and unsupported by the Auth Emulator."),
            ),
            (json!({"email": "x@y", "password": "x"}), Error::EmailNotFound),
            (json!({"email": "a@b", "password": "wrong!"}), Error::InvalidPassword),
            (json!({"email": "c@d", "password": "secret"}), Error::InvalidPassword),
        ] {
            check(&mut house, body, Err(expected));
        }
        house.call(true, update::update, json!({"localId": "u", "disableUser": true})).unwrap();
        check(&mut house, json!({"email": "a@b", "password": "wrong!"}), Err(Error::UserDisabled));
    }

    #[test]
    fn privacy_leaves_open_what_was_wrong() {
        let mut house = house();
        let privacy = json!({"emailPrivacyConfig": {"enableImprovedEmailPrivacy": true}});
        house.call(true, config::update, privacy).unwrap();
        for (email, password) in [("x@y", "secret"), ("a@b", "wrong!"), ("c@d", "secret")] {
            check(&mut house, json!({"email": email, "password": password}), Err(Error::InvalidLoginCredentials));
        }
    }

    #[test]
    fn a_server_says_nothing_of_accounts_to_who_knows_no_password() {
        let mut house = House::self_host();
        house.call(true, sign_up::sign_up, json!({"localId": "u", "email": "a@b", "password": "secret"})).unwrap();
        house.call(true, update::update, json!({"localId": "u", "disableUser": true})).unwrap();
        let of = |email: &str, password: &str| json!({"email": email, "password": password});
        check(&mut house, of("x@y", "wrong!"), Err(Error::InvalidLoginCredentials));
        check(&mut house, of("a@b", "wrong!"), Err(Error::InvalidLoginCredentials));
        check(&mut house, of("a@b", "secret"), Err(Error::UserDisabled));
        let open = json!({"emailPrivacyConfig": {"enableImprovedEmailPrivacy": false}});
        house.call(true, config::update_all, open).unwrap();
        check(&mut house, of("x@y", "wrong!"), Err(Error::EmailNotFound));
        check(&mut house, of("a@b", "wrong!"), Err(Error::UserDisabled));
    }

    #[test]
    fn who_knows_the_password_comes_in() {
        let mut house = house();
        house.now += 5_000;
        check(
            &mut house,
            json!({"email": "A@B", "password": "secret"}),
            Ok(r#"{"kind":"identitytoolkit#VerifyPasswordResponse","registered":true,"localId":"u","email":"a@b""#),
        );
        let account = house.account("u");
        assert_eq!(account.last_login_at.as_deref(), Some("1893456005000"));
        assert_eq!(account.last_refresh_at.as_deref(), Some("2030-01-01T00:00:05.000Z"));
    }

    #[test]
    fn a_second_factor_is_asked_for() {
        let mut house = house();
        let factors = json!({"enrollments": [{"mfaEnrollmentId": "f", "phoneInfo": "+15555550100"}]});
        house.call(true, update::update, json!({"localId": "u", "mfa": factors})).unwrap();
        let before = house.account("u");
        house.now += 5_000;
        let answer = house.call(false, sign_in, json!({"email": "a@b", "password": "secret"})).unwrap();
        assert_eq!(answer.id_token, None);
        assert_eq!(answer.body["mfaInfo"], json!([{"mfaEnrollmentId": "f", "phoneInfo": "+*******0100"}]));
        assert!(answer.body["mfaPendingCredential"].is_string());
        assert_eq!(house.account("u"), before, "the sign-in has not happened yet");
    }
}
