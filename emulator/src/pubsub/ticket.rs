//! Tickets: short-lived permissions for some channels, signed with a secret that publishers share.
//!
//! A ticket is a JSON Web Token (RFC 7519), HS256, so that any library can make one:
//! `{"aud": "push-stream", "exp": SECONDS, "channels": ["room-*"]}`; with `"publish": true` its holder may also publish.
//! Must not know: requests.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_pubsub::path::ChannelId;
use hearth_pubsub::pattern::Pattern;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What tells tickets from other tokens that the same secret might sign.
const AUDIENCE: &str = "push-stream";
/// A secret has so many bytes at least (RFC 7518, section 3.2).
const LEAST_SECRET_BYTES: usize = 32;

/// Signs tickets, and knows its own again.
#[derive(Clone)]
pub struct TicketKey(hmac::Key);

impl fmt::Debug for TicketKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TicketKey")
    }
}

/// A ticket's claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ticket {
    aud: String,
    /// When it ends, in seconds since the epoch.
    pub(super) exp: u64,
    /// Patterns of the channels it is for.
    pub(super) channels: Vec<String>,
    /// Whether its holder may publish to them as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) publish: bool,
    /// Whose it is: what `{uid}` stands for in patterns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sub: Option<String>,
}

#[derive(Deserialize)]
struct Head {
    alg: String,
}

/// Why a ticket is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTicket {
    /// It is something else, or somebody else has signed it.
    Foreign,
    /// Its time is over.
    Expired,
}

impl Ticket {
    pub(super) fn new(exp: u64, channels: Vec<String>, publish: bool, sub: Option<String>) -> Self {
        Self { aud: AUDIENCE.to_owned(), exp, channels, publish, sub }
    }

    /// Whether it is for this channel.
    pub(super) fn names(&self, id: &ChannelId) -> bool {
        let patterns = self.channels.iter().filter_map(|source| Pattern::parse(source));
        patterns.into_iter().any(|pattern| pattern.matches(id, self.sub.as_deref()))
    }
}

impl TicketKey {
    /// A key made of `secret`; `None` if that is too short to be one: 32 bytes at least.
    pub fn new(secret: &str) -> Option<Self> {
        let long_enough = secret.len() >= LEAST_SECRET_BYTES;
        long_enough.then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())))
    }

    /// The ticket as text.
    pub(super) fn sign(&self, ticket: &Ticket) -> String {
        let claims = serde_json::to_vec(ticket).unwrap_or_default();
        let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
        let tag = hmac::sign(&self.0, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// The ticket behind a text, if it is one at `now` (seconds since the epoch).
    pub(super) fn read(&self, text: &str, now: u64) -> Result<Ticket, NoTicket> {
        let ticket = self.genuine(text).ok_or(NoTicket::Foreign)?;
        if ticket.exp > now { Ok(ticket) } else { Err(NoTicket::Expired) }
    }

    fn genuine(&self, text: &str) -> Option<Ticket> {
        let (signed, tag) = text.rsplit_once('.')?;
        hmac::verify(&self.0, signed.as_bytes(), &URL_SAFE_NO_PAD.decode(tag).ok()?).ok()?;
        let (head, claims) = signed.split_once('.')?;
        let head: Head = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).ok()?).ok()?;
        let ticket: Ticket = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        (head.alg == "HS256" && ticket.aud == AUDIENCE).then_some(ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn key() -> TicketKey {
        TicketKey::new(SECRET).unwrap()
    }

    fn token(head: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(claims));
        let tag = hmac::sign(&key().0, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    #[test]
    fn a_ticket_is_read_as_it_was_signed_until_its_end() {
        let ticket = Ticket::new(100, vec!["a*".to_owned(), "u_{uid}".to_owned()], true, Some("x".to_owned()));
        let text = key().sign(&ticket);
        assert_eq!(key().read(&text, 99), Ok(ticket.clone()));
        assert_eq!(key().read(&text, 100), Err(NoTicket::Expired));
        for (id, expect) in [("abc", true), ("u_x", true), ("u_y", false), ("", false)] {
            assert_eq!(ticket.names(&ChannelId::new(id.as_bytes())), expect, "{id}");
        }
    }

    #[test]
    fn what_is_no_ticket() {
        let head = r#"{"alg":"HS256"}"#;
        let good = r#"{"aud":"push-stream","exp":9,"channels":["a"]}"#;
        assert!(key().read(&token(head, good), 1).is_ok());
        let other = TicketKey::new(&SECRET.to_uppercase()).unwrap();
        assert_eq!(other.read(&token(head, good), 1), Err(NoTicket::Foreign));
        for text in [
            token(r#"{"alg":"none"}"#, good),
            token(head, r#"{"aud":"other","exp":9,"channels":["a"]}"#),
            token(head, r#"{"aud":"push-stream","channels":["a"]}"#),
            token(head, r#"{"aud":"push-stream","exp":9}"#),
            token(head, good).rsplit_once('.').unwrap().0.to_owned() + ".",
            token(head, good) + "x",
            String::new(),
            "..".to_owned(),
        ] {
            assert_eq!(key().read(&text, 1), Err(NoTicket::Foreign), "{text}");
        }
        assert!(TicketKey::new("short").is_none());
    }
}
