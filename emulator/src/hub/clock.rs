//! `/emulator/v1/clock`: reads the clock, and moves it if it is a manual one.
//!
//! `GET` and `POST` answer `{"now": ms, "manual": bool}`; `POST` adds `"ran"`, the number of jobs that fell due
//! and ran; a step that would take more than 10,000 runs jumps the rest of its way (see [`crate::clock::Agenda::set`]).

use super::{Hub, answer, failure};
use crate::clock::Millis;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;

/// The last instant with a four-digit year: later ones do not fit the date formats of the protocols.
const LATEST: Millis = 253_402_300_799_999;
/// A request holds one number.
const BODY_LIMIT: usize = 4096;

const USAGE: &str = r#"the body is {"now": milliseconds since 1970} or {"advance": milliseconds}"#;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
enum Move {
    To(Millis),
    By(Millis),
}

pub(super) async fn read(State(hub): State<Arc<Hub>>) -> Response {
    let clock = hub.agenda.clock();
    answer(StatusCode::OK, &json!({"now": clock.now(), "manual": clock.is_manual()}))
}

pub(super) async fn set(State(hub): State<Arc<Hub>>, body: Body) -> Response {
    let Ok(body) = hub.bodies.read(body, BODY_LIMIT).await else {
        return failure(StatusCode::BAD_REQUEST, USAGE);
    };
    let Some(step) = parse(&body) else { return failure(StatusCode::BAD_REQUEST, USAGE) };
    let target = match step {
        Move::To(now) => now,
        Move::By(step) => hub.agenda.clock().now().saturating_add(step),
    };
    if target > LATEST {
        return failure(StatusCode::BAD_REQUEST, "the clock ends with the year 9999");
    }
    let moved = match step {
        Move::To(now) => hub.agenda.set(now).await,
        Move::By(step) => hub.agenda.advance(step).await,
    };
    match moved {
        Some((now, ran)) => answer(StatusCode::OK, &json!({"now": now, "manual": true, "ran": ran})),
        None => failure(StatusCode::BAD_REQUEST, "this is the machine's clock; start with --clock manual to move it"),
    }
}

fn parse(body: &[u8]) -> Option<Move> {
    let Value::Object(fields) = serde_json::from_slice(body).ok()? else { return None };
    let mut fields = fields.iter();
    let (key, value) = fields.next()?;
    if fields.next().is_some() {
        return None;
    }
    match key.as_str() {
        "now" => value.as_u64().map(Move::To),
        "advance" => value.as_u64().map(Move::By),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_is_one_whole_number() {
        for (body, expected) in [
            (r#"{"now": 5}"#, Some(Move::To(5))),
            (r#"{"advance": 5}"#, Some(Move::By(5))),
            (r#"{"advance": -5}"#, None),
            (r#"{"advance": 1.5}"#, None),
            (r#"{"advance": "5"}"#, None),
            (r#"{"now": 1, "advance": 5}"#, None),
            (r"{}", None),
            ("[]", None),
            ("", None),
        ] {
            assert_eq!(parse(body.as_bytes()), expected, "{body}");
        }
    }
}
