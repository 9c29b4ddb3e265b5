//! Second factors: enrolled, withdrawn, and shown at sign-in. Text messages as the official emulator has them, one-time
//! passwords of authenticator apps as production has them.

use super::blocking::Told;
use super::entry::{Passed, let_in};
use super::phone::{self, Purpose};
use super::second_factors::{self, Pending};
use super::{Answer, Call, Message, given, oob, policy, sign_in, signed_in};
use crate::account::{ANONYMOUS, Account, MfaEnrollment, PHONE, TotpInfo, is_phone_number, iso};
use crate::code::{self, AddedFactor, Code, TotpSession};
use crate::entropy::base64url;
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::store::{Store, TotpFactor};
use crate::token::refresh::SecondFactor;
use crate::totp;
use serde::Deserialize;
use serde_json::{Map, json};

/// Who signs in like this has no second factor.
const UNSUPPORTED_FIRST_FACTORS: [&str; 4] = [ANONYMOUS, PHONE, "custom", "gc.apple.com"];
/// What tokens say of one-time passwords.
const TOTP: &str = "totp";
/// Characters of a session.
const SESSION: usize = 226;
/// So many other passwords may be shown to a server.
const MOST_FAILURES: u32 = 5;

const PHONE_INFO: Kind = Kind::Object(&[("phoneNumber", Kind::Text)]);
const PHONE_VERIFICATION: Kind = Kind::Object(&[
    ("androidVerificationProof", Kind::Text),
    ("code", Kind::Text),
    ("phoneNumber", Kind::Text),
    ("sessionInfo", Kind::Text),
]);
const TOTP_VERIFICATION: Kind = Kind::Object(&[("sessionInfo", Kind::Text), ("verificationCode", Kind::Text)]);

/// The shape of all of these requests.
pub const SCHEMA: Schema = &[
    ("displayName", Kind::Text),
    ("idToken", Kind::Text),
    ("mfaEnrollmentId", Kind::Text),
    ("mfaPendingCredential", Kind::Text),
    ("phoneEnrollmentInfo", PHONE_INFO),
    ("phoneSignInInfo", PHONE_INFO),
    ("phoneVerificationInfo", PHONE_VERIFICATION),
    ("tenantId", Kind::Text),
    ("totpEnrollmentInfo", Kind::Object(&[])),
    ("totpVerificationInfo", TOTP_VERIFICATION),
];

