//! Server-sent events as text (HTML, section 9.2).

use bytes::Bytes;
use std::fmt::Write;

/// A line that says nothing and keeps the connection open.
pub const COMMENT: Bytes = Bytes::from_static(b":\n\n");

/// One event. No field can end its line, and so none can begin another field or event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event<'e> {
    /// `id`; an empty one is left out.
    pub id: &'e str,
    /// `event`; an empty one is left out.
    pub event: &'e str,
    /// `data`, of any number of lines.
    pub data: &'e str,
}

impl Event<'_> {
    /// As it is sent.
    pub fn to_bytes(&self) -> Bytes {
        let mut text = String::with_capacity(self.id.len() + self.event.len() + self.data.len() + 32);
        for (name, value) in [("id", self.id), ("event", self.event)] {
            if !value.is_empty() {
                let line: String = value.chars().filter(|character| !matches!(character, '\r' | '\n' | '\0')).collect();
                let _ = writeln!(text, "{name}: {line}");
            }
        }
        for line in self.data.replace("\r\n", "\n").split(['\n', '\r']) {
            let _ = writeln!(text, "data: {line}");
        }
        text.push('\n');
        Bytes::from(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_begins_another() {
        let check = |id, event, data, expect: &str| {
            assert_eq!(Event { id, event, data }.to_bytes(), expect.as_bytes(), "{id:?} {event:?} {data:?}");
        };
        check("", "", "", "data: \n\n");
        check("1", "put", "{}", "id: 1\nevent: put\ndata: {}\n\n");
        check("", "a\n\ndata: b", "", "event: adata: b\ndata: \n\n");
        check("x\ry\0", "", "a\nb\r\nc\rd\n\ne", "id: xy\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \ndata: e\n\n");
    }
}
