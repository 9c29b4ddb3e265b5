//! What a connection is told. It is put into words when its turn comes, not where it happens.
//!
//! Must not know: how texts are sent.

use super::frame::split;
use super::status::Refusal;
use crate::engine::{Event, ListenerId, News};
use crate::tree::json::{self, Form};
use crate::tree::{Location, Node, Path};
use bytes::Bytes;
use std::sync::Arc;

/// What something that waits costs besides its text.
const EACH: u64 = 64;

/// One thing that a connection is to be told.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// This text, which is short.
    Text(Bytes),
    /// A change that one of its listeners hears of.
    Event(ListenerId, Arc<Event>),
    /// What a read found.
    Got {
        /// The request.
        number: u64,
        /// The data.
        node: Node,
    },
    /// What a listener sees to begin with, and that it has begun.
    Listening {
        /// The request.
        number: u64,
        /// Which listener.
        listener: ListenerId,
        /// Its path.
        path: Path,
        /// What it sees, unless it holds that already.
        data: Option<Node>,
        /// Whether the rules define no index for its query.
        unindexed: bool,
    },
    /// A listener has not begun; the text says why. The session has to be told.
    NotListening(ListenerId, Bytes),
    /// A listener is told nothing more. The session has to be asked for the words.
    Revoked(ListenerId),
}

impl Outgoing {
    /// About how many bytes of memory it holds that are not held anyway. Data that a client has asked for is a part of
    /// the tree until it is put into words.
    pub fn weight(&self) -> u64 {
        EACH + match self {
            Self::Text(text) | Self::NotListening(_, text) => text.len() as u64,
            Self::Event(_, event) => weight(event),
            Self::Got { .. } | Self::Listening { .. } | Self::Revoked(_) => 0,
        }
    }

    /// About how many bytes have to be written to put it into words.
    pub fn work(&self) -> u64 {
        match self {
            Self::Event(_, event) if event.words.wire.get().is_none() => weight(event),
            Self::Got { node, .. } | Self::Listening { data: Some(node), .. } => node.weight(),
            Self::Event(..)
            | Self::Text(_)
            | Self::Listening { data: None, .. }
            | Self::NotListening(..)
            | Self::Revoked(_) => 0,
        }
    }

    /// Calls `send` with each frame. Nothing for what is [`Outgoing::Revoked`], whose words the session has.
    pub fn frames(&self, mut send: impl FnMut(Bytes)) {
        match self {
            Self::Text(text) | Self::NotListening(_, text) => split(text, b"", send),
            Self::Event(listener, event) => {
                let text = event.words.wire.get_or_init(|| push(&event.news));
                pushed(text, *listener, send);
            }
            Self::Got { number, node } => {
                let mut text = answered(*number, "ok");
                json::append(&mut text, node, Form::Export);
                text.extend_from_slice(TAIL);
                split(&text.into(), b"", send);
            }
            Self::Listening { number, listener, path, data, unindexed } => {
                if let Some(node) = data {
                    pushed(&put(&path.clone().into(), node), *listener, &mut send);
                }
                let data = if *unindexed { r#"{"w":["no_index"]}"# } else { "{}" };
                split(&answer(*number, "ok", data), b"", send);
            }
            Self::Revoked(_) => {}
        }
    }
}

/// How every answer and every push without a tag ends.
const TAIL: &[u8] = b"}}}";

/// A listener's number, which holds its tag: 0 is none.
pub(super) fn listener(serial: u32, tag: Option<u32>) -> ListenerId {
    ListenerId(u64::from(serial) << 32 | u64::from(tag.unwrap_or(0)))
}

fn tag(listener: ListenerId) -> u64 {
    listener.0 & u64::from(u32::MAX)
}

fn weight(event: &Event) -> u64 {
    match (event.words.wire.get(), &event.news) {
        (Some(text), _) => text.len() as u64,
        (None, News::Put(_, node)) => node.weight(),
        (None, News::Patch { parts, .. }) => parts.iter().map(|(_, node)| EACH + node.weight()).sum(),
    }
}

/// Sends a push that ends as one without a tag, with the listener's tag if it has one.
fn pushed(text: &Bytes, listener: ListenerId, send: impl FnMut(Bytes)) {
    match tag(listener) {
        0 => split(text, b"", send),
        tag => {
            let shared = text.slice(..text.len() - TAIL.len());
            let tail = format!(",\"t\":{tag}}}}}}}");
            split(&shared, tail.as_bytes(), send);
        }
    }
}

fn push(news: &News) -> Bytes {
    match news {
        News::Put(location, node) => put(location, node),
        News::Patch { path, parts } => {
            let mut text = br#"{"t":"d","d":{"a":"m","b":{"p":"#.to_vec();
            json::append_string(&mut text, &path.to_string());
            text.extend_from_slice(br#","d":{"#);
            for (place, (location, node)) in parts.iter().enumerate() {
                if place > 0 {
                    text.push(b',');
                }
                json::append_string(&mut text, location.to_string().trim_start_matches('/'));
                text.push(b':');
                json::append(&mut text, node, Form::Export);
            }
            text.push(b'}');
            text.extend_from_slice(TAIL);
            text.into()
        }
    }
}

fn put(location: &Location, node: &Node) -> Bytes {
    let mut text = br#"{"t":"d","d":{"a":"d","b":{"p":"#.to_vec();
    json::append_string(&mut text, &location.to_string());
    text.extend_from_slice(br#","d":"#);
    json::append(&mut text, node, Form::Export);
    text.extend_from_slice(TAIL);
    text.into()
}

/// An answer up to its data.
fn answered(number: u64, status: &str) -> Vec<u8> {
    format!(r#"{{"t":"d","d":{{"r":{number},"b":{{"s":"{status}","d":"#).into_bytes()
}

/// An answer whose data is this JSON.
pub(super) fn answer(number: u64, status: &str, data: &str) -> Bytes {
    let mut text = answered(number, status);
    text.extend_from_slice(data.as_bytes());
    text.extend_from_slice(TAIL);
    text.into()
}

/// A refusal as an answer.
pub(super) fn refused(number: u64, Refusal(status, words): &Refusal) -> Bytes {
    let mut text = answered(number, status.name());
    json::append_string(&mut text, words);
    text.extend_from_slice(TAIL);
    text.into()
}

/// Says that a listener may no longer read: its path, and its query as the client sent it.
pub(super) fn revoked(path: &Path, query: Option<&str>) -> Bytes {
    let mut text = br#"{"t":"d","d":{"a":"c","b":{"p":"#.to_vec();
    json::append_string(&mut text, &path.to_string());
    if let Some(query) = query {
        text.extend_from_slice(br#","q":["#);
        text.extend_from_slice(query.as_bytes());
        text.push(b']');
    }
    text.extend_from_slice(TAIL);
    text.into()
}

/// Says that the credential holds no longer.
pub(super) fn credential_revoked(Refusal(status, words): &Refusal) -> Bytes {
    let mut text = format!(r#"{{"t":"d","d":{{"a":"ac","b":{{"s":"{}","d":"#, status.name()).into_bytes();
    json::append_string(&mut text, words);
    text.extend_from_slice(TAIL);
    text.into()
}
