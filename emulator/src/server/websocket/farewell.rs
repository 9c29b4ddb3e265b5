//! How a connection is closed by the server: with a reason, and without waiting for a client that does not answer.
//!
//! Must not know: why.

use super::{CloseCode, WebSocket};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// So long a client may take to read what was written before a close, and to agree to it.
const FAREWELL: Duration = Duration::from_secs(10);
/// The same when the server stops, within its budget.
const LAST_FAREWELL: Duration = Duration::from_millis(250);

impl WebSocket {
    /// Writes what is queued, closes, and waits a moment for the client to agree; a shorter one once the server is to
    /// `stop`. Without a `reason` the close bears no code either.
    pub(crate) async fn farewell(&mut self, reason: Option<(CloseCode, &str)>, stop: &CancellationToken) {
        let last = async {
            stop.cancelled().await;
            tokio::time::sleep(LAST_FAREWELL).await;
        };
        // Whoever does not answer is left.
        tokio::select! {
            () = self.close(reason) => {}
            () = last => {}
            () = tokio::time::sleep(FAREWELL) => {}
        }
    }
}
