//! Passkeys on SQLite: whose they are, by which key they are known again, and for whom admins want them. Must not know:
//! how they are verified.

use super::{SqliteStore, failed, tenant};
use hearth_auth::account::Passkey;
use hearth_auth::errors::StoreError;
use hearth_auth::passkey::Credential;
use hearth_auth::store::Scope;
use rusqlite::params;
use serde_json::Value;

/// Makes these the passkeys of an account. What is kept of those it had before stays.
pub(super) fn name(
    store: &SqliteStore<'_>,
    scope: &Scope,
    local_id: &str,
    passkeys: &[Passkey],
) -> Result<(), StoreError> {
    let ids: Vec<&str> = passkeys.iter().map(|passkey| passkey.credential_id.as_str()).collect();
    let ids = serde_json::to_string(&ids).map_err(failed)?;
    store.run(
        "DELETE FROM passkey WHERE project = ?1 AND tenant = ?2 AND local_id = ?3
             AND credential_id NOT IN (SELECT value FROM json_each(?4))",
        params![scope.project, tenant(scope), local_id, ids],
    )?;
    // Another account's fails on the primary key.
    store.run(
        "INSERT INTO passkey (project, tenant, credential_id, local_id)
         SELECT ?1, ?2, value, ?3 FROM json_each(?4) WHERE NOT EXISTS (
             SELECT 1 FROM passkey WHERE project = ?1 AND tenant = ?2 AND credential_id = value AND local_id = ?3)",
        params![scope.project, tenant(scope), local_id, ids],
    )?;
    Ok(())
}

pub(super) fn credential(
    store: &SqliteStore<'_>,
    scope: &Scope,
    credential_id: &str,
) -> Result<Option<Credential>, StoreError> {
    store.one(
        "SELECT public_key, sign_count, backup_eligible, backed_up FROM passkey
         WHERE project = ?1 AND tenant = ?2 AND credential_id = ?3 AND public_key IS NOT NULL",
        params![scope.project, tenant(scope), credential_id],
        |row| {
            Ok(Credential {
                public_key: row.get(0)?,
                sign_count: row.get(1)?,
                backup_eligible: row.get(2)?,
                backed_up: row.get(3)?,
            })
        },
    )
}

pub(super) fn put(
    store: &SqliteStore<'_>,
    scope: &Scope,
    credential_id: &str,
    credential: &Credential,
) -> Result<(), StoreError> {
    let Credential { public_key, sign_count, backup_eligible, backed_up } = credential;
    let changed = store.run(
        "UPDATE passkey SET public_key = ?4, sign_count = ?5, backup_eligible = ?6, backed_up = ?7
         WHERE project = ?1 AND tenant = ?2 AND credential_id = ?3",
        params![scope.project, tenant(scope), credential_id, public_key, sign_count, backup_eligible, backed_up],
    )?;
    if changed == 1 { Ok(()) } else { Err(failed("no account has the passkey")) }
}

pub(super) fn config(store: &SqliteStore<'_>, scope: &Scope) -> Result<Option<Value>, StoreError> {
    let value = store.one(
        "SELECT value FROM passkey_config WHERE project = ?1 AND tenant = ?2",
        params![scope.project, tenant(scope)],
        |row| row.get::<_, String>(0),
    )?;
    value.map(|value| serde_json::from_str(&value).map_err(failed)).transpose()
}

pub(super) fn put_config(store: &SqliteStore<'_>, scope: &Scope, value: &Value) -> Result<(), StoreError> {
    store.run(
        "INSERT OR REPLACE INTO passkey_config VALUES (?1, ?2, ?3)",
        params![scope.project, tenant(scope), value.to_string()],
    )?;
    Ok(())
}
