//! The command line: one file per command.
//!
//! Must not know: how a service works. It resolves settings, starts an [`App`], waits, and says what happened.

mod announce;
pub mod arguments;
mod descendants;
mod exec;
pub mod exit;
mod export;
mod open_files;
mod push_stream_import;
mod report;
mod rules_test;
mod service_accounts;
mod signals;
mod start;
mod users;

use self::arguments::{Arguments, Command};
use self::exit::Exit;
use crate::app::{App, StartError};
use crate::auth::OpenError;
use crate::config::resolve::{Resolved, Wishes, resolve};
use clap::Parser;
use std::fmt::Display;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Runs the command line of this process to its end.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("HEARTH_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    open_files::raise();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::System, error).into(),
    };
    let exit = runtime.block_on(run(arguments.command));
    // What still runs (a function past its limit, say) must not hold up the end.
    runtime.shutdown_background();
    exit.into()
}

async fn run(command: Command) -> Exit {
    match command {
        Command::Start(arguments) => match arguments.emulator.wishes(&arguments.common) {
            Ok(wishes) => {
                open_files::check(open_files::EMULATOR);
                let export = arguments.emulator.export_on_exit.as_ref();
                start::run(&wishes, arguments.common.ports_file.as_deref(), export).await
            }
            Err(error) => fail(Exit::System, error),
        },
        Command::Exec(arguments) => match arguments.emulator.wishes(&arguments.common) {
            Ok(wishes) => {
                let export = arguments.emulator.export_on_exit.as_ref();
                exec::run(&wishes, arguments.common.ports_file.as_deref(), &arguments.script, export).await
            }
            Err(error) => fail(Exit::System, error),
        },
        Command::Export(arguments) => export::run(&arguments).await,
        Command::AuthExport(arguments) => users::export(&arguments).await,
        Command::AuthImport(arguments) => users::import(&arguments).await,
        Command::RulesTest(arguments) => rules_test::run(&arguments),
        Command::ServiceAccountsCreate(arguments) => service_accounts::create(&arguments).await,
        Command::ServiceAccountsList(data) => service_accounts::list(&data).await,
        Command::ServiceAccountsRevoke(arguments) => service_accounts::revoke(&arguments.data, arguments.id).await,
        Command::PushStreamImport(arguments) => push_stream_import::run(&arguments.file),
        Command::Serve(arguments) => match arguments.wishes() {
            Ok(wishes) => {
                open_files::check(open_files::SELF_HOSTED);
                start::run(&wishes, arguments.common.ports_file.as_deref(), None).await
            }
            Err(error) => fail(Exit::System, error),
        },
    }
}

/// Starts what `wishes` ask for, and says so; the exit code if that fails.
async fn launch(wishes: &Wishes, ports_file: Option<&Path>) -> Result<App, Exit> {
    let Resolved { settings, warnings } = resolve(wishes).map_err(|error| fail(Exit::Config, error))?;
    announce::starting(&settings, &warnings);
    let app = App::start(settings).await.map_err(|error| fail(Exit::from(&error), error))?;
    if let Some(file) = ports_file
        && let Err(error) = announce::write_ports_file(file, app.addresses())
    {
        let path = file.display().to_string();
        app.stop().await;
        return Err(fail(Exit::System, format!("{path}: {error}")));
    }
    announce::ready(&app);
    Ok(app)
}

impl From<&StartError> for Exit {
    fn from(error: &StartError) -> Self {
        match error {
            StartError::Port { .. } | StartError::TakeOver(_) => Self::Port,
            StartError::Auth(OpenError::Carrier(_)) => Self::Config,
            StartError::Storage(_)
            | StartError::Auth(
                OpenError::Storage(_)
                | OpenError::SigningKeys(_)
                | OpenError::UnreadableKey
                | OpenError::NoKey
                | OpenError::Thread(_),
            )
            | StartError::Import(_)
            | StartError::UserEvents(_)
            | StartError::Service { .. } => Self::Data,
            StartError::Schedule(_) | StartError::Pubsub(_) | StartError::PushStream(_) | StartError::Hosted(_) => {
                Self::Config
            }
            StartError::Entropy | StartError::Secret(_) | StartError::ServiceAccount(_) => Self::System,
        }
    }
}

fn fail(exit: Exit, error: impl Display) -> Exit {
    // Standard error may be closed; there is nobody left to tell then.
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("\nError: {error}\n"));
    exit
}
