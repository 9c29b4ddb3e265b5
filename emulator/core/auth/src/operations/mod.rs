//! What callers can do, one file per capability: functions over a store, the time and random bytes.
//!
//! An operation checks in the order of the official emulator, since clients see the first complaint. Must not know:
//! paths, methods, JSON text, or who may call (the shell decides whether a call is privileged).

pub mod access_token;
pub mod authorize;
mod blocking;
pub mod bulk;
pub mod config;
pub mod create_auth_uri;
pub mod delete;
mod entry;
pub mod grant;
pub mod guard;
pub mod idp;
mod idp_access_token;
mod idp_code;
pub mod idp_configs;
mod idp_credential;
mod idp_token;
pub mod import;
pub mod lookup;
mod mask;
pub mod mfa;
pub mod oob;
pub mod passkeys;
pub mod password_policy;
pub mod phone;
mod policy;
mod providers;
mod record;
pub mod revoke_token;
mod second_factors;
pub mod session_cookie;
pub mod sign_in_custom_token;
pub mod sign_in_email_link;
pub mod sign_in_idp;
pub mod sign_in_password;
pub mod sign_in_phone_number;
pub mod sign_up;
pub mod tenants;
pub mod update;

use crate::Millis;
use crate::account::{Account, iso};
use crate::code::OobCode;
use crate::entropy::Entropy;
use crate::errand::Passwords;
use crate::errors::Error;
use crate::passkey::RelyingParty;
use crate::passkey::challenge::Challenges;
use crate::sign_in_session::SessionKey;
use crate::store::{Accounts, Scope, Store};
use crate::token::refresh::{RefreshToken, SecondFactor};
use crate::token::{LIFETIME, Purpose, Tokens, claims, session};
use serde::Serialize;
use serde_json::{Map, Value};

/// What Firebase calls the project's number; the same for all projects, as in the official emulator.
pub const PROJECT_NUMBER: &str = "12345";

/// The circumstances of one call.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// Whose accounts are meant.
    pub scope: &'a Scope,
    /// Whether an admin calls.
    pub privileged: bool,
    /// Whether this is an emulator, which takes its users at their word.
    pub emulator: bool,
    /// The time.
    pub now: Millis,
    /// Random bytes.
    pub entropy: &'a dyn Entropy,
    /// The policy for ID tokens.
    pub tokens: &'a Tokens,
    /// How passwords are hashed.
    pub passwords: Passwords<'a>,
    /// How users who are at an identity provider are remembered.
    pub sessions: &'a SessionKey,
    /// Where links lead to: scheme and host, without a slash at the end.
    pub origin: &'a str,
    /// What can be sent to users.
    pub delivers: Delivers,
    /// Who is told of users that come and go; nobody, and then nothing is written of it.
    pub receivers: &'a [String],
    /// How passkeys are asked for.
    pub passkeys: Passkeys<'a>,
}

/// How passkeys are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Passkeys<'a> {
    /// Makes challenges and knows them again.
    pub challenges: &'a Challenges,
    /// For whom passkeys are, unless admins have settled otherwise; nobody, and then there are none.
    pub relying_party: Option<&'a RelyingParty>,
}

/// What can be sent to users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivers {
    /// Emails.
    pub emails: bool,
    /// Text messages.
    pub texts: bool,
}

/// Something to be sent once the operation is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// By email.
    Email(OobCode),
    /// By text message.
    Text {
        /// To whom.
        phone_number: String,
        /// The digits.
        code: String,
        /// Why.
        purpose: phone::Purpose,
    },
}

/// What an operation answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The body, but for the ID token.
    pub body: Map<String, Value>,
    /// An ID token to be encoded, when everything else is done.
    pub id_token: Option<IdTokenFor>,
    /// What is to be sent.
    pub messages: Vec<Message>,
}

/// An ID token, or a session cookie made of one, to be encoded.
#[derive(Clone, Debug, PartialEq)]
pub struct IdTokenFor {
    /// What it is for.
    pub purpose: Purpose,
    /// Its claims.
    pub claims: Map<String, Value>,
    /// The fields of the body where it goes.
    pub fields: &'static [&'static str],
    /// How many fields of the body come before.
    pub at: usize,
}

impl Answer {
    fn kind(kind: &str) -> Self {
        Self::default().with("kind", kind)
    }

    fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.body.insert(field.to_owned(), value.into());
        self
    }

    fn with_some(self, field: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(field, value),
            None => self,
        }
    }

    /// As [`Answer::with_tokens`], without saying how long they last.
    fn with_bare_tokens(self, tokens: NewTokens) -> Self {
        let mut answer = self.with_tokens(Some(tokens));
        answer.body.shift_remove("expiresIn");
        answer
    }

    fn with_tokens(self, tokens: Option<NewTokens>) -> Self {
        let Some(tokens) = tokens else { return self };
        let at = self.body.len();
        let mut answer = self.with("refreshToken", tokens.refresh_token).with("expiresIn", LIFETIME.to_string());
        answer.id_token =
            Some(IdTokenFor { purpose: Purpose::IdToken, claims: tokens.claims, fields: &["idToken"], at });
        answer
    }
}

/// What a sign-in yields.
struct NewTokens {
    claims: Map<String, Value>,
    refresh_token: String,
}

