//! What identity providers are asked when somebody comes back from one: codes become tokens, tokens tell whose they are.
//!
//! Requests and answers are full of secrets, so that none of them can be printed. Must not know: how they travel.

use crate::Millis;
use crate::uri::form;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use std::fmt;

/// A request to an identity provider; without a body it is a GET.
#[derive(Clone, PartialEq, Eq)]
pub struct Inquiry {
    /// Whom, and what of it. It may have secrets in its query.
    pub url: String,
    /// Who asks: the header of that name.
    pub authorization: Option<String>,
    /// What is sent by POST.
    pub body: Option<Body>,
    /// What can be used once, and is used by this.
    pub ticket: Option<Ticket>,
}

/// What is sent.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// `application/x-www-form-urlencoded`.
    Form(String),
    /// `application/json`.
    Json(String),
}

/// What can be used once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// It.
    pub id: String,
    /// From when on it is good for nothing anyway.
    pub until: Millis,
}

/// What came of an inquiry.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Inquired {
    /// An answer.
    Answered {
        /// HTTP's status.
        status: u16,
        /// The body.
        text: String,
    },
    /// No answer in time, or none that can be read.
    #[default]
    Silent,
    /// It was not asked: its ticket has been used.
    TicketUsed,
}

impl Inquiry {
    /// A GET.
    pub(crate) fn get(url: String, authorization: Option<String>) -> Self {
        Self { url, authorization, body: None, ticket: None }
    }

    /// A POST of a form.
    pub(crate) fn form(url: String, fields: &[(&str, &str)]) -> Self {
        let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { url, authorization: None, body: Some(Body::Form(form(&fields))), ticket: None }
    }
}

/// The header of one who has a token (RFC 6750, section 2.1).
pub(crate) fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// The header of one who has a name and a secret; both are encoded as in a form first where OAuth wants it (RFC 6749,
/// section 2.3.1).
pub(crate) fn basic(name: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{secret}")))
}

impl Inquired {
    /// The JSON object of an answer with this status.
    pub(crate) fn object(&self) -> Option<(u16, Map<String, Value>)> {
        match self {
            Self::Answered { status, text } => Some((*status, serde_json::from_str(text).ok()?)),
            Self::Silent | Self::TicketUsed => None,
        }
    }

    /// The JSON of an answer that says yes.
    pub(crate) fn success(&self) -> Option<Value> {
        match self {
            Self::Answered { status: 200, text } => serde_json::from_str(text).ok(),
            Self::Answered { .. } | Self::Silent | Self::TicketUsed => None,
        }
    }
}

impl fmt::Debug for Inquiry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.url.split('?').next();
        formatter.debug_struct("Inquiry").field("place", &place.unwrap_or_default()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Inquired {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { status, .. } => {
                formatter.debug_struct("Answered").field("status", status).finish_non_exhaustive()
            }
            Self::Silent => formatter.write_str("Silent"),
            Self::TicketUsed => formatter.write_str("TicketUsed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let mut inquiry = Inquiry::form("https://a.b/c?d=secret".to_owned(), &[("e", "secret &")]);
        inquiry.authorization = Some(basic("n", "secret"));
        let answer = Inquired::Answered { status: 200, text: r#"{"access_token":"secret"}"#.to_owned() };
        assert_eq!(format!("{inquiry:?}"), r#"Inquiry { place: "https://a.b/c", .. }"#);
        assert_eq!(format!("{answer:?}"), "Answered { status: 200, .. }");
        assert!(inquiry.body == Some(Body::Form("e=secret+%26".to_owned())));
    }
}
