//! Programs of `emulator/benches` that measure from within: built, run, and what they print read. Each figure comes from
//! a process of its own. Must not know: what is measured.

use crate::process::{Failure, command};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A program that measures.
pub(super) struct Program(PathBuf);

/// What it printed: a name and a number on each line.
pub(super) struct Figures(HashMap<String, f64>);

impl Figures {
    pub(super) fn get(&self, name: &str) -> Result<f64, Failure> {
        self.0.get(name).copied().ok_or_else(|| format!("the benchmark did not print {name}").into())
    }
}

impl Program {
    /// Builds it; where it lies is known to cargo alone.
    pub(super) fn build(name: &str, release: bool) -> Result<Self, Failure> {
        let mut cargo = command(
            env!("CARGO"),
            &["build", "--package", "hearth", "--bench", name, "--message-format", "json-render-diagnostics"],
            "",
        );
        if release {
            cargo.arg("--release");
        }
        let output = cargo.stderr(Stdio::inherit()).output()?;
        let text = String::from_utf8(output.stdout)?;
        let built = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|message| {
            let is_it = message.pointer("/target/kind/0")? == "bench" && message.pointer("/target/name")? == name;
            is_it.then(|| message.get("executable")?.as_str().map(|path| Path::new(path).to_path_buf()))?
        });
        built.map(Self).ok_or_else(|| "cargo built no benchmark".into())
    }

    /// Runs it where the calling thread runs.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<Figures, Failure> {
        let output = std::process::Command::new(&self.0).args(arguments).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(format!("{} failed: {}", arguments.join(" "), output.status).into());
        }
        let text = String::from_utf8(output.stdout)?;
        let figures = text.lines().filter_map(|line| {
            let (name, figure) = line.split_once(' ')?;
            Some((name.to_owned(), figure.parse().ok()?))
        });
        Ok(Figures(figures.collect()))
    }
}
