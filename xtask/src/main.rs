//! Everything that is longer than one cargo command: `cargo xtask test`, `bench`, `soak`, `crash`, `fuzz`,
//! `rules-differential`.

mod bench;
mod browser;
mod differential;
mod fuzz;
mod process;
mod test;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The project's tasks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Set up what tests need, then run all of them: format, lints, Rust, SDKs, browser.
    Test {
        /// Only this part of it.
        #[arg(long, value_enum)]
        part: Option<test::Part>,
    },
    /// Measure the release binary and print tables.
    Bench(bench::BenchArguments),
    /// Be a server that the benchmarks measure against.
    #[command(hide = true)]
    Stub {
        /// What it speaks.
        #[arg(value_enum)]
        stub: bench::Stub,
    },
    /// Be listeners of the push stream, for the benchmarks.
    #[command(hide = true)]
    Listeners(bench::ListenersArguments),
    /// Let clients come and go for long, and see that the server's memory stays where it is.
    Soak(bench::SoakArguments),
    /// Put random expressions of security rules to us and to targaryen, and explain where the answers differ.
    RulesDifferential(differential::DifferentialArguments),
    /// Give what reads bytes of strangers bytes at random.
    Fuzz(fuzz::FuzzArguments),
    /// Kill the server in the middle of writes, cut the power under the store, many times, and look for what was
    /// acknowledged.
    Crash {
        /// How many times.
        #[arg(long, default_value_t = 20)]
        rounds: u32,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Test { part } => part.map_or_else(test::all, test::one),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Stub { stub } => bench::serve_stub(stub),
        Task::Listeners(arguments) => bench::listen(arguments),
        Task::Soak(arguments) => bench::soak(&arguments),
        Task::RulesDifferential(arguments) => differential::differential(&arguments),
        Task::Fuzz(arguments) => fuzz::fuzz(&arguments),
        Task::Crash { rounds } => test::crash(rounds),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error}");
            ExitCode::FAILURE
        }
    }
}
