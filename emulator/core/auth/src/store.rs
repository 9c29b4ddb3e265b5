//! What operations need of the place where accounts are kept. Must not know: how they are kept.

use crate::Millis;
use crate::account::Account;
use crate::code::{Kept, Kind};
use crate::errors::StoreError;
use crate::event::UserEvent;
use crate::idp_config::IdpKind;
use crate::operations::config::Config;
use crate::passkey::Credential;
use crate::settings::Tenant;
use crate::token::session::{Family, Hash};
use serde_json::Value;
use std::fmt;

/// Accounts that share their unique emails and phone numbers: a project's, or those of one of its tenants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

/// A key that signs tokens, as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptKey {
    /// Its id, unique.
    pub id: String,
    /// What it signs: the name of a purpose (see [`crate::token::Purpose::name`]).
    pub purpose: String,
    /// When it was made.
    pub created_at: Millis,
    /// The RSA key pair as PKCS#1 DER.
    pub private: Vec<u8>,
}

impl fmt::Debug for KeptKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KeptKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A key of a service account: who has its private half is an admin. Only the public half is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccountKey {
    /// Its id, unique.
    pub id: String,
    /// The account's email, which statements name as their issuer.
    pub email: String,
    /// When it was issued.
    pub created_at: Millis,
    /// The RSA public key as PKCS#1 DER.
    pub public: Vec<u8>,
}

/// What is kept of an authenticator app.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpFactor {
    /// Its secret, in base32.
    pub secret: String,
    /// The interval of the last password that was shown.
    pub used: Option<u64>,
}

impl fmt::Debug for TotpFactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TotpFactor").field("used", &self.used).finish_non_exhaustive()
    }
}

/// An access token, which is kept under its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The service-account key it was given for; it ends with it.
    pub key_id: String,
    /// Until when its holder is an admin.
    pub expires_at: Millis,
}

/// Which accounts, in order of their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the smallest id.
    Ascending,
    /// From the largest id.
    Descending,
}

/// Reading the keys by which admins show who they are, and what was given for them.
pub trait AdminKeys {
    /// The service-account key with this id.
    ///
    /// # Errors
    /// The store failed.
    fn service_account_key(&self, id: &str) -> Result<Option<ServiceAccountKey>, StoreError>;

    /// All service-account keys, the oldest first.
    ///
    /// # Errors
    /// The store failed.
    fn service_account_keys(&self) -> Result<Vec<ServiceAccountKey>, StoreError>;

    /// The access token that is kept under this hash.
    ///
    /// # Errors
    /// The store failed.
    fn access_token(&self, id: &Hash) -> Result<Option<AccessToken>, StoreError>;
}

/// Writing keys: those that sign tokens, those of service accounts, and the access tokens given for them.
pub trait Keys: AdminKeys {
    /// The keys that sign tokens, the oldest first.
    ///
    /// # Errors
    /// The store failed.
    fn signing_keys(&self) -> Result<Vec<KeptKey>, StoreError>;

    /// Keeps a key that signs tokens.
    ///
    /// # Errors
    /// The store failed, or there is one with its id.
    fn keep_signing_key(&mut self, key: &KeptKey) -> Result<(), StoreError>;

    /// Forgets a key that signs tokens.
    ///
    /// # Errors
    /// The store failed.
    fn forget_signing_key(&mut self, id: &str) -> Result<(), StoreError>;

    /// Keeps a service-account key.
    ///
    /// # Errors
    /// The store failed, or there is one with its id.
    fn keep_service_account_key(&mut self, key: &ServiceAccountKey) -> Result<(), StoreError>;

    /// Forgets a service-account key and its access tokens; answers whether there was one.
    ///
    /// # Errors
    /// The store failed.
    fn forget_service_account_key(&mut self, id: &str) -> Result<bool, StoreError>;

    /// A secret of the server, by what it is for.
    ///
    /// # Errors
    /// The store failed.
    fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Keeps a secret of the server.
    ///
    /// # Errors
    /// The store failed, or there is one with its name.
    fn keep_secret(&mut self, name: &str, value: &[u8]) -> Result<(), StoreError>;

    /// Keeps an access token under its hash.
    ///
    /// # Errors
    /// The store failed, or its key is not kept.
    fn keep_access_token(&mut self, id: &Hash, token: &AccessToken) -> Result<(), StoreError>;

    /// Forgets the access tokens that have expired by `now`.
    ///
    /// # Errors
    /// The store failed.
    fn forget_access_tokens(&mut self, now: Millis) -> Result<(), StoreError>;
}

/// Reading configurations of identity providers; each is a JSON object.
pub trait IdpConfigs {
    /// The configuration with this id.
    ///
    /// # Errors
    /// The store failed.
    fn idp_config(&self, scope: &Scope, kind: IdpKind, id: &str) -> Result<Option<Value>, StoreError>;

    /// Up to `limit` configurations by their ids, in order of them, those after the id `after` only.
    ///
    /// # Errors
    /// The store failed.
    fn idp_configs(
        &self,
        scope: &Scope,
        kind: IdpKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Value)>, StoreError>;
}

/// Writing configurations of identity providers.
pub trait KeepsIdpConfigs: IdpConfigs {
    /// Keeps a configuration, in place of the one with its id if there is one.
    ///
    /// # Errors
    /// The store failed.
    fn put_idp_config(&mut self, scope: &Scope, kind: IdpKind, id: &str, value: &Value) -> Result<(), StoreError>;

    /// Forgets a configuration.
    ///
    /// # Errors
    /// The store failed.
    fn delete_idp_config(&mut self, scope: &Scope, kind: IdpKind, id: &str) -> Result<(), StoreError>;

