//! The official emulators, measured the same way; installed from npm below target/, and only when asked for.

use super::Samples;
use super::server::resident;
use crate::process::{Failure, command, root, run};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const FUNCTION: &str = "exports.hello = require('firebase-functions/v1').https.onRequest((request, response) => response.send('hello'));\n";
const READY: &str = "All emulators ready!";

/// A row of the start-up table: Auth and Functions, the two that need no JVM.
pub(super) async fn startup(runs: usize) -> Result<Vec<String>, Failure> {
    let folder = install()?;
    let (mut ready, mut memory) = (Samples::default(), Samples::default());
    for _ in 0..runs {
        let started = Instant::now();
        let mut child = Command::new("node")
            .args([
                "node_modules/.bin/firebase",
                "emulators:start",
                "--only",
                "auth,functions",
                "--project",
                "demo-peer",
            ])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let mut seen = false;
        for line in BufReader::new(output).lines() {
            if line?.contains(READY) {
                seen = true;
                break;
            }
        }
        ready.add(started.elapsed().as_secs_f64() * 1000.0);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let group = i32::try_from(child.id())?;
        memory.add(group_members(group).into_iter().map(resident).sum());
        nix::sys::signal::killpg(nix::unistd::Pid::from_raw(group), nix::sys::signal::Signal::SIGKILL)?;
        child.wait()?;
        if !seen {
            return Err("the official emulators did not start".into());
        }
    }
    Ok(vec!["official emulators, auth and functions".to_owned(), ready.show(0), memory.show(0)])
}

fn install() -> Result<PathBuf, Failure> {
    let folder = root().join("target/peer");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(
        folder.join("package.json"),
        r#"{"name": "peer", "private": true, "main": "index.js", "engines": {"node": "20"},
            "dependencies": {"firebase-tools": "15.34.2", "firebase-functions": "7.4.0", "firebase-admin": "13.10.0"}}"#,
    )?;
    std::fs::write(folder.join("index.js"), FUNCTION)?;
    std::fs::write(
        folder.join("firebase.json"),
        r#"{"functions": {"source": "."}, "emulators": {"auth": {"port": 19099}, "functions": {"port": 15001},
            "hub": {"port": 14400}, "logging": {"port": 14500}, "ui": {"enabled": false}}}"#,
    )?;
    run(&mut command("npm", &["install", "--no-fund", "--no-audit"], "target/peer"))?;
    Ok(folder)
}

/// The processes of a group.
fn group_members(group: i32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            let (_, after_name) = stat.rsplit_once(')')?;
            (after_name.split_ascii_whitespace().nth(2)?.parse() == Ok(group)).then_some(id)
        })
        .collect()
}
