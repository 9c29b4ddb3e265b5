//! Framing: how messages become the bytes of a stream, in each of its envelopes. Must not know: who reads them.

use crate::event_source;
use crate::message::{CUT_OFF, Message, PING};
use crate::path::ChannelId;
use crate::template::{Template, Values};
use bytes::{BufMut, Bytes, BytesMut};

/// The first bytes of WebSocket frames (RFC 6455, section 5.2): a whole text, a ping.
const TEXT: u8 = 0x81;
const WEBSOCKET_PING: u8 = 0x89;
/// Padding comes in steps of so many bytes.
const PADDING_STEP: usize = 100;

/// What messages are put into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Envelope {
    /// Events of a `text/event-stream`.
    #[default]
    EventSource,
    /// Nothing: they follow one another as the template makes them.
    Plain,
    /// A WebSocket text frame each, whole with its head. What is not UTF-8 becomes U+FFFD, for no client takes it.
    WebSocket,
}

/// So many bytes go out at least; zero for no such bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Padding {
    /// At the start of a stream.
    pub header: usize,
    /// With each message.
    pub message: usize,
}

/// What a stream looks like. Subscribers whose framings are equal share their frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Framing {
    /// What messages are put into.
    pub envelope: Envelope,
    /// Applied to a message, or in an event to each of its lines.
    pub message_template: Template,
    /// What a stream begins with; in an EventSource comments, and a single blank one if it is empty.
    pub header_template: String,
    /// What a stream that the server ends has at its end.
    pub footer_template: String,
    /// For clients that show nothing before they have so much.
    pub padding: Padding,
    /// The server's epoch, if events bear ids of its making (`epoch-seq`) and gaps are told. EventSource only.
    pub server_ids: Option<u64>,
}

impl Framing {
    /// The first bytes of a stream; possibly none.
    pub fn opening(&self) -> Bytes {
        let mut out = self.around(&self.header_template);
        if out.is_empty() && self.envelope == Envelope::EventSource {
            out.put_slice(b": \n");
        }
        self.pad(&mut out, self.padding.header);
        out.freeze()
    }

    /// The last bytes of a stream that the server ends; possibly none. A WebSocket's close is not among them.
    pub fn closing(&self) -> Bytes {
        self.around(&self.footer_template).freeze()
    }

    /// The last bytes of a stream that is cut off: the reason. A WebSocket has its close for that.
    pub fn cut_off(&self, reason: &str) -> Bytes {
        match self.envelope {
            Envelope::EventSource => {
                let mut out = BytesMut::from(&b"\n"[..]);
                out.put_slice(&event_source::comments(reason));
                out.put_slice(b"\n");
                out.freeze()
            }
            Envelope::Plain => self.own(CUT_OFF, Bytes::copy_from_slice(reason.as_bytes())),
            Envelope::WebSocket => Bytes::new(),
        }
    }

    /// A sign of life that is no message, except in a plain stream, where it says `text`.
    pub fn ping(&self, text: &Bytes) -> Bytes {
        match self.envelope {
            Envelope::EventSource => Bytes::from_static(b": -1\n"),
            Envelope::Plain => self.own(PING, text.clone()),
            Envelope::WebSocket => Bytes::from_static(&[WEBSOCKET_PING, 0]),
        }
    }

    /// A message of the server's own, on no channel.
    pub fn own(&self, id: i64, text: Bytes) -> Bytes {
        self.message(&ChannelId::new(b""), &Message::own(id, text))
    }

    /// One message.
    pub fn message(&self, channel: &ChannelId, message: &Message) -> Bytes {
        let mut out = match self.envelope {
            Envelope::EventSource => event_source::event(&self.message_template, channel, message, self.server_ids),
            Envelope::Plain => self.plain(channel, message),
            Envelope::WebSocket => text_frame(&self.plain(channel, message)),
        };
        self.pad(&mut out, self.padding.message);
        out.freeze()
    }

