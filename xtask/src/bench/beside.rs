//! Another server that answers the two calls, at URLs that a file names; who runs it, and what it is made of, is not
//! known here.

use super::functions::Contender;
use crate::process::Failure;
use serde::Deserialize;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    name: String,
    start_session: String,
    push_update: String,
    tokens: PathBuf,
    processes: Vec<u32>,
}

/// The server that `file` describes; paths in it count from its folder.
pub(super) fn read(file: &Path) -> Result<Contender, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let described: File = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    let tokens = file.parent().unwrap_or(Path::new("")).join(described.tokens);
    let tokens = std::fs::read_to_string(&tokens).map_err(|error| format!("{}: {error}", tokens.display()))?;
    Ok(Contender {
        name: described.name,
        start_session: target(&described.start_session)?,
        push_update: target(&described.push_update)?,
        tokens: tokens.lines().map(|token| format!("Bearer {token}")).collect(),
        processes: described.processes,
    })
}

/// Address and path of a plain `http://host:port/path`.
fn target(url: &str) -> Result<(SocketAddr, String), Failure> {
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("not an http:// URL: {url}"))?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address = authority.to_socket_addrs()?.next().ok_or_else(|| format!("no address: {url}"))?;
    Ok((address, format!("/{path}")))
}
