//! `auth:export` and `auth:import`: the accounts of a server that is not running, in the Firebase CLI's formats.

use super::arguments::{AuthExport, AuthImport, DataArguments};
use super::exit::Exit;
use super::fail;
use crate::app;
use crate::auth::AuthService;
use crate::transfer::user_file::{self, Format};
use serde_json::{Map, Value, json};
use std::fmt::Display;
use std::io::Write;
use std::sync::Arc;

/// Writes a file of all accounts.
pub(super) async fn export(arguments: &AuthExport) -> Exit {
    let Some(format) = Format::of(&arguments.file).or(arguments.format) else {
        return fail(Exit::Config, "give the file a name that ends with .json or .csv, or say --format");
    };
    let auth = match super::service_accounts::open(&arguments.data) {
        Ok(auth) => auth,
        Err(exit) => return exit,
    };
    let (from, file) = (Arc::clone(&auth), arguments.file.clone());
    let exported = tokio::task::spawn_blocking(move || app::export_users(&from, &file, format)).await;
    auth.close().await;
    match exported {
        Ok(Ok(count)) => say(format_args!("Exported {count} account(s) to {}.", arguments.file.display())),
        Ok(Err(error)) => fail(Exit::Data, error),
        Err(error) => fail(Exit::System, error),
    }
}

/// Takes all accounts of a file.
pub(super) async fn import(arguments: &AuthImport) -> Exit {
    let hashing = match hashing(arguments) {
        Ok(hashing) => hashing,
        Err(problem) => return fail(Exit::Config, problem),
    };
    let Some(format) = Format::of(&arguments.file) else {
        return fail(Exit::Config, "Data file must end with .csv or .json");
    };
    let name = arguments.file.display();
    let users = match std::fs::read(&arguments.file) {
        Ok(content) => user_file::read(&content, format),
        Err(error) => return fail(Exit::Config, format_args!("{name}: {error}")),
    };
    match users {
        Ok(users) => keep(&arguments.data, users, hashing).await,
        Err(problem) => fail(Exit::Config, format_args!("{name}: {problem}")),
    }
}

async fn keep(data: &DataArguments, users: Vec<Value>, hashing: Map<String, Value>) -> Exit {
    let auth: Arc<AuthService> = match super::service_accounts::open(data) {
        Ok(auth) => auth,
        Err(exit) => return exit,
    };
    let ids: Vec<String> =
        users.iter().map(|user| user.get("localId").and_then(Value::as_str).unwrap_or("?").to_owned()).collect();
    let imported = auth.import_accounts(None, users, hashing).await;
    auth.close().await;
    match imported {
        Ok(imported) => {
            for (index, why) in &imported.refused {
                say(format_args!("Left out {}: {why}", ids.get(*index).map_or("?", String::as_str)));
            }
            let kept = say(format_args!("Imported {} account(s).", imported.kept));
            if imported.refused.is_empty() {
                return kept;
            }
            fail(Exit::Data, format_args!("{} account(s) were left out", imported.refused.len()))
        }
        Err(error) => fail(Exit::Data, error),
    }
}

/// The flags as parameters of an upload. What they are worth is judged where passwords are.
fn hashing(arguments: &AuthImport) -> Result<Map<String, Value>, String> {
    let AuthImport { hash_algo, hash_key, salt_separator, rounds, mem_cost, .. } = arguments;
    let AuthImport { parallelization, block_size, dk_len, hash_input_order, .. } = arguments;
    let algorithm = hash_algo.as_ref().map(|algorithm| algorithm.to_uppercase());
    let is_standard = algorithm.as_deref() == Some("STANDARD_SCRYPT");
    let order = match hash_input_order.as_ref().map(|order| order.to_uppercase()).as_deref() {
        None => None,
        Some("SALT_FIRST") => Some("SALT_AND_PASSWORD"),
        Some("PASSWORD_FIRST") => Some("PASSWORD_AND_SALT"),
        Some(_) => return Err("Unknown password hash order flag: SALT_FIRST or PASSWORD_FIRST".to_owned()),
    };
    let given = [
        ("hashAlgorithm", algorithm.map(|algorithm| json!(algorithm))),
        ("signerKey", hash_key.as_ref().map(|key| json!(key))),
        ("saltSeparator", salt_separator.as_ref().map(|separator| json!(separator))),
        ("rounds", rounds.map(|rounds| json!(rounds))),
        ("memoryCost", mem_cost.filter(|_| !is_standard).map(|cost| json!(cost))),
        ("cpuMemCost", mem_cost.filter(|_| is_standard).map(|cost| json!(cost))),
        ("parallelization", parallelization.map(|number| json!(number))),
        ("blockSize", block_size.map(|size| json!(size))),
        ("dkLen", dk_len.map(|length| json!(length))),
        ("passwordHashOrder", order.map(|order| json!(order))),
    ];
    Ok(given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
}

fn say(text: impl Display) -> Exit {
    // A closed standard output is no failure.
    let _ = writeln!(std::io::stdout(), "{text}");
    Exit::Done
}
