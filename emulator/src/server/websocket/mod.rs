//! The server's end of WebSockets (RFC 6455), on the sockets themselves.
//!
//! A library reads: it puts messages together, and answers pings and closes. What is sent goes to the socket as it is,
//! its frame's head before it and several frames at a time, so that a text for thousands is copied for none of them.
//! Reading order: `handshake`, this file, `stall`, `farewell`. Must not know: what the messages say.

mod farewell;
mod handshake;
mod stall;
#[cfg(test)]
mod tests;

pub(crate) use handshake::Handshake;
pub(crate) use tungstenite::Utf8Bytes;
pub(crate) use tungstenite::protocol::frame::coding::CloseCode;

use bytes::Bytes;
use stall::Stall;
use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::TcpStream;
use tungstenite::error::ProtocolError;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

/// What is read at once. An idle connection keeps so much.
const READ_BYTES: usize = 1024;
/// So many frames are handed to the system at once.
const TOGETHER: usize = 16;
/// A frame of so many bytes is copied behind its head.
const COPIED: usize = 512;
/// The longest head of a frame that is not masked.
const HEAD_BYTES: usize = 10;
/// The first byte of a frame that is a whole text, and of one that is a ping.
const TEXT: u8 = 0x81;
const PING: u8 = 0x89;

/// One client's connection.
#[derive(Debug)]
pub(crate) struct WebSocket {
    stream: TcpStream,
    library: WebSocketContext,
    waiting: VecDeque<Frame>,
    /// Bytes in `waiting`, without heads.
    queued: usize,
    /// So many bytes of the first frame, with its head, have been written.
    written: usize,
    /// The library may have something to send: what answers a ping or a close.
    owes: bool,
    /// Watches for a client that reads nothing.
    stall: Stall,
}

/// What a client has sent.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A whole text.
    Text(Utf8Bytes),
    /// A message of bytes, which no protocol here has.
    Binary,
    /// A sign of life.
    Alive,
}

/// Why nothing more can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The client has closed, or the connection is lost.
    Gone,
    /// The client has broken the protocol.
    Broken,
    /// A message is longer than may be.
    TooLong,
    /// A text is not UTF-8.
    NotText,
    /// It has read nothing of what waits for it for longer than it may.
    Stalled,
}

/// A frame that waits to be written.
#[derive(Debug)]
struct Frame {
    head: [u8; HEAD_BYTES],
    head_length: usize,
    payload: Bytes,
}

impl Frame {
    fn new(first: u8, payload: Bytes) -> Self {
        let [a, b, c, d, e, f, g, h] = (payload.len() as u64).to_be_bytes();
        let (head, head_length) = match payload.len() {
            ..126 => ([first, h, 0, 0, 0, 0, 0, 0, 0, 0], 2),
            126..0x1_0000 => ([first, 126, g, h, 0, 0, 0, 0, 0, 0], 4),
            0x1_0000.. => ([first, 127, a, b, c, d, e, f, g, h], HEAD_BYTES),
        };
        Self { head, head_length, payload }
    }

    fn head(&self) -> &[u8] {
        self.head.get(..self.head_length).unwrap_or_default()
    }

    fn len(&self) -> usize {
        self.head_length + self.payload.len()
    }
}

/// Queues each as a text.
impl Extend<Bytes> for WebSocket {
    fn extend<T: IntoIterator<Item = Bytes>>(&mut self, texts: T) {
        texts.into_iter().for_each(|text| self.queue(text));
    }
}

