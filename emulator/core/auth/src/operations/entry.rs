//! The end that all sign-ins share: a second factor is asked for, or tokens are issued. Must not know: how the user has
//! shown who they are.

use super::blocking::{self, Event, Told};
use super::policy::Policy;
use super::{Answer, Call, NewTokens, json, record, second_factors, sign_in};
use crate::account::Account;
use crate::errors::Error;
use crate::store::Store;
use crate::token::refresh::SecondFactor;
use serde_json::{Map, Value};

/// How a user came in.
#[derive(Debug, Default)]
pub(super) struct Entry<'e> {
    /// The provider that tokens name (`password`, `phone`, `custom`, `google.com`).
    pub(super) provider: &'e str,
    /// Whether the account has second factors that must be asked for.
    pub(super) second_factors: bool,
    /// Claims that go into this session's tokens.
    pub(super) claims: Map<String, Value>,
    /// What a SAML provider says of the user; for the first token only.
    pub(super) attributes: Option<Value>,
    /// Whether the account is kept for the first time.
    pub(super) is_new: bool,
    /// What blocking functions are told; `None` if they are not asked.
    pub(super) told: Option<Told>,
}

/// What a user gets who came in.
pub(super) enum Entered {
    /// Tokens.
    Tokens(NewTokens),
    /// A credential that is good for nothing but showing a second factor.
    SecondFactor {
        /// It.
        credential: String,
        /// The factors there are, without what only the owner knows.
        factors: Value,
    },
}

/// Keeps the account, as far as the sign-in has changed it, and lets its owner in.
pub(super) fn enter(
    store: &mut dyn Store,
    call: &Call<'_>,
    policy: &Policy,
    account: &mut Account,
    entry: Entry<'_>,
) -> Result<Entered, Error> {
    account.mirror_providers();
    if account.disabled == Some(true) {
        return Err(Error::UserDisabled);
    }
    if let (Some(told), true) = (&entry.told, entry.is_new) {
        blocking::ask(store, call, Event::BeforeCreate, account, told)?;
        account.mirror_providers();
    }
    if entry.second_factors && second_factors::are_wanted(policy, account) {
        record::keep(store, call, account)?;
        let credential = second_factors::pending(store, call, account, entry.provider, entry.claims)?;
        let shown: Vec<_> = account.mfa_info.iter().flatten().map(second_factors::shown).collect();
        return Ok(Entered::SecondFactor { credential, factors: json(&shown) });
    }
    let passed = Passed { provider: entry.provider, claims: entry.claims, factor: None, told: entry.told };
    let mut tokens = let_in(store, call, account, passed)?;
    if let (Some(attributes), Some(Value::Object(firebase))) = (entry.attributes, tokens.claims.get_mut("firebase")) {
        firebase.insert("sign_in_attributes".to_owned(), attributes);
    }
    Ok(Entered::Tokens(tokens))
}

/// What somebody has shown who may come in.
pub(super) struct Passed<'e> {
    /// The provider that tokens name.
    pub(super) provider: &'e str,
    /// Claims that go into this session's tokens.
    pub(super) claims: Map<String, Value>,
    /// The second factor.
    pub(super) factor: Option<SecondFactor>,
    /// What blocking functions are told; `None` if they are not asked.
    pub(super) told: Option<Told>,
}

/// Lets an account's owner in who has shown all that has to be shown.
pub(super) fn let_in(
    store: &mut dyn Store,
    call: &Call<'_>,
    account: &mut Account,
    passed: Passed<'_>,
) -> Result<NewTokens, Error> {
    let mut claims = passed.claims;
    if let (Some(told), false) = (&passed.told, account.disabled == Some(true)) {
        claims.extend(blocking::ask(store, call, Event::BeforeSignIn, account, told)?);
    }
    account.last_login_at = Some(call.now.to_string());
    if account.disabled == Some(true) {
        // A function has done that: it stays.
        record::keep(store, call, account)?;
        return Err(Error::UserDisabled.kept());
    }
    sign_in(store, call, account, passed.provider, claims, passed.factor)
}

impl Answer {
    pub(super) fn with_entered(self, entered: Entered) -> Self {
        match entered {
            Entered::Tokens(tokens) => self.with_tokens(Some(tokens)),
            Entered::SecondFactor { credential, factors } => {
                self.with("mfaPendingCredential", credential).with("mfaInfo", factors)
            }
        }
    }
}
