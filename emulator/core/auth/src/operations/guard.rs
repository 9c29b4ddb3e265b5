//! What a server counts so that nobody tries too often: by address, by account, and for the whole project.
//!
//! What a request may cost is taken before it is looked at, so that many at once gain nothing, and given back when it
//! turns out not to have been a wrong guess. Whether an account exists makes no difference. Must not know: how it is
//! counted, or where an address comes from.

use super::{Answer, Call, second_factors, signed_in};
use crate::errors::Error;
use crate::store::{Accounts, Scope};
use crate::throttle::{Charge, Limit};
use serde_json::Value;

/// What somebody is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open an account.
    SignUp,
    /// Show a password.
    ShowPassword,
    /// Show a code from an email, a text message or an identity provider, a one-time password, or a passkey.
    ShowCode,
    /// Have an email sent.
    SendEmail,
    /// Have a text message sent.
    SendText,
    /// Show a refresh token.
    Refresh,
}

impl Action {
    /// Whether a request does this, whose operation may also do something else.
    pub fn is_meant(self, body: &Value) -> bool {
        match self {
            // To change an account with an ID token guesses nothing.
            Self::ShowCode => {
                ["idToken", "localId"].iter().all(|field| text(body, field).is_none()) || shows_code(body)
            }
            // An authenticator app gets no message.
            Self::SendText => body.get("totpEnrollmentInfo").is_none(),
            Self::SignUp | Self::ShowPassword | Self::SendEmail | Self::Refresh => true,
        }
    }
}

fn shows_code(body: &Value) -> bool {
    ["oobCode", "code", "requestUri", "sessionInfo", "temporaryProof", "phoneVerificationInfo", "totpVerificationInfo"]
        .iter()
        .any(|field| body.get(field).is_some())
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// Accounts that are opened from an address.
    AddressSignUps,
    /// Wrong passwords from an address.
    AddressPasswords,
    /// Wrong codes from an address.
    AddressCodes,
    /// Emails that an address has sent.
    AddressEmails,
    /// Text messages that an address has sent.
    AddressTexts,
    /// Refresh tokens from an address that are none.
    AddressRefreshTokens,
    /// Wrong passwords for an account from one address.
    AccountPasswords,
    /// Wrong passwords for an account from anywhere.
    AccountPasswordsFromAnywhere,
    /// Wrong second factors of an account.
    AccountCodes,
    /// Emails to one recipient.
    AccountEmails,
    /// Text messages to one number.
    AccountTexts,
    /// Emails of the project.
    ProjectEmails,
    /// Text messages of the project.
    ProjectTexts,
}

impl From<Budget> for u8 {
    fn from(budget: Budget) -> Self {
        budget as Self
    }
}

impl Budget {
    /// How Identity Toolkit refuses who has used it up.
    pub fn refusal(self) -> Error {
        match self {
            Self::AccountPasswords | Self::AccountPasswordsFromAnywhere => Error::AccountThrottled,
            Self::AddressSignUps
            | Self::AddressPasswords
            | Self::AddressCodes
            | Self::AddressEmails
            | Self::AddressTexts
            | Self::AccountCodes
            | Self::AccountEmails
            | Self::AccountTexts => Error::TooManyAttempts,
            Self::AddressRefreshTokens => Error::QuotaExceeded(""),
            Self::ProjectEmails => Error::QuotaExceeded(" : Exceeded quota for sending emails."),
            Self::ProjectTexts => Error::QuotaExceeded(" : Exceeded quota for sending text messages."),
        }
    }
}

/// How often an hour; `None` is as often as anybody likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// See [`Budget::AddressSignUps`]; 100 is Firebase's own.
    pub address_sign_ups: Option<Limit>,
    /// See [`Budget::AddressPasswords`].
    pub address_passwords: Option<Limit>,
    /// See [`Budget::AddressCodes`]; 150 is Firebase's own.
    pub address_codes: Option<Limit>,
    /// See [`Budget::AddressEmails`].
    pub address_emails: Option<Limit>,
    /// See [`Budget::AddressTexts`].
    pub address_texts: Option<Limit>,
    /// See [`Budget::AddressRefreshTokens`].
    pub address_refresh_tokens: Option<Limit>,
    /// See [`Budget::AccountPasswords`].
    pub account_passwords: Option<Limit>,
    /// See [`Budget::AccountPasswordsFromAnywhere`].
    pub account_passwords_from_anywhere: Option<Limit>,
    /// See [`Budget::AccountCodes`].
    pub account_codes: Option<Limit>,
    /// See [`Budget::AccountEmails`].
    pub account_emails: Option<Limit>,
    /// See [`Budget::AccountTexts`].
    pub account_texts: Option<Limit>,
    /// See [`Budget::ProjectEmails`].
    pub project_emails: Option<Limit>,
    /// See [`Budget::ProjectTexts`]; 125 are Firebase's 3,000 a day.
    pub project_texts: Option<Limit>,
}

