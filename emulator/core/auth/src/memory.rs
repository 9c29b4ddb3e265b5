//! Doubles for tests: a store in memory, and random bytes that can be foretold.

use crate::Millis;
use crate::account::Account;
use crate::code::{Kept, Kind};
use crate::entropy::Entropy;
use crate::errors::StoreError;
use crate::event::UserEvent;
use crate::idp_config::IdpKind;
use crate::operations::config::Config;
use crate::passkey::Credential;
use crate::settings::Tenant;
use crate::store::{
    AccessToken, Accounts, AdminKeys, IdpConfigs, KeepsIdpConfigs, KeptKey, Keys, Order, Scope, ServiceAccountKey,
    Standing, Store, TotpFactor,
};
use crate::token::session::{Family, Hash};
use serde_json::Value;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

/// Bytes from a counter.
#[derive(Default)]
pub(crate) struct Counting(Cell<u64>);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            // The top byte of a linear congruential generator: it does not repeat soon.
            self.0.set(self.0.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
            *byte = self.0.get().to_be_bytes()[0];
        }
    }
}

/// A store without a disk.
#[derive(Default)]
pub(crate) struct Memory {
    accounts: HashMap<Scope, BTreeMap<String, Account>>,
    refresh_families: HashMap<Hash, Family>,
    signing_keys: Vec<KeptKey>,
    secrets: HashMap<String, Vec<u8>>,
    passkeys: HashMap<(Scope, String), Credential>,
    passkey_configs: HashMap<Scope, Value>,
    totp_factors: HashMap<(Scope, String, String), TotpFactor>,
    tenants: BTreeMap<(String, String), Tenant>,
    service_account_keys: Vec<ServiceAccountKey>,
    access_tokens: HashMap<Hash, AccessToken>,
    configs: HashMap<String, Config>,
    idp_configs: BTreeMap<(Scope, IdpKind, String), Value>,
    codes: Vec<((Scope, Kind, String), Kept)>,
    events: Vec<(String, UserEvent)>,
}

impl Memory {
    fn find(&self, scope: &Scope, matches: impl Fn(&Account) -> bool) -> Option<Account> {
        self.accounts.get(scope)?.values().find(|account| matches(account)).cloned()
    }
}

impl AdminKeys for Memory {
    fn service_account_key(&self, id: &str) -> Result<Option<ServiceAccountKey>, StoreError> {
        Ok(self.service_account_keys.iter().find(|key| key.id == id).cloned())
    }

    fn service_account_keys(&self) -> Result<Vec<ServiceAccountKey>, StoreError> {
        Ok(self.service_account_keys.clone())
    }

    fn access_token(&self, id: &Hash) -> Result<Option<AccessToken>, StoreError> {
        Ok(self.access_tokens.get(id).cloned())
    }
}

impl Keys for Memory {
    fn signing_keys(&self) -> Result<Vec<KeptKey>, StoreError> {
        Ok(self.signing_keys.clone())
    }

    fn keep_signing_key(&mut self, key: &KeptKey) -> Result<(), StoreError> {
        self.signing_keys.push(key.clone());
        Ok(())
    }

    fn forget_signing_key(&mut self, id: &str) -> Result<(), StoreError> {
        self.signing_keys.retain(|key| key.id != id);
        Ok(())
    }

    fn keep_service_account_key(&mut self, key: &ServiceAccountKey) -> Result<(), StoreError> {
        self.service_account_keys.push(key.clone());
        Ok(())
    }

    fn forget_service_account_key(&mut self, id: &str) -> Result<bool, StoreError> {
        let before = self.service_account_keys.len();
        self.service_account_keys.retain(|key| key.id != id);
        self.access_tokens.retain(|_, token| token.key_id != id);
        Ok(self.service_account_keys.len() < before)
    }

    fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.secrets.get(name).cloned())
    }

    fn keep_secret(&mut self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        self.secrets.insert(name.to_owned(), value.to_vec());
        Ok(())
    }

    fn keep_access_token(&mut self, id: &Hash, token: &AccessToken) -> Result<(), StoreError> {
        self.access_tokens.insert(*id, token.clone());
        Ok(())
    }

    fn forget_access_tokens(&mut self, now: Millis) -> Result<(), StoreError> {
        self.access_tokens.retain(|_, token| token.expires_at > now);
        Ok(())
    }
}

