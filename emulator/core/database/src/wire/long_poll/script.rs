//! The answers: scripts that the SDK runs in a frame of the page.
//!
//! A script has two functions of the page to call: one with commands, one with numbered lists of messages. The first
//! answer makes both known in the frame, under names that all later answers use. Must not know: when what is answered.

use super::request::Callback;
use crate::wire::frame::announced;
use bytes::Bytes;
use std::fmt::Write;

/// The page that the SDK loads into a frame, and that tells the server when it is left: the frame is taken away when the
/// client disconnects, and goes when its page does. It asks for what it was asked with, but for the parameter's name.
pub const DISCONNECT_FRAME: &str = "<!doctype html><script>\
    addEventListener('pagehide',function(){\
    navigator.sendBeacon(location.pathname+location.search.replace('dframe=','disconn='))\
    })</script>\n";

/// Answers a poll that nothing is to be told on: the client sends the next one.
pub const NOTHING: &str = "";

/// Begins a session: `id` and `password`, which must be of letters and digits, are what its requests carry.
pub(super) fn start(callback: Option<Callback>, id: &str, password: &str) -> Script {
    let mut script = Script::default();
    if let Some(callback) = callback {
        // The functions stay when the client has closed; a page that has left cannot be called.
        for (name, arguments) in [("pLPCommand", "c,a,b"), ("pRTLPCB", "n,d")] {
            script.write(format_args!(
                "function {name}({arguments}){{var f=parent[\"{name}{callback}\"];f&&f({arguments})}}\n"
            ));
        }
    }
    script.write(format_args!("pLPCommand(\"start\",\"{id}\",\"{password}\");\n"));
    script
}

/// A script under way.
#[derive(Debug, Default)]
pub struct Script(Vec<u8>);

impl Script {
    /// Has the client end the session, once it has had the answer of this number, if there is one.
    pub fn close(&mut self, last: Option<u64>) {
        match last {
            Some(number) => self.write(format_args!("pLPCommand(\"close\",{number});\n")),
            None => self.write(format_args!("pLPCommand(\"close\");\n")),
        }
    }

    /// Begins the list of messages of this number.
    pub(super) fn messages(self, number: u64) -> Messages {
        let mut script = self;
        script.write(format_args!("pRTLPCB({number},["));
        Messages { script, count: 0, missing: 0, from: 0 }
    }

    /// The script's text.
    pub fn finish(self) -> Bytes {
        self.0.into()
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        let mut written = String::new();
        // Writing to a string does not fail.
        let _ = written.write_fmt(text);
        self.0.extend_from_slice(written.as_bytes());
    }
}

/// A list of messages under way.
#[derive(Debug)]
pub struct Messages {
    script: Script,
    count: usize,
    /// So many frames of the present message are to come.
    missing: usize,
    from: usize,
}

impl Messages {
    /// Adds a message as it is sent over a WebSocket: whole, or in frames of which the first tells how many follow.
    pub fn frame(&mut self, frame: &[u8]) {
        if self.missing == 0 {
            if self.count > 0 {
                self.script.0.push(b',');
            }
            self.count += 1;
            self.from = self.script.0.len();
            if let Some(pieces) = std::str::from_utf8(frame).ok().and_then(announced) {
                self.missing = pieces;
                return;
            }
            self.missing = 1;
        }
        self.script.0.extend_from_slice(frame);
        self.missing -= 1;
        if self.missing == 0 {
            make_literal(&mut self.script.0, self.from);
        }
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.script.0.len()
    }

    /// Whether there is no message.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Ends the list.
    pub(super) fn end(self) -> Script {
        let mut script = self.script;
        script.0.extend_from_slice(b"]);\n");
        script
    }
}

/// Makes the JSON from `from` on a JavaScript literal that means the same. There are two differences: a member called
/// `__proto__` would become the object's prototype, and before 2019 two separators ended a line within a string.
fn make_literal(text: &mut Vec<u8>, from: usize) {
    const PROTO: &[u8] = b"\"__proto__\":";
    const SEPARATOR: &[u8] = b"\xe2\x80";
    let json = text.get(from..).unwrap_or_default();
    let found = |needle: &[u8]| json.windows(needle.len()).any(|window| window == needle);
    if !found(PROTO) && !found(b"\xe2\x80\xa8") && !found(b"\xe2\x80\xa9") {
        return;
    }
    let mut literal = Vec::with_capacity(json.len() + 64);
    let mut rest = json;
    while let Some((first, after)) = rest.split_first() {
        // An escaped quotation mark is within a name, which is then a longer one.
        if rest.starts_with(PROTO) && literal.last() != Some(&b'\\') {
            literal.extend_from_slice(b"[\"__proto__\"]:");
            rest = rest.get(PROTO.len()..).unwrap_or_default();
        } else if let Some([last @ (0xa8 | 0xa9), after @ ..]) = rest.strip_prefix(SEPARATOR) {
            literal.extend_from_slice(if *last == 0xa8 { br"\u2028" } else { br"\u2029" });
            rest = after;
        } else {
            literal.push(*first);
            rest = after;
        }
    }
    text.truncate(from);
    text.extend_from_slice(&literal);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::split;

    fn text(script: Script) -> String {
        String::from_utf8(script.finish().to_vec()).unwrap()
    }

    #[test]
    fn a_session_begins() {
        let super::super::Request::Start(request) = super::super::Request::parse("start=t&cb=007").unwrap() else {
            unreachable!()
        };
        let mut messages = start(request.callback, "i", "p").messages(0);
        messages.frame(b"{}");
        assert_eq!(
            text(messages.end()),
            concat!(
                "function pLPCommand(c,a,b){var f=parent[\"pLPCommand7\"];f&&f(c,a,b)}\n",
                "function pRTLPCB(n,d){var f=parent[\"pRTLPCB7\"];f&&f(n,d)}\n",
                "pLPCommand(\"start\",\"i\",\"p\");\npRTLPCB(0,[{}]);\n",
            )
        );
        assert_eq!(text(start(None, "i", "p")), "pLPCommand(\"start\",\"i\",\"p\");\n");
    }

    fn check(messages: &[&str], expect: &str) {
        let mut list = Script::default().messages(5);
        for message in messages {
            split(&(*message).to_owned().into(), b"", |frame| list.frame(&frame));
        }
        assert_eq!(list.is_empty(), messages.is_empty());
        let mut script = list.end();
        script.close(Some(5));
        script.close(None);
        assert_eq!(text(script), format!("pRTLPCB(5,[{expect}]);\npLPCommand(\"close\",5);\npLPCommand(\"close\");\n"));
    }

    #[test]
    fn messages_become_literals() {
        check(&[], "");
        check(&["{\"a\":1}", "{}"], "{\"a\":1},{}");
        let long = format!("{{\"a\":\"{}\"}}", "é".repeat(20_000));
        check(&["{}", &long, &long, "{}"], &format!("{{}},{long},{long},{{}}"));
        check(
            &[r#"{"__proto__":1,"a":{"__proto__":"\"__proto__\":"},"x\"__proto__":"__proto__"}"#],
            r#"{["__proto__"]:1,"a":{["__proto__"]:"\"__proto__\":"},"x\"__proto__":"__proto__"}"#,
        );
        check(&["\"a\u{2028}\u{2029}\u{202a}é\""], "\"a\\u2028\\u2029\u{202a}é\"");
    }
}
