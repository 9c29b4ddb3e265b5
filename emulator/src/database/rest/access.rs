//! Who asks: the tokens of a request, and what they make of the caller.
//!
//! The emulator takes any bearer token as an admin's, as the official one does, and ID tokens from `auth` alone.
//! Self-hosted, both hold ID tokens, and nobody is an admin here.

use super::super::errors::Failure;
use super::request::Parameters;
use crate::server::credentials::{Credentials, TokenRefused, bearer};
use hearth_database::Caller;
use http::request::Parts;
use serde_json::Value;

/// What the official emulator's clients send as an admin's token.
const OWNER: &str = "owner";

/// The caller of a request.
pub(super) async fn caller(
    parts: &Parts,
    parameters: &Parameters,
    credentials: &Credentials,
) -> Result<Caller, Failure> {
    let caller = identify(parts, parameters, credentials).await?;
    match (&parameters.auth_override, caller) {
        (None, caller) => Ok(caller),
        (Some(text), Caller::Admin) => match serde_json::from_str(text) {
            Ok(Value::Object(_) | Value::Null) => Ok(Caller::Client),
            Ok(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) | Err(_) => {
                Err(Failure::Parameter("auth_variable_override must be a JSON object or null"))
            }
        },
        (Some(_), Caller::Client) => {
            Err(Failure::Parameter("auth_variable_override is supported with admin credentials only"))
        }
    }
}

async fn identify(parts: &Parts, parameters: &Parameters, credentials: &Credentials) -> Result<Caller, Failure> {
    if let Some(token) = bearer(&parts.headers).or(parameters.access_token.as_deref()) {
        return match (credentials.trusts_bearer(), token) {
            (_, "") => Err(Failure::Bearer(TokenRefused::Malformed)),
            (true, _) => Ok(Caller::Admin),
            (false, token) => match credentials.verify(token).await {
                Ok(_) => Ok(Caller::Client),
                Err(error) => Err(Failure::Bearer(error)),
            },
        };
    }
    match parameters.auth.as_deref() {
        None => Ok(Caller::Client),
        Some(OWNER) if credentials.trusts_bearer() => Ok(Caller::Admin),
        Some(token) => match credentials.verify(token).await {
            Ok(_) => Ok(Caller::Client),
            Err(error) => Err(Failure::AuthToken(error)),
        },
    }
}
