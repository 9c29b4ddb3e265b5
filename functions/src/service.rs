//! A service with a port of its own: requests in; answers, streams and WebSockets out.
//!
//! Functions answer and end; a service holds its clients' connections and writes to them later. Must not know: how any
//! of it is carried.

use crate::feed::Feed;
use crate::ports::{Functions, Platform, Tasks, Timers, Web};
use crate::request::{HttpRequest, Reply};
use crate::{chat, gateway, presence, signal};
use futures_util::future::BoxFuture;
use http::{HeaderMap, Response};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The services there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Who was last seen when.
    Presence,
    /// WebRTC signalling.
    Signal,
    /// WebSockets and queues as API Gateway and SQS have them.
    Gateway,
    /// Chat.
    Chat,
}

/// What a service is told when it is built.
#[derive(Clone)]
pub struct Hosted {
    /// Its section of firebase.json.
    pub config: Map<String, Value>,
    /// What must not stand in that file: the environment's `HEARTH_{SERVICE}_{NAME}` by `NAME`.
    pub secrets: BTreeMap<String, String>,
    /// Whether callers are taken at their word (emulator mode only).
    pub emulator: bool,
    /// What it may use; the database is its own.
    pub platform: Platform,
    /// What has to be done later.
    pub timers: Arc<dyn Timers>,
    /// What nobody waits for.
    pub tasks: Arc<dyn Tasks>,
    /// Other servers.
    pub web: Arc<dyn Web>,
    /// The functions of this house.
    pub functions: Arc<dyn Functions>,
}

/// A service.
pub trait Service: Send + Sync {
    /// Called once, before anything else: brings back what it kept, plans its timers.
    ///
    /// # Errors
    /// It cannot work; the process does not start.
    fn start(self: Arc<Self>) -> BoxFuture<'static, Result<(), String>>;

    /// Answers one request.
    fn call(self: Arc<Self>, call: Call) -> BoxFuture<'static, Answer>;
}

/// One request to a service.
#[derive(Clone, Debug)]
pub struct Call {
    /// The request; its URI has path and query.
    pub request: HttpRequest,
    /// Whether it comes through a proxy that is trusted to say who is asking.
    pub trusted: bool,
    /// Whether it asks, properly, for a WebSocket.
    pub upgrade: bool,
    /// The address it comes from; `None` where it comes from nowhere, as in tests.
    pub client: Option<IpAddr>,
}

/// What a service answers.
pub enum Answer {
    /// A whole answer.
    Reply(Reply),
    /// An answer that goes on. The head says what it is.
    Stream {
        /// Status and headers.
        head: Response<()>,
        /// The body.
        feed: Feed,
    },
    /// The connection becomes a WebSocket; only where [`Call::upgrade`] says that this was asked for.
    Socket(Socket),
}

/// A connection that becomes a WebSocket.
pub struct Socket {
    /// Headers of the answer, besides those of the protocol.
    pub headers: HeaderMap,
    /// A message may have so many bytes.
    pub longest_message: usize,
    /// Each frame of one may have so many bytes.
    pub longest_frame: usize,
    /// The texts for the client.
    pub feed: Feed,
    /// Who is told what the client does.
    pub session: Arc<dyn Session>,
}

/// What a WebSocket's client does. One call at a time, in order; what it sends meanwhile waits.
pub trait Session: Send + Sync {
    /// The connection is a WebSocket now.
    fn opened(self: Arc<Self>) -> BoxFuture<'static, ()>;

    /// The client sends a text.
    fn message(self: Arc<Self>, text: String) -> BoxFuture<'static, ()>;

    /// The client gives a sign of life that is no text.
    fn alive(&self) {}

    /// A client of which nothing is heard for so long is asked whether it is there, and is gone if it does not answer
    /// for as long again. Without this it is believed to be there.
    fn longest_silence(&self) -> Option<Duration> {
        None
    }

    /// It is over, whoever ended it. Called once for every session, also for one that was never opened.
    fn closed(self: Arc<Self>) -> BoxFuture<'static, ()>;
}

/// Builds a service.
///
/// # Errors
/// What is wrong with its section of firebase.json, a line each, with the key.
pub fn build(kind: Kind, hosted: Hosted) -> Result<Arc<dyn Service>, Vec<String>> {
    match kind {
        Kind::Presence => presence::build(hosted),
        Kind::Signal => signal::build(hosted),
        Kind::Gateway => gateway::build(hosted),
        Kind::Chat => chat::build(hosted),
    }
}

impl fmt::Debug for Hosted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hosted").field("config", &self.config).finish_non_exhaustive()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(reply) => formatter.debug_tuple("Reply").field(reply).finish(),
            Self::Stream { head, .. } => formatter.debug_tuple("Stream").field(head).finish(),
            Self::Socket(_) => formatter.write_str("Socket"),
        }
    }
}
