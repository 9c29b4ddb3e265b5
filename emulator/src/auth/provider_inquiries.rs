//! Asks identity providers who somebody is, and sees to it that what can be used once is used once. Must not know: what
//! is asked, or what an answer says.

use super::provider_client::{NoAnswer, ProviderClient};
use crate::clock::{Clock, Millis};
use bytes::Bytes;
use hearth_auth::inquiry::{Body, Inquired, Inquiry, Ticket};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{Method, Request};
use http_body_util::Full;
use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// A provider has so long to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many are asked at once; the others wait within their own time.
const MOST_AT_ONCE: usize = 64;
/// So many used tickets are remembered; with one more the oldest is forgotten. The provider itself redeems a code once.
const MOST_USED: usize = 1 << 16;

/// The way to identity providers, for one server.
#[derive(Debug)]
pub(super) struct ProviderInquiries {
    client: ProviderClient,
    clock: Clock,
    turns: Semaphore,
    used: Mutex<Used>,
}

/// Tickets that have been used and could be used again.
#[derive(Debug, Default)]
struct Used {
    ids: HashSet<String>,
    /// In the order of their use.
    order: VecDeque<(String, Millis)>,
}

/// Why nothing came of an inquiry.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("it cannot be asked: the address or a credential cannot be in a request")]
    Request,
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    #[error("no answer within {} seconds", PATIENCE.as_secs())]
    TimedOut,
    #[error("too many are asked")]
    Closed,
}

impl ProviderInquiries {
    /// One by which nobody has been asked.
    pub(super) fn new(client: ProviderClient, clock: Clock) -> Self {
        Self { client, clock, turns: Semaphore::new(MOST_AT_ONCE), used: Mutex::default() }
    }

    /// Asks, and waits for the answer. Why there is none is in the log.
    pub(super) async fn ask(&self, inquiry: &Inquiry) -> Inquired {
        if inquiry.ticket.as_ref().is_some_and(|ticket| !self.take(ticket)) {
            return Inquired::TicketUsed;
        }
        let asked = tokio::time::timeout(PATIENCE, self.send(inquiry)).await;
        asked.unwrap_or(Err(Failed::TimedOut)).unwrap_or_else(|error| {
            tracing::warn!(?inquiry, %error, "an identity provider does not answer");
            Inquired::Silent
        })
    }

    fn take(&self, ticket: &Ticket) -> bool {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).take(ticket, self.clock.now(), MOST_USED)
    }

    async fn send(&self, inquiry: &Inquiry) -> Result<Inquired, Failed> {
        let request = request(inquiry).ok_or(Failed::Request)?;
        let _turn = self.turns.acquire().await.map_err(|_| Failed::Closed)?;
        let (status, _, body) = self.client.send(request).await?;
        if !status.is_success() {
            // What it says may have secrets in it.
            tracing::warn!(?inquiry, %status, "an identity provider refuses");
        }
        Ok(Inquired::Answered { status: status.as_u16(), text: String::from_utf8_lossy(&body).into_owned() })
    }
}

fn request(inquiry: &Inquiry) -> Option<Request<Full<Bytes>>> {
    let (method, kind, body) = match &inquiry.body {
        None => (Method::GET, None, String::new()),
        Some(Body::Form(form)) => (Method::POST, Some("application/x-www-form-urlencoded"), form.clone()),
        Some(Body::Json(json)) => (Method::POST, Some("application/json"), json.clone()),
    };
    let mut request = Request::builder().method(method).uri(&inquiry.url);
    // GitHub answers nobody who does not say who it is, and in JSON only on request.
    request = request.header(ACCEPT, "application/json").header(USER_AGENT, "hearth");
    if let Some(kind) = kind {
        request = request.header(CONTENT_TYPE, kind);
    }
    if let Some(authorization) = &inquiry.authorization {
        let mut value = HeaderValue::from_str(authorization).ok()?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    request.body(Full::new(Bytes::from(body))).ok()
}

impl Used {
    /// Whether the ticket has not been used before.
    fn take(&mut self, ticket: &Ticket, now: Millis, most: usize) -> bool {
        while self.order.front().is_some_and(|(_, until)| *until <= now || self.order.len() >= most) {
            if let Some((id, _)) = self.order.pop_front() {
                self.ids.remove(&id);
            }
        }
        if !self.ids.insert(ticket.id.clone()) {
            return false;
        }
        self.order.push_back((ticket.id.clone(), ticket.until));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_once_while_it_is_remembered() {
        let mut used = Used::default();
        let mut take = |id: &str, until: Millis, now: Millis| used.take(&Ticket { id: id.to_owned(), until }, now, 3);
        assert!(take("a", 100, 0) && !take("a", 100, 1) && take("b", 100, 1) && !take("b", 100, 99));
        assert!(take("c", 200, 100) && !take("c", 200, 101));
        for id in ["d", "e", "f"] {
            assert!(take(id, 200, 102) && !take(id, 200, 102), "{id}");
        }
        assert!(take("c", 200, 103), "the oldest has made room");
    }
}
