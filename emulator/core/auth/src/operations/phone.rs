//! What goes by text message: `accounts:sendVerificationCode`, the check of its digits, and the emulator's list.

use super::{Answer, Call, Message, given, json, policy, second_factors};
use crate::account::is_phone_number;
use crate::code::{self, Code, SmsCode, TemporaryProof};
use crate::entropy::{base64url, digits};
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::store::{Accounts, Store};
use crate::token::LIFETIME;
use serde::Deserialize;
use serde_json::Value;

/// Digits of a code.
const CODE: usize = 6;
/// Characters of a session.
const SESSION: usize = 226;
/// Characters of a proof.
const PROOF: usize = 119;
/// So many times other digits may be shown to a server.
const MOST_FAILURES: u32 = 5;

/// The shape of a `sendVerificationCode` request.
pub const SEND_SCHEMA: Schema = &[
    ("iosReceipt", Kind::Text),
    ("iosSecret", Kind::Text),
    ("phoneNumber", Kind::Text),
    ("recaptchaToken", Kind::Text),
    ("targetProjectId", Kind::Text),
    ("tenantId", Kind::Text),
];

/// A `sendVerificationCode` request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Send {
    phone_number: Option<String>,
}

/// Why a text message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To show that a phone number is one's own, or to sign in with it.
    FirstFactor,
    /// To make it a second factor.
    Enrollment,
    /// To sign in with it as the second factor.
    SecondFactor,
}

/// Sends a code by text message.
///
/// # Errors
/// As the official emulator; a server that cannot send text messages says so.
pub fn send(store: &mut dyn Store, call: &Call<'_>, request: Send) -> Result<Answer, Error> {
    policy::of(store, call)?;
    if call.scope.tenant.is_some() {
        return Err(Error::UnsupportedTenantOperation);
    }
    let phone_number = given(&request.phone_number).filter(|number| is_phone_number(number));
    let phone_number = phone_number.ok_or(Error::InvalidPhoneNumber)?;
    if store.by_phone_number(call.scope, phone_number)?.is_some_and(|owner| second_factors::has_any(&owner)) {
        return Err(Error::UnsupportedFirstFactor);
    }
    let (session_info, message) = issue(store, call, phone_number, Purpose::FirstFactor)?;
    let mut answer = Answer::default().with("sessionInfo", session_info);
    answer.messages.push(message);
    Ok(answer)
}

/// Makes a code and keeps it: its session, and what has to be sent.
pub(super) fn issue(
    store: &mut dyn Store,
    call: &Call<'_>,
    phone_number: &str,
    purpose: Purpose,
) -> Result<(String, Message), Error> {
    if !call.delivers.texts {
        return Err(Error::NoSmsDelivery);
    }
    let code = SmsCode {
        code: digits(call.entropy, CODE),
        phone_number: phone_number.to_owned(),
        session_info: base64url(call.entropy, SESSION),
        failures: 0,
    };
    code::keep(store, call.scope, code.clone(), call.now, !call.emulator)?;
    let message = Message::Text { phone_number: code.phone_number, code: code.code, purpose };
    Ok((code.session_info, message))
}

/// The phone number whose code was shown; the code is used up.
///
/// A server counts wrong digits: six of them are easily tried.
pub(super) fn verify(
    store: &mut dyn Store,
    call: &Call<'_>,
    session_info: &str,
    digits: &str,
) -> Result<String, Error> {
    let kept = code::find::<SmsCode>(store, call.scope, session_info)?;
    let (mut code, issued) = kept.ok_or(Error::InvalidSessionInfo)?;
    if !call.emulator && issued.saturating_add(code.lifetime()) <= call.now {
        return Err(Error::SessionExpired);
    }
    let is_right = aws_lc_rs::constant_time::verify_slices_are_equal(code.code.as_bytes(), digits.as_bytes()).is_ok();
    if !is_right {
        if !call.emulator {
            code.failures += 1;
            if code.failures >= MOST_FAILURES {
                store.delete_code(call.scope, SmsCode::KIND, session_info)?;
                return Err(Error::TooManyAttempts.kept());
            }
            code::put(store, call.scope, session_info, &code, issued)?;
        }
        return Err(Error::InvalidCode.kept());
    }
    store.delete_code(call.scope, SmsCode::KIND, session_info)?;
    Ok(code.phone_number)
}

/// The proof that the digits sent to a phone number were shown.
pub(super) fn issue_proof(
    store: &mut dyn Store,
    call: &Call<'_>,
    phone_number: String,
) -> Result<TemporaryProof, Error> {
    let temporary_proof = base64url(call.entropy, PROOF);
    let proof = TemporaryProof { phone_number, temporary_proof, temporary_proof_expires_in: LIFETIME.to_string() };
    code::keep(store, call.scope, proof.clone(), call.now, !call.emulator)?;
    Ok(proof)
}

/// Whether the proof is one of this phone number.
pub(super) fn check_proof(store: &dyn Store, call: &Call<'_>, proof: &str, phone_number: &str) -> Result<(), Error> {
    let (kept, issued) = code::find::<TemporaryProof>(store, call.scope, proof)?.ok_or(Error::InvalidTemporaryProof)?;
    let is_over = !call.emulator && issued.saturating_add(kept.lifetime()) <= call.now;
    if kept.phone_number == phone_number && !is_over { Ok(()) } else { Err(Error::InvalidTemporaryProof) }
}

/// The codes that have not been used, in the order in which they were made.
///
/// # Errors
/// The store failed.
pub fn list(store: &(impl Accounts + ?Sized), call: &Call<'_>) -> Result<Answer, Error> {
    let codes = code::list::<SmsCode>(store, call.scope)?;
    Ok(Answer::default().with("verificationCodes", codes.iter().map(json).collect::<Vec<Value>>()))
}
