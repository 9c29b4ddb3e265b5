//! The `hearth` binary.

use std::process::ExitCode;

/// Many small allocations on many threads are what a server does; the system's allocator is slower at them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hearth::cli::main()
}