impl WebSocket {
    /// The server's end of a connection that has agreed to it and sent `read` since. A message may have so many bytes,
    /// and the client may read nothing of what waits for so long.
    fn new(stream: TcpStream, read: &Bytes, longest_message: usize, patience: Duration) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .max_message_size(Some(longest_message))
            .max_frame_size(Some(longest_message));
        let library = WebSocketContext::from_partially_read(read.to_vec(), Role::Server, Some(config));
        let stall = Stall::new(patience);
        Self { stream, library, waiting: VecDeque::new(), queued: 0, written: 0, owes: false, stall }
    }

    /// Each frame of a message may have so many bytes.
    pub(crate) fn limit_frames(&mut self, bytes: usize) {
        self.library.set_config(|config| config.max_frame_size = Some(bytes));
    }

    /// Queues a text, which has to be UTF-8.
    pub(crate) fn queue(&mut self, text: Bytes) {
        self.queued += text.len();
        self.waiting.push_back(Frame::new(TEXT, text));
    }

    /// Queues frames that are whole already, heads and all, not masked.
    pub(crate) fn queue_frames(&mut self, frames: Bytes) {
        self.queued += frames.len();
        self.waiting.push_back(Frame { head: [0; HEAD_BYTES], head_length: 0, payload: frames });
    }

    /// Queues a ping.
    pub(crate) fn ping(&mut self) {
        self.waiting.push_back(Frame::new(PING, Bytes::new()));
    }

    /// Bytes that are queued and not all written.
    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    /// Ready once everything is written, or with [`Ended::Stalled`] once the client has read nothing for too long.
    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        loop {
            if self.owes && self.written == 0 {
                match self.library.flush(&mut Direct::of(&self.stream, self.written)) {
                    Ok(()) => self.owes = false,
                    Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                        ready!(self.poll_room(context))?;
                        continue;
                    }
                    Err(_) => return Poll::Ready(Err(Ended::Gone)),
                }
            }
            if self.waiting.is_empty() {
                self.stall.over(context);
                return Poll::Ready(Ok(()));
            }
            match self.write() {
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(self.poll_room(context))?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Poll::Ready(Err(Ended::Gone)),
            }
        }
    }

    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        let room = self.stream.poll_write_ready(context);
        if room.is_pending() {
            return self.stall.poll_longer(context).map(|()| Err(Ended::Stalled));
        }
        room.map_err(|_| Ended::Gone)
    }

    /// Hands the first frames to the system.
    fn write(&self) -> std::io::Result<usize> {
        if let ([frame], []) = self.waiting.as_slices()
            && self.written == 0
            && frame.len() <= COPIED
        {
            // One buffer is written more quickly than two, by more than a short text costs to copy.
            let mut together = [0; COPIED];
            let (head, payload) = (frame.head(), &frame.payload);
            if let Some((start, rest)) = together.split_at_mut_checked(head.len())
                && let Some(rest) = rest.get_mut(..payload.len())
            {
                start.copy_from_slice(head);
                rest.copy_from_slice(payload);
                return self.stream.try_write(together.get(..frame.len()).unwrap_or_default());
            }
        }
        let mut slices = [IoSlice::new(&[]); 2 * TOGETHER];
        let mut used = 0;
        for (pair, frame) in slices.chunks_exact_mut(2).zip(&self.waiting) {
            if let [head, payload] = pair {
                (*head, *payload) = (IoSlice::new(frame.head()), IoSlice::new(&frame.payload));
                used += 2;
            }
        }
        let mut slices = slices.get_mut(..used).unwrap_or_default();
        IoSlice::advance_slices(&mut slices, self.written);
        self.stream.try_write_vectored(slices)
    }

    /// So many more bytes have been written.
    fn advance(&mut self, bytes: usize) {
        self.written += bytes;
        self.stall.progress();
        while let Some(frame) = self.waiting.front()
            && self.written >= frame.len()
        {
            self.written -= frame.len();
            self.queued -= frame.payload.len();
            self.waiting.pop_front();
        }
        if self.waiting.is_empty() {
            // An idle connection keeps no buffer.
            self.waiting = VecDeque::new();
        }
    }

    /// What the client sends next.
    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<Incoming, Ended>> {
        loop {
            let message = self.library.read(&mut Direct::of(&self.stream, self.written));
            return Poll::Ready(match message {
                Ok(Message::Text(text)) => Ok(Incoming::Text(text)),
                Ok(Message::Binary(_)) => Ok(Incoming::Binary),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {
                    self.owes = true;
                    Ok(Incoming::Alive)
                }
                Ok(Message::Close(_)) => {
                    self.owes = true;
                    // It agrees, if there is room.
                    let _ = self.poll_flush(context);
                    Err(Ended::Gone)
                }
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    if ready!(self.stream.poll_read_ready(context)).is_ok() {
                        continue;
                    }
                    Err(Ended::Gone)
                }
                Err(Error::Capacity(_)) => Err(Ended::TooLong),
                Err(Error::Utf8(_)) => Err(Ended::NotText),
                Err(Error::Protocol(
                    ProtocolError::ResetWithoutClosingHandshake | ProtocolError::ReceivedAfterClosing,
                )) => Err(Ended::Gone),
                Err(Error::Protocol(_)) => Err(Ended::Broken),
                Err(_) => Err(Ended::Gone),
            });
        }
    }

    /// Writes what is queued, closes, and waits for the client to agree. It may never.
    async fn close(&mut self, reason: Option<(CloseCode, &str)>) {
        let frame = reason.map(|(code, reason)| CloseFrame { code, reason: Utf8Bytes::from(reason) });
        if std::future::poll_fn(|context| self.poll_flush(context)).await.is_err() {
            return;
        }
        // What there is no room for is written by the flush.
        let _ = self.library.close(&mut Direct::of(&self.stream, self.written), frame);
        self.owes = true;
        let goodbye = std::future::poll_fn(|context| {
            ready!(self.poll_flush(context))?;
            self.poll_read(context).map(|read| read.map(drop))
        });
        let mut goodbye = std::pin::pin!(goodbye);
        while goodbye.as_mut().await.is_ok() {}
    }
}

/// The socket, as the library sees it: in the middle of a frame of ours there is no room for one of its own.
struct Direct<'s> {
    stream: &'s TcpStream,
    may_write: bool,
}

impl<'s> Direct<'s> {
    fn of(stream: &'s TcpStream, written: usize) -> Self {
        Self { stream, may_write: written == 0 }
    }
}

impl Read for Direct<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.stream.try_read(buffer)
    }
}

impl Write for Direct<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.may_write { self.stream.try_write(bytes) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