/// Any of these requests.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    display_name: Option<String>,
    id_token: Option<String>,
    mfa_enrollment_id: Option<String>,
    mfa_pending_credential: Option<String>,
    phone_enrollment_info: Option<PhoneInfo>,
    phone_verification_info: Option<PhoneVerification>,
    totp_enrollment_info: Option<Map<String, serde_json::Value>>,
    totp_verification_info: Option<TotpVerification>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PhoneInfo {
    phone_number: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PhoneVerification {
    android_verification_proof: Option<String>,
    code: Option<String>,
    session_info: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TotpVerification {
    session_info: Option<String>,
    verification_code: Option<String>,
}

/// `mfaEnrollment:start`: sends a code, or makes a secret for an authenticator app.
///
/// # Errors
/// As the official emulator.
pub fn start_enrollment(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let wants_totp = request.totp_enrollment_info.is_some();
    allowed(store, call, wants_totp)?;
    let (account, _) = eligible(store, call, &request)?;
    // Otherwise whoever took somebody's address could lock them out.
    if account.email_verified != Some(true) {
        return Err(Error::UnverifiedEmail);
    }
    if wants_totp {
        return start_totp(store, call, &account);
    }
    let info = request.phone_enrollment_info.ok_or(Error::MissingPhoneEnrollmentInfo)?;
    let number = given(&info.phone_number).filter(|number| is_phone_number(number)).ok_or(Error::InvalidPhoneNumber)?;
    not_enrolled(&account, number)?;
    let (session, message) = phone::issue(store, call, number, Purpose::Enrollment)?;
    let mut answer = Answer::default().with("phoneSessionInfo", json!({"sessionInfo": session}));
    answer.messages.push(message);
    Ok(answer)
}

fn start_totp(store: &mut dyn Store, call: &Call<'_>, account: &Account) -> Result<Answer, Error> {
    let session = TotpSession {
        session_info: base64url(call.entropy, SESSION),
        local_id: account.local_id.clone(),
        secret: totp::secret(call.entropy),
    };
    let until = call.now.saturating_add(session.lifetime());
    let answer = Answer::default().with(
        "totpSessionInfo",
        json!({
            "sharedSecretKey": session.secret,
            "verificationCodeLength": totp::DIGITS,
            "hashingAlgorithm": "SHA1",
            "periodSec": totp::PERIOD,
            "sessionInfo": session.session_info,
            "finalizeEnrollmentTime": iso(until),
        }),
    );
    code::keep(store, call.scope, session, call.now, !call.emulator)?;
    Ok(answer)
}

/// `mfaEnrollment:finalize`: keeps the factor once it has been shown, and issues tokens that say so.
///
/// # Errors
/// As the official emulator.
pub fn finalize_enrollment(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let wants_totp = request.totp_verification_info.is_some();
    allowed(store, call, wants_totp)?;
    let (mut account, provider) = eligible(store, call, &request)?;
    let factors = account.mfa_info.iter().flatten();
    let taken = factors.filter_map(|factor| factor.mfa_enrollment_id.clone()).collect();
    let id = second_factors::new_id(call.entropy, &taken);
    let enrollment = MfaEnrollment {
        mfa_enrollment_id: Some(id.clone()),
        display_name: request.display_name.clone(),
        enrolled_at: Some(iso(call.now)),
        ..MfaEnrollment::default()
    };
    let (enrollment, kind, secret) = match &request.totp_verification_info {
        Some(shown) => {
            let (secret, interval) = finish_totp(store, call, &account, shown)?;
            let enrollment = MfaEnrollment { totp_info: Some(TotpInfo {}), ..enrollment };
            (enrollment, TOTP, Some(TotpFactor { secret, used: Some(interval) }))
        }
        None => {
            let shown = request.phone_verification_info.as_ref().ok_or(Error::MissingPhoneVerificationInfo)?;
            let number = shown_number(store, call, shown)?;
            not_enrolled(&account, &number).map_err(Error::kept)?;
            let phone_info = Some(number);
            (
                MfaEnrollment { phone_info: phone_info.clone(), unobfuscated_phone_info: phone_info, ..enrollment },
                PHONE,
                None,
            )
        }
    };
    let shown = second_factors::shown(&enrollment);
    account.mfa_info.get_or_insert_default().push(enrollment);
    let factor = SecondFactor { identifier: id.clone(), provider: kind.to_owned() };
    let tokens = sign_in(store, call, &mut account, &provider, Map::new(), Some(factor))?;
    if let Some(secret) = secret {
        store.put_totp_factor(call.scope, &account.local_id, &id, &secret)?;
    }
    let mut answer = answer(wants_totp).with_bare_tokens(tokens);
    // Whoever has stolen a session shall not lock its owner out unnoticed.
    if let Some(email) = account.email.clone().filter(|_| !call.emulator && call.delivers.emails) {
        let added = AddedFactor { local_id: account.local_id, factor: shown };
        answer.messages.push(Message::Email(oob::issue_reversal(store, call, email, added)?));
    }
    Ok(answer)
}

fn finish_totp(
    store: &mut dyn Store,
    call: &Call<'_>,
    account: &Account,
    shown: &TotpVerification,
) -> Result<(String, u64), Error> {
    let password = given(&shown.verification_code).ok_or(Error::MissingCode)?;
    let key = given(&shown.session_info).ok_or(Error::MissingSessionInfo)?;
    let (session, issued) = code::find::<TotpSession>(store, call.scope, key)?.ok_or(Error::InvalidSessionInfo)?;
    if session.local_id != account.local_id {
        return Err(Error::InvalidSessionInfo);
    }
    if issued.saturating_add(session.lifetime()) <= call.now {
        return Err(Error::SessionExpired);
    }
    let adjacent = policy::of(store, call)?.totp_adjacent_intervals;
    let interval = totp::matching_interval(&session.secret, password, call.now, adjacent, None);
    let interval = interval.ok_or(Error::InvalidCode)?;
    store.delete_code(call.scope, TotpSession::KIND, key)?;
    Ok((session.secret, interval))
}

/// `mfaEnrollment:withdraw`: forgets a factor.
///
/// # Errors
/// As the official emulator.
pub fn withdraw_enrollment(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let id_token = given(&request.id_token).ok_or(Error::MissingIdToken)?;
    let (mut account, provider) = signed_in(store, call, id_token)?;
    second_factors::remove(store, call, &mut account, request.mfa_enrollment_id.as_deref())?;
    let tokens = sign_in(store, call, &mut account, &provider.unwrap_or_default(), Map::new(), None)?;
    Ok(Answer::default().with_tokens(Some(tokens)))
}

/// `mfaSignIn:start`: sends a code to an enrolled number.
///
/// # Errors
/// As the official emulator.
pub fn start_sign_in(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    allowed(store, call, false)?;
    let credential = given(&request.mfa_pending_credential).ok_or(Error::MissingMfaPendingCredential)?;
    let id = given(&request.mfa_enrollment_id).ok_or(Error::MissingMfaEnrollmentId)?;
    let (_, account) = pending(store, call, credential)?;
    let number = enrolled(&account, id)?.unobfuscated_phone_info.clone().ok_or(Error::MfaProviderNotSupported)?;
    let (session, message) = phone::issue(store, call, &number, Purpose::SecondFactor)?;
    let mut answer = Answer::default().with("phoneResponseInfo", json!({"sessionInfo": session}));
    answer.messages.push(message);
    Ok(answer)
}

/// `mfaSignIn:finalize`: lets in who has shown both factors.
///
/// # Errors
/// As the official emulator.
pub fn finalize_sign_in(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let wants_totp = request.totp_verification_info.is_some();
    allowed(store, call, wants_totp)?;
    let credential = given(&request.mfa_pending_credential).ok_or(Error::MissingCredential)?;
    let (mut account, pending, id, kind) = match (&request.totp_verification_info, &request.phone_verification_info) {
        (Some(shown), _) => {
            let (pending, account) = pending(store, call, credential)?;
            let id = show_totp(store, call, &account, &request, shown, credential)?;
            (account, pending, id, TOTP)
        }
        (None, Some(shown)) => {
            let number = shown_number(store, call, shown)?;
            let (pending, account) = pending(store, call, credential)?;
            let has_number = |factor: &&MfaEnrollment| {
                let clear = factor.unobfuscated_phone_info.as_deref();
                // Some SDKs know the obfuscated number only.
                clear.is_some_and(|clear| clear == number || second_factors::obfuscate(clear) == number)
            };
            let id = account.mfa_info.iter().flatten().find(has_number);
            let id = id.and_then(|factor| factor.mfa_enrollment_id.clone());
            (account, pending, id.ok_or(Error::MfaEnrollmentNotFound)?, PHONE)
        }
        (None, None) => return Err(Error::MfaProviderNotSupported),
    };
    let factor = SecondFactor { identifier: id, provider: kind.to_owned() };
    let told =
        Told { method: pending.sign_in_provider.clone(), second_factor: Some(kind.to_owned()), ..Told::default() };
    let passed = Passed {
        provider: &pending.sign_in_provider,
        claims: pending.claims.clone(),
        factor: Some(factor),
        told: Some(told),
    };
    let tokens = let_in(store, call, &mut account, passed)?;
    second_factors::forget_pending(store, call, credential)?;
    Ok(answer(wants_totp).with_bare_tokens(tokens))
}

fn show_totp(
    store: &mut dyn Store,
    call: &Call<'_>,
    account: &Account,
    request: &Request,
    shown: &TotpVerification,
    credential: &str,
) -> Result<String, Error> {
    let password = given(&shown.verification_code).ok_or(Error::MissingCode)?;
    let id = given(&request.mfa_enrollment_id).ok_or(Error::MissingMfaEnrollmentId)?;
    if enrolled(account, id)?.totp_info.is_none() {
        return Err(Error::MfaProviderNotSupported);
    }
    let factor = store.totp_factor(call.scope, &account.local_id, id)?.ok_or(Error::MfaEnrollmentNotFound)?;
    let adjacent = policy::of(store, call)?.totp_adjacent_intervals;
    match totp::matching_interval(&factor.secret, password, call.now, adjacent, factor.used) {
        Some(interval) => {
            let used = TotpFactor { used: Some(interval), ..factor };
            store.put_totp_factor(call.scope, &account.local_id, id, &used)?;
            Ok(id.to_owned())
        }
        None if second_factors::count_failure(store, call, credential)? >= MOST_FAILURES => {
            second_factors::forget_pending(store, call, credential)?;
            Err(Error::TooManyAttempts.kept())
        }
        None => Err(Error::InvalidCode.kept()),
    }
}

fn answer(totp: bool) -> Answer {
    Answer::default().with_some("totpAuthInfo", totp.then(|| json!({})))
}

/// Whether there are such factors.
fn allowed(store: &dyn Store, call: &Call<'_>, totp: bool) -> Result<(), Error> {
    let policy = policy::of(store, call)?;
    match totp {
        false if !policy.sms_enrollment => Err(Error::NoSmsFactors),
        true if !policy.totp_factors => Err(Error::NoTotpFactors),
        true | false => Ok(()),
    }
}

/// The account of the ID token, if it may have second factors, and how its owner signed in.
fn eligible(store: &dyn Store, call: &Call<'_>, request: &Request) -> Result<(Account, String), Error> {
    let id_token = given(&request.id_token).ok_or(Error::MissingIdToken)?;
    let (account, provider) = signed_in(store, call, id_token)?;
    let provider = provider.unwrap_or_default();
    if UNSUPPORTED_FIRST_FACTORS.contains(&provider.as_str()) {
        return Err(Error::IneligibleFirstFactor);
    }
    Ok((account, provider))
}

fn not_enrolled(account: &Account, number: &str) -> Result<(), Error> {
    let mut factors = account.mfa_info.iter().flatten();
    match factors.any(|factor| factor.unobfuscated_phone_info.as_deref() == Some(number)) {
        true => Err(Error::SecondFactorExists),
        false => Ok(()),
    }
}

fn enrolled<'a>(account: &'a Account, id: &str) -> Result<&'a MfaEnrollment, Error> {
    let mut factors = account.mfa_info.iter().flatten();
    factors.find(|factor| factor.mfa_enrollment_id.as_deref() == Some(id)).ok_or(Error::MfaEnrollmentNotFound)
}

