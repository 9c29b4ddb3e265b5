//! Who a session is: the credentials of `auth` and `gauth`, and what they make of the caller.
//!
//! The emulator takes any access token as an admin's, as over REST, and the made-up users of test libraries. Self-hosted,
//! who has an access token of this server is an admin for as long as it lasts. Must not know: sessions.

use crate::clock::{Clock, Millis};
use crate::server::credentials::{Credentials, IdToken, TokenRefused};
use crate::server::revocation::{Hold, Holder};
use hearth_database::wire::{Authenticated, Credential, Kind, Status};
use hearth_database::{Auth, Caller};
use serde_json::Value;
use std::sync::Weak;

/// What the official emulators' clients send as an admin's token.
const OWNER: &str = "owner";

/// Why a credential is not accepted: status and words.
pub(super) type Refused = (Status, String);

/// How long a session is who it was found to be.
#[derive(Debug, Default)]
pub(super) struct Term {
    /// Until then, in milliseconds since the epoch.
    pub(super) expires: Option<Millis>,
    /// Unless the token is taken back before.
    pub(super) hold: Option<Hold>,
}

/// Finds out who a session is.
#[derive(Clone, Debug)]
pub(super) struct SignIn {
    credentials: Credentials,
    clock: Clock,
}

impl SignIn {
    pub(super) fn new(credentials: Credentials, clock: Clock) -> Self {
        Self { credentials, clock }
    }

    /// Who this is, and for how long; `session` is told if the token is taken back.
    pub(super) async fn authenticate(
        &self,
        credential: &Credential,
        session: Weak<dyn Holder>,
    ) -> Result<(Authenticated, Term), Refused> {
        let Credential { kind, token, auth_override } = credential;
        let trusts = self.credentials.trusts_bearer();
        let mut is_admin = trusts && !token.is_empty() && (*kind == Kind::AccessToken || token == OWNER);
        let mut until = None;
        if !trusts && *kind == Kind::AccessToken {
            until = Some(self.credentials.access_token(token).await.map_err(explain)?);
            is_admin = true;
        }
        let until = Term { expires: until, hold: None };
        match (is_admin, kind, auth_override) {
            (true, _, None) => Ok((Authenticated { caller: Caller::Admin, auth: "null".to_owned() }, until)),
            (true, _, Some(auth)) => match serde_json::from_str(auth) {
                Ok(Value::Null) => Ok((Authenticated { caller: Caller::ANYONE, auth: "null".to_owned() }, until)),
                Ok(Value::Object(members)) => Ok((authenticated(Auth::given(members)), until)),
                Ok(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) | Err(_) => {
                    Err((Status::Failure, "authvar must be an object or null.".to_owned()))
                }
            },
            (false, Kind::AccessToken, _) => {
                Err((Status::InvalidToken, "An access token must not be empty.".to_owned()))
            }
            (false, Kind::IdToken, Some(_)) => {
                Err((Status::InvalidToken, "authvar and noauth are for admin credentials only.".to_owned()))
            }
            (false, Kind::IdToken, None) => match self.credentials.verify_or_made_up(token).await {
                Ok(token) => {
                    let hold = self.credentials.hold(&token, session).map_err(explain)?;
                    let (authenticated, expires) = user(&token, self.clock.now());
                    Ok((authenticated, Term { expires, hold }))
                }
                Err(refused) => Err(explain(refused)),
            },
        }
    }
}

fn user(token: &IdToken, now: Millis) -> (Authenticated, Option<Millis>) {
    let expires = token.claims.get("exp").and_then(Value::as_u64).map(|seconds| seconds.saturating_mul(1000));
    // A made-up token may be past its time when it is sent, and holds all the same.
    let expires = expires.filter(|expires| *expires > now);
    (authenticated(Auth::of_token(&token.uid, &token.claims)), expires)
}

fn authenticated(auth: Auth) -> Authenticated {
    let text = serde_json::to_string(auth.members()).unwrap_or_default();
    Authenticated { caller: Caller::client(auth), auth: text }
}

fn explain(refused: TokenRefused) -> Refused {
    let status = match refused {
        TokenRefused::Expired => Status::ExpiredToken,
        TokenRefused::Malformed | TokenRefused::Signature | TokenRefused::Project | TokenRefused::Account => {
            Status::InvalidToken
        }
        TokenRefused::Unavailable => Status::Unavailable,
    };
    (status, format!("Could not verify auth token: {refused}."))
}
