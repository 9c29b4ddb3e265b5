//! Ports, taken before anything is promised.

#[cfg(target_os = "linux")]
use nix::sys::socket::{setsockopt, sockopt::TcpUserTimeout};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tokio::net::{TcpListener, lookup_host};

/// A connection whose peer acknowledges nothing of what it was sent, or has room for nothing, ends after this long. The
/// system alone would try for a quarter of an hour, in which who has vanished would still be there.
pub const VANISHED: Duration = Duration::from_secs(120);

/// A port that is ours, on every address that was asked for.
#[derive(Debug)]
pub struct Bound {
    /// The address to tell others, an IPv4 one where there is a choice.
    pub address: SocketAddr,
    /// All sockets of this port.
    pub(super) listeners: Vec<TcpListener>,
}

impl Bound {
    /// Copies of its sockets, to be handed over.
    ///
    /// # Errors
    /// The process has no file descriptors left.
    pub fn copies(&self) -> io::Result<Vec<OwnedFd>> {
        self.listeners.iter().map(|listener| listener.as_fd().try_clone_to_owned()).collect()
    }

    /// Every address that is listened on.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }
}

/// The port of these sockets, whose connections inherit what is set here.
fn bound(address: SocketAddr, listeners: Vec<TcpListener>) -> Bound {
    // Where it cannot be set the system's own patience remains.
    #[cfg(target_os = "linux")]
    for listener in &listeners {
        let _ = setsockopt(listener, TcpUserTimeout, &u32::try_from(VANISHED.as_millis()).unwrap_or(u32::MAX));
    }
    Bound { address, listeners }
}

/// A port that another process has listened on until now.
///
/// # Errors
/// There is no socket, or it cannot be used.
pub fn inherit(sockets: Vec<std::net::TcpListener>) -> io::Result<Bound> {
    let mut listeners = Vec::with_capacity(sockets.len());
    for socket in sockets {
        socket.set_nonblocking(true)?;
        listeners.push(TcpListener::from_std(socket)?);
    }
    let addresses: Vec<_> = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    let address = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    Ok(bound(*address.ok_or(io::ErrorKind::NotFound)?, listeners))
}

/// Takes `port` (0: any free one) on `host`. `localhost` means both loopback addresses: clients differ in which of the
/// two they try, and `::1` is left out only where the machine has no IPv6.
///
/// # Errors
/// The name is unknown or the port is taken.
pub async fn bind(host: &str, port: u16) -> io::Result<Bound> {
    let (first, also) = match host {
        "localhost" | "127.0.0.1" => (IpAddr::V4(Ipv4Addr::LOCALHOST), Some(IpAddr::V6(Ipv6Addr::LOCALHOST))),
        _ => (resolve(host).await?, None),
    };
    // A free port of the first address may be taken on the second one: then another is drawn.
    let mut attempts = if port == 0 { 20 } else { 1 };
    loop {
        attempts -= 1;
        let listener = TcpListener::bind((first, port)).await?;
        let address = listener.local_addr()?;
        let mut listeners = vec![listener];
        if let Some(also) = also {
            match TcpListener::bind((also, address.port())).await {
                Ok(second) => listeners.push(second),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    if attempts > 0 {
                        continue;
                    }
                    return Err(error);
                }
                Err(_) => {}
            }
        }
        return Ok(bound(address, listeners));
    }
}

async fn resolve(host: &str) -> io::Result<IpAddr> {
    if let Ok(address) = host.trim_matches(['[', ']']).parse() {
        return Ok(address);
    }
    lookup_host((host, 0))
        .await?
        .next()
        .map(|address| address.ip())
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the host name has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpStream;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn connections_whose_peer_has_vanished_end() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        for bound in [bind("localhost", 0).await.unwrap(), inherit(vec![listener]).unwrap()] {
            for (listener, address) in bound.listeners.iter().zip(bound.addresses()) {
                let (_client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
                let (accepted, _) = accepted.unwrap();
                assert_eq!(nix::sys::socket::getsockopt(&accepted, TcpUserTimeout).unwrap(), 120_000);
            }
        }
    }

    #[tokio::test]
    async fn port_zero_is_a_free_one_on_both_loopbacks() {
        let bound = bind("localhost", 0).await.unwrap();
        assert!(bound.address.is_ipv4() && bound.address.port() != 0);
        assert!(bound.addresses().iter().all(|address| address.port() == bound.address.port()));
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error() {
        let bound = bind("127.0.0.1", 0).await.unwrap();
        let again = bind("127.0.0.1", bound.address.port()).await;
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
