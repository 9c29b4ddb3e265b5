//! The public keys, for whoever verifies tokens by themselves. Must not know: the private ones.

use crate::auth::errors::Refusal;
use axum::response::{IntoResponse, Response};
use hearth_auth::token::rotation::CACHED_FOR;
use hearth_auth::token::{Purpose, Tokens};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

/// The two forms in which Google publishes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A JSON Web Key Set.
    Jwks,
    /// Certificates by key id.
    Certificates,
}

/// The keys, which may be kept for some hours: new ones are published long before they sign.
pub(super) fn answer(tokens: &Tokens, purpose: Purpose, form: Form) -> Result<Response, Refusal> {
    let keys = match form {
        Form::Jwks => tokens.jwks(purpose),
        Form::Certificates => tokens.certificates(purpose)?,
    };
    let cache = format!("public, max-age={}, must-revalidate, no-transform", CACHED_FOR / 1000);
    let headers = [(CONTENT_TYPE, "application/json; charset=UTF-8".to_owned()), (CACHE_CONTROL, cache)];
    Ok((headers, format!("{keys:#}\n")).into_response())
}
