//! Accounts on SQLite: the record as JSON, and beside it the columns that are looked for. Must not know: operations,
//! HTTP.

mod idp_configs;
mod keys;
mod passkeys;

use hearth_auth::Millis;
use hearth_auth::account::Account;
use hearth_auth::code::{Kept, Kind};
use hearth_auth::errors::StoreError;
use hearth_auth::event::UserEvent;
use hearth_auth::operations::config::Config;
use hearth_auth::passkey::Credential;
use hearth_auth::settings::Tenant;
use hearth_auth::store::{Accounts, Order, Scope, Standing, Store, TotpFactor};
use hearth_auth::token::refresh::RefreshToken;
use hearth_auth::token::session::{Family, Hash};
use rusqlite::{Connection, OptionalExtension, Params, Row, named_params, params};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The tables, through a connection. One that only reads refuses to write.
pub(super) struct SqliteStore<'c>(&'c Connection, Vec<Change>);

/// Accounts whose tokens may be good no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Whose accounts.
    pub(super) scope: Scope,
    /// Which one; `None` for all of them.
    pub(super) local_id: Option<String>,
    /// How it stands now; `None` if it is gone.
    pub(super) standing: Option<Standing>,
}

impl<'c> SqliteStore<'c> {
    pub(super) fn on(connection: &'c Connection) -> Self {
        Self(connection, Vec::new())
    }

    /// What was written that may end tokens.
    pub(super) fn into_changes(self) -> Vec<Change> {
        self.1
    }

    fn note(&mut self, scope: &Scope, local_id: Option<&str>, standing: Option<Standing>) {
        self.1.push(Change { scope: scope.clone(), local_id: local_id.map(str::to_owned), standing });
    }
}

fn tenant(scope: &Scope) -> &str {
    scope.tenant.as_deref().unwrap_or_default()
}

fn failed(error: impl std::fmt::Display) -> StoreError {
    StoreError(error.to_string())
}

impl SqliteStore<'_> {
    fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        self.0.prepare_cached(sql).and_then(|mut query| query.query_row(params, read).optional()).map_err(failed)
    }

    fn account(&self, sql: &str, params: impl Params) -> Result<Option<Account>, StoreError> {
        let record = self.one(sql, params, |row| row.get::<_, String>(0))?;
        record.map(|record| serde_json::from_str(&record).map_err(failed)).transpose()
    }

    fn accounts(&self, sql: &str, params: impl Params) -> Result<Vec<Account>, StoreError> {
        let mut query = self.0.prepare_cached(sql).map_err(failed)?;
        let records = query.query_map(params, |row| row.get::<_, String>(0)).map_err(failed)?;
        records.map(|record| serde_json::from_str(&record.map_err(failed)?).map_err(failed)).collect()
    }

    fn run(&self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        self.0.prepare_cached(sql).and_then(|mut statement| statement.execute(params)).map_err(failed)
    }
}