    /// What sets the client's place in the server's order of messages; none if it has no such ids.
    pub(crate) fn mark(&self, seq: u64) -> Option<Bytes> {
        self.server_ids().map(|epoch| event_source::mark(epoch, seq))
    }

    /// What says that messages of `channel` are missing here; none if gaps are not told.
    pub(crate) fn gap(&self, channel: &ChannelId, lost: Option<u64>) -> Option<Bytes> {
        self.server_ids().map(|epoch| event_source::gap(channel, epoch, lost))
    }

    /// What tells the client to come back after so many milliseconds; none if it would have missed something then.
    pub(crate) fn retry(&self, milliseconds: u64) -> Option<Bytes> {
        self.server_ids().map(|_| event_source::retry(milliseconds))
    }

    /// The epoch, where this envelope has room for ids.
    pub(crate) fn server_ids(&self) -> Option<u64> {
        match self.envelope {
            Envelope::EventSource => self.server_ids,
            Envelope::Plain | Envelope::WebSocket => None,
        }
    }

    /// A header or footer in the envelope; empty for none.
    fn around(&self, template: &str) -> BytesMut {
        match self.envelope {
            Envelope::EventSource => event_source::comments(template),
            Envelope::Plain => BytesMut::from(template.as_bytes()),
            Envelope::WebSocket if template.is_empty() => BytesMut::new(),
            Envelope::WebSocket => text_frame(template.as_bytes()),
        }
    }

    fn plain(&self, channel: &ChannelId, message: &Message) -> BytesMut {
        let publication = &message.publication;
        let mut out = BytesMut::with_capacity(publication.bytes() + 32);
        let values = Values {
            id: message.id,
            stamp: message.stamp,
            channel: channel.as_bytes(),
            event_id: publication.event_id.as_ref().map_or(&[], |id| id.as_bytes()),
            event_type: publication.event_type.as_ref().map_or(&[], |kind| kind.as_bytes()),
            text: &publication.body,
        };
        self.message_template.expand(&values, &mut out);
        out
    }

    /// Adds blanks, so that there are `least` bytes.
    fn pad(&self, out: &mut BytesMut, least: usize) {
        let missing = least.saturating_sub(out.len()).div_ceil(PADDING_STEP) * PADDING_STEP;
        if missing == 0 {
            return;
        }
        match self.envelope {
            Envelope::EventSource => event_source::blank_comment(out, missing),
            Envelope::Plain => out.put_bytes(b' ', missing),
            // Its clients show each frame at once.
            Envelope::WebSocket => {}
        }
    }
}

