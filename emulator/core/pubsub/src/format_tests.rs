//! Formats and forms of the statistics, byte for byte.

use super::*;
use crate::path::ChannelId;

fn info(id: &str) -> ChannelInfo {
    ChannelInfo { id: ChannelId::new(id.as_bytes()), published_messages: 5, stored_messages: 1, subscribers: 2 }
}

fn head() -> Head {
    Head { hostname: "box".into(), time: 1_893_456_000, channels: 2, wildcard_channels: 3, uptime: 9 }
}

fn summary() -> Report {
    Report::Summary(Summary { head: head(), published_messages: 5, stored_messages: 1, subscribers: 2, pid: 77 })
}

fn check(report: &Report, format: Format, lines: &[&str]) {
    assert_eq!(report.render(format), lines.join("\r\n") + "\r\n", "{format:?}");
}

#[test]
fn one_channel() {
    let report = Report::Channel(info("a"));
    let json = r#"{"channel": "a", "published_messages": 5, "stored_messages": 1, "subscribers": 2}"#;
    check(&report, Format::Json, &[json]);
    check(&report, Format::XJson, &[json]);
    check(
        &report,
        Format::Text,
        &["channel: a", "published_messages: 5", "stored_messages: 1", "active_subscribers: 2"],
    );
    let yaml = ["  channel: a", "  published_messages: 5", "  stored_messages: 1", "  subscribers: 2"];
    check(&report, Format::Yaml, &yaml);
    check(&report, Format::XYaml, &yaml);
    let xml = "<channel><name>a</name><published_messages>5</published_messages>\
               <stored_messages>1</stored_messages><subscribers>2</subscribers></channel>";
    check(&report, Format::Xml, &[r#"<?xml version="1.0" encoding="UTF-8" ?>"#, xml]);
}

#[test]
fn a_group() {
    let report = Report::Group(head(), vec![info("a"), info("b")]);
    check(
        &report,
        Format::Json,
        &[
            r#"{"hostname": "box", "time": "2030-01-01T00:00:00", "channels": 2, "wildcard_channels": 3, "uptime": 9, "infos": ["#,
            r#"{"channel": "a", "published_messages": 5, "stored_messages": 1, "subscribers": 2},"#,
            r#"{"channel": "b", "published_messages": 5, "stored_messages": 1, "subscribers": 2}"#,
            "]}",
        ],
    );
    check(
        &report,
        Format::Text,
        &[
            "hostname: box, time: 2030-01-01T00:00:00, channels: 2, wildcard_channels: 3, uptime: 9, infos: ",
            "channel: a",
            "published_messages: 5",
            "stored_messages: 1",
            "active_subscribers: 2,",
            "channel: b",
            "published_messages: 5",
            "stored_messages: 1",
            "active_subscribers: 2",
        ],
    );
    check(
        &report,
        Format::Yaml,
        &[
            "hostname: box",
            "time: 2030-01-01T00:00:00",
            "channels: 2",
            "wildcard_channels: 3",
            "uptime: 9",
            "infos: ",
            " -",
            "  channel: a",
            "  published_messages: 5",
            "  stored_messages: 1",
            "  subscribers: 2",
            " -",
            "  channel: b",
            "  published_messages: 5",
            "  stored_messages: 1",
            "  subscribers: 2",
        ],
    );
    let channel = |id: &str| {
        format!(
            "<channel><name>{id}</name><published_messages>5</published_messages>\
             <stored_messages>1</stored_messages><subscribers>2</subscribers></channel>"
        )
    };
    check(
        &report,
        Format::Xml,
        &[
            r#"<?xml version="1.0" encoding="UTF-8" ?>"#,
            "<root><hostname>box</hostname><time>2030-01-01T00:00:00</time><channels>2</channels>\
             <wildcard_channels>3</wildcard_channels><uptime>9</uptime><infos>",
            &channel("a"),
            &channel("b"),
            "</infos></root>",
        ],
    );
}

#[test]
fn an_empty_group() {
    let report = Report::Group(head(), Vec::new());
    let json: serde_json::Value = serde_json::from_str(&report.render(Format::Json)).unwrap();
    assert_eq!(json.get("infos"), Some(&serde_json::json!([])));
    assert!(report.render(Format::Json).ends_with("\"infos\": [\r\n]}\r\n"));
    assert!(report.render(Format::Xml).ends_with("<infos>\r\n</infos></root>\r\n"));
    assert!(report.render(Format::Text).ends_with("infos: \r\n"));
    assert!(report.render(Format::Yaml).ends_with("infos: \r\n"));
}

#[test]
fn the_server() {
    let report = summary();
    check(
        &report,
        Format::Json,
        &[
            concat!(
                r#"{"hostname": "box", "time": "2030-01-01T00:00:00", "channels": 2, "wildcard_channels": 3, "#,
                r#""published_messages": 5, "stored_messages": 1, "messages_in_trash": 0, "channels_in_delete": 0, "#,
                r#""channels_in_trash": 0, "subscribers": 2, "uptime": 9, "by_worker": ["#,
            ),
            r#"{"pid": "77", "subscribers": 2, "uptime": 9}"#,
            "]}",
        ],
    );
    let lines = [
        "hostname: box",
        "time: 2030-01-01T00:00:00",
        "channels: 2",
        "wildcard_channels: 3",
        "published_messages: 5",
        "stored_messages: 1",
        "messages_in_trash: 0",
        "channels_in_delete: 0",
        "channels_in_trash: 0",
        "subscribers: 2",
        "uptime: 9",
        "by_worker:",
    ];
    check(&report, Format::Text, &[&lines[..], &["  pid: 77", "  subscribers: 2", "  uptime: 9"]].concat());
    let indented: Vec<String> = lines.iter().map(|line| format!("  {line}")).collect();
    let mut yaml: Vec<&str> = indented.iter().map(String::as_str).collect();
    yaml.extend(["  -", "    pid: 77", "    subscribers: 2", "    uptime: 9"]);
    check(&report, Format::Yaml, &yaml);
    check(
        &report,
        Format::Xml,
        &[
            r#"<?xml version="1.0" encoding="UTF-8" ?>"#,
            "<infos><hostname>box</hostname><time>2030-01-01T00:00:00</time><channels>2</channels>\
             <wildcard_channels>3</wildcard_channels><published_messages>5</published_messages>\
             <stored_messages>1</stored_messages><messages_in_trash>0</messages_in_trash>\
             <channels_in_delete>0</channels_in_delete><channels_in_trash>0</channels_in_trash>\
             <subscribers>2</subscribers><uptime>9</uptime><by_worker>",
            "<worker><pid>77</pid><subscribers>2</subscribers><uptime>9</uptime></worker>",
            "</by_worker></infos>",
        ],
    );
}

#[test]
fn ids_are_escaped() {
    let id = "\"<&>\r\n\u{1}\\\u{e9}";
    let report = Report::Channel(info(id));
    let json: serde_json::Value = serde_json::from_str(&report.render(Format::Json)).unwrap();
    assert_eq!(json.get("channel").and_then(|id| id.as_str()), Some(id));
    let xml = report.render(Format::Xml);
    assert!(xml.contains("<name>&quot;&lt;&amp;&gt;&#13;\n\u{fffd}\\\u{e9}</name>"), "{xml}");
    let text = report.render(Format::Text);
    assert_eq!(text.lines().next(), Some("channel: \"<&>\\r\\n\\u{1}\\\u{e9}"));
    let yaml = report.render(Format::Yaml);
    assert_eq!(yaml.lines().next(), Some("  channel: \"\\\"<&>\\r\\n\\u0001\\\\\u{e9}\""));
    for (id, line) in [("a-b_c.1", "  channel: a-b_c.1"), ("", "  channel: \"\""), ("---", "  channel: \"---\"")] {
        assert_eq!(Report::Channel(info(id)).render(Format::Yaml).lines().next(), Some(line));
    }
}

#[test]
fn accept_chooses_the_format() {
    for (accept, expect, content_type) in [
        ("", Format::Json, "application/json"),
        ("*/*", Format::Json, "application/json"),
        ("text/html, application/xhtml+xml", Format::Json, "application/json"),
        ("application/json", Format::Json, "application/json"),
        ("text/plain", Format::Text, "text/plain"),
        ("text/", Format::Text, "text/plain"),
        ("text/p", Format::Text, "text/plain"),
        ("application/yaml", Format::Yaml, "application/yaml"),
        ("application/xml", Format::Xml, "application/xml"),
        ("application/xml;q=0.9", Format::Xml, "application/xml"),
        ("text/x-json", Format::XJson, "text/x-json"),
        ("text/x-yaml", Format::XYaml, "text/x-yaml"),
        ("text/html, text/x-yaml, text/plain", Format::XYaml, "text/x-yaml"),
        ("json", Format::Json, "application/json"),
    ] {
        let format = Format::from_accept(accept.as_bytes());
        assert_eq!((format, format.content_type()), (expect, content_type), "{accept:?}");
    }
}
