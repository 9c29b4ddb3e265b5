//! A server for the publisher's tests that does as it is told.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// What the server does with a request.
#[derive(Clone, Copy)]
pub(super) enum Step {
    Answer(u16, &'static str),
    CloseTheConnection,
    SayNothing,
}

/// A server that does one step a request, the last one again and again, and notes what it was asked.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) url: String,
    steps: Arc<Mutex<VecDeque<Step>>>,
    requests: Arc<Mutex<Vec<String>>>,
    pub(super) connections: Arc<Mutex<usize>>,
}

impl Server {
    pub(super) async fn start(steps: &[Step]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            steps: Arc::new(Mutex::new(steps.iter().copied().collect())),
            requests: Arc::default(),
            connections: Arc::default(),
        };
        let accepting = server.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                *accepting.connections.lock().unwrap() += 1;
                let asked = accepting.clone();
                let service = service_fn(move |request| asked.clone().answer(request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        server
    }

    /// An error closes the connection.
    async fn answer(self, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let mut text = format!("{} {}\n", head.method, head.uri);
        for (name, value) in &head.headers {
            text += &format!("{name}: {}\n", value.to_str().unwrap());
        }
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        text += &format!("\n{}", String::from_utf8(body.to_vec()).unwrap());
        self.requests.lock().unwrap().push(text);
        let step = {
            let mut steps = self.steps.lock().unwrap();
            if steps.len() > 1 { steps.pop_front().unwrap() } else { steps[0] }
        };
        match step {
            Step::Answer(status, body) => {
                Ok(Response::builder().status(status).body(Full::from(body)).map_err(io::Error::other)?)
            }
            Step::CloseTheConnection => Err(io::ErrorKind::ConnectionReset.into()),
            Step::SayNothing => std::future::pending().await,
        }
    }

    /// What it was asked: method, URI, headers and body, as text.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}
