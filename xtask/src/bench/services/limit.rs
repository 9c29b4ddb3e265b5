//! The most that could be done: streams of events with nothing kept, nothing checked and one call of the system for each
//! event and stream.

use super::super::frames::{Incoming, find, number};
use super::super::stub::{read, write};
use crate::process::Failure;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use tokio::net::{TcpListener, TcpStream};

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n\
    transfer-encoding: chunked\r\n\r\n3\r\n:\n\n\r\n";
const DONE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

type Streams = Rc<RefCell<HashMap<Vec<u8>, Vec<Rc<TcpStream>>>>>;

/// Serves for ever. `GET /subscribe/KEY` listens; `POST /SOMETHING/KEY` sends its body.
pub(in super::super) async fn serve(listener: TcpListener) -> Result<(), Failure> {
    let streams = Streams::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (stream, streams) = (Rc::new(stream), Rc::clone(&streams));
        tokio::task::spawn_local(async move {
            let _ = converse(&stream, &streams).await;
            streams.borrow_mut().values_mut().for_each(|all| all.retain(|other| !Rc::ptr_eq(other, &stream)));
        });
    }
}

async fn converse(stream: &Rc<TcpStream>, streams: &Streams) -> std::io::Result<()> {
    let mut incoming = Incoming::default();
    loop {
        read(stream, &mut incoming).await?;
        while let Some((key, body)) = incoming.take(request) {
            let Some(body) = body else {
                streams.borrow_mut().entry(key).or_default().push(Rc::clone(stream));
                write(stream, HEAD).await?;
                continue;
            };
            let all = streams.borrow().get(&key).cloned().unwrap_or_default();
            let event = [format!("{:x}\r\ndata: ", body.len() + 8).as_bytes(), &body, b"\n\n\r\n"].concat();
            for listener in &all {
                // One that has gone is taken out by its own task.
                let _ = write(listener, &event).await;
            }
            write(stream, DONE).await?;
        }
        incoming.rest();
    }
}

/// A request: its key, and the body of a POST.
type Request = (Vec<u8>, Option<Vec<u8>>);

fn request(read: &[u8]) -> Option<(Request, usize)> {
    let head = find(read, b"\r\n\r\n")? + 4;
    let mut words = read.split(|byte| *byte == b' ');
    let (method, path) = (words.next()?, words.next()?);
    let key = path.splitn(3, |byte| *byte == b'/').nth(2)?.to_vec();
    if method == b"GET" {
        return Some(((key, None), head));
    }
    let length = usize::try_from(number(read, b"Content-Length: ")?).ok()?;
    let body = read.get(head..head + length)?.to_vec();
    Some(((key, Some(body)), head + length))
}
