//! The accounts' tables, from the first version on. Must not know: who reads them.

use crate::storage::Migration;

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
    // What nobody had settled used to be written as a setting.
    Migration(
        "UPDATE config SET value = json_remove(value, '$.emailPrivacyConfig.enableImprovedEmailPrivacy')
        WHERE json_extract(value, '$.emailPrivacyConfig.enableImprovedEmailPrivacy') = 0;",
    ),
    // The kind is the collection's name in the API.
    Migration(
        "CREATE TABLE idp_config (
        project TEXT NOT NULL,
        tenant TEXT NOT NULL,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (project, tenant, kind, id)
    ) STRICT, WITHOUT ROWID;",
    ),
    // Events that wait for somebody. A number is never given twice, so that whoever reads on misses none.
    Migration(
        "CREATE TABLE user_event (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        receiver TEXT NOT NULL,
        id TEXT NOT NULL,
        project TEXT NOT NULL,
        tenant TEXT NOT NULL,
        local_id TEXT NOT NULL,
        at INTEGER NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX user_event_receiver ON user_event (receiver, number);",
    ),
    // A passkey without a key was named, not shown. A secret is known by what it is for.
    Migration(
        "ALTER TABLE passkey ADD COLUMN public_key BLOB;
    ALTER TABLE passkey ADD COLUMN sign_count INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE passkey ADD COLUMN backup_eligible INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE passkey ADD COLUMN backed_up INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE passkey_config (
        project TEXT NOT NULL,
        tenant TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (project, tenant)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE secret (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::store::SqliteStore;
    use crate::storage::{Durability, Storage};
    use hearth_auth::store::{Accounts, Scope};

    #[test]
    fn who_settled_nothing_gets_each_modes_default() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::directory(folder.path(), Durability::Process).unwrap();
        let first = storage.open("auth", MIGRATIONS.get(..1).unwrap()).unwrap();
        let config = |privacy: bool| format!(r#"{{"emailPrivacyConfig":{{"enableImprovedEmailPrivacy":{privacy}}}}}"#);
        let insert = format!("INSERT INTO config VALUES ('a', '{}'), ('b', '{}');", config(false), config(true));
        first.writer.execute_batch(&insert).unwrap();
        drop(first);
        let now = storage.open("auth", MIGRATIONS).unwrap();
        let store = SqliteStore::on(&now.writer);
        for (project, privacy) in [("a", None), ("b", Some(true))] {
            let config = store.config(project).unwrap();
            assert_eq!(config.email_privacy_config.enable_improved_email_privacy, privacy, "{project}");
        }
    }

    #[test]
    fn accounts_of_the_first_version_are_found_by_what_later_ones_look_for() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::directory(folder.path(), Durability::Process).unwrap();
        let first = storage.open("auth", MIGRATIONS.get(..1).unwrap()).unwrap();
        let record = r#"{"localId":"u","initialEmail":"old@b","providerUserInfo":[
            {"providerId":"google.com","rawId":"g","email":"g@b"},{"providerId":"phone","rawId":"+1"}]}"#;
        first
            .writer
            .execute_batch(&format!(
                "INSERT INTO account VALUES ('demo', '', 'u', '{record}', NULL, NULL, 0, NULL, 0, 0);
                 INSERT INTO provider VALUES ('demo', '', 'google.com', 'g', 'u'), ('demo', '', 'phone', '+1', 'u');"
            ))
            .unwrap();
        drop(first);
        let now = storage.open("auth", MIGRATIONS).unwrap();
        let (store, scope) = (SqliteStore::on(&now.writer), Scope::project("demo"));
        assert!(store.by_initial_email(&scope, "old@b").unwrap().is_some());
        assert_eq!(store.by_provider_email(&scope, "g@b").unwrap().len(), 1);
        assert_eq!(store.by_provider_email(&scope, "old@b").unwrap().len(), 0);
        assert_eq!(store.of_provider(&scope, "phone", 9).unwrap().len(), 1);
    }
}
