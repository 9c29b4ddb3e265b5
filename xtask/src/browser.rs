//! A browser for the tests: the one that is there, or Debian's Chromium.

use crate::process::{Failure, command, run};
use std::path::PathBuf;

/// Where Chromium is usually found.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The browser's path; installs one where that can be done without asking (Debian, as root).
pub(crate) fn find_or_install() -> Result<PathBuf, Failure> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let installed = run(&mut command("apt-get", &["update", "-q"], "")).and_then(|()| {
        run(command("apt-get", &["install", "-q", "-y", "--no-install-recommends", "chromium"], "")
            .env("DEBIAN_FRONTEND", "noninteractive"))
    });
    find().ok_or_else(|| {
        let cause = installed.err().map_or_else(String::new, |error| format!(" ({error})"));
        format!("no browser{cause}: install Chromium or Chrome, or name one in CHROME_PATH").into()
    })
}

fn find() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("CHROME_PATH") {
        return Some(PathBuf::from(given));
    }
    let on_mac = PathBuf::from("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome");
    if on_mac.is_file() {
        return Some(on_mac);
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name))).find(|file| file.is_file())
}