    /// Forgets all configurations of all kinds.
    ///
    /// # Errors
    /// The store failed.
    fn delete_idp_configs(&mut self, scope: &Scope) -> Result<(), StoreError>;
}

/// Reading.
pub trait Accounts: AdminKeys + IdpConfigs {
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

    /// The family of opaque refresh tokens that is kept under this hash.
    ///
    /// # Errors
    /// The store failed.
    fn refresh_family(&self, id: &Hash) -> Result<Option<Family>, StoreError>;

    /// The account with this passkey.
    ///
    /// # Errors
    /// The store failed.
    fn by_passkey(&self, scope: &Scope, credential_id: &str) -> Result<Option<Account>, StoreError>;

    /// What is kept of the passkey; nothing if it was only named, as emulators and imports do.
    ///
    /// # Errors
    /// The store failed.
    fn passkey(&self, scope: &Scope, credential_id: &str) -> Result<Option<Credential>, StoreError>;

    /// What admins have settled of passkeys, as JSON.
    ///
    /// # Errors
    /// The store failed.
    fn passkey_config(&self, scope: &Scope) -> Result<Option<Value>, StoreError>;

    /// The authenticator app that an account has enrolled under this id.
    ///
    /// # Errors
    /// The store failed.
    fn totp_factor(&self, scope: &Scope, local_id: &str, id: &str) -> Result<Option<TotpFactor>, StoreError>;

    /// The project's tenant with this id.
    ///
    /// # Errors
    /// The store failed.
    fn tenant(&self, project: &str, id: &str) -> Result<Option<Tenant>, StoreError>;

    /// Up to `limit` tenants (all without one) in order of their ids, those after the id `after` only.
    ///
    /// # Errors
    /// The store failed.
    fn tenants(&self, project: &str, after: Option<&str>, limit: Option<usize>) -> Result<Vec<Tenant>, StoreError>;

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

    /// Up to `limit` ids of anonymous accounts (see [`Account::is_anonymous`]) last seen before `before`, those not seen
    /// for longest first.
    ///
    /// # Errors
    /// The store failed.
    fn idle_anonymous(&self, scope: &Scope, before: Millis, limit: usize) -> Result<Vec<String>, StoreError>;

    /// Up to `limit` events that wait for `receiver`, in the order in which they were added, those after the number
    /// `after` only; each with its number, which no other event gets.
    ///
    /// # Errors
    /// The store failed.
    fn events(&self, receiver: &str, after: u64, limit: usize) -> Result<Vec<(u64, UserEvent)>, StoreError>;

    /// The project's configuration; the default one if it was never set.
    ///
    /// # Errors
    /// The store failed.
    fn config(&self, project: &str) -> Result<Config, StoreError>;
}

/// Writing. All calls of one operation are kept together or not at all.
pub trait Store: Accounts + Keys + KeepsIdpConfigs {
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

    /// Has an event wait for `receiver`.
    ///
    /// # Errors
    /// The store failed.
    fn add_event(&mut self, receiver: &str, event: &UserEvent) -> Result<(), StoreError>;

    /// Forgets the event with this number.
    ///
    /// # Errors
    /// The store failed.
    fn delete_event(&mut self, number: u64) -> Result<(), StoreError>;

    /// Forgets the events that wait for none of these; answers how many.
    ///
    /// # Errors
    /// The store failed.
    fn delete_events_for_others(&mut self, receivers: &[String]) -> Result<usize, StoreError>;

    /// Keeps a family of opaque refresh tokens, of an account that is kept, in place of the one that has the hash.
    ///
    /// # Errors
    /// The store failed.
    fn put_refresh_family(&mut self, id: &Hash, family: &Family) -> Result<(), StoreError>;

    /// Forgets the family that is kept under this hash.
    ///
    /// # Errors
    /// The store failed.
    fn delete_refresh_family(&mut self, id: &Hash) -> Result<(), StoreError>;

    /// Forgets the account's families of opaque refresh tokens that began before `before`.
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

    /// Forgets the codes of a kind issued before `before`.
    ///
    /// # Errors
    /// The store failed.
    fn delete_codes_of(&mut self, scope: &Scope, kind: Kind, before: Millis) -> Result<(), StoreError>;

    /// Keeps an authenticator app of an account that is kept.
    ///
    /// # Errors
    /// The store failed.
    fn put_totp_factor(
        &mut self,
        scope: &Scope,
        local_id: &str,
        id: &str,
        factor: &TotpFactor,
    ) -> Result<(), StoreError>;

    /// Forgets an authenticator app.
    ///
    /// # Errors
    /// The store failed.
    fn delete_totp_factor(&mut self, scope: &Scope, local_id: &str, id: &str) -> Result<(), StoreError>;

    /// Keeps what is known of a passkey, which an account that is kept has (see [`Account::passkey_info`]). It goes when
    /// the account has it no more.
    ///
    /// # Errors
    /// The store failed.
    fn put_passkey(&mut self, scope: &Scope, credential_id: &str, credential: &Credential) -> Result<(), StoreError>;

    /// Keeps what admins have settled of passkeys.
    ///
    /// # Errors
    /// The store failed.
    fn put_passkey_config(&mut self, scope: &Scope, value: &Value) -> Result<(), StoreError>;

    /// Keeps a tenant's settings.
    ///
    /// # Errors
    /// The store failed.
    fn put_tenant(&mut self, project: &str, tenant: &Tenant) -> Result<(), StoreError>;

    /// Forgets a tenant's settings, those of passkeys included.
    ///
    /// # Errors
    /// The store failed.
    fn delete_tenant(&mut self, project: &str, id: &str) -> Result<(), StoreError>;

    /// Keeps the project's configuration.
    ///
    /// # Errors
    /// The store failed.
    fn set_config(&mut self, project: &str, config: &Config) -> Result<(), StoreError>;
}
