//! Configurations of identity providers on SQLite, each as JSON. Must not know: what they say.

use super::{SqliteStore, failed, tenant};
use hearth_auth::errors::StoreError;
use hearth_auth::idp_config::IdpKind;
use hearth_auth::store::{IdpConfigs, KeepsIdpConfigs, Scope};
use rusqlite::params;
use serde_json::Value;

impl IdpConfigs for SqliteStore<'_> {
    fn idp_config(&self, scope: &Scope, kind: IdpKind, id: &str) -> Result<Option<Value>, StoreError> {
        let value = self.one(
            "SELECT value FROM idp_config WHERE project = ?1 AND tenant = ?2 AND kind = ?3 AND id = ?4",
            params![scope.project, tenant(scope), kind.collection(), id],
            |row| row.get::<_, String>(0),
        )?;
        value.map(|value| serde_json::from_str(&value).map_err(failed)).transpose()
    }

    fn idp_configs(
        &self,
        scope: &Scope,
        kind: IdpKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Value)>, StoreError> {
        let sql = "SELECT id, value FROM idp_config
                   WHERE project = ?1 AND tenant = ?2 AND kind = ?3 AND id > ?4 ORDER BY id LIMIT ?5";
        let mut query = self.0.prepare_cached(sql).map_err(failed)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // No id is empty.
        let after = after.unwrap_or_default();
        let params = params![scope.project, tenant(scope), kind.collection(), after, limit];
        let rows = query.query_map(params, |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
        let configs = rows.map_err(failed)?.map(|row| {
            let (id, value) = row.map_err(failed)?;
            Ok((id, serde_json::from_str(&value).map_err(failed)?))
        });
        configs.collect()
    }
}

impl KeepsIdpConfigs for SqliteStore<'_> {
    fn put_idp_config(&mut self, scope: &Scope, kind: IdpKind, id: &str, value: &Value) -> Result<(), StoreError> {
        self.run(
            "INSERT OR REPLACE INTO idp_config VALUES (?1, ?2, ?3, ?4, ?5)",
            params![scope.project, tenant(scope), kind.collection(), id, value.to_string()],
        )?;
        Ok(())
    }

    fn delete_idp_config(&mut self, scope: &Scope, kind: IdpKind, id: &str) -> Result<(), StoreError> {
        self.run(
            "DELETE FROM idp_config WHERE project = ?1 AND tenant = ?2 AND kind = ?3 AND id = ?4",
            params![scope.project, tenant(scope), kind.collection(), id],
        )?;
        Ok(())
    }

    fn delete_idp_configs(&mut self, scope: &Scope) -> Result<(), StoreError> {
        self.run("DELETE FROM idp_config WHERE project = ?1 AND tenant = ?2", params![scope.project, tenant(scope)])?;
        Ok(())
    }
}
