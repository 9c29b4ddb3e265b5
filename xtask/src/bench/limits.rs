//! What this machine can do at most: how often the disk syncs, and how often the load generator itself goes round.

use super::load;
use crate::process::{Failure, root};
use std::io::Write;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Appends of 4 KB a second, each synced before the next.
pub(super) fn syncs_per_second(duration: Duration) -> Result<f64, Failure> {
    let mut file = tempfile::tempfile_in(root().join("target"))?;
    let (started, mut syncs) = (Instant::now(), 0);
    while started.elapsed() < duration {
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        syncs += 1;
    }
    Ok(f64::from(syncs) / started.elapsed().as_secs_f64())
}

/// Requests a second against a server that answers fixed bytes to whatever it reads, on a thread of its own.
pub(super) async fn round_trips(
    request: Vec<u8>,
    connections: usize,
    duration: Duration,
) -> Result<load::Run, Failure> {
    let address = fixed_server()?;
    load::run(address, Rc::new(vec![request]), connections, duration, 200).await
}

/// The thread ends with the process.
fn fixed_server() -> Result<SocketAddr, Failure> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(async move {
                    let mut buffer = vec![0; 16 * 1024];
                    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
    });
    Ok(address)
}
