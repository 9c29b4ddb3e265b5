//! Running other programs: said aloud, and an error if they fail.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What went wrong, for a person to read.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// The workspace's directory.
pub(crate) fn root() -> PathBuf {
    // xtask's own directory is one below it.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// A command that runs in `directory` below the workspace.
pub(crate) fn command(program: &str, arguments: &[&str], directory: &str) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root().join(directory));
    command
}

/// Runs it, with its output for all to see.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words = words.join(" ");
    println!("\n$ {words}");
    let status = command.status().map_err(|error| format!("cannot run `{words}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{words}` failed: {status}").into()) }
}

/// Runs cargo in the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Result<(), Failure> {
    run(&mut command(env!("CARGO"), arguments, ""))
}