impl Accounts for SqliteStore<'_> {
    fn by_local_id(&self, scope: &Scope, local_id: &str) -> Result<Option<Account>, StoreError> {
        self.account(
            "SELECT record FROM account WHERE project = ?1 AND tenant = ?2 AND local_id = ?3",
            params![scope.project, tenant(scope), local_id],
        )
    }

    fn by_email(&self, scope: &Scope, email: &str) -> Result<Option<Account>, StoreError> {
        self.account(
            "SELECT record FROM account WHERE project = ?1 AND tenant = ?2 AND email = ?3",
            params![scope.project, tenant(scope), email],
        )
    }

    fn by_phone_number(&self, scope: &Scope, phone_number: &str) -> Result<Option<Account>, StoreError> {
        self.account(
            "SELECT record FROM account WHERE project = ?1 AND tenant = ?2 AND phone_number = ?3",
            params![scope.project, tenant(scope), phone_number],
        )
    }

    fn by_provider(&self, scope: &Scope, provider_id: &str, raw_id: &str) -> Result<Option<Account>, StoreError> {
        self.account(
            "SELECT record FROM provider JOIN account USING (project, tenant, local_id)
             WHERE project = ?1 AND tenant = ?2 AND provider_id = ?3 AND raw_id = ?4",
            params![scope.project, tenant(scope), provider_id, raw_id],
        )
    }

    fn standing(&self, scope: &Scope, local_id: &str) -> Result<Option<Standing>, StoreError> {
        self.one(
            "SELECT disabled, valid_since FROM account WHERE project = ?1 AND tenant = ?2 AND local_id = ?3",
            params![scope.project, tenant(scope), local_id],
            |row| Ok(Standing { disabled: row.get(0)?, valid_since: row.get(1)? }),
        )
    }

    fn list(
        &self,
        scope: &Scope,
        after: Option<&str>,
        limit: Option<usize>,
        order: Order,
    ) -> Result<Vec<Account>, StoreError> {
        let sql = match order {
            Order::Ascending => {
                "SELECT record FROM account WHERE project = ?1 AND tenant = ?2 AND local_id > ?3
                 ORDER BY local_id LIMIT ?4"
            }
            Order::Descending => {
                "SELECT record FROM account WHERE project = ?1 AND tenant = ?2 AND local_id > ?3
                 ORDER BY local_id DESC LIMIT ?4"
            }
        };
        // Negative limits are none; no id is empty.
        let limit = limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
        self.accounts(sql, params![scope.project, tenant(scope), after.unwrap_or_default(), limit])
    }

    fn count(&self, scope: &Scope) -> Result<u64, StoreError> {
        let count = self.one(
            "SELECT count(*) FROM account WHERE project = ?1 AND tenant = ?2",
            params![scope.project, tenant(scope)],
            |row| row.get(0),
        )?;
        Ok(count.map_or(0, restored))
    }

    fn refresh_family(&self, id: &Hash) -> Result<Option<Family>, StoreError> {
        let found = self.one(
            "SELECT of, issued_at, seed, current, previous, used_at FROM refresh_family WHERE id = ?1",
            params![id],
            |row| {
                let previous = row.get::<_, Option<Hash>>(4)?.zip(row.get::<_, Option<i64>>(5)?);
                let family = Family {
                    of: RefreshToken::default(),
                    issued_at: restored(row.get(1)?),
                    seed: row.get(2)?,
                    current: row.get(3)?,
                    previous: previous.map(|(hash, used)| (hash, restored(used))),
                };
                Ok((row.get::<_, String>(0)?, family))
            },
        )?;
        let Some((of, family)) = found else { return Ok(None) };
        Ok(Some(Family {
            of: RefreshToken::decode(&of).ok_or_else(|| failed("a refresh token is damaged"))?,
            ..family
        }))
    }

    fn by_passkey(&self, scope: &Scope, credential_id: &str) -> Result<Option<Account>, StoreError> {
        self.account(
            "SELECT record FROM passkey JOIN account USING (project, tenant, local_id)
             WHERE project = ?1 AND tenant = ?2 AND credential_id = ?3",
            params![scope.project, tenant(scope), credential_id],
        )
    }

    fn passkey(&self, scope: &Scope, credential_id: &str) -> Result<Option<Credential>, StoreError> {
        passkeys::credential(self, scope, credential_id)
    }

    fn passkey_config(&self, scope: &Scope) -> Result<Option<Value>, StoreError> {
        passkeys::config(self, scope)
    }

    fn totp_factor(&self, scope: &Scope, local_id: &str, id: &str) -> Result<Option<TotpFactor>, StoreError> {
        self.one(
            "SELECT secret, used FROM totp_factor WHERE project = ?1 AND tenant = ?2 AND local_id = ?3 AND id = ?4",
            params![scope.project, tenant(scope), local_id, id],
            |row| Ok(TotpFactor { secret: row.get(0)?, used: row.get::<_, Option<i64>>(1)?.map(restored) }),
        )
    }

    fn tenant(&self, project: &str, id: &str) -> Result<Option<Tenant>, StoreError> {
        let value = self.one("SELECT value FROM tenant WHERE project = ?1 AND id = ?2", [project, id], |row| {
            row.get::<_, String>(0)
        })?;
        value.map(|value| serde_json::from_str(&value).map_err(failed)).transpose()
    }

    fn tenants(&self, project: &str, after: Option<&str>, limit: Option<usize>) -> Result<Vec<Tenant>, StoreError> {
        let sql = "SELECT value FROM tenant WHERE project = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
        let mut query = self.0.prepare_cached(sql).map_err(failed)?;
        // Negative limits are none; no id is empty.
        let limit = limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
        let values = query.query_map(params![project, after.unwrap_or_default(), limit], |row| row.get::<_, String>(0));
        values.map_err(failed)?.map(|value| serde_json::from_str(&value.map_err(failed)?).map_err(failed)).collect()
    }

    fn by_initial_email(&self, scope: &Scope, email: &str) -> Result<Option<Account>, StoreError> {
        self.account(
            "SELECT record FROM account WHERE project = ?1 AND tenant = ?2 AND initial_email = ?3
             ORDER BY local_id LIMIT 1",
            params![scope.project, tenant(scope), email],
        )
    }

    fn by_provider_email(&self, scope: &Scope, email: &str) -> Result<Vec<Account>, StoreError> {
        self.accounts(
            "SELECT record FROM account WHERE project = ?1 AND tenant = ?2 AND local_id IN (
                 SELECT local_id FROM provider WHERE project = ?1 AND tenant = ?2 AND email = ?3)
             ORDER BY local_id",
            params![scope.project, tenant(scope), email],
        )
    }

    fn of_provider(&self, scope: &Scope, provider_id: &str, limit: usize) -> Result<Vec<Account>, StoreError> {
        self.accounts(
            "SELECT record FROM provider JOIN account USING (project, tenant, local_id)
             WHERE project = ?1 AND tenant = ?2 AND provider_id = ?3 ORDER BY raw_id LIMIT ?4",
            params![scope.project, tenant(scope), provider_id, i64::try_from(limit).unwrap_or(i64::MAX)],
        )
    }

    fn code(&self, scope: &Scope, kind: Kind, key: &str) -> Result<Option<Kept>, StoreError> {
        self.one(
            "SELECT issued_at, record FROM code WHERE project = ?1 AND tenant = ?2 AND kind = ?3 AND hash = ?4",
            params![scope.project, tenant(scope), kind.name(), hash(key)],
            kept,
        )
    }

    fn codes(&self, scope: &Scope, kind: Kind) -> Result<Vec<Kept>, StoreError> {
        let sql = "SELECT issued_at, record FROM code WHERE project = ?1 AND tenant = ?2 AND kind = ?3 ORDER BY seq";
        let mut query = self.0.prepare_cached(sql).map_err(failed)?;
        let codes = query.query_map(params![scope.project, tenant(scope), kind.name()], kept).map_err(failed)?;
        codes.collect::<Result<_, _>>().map_err(failed)
    }

    fn idle_anonymous(&self, scope: &Scope, before: Millis, limit: usize) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT local_id FROM account
             WHERE project = ?1 AND tenant = ?2 AND anonymous = 1 AND last_seen < ?3
             ORDER BY last_seen LIMIT ?4";
        let mut query = self.0.prepare_cached(sql).map_err(failed)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let ids = query.query_map(params![scope.project, tenant(scope), stored(before), limit], |row| row.get(0));
        ids.map_err(failed)?.collect::<Result<_, _>>().map_err(failed)
    }

    fn events(&self, receiver: &str, after: u64, limit: usize) -> Result<Vec<(u64, UserEvent)>, StoreError> {
        let sql = "SELECT number, id, project, tenant, local_id, at, body FROM user_event
             WHERE receiver = ?1 AND number > ?2 ORDER BY number LIMIT ?3";
        let mut query = self.0.prepare_cached(sql).map_err(failed)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let events = query.query_map(params![receiver, stored(after), limit], |row| {
            let tenant: String = row.get(3)?;
            let scope = Scope { project: row.get(2)?, tenant: Some(tenant).filter(|tenant| !tenant.is_empty()) };
            let event = UserEvent {
                id: row.get(1)?,
                scope,
                local_id: row.get(4)?,
                at: restored(row.get(5)?),
                body: row.get(6)?,
            };
            Ok((restored(row.get(0)?), event))
        });
        events.map_err(failed)?.collect::<Result<_, _>>().map_err(failed)
    }

    fn config(&self, project: &str) -> Result<Config, StoreError> {
        let value =
            self.one("SELECT value FROM config WHERE project = ?1", [project], |row| row.get::<_, String>(0))?;
        value.map_or_else(|| Ok(Config::default()), |value| serde_json::from_str(&value).map_err(failed))
    }
}

