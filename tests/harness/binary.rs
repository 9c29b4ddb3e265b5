//! The `hearth` binary, built where the tests of this package find it.

fn main() -> std::process::ExitCode {
    hearth::cli::main()
}
