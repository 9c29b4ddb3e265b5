//! Bodies: is it JSON by its headers, is it an object, is there anything in it.

use super::refusal::Refusal;
use crate::request::{HttpRequest, Unread};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::value::RawValue;

/// A body may have so many bytes.
const LIMIT: usize = 100 * 1024;

/// Whether the headers announce JSON that can be read here: `application/json` in any letter case, with any parameters,
/// in UTF-8, not compressed.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?").trim());
    let mut parts = text(CONTENT_TYPE).unwrap_or_default().split(';').map(str::trim);
    let json = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    let utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        Some(_) | None => true,
    });
    let plain = text(CONTENT_ENCODING).is_none_or(|encoding| encoding.eq_ignore_ascii_case("identity"));
    json && utf8 && plain
}

/// The body's text: what is not UTF-8 is replaced and a byte order mark is dropped, as the originals' parser did.
///
/// # Errors
/// It did not arrive, or is over the limit.
pub(super) fn text(request: &HttpRequest) -> Result<String, Refusal> {
    let bytes = request.body.as_ref().map_err(|unread| Refusal::Unread(*unread))?;
    if bytes.len() > LIMIT {
        return Err(Refusal::Unread(Unread::TooLarge));
    }
    let text = String::from_utf8_lossy(bytes);
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
}

/// The text of a JSON object.
///
/// # Errors
/// It is not JSON, or not an object.
pub(super) fn object(text: &str) -> Result<&str, Refusal> {
    let value: &RawValue = serde_json::from_str(text).map_err(|_| Refusal::MalformedJson)?;
    if value.get().starts_with('{') { Ok(value.get()) } else { Err(Refusal::NotAnObject) }
}

/// Whether an object's text has no members.
pub(super) fn is_empty_object(object: &str) -> bool {
    let inner = object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    inner.is_some_and(|inner| inner.trim_matches([' ', '\t', '\r', '\n']).is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_utf8_json_is_json() {
        for (given, expect) in [
            ("application/json", true),
            ("Application/JSON", true),
            ("application/json; charset=utf-8", true),
            ("application/json;charset=\"UTF-8\"; x=y", true),
            ("application/json; x", true),
            ("application/json; charset=latin1", false),
            ("application/jsonx", false),
            ("application/ld+json", false),
            ("text/plain", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(given))]);
            assert_eq!(is_json(&headers), expect, "{given}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }

    #[test]
    fn a_compressed_body_is_not_json() {
        for (encoding, expect) in [("gzip", false), ("identity", true)] {
            let headers = HeaderMap::from_iter([
                (CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (CONTENT_ENCODING, HeaderValue::from_static(encoding)),
            ]);
            assert_eq!(is_json(&headers), expect, "{encoding}");
        }
    }

    #[test]
    fn objects_are_told_from_other_json_and_from_none() {
        for (given, expect) in [
            ("{}", Ok("{}")),
            (" {\"a\": 1e400}\n", Ok("{\"a\": 1e400}")),
            ("[]", Err(Refusal::NotAnObject)),
            ("null", Err(Refusal::NotAnObject)),
            ("\"x\"", Err(Refusal::NotAnObject)),
            ("{", Err(Refusal::MalformedJson)),
            ("{}x", Err(Refusal::MalformedJson)),
            ("{'a':1}", Err(Refusal::MalformedJson)),
            ("", Err(Refusal::MalformedJson)),
        ] {
            assert_eq!(object(given), expect, "{given}");
        }
        assert!(is_empty_object("{}") && is_empty_object("{ \n}") && !is_empty_object("{\"\":0}"));
    }
}
