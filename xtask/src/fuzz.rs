//! `cargo xtask fuzz`: what reads bytes of strangers is given bytes at random, guided by what they reach.
//!
//! libFuzzer is linked to code that counts which of its edges were taken. The compiler can do that without its nightly
//! features; what it lacks is the address sanitizer, which safe code does not need. Inputs that reach something new are
//! kept below `target/fuzz`, between runs as well; those that find something are kept and named.

use crate::process::{Failure, command, root, run};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Each has a folder of inputs to begin with in `tests/corpus/fuzz`.
const TARGETS: [&str; 10] =
    ["accounts", "cases", "conditions", "frames", "json", "passkeys", "paths", "rest", "rules", "tokens"];
/// Need the whole server, which takes long to build.
const OF_THE_SERVER: [&str; 2] = ["accounts", "rest"];
/// Count edges, and show what is compared with what.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// What to give random bytes to, and for how long.
#[derive(Debug, Args)]
pub(crate) struct FuzzArguments {
    /// One of accounts, cases, conditions, frames, json, paths, rest, rules, tokens; all if none is named.
    target: Option<String>,
    /// For how long each.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Inputs have at most so many bytes.
    #[arg(long, default_value_t = 4096)]
    longest: u32,
}

/// Runs the targets one after the other.
pub(crate) fn fuzz(arguments: &FuzzArguments) -> Result<(), Failure> {
    let targets = match &arguments.target {
        None => TARGETS.to_vec(),
        Some(name) => match TARGETS.iter().find(|known| *known == name) {
            Some(known) => vec![*known],
            None => return Err(format!("no target {name:?}; there are {}", TARGETS.join(", ")).into()),
        },
    };
    fuzz_all(&targets, arguments)
}

/// A few seconds of each target that is quickly built. The tests have given every target its corpus already, so that a
/// machine that cannot build them lacks little.
pub(crate) fn short_round() -> Result<(), Failure> {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let compiles = Command::new(compiler).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !cfg!(target_os = "linux") || !compiles.is_ok_and(|status| status.success()) {
        println!("fuzz: left out, as it needs Linux and a C++ compiler");
        return Ok(());
    }
    let targets: Vec<_> = TARGETS.into_iter().filter(|target| !OF_THE_SERVER.contains(target)).collect();
    fuzz_all(&targets, &FuzzArguments { target: None, seconds: 5, longest: 4096 })
}

fn fuzz_all(targets: &[&str], arguments: &FuzzArguments) -> Result<(), Failure> {
    let binary = build(targets.iter().any(|target| OF_THE_SERVER.contains(target)))?;
    targets.iter().try_for_each(|target| fuzz_one(&binary, target, arguments))
}

fn build(with_server: bool) -> Result<PathBuf, Failure> {
    // Named, so that build scripts and macros are built without the flags.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let arguments = ["build", "--package", "hearth-fuzz", "--features", "libfuzzer", "--profile", "fuzz"];
    let less: &[&str] = if with_server { &[] } else { &["--no-default-features"] };
    let place = ["--target", &platform, "--target-dir", "target/fuzz"];
    run(command(env!("CARGO"), &[&arguments[..], less, &place[..]].concat(), "").env("RUSTFLAGS", FLAGS))?;
    Ok(root().join("target/fuzz").join(platform).join("fuzz/hearth-fuzz"))
}

fn fuzz_one(binary: &Path, target: &str, arguments: &FuzzArguments) -> Result<(), Failure> {
    let kept = root().join("target/fuzz/corpus").join(target);
    let found = root().join("target/fuzz/found");
    fs::create_dir_all(&kept)?;
    fs::create_dir_all(&found)?;
    let (kept, seeds) = (kept.to_string_lossy().into_owned(), format!("tests/corpus/fuzz/{target}"));
    let options = [
        format!("-max_total_time={}", arguments.seconds),
        format!("-max_len={}", arguments.longest),
        // One input may take so many seconds, and the whole so many MB.
        "-timeout=10".to_owned(),
        "-rss_limit_mb=2048".to_owned(),
        "-print_final_stats=1".to_owned(),
        "-verbosity=0".to_owned(),
        format!("-artifact_prefix={}/{target}-", found.display()),
    ];
    let mut words: Vec<&str> = options.iter().map(String::as_str).collect();
    words.extend([kept.as_str(), seeds.as_str()]);
    run(command(&binary.to_string_lossy(), &words, "").env("HEARTH_FUZZ_TARGET", target))
}