impl Default for Limits {
    fn default() -> Self {
        let limit = |an_hour| Some(Limit(an_hour));
        Self {
            address_sign_ups: limit(100),
            address_passwords: limit(100),
            address_codes: limit(150),
            address_emails: limit(50),
            address_texts: limit(20),
            address_refresh_tokens: limit(100),
            account_passwords: limit(10),
            account_passwords_from_anywhere: limit(100),
            account_codes: limit(10),
            account_emails: limit(10),
            account_texts: limit(5),
            project_emails: limit(1000),
            project_texts: limit(125),
        }
    }
}

impl Limits {
    /// Nothing is limited.
    pub const NONE: Self = Self {
        address_sign_ups: None,
        address_passwords: None,
        address_codes: None,
        address_emails: None,
        address_texts: None,
        address_refresh_tokens: None,
        account_passwords: None,
        account_passwords_from_anywhere: None,
        account_codes: None,
        account_emails: None,
        account_texts: None,
        project_emails: None,
        project_texts: None,
    };

    fn of(&self, budget: Budget) -> Option<Limit> {
        match budget {
            Budget::AddressSignUps => self.address_sign_ups,
            Budget::AddressPasswords => self.address_passwords,
            Budget::AddressCodes => self.address_codes,
            Budget::AddressEmails => self.address_emails,
            Budget::AddressTexts => self.address_texts,
            Budget::AddressRefreshTokens => self.address_refresh_tokens,
            Budget::AccountPasswords => self.account_passwords,
            Budget::AccountPasswordsFromAnywhere => self.account_passwords_from_anywhere,
            Budget::AccountCodes => self.account_codes,
            Budget::AccountEmails => self.account_emails,
            Budget::AccountTexts => self.account_texts,
            Budget::ProjectEmails => self.project_emails,
            Budget::ProjectTexts => self.project_texts,
        }
    }
}

/// What a request may cost. `address` is where it comes from, in whatever form; nothing, if that is unknown.
///
/// # Errors
/// The store failed. A request that names nobody costs its address something all the same.
pub fn charges(
    store: &(impl Accounts + ?Sized),
    call: &Call<'_>,
    limits: &Limits,
    action: Action,
    body: &Value,
    address: &[u8],
) -> Result<Vec<Charge<Budget>>, Error> {
    let mut charges = Vec::new();
    let mut charge = |budget: Budget, key: &[&[u8]]| {
        if let (Some(limit), false) = (limits.of(budget), key.is_empty()) {
            charges.push(Charge { budget, key: key.join(&0), limit });
        }
    };
    let from: &[&[u8]] = if address.is_empty() { &[] } else { &[address] };
    let tenant = call.scope.tenant.as_deref().unwrap_or_default().as_bytes();
    match action {
        Action::SignUp => charge(Budget::AddressSignUps, from),
        Action::ShowPassword => {
            charge(Budget::AddressPasswords, from);
            if let Some(email) = text(body, "email") {
                of_password(call.scope, email, address).into_iter().for_each(|(budget, key)| charge(budget, &[&key]));
            }
        }
        Action::ShowCode => {
            charge(Budget::AddressCodes, from);
            if let Some(account) = pending_account(store, call, body)? {
                charge(Budget::AccountCodes, &[tenant, account.as_bytes()]);
            }
        }
        Action::SendEmail => {
            charge(Budget::AddressEmails, from);
            if let Some(recipient) = recipient(store, call, body)? {
                charge(Budget::AccountEmails, &[recipient.as_bytes()]);
            }
            charge(Budget::ProjectEmails, &[b"project"]);
        }
        Action::SendText => {
            charge(Budget::AddressTexts, from);
            let enrolled = body.pointer("/phoneEnrollmentInfo/phoneNumber").and_then(Value::as_str);
            match (text(body, "phoneNumber").or(enrolled), pending_account(store, call, body)?) {
                (Some(number), _) => charge(Budget::AccountTexts, &[number.as_bytes()]),
                (None, Some(account)) => charge(Budget::AccountTexts, &[tenant, account.as_bytes()]),
                (None, None) => {}
            }
            charge(Budget::ProjectTexts, &[b"project"]);
        }
        Action::Refresh => charge(Budget::AddressRefreshTokens, from),
    }
    Ok(charges)
}

