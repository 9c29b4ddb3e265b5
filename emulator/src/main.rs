//! The `hearth` binary.

use std::process::ExitCode;

/// What one thread allocates another one frees, from request to writer and back: the system's allocator takes half as
/// much time again for that. Without huge pages, which would double the memory of an idle process.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hearth::cli::main()
}
