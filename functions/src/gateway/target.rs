//! What a request to the gateway is for, by its method and path.

use crate::service::Call;
use http::{HeaderName, Method};
use percent_encoding::percent_decode_str;

/// Names an operation of the queues.
pub(super) const OPERATION: HeaderName = HeaderName::from_static("x-amz-target");
/// The segment of a path that stands before a connection's id.
const CONNECTIONS: &str = "@connections";

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The queues.
    Queues,
    /// A connection; without a stage, as behind a domain of one's own, that of any.
    Connection { stage: Option<String>, id: String },
    /// A WebSocket.
    Socket { stage: String },
    /// A WebSocket's place, but none is asked for.
    NoUpgrade,
    /// `POST /token`.
    Token,
    /// Nothing there is.
    Unknown,
}

impl Target {
    /// That of a call.
    pub(super) fn of(call: &Call) -> Self {
        let request = &call.request;
        let decoded = |segment: &str| percent_decode_str(segment).decode_utf8().ok().map(String::from);
        let path = request.uri.path();
        let segments: Option<Vec<String>> = path.trim_matches('/').split('/').map(decoded).collect();
        let Some(segments) = segments else { return Self::Unknown };
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            _ if request.headers.contains_key(OPERATION) => Self::Queues,
            [CONNECTIONS, id] => Self::Connection { stage: None, id: (*id).to_owned() },
            [stage, CONNECTIONS, id] => Self::Connection { stage: Some((*stage).to_owned()), id: (*id).to_owned() },
            ["token"] if request.method == Method::POST => Self::Token,
            // What older clients of the queues send: forms.
            [""] | ["000000000000", _] if request.method == Method::POST => Self::Queues,
            [stage] if call.upgrade => Self::Socket { stage: (*stage).to_owned() },
            [_] if request.method == Method::GET => Self::NoUpgrade,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::HttpRequest;
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue};

    #[test]
    fn paths_mean_what_they_should() {
        let check = |method: Method, path: &str, upgrade: bool, expect: Target| {
            let (uri, body) = (path.parse().unwrap(), Ok(Bytes::new()));
            let request = HttpRequest { method, uri, headers: HeaderMap::new(), body };
            let call = Call { request, trusted: false, upgrade, client: None };
            assert_eq!(Target::of(&call), expect, "{path}");
        };
        let connection =
            |stage: Option<&str>, id: &str| Target::Connection { stage: stage.map(str::to_owned), id: id.to_owned() };
        check(Method::POST, "/dev/@connections/a%3D", false, connection(Some("dev"), "a="));
        check(Method::GET, "/dev/%40connections/a=", false, connection(Some("dev"), "a="));
        check(Method::DELETE, "/@connections/a", false, connection(None, "a"));
        check(Method::GET, "/dev?userId=1", true, Target::Socket { stage: "dev".to_owned() });
        check(Method::GET, "/dev/", true, Target::Socket { stage: "dev".to_owned() });
        check(Method::GET, "/dev?userId=1", false, Target::NoUpgrade);
        check(Method::POST, "/token", false, Target::Token);
        check(Method::POST, "/", false, Target::Queues);
        check(Method::POST, "/000000000000/a", false, Target::Queues);
        check(Method::POST, "/dev", false, Target::Unknown);
        check(Method::GET, "/a/b/c", true, Target::Unknown);
        check(Method::GET, "/%ff", true, Target::Unknown);
        let mut headers = HeaderMap::new();
        headers.insert(OPERATION, HeaderValue::from_static("AmazonSQS.ListQueues"));
        let (uri, body) = ("/dev/@connections/a".parse().unwrap(), Ok(Bytes::new()));
        let request = HttpRequest { method: Method::POST, uri, headers, body };
        let call = Call { request, trusted: false, upgrade: false, client: None };
        assert_eq!(Target::of(&call), Target::Queues);
    }
}
