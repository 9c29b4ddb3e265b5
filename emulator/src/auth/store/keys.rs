//! Keys on SQLite: those that sign tokens, those of service accounts, and access tokens. Must not know: what a key is
//! good for.

use super::{SqliteStore, failed, restored, stored};
use hearth_auth::Millis;
use hearth_auth::errors::StoreError;
use hearth_auth::store::{AccessToken, AdminKeys, KeptKey, Keys, ServiceAccountKey};
use hearth_auth::token::session::Hash;
use rusqlite::{Row, params};

impl AdminKeys for SqliteStore<'_> {
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
}

impl Keys for SqliteStore<'_> {
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

    fn forget_service_account_key(&mut self, id: &str) -> Result<bool, StoreError> {
        Ok(self.run("DELETE FROM service_account_key WHERE id = ?1", [id])? > 0)
    }

    fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.one("SELECT value FROM secret WHERE name = ?1", [name], |row| row.get(0))
    }

    fn keep_secret(&mut self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        self.run("INSERT INTO secret VALUES (?1, ?2)", params![name, value])?;
        Ok(())
    }

    fn keep_access_token(&mut self, id: &Hash, token: &AccessToken) -> Result<(), StoreError> {
        self.run("INSERT INTO access_token VALUES (?1, ?2, ?3)", params![id, token.key_id, stored(token.expires_at)])?;
        Ok(())
    }

    fn forget_access_tokens(&mut self, now: Millis) -> Result<(), StoreError> {
        self.run("DELETE FROM access_token WHERE expires_at <= ?1", [stored(now)])?;
        Ok(())
    }
}

fn service_account_key(row: &Row<'_>) -> rusqlite::Result<ServiceAccountKey> {
    let created_at = restored(row.get(2)?);
    Ok(ServiceAccountKey { id: row.get(0)?, email: row.get(1)?, created_at, public: row.get(3)? })
}
