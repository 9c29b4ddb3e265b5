//! What leaves the services for an export in the official layout, and what comes back from one. Knows Auth, the
//! databases and the layout; must not know who asks.

use crate::auth::AuthService;
use crate::config::service::Service;
use crate::database::{DatabaseService, Databases};
use crate::transfer::draft::Draft;
use crate::transfer::layout::{self, Export};
use crate::transfer::{TransferError, user_file};
use hearth_auth::account::Account;
use hearth_database::json::{self, Form, Layout};
use hearth_database::{Caller, Change, Location, Node, Write};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// The data of a suite, of those services that run.
#[derive(Debug)]
pub(super) struct Carrier {
    pub(super) auth: Option<Arc<AuthService>>,
    pub(super) databases: Option<Arc<Databases>>,
    /// One export at a time: two would write the same draft.
    pub(super) turn: Mutex<()>,
}

impl Carrier {
    /// Writes an export to `target`, in place of the one it holds: of all services, or only of those named as the hub
    /// names them.
    ///
    /// # Errors
    /// It cannot be written, or `target` holds something else. A former export is still there.
    pub(super) async fn export(&self, target: &Path, only: Option<&[String]>) -> Result<(), TransferError> {
        let _turn = self.turn.lock().await;
        let is_wanted = |service: Service| only.is_none_or(|only| only.iter().any(|name| name == service.key()));
        let auth = self.auth.clone().filter(|_| is_wanted(Service::Auth));
        let databases = self.databases.clone().filter(|_| is_wanted(Service::Database));
        if auth.is_none() && databases.is_none() {
            return Err(TransferError::at(target, "No running emulators support import/export."));
        }
        let trees = match &databases {
            Some(databases) => trees(databases).await?,
            None => Vec::new(),
        };
        let target = target.to_path_buf();
        // An export that waits for the disk must hold up nobody.
        tokio::task::spawn_blocking(move || {
            let draft = layout::begin(&target)?;
            for (name, root) in &trees {
                let file = Path::new(layout::DATABASE).join(format!("{name}.json"));
                let data = json::encode(root, Form::Export, Layout::Compact);
                put(&draft, &file, &mut |out| out.write_all(&data))?;
            }
            if let Some(auth) = &auth {
                export_auth(auth, &draft)?;
            }
            layout::finish(draft, auth.is_some(), databases.is_some())
        })
        .await
        .unwrap_or_else(|error| Err(TransferError::of("export", error)))
    }

    /// Puts what the export in `folder` holds in place of what there is; of services that it does not hold nothing
    /// changes. Answers what the user should know.
    ///
    /// # Errors
    /// A file cannot be read, or its content not be kept. What came before it stands.
    pub(super) async fn import(&self, folder: &Path) -> Result<Vec<String>, TransferError> {
        let Some(export) = Export::open(folder)? else {
            return Ok(vec![format!("import: there is no export in {}; nothing was imported", folder.display())]);
        };
        let mut notices = Vec::new();
        if let (Some(databases), Some(folder)) = (&self.databases, export.database()?) {
            import_databases(databases, &folder).await?;
        }
        if let (Some(auth), Some(folder)) = (&self.auth, export.auth()?) {
            import_auth(auth, &folder, &mut notices).await?;
        }
        notices.push(format!("import: imported {}", folder.display()));
        Ok(notices)
    }
}

/// The databases that hold anything, as they are at one moment each.
async fn trees(databases: &Arc<Databases>) -> Result<Vec<(String, Node)>, TransferError> {
    let mut trees = Vec::new();
    for name in databases.names().map_err(|error| TransferError::of("database", error))? {
        let database = databases.find(Some(&name), &Caller::Admin).await;
        let root = database.map_err(|error| TransferError::of(&name, error))?.snapshot().root;
        if !root.is_null() {
            trees.push((name, root));
        }
    }
    Ok(trees)
}

