//! Statistics as text: six formats, three forms.
//!
//! All line ends are CRLF. Ids are escaped as the format asks, where the original writes them raw. Must not know: how
//! anything was counted.

use crate::channel::ChannelInfo;
use crate::date;
use crate::statistics::{Head, Report, Summary};
use std::borrow::Cow;
use std::fmt::Write;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/plain`
    Text,
    /// `application/json`
    Json,
    /// `application/yaml`
    Yaml,
    /// `application/xml`
    Xml,
    /// `text/x-json`
    XJson,
    /// `text/x-yaml`
    XYaml,
}

const SUBTYPES: [(&str, Format); 6] = [
    ("plain", Format::Text),
    ("json", Format::Json),
    ("yaml", Format::Yaml),
    ("xml", Format::Xml),
    ("x-json", Format::XJson),
    ("x-yaml", Format::XYaml),
];

impl Format {
    /// Reads an `Accept` header: what follows a slash decides, the first that is known; JSON if none is. A header that
    /// breaks off within a name means that name, as in the original.
    pub fn from_accept(accept: &[u8]) -> Self {
        let slashes = accept.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let mut rests = slashes.filter_map(|(index, _)| accept.get(index + 1..));
        let named = rests.find_map(|rest| {
            SUBTYPES.iter().find(|(name, _)| {
                let shared = name.len().min(rest.len());
                let (name, rest) = (name.as_bytes().get(..shared), rest.get(..shared));
                name.zip(rest).is_some_and(|(name, rest)| name.eq_ignore_ascii_case(rest))
            })
        });
        named.map_or(Self::Json, |(_, format)| *format)
    }

    /// The `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Xml => "application/xml",
            Self::XJson => "text/x-json",
            Self::XYaml => "text/x-yaml",
        }
    }
}

/// What is told of a channel seldom has more bytes.
const ROOM: usize = 160;

/// A key and its value.
type Pair<'a> = (&'static str, Field<'a>);
type Fields<'a> = Vec<Pair<'a>>;

/// A value; only an id can hold anything that needs care.
enum Field<'a> {
    Number(u64),
    Plain(String),
    Id(Cow<'a, str>),
}

impl Report {
    /// The answer's body.
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Text => self.text(),
            Format::Json | Format::XJson => self.json(),
            Format::Yaml | Format::XYaml => self.yaml(),
            Format::Xml => self.xml(),
        }
    }

    fn text(&self) -> String {
        let block = |info| text_lines(&of_channel(info, "channel", "active_subscribers"), "");
        match self {
            Self::Channel(info) => block(info) + "\r\n",
            Self::Group(head, infos) => {
                let head: Vec<_> = of_head(head).iter().map(|(key, field)| format!("{key}: {}", text(field))).collect();
                let blocks: Vec<_> = infos.iter().map(block).collect();
                end_lines(format!("{}, infos: \r\n{}", head.join(", "), blocks.join(",\r\n")))
            }
            Self::Summary(summary) => {
                let workers = text_lines(&of_worker(summary), "  ");
                format!("{}\r\nby_worker:\r\n{workers}\r\n", text_lines(&of_summary(summary), ""))
            }
        }
    }

    fn json(&self) -> String {
        let object = |info| json_object(&of_channel(info, "channel", "subscribers"), ROOM);
        match self {
            Self::Channel(info) => object(info) + "\r\n",
            Self::Group(head, infos) => {
                let objects: Vec<_> = infos.iter().map(object).collect();
                let infos = end_lines(objects.join(",\r\n"));
                format!("{{{}, \"infos\": [\r\n{infos}]}}\r\n", json_fields(&of_head(head)))
            }
            Self::Summary(summary) => format!(
                "{{{}, \"by_worker\": [\r\n{{{}}}\r\n]}}\r\n",
                json_fields(&of_summary(summary)),
                json_fields(&of_worker(summary)),
            ),
        }
    }

    fn yaml(&self) -> String {
        let block = |info| yaml_lines(&of_channel(info, "channel", "subscribers"), "  ");
        match self {
            Self::Channel(info) => block(info),
            Self::Group(head, infos) => {
                let blocks: String = infos.iter().map(|info| format!(" -\r\n{}", block(info))).collect();
                format!("{}infos: \r\n{blocks}", yaml_lines(&of_head(head), ""))
            }
            Self::Summary(summary) => format!(
                "{}  by_worker:\r\n  -\r\n{}",
                yaml_lines(&of_summary(summary), "  "),
                yaml_lines(&of_worker(summary), "    "),
            ),
        }
    }

    fn xml(&self) -> String {
        const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>";
        let element = |info| format!("<channel>{}</channel>", xml_fields(&of_channel(info, "name", "subscribers")));
        let body = match self {
            Self::Channel(info) => element(info),
            Self::Group(head, infos) => {
                let elements: Vec<_> = infos.iter().map(element).collect();
                let (head, infos) = (xml_fields(&of_head(head)), end_lines(elements.join("\r\n")));
                format!("<root>{head}<infos>\r\n{infos}</infos></root>")
            }
            Self::Summary(summary) => format!(
                "<infos>{}<by_worker>\r\n<worker>{}</worker>\r\n</by_worker></infos>",
                xml_fields(&of_summary(summary)),
                xml_fields(&of_worker(summary)),
            ),
        };
        format!("{DECLARATION}\r\n{body}\r\n")
    }
}