impl Store for SqliteStore<'_> {
    fn put(&mut self, scope: &Scope, account: &Account) -> Result<(), StoreError> {
        let (project, tenant, local_id) = (&scope.project, tenant(scope), &account.local_id);
        self.run(
            "INSERT INTO account VALUES (:project, :tenant, :local_id, :record, :email, :phone_number, :disabled,
                 :valid_since, :anonymous, :last_seen, :initial_email)
             ON CONFLICT (project, tenant, local_id) DO UPDATE SET record = excluded.record, email = excluded.email,
                 phone_number = excluded.phone_number, disabled = excluded.disabled,
                 valid_since = excluded.valid_since, anonymous = excluded.anonymous, last_seen = excluded.last_seen,
                 initial_email = excluded.initial_email",
            named_params! {
                ":project": project,
                ":tenant": tenant,
                ":local_id": local_id,
                ":record": serde_json::to_string(account).map_err(failed)?,
                ":email": account.email,
                ":phone_number": account.phone_number,
                ":disabled": account.disabled == Some(true),
                ":valid_since": account.valid_since_seconds(),
                ":anonymous": account.is_anonymous(),
                ":last_seen": stored(account.last_seen()),
                ":initial_email": account.initial_email,
            },
        )?;
        self.run(
            "DELETE FROM provider WHERE project = ?1 AND tenant = ?2 AND local_id = ?3",
            params![project, tenant, local_id],
        )?;
        for info in account.providers() {
            self.run(
                "INSERT INTO provider VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![project, tenant, info.provider_id, info.raw_id, local_id, info.email],
            )?;
        }
        // Few accounts have any, or had.
        if let Some(passkeys) = &account.passkey_info {
            passkeys::name(self, scope, local_id, passkeys)?;
        }
        let standing =
            Standing { disabled: account.disabled == Some(true), valid_since: account.valid_since_seconds() };
        if standing.disabled || standing.valid_since.is_some() {
            self.note(scope, Some(local_id), Some(standing));
        }
        Ok(())
    }

    fn delete(&mut self, scope: &Scope, local_id: &str) -> Result<(), StoreError> {
        self.run(
            "DELETE FROM account WHERE project = ?1 AND tenant = ?2 AND local_id = ?3",
            params![scope.project, tenant(scope), local_id],
        )?;
        self.note(scope, Some(local_id), None);
        Ok(())
    }

    fn delete_all(&mut self, scope: &Scope) -> Result<(), StoreError> {
        self.run("DELETE FROM account WHERE project = ?1 AND tenant = ?2", params![scope.project, tenant(scope)])?;
        self.note(scope, None, None);
        Ok(())
    }

    fn add_event(&mut self, receiver: &str, event: &UserEvent) -> Result<(), StoreError> {
        let UserEvent { id, scope, local_id, at, body } = event;
        self.run(
            "INSERT INTO user_event (receiver, id, project, tenant, local_id, at, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![receiver, id, scope.project, tenant(scope), local_id, stored(*at), body],
        )?;
        Ok(())
    }

    fn delete_event(&mut self, number: u64) -> Result<(), StoreError> {
        self.run("DELETE FROM user_event WHERE number = ?1", params![stored(number)])?;
        Ok(())
    }

    fn delete_events_for_others(&mut self, receivers: &[String]) -> Result<usize, StoreError> {
        let receivers = serde_json::to_string(receivers).map_err(failed)?;
        self.run("DELETE FROM user_event WHERE receiver NOT IN (SELECT value FROM json_each(?1))", params![receivers])
    }

    fn put_refresh_family(&mut self, id: &Hash, family: &Family) -> Result<(), StoreError> {
        let RefreshToken { scope, local_id, .. } = &family.of;
        let (previous, used_at) = family.previous.unzip();
        self.run(
            "INSERT OR REPLACE INTO refresh_family VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                id,
                scope.project,
                tenant(scope),
                local_id,
                family.of.encode(),
                stored(family.issued_at),
                family.seed,
                family.current,
                previous,
                used_at.map(stored),
            ],
        )?;
        Ok(())
    }

    fn delete_refresh_family(&mut self, id: &Hash) -> Result<(), StoreError> {
        self.run("DELETE FROM refresh_family WHERE id = ?1", params![id])?;
        Ok(())
    }

    fn revoke_refresh_tokens(&mut self, scope: &Scope, local_id: &str, before: Millis) -> Result<(), StoreError> {
        self.run(
            "DELETE FROM refresh_family WHERE project = ?1 AND tenant = ?2 AND local_id = ?3 AND issued_at < ?4",
            params![scope.project, tenant(scope), local_id, stored(before)],
        )?;
        Ok(())
    }

    fn put_code(&mut self, scope: &Scope, kind: Kind, key: &str, code: &Kept) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO code (project, tenant, kind, hash, issued_at, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (project, tenant, kind, hash)
             DO UPDATE SET issued_at = excluded.issued_at, record = excluded.record",
            params![scope.project, tenant(scope), kind.name(), hash(key), stored(code.issued), code.record],
        )?;
        Ok(())
    }

    fn delete_code(&mut self, scope: &Scope, kind: Kind, key: &str) -> Result<(), StoreError> {
        self.run(
            "DELETE FROM code WHERE project = ?1 AND tenant = ?2 AND kind = ?3 AND hash = ?4",
            params![scope.project, tenant(scope), kind.name(), hash(key)],
        )?;
        Ok(())
    }

    fn delete_codes(&mut self, scope: &Scope, before: Millis) -> Result<(), StoreError> {
        self.run(
            "DELETE FROM code WHERE project = ?1 AND tenant = ?2 AND issued_at < ?3",
            params![scope.project, tenant(scope), stored(before)],
        )?;
        Ok(())
    }

    fn delete_codes_of(&mut self, scope: &Scope, kind: Kind, before: Millis) -> Result<(), StoreError> {
        // There are few of a kind; of all kinds there may be many that old. The plus keeps their index out of it.
        self.run(
            "DELETE FROM code WHERE project = ?1 AND tenant = ?2 AND kind = ?3 AND +issued_at < ?4",
            params![scope.project, tenant(scope), kind.name(), stored(before)],
        )?;
        Ok(())
    }

    fn put_passkey(&mut self, scope: &Scope, credential_id: &str, credential: &Credential) -> Result<(), StoreError> {
        passkeys::put(self, scope, credential_id, credential)
    }

    fn put_passkey_config(&mut self, scope: &Scope, value: &Value) -> Result<(), StoreError> {
        passkeys::put_config(self, scope, value)
    }

    fn put_totp_factor(
        &mut self,
        scope: &Scope,
        local_id: &str,
        id: &str,
        factor: &TotpFactor,
    ) -> Result<(), StoreError> {
        self.run(
            "INSERT OR REPLACE INTO totp_factor VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![scope.project, tenant(scope), local_id, id, factor.secret, factor.used.map(stored)],
        )?;
        Ok(())
    }

    fn delete_totp_factor(&mut self, scope: &Scope, local_id: &str, id: &str) -> Result<(), StoreError> {
        self.run(
            "DELETE FROM totp_factor WHERE project = ?1 AND tenant = ?2 AND local_id = ?3 AND id = ?4",
            params![scope.project, tenant(scope), local_id, id],
        )?;
        Ok(())
    }

    fn put_tenant(&mut self, project: &str, tenant: &Tenant) -> Result<(), StoreError> {
        let value = serde_json::to_string(tenant).map_err(failed)?;
        self.run("INSERT OR REPLACE INTO tenant VALUES (?1, ?2, ?3)", params![project, tenant.tenant_id, value])?;
        Ok(())
    }

    fn delete_tenant(&mut self, project: &str, id: &str) -> Result<(), StoreError> {
        self.run("DELETE FROM tenant WHERE project = ?1 AND id = ?2", [project, id])?;
        self.run("DELETE FROM passkey_config WHERE project = ?1 AND tenant = ?2", [project, id])?;
        Ok(())
    }

    fn set_config(&mut self, project: &str, config: &Config) -> Result<(), StoreError> {
        let value = serde_json::to_string(config).map_err(failed)?;
        self.run("INSERT OR REPLACE INTO config VALUES (?1, ?2)", params![project, value])?;
        Ok(())
    }
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept { issued: restored(row.get(0)?), record: row.get(1)? })
}

/// What a code is found by, as it is kept: a plain hash cannot be turned back, since codes are random and long.
fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// SQLite's integers have a sign.
fn stored(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

/// The way back.
fn restored(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests;