/// A whole text as a server sends it: not masked.
fn text_frame(payload: &[u8]) -> BytesMut {
    let text = String::from_utf8_lossy(payload);
    let mut out = BytesMut::with_capacity(text.len() + 10);
    out.put_u8(TEXT);
    match u16::try_from(text.len()) {
        Ok(length @ 0..126) => out.put_u8(u8::try_from(length).unwrap_or_default()),
        Ok(length) => {
            out.put_u8(126);
            out.put_u16(length);
        }
        Err(_) => {
            out.put_u8(127);
            out.put_u64(text.len() as u64);
        }
    }
    out.put_slice(text.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{EventField, Publication, Stamp};

    fn framed(framing: &Framing, channel: &[u8], publication: Publication) -> String {
        let message = Message { id: 7, seq: 42, stamp: Stamp { time: 1, tag: 2 }, publication };
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
        assert_eq!(&framing.cut_off("slow")[..], b"\n: slow\n\n");
        assert_eq!(&framing.ping(&Bytes::from_static(b"x"))[..], b": -1\n");
    }

    #[test]
    fn a_plain_stream_is_what_the_templates_make() {
        let framing = Framing {
            envelope: Envelope::Plain,
            message_template: Template::parse("<~id~|~tag~|~channel~|~event-id~|~text~|~time~>").unwrap(),
            header_template: "HEAD\n".into(),
            footer_template: "FOOT".into(),
            ..Framing::default()
        };
        let publication = Publication { event_id: EventField::new(b"e"), ..Publication::new("a\r\nb".into()) };
        assert_eq!(framed(&framing, b"ch", publication), "<7|2|ch|e|a\r\nb|Thu, 01 Jan 1970 00:00:01 GMT>");
        assert_eq!((&framing.opening()[..], &framing.closing()[..]), (&b"HEAD\n"[..], &b"FOOT"[..]));
        assert_eq!(&framing.ping(&" ".into())[..], b"<-1|0||| |Thu, 01 Jan 1970 00:00:00 GMT>");
        assert_eq!(&framing.cut_off("slow")[..], b"<-4|0|||slow|Thu, 01 Jan 1970 00:00:00 GMT>");
        let bare = Framing { envelope: Envelope::Plain, ..Framing::default() };
        assert_eq!((&bare.opening()[..], &bare.closing()[..]), (&b""[..], &b""[..]));
    }

    #[test]
    fn websocket_frames_have_heads_of_three_lengths() {
        let framing = Framing { envelope: Envelope::WebSocket, header_template: "H".into(), ..Framing::default() };
        assert_eq!((&framing.opening()[..], &framing.closing()[..]), (&b"\x81\x01H"[..], &b""[..]));
        assert_eq!(&framing.ping(&"x".into())[..], b"\x89\0");
        for (length, head) in [
            (1, &b"\x81\x01"[..]),
            (125, b"\x81\x7d"),
            (126, b"\x81\x7e\0\x7e"),
            (65_535, b"\x81\x7e\xff\xff"),
            (65_536, b"\x81\x7f\0\0\0\0\0\x01\0\0"),
        ] {
            let frame = framing.own(1, Bytes::from("x".repeat(length)));
            assert_eq!((frame.get(..head.len()), frame.len()), (Some(head), head.len() + length), "{length}");
        }
        let frame = framing.own(1, Bytes::from_static(b"a\xff"));
        assert_eq!(&frame[..], b"\x81\x04a\xef\xbf\xbd");
    }

    #[test]
    fn padding_comes_in_steps_of_a_hundred() {
        let padding = Padding { header: 150, message: 20 };
        let events = Framing { padding, ..Framing::default() };
        assert_eq!(&events.opening()[..], format!(": \n:{}\n", " ".repeat(198)).as_bytes());
        assert_eq!(framed(&events, b"a", Publication::new("x".into())), format!("data: x\n\n:{}\n", " ".repeat(98)));
        let plain = Framing { envelope: Envelope::Plain, ..events };
        assert_eq!(plain.opening().len(), 200);
        assert_eq!(framed(&plain, b"a", Publication::new("x".into())), format!("x{}", " ".repeat(100)));
        assert_eq!(framed(&plain, b"a", Publication::new("x".repeat(20).into())), "x".repeat(20));
    }

    #[test]
    fn ids_of_the_servers_making() {
        let framing = Framing { server_ids: Some(9), ..Framing::default() };
        let publication = Publication { event_id: EventField::new(b"e"), ..Publication::new("x".into()) };
        assert_eq!(framed(&framing, b"a", publication), "id: 9-42\ndata: x\n\n");
        assert_eq!(&framing.own(-2, "gone".into())[..], b"data: gone\n\n");
        assert_eq!(framing.mark(3).unwrap(), "id: 9-3\n\n");
        let gap = framing.gap(&ChannelId::new(b"a\"\n"), Some(3)).unwrap();
        assert_eq!(gap, "event: gap\ndata: {\"channel\":\"a\\\"\\n\",\"lost\":\"9-3\"}\n\n");
        assert_eq!(
            framing.gap(&ChannelId::new(b"a"), None).unwrap(),
            "event: gap\ndata: {\"channel\":\"a\",\"lost\":null}\n\n"
        );
        assert_eq!((Framing::default().mark(3), Framing::default().gap(&ChannelId::new(b"a"), None)), (None, None));
    }
}
