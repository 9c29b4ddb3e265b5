//! A process that listens: it opens many streams, reads them all, and says how long each message took to come.
//!
//! What it is told comes on its standard input, a line each, and what it has to say goes to its standard output. It ends
//! with its input. Must not know: who publishes, and what serves.

use super::latency::Latencies;
use crate::bench::raise_file_limit;
use crate::process::Failure;
use clap::Args;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{setsockopt, sockopt};
use serde_json::json;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{SystemTime, UNIX_EPOCH};

/// A message's text has this, and then the time at which it was sent, in so many digits.
const MARK: u8 = b'@';
const DIGITS: usize = 16;
/// Streams that are opened at a time.
const OPENING: usize = 128;
const EVENTS: usize = 512;
const READ_BYTES: usize = 64 * 1024;
/// Those that do not read have this much room for what they do not read.
const STALLED_ROOM: usize = 4096;
/// The standard input among what is waited for.
const INPUT: u64 = u64::MAX;

/// Whom to listen to.
#[derive(Debug, Args)]
pub(crate) struct ListenersArguments {
    /// The server.
    #[arg(long)]
    address: SocketAddr,
    /// The streams' path; `{}` stands for a channel.
    #[arg(long)]
    path: String,
    /// Streams to open.
    #[arg(long)]
    count: usize,
    /// They are spread over so many channels.
    #[arg(long)]
    channels: usize,
    /// The first of them so many do not read.
    #[arg(long)]
    stalled: usize,
}

/// The name of a channel.
pub(super) fn channel(number: usize) -> String {
    format!("bench{number}")
}

/// A text of so many bytes that says when it was sent.
pub(super) fn stamped(bytes: usize) -> String {
    let text = format!("{}{:0DIGITS$}", char::from(MARK), now());
    let padding = "x".repeat(bytes.saturating_sub(text.len()));
    text + &padding
}

/// Sets the time anew that a text or what holds one says.
pub(super) fn stamp(bytes: &mut [u8]) {
    let start = bytes.iter().rposition(|byte| *byte == MARK).map_or(bytes.len(), |mark| mark + 1);
    let mut digits = bytes.get_mut(start..).unwrap_or_default();
    // A text has room for it.
    let _ = write!(digits, "{:0DIGITS$}", now());
}

/// Microseconds on the clock that all processes share.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// One stream.
struct Stream {
    socket: TcpStream,
    /// Its head has come.
    open: bool,
    /// Digits of a time that has come in part, its mark included.
    partial: Vec<u8>,
}

struct Crowd {
    arguments: ListenersArguments,
    epoll: Epoll,
    streams: Vec<Stream>,
    opened: usize,
    latencies: Latencies,
    received: u64,
    last: u64,
    /// Something is said once so many messages have been received.
    expected: Option<u64>,
    buffer: Vec<u8>,
}

/// Listens until the standard input ends.
pub(crate) fn listen(arguments: ListenersArguments) -> Result<(), Failure> {
    raise_file_limit();
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(std::io::stdin(), EpollEvent::new(EpollFlags::EPOLLIN, INPUT))?;
    let mut crowd = Crowd {
        arguments,
        epoll,
        streams: Vec::new(),
        opened: 0,
        latencies: Latencies::default(),
        received: 0,
        last: 0,
        expected: None,
        buffer: vec![0; READ_BYTES],
    };
    crowd.open()?;
    say(&json!("open"))?;
    while crowd.wait()? {}
    Ok(())
}

/// A line on the standard output.
fn say(value: &serde_json::Value) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{value}")?;
    Ok(output.flush()?)
}

impl Crowd {
    fn open(&mut self) -> Result<(), Failure> {
        while self.opened < self.arguments.count {
            while self.streams.len() < self.arguments.count && self.streams.len() - self.opened < OPENING {
                let stream = self.connect(self.streams.len())?;
                let event = EpollEvent::new(EpollFlags::EPOLLIN, self.streams.len() as u64);
                self.epoll.add(&stream.socket, event)?;
                self.streams.push(stream);
            }
            if !self.wait()? {
                return Err("the input ended".into());
            }
        }
        Ok(())
    }

