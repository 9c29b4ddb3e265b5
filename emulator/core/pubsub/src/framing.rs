//! EventSource framing: how messages become bytes of a `text/event-stream`. Must not know: who reads them.
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

/// What a stream looks like. Subscribers whose framings are equal share their frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Framing {
    /// Applied to every line of a message.
    pub message_template: Template,
    /// Comments at the start; empty for a single blank one.
    pub header_template: String,
    /// Comments at the end of a stream that the server ends.
    pub footer_template: String,
}

impl Framing {
    /// The first bytes of a stream.
    pub fn opening(&self) -> Bytes {
        if lines(self.header_template.as_bytes()).next().is_none() {
            return Bytes::from_static(b": \n");
        }
        comments(&self.header_template)
    }

    /// The last bytes of a stream that the server ends; possibly none.
    pub fn closing(&self) -> Bytes {
        comments(&self.footer_template)
    }

    /// The last bytes of a stream that is cut off: a comment with the reason.
    pub fn cut_off(reason: &str) -> Bytes {
        let mut out = BytesMut::from(&b"\n"[..]);
        out.put_slice(&comments(reason));
        out.put_slice(b"\n");
        out.freeze()
    }

    /// One event. Empty lines of the message are dropped, as in the original.
    pub fn message(&self, channel: &ChannelId, message: &Message) -> Bytes {
        let publication = &message.publication;
        let mut out = BytesMut::with_capacity(publication.bytes() + 32);
        if let Some(id) = &publication.event_id {
            field(&mut out, b"id: ", id.as_bytes());
        }
        if let Some(kind) = &publication.event_type {
            field(&mut out, b"event: ", kind.as_bytes());
        }
        let own_field = self.message_template.begins_with(DATA);
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
            self.message_template.expand(&values, &mut out);
            if !own_field {
                out.put_u8(b'\n');
            }
        }
        out.put_u8(b'\n');
        out.freeze()
    }
}

fn field(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.put_slice(name);
    out.put_slice(value);
    out.put_u8(b'\n');
}

fn comments(text: &str) -> Bytes {
    let mut out = BytesMut::new();
    for line in lines(text.as_bytes()) {
        field(&mut out, b": ", line);
    }
    out.freeze()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{EventField, Publication, Stamp};

    fn framed(framing: &Framing, channel: &[u8], publication: Publication) -> String {
        let message = Message { id: 7, stamp: Stamp { time: 1, tag: 2 }, publication };
        String::from_utf8(framing.message(&ChannelId::new(channel), &message).to_vec()).unwrap()
    }

    fn check(body: &'static str, expect: &str) {
        let frame = framed(&Framing::default(), b"ch", Publication::new(Bytes::from_static(body.as_bytes())));
        assert_eq!(frame, expect, "{body:?}");
    }

    #[test]
    fn every_line_is_a_data_field() {
        check("hi", "data: hi\n\n");
        check("a\nb", "data: a\ndata: b\n\n");
        check("a\r\nb\r\n", "data: a\ndata: b\n\n");
        check("a\n\nb", "data: a\ndata: b\n\n");
        check("\r\n\n", "\n");
        check(" padded ", "data:  padded \n\n");
    }

    #[test]
    fn a_lone_cr_ends_a_line() {
        check("a\rb", "data: a\ndata: b\n\n");
        check("a\r", "data: a\n\n");
        check("a\rb\nc", "data: a\ndata: b\ndata: c\n\n");
    }

    #[test]
    fn event_id_and_type_come_first() {
        let id = EventField::new(b"e1");
        let kind = EventField::new(b"kind");
        for (event_id, event_type, expect) in [
            (id.clone(), None, "id: e1\ndata: x\n\n"),
            (None, kind.clone(), "event: kind\ndata: x\n\n"),
            (id, kind, "id: e1\nevent: kind\ndata: x\n\n"),
        ] {
            let publication = Publication { body: Bytes::from_static(b"x"), event_id, event_type };
            assert_eq!(framed(&Framing::default(), b"ch", publication), expect);
        }
    }

    #[test]
    fn templates_are_applied_to_each_line() {
        for (template, expect) in [
            ("~id~:~channel~:~text~", "data: 7:ch%0A:ab\ndata: 7:ch%0A:c\n\n"),
            ("~size~", "data: 2\ndata: 1\n\n"),
            ("data: <~text~>\n", "data: <ab>\ndata: <c>\n\n"),
            ("data:~text~", "data: data:ab\ndata: data:c\n\n"),
        ] {
            let framing = Framing { message_template: Template::parse(template).unwrap(), ..Framing::default() };
            let body = Bytes::from_static(b"ab\nc");
            assert_eq!(framed(&framing, b"ch\n", Publication::new(body)), expect, "{template:?}");
        }
    }

    #[test]
    fn header_and_footer_are_comments() {
        let plain = Framing::default();
        assert_eq!((&plain.opening()[..], &plain.closing()[..]), (&b": \n"[..], &b""[..]));
        let framing =
            Framing { header_template: "one\ntwo".into(), footer_template: "end\r\n".into(), ..Framing::default() };
        assert_eq!((&framing.opening()[..], &framing.closing()[..]), (&b": one\n: two\n"[..], &b": end\n"[..]));
        assert_eq!(&Framing::cut_off("slow")[..], b"\n: slow\n\n");
    }
}
