//! Accounts on SQLite: the record as JSON, and beside it the columns that are looked for. Must not know: operations,
//! HTTP.

use crate::storage::Migration;
use hearth_auth::Millis;
use hearth_auth::account::Account;
use hearth_auth::code::{Kept, Kind};
use hearth_auth::errors::StoreError;
use hearth_auth::operations::config::Config;
use hearth_auth::settings::Tenant;
use hearth_auth::store::{
    AccessToken, Accounts, KeptKey, Order, Scope, ServiceAccountKey, Standing, Store, TotpFactor,
};
use hearth_auth::token::refresh::RefreshToken;
use hearth_auth::token::session::{Family, Hash};
use rusqlite::{Connection, OptionalExtension, Params, Row, named_params, params};
use sha2::{Digest, Sha256};

/// The schema. The tenant is `''` for the project itself; times are milliseconds, `valid_since` is seconds.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration(
        "CREATE TABLE account (
        project TEXT NOT NULL,
        tenant TEXT NOT NULL,
        local_id TEXT NOT NULL,
        record TEXT NOT NULL,
        email TEXT,
        phone_number TEXT,
        disabled INTEGER NOT NULL,
        valid_since INTEGER,
        anonymous INTEGER NOT NULL,
        last_seen INTEGER NOT NULL,
        PRIMARY KEY (project, tenant, local_id)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX account_email ON account (project, tenant, email) WHERE email IS NOT NULL;
    CREATE UNIQUE INDEX account_phone_number ON account (project, tenant, phone_number) WHERE phone_number IS NOT NULL;
    CREATE INDEX account_last_seen ON account (project, tenant, last_seen) WHERE anonymous = 1;

    CREATE TABLE provider (
        project TEXT NOT NULL,
        tenant TEXT NOT NULL,
        provider_id TEXT NOT NULL,
        raw_id TEXT NOT NULL,
        local_id TEXT NOT NULL,
        PRIMARY KEY (project, tenant, provider_id, raw_id),
        FOREIGN KEY (project, tenant, local_id) REFERENCES account ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX provider_account ON provider (project, tenant, local_id);

    CREATE TABLE refresh_token (
        hash BLOB NOT NULL PRIMARY KEY,
        project TEXT NOT NULL,
        tenant TEXT NOT NULL,
        local_id TEXT NOT NULL,
        provider TEXT NOT NULL,
        extra_claims TEXT NOT NULL,
        issued_at INTEGER NOT NULL,
        FOREIGN KEY (project, tenant, local_id) REFERENCES account ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX refresh_token_account ON refresh_token (project, tenant, local_id);

    CREATE TABLE config (project TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE signing_key (
        id TEXT NOT NULL PRIMARY KEY,
        created_at INTEGER NOT NULL,
        pkcs1 BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;",
    ),
    // Refresh tokens change with each use: a row to a sign-in, and the tokens known by its hashes. Signing keys have a
    // purpose.
    Migration(
        "DROP TABLE refresh_token;
    CREATE TABLE refresh_family (
        id BLOB NOT NULL PRIMARY KEY,
        project TEXT NOT NULL,
        tenant TEXT NOT NULL,
        local_id TEXT NOT NULL,
        of TEXT NOT NULL,
        issued_at INTEGER NOT NULL,
        seed BLOB NOT NULL,
        current BLOB NOT NULL,
        previous BLOB,
        used_at INTEGER,
        FOREIGN KEY (project, tenant, local_id) REFERENCES account ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX refresh_family_account ON refresh_family (project, tenant, local_id);
    CREATE TABLE passkey (
        project TEXT NOT NULL,
        tenant TEXT NOT NULL,
        credential_id TEXT NOT NULL,
        local_id TEXT NOT NULL,
        PRIMARY KEY (project, tenant, credential_id),
        FOREIGN KEY (project, tenant, local_id) REFERENCES account ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX passkey_account ON passkey (project, tenant, local_id);
    CREATE TABLE totp_factor (
        project TEXT NOT NULL,
        tenant TEXT NOT NULL,
        local_id TEXT NOT NULL,
        id TEXT NOT NULL,
        secret TEXT NOT NULL,
        used INTEGER,
        PRIMARY KEY (project, tenant, local_id, id),
        FOREIGN KEY (project, tenant, local_id) REFERENCES account ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE tenant (
        project TEXT NOT NULL,
        id TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (project, id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE service_account_key (
        id TEXT NOT NULL PRIMARY KEY,
        email TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        public BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE access_token (
        id BLOB NOT NULL PRIMARY KEY,
        key_id TEXT NOT NULL REFERENCES service_account_key ON DELETE CASCADE,
        expires_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX access_token_expiry ON access_token (expires_at);
    CREATE INDEX access_token_key ON access_token (key_id);
    ALTER TABLE signing_key ADD COLUMN purpose TEXT NOT NULL DEFAULT 'id_token';",
    ),
    Migration(
        "ALTER TABLE account ADD COLUMN initial_email TEXT;
    CREATE INDEX account_initial_email ON account (project, tenant, initial_email) WHERE initial_email IS NOT NULL;

    ALTER TABLE provider ADD COLUMN email TEXT;
    CREATE INDEX provider_email ON provider (project, tenant, email) WHERE email IS NOT NULL;
    UPDATE account SET initial_email = record ->> '$.initialEmail' WHERE record ->> '$.initialEmail' IS NOT NULL;
    UPDATE provider SET email = (
        SELECT info.value ->> '$.email'
        FROM account, json_each(account.record, '$.providerUserInfo') AS info
        WHERE account.project = provider.project AND account.tenant = provider.tenant
            AND account.local_id = provider.local_id AND info.value ->> '$.providerId' = provider.provider_id);

    CREATE TABLE code (
        seq INTEGER PRIMARY KEY,
        project TEXT NOT NULL,
        tenant TEXT NOT NULL,
        kind TEXT NOT NULL,
        hash BLOB NOT NULL,
        issued_at INTEGER NOT NULL,
        record TEXT NOT NULL,
        UNIQUE (project, tenant, kind, hash)
    ) STRICT;
    CREATE INDEX code_issued_at ON code (project, tenant, issued_at);",
    ),
];

/// The tables, through a connection. One that only reads refuses to write.
pub(super) struct SqliteStore<'c>(pub(super) &'c Connection);

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

    fn service_account_key(&self, id: &str) -> Result<Option<ServiceAccountKey>, StoreError> {
        self.one(
            "SELECT id, email, created_at, public FROM service_account_key WHERE id = ?1",
            [id],
            service_account_key,
        )
    }

    fn service_account_keys(&self) -> Result<Vec<ServiceAccountKey>, StoreError> {
        let sql = "SELECT id, email, created_at, public FROM service_account_key ORDER BY created_at, id";
        let mut query = self.0.prepare_cached(sql).map_err(failed)?;
        query.query_map([], service_account_key).and_then(Iterator::collect).map_err(failed)
    }

    fn access_token(&self, id: &Hash) -> Result<Option<AccessToken>, StoreError> {
        self.one("SELECT key_id, expires_at FROM access_token WHERE id = ?1", params![id], |row| {
            Ok(AccessToken { key_id: row.get(0)?, expires_at: restored(row.get(1)?) })
        })
    }

    fn by_passkey(&self, scope: &Scope, credential_id: &str) -> Result<Option<Account>, StoreError> {
        self.account(
            "SELECT record FROM passkey JOIN account USING (project, tenant, local_id)
             WHERE project = ?1 AND tenant = ?2 AND credential_id = ?3",
            params![scope.project, tenant(scope), credential_id],
        )
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
            self.run(
                "DELETE FROM passkey WHERE project = ?1 AND tenant = ?2 AND local_id = ?3",
                params![project, tenant, local_id],
            )?;
            for passkey in passkeys {
                self.run(
                    "INSERT INTO passkey VALUES (?1, ?2, ?3, ?4)",
                    params![project, tenant, passkey.credential_id, local_id],
                )?;
            }
        }
        Ok(())
    }

    fn delete(&mut self, scope: &Scope, local_id: &str) -> Result<(), StoreError> {
        self.run(
            "DELETE FROM account WHERE project = ?1 AND tenant = ?2 AND local_id = ?3",
            params![scope.project, tenant(scope), local_id],
        )?;
        Ok(())
    }

    fn delete_all(&mut self, scope: &Scope) -> Result<(), StoreError> {
        self.run("DELETE FROM account WHERE project = ?1 AND tenant = ?2", params![scope.project, tenant(scope)])?;
        Ok(())
    }

    fn delete_anonymous(&mut self, scope: &Scope, before: Millis, limit: usize) -> Result<usize, StoreError> {
        self.run(
            "DELETE FROM account WHERE project = ?1 AND tenant = ?2 AND local_id IN (
                 SELECT local_id FROM account
                 WHERE project = ?1 AND tenant = ?2 AND anonymous = 1 AND last_seen < ?3
                 ORDER BY last_seen LIMIT ?4)",
            params![scope.project, tenant(scope), stored(before), i64::try_from(limit).unwrap_or(i64::MAX)],
        )
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

    fn signing_keys(&self) -> Result<Vec<KeptKey>, StoreError> {
        let sql = "SELECT id, purpose, created_at, pkcs1 FROM signing_key ORDER BY created_at, id";
        let mut query = self.0.prepare_cached(sql).map_err(failed)?;
        let keys = query.query_map([], |row| {
            let created_at = restored(row.get(2)?);
            Ok(KeptKey { id: row.get(0)?, purpose: row.get(1)?, created_at, private: row.get(3)? })
        });
        keys.and_then(Iterator::collect).map_err(failed)
    }

    fn keep_signing_key(&mut self, key: &KeptKey) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO signing_key (id, purpose, created_at, pkcs1) VALUES (?1, ?2, ?3, ?4)",
            params![key.id, key.purpose, stored(key.created_at), key.private],
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

    fn forget_signing_key(&mut self, id: &str) -> Result<(), StoreError> {
        self.run("DELETE FROM signing_key WHERE id = ?1", [id])?;
        Ok(())
    }

    fn keep_service_account_key(&mut self, key: &ServiceAccountKey) -> Result<(), StoreError> {
        let ServiceAccountKey { id, email, created_at, public } = key;
        self.run(
            "INSERT INTO service_account_key VALUES (?1, ?2, ?3, ?4)",
            params![id, email, stored(*created_at), public],
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

    fn forget_service_account_key(&mut self, id: &str) -> Result<bool, StoreError> {
        Ok(self.run("DELETE FROM service_account_key WHERE id = ?1", [id])? > 0)
    }

    fn keep_access_token(&mut self, id: &Hash, token: &AccessToken) -> Result<(), StoreError> {
        self.run("INSERT INTO access_token VALUES (?1, ?2, ?3)", params![id, token.key_id, stored(token.expires_at)])?;
        Ok(())
    }

    fn forget_access_tokens(&mut self, now: Millis) -> Result<(), StoreError> {
        self.run("DELETE FROM access_token WHERE expires_at <= ?1", [stored(now)])?;
        Ok(())
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

fn service_account_key(row: &Row<'_>) -> rusqlite::Result<ServiceAccountKey> {
    let created_at = restored(row.get(2)?);
    Ok(ServiceAccountKey { id: row.get(0)?, email: row.get(1)?, created_at, public: row.get(3)? })
}

/// What a code is found by, as it is kept: a plain hash cannot be turned back, since codes are random and long.
fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// SQLite's integers have a sign.
fn stored(time: Millis) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

/// The way back.
fn restored(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{OpenFile, Storage};
    use hearth_auth::account::ProviderUserInfo;

    fn open() -> OpenFile {
        Storage::memory().open("auth", MIGRATIONS).unwrap()
    }

    fn account(id: &str, change: impl FnOnce(&mut Account)) -> Account {
        let mut account = Account { local_id: id.to_owned(), created_at: Some("5".to_owned()), ..Account::default() };
        change(&mut account);
        account
    }

    #[test]
    fn what_is_put_is_found_by_every_key_until_it_changes() {
        let file = open();
        let mut store = SqliteStore(&file.writer);
        let scope = Scope::project("demo");
        let google =
            ProviderUserInfo { provider_id: "g".to_owned(), raw_id: "1".to_owned(), ..ProviderUserInfo::default() };
        let full = account("a", |account| {
            account.email = Some("a@b".to_owned());
            account.phone_number = Some("+1".to_owned());
            account.disabled = Some(true);
            account.valid_since = Some("7".to_owned());
            account.upsert_provider(google);
        });
        store.put(&scope, &full).unwrap();
        let find = |store: &SqliteStore<'_>, scope: &Scope| {
            [
                store.by_local_id(scope, "a"),
                store.by_email(scope, "a@b"),
                store.by_phone_number(scope, "+1"),
                store.by_provider(scope, "g", "1"),
            ]
            .map(Result::unwrap)
        };
        assert_eq!(find(&store, &scope), [const { Some(()) }; 4].map(|_| Some(full.clone())));
        assert_eq!(store.standing(&scope, "a"), Ok(Some(Standing { disabled: true, valid_since: Some(7) })));
        for other in [Scope::project("other"), Scope { tenant: Some("t".to_owned()), ..scope.clone() }] {
            assert_eq!(find(&store, &other), [None, None, None, None], "{other:?}");
        }
        let bare = account("a", |_| {});
        store.put(&scope, &bare).unwrap();
        assert_eq!(find(&store, &scope), [Some(bare), None, None, None]);
        assert_eq!(store.standing(&scope, "a"), Ok(Some(Standing { disabled: false, valid_since: None })));
    }

    #[test]
    fn what_firebase_keeps_unique_is_unique_in_its_scope() {
        let file = open();
        let mut store = SqliteStore(&file.writer);
        let scope = Scope::project("demo");
        let info = |raw: &str| ProviderUserInfo {
            provider_id: "g".to_owned(),
            raw_id: raw.to_owned(),
            ..ProviderUserInfo::default()
        };
        type Change = fn(&mut Account, ProviderUserInfo);
        for (name, change) in [
            ("email", (|account, _| account.email = Some("a@b".to_owned())) as Change),
            ("phone", |account, _| account.phone_number = Some("+1".to_owned())),
            ("provider", |account, info| account.upsert_provider(info)),
        ] {
            let [one, two] = ["1", "2"].map(|id| account(&format!("{name}{id}"), |account| change(account, info("1"))));
            store.put(&scope, &one).unwrap();
            assert!(store.put(&scope, &two).is_err(), "{name}");
            store.put(&Scope::project("other"), &two).unwrap();
        }
    }

    #[test]
    fn only_anonymous_accounts_not_seen_for_long_are_purged() {
        let file = open();
        let mut store = SqliteStore(&file.writer);
        let scope = Scope::project("demo");
        for kept in [
            account("email", |account| account.email = Some("a@b".to_owned())),
            account("phone", |account| account.phone_number = Some("+1".to_owned())),
            account("custom", |account| account.custom_auth = Some(true)),
            account("seen", |account| account.last_login_at = Some("10".to_owned())),
            account("provider", |account| account.upsert_provider(ProviderUserInfo::default())),
        ] {
            store.put(&scope, &kept).unwrap();
        }
        for (id, seen) in [("old", "3"), ("older", "2"), ("oldest", "1")] {
            store.put(&scope, &account(id, |account| account.created_at = Some(seen.to_owned()))).unwrap();
        }
        store.put(&Scope::project("other"), &account("old", |_| {})).unwrap();
        assert_eq!(store.delete_anonymous(&scope, 10, 2), Ok(2));
        assert!(store.standing(&scope, "old").unwrap().is_some(), "the ones not seen for longest go first");
        assert_eq!(store.delete_anonymous(&scope, 10, 2), Ok(1));
        assert_eq!(store.delete_anonymous(&scope, 10, 2), Ok(0));
        assert_eq!((store.count(&scope), store.count(&Scope::project("other"))), (Ok(5), Ok(1)));
    }

    #[test]
    fn refresh_tokens_end_with_their_account() {
        let file = open();
        file.writer.pragma_update(None, "foreign_keys", true).unwrap();
        let mut store = SqliteStore(&file.writer);
        let scope = Scope::project("demo");
        let extra_claims: serde_json::Map<_, _> = serde_json::from_str(r#"{"b":1,"a":2}"#).unwrap();
        let token = |id: &str| RefreshToken {
            scope: scope.clone(),
            local_id: id.to_owned(),
            provider: "anonymous".to_owned(),
            extra_claims: extra_claims.clone(),
            second_factor: None,
        };
        for id in ["a", "b"] {
            store.put(&scope, &account(id, |_| {})).unwrap();
        }
        let family = |id: &str, issued_at: Millis| Family {
            of: token(id),
            issued_at,
            seed: [1; 32],
            current: [2; 32],
            previous: Some(([3; 32], 9)),
        };
        let [one, two, three] = [[1; 32], [2; 32], [3; 32]];
        store.put_refresh_family(&one, &Family { previous: None, ..family("a", 5) }).unwrap();
        store.put_refresh_family(&one, &family("a", 5)).unwrap();
        store.put_refresh_family(&two, &family("a", 6)).unwrap();
        store.put_refresh_family(&three, &family("b", 5)).unwrap();
        assert_eq!(store.refresh_family(&one), Ok(Some(family("a", 5))));
        store.put(&scope, &account("a", |account| account.disabled = Some(true))).unwrap();
        assert!(store.refresh_family(&one).unwrap().is_some(), "a change of the account keeps its tokens");
        store.revoke_refresh_tokens(&scope, "a", 6).unwrap();
        assert_eq!(store.refresh_family(&one), Ok(None));
        assert_eq!(store.refresh_family(&two), Ok(Some(family("a", 6))));
        store.delete(&scope, "a").unwrap();
        assert_eq!(store.refresh_family(&two), Ok(None));
        assert!(store.refresh_family(&three).unwrap().is_some());
        store.delete_all(&scope).unwrap();
        assert_eq!(store.refresh_family(&three), Ok(None));
    }

    #[test]
    fn every_look_up_uses_an_index() {
        let file = open();
        for (sql, index) in [
            ("SELECT record FROM account WHERE project = 1 AND tenant = 2 AND email = 3", "account_email"),
            (
                "SELECT record FROM account WHERE project = 1 AND tenant = 2 AND phone_number = 3",
                "account_phone_number",
            ),
            (
                "SELECT local_id FROM account WHERE project = 1 AND tenant = 2 AND anonymous = 1 AND last_seen < 3
                 ORDER BY last_seen LIMIT 4",
                "account_last_seen",
            ),
        ] {
            let plan: String =
                file.writer.query_row(&format!("EXPLAIN QUERY PLAN {sql}"), [], |row| row.get("detail")).unwrap();
            assert!(plan.contains(index), "{plan}");
        }
    }
}
