//! `emulators:export`, and what `--export-on-exit` comes to. Must not know: what an export holds.

use super::arguments::ExportArguments;
use super::exit::Exit;
use super::fail;
use crate::app::App;
use crate::config::resolve::resolve;
use crate::hub::Locator;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Bytes of a hub's answer that are read.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Asks the hub of a suite that runs to export.
pub(super) async fn run(arguments: &ExportArguments) -> Exit {
    let wishes = match arguments.wishes() {
        Ok(wishes) => wishes,
        Err(error) => return fail(Exit::System, error),
    };
    let project = match resolve(&wishes) {
        Ok(resolved) => resolved.settings.project,
        Err(error) => return fail(Exit::Config, error),
    };
    let origins = Locator::origins(&project);
    let target = wishes.directory.join(&arguments.folder);
    let targets: Option<Vec<&str>> =
        arguments.only.as_ref().map(|only| only.iter().map(|service| service.key()).collect());
    let mut body = json!({"path": target, "initiatedBy": "emulators:export"});
    if let (Some(targets), Some(fields)) = (targets, body.as_object_mut()) {
        fields.insert("targets".to_owned(), json!(targets));
    }
    for origin in &origins {
        match ask(origin, &body).await {
            Some((StatusCode::OK, _)) => {
                // A closed standard output is no failure.
                let _ = writeln!(std::io::stdout(), "✔  Export complete: {}", target.display());
                return Exit::Done;
            }
            Some((_, message)) => return fail(Exit::Data, format_args!("the export failed: {message}")),
            None => {}
        }
    }
    fail(Exit::Config, format_args!("Did not find any running emulators for project {project}."))
}

/// The hub's answer; `None` if nobody is there.
async fn ask(origin: &str, body: &Value) -> Option<(StatusCode, String)> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::builder().method(Method::POST).uri(format!("{origin}/_admin/export"));
    let request = request.header(CONTENT_TYPE, "application/json");
    let request = request.body(Full::new(Bytes::from(body.to_string()))).ok()?;
    let response = client.request(request).await.ok()?;
    let status = response.status();
    let answer = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await.ok()?.to_bytes();
    let message = serde_json::from_slice::<Value>(&answer).ok();
    let message = message.and_then(|answer| Some(answer.get("message")?.as_str()?.to_owned()));
    Some((status, message.unwrap_or_else(|| status.to_string())))
}

/// Where `--export-on-exit` leads: its own folder, or else the one that was imported. It must not be one that the
/// command runs in.
pub(super) fn on_exit(
    wanted: Option<&Option<PathBuf>>,
    import: Option<&Path>,
    directory: &Path,
) -> Result<Option<PathBuf>, Exit> {
    let Some(wanted) = wanted else { return Ok(None) };
    let Some(folder) = wanted.as_deref().or(import) else {
        return Err(fail(Exit::Config, "--export-on-exit needs a folder, or --import, whose folder it takes"));
    };
    let folder = directory.join(folder);
    let (is, within) = (folder.canonicalize().unwrap_or_else(|_| folder.clone()), directory.canonicalize());
    if within.is_ok_and(|directory| directory.starts_with(&is)) {
        return Err(fail(Exit::Config, "--export-on-exit must not lead to the working directory, or above it"));
    }
    Ok(Some(folder))
}

/// Exports what the suite holds; `exit` unless that fails.
pub(super) async fn then(app: &App, target: Option<&Path>, exit: Exit) -> Exit {
    let Some(target) = target else { return exit };
    let _ = writeln!(std::io::stdout(), "i  emulators: Exporting data to {}", target.display());
    match app.export(target).await {
        Ok(()) => {
            let _ = writeln!(std::io::stdout(), "✔  emulators: Export complete");
            exit
        }
        Err(error) => {
            let failed = fail(Exit::Data, format_args!("the export failed, a former one is as it was: {error}"));
            if matches!(exit, Exit::Done | Exit::Script(0)) { failed } else { exit }
        }
    }
}
