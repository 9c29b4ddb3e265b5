//! Listening sockets that another process had: systemd's, or those of the server that this one takes over from.
//!
//! A server offers its sockets on a Unix socket beside its data. Whoever connects there, as the same user, gets them all
//! in one message, and the server stops as if asked to; connections that come in the meantime wait in the sockets'
//! queues. The lock on the data says when the one before has let go of everything. Must not know: what is served.

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixListener;

/// The socket's name in the folder of data.
const SOCKET: &str = "take-over";
/// More sockets than this no server has.
const MOST: usize = 32;
/// The longest message: a name for each socket.
const MESSAGE_BYTES: usize = 4096;
/// A server that runs answers at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// After an accept that failed, this long until the next.
const PAUSE: Duration = Duration::from_millis(50);

/// Sockets that were listened on before this process was.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<(Option<String>, TcpListener)>,
    taken_over: bool,
}

impl Inherited {
    /// What systemd has passed on (`LISTEN_FDS`): without names, each is its port's.
    ///
    /// # Errors
    /// What was passed on is no listening TCP socket.
    pub fn from_system() -> io::Result<Self> {
        let mut passed = listenfd::ListenFd::from_env();
        let mut inherited = Self::default();
        for index in 0..passed.len() {
            inherited.sockets.extend(passed.take_tcp_listener(index)?.map(|socket| (None, socket)));
        }
        Ok(inherited)
    }

    /// Asks the server that works on the data in `folder` for its sockets. It stops then. Nothing happens if there is
    /// none.
    ///
    /// # Errors
    /// It does not answer, or not as it should.
    pub fn take_over(&mut self, folder: &Path) -> io::Result<()> {
        let stream = match UnixStream::connect(folder.join(SOCKET)) {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        for (name, socket) in receive(&stream)? {
            self.sockets.push((Some(name), TcpListener::from(socket)));
        }
        self.taken_over = true;
        Ok(())
    }

    /// Whether another server is stopping, whose data is to be waited for.
    pub fn is_taken_over(&self) -> bool {
        self.taken_over
    }

    /// Those that are called `name`, or have no name and listen on `port`.
    pub fn take(&mut self, name: &str, port: u16) -> Vec<TcpListener> {
        let is_its = |(known, socket): &(Option<String>, TcpListener)| match known {
            Some(known) => known == name,
            None => socket.local_addr().is_ok_and(|address| address.port() == port),
        };
        let (taken, left) = std::mem::take(&mut self.sockets).into_iter().partition(is_its);
        self.sockets = left;
        let taken: Vec<(Option<String>, TcpListener)> = taken;
        taken.into_iter().map(|(_, socket)| socket).collect()
    }
}

/// The sockets of a server, for the one that takes over.
#[derive(Debug)]
pub struct Offer {
    path: PathBuf,
    listener: UnixListener,
    sockets: Vec<(String, OwnedFd)>,
}

impl Offer {
    /// Offers copies of sockets in `folder`, which must be this process's alone.
    ///
    /// # Errors
    /// The socket cannot be made, as where the folder's path is too long for one.
    pub fn new(folder: &Path, sockets: Vec<(String, OwnedFd)>) -> io::Result<Self> {
        let path = folder.join(SOCKET);
        // What a killed server has left.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        Ok(Self { listener: UnixListener::bind(&path)?, path, sockets })
    }

    /// Returns once another server has the sockets.
    pub async fn accepted(&self) {
        loop {
            match self.hand_over().await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%error, "nobody could take over");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn hand_over(&self) -> io::Result<()> {
        let (stream, _) = self.listener.accept().await?;
        if stream.peer_cred()?.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        send(&stream, &self.sockets)
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        // Before the data is let go of: the next server's socket has the same name.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn send(stream: &UnixStream, sockets: &[(String, OwnedFd)]) -> io::Result<()> {
    let names: Vec<&str> = sockets.iter().map(|(name, _)| name.as_str()).collect();
    let names = serde_json::to_vec(&names)?;
    let sockets: Vec<_> = sockets.iter().map(|(_, socket)| socket.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if names.len() > MESSAGE_BYTES || !control.push(SendAncillaryMessage::ScmRights(&sockets)) {
        return Err(io::Error::other("there are too many sockets to hand over"));
    }
    sendmsg(stream, &[IoSlice::new(&names)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn receive(stream: &UnixStream) -> io::Result<Vec<(String, OwnedFd)>> {
    let mut message = vec![0; MESSAGE_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(stream, &mut [IoSliceMut::new(&mut message)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut sockets = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = part {
            sockets.extend(descriptors);
        }
    }
    let names: Vec<String> = serde_json::from_slice(message.get(..received.bytes).unwrap_or_default())?;
    if names.len() != sockets.len() {
        return Err(io::Error::other("the server that runs hands over something else"));
    }
    Ok(names.into_iter().zip(sockets).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").unwrap()
    }

    #[tokio::test]
    async fn sockets_go_over_with_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let sockets = [("a", socket()), ("b", socket()), ("a", socket())];
        let ports = sockets.each_ref().map(|(_, socket)| socket.local_addr().unwrap().port());
        let offered = sockets.map(|(name, socket)| (name.to_owned(), OwnedFd::from(socket)));
        let offer = Offer::new(folder.path(), offered.into()).unwrap();
        let taking = folder.path().to_path_buf();
        let taker = tokio::task::spawn_blocking(move || {
            let mut inherited = Inherited::default();
            inherited.take_over(&taking).unwrap();
            inherited
        });
        offer.accepted().await;
        let mut inherited = taker.await.unwrap();
        drop(offer);
        assert!(inherited.is_taken_over());
        let port = |socket: &TcpListener| socket.local_addr().unwrap().port();
        assert_eq!(inherited.take("a", 0).iter().map(port).collect::<Vec<_>>(), [ports[0], ports[2]]);
        assert_eq!(inherited.take("b", ports[0]).iter().map(port).collect::<Vec<_>>(), [ports[1]]);
        assert!(inherited.take("a", 0).is_empty());
    }

    #[test]
    fn where_nobody_runs_nothing_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut inherited = Inherited::default();
        inherited.take_over(folder.path()).unwrap();
        assert!(!inherited.is_taken_over());
        inherited.sockets.push((None, socket()));
        let port = inherited.sockets[0].1.local_addr().unwrap().port();
        assert_eq!((inherited.take("x", 0).len(), inherited.take("x", port).len()), (0, 1));
    }
}
