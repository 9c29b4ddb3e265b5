//! `emulators:start` and `serve`: run until a signal.

use super::exit::Exit;
use super::{launch, signals};
use crate::config::resolve::Wishes;
use std::path::Path;

/// Runs until the first SIGINT or SIGTERM, or until another server takes over.
pub(super) async fn run(wishes: &Wishes, ports_file: Option<&Path>) -> Exit {
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
    app.stop().await;
    Exit::Done
}
