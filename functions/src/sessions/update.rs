//! A playback update: what is wrong with it, and the form in which it is published.
//!
//! Works on the JSON's text, because two things in it have no place in a parsed value: numbers beyond a double's range
//! (`1e400`), and halves of surrogate pairs.

use super::json_text;
use super::refusal::Refusal;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Timestamps below this are taken for seconds.
const LEAST_TIMESTAMP: f64 = 157_762_700_400.0;
/// Every uri and every track begins so; the quote is the JSON string's.
const PREFIX: &str = "\"spotify:";
/// The uri that says that the host has disconnected.
const DISCONNECTED: &str = "\"\"";

/// Checks an object's text and prints what is published of it: exactly the known fields, in the order timestamp, uri,
/// `track_window` (if given), position, playing.
///
/// # Errors
/// Everything that is wrong with it, joined by `; `.
pub(super) fn published(object: &str) -> Result<String, Refusal> {
    let fields: Fields<'_> = serde_json::from_str(object).map_err(|_| Refusal::MalformedJson)?;
    let checked = [
        Some(("timestamp", timestamp(fields.timestamp))),
        Some(("uri", uri(fields.uri))),
        fields.track_window.map(|tracks| ("track_window", track_window(tracks))),
        Some(("position", position(fields.position))),
        Some(("playing", playing(fields.playing))),
    ];
    let mut messages = Vec::new();
    let mut members = Vec::new();
    for (name, value) in checked.into_iter().flatten() {
        match value {
            Ok(value) => members.push(format!("\"{name}\":{value}")),
            Err(message) => messages.push(message),
        }
    }
    if messages.is_empty() {
        Ok(format!("{{{}}}", members.join(",")))
    } else {
        Err(Refusal::Update(messages.join("; ")))
    }
}

/// A field's value as it is published, or what is wrong with it.
type Checked = Result<String, &'static str>;

fn timestamp(given: Option<&str>) -> Checked {
    let text = given.filter(|text| *text != "null").ok_or("missing timestamp")?;
    let number = finite(text).ok_or("timestamp is not a number")?;
    if number < LEAST_TIMESTAMP { Err("timestamp not in milliseconds") } else { Ok(json_text::number(number)) }
}

fn uri(given: Option<&str>) -> Checked {
    let text = given.ok_or("missing uri")?;
    if !text.starts_with('"') {
        return Err("uri is not string");
    }
    let printed = json_text::string(text);
    if printed == DISCONNECTED || printed.starts_with(PREFIX) { Ok(printed) } else { Err("improper uri format") }
}

fn track_window(text: &str) -> Checked {
    let tracks: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| "track_window is not an array")?;
    if tracks.is_empty() {
        return Err("track_window has no elements");
    }
    let tracks: Option<Vec<String>> = tracks
        .into_iter()
        .map(RawValue::get)
        .map(|track| track.starts_with('"').then(|| json_text::string(track)).filter(|track| track.starts_with(PREFIX)))
        .collect();
    tracks.map(|tracks| format!("[{}]", tracks.join(","))).ok_or("malformed track_window elements")
}

fn position(given: Option<&str>) -> Checked {
    let text = given.ok_or("missing position")?;
    finite(text).map(json_text::number).ok_or("position is not a number")
}

fn playing(given: Option<&str>) -> Checked {
    let text = given.ok_or("missing playing state")?;
    if matches!(text, "true" | "false") { Ok(text.to_owned()) } else { Err("playing is not a boolean") }
}

/// The number that JSON text stands for, unless it is none or beyond a double's range.
fn finite(text: &str) -> Option<f64> {
    let numeric = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    text.parse().ok().filter(|number: &f64| numeric && number.is_finite())
}

/// The known fields' texts; of a repeated one the last counts.
#[derive(Default)]
struct Fields<'a> {
    timestamp: Option<&'a str>,
    uri: Option<&'a str>,
    track_window: Option<&'a str>,
    position: Option<&'a str>,
    playing: Option<&'a str>,
}

/// A member's name.
enum Name {
    Timestamp,
    Uri,
    TrackWindow,
    Position,
    Playing,
    Other,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let mut fields = Fields::default();
                while let Some(name) = members.next_key()? {
                    let field = match name {
                        Name::Timestamp => &mut fields.timestamp,
                        Name::Uri => &mut fields.uri,
                        Name::TrackWindow => &mut fields.track_window,
                        Name::Position => &mut fields.position,
                        Name::Playing => &mut fields.playing,
                        Name::Other => {
                            members.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    *field = Some(members.next_value::<&RawValue>()?.get());
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Name;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a name")
            }

            fn visit_bytes<E>(self, name: &[u8]) -> Result<Name, E> {
                Ok(match name {
                    b"timestamp" => Name::Timestamp,
                    b"uri" => Name::Uri,
                    b"track_window" => Name::TrackWindow,
                    b"position" => Name::Position,
                    b"playing" => Name::Playing,
                    _ => Name::Other,
                })
            }
        }
        // As bytes, since a name that is half a surrogate pair is no Rust string, and still no reason to refuse.
        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &str, expect: &str) {
        let result = match published(given) {
            Ok(published) => published,
            Err(Refusal::Update(messages)) => messages,
            Err(other) => format!("{other:?}"),
        };
        assert_eq!(result, expect, "{given}");
    }