impl IdpConfigs for Memory {
    fn idp_config(&self, scope: &Scope, kind: IdpKind, id: &str) -> Result<Option<Value>, StoreError> {
        Ok(self.idp_configs.get(&(scope.clone(), kind, id.to_owned())).cloned())
    }

    fn idp_configs(
        &self,
        scope: &Scope,
        kind: IdpKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Value)>, StoreError> {
        let of_kind = self.idp_configs.iter().filter(|((of, its, _), _)| of == scope && *its == kind);
        let later = of_kind.filter(|((_, _, id), _)| after.is_none_or(|after| id.as_str() > after));
        Ok(later.map(|((_, _, id), value)| (id.clone(), value.clone())).take(limit).collect())
    }
}

impl KeepsIdpConfigs for Memory {
    fn put_idp_config(&mut self, scope: &Scope, kind: IdpKind, id: &str, value: &Value) -> Result<(), StoreError> {
        self.idp_configs.insert((scope.clone(), kind, id.to_owned()), value.clone());
        Ok(())
    }

    fn delete_idp_config(&mut self, scope: &Scope, kind: IdpKind, id: &str) -> Result<(), StoreError> {
        self.idp_configs.remove(&(scope.clone(), kind, id.to_owned()));
        Ok(())
    }

    fn delete_idp_configs(&mut self, scope: &Scope) -> Result<(), StoreError> {
        self.idp_configs.retain(|(of, _, _), _| of != scope);
        Ok(())
    }
}

impl Accounts for Memory {
    fn by_local_id(&self, scope: &Scope, local_id: &str) -> Result<Option<Account>, StoreError> {
        Ok(self.find(scope, |account| account.local_id == local_id))
    }

    fn by_email(&self, scope: &Scope, email: &str) -> Result<Option<Account>, StoreError> {
        Ok(self.find(scope, |account| account.email.as_deref() == Some(email)))
    }

    fn by_phone_number(&self, scope: &Scope, phone_number: &str) -> Result<Option<Account>, StoreError> {
        Ok(self.find(scope, |account| account.phone_number.as_deref() == Some(phone_number)))
    }

    fn by_provider(&self, scope: &Scope, provider_id: &str, raw_id: &str) -> Result<Option<Account>, StoreError> {
        Ok(self.find(scope, |account| {
            account.providers().iter().any(|info| info.provider_id == provider_id && info.raw_id == raw_id)
        }))
    }

    fn standing(&self, scope: &Scope, local_id: &str) -> Result<Option<Standing>, StoreError> {
        Ok(self.by_local_id(scope, local_id)?.map(|account| Standing {
            disabled: account.disabled == Some(true),
            valid_since: account.valid_since_seconds(),
        }))
    }

    fn list(
        &self,
        scope: &Scope,
        after: Option<&str>,
        limit: Option<usize>,
        order: Order,
    ) -> Result<Vec<Account>, StoreError> {
        let accounts = self.accounts.get(scope).into_iter().flat_map(BTreeMap::values);
        let mut accounts: Vec<_> =
            accounts.filter(|account| after.is_none_or(|after| account.local_id.as_str() > after)).cloned().collect();
        if order == Order::Descending {
            accounts.reverse();
        }
        accounts.truncate(limit.unwrap_or(usize::MAX));
        Ok(accounts)
    }

    fn count(&self, scope: &Scope) -> Result<u64, StoreError> {
        Ok(self.accounts.get(scope).map_or(0, BTreeMap::len) as u64)
    }

    fn refresh_family(&self, id: &Hash) -> Result<Option<Family>, StoreError> {
        Ok(self.refresh_families.get(id).cloned())
    }

    fn by_passkey(&self, scope: &Scope, credential_id: &str) -> Result<Option<Account>, StoreError> {
        Ok(self.find(scope, |account| {
            account.passkey_info.iter().flatten().any(|passkey| passkey.credential_id == credential_id)
        }))
    }

    fn passkey(&self, scope: &Scope, credential_id: &str) -> Result<Option<Credential>, StoreError> {
        Ok(self.passkeys.get(&(scope.clone(), credential_id.to_owned())).cloned())
    }

    fn passkey_config(&self, scope: &Scope) -> Result<Option<Value>, StoreError> {
        Ok(self.passkey_configs.get(scope).cloned())
    }

