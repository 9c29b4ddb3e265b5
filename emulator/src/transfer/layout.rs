//! The official suite's layout of an export: `firebase-export-metadata.json` says what else is there.
//!
//! `{"version", "auth": {"version", "path"}, "database": {"version", "path"}, …}`; below the paths lie
//! `accounts.json`, `accounts-TENANT.json` and `config.json`, and one `NAMESPACE.json` to a database. Must not know:
//! what is in those files.

use super::TransferError;
use super::draft::Draft;
use serde_json::{Map, Value, json};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// Says what an export holds.
pub const METADATA: &str = "firebase-export-metadata.json";
/// Where accounts go.
pub const AUTH: &str = "auth_export";
/// Where databases go.
pub const DATABASE: &str = "database_export";
/// The accounts of the project itself.
pub const ACCOUNTS: &str = "accounts.json";
/// The emulator's settings of Auth.
pub const CONFIG: &str = "config.json";

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The name of the file of a tenant's accounts.
pub fn accounts_of(tenant: Option<&str>) -> String {
    tenant.map_or_else(|| ACCOUNTS.to_owned(), |tenant| format!("accounts-{tenant}.json"))
}

/// Whose accounts a file holds; `None` if it holds none.
pub fn tenant_of(file: &str) -> Option<Option<&str>> {
    if file == ACCOUNTS {
        return Some(None);
    }
    let tenant = file.strip_prefix("accounts-")?.strip_suffix(".json")?;
    (!tenant.is_empty()).then_some(Some(tenant))
}

/// An export that is there.
#[derive(Debug)]
pub struct Export {
    folder: PathBuf,
    metadata: Map<String, Value>,
}

impl Export {
    /// The export in `folder`, if there is one.
    ///
    /// # Errors
    /// What should say so cannot be read.
    pub fn open(folder: &Path) -> Result<Option<Self>, TransferError> {
        let file = folder.join(METADATA);
        let text = match std::fs::read(&file) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(error) => return Err(TransferError::at(&file, error)),
        };
        let metadata = serde_json::from_slice(&text).map_err(|error| TransferError::at(&file, error))?;
        Ok(Some(Self { folder: folder.to_path_buf(), metadata }))
    }

    /// Where the accounts are, if it holds any.
    ///
    /// # Errors
    /// They would lie outside.
    pub fn auth(&self) -> Result<Option<PathBuf>, TransferError> {
        self.part("auth")
    }

    /// Where the databases are, if it holds any.
    ///
    /// # Errors
    /// They would lie outside.
    pub fn database(&self) -> Result<Option<PathBuf>, TransferError> {
        self.part("database")
    }

    fn part(&self, key: &str) -> Result<Option<PathBuf>, TransferError> {
        let Some(path) = self.metadata.get(key).and_then(|part| part.get("path")).and_then(Value::as_str) else {
            return Ok(None);
        };
        let path = Path::new(path);
        if !path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(TransferError::at(&self.folder.join(METADATA), format_args!("{key}.path leads elsewhere")));
        }
        Ok(Some(self.folder.join(path)))
    }
}

