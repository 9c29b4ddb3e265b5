//! Codes that reach a user outside of the app, by email or text message, and the proof that one was right.
//!
//! An emulator's codes never expire and can be listed. A server's have their time, and its store holds nothing by which
//! one could be used. Must not know: what a code is used for.

use crate::Millis;
use crate::account::MfaEnrollment;
use crate::errors::StoreError;
use crate::passkey::challenge;
use crate::store::{Accounts, Scope, Store};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;
/// No server's code lasts longer.
const LONGEST: Millis = 30 * DAY;

/// The kinds of codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// By email.
    Oob,
    /// By text message.
    Sms,
    /// The proof that a code from a text message was right.
    Proof,
    /// A sign-in between its two factors.
    PendingSignIn,
    /// An authenticator app that is being enrolled.
    TotpSession,
    /// A challenge that a passkey has answered.
    UsedChallenge,
}

impl Kind {
    /// Its name in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Oob => "oob",
            Self::Sms => "sms",
            Self::Proof => "proof",
            Self::PendingSignIn => "pending_sign_in",
            Self::TotpSession => "totp_session",
            Self::UsedChallenge => "used_challenge",
        }
    }
}

/// A code as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// When it was made.
    pub issued: Millis,
    /// The code, as JSON.
    pub record: String,
}

/// What all codes have.
pub trait Code: Serialize + DeserializeOwned {
    /// Which kind it is.
    const KIND: Kind;

    /// By what it is found.
    fn key(&self) -> &str;

    /// The code without what is needed to use it.
    #[must_use]
    fn sealed(self) -> Self;

    /// How long it lasts on a server.
    fn lifetime(&self) -> Millis;
}

/// Why an email is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RequestType {
    /// To choose another password.
    PasswordReset,
    /// To show that the email is one's own.
    VerifyEmail,
    /// To put a former email back.
    RecoverEmail,
    /// To sign in.
    EmailSignin,
    /// To change to another email.
    VerifyAndChangeEmail,
    /// To remove a second factor that was added.
    RevertSecondFactorAddition,
}

/// What an email carries. Its JSON is what the emulator lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OobCode {
    /// Whom it is sent to, or whose account is meant.
    pub email: String,
    /// The email to change to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_email: Option<String>,
    /// Why.
    pub request_type: RequestType,
    /// The code.
    pub oob_code: String,
    /// The link that has the code in it.
    pub oob_link: String,
    /// The second factor that the code removes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added_factor: Option<Box<AddedFactor>>,
}

/// A second factor, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddedFactor {
    /// The account.
    pub local_id: String,
    /// The factor as somebody may see it who has shown the first one only.
    pub factor: MfaEnrollment,
}

impl AddedFactor {
    /// What the owner calls it, or what it is.
    pub fn described(&self) -> String {
        let factor = &self.factor;
        let own = factor.display_name.as_deref().or(factor.phone_info.as_deref()).filter(|name| !name.is_empty());
        own.unwrap_or("an authenticator app").to_owned()
    }
}

impl Code for OobCode {
    const KIND: Kind = Kind::Oob;

    fn key(&self) -> &str {
        &self.oob_code
    }

    fn sealed(self) -> Self {
        Self { oob_code: String::new(), oob_link: String::new(), ..self }
    }

    fn lifetime(&self) -> Millis {
        match self.request_type {
            RequestType::PasswordReset => HOUR,
            RequestType::EmailSignin => 6 * HOUR,
            RequestType::VerifyEmail | RequestType::VerifyAndChangeEmail => 3 * DAY,
            RequestType::RecoverEmail | RequestType::RevertSecondFactorAddition => LONGEST,
        }
    }
}

/// What a text message carries. Its JSON is what the emulator lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SmsCode {
    /// Six digits.
    pub code: String,
    /// Whom it is sent to.
    pub phone_number: String,
    /// What the app shows together with the digits.
    pub session_info: String,
    /// How often other digits were shown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Code for SmsCode {
    const KIND: Kind = Kind::Sms;

    fn key(&self) -> &str {
        &self.session_info
    }

    fn sealed(self) -> Self {
        Self { session_info: String::new(), ..self }
    }

    fn lifetime(&self) -> Millis {
        5 * MINUTE
    }
}

/// The proof that its bearer has shown the digits sent to a phone number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemporaryProof {
    /// The phone number.
    pub phone_number: String,
    /// What the app shows.
    pub temporary_proof: String,
    /// For how long; seconds.
    pub temporary_proof_expires_in: String,
}

impl Code for TemporaryProof {
    const KIND: Kind = Kind::Proof;

    fn key(&self) -> &str {
        &self.temporary_proof
    }

    fn sealed(self) -> Self {
        Self { temporary_proof: String::new(), ..self }
    }

    fn lifetime(&self) -> Millis {
        HOUR
    }
}

/// A sign-in between its two factors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingSignIn {
    /// What the app shows.
    pub credential: String,
    /// Who has shown the first factor, and how.
    pub pending: serde_json::Value,
    /// How often something wrong was shown for the second.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
}