    fn totp_factor(&self, scope: &Scope, local_id: &str, id: &str) -> Result<Option<TotpFactor>, StoreError> {
        Ok(self.totp_factors.get(&(scope.clone(), local_id.to_owned(), id.to_owned())).cloned())
    }

    fn tenant(&self, project: &str, id: &str) -> Result<Option<Tenant>, StoreError> {
        Ok(self.tenants.get(&(project.to_owned(), id.to_owned())).cloned())
    }

    fn tenants(&self, project: &str, after: Option<&str>, limit: Option<usize>) -> Result<Vec<Tenant>, StoreError> {
        let tenants =
            self.tenants.iter().filter(|((of, id), _)| of == project && after.is_none_or(|after| id.as_str() > after));
        Ok(tenants.map(|(_, tenant)| tenant.clone()).take(limit.unwrap_or(usize::MAX)).collect())
    }

    fn by_initial_email(&self, scope: &Scope, email: &str) -> Result<Option<Account>, StoreError> {
        Ok(self.find(scope, |account| account.initial_email.as_deref() == Some(email)))
    }

    fn by_provider_email(&self, scope: &Scope, email: &str) -> Result<Vec<Account>, StoreError> {
        let mut found = self.list(scope, None, None, Order::Ascending)?;
        found.retain(|account| account.providers().iter().any(|info| info.email.as_deref() == Some(email)));
        Ok(found)
    }

    fn of_provider(&self, scope: &Scope, provider_id: &str, limit: usize) -> Result<Vec<Account>, StoreError> {
        let mut found = self.list(scope, None, None, Order::Ascending)?;
        found.retain(|account| account.providers().iter().any(|info| info.provider_id == provider_id));
        found.truncate(limit);
        Ok(found)
    }

    fn code(&self, scope: &Scope, kind: Kind, key: &str) -> Result<Option<Kept>, StoreError> {
        let mut codes = self.codes.iter();
        Ok(codes.find(|(of, _)| *of == (scope.clone(), kind, key.to_owned())).map(|(_, code)| code.clone()))
    }

    fn codes(&self, scope: &Scope, kind: Kind) -> Result<Vec<Kept>, StoreError> {
        let codes = self.codes.iter().filter(|((of, its, _), _)| of == scope && *its == kind);
        Ok(codes.map(|(_, code)| code.clone()).collect())
    }

    fn idle_anonymous(&self, scope: &Scope, before: Millis, limit: usize) -> Result<Vec<String>, StoreError> {
        let mut old = self.list(scope, None, None, Order::Ascending)?;
        old.retain(|account| account.is_anonymous() && account.last_seen() < before);
        old.sort_by_key(Account::last_seen);
        Ok(old.into_iter().map(|account| account.local_id).take(limit).collect())
    }

    fn events(&self, receiver: &str, after: u64, limit: usize) -> Result<Vec<(u64, UserEvent)>, StoreError> {
        let events = (1..).zip(&self.events).filter(|(number, (of, _))| *number > after && of == receiver);
        Ok(events.map(|(number, (_, event))| (number, event.clone())).take(limit).collect())
    }

    fn config(&self, project: &str) -> Result<Config, StoreError> {
        Ok(self.configs.get(project).cloned().unwrap_or_default())
    }
}

impl Store for Memory {
    fn put(&mut self, scope: &Scope, account: &Account) -> Result<(), StoreError> {
        let before = self.accounts.entry(scope.clone()).or_default().insert(account.local_id.clone(), account.clone());
        for passkey in before.and_then(|before| before.passkey_info).into_iter().flatten() {
            if !account.passkey_info.iter().flatten().any(|known| known.credential_id == passkey.credential_id) {
                self.passkeys.remove(&(scope.clone(), passkey.credential_id));
            }
        }
        Ok(())
    }

    fn delete(&mut self, scope: &Scope, local_id: &str) -> Result<(), StoreError> {
        self.accounts.entry(scope.clone()).or_default().remove(local_id);
        self.refresh_families.retain(|_, family| family.of.scope != *scope || family.of.local_id != local_id);
        Ok(())
    }

    fn delete_all(&mut self, scope: &Scope) -> Result<(), StoreError> {
        self.accounts.remove(scope);
        self.refresh_families.retain(|_, family| family.of.scope != *scope);
        Ok(())
    }