/// The JSON files in `folder`, by name, sorted.
///
/// # Errors
/// The folder cannot be read.
pub fn json_files(folder: &Path) -> Result<Vec<(String, PathBuf)>, TransferError> {
    let failed = |error| TransferError::at(folder, error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        if let Some(name) = name.filter(|name| name.ends_with(".json") && path.is_file()) {
            files.push((name, path));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Begins an export in place of the one that `target` holds, if any.
///
/// # Errors
/// `target` holds something else, which nobody shall lose, or nothing can be written beside it.
pub fn begin(target: &Path) -> Result<Draft, TransferError> {
    let is_empty = match std::fs::read_dir(target) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(error) => return Err(TransferError::at(target, error)),
    };
    if !is_empty && Export::open(target)?.is_none() {
        return Err(TransferError::at(target, format_args!("not empty, and no export ({METADATA} is missing)")));
    }
    Draft::begin(target).map_err(|error| TransferError::at(target, error))
}

/// Ends an export: from now on it is what `target` holds. What a former one held of other services stays.
///
/// # Errors
/// It cannot be written; the former one is still there.
pub fn finish(draft: Draft, with_auth: bool, with_database: bool) -> Result<(), TransferError> {
    let target = draft.target().to_path_buf();
    let former = Export::open(&target)?.map(|export| export.metadata).unwrap_or_default();
    let mut metadata = Map::from_iter([("version".to_owned(), Value::from(VERSION))]);
    for (key, path, is_there) in [("database", DATABASE, with_database), ("auth", AUTH, with_auth)] {
        if is_there {
            metadata.insert(key.to_owned(), json!({"version": VERSION, "path": path}));
        }
    }
    for (key, value) in former {
        metadata.entry(key).or_insert(value);
    }
    let text = format!("{:#}", Value::Object(metadata));
    draft
        .write(Path::new(METADATA), &mut |out| out.write_all(text.as_bytes()))
        .and_then(|()| draft.commit())
        .map_err(|error| TransferError::at(&target, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_accounts_name_their_tenant() {
        for (file, expected) in [
            ("accounts.json", Some(None)),
            ("accounts-t.json", Some(Some("t"))),
            ("accounts-.json", None),
            ("config.json", None),
            ("accounts.json.bak", None),
        ] {
            assert_eq!(tenant_of(file), expected, "{file}");
            if let Some(tenant) = expected {
                assert_eq!(accounts_of(tenant), file);
            }
        }
    }

    #[test]
    fn an_export_takes_the_former_ones_place_and_keeps_what_others_put_there() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("data");
        std::fs::create_dir_all(target.join("firestore_export")).unwrap();
        std::fs::create_dir_all(target.join(AUTH)).unwrap();
        std::fs::write(target.join(AUTH).join("accounts-gone.json"), "{}").unwrap();
        std::fs::write(target.join("README"), "mine").unwrap();
        std::fs::write(
            target.join(METADATA),
            r#"{"version":"1","firestore":{"path":"firestore_export"},"auth":{"version":"1","path":"auth_export"}}"#,
        )
        .unwrap();
        let draft = begin(&target).unwrap();
        draft.write(&Path::new(AUTH).join(ACCOUNTS), &mut |out| out.write_all(b"{}")).unwrap();
        assert!(target.join(AUTH).join("accounts-gone.json").exists(), "nothing has happened yet");
        finish(draft, true, false).unwrap();
        let export = Export::open(&target).unwrap().unwrap();
        assert_eq!(export.metadata["firestore"]["path"], "firestore_export");
        assert_eq!(export.metadata["auth"]["version"], VERSION);
        assert_eq!((export.auth().unwrap(), export.database().unwrap()), (Some(target.join(AUTH)), None));
        assert_eq!(json_files(&target.join(AUTH)).unwrap().len(), 1);
        assert!(target.join("firestore_export").is_dir() && target.join("README").is_file());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn an_export_that_is_given_up_leaves_the_former_one() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("deep/data");
        finish(begin(&target).unwrap(), false, false).unwrap();
        let draft = begin(&target).unwrap();
        assert!(draft.write(Path::new("x.json"), &mut |_| Err(ErrorKind::StorageFull.into())).is_err());
        drop(draft);
        assert!(Export::open(&target).unwrap().is_some());
        assert_eq!(std::fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_of_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("thesis.tex"), "").unwrap();
        assert!(begin(folder.path()).unwrap_err().to_string().contains("not empty"));
        std::fs::write(folder.path().join(METADATA), r#"{"auth":{"path":"../elsewhere"}}"#).unwrap();
        assert!(Export::open(folder.path()).unwrap().unwrap().auth().is_err());
        std::fs::write(folder.path().join(METADATA), "nonsense").unwrap();
        assert!(Export::open(folder.path()).is_err());
    }
}