/// Whether what was taken stays taken, now that it is known what came of it.
pub fn is_spent(action: Action, outcome: Result<(), &Error>) -> bool {
    match (action, outcome) {
        (Action::ShowPassword | Action::ShowCode | Action::Refresh, Ok(())) => false,
        (Action::SignUp | Action::SendEmail | Action::SendText, Ok(())) => true,
        (Action::ShowPassword, Err(error)) => matches!(
            error,
            Error::InvalidLoginCredentials | Error::InvalidPassword | Error::EmailNotFound | Error::UserDisabled
        ),
        (Action::ShowCode, Err(error)) => matches!(
            error,
            Error::InvalidCode
                | Error::InvalidOobCode
                | Error::ExpiredOobCode
                | Error::OtherEmail
                | Error::InvalidSessionInfo
                | Error::SessionExpired
                | Error::InvalidTemporaryProof
                | Error::InvalidIdpResponse(_)
                | Error::InvalidMfaPendingCredential
                | Error::ForeignMfaPendingCredential
                | Error::InvalidAuthenticatorResponse(_)
                | Error::PasskeyNotFound
                | Error::TooManyAttempts
        ),
        (Action::Refresh, Err(error)) => matches!(error, Error::InvalidRefreshToken | Error::RefreshTokenReused),
        // Who asks whether somebody is there has been told.
        (Action::SignUp | Action::SendEmail | Action::SendText, Err(error)) => {
            matches!(error, Error::EmailExists | Error::EmailNotFound | Error::UserNotFound | Error::UserDisabled)
        }
    }
}

/// What is forgiven because of an answer: whoever resets a password may show the new one at once.
pub fn forgiven(scope: &Scope, limits: &Limits, body: &Value, answer: &Answer, address: &[u8]) -> Vec<Charge<Budget>> {
    let email = answer.body.get("email").and_then(Value::as_str);
    let (Some(email), Some(_)) = (email, text(body, "newPassword")) else { return Vec::new() };
    of_password(scope, email, address)
        .into_iter()
        .filter_map(|(budget, key)| Some(Charge { budget, key, limit: limits.of(budget)? }))
        .collect()
}

/// The buckets of an account's password.
fn of_password(scope: &Scope, email: &str, address: &[u8]) -> [(Budget, Vec<u8>); 2] {
    let tenant = scope.tenant.as_deref().unwrap_or_default().as_bytes();
    let email = email.to_lowercase();
    [
        (Budget::AccountPasswords, [tenant, email.as_bytes(), address].join(&0)),
        (Budget::AccountPasswordsFromAnywhere, [tenant, email.as_bytes()].join(&0)),
    ]
}

/// Who will get the email that a request asks for.
fn recipient(store: &(impl Accounts + ?Sized), call: &Call<'_>, body: &Value) -> Result<Option<String>, Error> {
    let named = text(body, "newEmail").or(text(body, "email"));
    if let Some(named) = named {
        return Ok(Some(named.to_lowercase()));
    }
    let Some(id_token) = text(body, "idToken") else { return Ok(None) };
    match signed_in(store, call, id_token) {
        Ok((account, _)) => Ok(account.email),
        Err(error @ Error::Store(_)) => Err(error),
        // The operation will say so.
        Err(_) => Ok(None),
    }
}

/// The account that is being signed in to, between its two factors.
fn pending_account(store: &(impl Accounts + ?Sized), call: &Call<'_>, body: &Value) -> Result<Option<String>, Error> {
    let Some(credential) = text(body, "mfaPendingCredential") else { return Ok(None) };
    match second_factors::read_pending(store, call, credential) {
        Ok(pending) => Ok(Some(pending.local_id)),
        Err(error @ Error::Store(_)) => Err(error),
        Err(_) => Ok(None),
    }
}

