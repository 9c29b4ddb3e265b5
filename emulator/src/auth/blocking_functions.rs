//! Sends questions to blocking functions. Must not know: what is asked.

use bytes::Bytes;
use hearth_auth::errand::{Question, Reply};
use http::header::CONTENT_TYPE;
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::time::Duration;
use tokio::sync::Semaphore;

/// A function has this long to answer, as in the official emulator.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// Bytes of an answer that are read.
const LONGEST_ANSWER: usize = 1024 * 1024;
/// So many functions are asked at once; the others wait within their own time.
const MOST_AT_ONCE: usize = 64;

/// The way to blocking functions, over plain HTTP: they run beside the server.
#[derive(Debug)]
pub(super) struct BlockingFunctions {
    client: Client<HttpConnector, Full<Bytes>>,
    turns: Semaphore,
}

impl Default for BlockingFunctions {
    fn default() -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), turns: Semaphore::new(MOST_AT_ONCE) }
    }
}

impl BlockingFunctions {
    /// Asks, and waits for the reply.
    pub(super) async fn ask(&self, question: &Question) -> Reply {
        match tokio::time::timeout(TIME_LIMIT, self.send(question)).await {
            Ok(reply) => reply.unwrap_or(Reply::Failed),
            Err(_) => Reply::TimedOut,
        }
    }

    async fn send(&self, question: &Question) -> Option<Reply> {
        let _turn = self.turns.acquire().await.ok()?;
        let request = Request::builder().method(Method::POST).uri(&question.url);
        let request = request.header(CONTENT_TYPE, "application/json");
        let request = request.body(Full::new(Bytes::from(question.body.clone()))).ok()?;
        let failed = |error: &dyn std::fmt::Display| tracing::warn!(url = question.url, %error, "a blocking function cannot be asked");
        let response = self.client.request(request).await.inspect_err(|error| failed(error)).ok()?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
        let body = body.inspect_err(|error| failed(error)).ok()?.to_bytes();
        Some(Reply::Answered { status, text: String::from_utf8_lossy(&body).into_owned() })
    }
}
