//! Servers that hold nothing: what they do is the most that could be done at all. Each is a process of its own, one
//! thread on one processor, and ends with its standard input.

use super::database::VALUE;
use super::frames::{Incoming, append, find, number};
use crate::process::Failure;
use clap::ValueEnum;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming as Body};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// What a stub speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stub {
    /// The Realtime Database's WebSocket protocol: every request is answered `ok`, and what is put at `/fan` is sent to
    /// all who have asked for anything to listen to, with one call of the system for each.
    Socket,
    /// Streams of events: whoever asks for one with GET is sent what comes with POST, with one call of the system for
    /// each, and nothing else is done.
    Stream,
    /// HTTP by hyper: every request is answered with the same text.
    Http,
    /// Streams of events: what is posted to a path goes as one event to all who have asked for it, with one call of the
    /// system for each.
    Events,
}

/// To the key of RFC 6455's example, which is the only one that the load sends.
const WELCOME: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const HELLO: &[u8] = br#"{"t":"c","d":{"t":"h","d":{"ts":0,"v":"5","h":"localhost","s":"stub"}}}"#;

/// A stub that runs; ends when dropped.
pub(super) struct Running {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Running {
    /// Starts one where the calling thread runs.
    pub(super) fn start(stub: Stub) -> Result<Self, Failure> {
        let name = stub.to_possible_value().ok_or("a stub without a name")?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["stub", name.get_name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let mut output = std::io::BufReader::new(child.stdout.take().ok_or("no output")?);
        std::io::BufRead::read_line(&mut output, &mut line)?;
        Ok(Self { child, address: line.trim().parse()? })
    }

    /// The process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Serves until the standard input ends; says on the standard output where.
pub(crate) fn serve(stub: Stub) -> Result<(), Failure> {
    super::raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    LocalSet::new().block_on(&runtime, async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let listener = socket.listen(4096)?;
        println!("{}", listener.local_addr()?);
        match stub {
            Stub::Socket => accept(listener, Rc::default()).await,
            Stub::Events => super::services::limit::serve(listener).await,
            Stub::Stream => streams(listener).await,
            Stub::Http => answer(listener, format!("\"{}\"", "x".repeat(VALUE)).into()).await,
        }
    })
}

async fn answer(listener: TcpListener, constant: Bytes) -> Result<(), Failure> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let constant = constant.clone();
        tokio::task::spawn_local(async move {
            let service = service_fn(|_: Request<Body>| {
                let mut response = Response::new(Full::new(constant.clone()));
                let json = HeaderValue::from_static("application/json; charset=utf-8");
                response.headers_mut().insert(CONTENT_TYPE, json);
                std::future::ready(Ok::<_, Infallible>(response))
            });
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const STREAM_ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn streams(listener: TcpListener) -> Result<(), Failure> {
    let listeners = Listeners::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (stream, listeners) = (Rc::new(stream), Rc::clone(&listeners));
        tokio::task::spawn_local(async move {
            let _ = stream_or_send(&stream, &listeners).await;
            listeners.borrow_mut().retain(|other| !Rc::ptr_eq(other, &stream));
        });
    }
}

async fn stream_or_send(stream: &Rc<TcpStream>, listeners: &Listeners) -> std::io::Result<()> {
    let mut incoming = Incoming::default();
    loop {
        read(stream, &mut incoming).await?;
        let length = |head: &[u8]| number(&head.to_ascii_lowercase(), b"content-length: ").unwrap_or(0) as usize;
        let request = incoming.take(|read| {
            let head = find(read, b"\r\n\r\n")? + 4;
            let end = head + length(read.get(..head)?);
            Some((read.get(head..end)?.to_vec(), end))
        });
        match request {
            None => continue,
            Some(text) if text.is_empty() => {
                write(stream, STREAM_HEAD).await?;
                listeners.borrow_mut().push(Rc::clone(stream));
            }
            Some(text) => {
                let chunk = [format!("{:X}\r\ndata: ", text.len() + 8).as_bytes(), &text, b"\n\n\r\n"].concat();
                write(stream, STREAM_ANSWER).await?;
                let all = listeners.borrow().clone();
                for listener in &all {
                    let _ = write(listener, &chunk).await;
                }
            }
        }
    }
}

type Listeners = Rc<RefCell<Vec<Rc<TcpStream>>>>;

async fn accept(listener: TcpListener, listeners: Listeners) -> Result<(), Failure> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (stream, listeners) = (Rc::new(stream), Rc::clone(&listeners));
        tokio::task::spawn_local(async move {
            let _ = converse(&stream, &listeners).await;
            listeners.borrow_mut().retain(|other| !Rc::ptr_eq(other, &stream));
        });
    }
}

async fn converse(stream: &Rc<TcpStream>, listeners: &Listeners) -> std::io::Result<()> {
    let (mut incoming, mut out) = (Incoming::default(), Vec::new());
    let mut welcomed = false;
    loop {
        read(stream, &mut incoming).await?;
        if !welcomed {
            if incoming.take(|read| Some(((), find(read, b"\r\n\r\n")? + 4))).is_none() {
                continue;
            }
            welcomed = true;
            out.extend_from_slice(WELCOME.as_bytes());
            append(&mut out, HELLO);
        }
        let mut pongs = Vec::new();
        while let Some(text) = incoming.text(&mut pongs) {
            let Some(request) = number(text, br#""r":"#) else { continue };
            if find(text, br#""a":"q""#).is_some() {
                listeners.borrow_mut().push(Rc::clone(stream));
            } else if let Some(value) = find(text, br#""p":"/fan","d":"#) {
                let value = text.get(value + 15..text.len() - 3).unwrap_or_default();
                let mut frame = Vec::new();
                append(&mut frame, &[br#"{"t":"d","d":{"a":"d","b":{"p":"fan","d":"#, value, b"}}}"].concat());
                let all = listeners.borrow().clone();
                for listener in &all {
                    // One that has gone is taken out by its own task.
                    let _ = write(listener, &frame).await;
                }
            }
            append(&mut out, format!(r#"{{"t":"d","d":{{"r":{request},"b":{{"s":"ok","d":""}}}}}}"#).as_bytes());
        }
        incoming.rest();
        write(stream, &out).await?;
        out.clear();
    }
}

pub(super) async fn read(stream: &TcpStream, incoming: &mut Incoming) -> std::io::Result<()> {
    loop {
        stream.readable().await?;
        match stream.try_read_buf(incoming.room()) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

pub(super) async fn write(stream: &TcpStream, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