fn export_auth(auth: &AuthService, draft: &Draft) -> Result<(), TransferError> {
    let failed = |error: &dyn Display| TransferError::of("auth", error);
    let tenants = auth.tenant_ids().map_err(|error| failed(&error))?;
    for tenant in std::iter::once(None).chain(tenants.iter().map(|tenant| Some(tenant.as_str()))) {
        let file = Path::new(layout::AUTH).join(layout::accounts_of(tenant));
        put(draft, &file, &mut |out| {
            write!(out, r#"{{"kind":"identitytoolkit#DownloadAccountResponse","users":["#)?;
            let mut separator = "";
            each_account(auth, tenant, &mut |account| {
                write!(out, "{separator}{}", serde_json::to_string(account)?)?;
                separator = ",";
                Ok(())
            })?;
            write!(out, "]}}")
        })?;
    }
    let config = auth.exported_config().map_err(|error| failed(&error))?.to_string();
    put(draft, &Path::new(layout::AUTH).join(layout::CONFIG), &mut |out| out.write_all(config.as_bytes()))
}

fn each_account(
    auth: &AuthService,
    tenant: Option<&str>,
    visit: &mut dyn FnMut(&Account) -> io::Result<()>,
) -> io::Result<()> {
    let mut after: Option<String> = None;
    loop {
        let accounts = auth.accounts_after(tenant, after.as_deref()).map_err(io::Error::other)?;
        for account in &accounts {
            visit(account)?;
        }
        let Some(last) = accounts.last() else { return Ok(()) };
        after = Some(last.local_id.clone());
    }
}

/// Writes the accounts of the project as the Firebase CLI exports them.
///
/// # Errors
/// They cannot be read, or the file not be written; a former one is still there.
pub fn export_users(auth: &AuthService, file: &Path, format: user_file::Format) -> Result<u64, TransferError> {
    let mut count = 0;
    let written = crate::transfer::draft::write_file(file, &mut |out| {
        let mut writer = user_file::Writer::begin(out, format)?;
        each_account(auth, None, &mut |account| {
            count += 1;
            writer.write(&serde_json::to_value(account)?)
        })?;
        writer.end()
    });
    written.map(|()| count).map_err(|error| TransferError::at(file, error))
}

fn put(draft: &Draft, file: &Path, content: crate::transfer::draft::Content<'_>) -> Result<(), TransferError> {
    draft.write(file, content).map_err(|error| TransferError::at(&draft.target().join(file), error))
}

async fn import_databases(databases: &Arc<Databases>, folder: &Path) -> Result<(), TransferError> {
    let mut given: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (file, path) in layout::json_files(folder)? {
        let namespace = file.trim_end_matches(".json");
        let database = databases.find(Some(namespace), &Caller::Admin).await;
        let database = database.map_err(|error| TransferError::at(&path, error))?;
        let text = read(&path)?;
        let data = json::parse(&text, 0).map_err(|error| TransferError::at(&path, error))?;
        // A project's default database has two names; the other one's file may hold nothing.
        if let Some(other) = given.get(database.name()) {
            if text.trim_ascii() == b"null" {
                continue;
            }
            let problem = format_args!("the same database as {}", other.display());
            return Err(TransferError::at(&path, problem));
        }
        given.insert(database.name().to_owned(), path.clone());
        let written = set(&database, Change::Set(data)).await;
        written.map_err(|error| TransferError::at(&path, error))?;
    }
    for name in databases.names().map_err(|error| TransferError::at(folder, error))? {
        if given.contains_key(&name) {
            continue;
        }
        let database = databases.find(Some(&name), &Caller::Admin).await;
        let database = database.map_err(|error| TransferError::of(&name, error))?;
        let nothing = json::parse(b"null", 0).map_err(|error| TransferError::of(&name, error))?;
        set(&database, Change::Set(nothing)).await.map_err(|error| TransferError::of(&name, error))?;
    }
    Ok(())
}

async fn set(database: &DatabaseService, change: Change) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let location = Location::parse("")?;
    database.write(Write { caller: Caller::Admin, location, if_match: None, change }).await?;
    Ok(())
}

async fn import_auth(auth: &AuthService, folder: &Path, notices: &mut Vec<String>) -> Result<(), TransferError> {
    auth.forget_all_accounts().await.map_err(|error| TransferError::at(folder, error))?;
    for (file, path) in layout::json_files(folder)? {
        if file == layout::CONFIG {
            let config = parse(&path)?;
            auth.import_config(config).await.map_err(|error| TransferError::at(&path, error))?;
        }
        let Some(tenant) = layout::tenant_of(&file) else { continue };
        let users = parse(&path)?.get_mut("users").map(Value::take);
        let Some(Value::Array(users)) = users else { continue };
        let ids: Vec<String> = users
            .iter()
            .map(|user| user.get("localId").and_then(Value::as_str).unwrap_or_default().to_owned())
            .collect();
        let imported = auth.import_accounts(tenant, users, Map::new()).await;
        let imported = imported.map_err(|error| TransferError::at(&path, error))?;
        notices.extend(imported.refused.into_iter().map(|(index, why)| {
            let id = ids.get(index).map_or("?", String::as_str);
            format!("import: {}: the account {id:?} was left out: {why}", path.display())
        }));
    }
    Ok(())
}

fn parse(path: &Path) -> Result<Value, TransferError> {
    let text = read(path)?;
    serde_json::from_slice(&text).map_err(|error| TransferError::at(path, error))
}

fn read(path: &Path) -> Result<Vec<u8>, TransferError> {
    std::fs::read(path).map_err(|error| TransferError::at(path, error))
}
