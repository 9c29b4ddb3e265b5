//! Schemas that move forward, one step at a time, in one transaction.
//!
//! SQLite's `user_version` counts the steps a file has taken. A step, once released, never changes.

use super::StorageError;
use rusqlite::Connection;

/// One step of a schema, as SQL.
#[derive(Clone, Copy, Debug)]
pub struct Migration(pub &'static str);

/// Takes the steps that the file has not taken yet.
pub(super) fn migrate(
    connection: &mut Connection,
    migrations: &[Migration],
    location: &str,
) -> Result<(), StorageError> {
    let failed = |source| StorageError::Sqlite { path: location.to_owned(), source };
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    let found = found as usize;
    let Some(missing) = migrations.get(found..) else {
        return Err(StorageError::TooNew { path: location.to_owned(), found, known: migrations.len() });
    };
    if missing.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction().map_err(failed)?;
    for Migration(sql) in missing {
        transaction.execute_batch(sql).map_err(failed)?;
    }
    transaction.pragma_update(None, "user_version", migrations.len() as u32).map_err(failed)?;
    transaction.commit().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: &[Migration] =
        &[Migration("CREATE TABLE a (x)"), Migration("ALTER TABLE a ADD COLUMN y; INSERT INTO a VALUES (1, 2)")];

    #[test]
    fn an_older_file_moves_forward_once() {
        let mut file = Connection::open_in_memory().unwrap();
        migrate(&mut file, &STEPS[..1], "f").unwrap();
        migrate(&mut file, STEPS, "f").unwrap();
        migrate(&mut file, STEPS, "f").unwrap();
        assert_eq!(file.query_row("SELECT count(*), max(y) FROM a", [], |r| Ok((r.get(0)?, r.get(1)?))), Ok((1, 2)));
    }

    #[test]
    fn a_newer_file_is_refused() {
        let mut file = Connection::open_in_memory().unwrap();
        migrate(&mut file, STEPS, "f").unwrap();
        let refused = migrate(&mut file, &STEPS[..1], "f");
        assert!(matches!(refused, Err(StorageError::TooNew { found: 2, known: 1, .. })));
    }

    #[test]
    fn a_failing_step_changes_nothing() {
        let mut file = Connection::open_in_memory().unwrap();
        assert!(migrate(&mut file, &[STEPS[0], Migration("nonsense")], "f").is_err());
        assert_eq!(file.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)), Ok(0));
        migrate(&mut file, STEPS, "f").unwrap();
    }
}
