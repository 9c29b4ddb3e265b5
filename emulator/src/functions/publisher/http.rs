//! Publishes to another server over HTTP.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hearth_functions::ports::{ChannelInfo, NotPublished, Publisher};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// A channel's answer is short; more than this is not read.
const ANSWER_LIMIT: usize = 64 * 1024;
/// What stays as it is in a query's value.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How long it is tried.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// One attempt, from the connection to the last byte of the answer.
    attempt: Duration,
    /// All attempts and the pauses between them.
    total: Duration,
    /// The first pause; each further one is twice as long.
    first_pause: Duration,
}

const PATIENCE: Patience = Patience {
    attempt: Duration::from_millis(1500),
    total: Duration::from_secs(5),
    first_pause: Duration::from_millis(100),
};

/// Publishes over HTTP to an nginx push stream, or to what speaks like one: `POST {url}/pub?id={channel}`.
pub struct HttpPublisher {
    client: Client<HttpConnector, Full<Bytes>>,
    /// The URL without a slash at its end.
    url: String,
    /// The secret as it is; `None` if it is empty.
    authorization: Option<HeaderValue>,
    patience: Patience,
}

/// Why a publisher cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublisherError {
    /// It is no URL of a server.
    #[error("pubsub.url \"{0}\" is not an http URL such as http://127.0.0.1:8080")]
    Url(String),
    /// It asks for TLS.
    #[error(
        "pubsub.url \"{0}\" is https, which is not supported yet; use http, through a proxy if it leaves the machine"
    )]
    Tls(String),
    /// It can be no header.
    #[error("pubsub.secret holds characters that an HTTP header cannot carry")]
    Secret,
}

/// Why one attempt failed.
struct Attempt {
    reason: String,
    /// Whether the next one may fare better.
    again: bool,
}

/// The publisher's answer. Older servers put the numbers in quotes; an answer to several channels has another form.
#[derive(Deserialize)]
struct Answer {
    channel: String,
    published_messages: Count,
    stored_messages: Count,
    subscribers: Count,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Count {
    Number(u64),
    Text(String),
}

impl fmt::Debug for HttpPublisher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HttpPublisher").field("url", &self.url).finish_non_exhaustive()
    }
}

impl HttpPublisher {
    /// A publisher to the server at `url`, which takes `secret` as the `Authorization`, without a scheme.
    ///
    /// # Errors
    /// The URL or the secret cannot be used.
    pub fn new(url: &str, secret: &str) -> Result<Self, PublisherError> {
        Self::with_patience(url, secret, PATIENCE)
    }

    fn with_patience(url: &str, secret: &str, patience: Patience) -> Result<Self, PublisherError> {
        let wrong = || PublisherError::Url(url.to_owned());
        let parsed: Uri = url.parse().map_err(|_| wrong())?;
        match parsed.scheme_str() {
            Some("http") if parsed.query().is_none() && !url.contains('#') && parsed.host() != Some("") => {}
            Some("https") => return Err(PublisherError::Tls(url.to_owned())),
            Some(_) | None => return Err(wrong()),
        }
        let authorization = (!secret.is_empty()).then(|| HeaderValue::from_str(secret)).transpose();
        let mut authorization = authorization.map_err(|_| PublisherError::Secret)?;
        if let Some(secret) = &mut authorization {
            secret.set_sensitive(true);
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Ok(Self { client, url: url.trim_end_matches('/').to_owned(), authorization, patience })
    }

    /// Tries until it works, cannot work, or time is up.
    async fn persist(&self, channel: &str, message: &Bytes) -> Result<ChannelInfo, NotPublished> {
        let end = Instant::now() + self.patience.total;
        let mut pause = self.patience.first_pause;
        let mut attempt = 1;
        loop {
            let limit = self.patience.attempt.min(end.saturating_duration_since(Instant::now()));
            let failed = match tokio::time::timeout(limit, self.attempt(channel, message)).await {
                Ok(Ok(info)) => return Ok(info),
                Ok(Err(failed)) => failed,
                Err(_) => Attempt { reason: format!("no answer within {} ms", limit.as_millis()), again: true },
            };
            if !failed.again || Instant::now() + pause >= end {
                return Err(NotPublished(format!("{} (attempt {attempt})", failed.reason)));
            }
            tracing::warn!(url = self.url, reason = failed.reason, attempt, "an update was not taken; trying again");
            tokio::time::sleep(pause).await;
            pause *= 2;
            attempt += 1;
        }
    }

    async fn attempt(&self, channel: &str, message: &Bytes) -> Result<ChannelInfo, Attempt> {
        let uri = format!("{}/pub?id={}", self.url, utf8_percent_encode(channel, PLAIN));
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(uri)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json");
        if let Some(secret) = &self.authorization {
            request = request.header(AUTHORIZATION, secret.clone());
        }
        let request = request.body(Full::new(message.clone())).map_err(|error| Attempt::last(&error))?;
        let response = self.client.request(request).await.map_err(|error| Attempt::again(&chain(&error)))?;
        let status = response.status();
        if status.is_server_error() {
            return Err(Attempt::again(&format_args!("the server answered {status}")));
        }
        if status != StatusCode::OK && status != StatusCode::CREATED {
            return Err(Attempt::last(&format_args!("the server answered {status}")));
        }
        info(response).await
    }
}

/// Reads what the server says of the channel. Something else in its place means that this is no push stream, and that
/// nothing was published.
async fn info(response: Response<Incoming>) -> Result<ChannelInfo, Attempt> {
    let body = Limited::new(response.into_body(), ANSWER_LIMIT).collect().await;
    let body = body.map_err(|error| Attempt::again(&format_args!("the answer broke off: {error}")))?.to_bytes();
    let answer: Answer = serde_json::from_slice(&body)
        .map_err(|error| Attempt::last(&format_args!("the server's answer tells of no channel: {error}")))?;
    let count = |count: Count| match count {
        Count::Number(number) => Ok(number),
        Count::Text(text) => text.parse().map_err(|_| Attempt::last(&"the server's answer counts in words")),
    };
    Ok(ChannelInfo {
        channel: answer.channel,
        published_messages: count(answer.published_messages)?,
        stored_messages: count(answer.stored_messages)?,
        subscribers: count(answer.subscribers)?,
    })
}

impl Attempt {
    fn again(reason: &dyn fmt::Display) -> Self {
        Self { reason: reason.to_string(), again: true }
    }