    fn add_event(&mut self, receiver: &str, event: &UserEvent) -> Result<(), StoreError> {
        self.events.push((receiver.to_owned(), event.clone()));
        Ok(())
    }

    fn delete_event(&mut self, number: u64) -> Result<(), StoreError> {
        let index = usize::try_from(number).map_err(|error| StoreError(error.to_string()))?;
        // Its number is nobody else's.
        self.events[index - 1].0.clear();
        Ok(())
    }

    fn delete_events_for_others(&mut self, receivers: &[String]) -> Result<usize, StoreError> {
        let others = self.events.iter_mut().filter(|(of, _)| !of.is_empty() && !receivers.contains(of));
        Ok(others.map(|(of, _)| of.clear()).count())
    }

    fn put_refresh_family(&mut self, id: &Hash, family: &Family) -> Result<(), StoreError> {
        self.refresh_families.insert(*id, family.clone());
        Ok(())
    }

    fn delete_refresh_family(&mut self, id: &Hash) -> Result<(), StoreError> {
        self.refresh_families.remove(id);
        Ok(())
    }

    fn revoke_refresh_tokens(&mut self, scope: &Scope, local_id: &str, before: Millis) -> Result<(), StoreError> {
        self.refresh_families.retain(|_, family| {
            family.of.scope != *scope || family.of.local_id != local_id || family.issued_at >= before
        });
        Ok(())
    }

    fn put_passkey(&mut self, scope: &Scope, credential_id: &str, credential: &Credential) -> Result<(), StoreError> {
        self.passkeys.insert((scope.clone(), credential_id.to_owned()), credential.clone());
        Ok(())
    }

    fn put_passkey_config(&mut self, scope: &Scope, value: &Value) -> Result<(), StoreError> {
        self.passkey_configs.insert(scope.clone(), value.clone());
        Ok(())
    }

    fn put_totp_factor(
        &mut self,
        scope: &Scope,
        local_id: &str,
        id: &str,
        factor: &TotpFactor,
    ) -> Result<(), StoreError> {
        self.totp_factors.insert((scope.clone(), local_id.to_owned(), id.to_owned()), factor.clone());
        Ok(())
    }

    fn delete_totp_factor(&mut self, scope: &Scope, local_id: &str, id: &str) -> Result<(), StoreError> {
        self.totp_factors.remove(&(scope.clone(), local_id.to_owned(), id.to_owned()));
        Ok(())
    }

    fn put_tenant(&mut self, project: &str, tenant: &Tenant) -> Result<(), StoreError> {
        self.tenants.insert((project.to_owned(), tenant.tenant_id.clone()), tenant.clone());
        Ok(())
    }

    fn delete_tenant(&mut self, project: &str, id: &str) -> Result<(), StoreError> {
        self.tenants.remove(&(project.to_owned(), id.to_owned()));
        self.passkey_configs.remove(&Scope { tenant: Some(id.to_owned()), ..Scope::project(project) });
        Ok(())
    }

    fn put_code(&mut self, scope: &Scope, kind: Kind, key: &str, code: &Kept) -> Result<(), StoreError> {
        let key = (scope.clone(), kind, key.to_owned());
        match self.codes.iter_mut().find(|(of, _)| *of == key) {
            Some((_, kept)) => *kept = code.clone(),
            None => self.codes.push((key, code.clone())),
        }
        Ok(())
    }

    fn delete_code(&mut self, scope: &Scope, kind: Kind, key: &str) -> Result<(), StoreError> {
        self.codes.retain(|(of, _)| *of != (scope.clone(), kind, key.to_owned()));
        Ok(())
    }

    fn delete_codes(&mut self, scope: &Scope, before: Millis) -> Result<(), StoreError> {
        self.codes.retain(|((of, _, _), code)| of != scope || code.issued >= before);
        Ok(())
    }

    fn delete_codes_of(&mut self, scope: &Scope, kind: Kind, before: Millis) -> Result<(), StoreError> {
        self.codes.retain(|((of, its, _), code)| of != scope || *its != kind || code.issued >= before);
        Ok(())
    }

    fn set_config(&mut self, project: &str, config: &Config) -> Result<(), StoreError> {
        self.configs.insert(project.to_owned(), config.clone());
        Ok(())
    }
}
