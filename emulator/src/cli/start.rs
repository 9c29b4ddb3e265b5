//! `emulators:start` and `serve`: run until a signal.

use super::exit::Exit;
use super::{export, launch, signals};
use crate::config::resolve::Wishes;
use std::path::{Path, PathBuf};

/// Runs until the first SIGINT or SIGTERM; then exports, if that is asked for.
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
    let signal = stop.requested().await;
    super::announce::stopping(signal);
    let exit = export::then(&app, target.as_deref(), Exit::Done).await;
    app.stop().await;
    exit
}