fn of_channel<'a>(info: &'a ChannelInfo, id: &'static str, subscribers: &'static str) -> [Pair<'a>; 4] {
    [
        (id, Field::Id(String::from_utf8_lossy(info.id.as_bytes()))),
        ("published_messages", Field::Number(info.published_messages)),
        ("stored_messages", number(info.stored_messages)),
        (subscribers, number(info.subscribers)),
    ]
}

fn of_head(head: &Head) -> Fields<'static> {
    vec![
        ("hostname", Field::Plain(head.hostname.clone())),
        ("time", Field::Plain(date::iso(head.time))),
        ("channels", number(head.channels)),
        ("wildcard_channels", number(head.wildcard_channels)),
        ("uptime", Field::Number(head.uptime)),
    ]
}

fn of_summary(summary: &Summary) -> Fields<'static> {
    let mut fields = of_head(&summary.head);
    let uptime = fields.pop();
    fields.extend([
        ("published_messages", Field::Number(summary.published_messages)),
        ("stored_messages", number(summary.stored_messages)),
        // What is removed is freed at once, there is no trash.
        ("messages_in_trash", Field::Number(0)),
        ("channels_in_delete", Field::Number(0)),
        ("channels_in_trash", Field::Number(0)),
        ("subscribers", number(summary.subscribers)),
    ]);
    fields.extend(uptime);
    fields
}

/// The one worker there is.
fn of_worker(summary: &Summary) -> Fields<'static> {
    vec![
        ("pid", Field::Plain(summary.pid.to_string())),
        ("subscribers", number(summary.subscribers)),
        ("uptime", Field::Number(summary.head.uptime)),
    ]
}

fn number(count: usize) -> Field<'static> {
    Field::Number(count as u64)
}

fn end_lines(mut lines: String) -> String {
    if !lines.is_empty() && !lines.ends_with("\r\n") {
        lines.push_str("\r\n");
    }
    lines
}

/// Plain text: an id keeps to its line.
fn text(field: &Field<'_>) -> String {
    match field {
        Field::Number(number) => number.to_string(),
        Field::Plain(text) => text.clone(),
        Field::Id(id) => id
            .chars()
            .flat_map(|char| if char.is_control() { char.escape_default().collect() } else { vec![char] })
            .collect(),
    }
}

fn text_lines(fields: &[Pair<'_>], indent: &str) -> String {
    let lines: Vec<_> = fields.iter().map(|(key, field)| format!("{indent}{key}: {}", text(field))).collect();
    lines.join("\r\n")
}

/// The fields in braces, with `room` to begin with.
fn json_object(fields: &[Pair<'_>], room: usize) -> String {
    let mut out = String::with_capacity(room);
    out.push('{');
    push_json_fields(&mut out, fields);
    out.push('}');
    out
}

fn json_fields(fields: &[Pair<'_>]) -> String {
    let mut out = String::new();
    push_json_fields(&mut out, fields);
    out
}

fn push_json_fields(out: &mut String, fields: &[Pair<'_>]) {
    for (index, (key, field)) in fields.iter().enumerate() {
        for part in [if index > 0 { ", \"" } else { "\"" }, key, "\": "] {
            out.push_str(part);
        }
        match field {
            // Writing to a string cannot fail.
            Field::Number(number) => drop(write!(out, "{number}")),
            Field::Plain(text) => push_json_string(out, text),
            Field::Id(text) => push_json_string(out, text),
        }
    }
}

fn push_json_string(out: &mut String, text: &str) {
    if text.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..b' ')) {
        out.push_str(&json_string(text));
    } else {
        for part in ["\"", text, "\""] {
            out.push_str(part);
        }
    }
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// YAML writes an id as it is where that is a plain word, and otherwise as a JSON string, which YAML reads as well.
fn yaml_lines(fields: &[Pair<'_>], indent: &str) -> String {
    let mut lines = String::new();
    for (key, field) in fields {
        let value = match field {
            Field::Number(number) => number.to_string(),
            Field::Plain(text) => text.clone(),
            Field::Id(id) if is_plain_word(id) => id.to_string(),
            Field::Id(id) => json_string(id),
        };
        // Writing to a string cannot fail.
        let _ = write!(lines, "{indent}{key}: {value}\r\n");
    }
    lines
}

fn is_plain_word(id: &str) -> bool {
    id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        && id.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

fn xml_fields(fields: &[Pair<'_>]) -> String {
    let elements = fields.iter().map(|(key, field)| match field {
        Field::Number(number) => format!("<{key}>{number}</{key}>"),
        Field::Plain(text) => format!("<{key}>{}</{key}>", xml_text(text)),
        Field::Id(text) => format!("<{key}>{}</{key}>", xml_text(text)),
    });
    elements.collect()
}

/// Characters that XML 1.0 cannot hold become U+FFFD; a CR is written as a reference, or a parser would drop it.
fn xml_text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\r' => escaped.push_str("&#13;"),
            '\t' | '\n' => escaped.push(char),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