    /// A good update with one member replaced by `member`.
    fn with(name: &str, member: &str) -> String {
        let mut members = vec![
            ("timestamp", r#""timestamp":1600000000000"#),
            ("uri", r#""uri":"spotify:track:x""#),
            ("position", r#""position":1"#),
            ("playing", r#""playing":true"#),
        ];
        members.retain(|(other, _)| *other != name);
        let mut texts: Vec<&str> = members.into_iter().map(|(_, text)| text).collect();
        if !member.is_empty() {
            texts.push(member);
        }
        format!("{{{}}}", texts.join(","))
    }

    #[test]
    fn every_message() {
        for (name, member, expect) in [
            ("timestamp", "", "missing timestamp"),
            ("timestamp", r#""timestamp":null"#, "missing timestamp"),
            ("timestamp", r#""timestamp":"1600000000000""#, "timestamp is not a number"),
            ("timestamp", r#""timestamp":"""#, "timestamp is not a number"),
            ("timestamp", r#""timestamp":true"#, "timestamp is not a number"),
            ("timestamp", r#""timestamp":[1]"#, "timestamp is not a number"),
            ("timestamp", r#""timestamp":1e400"#, "timestamp is not a number"),
            ("timestamp", r#""timestamp":-1e400"#, "timestamp is not a number"),
            ("timestamp", r#""timestamp":0"#, "timestamp not in milliseconds"),
            ("timestamp", r#""timestamp":-1600000000000"#, "timestamp not in milliseconds"),
            ("timestamp", r#""timestamp":157762700399.9"#, "timestamp not in milliseconds"),
            ("uri", "", "missing uri"),
            ("uri", r#""uri":null"#, "uri is not string"),
            ("uri", r#""uri":5"#, "uri is not string"),
            ("uri", r#""uri":["spotify:x"]"#, "uri is not string"),
            ("uri", r#""uri":"http://x""#, "improper uri format"),
            ("uri", r#""uri":" spotify:x""#, "improper uri format"),
            ("uri", r#""uri":"Spotify:x""#, "improper uri format"),
            ("", r#""track_window":null"#, "track_window is not an array"),
            ("", r#""track_window":"spotify:x""#, "track_window is not an array"),
            ("", r#""track_window":{"0":"spotify:x"}"#, "track_window is not an array"),
            ("", r#""track_window":[]"#, "track_window has no elements"),
            ("", r#""track_window":["spotify:x","y"]"#, "malformed track_window elements"),
            ("", r#""track_window":["spotify:x",5]"#, "malformed track_window elements"),
            ("", r#""track_window":[""]"#, "malformed track_window elements"),
            ("", r#""track_window":[["spotify:x"]]"#, "malformed track_window elements"),
            ("position", "", "missing position"),
            ("position", r#""position":null"#, "position is not a number"),
            ("position", r#""position":"1""#, "position is not a number"),
            ("position", r#""position":1e400"#, "position is not a number"),
            ("playing", "", "missing playing state"),
            ("playing", r#""playing":null"#, "playing is not a boolean"),
            ("playing", r#""playing":1"#, "playing is not a boolean"),
            ("playing", r#""playing":"true""#, "playing is not a boolean"),
        ] {
            check(&with(name, member), expect);
        }
    }

    #[test]
    fn messages_come_in_the_fields_order() {
        check("{}", "missing timestamp; missing uri; missing position; missing playing state");
        check(
            r#"{"playing":0,"position":"","track_window":[],"uri":0,"timestamp":"x"}"#,
            "timestamp is not a number; uri is not string; track_window has no elements; position is not a number; \
             playing is not a boolean",
        );
    }

    #[test]
    fn what_is_published_holds_the_known_fields_in_their_order() {
        for (given, expect) in [
            (
                r#"{ "playing": false, "extra": [1, {"uri": 2}], "position": 1.0, "uri": "", "timestamp": 157762700400 }"#,
                r#"{"timestamp":157762700400,"uri":"","position":1,"playing":false}"#,
            ),
            (
                r#"{"timestamp":1600000000000.5,"position":-0,"playing":true,"track_window":[ "spotify:a" , "spotify:\u0062"],"uri":"spotify:"}"#,
                r#"{"timestamp":1600000000000.5,"uri":"spotify:","track_window":["spotify:a","spotify:b"],"position":0,"playing":true}"#,
            ),
            (
                r#"{"timestamp":1,"timestamp":1e21,"\u0075ri":"\u0073potify:\"\\é\u2028\u0007😀","\ud800":0,"position":-5,"playing":true}"#,
                "{\"timestamp\":1e+21,\"uri\":\"spotify:\\\"\\\\é\u{2028}\\u0007😀\",\"position\":-5,\"playing\":true}",
            ),
        ] {
            check(given, expect);
        }
    }
}
