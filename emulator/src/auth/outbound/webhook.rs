//! Carries messages to a program of the app's own: POST of JSON, signed as the Standard Webhooks specification has it
//! (<https://www.standardwebhooks.com>). Must not know: what is carried.

use super::{CarrierError, Failure};
use crate::clock::Millis;
use crate::config::delivery::WebhookSettings;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::fmt;

/// Secrets of the specification's form begin like this.
const BASE64_SECRET: &str = "whsec_";

/// The way to a webhook.
pub(in crate::auth) struct Webhook {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    /// Without one nothing is signed.
    key: Option<hmac::Key>,
}

impl fmt::Debug for Webhook {
    /// The path may hold a secret, the key is one.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Webhook").field("host", &self.url.host()).finish_non_exhaustive()
    }
}

impl Webhook {
    /// # Errors
    /// The URL or the secret cannot be used.
    pub(in crate::auth) fn new(settings: &WebhookSettings) -> Result<Self, CarrierError> {
        let secret = settings.secret.reveal();
        let key = match secret.strip_prefix(BASE64_SECRET) {
            Some(base64) => STANDARD.decode(base64).map_err(|_| CarrierError::Secret)?,
            None => secret.as_bytes().to_vec(),
        };
        Self::to(&settings.url, Some(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// One that is not told who calls.
    ///
    /// # Errors
    /// It is no URL.
    pub(in crate::auth) fn unsigned(url: &str) -> Result<Self, CarrierError> {
        Self::to(url, None)
    }

    fn to(url: &str, key: Option<hmac::Key>) -> Result<Self, CarrierError> {
        let url = url.parse().map_err(|_| CarrierError::Url(url.to_owned()))?;
        let connector = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, url, key })
    }

    /// One attempt; `id` is the same for every one. Any 2xx says that it has been taken; redirects are not followed.
    pub(in crate::auth) async fn post(&self, id: &str, body: &str, now: Millis) -> Result<(), Failure> {
        let seconds = now / 1000;
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds);
        if let Some(key) = &self.key {
            let signature = STANDARD.encode(hmac::sign(key, format!("{id}.{seconds}.{body}").as_bytes()));
            request = request.header("webhook-signature", format!("v1,{signature}"));
        }
        let request =
            request.body(Full::new(Bytes::from(body.to_owned()))).map_err(|error| Failure::last(error.to_string()))?;
        let response = self.client.request(request).await.map_err(|error| Failure::again(chain(&error)))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let reason = format!("the webhook answered {status}");
        let busy = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
        Err(if status.is_server_error() || busy.contains(&status) {
            Failure::again(reason)
        } else {
            Failure::last(reason)
        })
    }
}

/// An error with what caused it: the client's own says little.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
