//! What is sent to a device: read from JSON or a form, put as an event.

use super::refusal::Refusal;
use crate::event::Event;
use crate::form;
use crate::identity::Claim;
use crate::request::HttpRequest;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

/// `data` may have so many bytes before it is encoded; an offer of a browser has some thousand.
const LONGEST_DATA: usize = 64 * 1024;
/// `event` may have so many bytes.
const LONGEST_EVENT: usize = 256;
/// What JavaScript's `encodeURI` does not leave as it is (ECMA-262, section 19.2.6.4).
const NOT_URI: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b';')
    .remove(b'/')
    .remove(b'?')
    .remove(b':')
    .remove(b'@')
    .remove(b'&')
    .remove(b'=')
    .remove(b'+')
    .remove(b'$')
    .remove(b',')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'#');

/// A message to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Empty if none is given.
    event: String,
    data: String,
}

impl Message {
    /// Reads a request's body: JSON or a form, as its type says.
    pub(super) fn read(request: &HttpRequest) -> Result<Self, Refusal> {
        let body = request.body.as_ref().map_err(|unread| Refusal::Unread(*unread))?;
        let kind = request.header(&CONTENT_TYPE).unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let message = if kind.eq_ignore_ascii_case("application/json") {
            Self::from_json(body)
        } else if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let text = String::from_utf8_lossy(body);
            let field = |name| form::value(&text, name).unwrap_or_default();
            Ok(Self { event: field("event"), data: field("data") })
        } else {
            return Err(Refusal::NoData);
        };
        message?.checked()
    }

    fn from_json(body: &[u8]) -> Result<Self, Refusal> {
        let body: Map<String, Value> =
            serde_json::from_slice(body).map_err(|error| Refusal::Body(error.to_string()))?;
        let event = match body.get("event") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(event)) => event.clone(),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                return Err(Refusal::Body("the event is not a string".to_owned()));
            }
        };
        let data = match body.get("data") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(data)) => data.clone(),
            // A description or candidate as it is: its JSON.
            Some(other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_))) => other.to_string(),
        };
        Ok(Self { event, data })
    }

    fn checked(self) -> Result<Self, Refusal> {
        if self.data.is_empty() {
            return Err(Refusal::NoData);
        }
        if self.data.len() > LONGEST_DATA || self.event.len() > LONGEST_EVENT {
            return Err(Refusal::TooLong);
        }
        Ok(self)
    }

    /// As the device hears it from `sender`.
    pub(super) fn to_event(&self, sender: &Claim) -> Bytes {
        let id = format!("{}:{}", sender.user, sender.client);
        let data = utf8_percent_encode(&self.data, NOT_URI).to_string();
        Event { id: &id, event: &self.event, data: &data }.to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue, Method, Uri};

    #[test]
    fn a_message_is_read_and_put_as_an_event() {
        let check = |kind: &'static str, body: &str, expect: Result<&str, &str>| {
            let request = HttpRequest {
                method: Method::POST,
                uri: Uri::from_static("/"),
                headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]),
                body: Ok(Bytes::copy_from_slice(body.as_bytes())),
            };
            let sender = Claim { user: "ann".to_owned(), client: "phone".to_owned() };
            match (Message::read(&request).map(|message| message.to_event(&sender)), expect) {
                (Ok(event), Ok(expect)) => assert_eq!(event, format!("id: ann:phone\n{expect}\n\n"), "{body}"),
                (Err(refusal), Err(expect)) => assert!(format!("{refusal:?}").contains(expect), "{body}: {refusal:?}"),
                (event, _) => panic!("{body}: {event:?}"),
            }
        };
        let json = "application/json; charset=utf-8";
        check(json, r#"{"data":"x"}"#, Ok("data: x"));
        check(json, r#"{"data":"x","event":"offer"}"#, Ok("event: offer\ndata: x"));
        check(json, r#"{"data":"x","event":null}"#, Ok("data: x"));
        check(json, r#"{"data":"x","event":"a\n\ndata: b"}"#, Ok("event: adata: b\ndata: x"));
        check(json, r#"{"data":"a\r\n\ndata: b\nevent: c"}"#, Ok("data: a%0D%0A%0Adata:%20b%0Aevent:%20c"));
        check(json, r#"{"data":{"sdp":"v=0\r\n"}}"#, Ok(r"data: %7B%22sdp%22:%22v=0%5Cr%5Cn%22%7D"));
        check(json, r#"{"data":0}"#, Ok("data: 0"));
        check(json, r#"{"data":""}"#, Err("NoData"));
        check(json, r#"{"data":null}"#, Err("NoData"));
        check(json, "{}", Err("NoData"));
        check(json, r#"{"data":"x","event":1}"#, Err("not a string"));
        check(json, r#"["x"]"#, Err("expected a map"));
        check(json, "", Err("EOF"));
        let form = "application/x-www-form-urlencoded";
        check(form, "data=a+b%20c%2B&event=offer&data=d", Ok("event: offer\ndata: a%20b%20c+"));
        check(form, "event=offer", Err("NoData"));
        check(form, r#"{"data":"x"}"#, Err("NoData"));
        check("text/plain", r#"{"data":"x"}"#, Err("NoData"));
        check(form, &format!("data={}", "x".repeat(LONGEST_DATA + 1)), Err("TooLong"));
        check(form, &format!("data=x&event={}", "x".repeat(LONGEST_EVENT + 1)), Err("TooLong"));
    }

    #[test]
    fn data_is_encoded_as_javascript_does() {
        let encode = |text: &str| utf8_percent_encode(text, NOT_URI).to_string();
        // What encodeURI says to every ASCII character, in order.
        let ascii: String = (0..128_u8).map(char::from).collect();
        let mut expect: String = (0..0x20).map(|byte| format!("%{byte:02X}")).collect();
        expect.push_str("%20!%22#$%25&'()*+,-./0123456789:;%3C=%3E?@ABCDEFGHIJKLMNOPQRSTUVWXYZ%5B%5C%5D%5E_%60");
        expect.push_str("abcdefghijklmnopqrstuvwxyz%7B%7C%7D~%7F");
        assert_eq!(encode(&ascii), expect);
        assert_eq!(encode("é€🙂\u{2028}"), "%C3%A9%E2%82%AC%F0%9F%99%82%E2%80%A8");
        assert_eq!(encode("%20"), "%2520");
    }
}
