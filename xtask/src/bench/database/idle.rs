//! What a connection that does nothing costs the server.

use super::{Target, fanout};
use crate::bench::server::resident;
use crate::process::Failure;
use std::time::Duration;
use tokio::task::LocalSet;

/// The server is left alone for so long before it is weighed.
const REST: Duration = Duration::from_secs(1);

/// Bytes of resident memory for each connection: welcomed; and with a listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weighed {
    pub(super) welcomed: f64,
    pub(super) listening: f64,
}

/// Weighs `process` before and after so many have connected.
pub(super) async fn run(target: &Target, process: u32, connections: usize) -> Result<Weighed, Failure> {
    LocalSet::new()
        .run_until(async {
            tokio::time::sleep(REST).await;
            let before = resident(process);
            let each = |megabytes: f64| (megabytes - before) * 1024.0 * 1024.0 / connections as f64;
            let mut sockets = fanout::connect(target, connections).await?;
            tokio::time::sleep(REST).await;
            let welcomed = each(resident(process));
            for socket in &mut sockets {
                socket.call("q", r#"{"p":"/fan","h":""}"#).await?;
            }
            tokio::time::sleep(REST).await;
            Ok(Weighed { welcomed, listening: each(resident(process)) })
        })
        .await
        .map_err(|broken: String| broken.into())
}
