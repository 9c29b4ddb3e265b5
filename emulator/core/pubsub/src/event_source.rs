//! `text/event-stream`, as a browser's EventSource reads it: comments, fields, events. Must not know: who reads them.
//!
//! One departure from the original: a lone CR ends a line here, as the EventSource specification has it, also where
//! no LF follows. The original sends such a CR as it is, and its clients see a line break without `data:`.

use crate::message::Message;
use crate::path::ChannelId;
use crate::template::{Template, Values};
use bytes::{BufMut, Bytes, BytesMut};
use std::borrow::Cow;

/// A template that begins like this brings its own field name and line end.
const DATA: &str = "data: ";

/// One event. Empty lines of the message are dropped, as in the original. With an `epoch` the event's id is the
/// server's, and else the publisher's.
pub(crate) fn event(template: &Template, channel: &ChannelId, message: &Message, epoch: Option<u64>) -> BytesMut {
    let publication = &message.publication;
    let mut out = BytesMut::with_capacity(publication.bytes() + 32);
    match epoch {
        Some(epoch) if message.seq > 0 => field(&mut out, b"id: ", position(epoch, message.seq).as_bytes()),
        Some(_) | None => {
            if let Some(id) = &publication.event_id {
                field(&mut out, b"id: ", id.as_bytes());
            }
        }
    }
    if let Some(kind) = &publication.event_type {
        field(&mut out, b"event: ", kind.as_bytes());
    }
    let own_field = template.begins_with(DATA);
    let channel = within_a_line(channel.as_bytes());
    for text in lines(&publication.body) {
        let values = Values {
            id: message.id,
            stamp: message.stamp,
            channel: &channel,
            event_id: publication.event_id.as_ref().map_or(&[], |id| id.as_bytes()),
            event_type: publication.event_type.as_ref().map_or(&[], |kind| kind.as_bytes()),
            text,
        };
        if !own_field {
            out.put_slice(DATA.as_bytes());
        }
        template.expand(&values, &mut out);
        if !own_field {
            out.put_u8(b'\n');
        }
    }
    out.put_u8(b'\n');
    out
}

/// An id of the server's making: `epoch-seq`.
fn position(epoch: u64, seq: u64) -> String {
    format!("{epoch}-{seq}")
}

/// Sets a client's last event id without being an event.
pub(crate) fn mark(epoch: u64, seq: u64) -> Bytes {
    format!("id: {}\n\n", position(epoch, seq)).into()
}

/// Sets how long a client waits before it connects again, without being an event.
pub(crate) fn retry(milliseconds: u64) -> Bytes {
    format!("retry: {milliseconds}\n\n").into()
}

/// The event that says that messages of `channel` are missing at this place, the latest of them `lost` if that is known.
pub(crate) fn gap(channel: &ChannelId, epoch: u64, lost: Option<u64>) -> Bytes {
    let data = serde_json::json!({
        "channel": channel.to_string(),
        "lost": lost.map(|seq| position(epoch, seq)),
    });
    format!("event: gap\ndata: {data}\n\n").into()
}

/// A comment for each line of `text`.
pub(crate) fn comments(text: &str) -> BytesMut {
    let mut out = BytesMut::new();
    for line in lines(text.as_bytes()) {
        field(&mut out, b": ", line);
    }
    out
}

/// A comment of so many bytes, nothing but blanks; at least two.
pub(crate) fn blank_comment(out: &mut BytesMut, bytes: usize) {
    out.put_u8(b':');
    out.put_bytes(b' ', bytes.saturating_sub(2));
    out.put_u8(b'\n');
}

fn field(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.put_slice(name);
    out.put_slice(value);
    out.put_u8(b'\n');
}

/// The lines of `text` that are not empty; CRLF, LF and CR end one.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|line| !line.is_empty())
}

/// A channel id, its line ends percent-encoded: they would end the event's line.
fn within_a_line(id: &[u8]) -> Cow<'_, [u8]> {
    if !id.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        return Cow::Borrowed(id);
    }
    let mut out = Vec::with_capacity(id.len() + 8);
    for byte in id {
        match byte {
            b'\r' => out.extend_from_slice(b"%0D"),
            b'\n' => out.extend_from_slice(b"%0A"),
            other => out.push(*other),
        }
    }
    Cow::Owned(out)
}
