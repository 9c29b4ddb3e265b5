//! Requests of services to other servers.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hearth_functions::ports::{NoAnswer, Web};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;

/// An answer longer than this is none.
const ANSWER_LIMIT: usize = 1024 * 1024;
/// From the connection to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// An HTTP client that keeps its connections.
#[derive(Clone, Debug)]
pub struct WebClient(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Default for WebClient {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        // What it may be is the next one's business.
        connector.enforce_http(false);
        let connector =
            HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().wrap_connector(connector);
        Self(Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector))
    }
}

impl Web for WebClient {
    fn fetch(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, NoAnswer>> {
        let answer = self.0.request(request.map(Full::new));
        let exchange = async move {
            let (head, body) = answer.await.map_err(|error| NoAnswer(error.to_string()))?.into_parts();
            let body = Limited::new(body, ANSWER_LIMIT).collect().await;
            let body = body.map_err(|error| NoAnswer(format!("its answer cannot be read: {error}")))?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        Box::pin(async move {
            let answer = tokio::time::timeout(PATIENCE, exchange).await;
            answer.unwrap_or_else(|_| Err(NoAnswer("it does not answer in time".to_owned())))
        })
    }
}