    fn last(reason: &dyn fmt::Display) -> Self {
        Self { reason: reason.to_string(), again: false }
    }
}

/// An error with what caused it: the client's own says little.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl Publisher for HttpPublisher {
    fn publish<'a>(&'a self, channel: &'a str, message: Bytes) -> BoxFuture<'a, Result<ChannelInfo, NotPublished>> {
        Box::pin(async move { self.persist(channel, &message).await })
    }
}

#[cfg(test)]
mod tests {
    use super::super::scripted_server::Server;
    use super::super::scripted_server::Step::{self, Answer as Answers, CloseTheConnection, SayNothing};
    use super::*;
    use tokio::net::TcpListener;

    const TAKEN: &str = r#"{"channel": "abcde", "published_messages": 3, "stored_messages": 1, "subscribers": 2}"#;

    /// A publisher that waits long enough for a busy machine.
    fn publisher(server: &Server, secret: &str) -> HttpPublisher {
        with_limits(server, secret, Duration::from_secs(20), Duration::from_secs(60))
    }

    /// One that gives up soon.
    fn hasty_publisher(server: &Server) -> HttpPublisher {
        with_limits(server, "s", Duration::from_millis(200), Duration::from_millis(1000))
    }

    fn with_limits(server: &Server, secret: &str, attempt: Duration, total: Duration) -> HttpPublisher {
        let patience = Patience { attempt, total, first_pause: Duration::from_millis(2) };
        HttpPublisher::with_patience(&server.url, secret, patience).unwrap()
    }

    fn message() -> Bytes {
        Bytes::from_static(b"{\"playing\":true}")
    }

    #[tokio::test]
    async fn a_message_goes_out_as_the_server_wants_it() {
        let server = Server::start(&[Answers(200, TAKEN)]).await;
        let info = publisher(&server, "the secret").publish("a/b&c d%\u{e9}", message()).await.unwrap();
        let expect =
            ChannelInfo { channel: "abcde".to_owned(), published_messages: 3, stored_messages: 1, subscribers: 2 };
        assert_eq!(info, expect);
        let request = server.requests().remove(0);
        assert!(request.starts_with("POST /pub?id=a%2Fb%26c%20d%25%C3%A9\n"), "{request}");
        assert!(request.ends_with("\n\n{\"playing\":true}"), "{request}");
        for header in ["authorization: the secret", "content-type: application/json", "accept: application/json"] {
            assert!(request.contains(&format!("\n{header}\n")), "{header} in {request}");
        }
    }

    #[tokio::test]
    async fn an_empty_secret_is_not_sent_and_a_path_is_kept() {
        let server = Server::start(&[Answers(200, TAKEN)]).await;
        let publisher = HttpPublisher::new(&format!("{}/push/", server.url), "").unwrap();
        publisher.publish("abcde", message()).await.unwrap();
        let request = server.requests().remove(0);
        assert!(request.starts_with("POST /push/pub?id=abcde\n"), "{request}");
        assert!(!request.contains("authorization"), "{request}");
    }

