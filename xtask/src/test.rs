//! `cargo xtask test`: all tests, and before them what they need.

use crate::process::{Failure, cargo, command, root, run};
use crate::{bench, browser, differential, fuzz};
use std::ffi::OsStr;

/// A part of the tests, in the order in which they run.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Part {
    /// Format, lints and the tests in Rust.
    Rust,
    /// The official SDKs and a browser against the binary.
    Sdk,
    /// Random security rules, beside targaryen.
    Rules,
    /// A short round of every benchmark, with the debug binary.
    Bench,
    /// A short round of every fuzz target.
    Fuzz,
}

/// Runs everything that has to pass.
pub(crate) fn all() -> Result<(), Failure> {
    [Part::Rust, Part::Sdk, Part::Rules, Part::Bench, Part::Fuzz].into_iter().try_for_each(one)
}

/// Runs one part, and builds what it needs.
pub(crate) fn one(part: Part) -> Result<(), Failure> {
    let build = || cargo(&["build", "--package", "hearth"]);
    match part {
        Part::Rust => {
            cargo(&["fmt", "--all", "--check"])?;
            cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
            cargo(&["test", "--workspace"])
        }
        Part::Sdk => build().and_then(|()| sdks()),
        Part::Rules => differential::short_round(),
        Part::Bench => build().and_then(|()| bench::short_round()),
        Part::Fuzz => fuzz::short_round(),
    }
}

/// The official SDKs and a browser against the real binary.
fn sdks() -> Result<(), Failure> {
    let chrome = browser::find_or_install()?;
    run_in_sdk("npm", &["ci", "--no-fund", "--no-audit"], &[])?;
    let binary = root().join("target/debug/hearth");
    let mut environment = vec![("HEARTH_BIN", binary.as_os_str()), ("CHROME_PATH", chrome.as_os_str())];
    // A real recording is used where one lies beside the checkout.
    let recording = root().join("../shared/data/pogify-session.json");
    if recording.is_file() {
        environment.push(("HEARTH_PLAYBACK_SESSION", recording.as_os_str()));
    }
    run_in_sdk("npm", &["test"], &environment)
}

fn run_in_sdk(program: &str, arguments: &[&str], environment: &[(&str, &OsStr)]) -> Result<(), Failure> {
    run(command(program, arguments, "tests/sdk").envs(environment.iter().copied()))
}

/// Kills the server in the middle of writes `rounds` times, then cuts the power under the store ten times as often in
/// each way, which is quicker; `cargo xtask test` does both a few times.
pub(crate) fn crash(rounds: u32) -> Result<(), Failure> {
    let test = |arguments: &[&str], variable: &str, rounds: u32| {
        let arguments = [&["test", "--package"][..], arguments, &["--", "--nocapture"][..]].concat();
        run(command(env!("CARGO"), &arguments, "").env(variable, rounds.to_string()))
    };
    test(&["hearth-tests", "--test", "suite", "crash"], "HEARTH_CRASH_ROUNDS", rounds)?;
    test(&["hearth", "--lib", "store::power"], "HEARTH_POWER_ROUNDS", rounds.saturating_mul(10))
}