fn shown_number(store: &mut dyn Store, call: &Call<'_>, shown: &PhoneVerification) -> Result<String, Error> {
    if given(&shown.android_verification_proof).is_some() {
        return Err(Error::NotImplemented("androidVerificationProof is unsupported!".to_owned()));
    }
    let digits = given(&shown.code).ok_or(Error::MissingCode)?;
    let session = given(&shown.session_info).ok_or(Error::MissingSessionInfo)?;
    phone::verify(store, call, session, digits)
}

/// Who has shown the first factor.
fn pending(store: &dyn Store, call: &Call<'_>, credential: &str) -> Result<(Pending, Account), Error> {
    let pending = second_factors::read_pending(store, call, credential)?;
    let account = store.by_local_id(call.scope, &pending.local_id)?.ok_or(Error::InvalidMfaPendingCredential)?;
    if account.disabled == Some(true) {
        return Err(Error::UserDisabled);
    }
    Ok((pending, account))
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::super::{sign_in_password, sign_up};
    use super::*;
    use serde_json::{Value, json};

    /// An account with a verified email, and an ID token of it.
    fn house() -> (House, String) {
        let mut house = House::new();
        let user = json!({"localId": "u", "email": "a@b", "password": "secret", "emailVerified": true});
        house.call(true, sign_up::sign_up, user).unwrap();
        let token = sign_in(&mut house);
        (house, token["idToken"].as_str().unwrap().to_owned())
    }

    fn answer(house: &House, answer: Answer) -> Value {
        let mut body = answer.body;
        if let Some(token) = answer.id_token {
            body.insert("idToken".to_owned(), house.forge(Value::Object(token.claims)).into());
        }
        Value::Object(body)
    }

    fn sign_in(house: &mut House) -> Value {
        let got = house.call(false, sign_in_password::sign_in, json!({"email": "a@b", "password": "secret"})).unwrap();
        answer(house, got)
    }

    fn password(secret: &Value, now: u64) -> String {
        totp::password(secret.as_str().unwrap(), now)
    }

    #[test]
    fn an_authenticator_app_is_enrolled_shown_and_withdrawn() {
        let (mut house, token) = house();
        let start = json!({"idToken": token, "totpEnrollmentInfo": {}});
        let session = house.call(false, start_enrollment, start).unwrap().body["totpSessionInfo"].clone();
        assert_eq!(
            (&session["verificationCodeLength"], &session["hashingAlgorithm"], &session["periodSec"]),
            (&json!(6), &json!("SHA1"), &json!(30))
        );
        assert_eq!(session["finalizeEnrollmentTime"], "2030-01-01T00:05:00.000Z");
        let (secret, now) = (session["sharedSecretKey"].clone(), house.now);
        let first = password(&secret, now);
        let finalize = |code: &str| {
            json!({
                "idToken": token, "displayName": "App",
                "totpVerificationInfo": {"sessionInfo": session["sessionInfo"], "verificationCode": code},
            })
        };
        assert_eq!(house.call(false, finalize_enrollment, finalize("x")), Err(Error::InvalidCode));
        let enrolled = house.call(false, finalize_enrollment, finalize(&first)).unwrap();
        let claims = enrolled.id_token.unwrap().claims;
        assert_eq!(claims["firebase"]["sign_in_second_factor"], "totp");
        let fields: Vec<_> = enrolled.body.keys().map(String::as_str).collect();
        assert_eq!(fields, ["totpAuthInfo", "refreshToken"]);
        assert_eq!(house.call(false, finalize_enrollment, finalize(&first)), Err(Error::InvalidSessionInfo), "used up");

        // Sign-in asks for it, and takes no password twice.
        let pending = sign_in(&mut house);
        let factor = pending["mfaInfo"][0].clone();
        assert_eq!((&factor["totpInfo"], &factor["displayName"]), (&json!({}), &json!("App")));
        let show = |code: &str| {
            json!({
                "mfaPendingCredential": pending["mfaPendingCredential"], "mfaEnrollmentId": factor["mfaEnrollmentId"],
                "totpVerificationInfo": {"verificationCode": code},
            })
        };
        assert_eq!(house.call(false, finalize_sign_in, show(&first)), Err(Error::InvalidCode), "seen before");
        house.now += 30_000;
        let second = password(&secret, house.now);
        let got = house.call(false, finalize_sign_in, show(&second)).unwrap();
        let claims = &got.id_token.as_ref().unwrap().claims;
        assert_eq!(claims["firebase"]["second_factor_identifier"], factor["mfaEnrollmentId"]);
        assert_eq!(house.call(false, start_sign_in, show("")), Err(Error::MfaProviderNotSupported), "it gets no texts");
        let token = answer(&house, got)["idToken"].clone();
        let withdraw = json!({"idToken": token, "mfaEnrollmentId": factor["mfaEnrollmentId"]});
        house.call(false, withdraw_enrollment, withdraw.clone()).unwrap();
        assert_eq!(house.call(false, withdraw_enrollment, withdraw), Err(Error::MfaEnrollmentNotFound));
        assert!(sign_in(&mut house)["idToken"].is_string());
    }

    #[test]
    fn an_enrollment_has_its_time() {
        let (mut house, token) = house();
        let start = json!({"idToken": token, "totpEnrollmentInfo": {}});
        let session = house.call(false, start_enrollment, start).unwrap().body["totpSessionInfo"].clone();
        house.now += 300_000;
        let code = password(&session["sharedSecretKey"], house.now);
        let shown = json!({"sessionInfo": session["sessionInfo"], "verificationCode": code});
        let body = json!({"idToken": token, "totpVerificationInfo": shown});
        assert_eq!(house.call(false, finalize_enrollment, body), Err(Error::SessionExpired));
    }

    #[test]
    fn the_owner_is_told_of_a_new_factor_and_can_take_it_back() {
        let mut house = House::self_host();
        let body = json!({"localId": "u", "email": "a@b", "password": "secret", "emailVerified": true});
        house.call(true, sign_up::sign_up, body).unwrap();
        let claims = json!({"sign_in_provider": "password"});
        let token = house.forge(json!({"user_id": "u", "iat": house.now / 1000, "firebase": claims}));
        let start = json!({"idToken": token, "totpEnrollmentInfo": {}});
        let started = house.call(false, start_enrollment, start).unwrap().body["totpSessionInfo"].clone();
        let code = totp::password(started["sharedSecretKey"].as_str().unwrap(), house.now);
        let shown = json!({"sessionInfo": started["sessionInfo"], "verificationCode": code});
        let finish = json!({"idToken": token, "totpVerificationInfo": shown, "displayName": "My phone"});
        let answer = house.call(false, finalize_enrollment, finish).unwrap();
        let [Message::Email(code)] = answer.messages.as_slice() else { panic!("{:?}", answer.messages) };
        assert_eq!((code.email.as_str(), oob::mode(code.request_type)), ("a@b", "revertSecondFactorAddition"));
        assert!(crate::mail::Templates::default().letter(code).text.contains("now also asks for My phone"));
        let look = house.call(false, oob::reset_password, json!({"oobCode": code.oob_code}));
        assert_eq!(look.unwrap().body["mfaInfo"]["displayName"], "My phone");
        house.now += 5_000;
        let revert = json!({"oobCode": code.oob_code});
        house.call(false, crate::operations::update::update, revert.clone()).unwrap();
        let account = house.account("u");
        assert_eq!(account.mfa_info.unwrap_or_default(), []);
        assert_eq!(account.valid_since, Some((house.now / 1000).to_string()), "whoever added it is signed out");
        let again = house.call(false, crate::operations::update::update, revert);
        assert_eq!(again, Err(Error::InvalidOobCode));
    }
}
