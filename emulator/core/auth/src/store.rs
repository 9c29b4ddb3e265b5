//! What operations need of the place where accounts are kept. Must not know: how they are kept.

use crate::Millis;
use crate::account::Account;
use crate::code::{Kept, Kind};
use crate::errors::StoreError;
use crate::operations::config::Config;
use crate::token::refresh::RefreshToken;

/// Accounts that share their unique emails and phone numbers: a project's, or those of one of its tenants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The project's id.
    pub project: String,
    /// The tenant's id; `None` for the project itself.
    pub tenant: Option<String>,
}

impl Scope {
    /// The accounts of the project itself.
    pub fn project(project: &str) -> Self {
        Self { project: project.to_owned(), tenant: None }
    }
}

/// What decides whether an account's tokens are still good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The account may not sign in.
    pub disabled: bool,
    /// Tokens issued before are revoked; seconds since the Unix epoch.
    pub valid_since: Option<i64>,
}

/// Which accounts, in order of their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the smallest id.
    Ascending,
    /// From the largest id.
    Descending,
}

/// Reading.
pub trait Accounts {
    /// The account with this id.
    ///
    /// # Errors
    /// As all of these: the store failed.
    fn by_local_id(&self, scope: &Scope, local_id: &str) -> Result<Option<Account>, StoreError>;

    /// The account with this (lower-case) email.
    ///
    /// # Errors
    /// The store failed.
    fn by_email(&self, scope: &Scope, email: &str) -> Result<Option<Account>, StoreError>;

    /// The account with this phone number.
    ///
    /// # Errors
    /// The store failed.
    fn by_phone_number(&self, scope: &Scope, phone_number: &str) -> Result<Option<Account>, StoreError>;

    /// The account that is `raw_id` at the provider.
    ///
    /// # Errors
    /// The store failed.
    fn by_provider(&self, scope: &Scope, provider_id: &str, raw_id: &str) -> Result<Option<Account>, StoreError>;

    /// The standing of the account with this id. Asked for every token that is verified.
    ///
    /// # Errors
    /// The store failed.
    fn standing(&self, scope: &Scope, local_id: &str) -> Result<Option<Standing>, StoreError>;

    /// Up to `limit` accounts (all without one), those after the id `after` only.
    ///
    /// # Errors
    /// The store failed.
    fn list(
        &self,
        scope: &Scope,
        after: Option<&str>,
        limit: Option<usize>,
        order: Order,
    ) -> Result<Vec<Account>, StoreError>;

    /// How many accounts there are.
    ///
    /// # Errors
    /// The store failed.
    fn count(&self, scope: &Scope) -> Result<u64, StoreError>;

    /// An opaque refresh token that was kept, and when.
    ///
    /// # Errors
    /// The store failed.
    fn refresh_token(&self, token: &str) -> Result<Option<(RefreshToken, Millis)>, StoreError>;

    /// The account whose first email this was (see [`Account::initial_email`]).
    ///
    /// # Errors
    /// The store failed.
    fn by_initial_email(&self, scope: &Scope, email: &str) -> Result<Option<Account>, StoreError>;

    /// Accounts to which a provider brought this email, the smallest id first.
    ///
    /// # Errors
    /// The store failed.
    fn by_provider_email(&self, scope: &Scope, email: &str) -> Result<Vec<Account>, StoreError>;

    /// Up to `limit` accounts that have an identity at the provider.
    ///
    /// # Errors
    /// The store failed.
    fn of_provider(&self, scope: &Scope, provider_id: &str, limit: usize) -> Result<Vec<Account>, StoreError>;

    /// The code with this key.
    ///
    /// # Errors
    /// The store failed.
    fn code(&self, scope: &Scope, kind: Kind, key: &str) -> Result<Option<Kept>, StoreError>;

    /// All codes of a kind, the oldest first.
    ///
    /// # Errors
    /// The store failed.
    fn codes(&self, scope: &Scope, kind: Kind) -> Result<Vec<Kept>, StoreError>;

    /// The project's configuration; the default one if it was never set.
    ///
    /// # Errors
    /// The store failed.
    fn config(&self, project: &str) -> Result<Config, StoreError>;
}

/// Writing. All calls of one operation are kept together or not at all.
pub trait Store: Accounts {
    /// Keeps the account, in place of the one with its id if there is one.
    ///
    /// # Errors
    /// The store failed, or another account has the same email, phone number or identity at a provider.
    fn put(&mut self, scope: &Scope, account: &Account) -> Result<(), StoreError>;

    /// Forgets the account and its refresh tokens.
    ///
    /// # Errors
    /// The store failed.
    fn delete(&mut self, scope: &Scope, local_id: &str) -> Result<(), StoreError>;

    /// Forgets every account and their refresh tokens.
    ///
    /// # Errors
    /// The store failed.
    fn delete_all(&mut self, scope: &Scope) -> Result<(), StoreError>;

    /// Forgets up to `limit` anonymous accounts (see [`Account::is_anonymous`]) last seen before `before`, the ones
    /// not seen for longest first; answers how many.
    ///
    /// # Errors
    /// The store failed.
    fn delete_anonymous(&mut self, scope: &Scope, before: Millis, limit: usize) -> Result<usize, StoreError>;

    /// Keeps an opaque refresh token of an account that is kept. The token itself must not be readable from the store.
    ///
    /// # Errors
    /// The store failed.
    fn keep_refresh_token(&mut self, token: &str, of: &RefreshToken, now: Millis) -> Result<(), StoreError>;

    /// Forgets the account's opaque refresh tokens issued before `before`.
    ///
    /// # Errors
    /// The store failed.
    fn revoke_refresh_tokens(&mut self, scope: &Scope, local_id: &str, before: Millis) -> Result<(), StoreError>;

    /// Keeps a code, in place of the one with its key if there is one. The key must not be readable from the store.
    ///
    /// # Errors
    /// The store failed.
    fn put_code(&mut self, scope: &Scope, kind: Kind, key: &str, code: &Kept) -> Result<(), StoreError>;

    /// Forgets a code.
    ///
    /// # Errors
    /// The store failed.
    fn delete_code(&mut self, scope: &Scope, kind: Kind, key: &str) -> Result<(), StoreError>;

    /// Forgets the codes issued before `before`.
    ///
    /// # Errors
    /// The store failed.
    fn delete_codes(&mut self, scope: &Scope, before: Millis) -> Result<(), StoreError>;

    /// Keeps the project's configuration.
    ///
    /// # Errors
    /// The store failed.
    fn set_config(&mut self, project: &str, config: &Config) -> Result<(), StoreError>;
}
