//! Which pages may call, and what a browser is told of that.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue};

/// What is served at all.
const METHODS: HeaderValue = HeaderValue::from_static("GET,POST,OPTIONS,DELETE");
/// What a page may send besides what any page may.
const HEADERS: HeaderValue =
    HeaderValue::from_static("Accept, Authorization, Cache-Control, Content-Type, X-CSRF-Token");
/// What a page may read besides what any page may.
const EXPOSED: HeaderValue = HeaderValue::from_static("X-Total-Count");

/// The pages that may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origins {
    /// Every page.
    Any,
    /// Pages of these origins. Others are told of the first one, so that a browser keeps the answer from them.
    Listed(Vec<HeaderValue>),
}

impl Origins {
    /// Says in `answer` to `request` who may read it.
    pub(super) fn tell(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        let allowed = match self {
            Self::Any => Some(HeaderValue::from_static("*")),
            Self::Listed(list) => {
                answer.insert(VARY, HeaderValue::from_static("Origin"));
                let listed = request.get(ORIGIN).and_then(|origin| list.iter().find(|one| *one == origin));
                listed.or(list.first()).cloned()
            }
        };
        if let Some(allowed) = allowed {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
            answer.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_origin_is_told_itself_and_others_the_first() {
        let check = |origins: &Origins, origin: &'static str, expect: Option<&str>| {
            let mut request = HeaderMap::new();
            if !origin.is_empty() {
                request.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            let mut answer = HeaderMap::new();
            origins.tell(&request, &mut answer);
            let told = answer.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|origin| origin.to_str().unwrap());
            assert_eq!((told, answer.contains_key(ACCESS_CONTROL_ALLOW_METHODS)), (expect, expect.is_some()));
        };
        let listed = Origins::Listed(["https://a", "https://b"].map(HeaderValue::from_static).to_vec());
        check(&listed, "https://b", Some("https://b"));
        check(&listed, "https://c", Some("https://a"));
        check(&listed, "", Some("https://a"));
        check(&Origins::Any, "https://c", Some("*"));
        check(&Origins::Listed(Vec::new()), "https://c", None);
    }
}
