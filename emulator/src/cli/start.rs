//! `emulators:start` and `serve`: run until a signal.

use super::exit::Exit;
use super::{export, launch, signals};
use crate::config::resolve::Wishes;
use std::path::{Path, PathBuf};

/// Runs until the first SIGINT or SIGTERM, or until another server takes over; then exports, if that is asked for.
pub(super) async fn run(wishes: &Wishes, ports_file: Option<&Path>, export_on_exit: Option<&Option<PathBuf>>) -> Exit {
    let target = match export::on_exit(export_on_exit, wishes.import.as_deref(), &wishes.directory) {
        Ok(target) => target,
        Err(exit) => return exit,
    };
    // From here on a signal is noticed, also one that comes while everything starts.
    let mut stop = match signals::Stop::listen() {
        Ok(stop) => stop,
        Err(error) => return super::fail(Exit::System, error),
    };
    let app = match launch(wishes, ports_file).await {
        Ok(app) => app,
        Err(exit) => return exit,
    };
    tokio::select! {
        signal = stop.requested() => super::announce::stopping(signal),
        () = app.taken_over() => super::announce::taken_over(),
    }
    let exit = export::then(&app, target.as_deref(), Exit::Done).await;
    app.stop().await;
    exit
}
