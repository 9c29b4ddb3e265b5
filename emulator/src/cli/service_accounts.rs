//! `service-accounts:create`, `:list` and `:revoke`: who may be an admin of a server that is not running.

use super::arguments::{DataArguments, ServiceAccountsCreate};
use super::exit::Exit;
use super::fail;
use crate::app;
use crate::auth::AuthService;
use crate::config::resolve::resolve;
use std::io::Write;
use std::sync::Arc;

/// Where the key says that access tokens are to be had, unless told otherwise.
const TOKEN_URI: &str = "http://127.0.0.1:9099/token";

/// Issues a key and writes its file.
pub(super) async fn create(arguments: &ServiceAccountsCreate) -> Exit {
    let auth = match open(&arguments.data) {
        Ok(auth) => auth,
        Err(exit) => return exit,
    };
    let token_uri = arguments.token_uri.as_deref().unwrap_or(TOKEN_URI);
    let issued = auth.issue_service_account_key(token_uri, &arguments.output).await;
    auth.close().await;
    match issued {
        Ok(()) => say(&format!("Wrote a service-account key to {}. Keep it secret.", arguments.output.display())),
        Err(error) => fail(Exit::System, error),
    }
}

/// Prints the keys there are.
pub(super) async fn list(arguments: &DataArguments) -> Exit {
    let auth = match open(arguments) {
        Ok(auth) => auth,
        Err(exit) => return exit,
    };
    let keys = auth.service_account_keys().await;
    auth.close().await;
    match keys {
        Ok(keys) => {
            let lines: Vec<String> = keys
                .into_iter()
                .map(|(id, created_at)| format!("{id}  issued {}", hearth_auth::account::iso(created_at)))
                .collect();
            if lines.is_empty() { say("There are no service-account keys.") } else { say(&lines.join("\n")) }
        }
        Err(error) => fail(Exit::Data, error),
    }
}

/// Takes a key back.
pub(super) async fn revoke(arguments: &DataArguments, id: String) -> Exit {
    let auth = match open(arguments) {
        Ok(auth) => auth,
        Err(exit) => return exit,
    };
    let revoked = auth.revoke_service_account_key(id.clone()).await;
    auth.close().await;
    match revoked {
        Ok(true) => say(&format!("Revoked {id}.")),
        Ok(false) => fail(Exit::Config, format_args!("there is no service-account key {id}")),
        Err(error) => fail(Exit::Data, error),
    }
}

pub(super) fn open(arguments: &DataArguments) -> Result<Arc<AuthService>, Exit> {
    let wishes = arguments.wishes().map_err(|error| fail(Exit::System, error))?;
    let settings = resolve(&wishes).map_err(|error| fail(Exit::Config, error))?.settings;
    app::open_auth(&settings).map_err(|error| fail(Exit::from(&error), error))
}

fn say(text: &str) -> Exit {
    // A closed standard output is no failure.
    let _ = writeln!(std::io::stdout(), "{text}");
    Exit::Done
}
