//! `emulators:exec`: a script beside the emulators, with the environment that SDKs look at.

use super::exit::Exit;
use super::{descendants, export, fail, launch, signals};
use crate::app::App;
use crate::config::resolve::Wishes;
use crate::config::service::Service;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::json;
use std::io::{self, IsTerminal, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::{Child, Command};

/// A script that was told to stop has this long before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Starts everything, runs `script`, exports if that is asked for, stops everything; the script's exit code is ours.
pub(super) async fn run(
    wishes: &Wishes,
    ports_file: Option<&Path>,
    script: &str,
    export_on_exit: Option<&Option<PathBuf>>,
) -> Exit {
    let target = match export::on_exit(export_on_exit, wishes.import.as_deref(), &wishes.directory) {
        Ok(target) => target,
        Err(exit) => return exit,
    };
    let mut stop = match signals::Stop::listen() {
        Ok(stop) => stop,
        Err(error) => return fail(Exit::System, error),
    };
    descendants::adopt();
    let app = match launch(wishes, ports_file).await {
        Ok(app) => app,
        Err(exit) => return exit,
    };
    say(format_args!("i  Running script: {script}"));
    let exit = match spawn(script, &environment(&app, wishes)) {
        Ok(mut running) => match running.wait(&mut stop).await {
            Ok(status) => report(status),
            Err(error) => fail(Exit::System, error),
        },
        Err(error) => fail(Exit::System, format!("cannot start a shell: {error}")),
    };
    let exit = export::then(&app, target.as_deref(), exit).await;
    app.stop().await;
    descendants::end().await;
    exit
}

/// The script's process, or a group of it and all that it starts.
struct Running {
    child: Child,
    group: Option<Pid>,
}

fn spawn(script: &str, environment: &[(String, String)]) -> io::Result<Running> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).envs(environment.iter().map(|(name, value)| (name, value)));
    // At a terminal the script stays in our group, so that it may read keys and gets Ctrl-C itself.
    let own_group = !io::stdin().is_terminal();
    if own_group {
        command.process_group(0);
    }
    let child = command.spawn()?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw).filter(|_| own_group);
    Ok(Running { child, group })
}

impl Running {
    /// Waits for the script. A signal to us is passed on; a script that does not heed it is killed.
    async fn wait(&mut self, stop: &mut signals::Stop) -> io::Result<ExitStatus> {
        let signal = tokio::select! {
            status = self.child.wait() => return status,
            signal = stop.requested() => signal,
        };
        self.signal(signal);
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => status,
            Err(_) => {
                self.signal(Signal::SIGKILL);
                self.child.wait().await
            }
        }
    }

    fn signal(&self, signal: Signal) {
        // An error means that the process has ended already.
        let _ = match (self.group, self.child.id().and_then(|id| i32::try_from(id).ok())) {
            (Some(group), _) => killpg(group, signal),
            (None, Some(id)) => kill(Pid::from_raw(id), signal),
            (None, None) => Ok(()),
        };
    }
}

impl Drop for Running {
    /// What the script left behind in its group goes with it.
    fn drop(&mut self) {
        if let Some(group) = self.group {
            let _ = killpg(group, Signal::SIGTERM);
        }
    }
}

fn report(status: ExitStatus) -> Exit {
    // A shell reports a signal as 128 and its number.
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    let code = u8::try_from(code).unwrap_or(u8::MAX);
    if code == 0 {
        say(format_args!("✔  Script exited successfully (code 0)"));
    } else {
        say(format_args!("⚠  Script exited unsuccessfully (code {code})"));
    }
    Exit::Script(code)
}

fn say(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// The variables by which SDKs and tools find the emulators, named as the official suite names them.
fn environment(app: &App, wishes: &Wishes) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for (service, addresses) in app.addresses() {
        let Some(address) = addresses.first() else { continue };
        let name = match service {
            Service::Auth => "FIREBASE_AUTH_EMULATOR_HOST",
            Service::Database => "FIREBASE_DATABASE_EMULATOR_HOST",
            Service::Hub => "FIREBASE_EMULATOR_HUB",
            // The official suite has no variables for these.
            Service::Functions => "FUNCTIONS_EMULATOR_HOST",
            Service::PushStream => "PUSH_STREAM_EMULATOR_HOST",
            Service::Presence => "PRESENCE_EMULATOR_HOST",
            Service::Signal => "SIGNAL_EMULATOR_HOST",
            Service::Gateway => "GATEWAY_EMULATOR_HOST",
            Service::Chat => "CHAT_EMULATOR_HOST",
        };
        variables.push((name.to_owned(), address.to_string()));
    }
    let project = app.project();
    let config = json!({
        "projectId": project,
        "storageBucket": format!("{project}.appspot.com"),
        "databaseURL": format!("https://{project}.firebaseio.com"),
    });
    for (name, value) in [("GCLOUD_PROJECT", project.to_owned()), ("FIREBASE_CONFIG", config.to_string())] {
        if !wishes.environment.contains_key(name) {
            variables.push((name.to_owned(), value));
        }
    }
    variables
}