    #[tokio::test]
    async fn one_connection_serves_many_messages() {
        let server = Server::start(&[Answers(200, TAKEN)]).await;
        let publisher = publisher(&server, "s");
        for _ in 0..5 {
            publisher.publish("abcde", message()).await.unwrap();
        }
        assert_eq!((server.requests().len(), *server.connections.lock().unwrap()), (5, 1));
    }

    /// What a publish comes to, and after how many requests.
    async fn check(steps: &[Step], expect: Result<u64, &str>, requests: usize) {
        let server = Server::start(steps).await;
        let result = publisher(&server, "s").publish("abcde", message()).await;
        match (&result, expect) {
            (Ok(info), Ok(published)) => assert_eq!(info.published_messages, published),
            (Err(NotPublished(reason)), Err(part)) => assert!(reason.contains(part), "{reason}"),
            (Ok(_) | Err(_), _) => panic!("{result:?} instead of {expect:?}"),
        }
        assert_eq!(server.requests().len(), requests, "{expect:?}");
    }

    #[tokio::test]
    async fn what_may_pass_is_tried_again() {
        check(&[Answers(500, ""), Answers(503, ""), Answers(200, TAKEN)], Ok(3), 3).await;
        check(&[CloseTheConnection, Answers(200, TAKEN)], Ok(3), 2).await;
        let server = Server::start(&[SayNothing, Answers(200, TAKEN)]).await;
        assert_eq!(hasty_publisher(&server).publish("abcde", message()).await.unwrap().published_messages, 3);
        assert!(server.requests().len() >= 2);
    }

    #[tokio::test]
    async fn what_stays_wrong_is_not() {
        check(&[Answers(401, "")], Err("answered 401"), 1).await;
        check(&[Answers(403, "")], Err("answered 403"), 1).await;
        check(&[Answers(302, "")], Err("answered 302"), 1).await;
        check(&[Answers(200, "<html>welcome</html>")], Err("tells of no channel"), 1).await;
        check(&[Answers(200, "")], Err("tells of no channel"), 1).await;
    }

    #[tokio::test]
    async fn numbers_in_quotes_are_numbers() {
        let quoted = r#"{"channel":"x","published_messages":"7","stored_messages":"1","subscribers":"0"}"#;
        check(&[Answers(200, quoted)], Ok(7), 1).await;
        let words = r#"{"channel":"x","published_messages":"many","stored_messages":1,"subscribers":0}"#;
        check(&[Answers(200, words)], Err("counts in words"), 1).await;
    }

    #[tokio::test]
    async fn it_is_given_up_when_time_is_up() {
        let server = Server::start(&[Answers(500, "")]).await;
        let error = hasty_publisher(&server).publish("abcde", message()).await.unwrap_err();
        assert!(error.0.contains("500"), "{error}");
        // Pauses of 2, 4, 8 … 512 ms: more than one try, and no flood of them.
        assert!((2..=10).contains(&server.requests().len()), "{}", server.requests().len());

        let server = Server::start(&[SayNothing]).await;
        let error = hasty_publisher(&server).publish("abcde", message()).await.unwrap_err();
        assert!(error.0.contains("no answer within"), "{error}");
        assert!((2..=6).contains(&server.requests().len()), "{}", server.requests().len());
    }

    #[tokio::test]
    async fn nobody_there_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let patience = Patience { attempt: Duration::from_millis(50), total: Duration::from_millis(50), ..PATIENCE };
        let publisher = HttpPublisher::with_patience(&url, "s", patience).unwrap();
        let error = publisher.publish("abcde", message()).await.unwrap_err();
        assert!(error.0.contains("(attempt 1)"), "{error}");
    }

    #[test]
    fn what_cannot_be_used_is_refused_at_once() {
        let check = |url: &str, secret: &str, expect: Option<PublisherError>| {
            assert_eq!(HttpPublisher::new(url, secret).err(), expect, "{url}");
        };
        check("http://127.0.0.1:8080", "s", None);
        check("http://pubsub.example/a/", "", None);
        check("https://pubsub.example", "s", Some(PublisherError::Tls("https://pubsub.example".to_owned())));
        for url in ["", "pubsub.example", "ftp://x", "127.0.0.1:8080", "/pub", "http://x/?id=", "http://x/#y"] {
            check(url, "s", Some(PublisherError::Url(url.to_owned())));
        }
        check("http://127.0.0.1:8080", "a\nb", Some(PublisherError::Secret));
    }
}
