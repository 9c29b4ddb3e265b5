//! A request as an HTTPS function sees it: the host's prefix stripped, the body read.

use crate::form;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Uri};

/// A function's answer.
pub type Reply = http::Response<Bytes>;

/// A request to an HTTPS function.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// What follows the function's name: `/`, `/rest`, `/?query`.
    pub uri: Uri,
    /// The headers, as they came.
    pub headers: HeaderMap,
    /// The body, or why there is none. The function decides when that matters, so that for example a caller who is
    /// not signed in hears of that first.
    pub body: Result<Bytes, Unread>,
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is longer than the host reads.
    TooLarge,
    /// It did not arrive in time.
    TimedOut,
    /// The client broke off, or framed it wrongly.
    Incomplete,
    /// The host has too many bodies under way.
    Busy,
}

impl HttpRequest {
    /// Whether anything was sent as a body.
    pub fn has_body(&self) -> bool {
        self.body.as_ref().map_or(true, |bytes| !bytes.is_empty())
    }

    /// A header's text; `None` if it is absent, empty or not ASCII. Of several the first one counts.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().filter(|text| !text.is_empty())
    }

    /// The first parameter `name` of the query, decoded as forms are.
    pub fn query(&self, name: &str) -> Option<String> {
        form::value(self.uri.query()?, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_as_forms_are() {
        let check = |uri: &'static str, expect: Option<&str>| {
            let request = HttpRequest {
                method: Method::GET,
                uri: Uri::from_static(uri),
                headers: HeaderMap::new(),
                body: Ok(Bytes::new()),
            };
            assert_eq!(request.query("key").as_deref(), expect, "{uri}");
        };
        check("/", None);
        check("/?", None);
        check("/?other=1", None);
        check("/?key", Some(""));
        check("/?key=", Some(""));
        check("/rest?a=1&key=x-_9&key=second", Some("x-_9"));
        check("/?k%65y=a+b%2Fc%26d", Some("a b/c&d"));
    }
}
