//! A ping: as a client sends it, as the database keeps it, as subscribers hear it.

use super::refusal::Refusal;
use crate::event::Event;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A status may have so many bytes. It is free text; by convention 0 is active, 1 away, 2 do not disturb, 3 invisible.
const LONGEST_STATUS: usize = 1024;

/// That a user was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ping {
    /// When, in seconds since the Unix epoch.
    pub(super) time: u64,
    /// As what.
    pub(super) status: String,
}

/// The body of a ping.
#[derive(Deserialize)]
struct Body {
    status: String,
}

impl Ping {
    /// Reads the body of a ping that came at `time`.
    pub(super) fn parse(body: &[u8], time: u64) -> Result<Self, Refusal> {
        // A list would do for the derived reader.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(Refusal::Body("it is no JSON object".to_owned()));
        }
        let Body { status } = serde_json::from_slice(body).map_err(|error| Refusal::Body(error.to_string()))?;
        if status.len() > LONGEST_STATUS {
            return Err(Refusal::Body(format!("the status is longer than {LONGEST_STATUS} bytes")));
        }
        Ok(Self { time, status })
    }

    /// As it is kept.
    pub(super) fn to_value(&self) -> Value {
        json!({"time": self.time, "status": self.status})
    }

    /// What was kept; none if nothing was, or something that is no ping.
    pub(super) fn from_value(value: &Value) -> Option<Self> {
        Self::deserialize(value).ok()
    }

    /// As it is sent.
    pub(super) fn to_event(&self) -> Bytes {
        // JSON as text has no line ends, whatever the status holds.
        let data = serde_json::to_string(self).unwrap_or_default();
        Event { data: &data, ..Event::default() }.to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_is_read_and_sent() {
        let check = |body: &str, expect: Result<&str, &str>| {
            let read = Ping::parse(body.as_bytes(), 1_600_000_000);
            let kept = read.as_ref().map(|ping| Ping::from_value(&ping.to_value()));
            assert_eq!(kept.ok(), read.as_ref().ok().map(|ping| Some(ping.clone())), "{body}");
            match (read, expect) {
                (Ok(ping), Ok(status)) => {
                    let event = format!("data: {{\"time\":1600000000,\"status\":{status}}}\n\n");
                    assert_eq!(ping.to_event(), event, "{body}");
                }
                (Err(Refusal::Body(reason)), Err(expect)) => assert!(reason.contains(expect), "{body}: {reason}"),
                (read, _) => panic!("{body}: {read:?}"),
            }
        };
        check(r#"{"status":"0"}"#, Ok(r#""0""#));
        check(r#" {"status":"", "more": 1} "#, Ok(r#""""#));
        check(r#"{"status":"a\n\ndata: b\u0000\r"}"#, Ok(r#""a\n\ndata: b\u0000\r""#));
        check(r#"{"status":"été 🙂"}"#, Ok(r#""été 🙂""#));
        check(&format!(r#"{{"status":"{}"}}"#, "x".repeat(1024)), Ok(&format!("\"{}\"", "x".repeat(1024))));
        check(&format!(r#"{{"status":"{}"}}"#, "x".repeat(1025)), Err("longer than 1024 bytes"));
        check("", Err("no JSON object"));
        check(r#"["0"]"#, Err("no JSON object"));
        check("{", Err("EOF"));
        check(r#"{"status":"0","status":"1"}"#, Err("duplicate"));
        check("{}", Err("missing field"));
        check(r#"{"status":0}"#, Err("expected a string"));
        check(r#"{"status":"\ud800"}"#, Err("hex escape"));
        check(r#"{"status":"0"}x"#, Err("trailing"));
        assert_eq!(Ping::from_value(&Value::Null), None);
    }
}