    fn connect(&self, number: usize) -> Result<Stream, Failure> {
        let arguments = &self.arguments;
        let mut socket = TcpStream::connect(arguments.address)?;
        // Closed at once in the end: streams that wait for late packets would take the next run's ports.
        let at_once = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&socket, sockopt::Linger, &at_once)?;
        if number < arguments.stalled {
            setsockopt(&socket, sockopt::RcvBuf, &STALLED_ROOM)?;
        }
        let path = arguments.path.replace("{}", &channel(number % arguments.channels));
        write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")?;
        socket.set_nonblocking(true)?;
        Ok(Stream { socket, open: false, partial: Vec::new() })
    }

    /// Takes in what comes next; false once there is nothing to do any more.
    fn wait(&mut self) -> Result<bool, Failure> {
        let mut events = [EpollEvent::empty(); EVENTS];
        let ready = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => 0,
            ready => ready?,
        };
        for event in events.iter().take(ready) {
            if event.data() == INPUT {
                if !self.obey()? {
                    return Ok(false);
                }
            } else {
                self.read(usize::try_from(event.data())?)?;
            }
        }
        if self.expected.is_some_and(|expected| self.received >= expected) {
            self.expected = None;
            say(&json!(self.last))?;
        }
        Ok(true)
    }

    fn obey(&mut self) -> Result<bool, Failure> {
        let mut input = [0; 1024];
        let length = std::io::stdin().read(&mut input)?;
        let lines = String::from_utf8_lossy(input.get(..length).unwrap_or_default()).into_owned();
        for line in lines.lines() {
            match line.split_once(' ') {
                Some(("expect", number)) => self.expected = Some(number.parse()?),
                None if line == "report" => say(&std::mem::take(&mut self.latencies).to_json())?,
                Some(_) | None => return Err(format!("{line:?} is not understood").into()),
            }
        }
        Ok(length > 0)
    }

    fn read(&mut self, number: usize) -> Result<(), Failure> {
        let Some(stream) = self.streams.get_mut(number) else { return Ok(()) };
        let length = match stream.socket.read(&mut self.buffer) {
            Ok(0) => return Err("a stream has ended".into()),
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let bytes = self.buffer.get(..length).unwrap_or_default();
        if !stream.open {
            if !bytes.starts_with(b"HTTP/1.1 200 ") {
                return Err(format!("a stream was refused: {}", String::from_utf8_lossy(bytes)).into());
            }
            stream.open = true;
            self.opened += 1;
            if number < self.arguments.stalled {
                self.epoll.delete(&stream.socket)?;
            }
        }
        let at = now();
        for sent in stream.times(bytes) {
            self.latencies.add(at.saturating_sub(sent));
            self.received += 1;
            self.last = at;
        }
        Ok(())
    }
}

impl Stream {
    /// The times that `bytes` complete.
    fn times(&mut self, mut bytes: &[u8]) -> Vec<u64> {
        let mut times = Vec::new();
        loop {
            if self.partial.is_empty() {
                let Some(start) = bytes.iter().position(|byte| *byte == MARK) else { return times };
                bytes = bytes.get(start..).unwrap_or_default();
            }
            let missing = (1 + DIGITS - self.partial.len()).min(bytes.len());
            let (taken, rest) = bytes.split_at(missing);
            self.partial.extend_from_slice(taken);
            bytes = rest;
            if self.partial.len() <= DIGITS {
                return times;
            }
            let digits = self.partial.get(1..).and_then(|digits| std::str::from_utf8(digits).ok());
            times.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
            self.partial.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_whole_from_pieces_of_any_size() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let bytes = b"HTTP/1.1 200 OK\r\n\r\ndata: @0000000000000012xx\n\ndata: @1234567890123456\n\n";
        for size in 1..bytes.len() {
            let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let mut stream = Stream { socket, open: true, partial: Vec::new() };
            let times: Vec<u64> = bytes.chunks(size).flat_map(|piece| stream.times(piece)).collect();
            assert_eq!(times, [12, 1_234_567_890_123_456], "{size}");
        }
    }
}
