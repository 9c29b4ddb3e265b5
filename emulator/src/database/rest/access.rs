//! Who asks: the tokens of a request, and what they make of the caller.
//!
//! The emulator takes any bearer token as an admin's, as the official one does, and ID tokens from `auth` alone.
//! Self-hosted, both hold ID tokens, and who has an access token is an admin.

use super::super::errors::Failure;
use super::request::Parameters;
use crate::clock::Millis;
use crate::server::credentials::{Credentials, IdToken, TokenRefused, bearer};
use hearth_database::{Auth, Caller};
use http::request::Parts;
use serde_json::Value;

/// What the official emulator's clients send as an admin's token.
const OWNER: &str = "owner";

/// Who asks, and until when.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub(super) caller: Caller,
    /// When the token ends, if it does.
    pub(super) expires: Option<Millis>,
    /// The token, if it is an ID token.
    pub(super) token: Option<IdToken>,
}

impl Access {
    const ADMIN: Self = Self { caller: Caller::Admin, expires: None, token: None };
    const ANYONE: Self = Self { caller: Caller::ANYONE, expires: None, token: None };

    fn user(token: IdToken, now: Millis) -> Self {
        let expires = token.claims.get("exp").and_then(Value::as_u64).map(|seconds| seconds.saturating_mul(1000));
        // Made-up tokens may be out of date from the start.
        let caller = Caller::client(Auth::of_token(&token.uid, &token.claims));
        Self { caller, expires: expires.filter(|expires| *expires > now), token: Some(token) }
    }
}

/// The caller of a request at `now`.
pub(super) async fn access(
    parts: &Parts,
    parameters: &Parameters,
    credentials: &Credentials,
    now: Millis,
) -> Result<Access, Failure> {
    let access = identify(parts, parameters, credentials, now).await?;
    match (&parameters.auth_override, &access.caller) {
        (None, _) => Ok(access),
        (Some(text), Caller::Admin) => match serde_json::from_str(text) {
            Ok(Value::Null) => Ok(Access::ANYONE),
            Ok(Value::Object(auth)) => Ok(Access { caller: Caller::client(Auth::given(auth)), ..Access::ANYONE }),
            Ok(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) | Err(_) => {
                Err(Failure::Parameter("auth_variable_override must be a JSON object or null"))
            }
        },
        (Some(_), Caller::Client(_)) => {
            Err(Failure::Parameter("auth_variable_override is supported with admin credentials only"))
        }
    }
}

async fn identify(
    parts: &Parts,
    parameters: &Parameters,
    credentials: &Credentials,
    now: Millis,
) -> Result<Access, Failure> {
    if let Some(token) = bearer(&parts.headers).or(parameters.access_token.as_deref()) {
        return match (credentials.trusts_bearer(), token) {
            (_, "") => Err(Failure::Bearer(TokenRefused::Malformed)),
            (true, _) => Ok(Access::ADMIN),
            (false, token) => match credentials.access_token(token).await {
                Ok(until) => Ok(Access { expires: Some(until), ..Access::ADMIN }),
                Err(_) => match credentials.verify(token).await {
                    Ok(token) => Ok(Access::user(token, now)),
                    Err(error) => Err(Failure::Bearer(error)),
                },
            },
        };
    }
    match parameters.auth.as_deref() {
        None => Ok(Access::ANYONE),
        Some(OWNER) if credentials.trusts_bearer() => Ok(Access::ADMIN),
        Some(token) => match credentials.verify_or_made_up(token).await {
            Ok(token) => Ok(Access::user(token, now)),
            Err(error) => Err(Failure::AuthToken(error)),
        },
    }
}
