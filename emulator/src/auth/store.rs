//! Accounts on SQLite: the record as JSON, and beside it the columns that are looked for. Must not know: operations,
//! HTTP.

use crate::storage::Migration;
use hearth_auth::Millis;
use hearth_auth::account::Account;
use hearth_auth::code::{Kept, Kind};
use hearth_auth::errors::StoreError;
use hearth_auth::operations::config::Config;
use hearth_auth::store::{Accounts, Order, Scope, Standing, Store};
use hearth_auth::token::refresh::RefreshToken;
use rusqlite::{Connection, OptionalExtension, Params, Row, named_params, params};
use serde_json::{Map, Value};
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

    fn refresh_token(&self, token: &str) -> Result<Option<(RefreshToken, Millis)>, StoreError> {
        let found = self.one(
            "SELECT project, tenant, local_id, provider, extra_claims, issued_at FROM refresh_token WHERE hash = ?1",
            params![hash(token)],
            |row| {
                let tenant: String = row.get(1)?;
                let scope = Scope { project: row.get(0)?, tenant: Some(tenant).filter(|tenant| !tenant.is_empty()) };
                let extra_claims = Map::new();
                let token = RefreshToken { scope, local_id: row.get(2)?, provider: row.get(3)?, extra_claims };
                Ok((token, row.get::<_, String>(4)?, restored(row.get(5)?)))
            },
        )?;
        let Some((mut token, extra_claims, issued)) = found else { return Ok(None) };
        token.extra_claims = serde_json::from_str(&extra_claims).map_err(failed)?;
        Ok(Some((token, issued)))
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

    fn keep_refresh_token(&mut self, token: &str, of: &RefreshToken, now: Millis) -> Result<(), StoreError> {
        let claims = Value::Object(of.extra_claims.clone()).to_string();
        self.run(
            "INSERT INTO refresh_token VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![hash(token), of.scope.project, tenant(&of.scope), of.local_id, of.provider, claims, stored(now)],
        )?;
        Ok(())
    }

    fn revoke_refresh_tokens(&mut self, scope: &Scope, local_id: &str, before: Millis) -> Result<(), StoreError> {
        self.run(
            "DELETE FROM refresh_token WHERE project = ?1 AND tenant = ?2 AND local_id = ?3 AND issued_at < ?4",
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

    fn set_config(&mut self, project: &str, config: &Config) -> Result<(), StoreError> {
        let value = serde_json::to_string(config).map_err(failed)?;
        self.run("INSERT OR REPLACE INTO config VALUES (?1, ?2)", params![project, value])?;
        Ok(())
    }
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept { issued: restored(row.get(0)?), record: row.get(1)? })
}

/// SQLite's integers have a sign.
fn stored(time: Millis) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

/// The way back.
fn restored(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Opaque tokens are 256 random bits: a plain hash cannot be turned back.
fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
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
    fn refresh_tokens_are_hashed_and_end_with_their_account() {
        let file = open();
        file.writer.pragma_update(None, "foreign_keys", true).unwrap();
        let mut store = SqliteStore(&file.writer);
        let scope = Scope::project("demo");
        let extra_claims = serde_json::from_str(r#"{"b":1,"a":2}"#).unwrap();
        let token = |id: &str| RefreshToken {
            scope: scope.clone(),
            local_id: id.to_owned(),
            provider: "anonymous".to_owned(),
            extra_claims: Map::clone(&extra_claims),
        };
        for id in ["a", "b"] {
            store.put(&scope, &account(id, |_| {})).unwrap();
        }
        store.keep_refresh_token("one", &token("a"), 5).unwrap();
        store.keep_refresh_token("two", &token("a"), 6).unwrap();
        store.keep_refresh_token("three", &token("b"), 5).unwrap();
        let text: i64 = file
            .writer
            .query_row("SELECT count(*) FROM refresh_token WHERE instr(hash, 'one') > 0", [], |row| row.get(0))
            .unwrap();
        assert_eq!(text, 0);
        assert_eq!(store.refresh_token("one"), Ok(Some((token("a"), 5))));
        store.put(&scope, &account("a", |account| account.disabled = Some(true))).unwrap();
        assert!(store.refresh_token("one").unwrap().is_some(), "a change of the account keeps its tokens");
        store.revoke_refresh_tokens(&scope, "a", 6).unwrap();
        assert_eq!(store.refresh_token("one"), Ok(None));
        assert_eq!(store.refresh_token("two"), Ok(Some((token("a"), 6))));
        store.delete(&scope, "a").unwrap();
        assert_eq!(store.refresh_token("two"), Ok(None));
        assert!(store.refresh_token("three").unwrap().is_some());
        store.delete_all(&scope).unwrap();
        assert_eq!(store.refresh_token("three"), Ok(None));
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