/// Keeps `account` and issues tokens to it. `extra_claims` and the second factor go into all tokens of the session.
fn sign_in(
    store: &mut dyn Store,
    call: &Call<'_>,
    account: &mut Account,
    provider: &str,
    extra_claims: Map<String, Value>,
    second_factor: Option<SecondFactor>,
) -> Result<NewTokens, Error> {
    account.last_refresh_at = Some(iso(call.now));
    record::keep(store, call, account)?;
    let mut claims = claims::of(account, call.scope, provider, &extra_claims, call.now);
    claims::add_second_factor(&mut claims, second_factor.as_ref());
    let refresh = RefreshToken {
        scope: call.scope.clone(),
        local_id: account.local_id.clone(),
        provider: provider.to_owned(),
        extra_claims,
        second_factor,
    };
    let refresh_token = if call.tokens.are_unsigned() {
        refresh.encode()
    } else {
        session::begin(store, call.entropy, refresh, call.now)?
    };
    Ok(NewTokens { claims, refresh_token })
}

/// The account an ID token stands for, and how its owner signed in.
fn signed_in(
    store: &(impl Accounts + ?Sized),
    call: &Call<'_>,
    id_token: &str,
) -> Result<(Account, Option<String>), Error> {
    let claims = call.tokens.read(id_token, &call.scope.project, call.now)?;
    // A token of the project itself names no tenant; whoever it stands for is not among a tenant's users.
    if claims.tenant().is_some_and(|tenant| call.scope.tenant.as_deref() != Some(tenant)) {
        return Err(Error::TenantIdMismatch);
    }
    let local_id = claims.user_id().ok_or(Error::UserNotFound)?;
    let account = store.by_local_id(call.scope, local_id)?.ok_or(Error::UserNotFound)?;
    if let Some(valid_since) = account.valid_since_seconds()
        && claims.issued_at().is_none_or(|issued| issued < valid_since)
    {
        return Err(Error::TokenExpired);
    }
    if account.disabled == Some(true) {
        return Err(Error::UserDisabled);
    }
    Ok((account, claims.sign_in_provider().map(str::to_owned)))
}

/// A field that is there and not empty; the two count as the same.
fn given(field: &Option<String>) -> Option<&str> {
    field.as_deref().filter(|text| !text.is_empty())
}

/// Our own structures always become JSON.
fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    //! What operations share with each other, over the store double.

    use super::*;
    use crate::errand::Outcomes;
    use crate::memory::{Counting, Memory};
    use crate::password::Hashing;
    use serde_json::json;

    /// A house to call operations in.
    pub(super) struct House {
        pub(super) store: Memory,
        pub(super) scope: Scope,
        pub(super) now: Millis,
        pub(super) emulator: bool,
        pub(super) delivers: Delivers,
        pub(super) receivers: Vec<String>,
        pub(super) relying_party: Option<RelyingParty>,
        challenges: Challenges,
        pub(super) outcomes: Outcomes,
        entropy: Counting,
        tokens: Tokens,
        sessions: SessionKey,
    }

    impl House {
        pub(super) fn new() -> Self {
            Self {
                store: Memory::default(),
                scope: Scope::project("demo"),
                now: 1_893_456_000_000,
                emulator: true,
                delivers: Delivers { emails: true, texts: true },
                receivers: Vec::new(),
                relying_party: None,
                challenges: Challenges::new([7; 32]),
                outcomes: Outcomes::default(),
                entropy: Counting::default(),
                tokens: Tokens::Unsigned,
                sessions: SessionKey::new(&[7; 32]).unwrap(),
            }
        }

        /// One that takes nobody at their word.
        pub(super) fn self_host() -> Self {
            Self { emulator: false, ..Self::new() }
        }

        /// Calls `operation` with a body in JSON.
        pub(super) fn call<R: serde::de::DeserializeOwned>(
            &mut self,
            privileged: bool,
            operation: fn(&mut dyn Store, &Call<'_>, R) -> Result<Answer, Error>,
            body: Value,
        ) -> Result<Answer, Error> {
            let body = serde_json::from_value(body).unwrap();
            self.with_call(|store, call| operation(store, &Call { privileged, ..*call }, body))
                .map_err(Error::into_inner)
        }

        /// Does something as a client.
        pub(super) fn with_call<T>(&mut self, run: impl FnOnce(&mut dyn Store, &Call<'_>) -> T) -> T {
            let Self { store, scope, now, emulator, delivers, receivers, entropy, tokens, sessions, .. } = self;
            let passkeys = Passkeys { challenges: &self.challenges, relying_party: self.relying_party.as_ref() };
            let passwords = Passwords { hashing: Hashing::Fake, outcomes: &self.outcomes };
            let call = Call {
                scope,
                privileged: false,
                emulator: *emulator,
                now: *now,
                entropy,
                tokens,
                passwords,
                sessions,
                origin: "http://127.0.0.1:9099",
                delivers: *delivers,
                receivers,
                passkeys,
            };
            run(store, &call)
        }

        /// An anonymous sign-in: the account's id and its ID token.
        pub(super) fn sign_up(&mut self) -> (String, String) {
            let answer = self.call(false, sign_up::sign_up, json!({})).unwrap();
            let token = self.tokens.encode(&answer.id_token.unwrap().claims).unwrap();
            (answer.body["localId"].as_str().unwrap().to_owned(), token)
        }

        /// A token with its claims changed.
        pub(super) fn forge(&self, claims: Value) -> String {
            self.tokens.encode(claims.as_object().unwrap()).unwrap()
        }

        /// The account's record.
        pub(super) fn account(&self, local_id: &str) -> Account {
            self.store.by_local_id(&self.scope, local_id).unwrap().unwrap()
        }
    }
}