fn text<'b>(body: &'b Value, field: &str) -> Option<&'b str> {
    body.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::super::{config, sign_in_password, sign_up};
    use super::*;
    use serde_json::json;

    fn budgets(house: &mut House, action: Action, body: &Value, address: &[u8]) -> Vec<Budget> {
        let limits = Limits::default();
        let charges = house.with_call(|store, call| charges(store, call, &limits, action, body, address).unwrap());
        charges.iter().map(|charge| charge.budget).collect()
    }

    #[test]
    fn requests_cost_their_address_and_whom_they_name() {
        let mut house = House::self_host();
        let token = house.sign_up().1;
        for (action, body, expected) in [
            (Action::SignUp, json!({}), &[Budget::AddressSignUps][..]),
            (Action::ShowPassword, json!({"password": "x"}), &[Budget::AddressPasswords]),
            (
                Action::ShowPassword,
                json!({"email": "A@b"}),
                &[Budget::AddressPasswords, Budget::AccountPasswords, Budget::AccountPasswordsFromAnywhere],
            ),
            (Action::ShowCode, json!({"oobCode": "x"}), &[Budget::AddressCodes]),
            (Action::ShowCode, json!({"mfaPendingCredential": "x"}), &[Budget::AddressCodes]),
            (
                Action::SendEmail,
                json!({"email": "a@b"}),
                &[Budget::AddressEmails, Budget::AccountEmails, Budget::ProjectEmails],
            ),
            (Action::SendEmail, json!({"idToken": token}), &[Budget::AddressEmails, Budget::ProjectEmails]),
            (Action::SendEmail, json!({"idToken": "x"}), &[Budget::AddressEmails, Budget::ProjectEmails]),
            (
                Action::SendText,
                json!({"phoneNumber": "+1"}),
                &[Budget::AddressTexts, Budget::AccountTexts, Budget::ProjectTexts],
            ),
            (
                Action::SendText,
                json!({"phoneEnrollmentInfo": {"phoneNumber": "+1"}}),
                &[Budget::AddressTexts, Budget::AccountTexts, Budget::ProjectTexts],
            ),
            (Action::Refresh, json!({"refreshToken": "x"}), &[Budget::AddressRefreshTokens]),
        ] {
            assert_eq!(budgets(&mut house, action, &body, b"here"), expected, "{body}");
        }
        let unknown = budgets(&mut house, Action::ShowPassword, &json!({"email": "a@b"}), b"");
        assert_eq!(unknown, [Budget::AccountPasswords, Budget::AccountPasswordsFromAnywhere]);
    }

    #[test]
    fn a_second_factor_costs_the_account_that_it_is_of() {
        let mut house = House::self_host();
        let private = json!({"emailPrivacyConfig": {"enableImprovedEmailPrivacy": true}});
        house.call(true, config::update, private).unwrap();
        let factors = json!([{"phoneInfo": "+15555550100"}]);
        let body = json!({"email": "a@b", "password": "secret", "emailVerified": true, "mfaInfo": factors});
        house.call(true, sign_up::sign_up, body).unwrap();
        let answer =
            house.call(false, sign_in_password::sign_in, json!({"email": "a@b", "password": "secret"})).unwrap();
        let body = json!({"mfaPendingCredential": answer.body["mfaPendingCredential"]});
        assert_eq!(budgets(&mut house, Action::ShowCode, &body, b"x"), [Budget::AddressCodes, Budget::AccountCodes]);
        assert_eq!(
            budgets(&mut house, Action::SendText, &body, b"x"),
            [Budget::AddressTexts, Budget::AccountTexts, Budget::ProjectTexts]
        );
    }

    #[test]
    fn what_was_no_guess_costs_nothing() {
        for (action, outcome, expected) in [
            (Action::ShowPassword, Ok(()), false),
            (Action::ShowPassword, Err(Error::InvalidLoginCredentials), true),
            (Action::ShowPassword, Err(Error::MissingPassword), false),
            (Action::ShowCode, Ok(()), false),
            (Action::ShowCode, Err(Error::InvalidOobCode), true),
            (Action::ShowCode, Err(Error::WeakPassword), false),
            (Action::Refresh, Err(Error::InvalidRefreshToken), true),
            (Action::Refresh, Err(Error::UserDisabled), false),
            (Action::SignUp, Ok(()), true),
            (Action::SignUp, Err(Error::EmailExists), true),
            (Action::SignUp, Err(Error::WeakPassword), false),
            (Action::SendEmail, Ok(()), true),
            (Action::SendText, Err(Error::NoSmsDelivery), false),
        ] {
            assert_eq!(is_spent(action, outcome.as_ref().copied()), expected);
        }
    }

    #[test]
    fn nothing_is_counted_without_limits() {
        let mut house = House::self_host();
        let body = json!({"email": "a@b"});
        let charges = house
            .with_call(|store, call| charges(store, call, &Limits::NONE, Action::ShowPassword, &body, b"x").unwrap());
        assert_eq!(charges, []);
    }
}