impl Code for PendingSignIn {
    const KIND: Kind = Kind::PendingSignIn;

    fn key(&self) -> &str {
        &self.credential
    }

    fn sealed(self) -> Self {
        Self { credential: String::new(), ..self }
    }

    fn lifetime(&self) -> Millis {
        10 * MINUTE
    }
}

/// An authenticator app that is being enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TotpSession {
    /// What the app shows.
    pub session_info: String,
    /// Whose it will be.
    pub local_id: String,
    /// Its secret, in base32.
    pub secret: String,
}

impl Code for TotpSession {
    const KIND: Kind = Kind::TotpSession;

    fn key(&self) -> &str {
        &self.session_info
    }

    fn sealed(self) -> Self {
        Self { session_info: String::new(), ..self }
    }

    fn lifetime(&self) -> Millis {
        5 * MINUTE
    }
}

/// A challenge that a passkey has answered: kept so that it is not answered again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedChallenge {
    /// The challenge, as authenticators get it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub challenge: String,
}

impl Code for UsedChallenge {
    const KIND: Kind = Kind::UsedChallenge;

    fn key(&self) -> &str {
        &self.challenge
    }

    fn sealed(self) -> Self {
        Self { challenge: String::new() }
    }

    fn lifetime(&self) -> Millis {
        challenge::LIFETIME
    }
}

/// Keeps a code; a server's is sealed, and forgets those that are long past their time.
///
/// # Errors
/// The store failed.
pub fn keep<C: Code>(
    store: &mut dyn Store,
    scope: &Scope,
    code: C,
    now: Millis,
    sealed: bool,
) -> Result<(), StoreError> {
    let key = code.key().to_owned();
    let code = if sealed { code.sealed() } else { code };
    if sealed {
        store.delete_codes(scope, now.saturating_sub(LONGEST))?;
    }
    put(store, scope, &key, &code, now)
}

/// Keeps a code as it is, in place of the one that has the key.
///
/// # Errors
/// The store failed.
pub fn put<C: Code>(
    store: &mut dyn Store,
    scope: &Scope,
    key: &str,
    code: &C,
    issued: Millis,
) -> Result<(), StoreError> {
    let record = serde_json::to_string(code).map_err(|error| StoreError(error.to_string()))?;
    store.put_code(scope, C::KIND, key, &Kept { issued, record })
}

/// The code with this key, and when it was made.
///
/// # Errors
/// The store failed.
pub fn find<C: Code>(
    store: &(impl Accounts + ?Sized),
    scope: &Scope,
    key: &str,
) -> Result<Option<(C, Millis)>, StoreError> {
    let kept = store.code(scope, C::KIND, key)?;
    kept.map(|kept| Ok((read(&kept)?, kept.issued))).transpose()
}

/// All codes, the oldest first.
///
/// # Errors
/// The store failed.
pub fn list<C: Code>(store: &(impl Accounts + ?Sized), scope: &Scope) -> Result<Vec<C>, StoreError> {
    store.codes(scope, C::KIND)?.iter().map(read).collect()
}

fn read<C: Code>(kept: &Kept) -> Result<C, StoreError> {
    serde_json::from_str(&kept.record).map_err(|error| StoreError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    fn sms(session_info: &str) -> SmsCode {
        let [code, phone_number] = ["123456", "+1"].map(str::to_owned);
        SmsCode { code, phone_number, session_info: session_info.to_owned(), failures: 0 }
    }

    #[test]
    fn a_server_keeps_nothing_by_which_a_code_could_be_used() {
        let mut store = Memory::default();
        let scope = Scope::project("demo");
        for (sealed, session) in [(false, "open"), (true, "secret")] {
            keep(&mut store, &scope, sms(session), 5, sealed).unwrap();
            let (code, issued) = find::<SmsCode>(&store, &scope, session).unwrap().unwrap();
            let known = if sealed { "" } else { session };
            assert_eq!((code.session_info.as_str(), issued), (known, 5));
        }
        assert_eq!(find::<OobCode>(&store, &scope, "open"), Ok(None), "kinds are apart");
        assert_eq!(list::<SmsCode>(&store, &scope).unwrap().len(), 2);
        keep(&mut store, &scope, sms("later"), LONGEST + 6, true).unwrap();
        assert_eq!(list::<SmsCode>(&store, &scope).unwrap().len(), 1, "old ones are forgotten");
    }

    #[test]
    fn a_listed_code_has_the_emulators_form() {
        let code = OobCode {
            email: "a@b".to_owned(),
            new_email: None,
            request_type: RequestType::EmailSignin,
            oob_code: "c".to_owned(),
            oob_link: "l".to_owned(),
            added_factor: None,
        };
        let json = r#"{"email":"a@b","requestType":"EMAIL_SIGNIN","oobCode":"c","oobLink":"l"}"#;
        assert_eq!(serde_json::to_string(&code).unwrap(), json);
        let json = r#"{"code":"123456","phoneNumber":"+1","sessionInfo":"s"}"#;
        assert_eq!(serde_json::to_string(&sms("s")).unwrap(), json);
    }
}
