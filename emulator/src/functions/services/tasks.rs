//! Work that nobody waits for.

use futures_util::future::BoxFuture;
use hearth_functions::ports::Tasks;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Tasks of their own, until the server stops.
#[derive(Clone, Debug)]
pub struct Background {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Background {
    /// They are counted among `tasks` and given up at `stop`.
    pub fn new(tasks: TaskTracker, stop: CancellationToken) -> Self {
        Self { tasks, stop }
    }
}

impl Tasks for Background {
    fn spawn(&self, work: BoxFuture<'static, ()>) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = work => {}
                () = stop.cancelled() => {}
            }
        });
    }
}
