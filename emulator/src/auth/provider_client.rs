//! HTTP to identity providers: in time, bounded, and where the request says; redirects are not followed. Must not know:
//! what is asked.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error as StdError;

/// The longest answer, in bytes.
const LONGEST_ANSWER: usize = 256 * 1024;

/// The way to identity providers.
#[derive(Clone, Debug)]
pub(super) struct ProviderClient(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// Why there is no answer. Addresses are told without their queries, which may have secrets in them.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("{url} cannot be asked: {cause}")]
    Connection { url: String, cause: String },
    #[error("{0} answers with more than {LONGEST_ANSWER} bytes")]
    TooLong(String),
}

impl ProviderClient {
    /// One that speaks HTTP and HTTPS; which of them may be spoken is settled where addresses are configured.
    pub(super) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let connector =
            HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().wrap_connector(connector);
        Self(Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector))
    }

    /// Sends a request and reads the answer, whatever it says.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, HeaderMap, Bytes), NoAnswer> {
        let url = request.uri().to_string().split('?').next().unwrap_or_default().to_owned();
        let failed = |error: &(dyn StdError + 'static)| NoAnswer::Connection { url: url.clone(), cause: chain(error) };
        let (head, body) = self.0.request(request).await.map_err(|error| failed(&error))?.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() { NoAnswer::TooLong(url.clone()) } else { failed(error.as_ref()) }
        })?;
        Ok((head.status, head.headers, body.to_bytes()))
    }
}

/// An error with what caused it: the client's own says little.
fn chain(error: &dyn StdError) -> String {
    std::iter::successors(Some(error), |error| (*error).source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
