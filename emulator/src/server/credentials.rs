//! Who is asking: the one place where a token becomes a caller.
//!
//! Must not know: how tokens are made (the auth room implements [`IdTokens`]), nor what a caller may do.

use super::revocation::{Hold, Holder, Revocations};
use crate::clock::Millis;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::{Arc, Weak};

/// A verified ID token.
#[derive(Clone, Debug, PartialEq)]
pub struct IdToken {
    /// The account's id (`sub`).
    pub uid: String,
    /// Every claim of the token.
    pub claims: Arc<Map<String, Value>>,
}

/// Why a token was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// It is no token, or one for something else.
    #[error("the token cannot be read")]
    Malformed,
    /// Its signature does not verify, or its algorithm is not accepted in this mode.
    #[error("the token is not signed by this server")]
    Signature,
    /// It is past its time.
    #[error("the token has expired")]
    Expired,
    /// It is another project's.
    #[error("the token is another project's")]
    Project,
    /// Its account is gone, disabled, or has revoked it.
    #[error("the token's account is gone or disabled")]
    Account,
    /// The accounts cannot be read now.
    #[error("the accounts cannot be read")]
    Unavailable,
}

/// Verifies ID tokens.
pub trait IdTokens: Send + Sync {
    /// Checks everything about `token`: form, signature, project, times, account.
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<IdToken, TokenRefused>>;

    /// Looks once more whether the account of a verified token is there, enabled, and has not taken the token back.
    ///
    /// # Errors
    /// It has. Unless this is implemented, never.
    fn stands(&self, _token: &IdToken) -> Result<(), TokenRefused> {
        Ok(())
    }

    /// Checks an access token: until when its holder is an admin, in milliseconds since the epoch.
    ///
    /// # Errors
    /// It is none, or no longer. Unless this is implemented, always.
    fn access_token<'a>(&'a self, _token: &'a str) -> BoxFuture<'a, Result<Millis, TokenRefused>> {
        Box::pin(std::future::ready(Err(TokenRefused::Signature)))
    }

    /// Accepts an unsigned token of somebody who has no account here, as test libraries make them up: with the project
    /// and the times that they please.
    ///
    /// # Errors
    /// Tokens have to be signed, or there is such an account, or it is no token. Unless this is implemented, always.
    fn made_up<'a>(&'a self, _token: &'a str) -> BoxFuture<'a, Result<IdToken, TokenRefused>> {
        Box::pin(std::future::ready(Err(TokenRefused::Account)))
    }
}

/// The caller of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Caller {
    /// Bypasses every rule (`Bearer owner`; emulator mode only).
    Admin,
    /// A signed-in user.
    User(IdToken),
    /// Nobody said who.
    Anonymous,
}

/// Turns what a request carries into a [`Caller`].
#[derive(Clone)]
pub struct Credentials {
    tokens: Option<Arc<dyn IdTokens>>,
    trust_bearer: bool,
    revocations: Option<Arc<Revocations>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("trust_bearer", &self.trust_bearer).finish_non_exhaustive()
    }
}

impl Credentials {
    /// With `trust_bearer` (emulator mode) any bearer token of a privileged surface is an admin's, as the official
    /// emulators have it. Without `tokens` (Auth is not running) no ID token is accepted.
    pub fn new(tokens: Option<Arc<dyn IdTokens>>, trust_bearer: bool) -> Self {
        Self { tokens, trust_bearer, revocations: None }
    }

    /// From here on, what is held open on a token's behalf ends with it if it is taken back. (The official emulator's goes
    /// on.)
    #[must_use]
    pub fn heeding(self, revocations: Arc<Revocations>) -> Self {
        Self { revocations: Some(revocations), ..self }
    }

    /// Has `holder` told when a verified token is taken back, as long as the answer is kept; `None` if that is not heeded.
    ///
    /// # Errors
    /// It has been meanwhile.
    pub fn hold(&self, token: &IdToken, holder: Weak<dyn Holder>) -> Result<Option<Hold>, TokenRefused> {
        let (Some(revocations), Some(tokens)) = (&self.revocations, &self.tokens) else { return Ok(None) };
        let hold = revocations.hold(&token.uid, &token.claims, holder);
        // What was taken back between its check and this moment, nobody is told of.
        tokens.stands(token).map(|()| Some(hold))
    }

    /// Whether `Bearer owner` is an admin.
    pub fn trusts_bearer(&self) -> bool {
        self.trust_bearer
    }

    /// Who a token says is asking, where made-up users are welcome: in emulator mode those of rules-unit-testing and
    /// `mockUserToken`, whose tokens are no account's and expired in 1970.
    ///
    /// # Errors
    /// See [`TokenRefused`].
    pub async fn verify_or_made_up(&self, token: &str) -> Result<IdToken, TokenRefused> {
        let refused = match self.verify(token).await {
            Ok(found) => return Ok(found),
            Err(refused) => refused,
        };
        match (&self.tokens, refused) {
            (Some(tokens), TokenRefused::Expired | TokenRefused::Project | TokenRefused::Account)
                if self.trust_bearer =>
            {
                tokens.made_up(token).await.map_err(|_| refused)
            }
            (_, refused) => Err(refused),
        }
    }

    /// Checks an access token that a service account was given: until when its holder is an admin.
    ///
    /// # Errors
    /// See [`TokenRefused`].
    pub async fn access_token(&self, token: &str) -> Result<Millis, TokenRefused> {
        match &self.tokens {
            Some(tokens) => tokens.access_token(token).await,
            None => Err(TokenRefused::Unavailable),
        }
    }

    /// Checks an ID token.
    ///
    /// # Errors
    /// See [`TokenRefused`].
    pub async fn verify(&self, token: &str) -> Result<IdToken, TokenRefused> {
        match &self.tokens {
            Some(tokens) => tokens.verify(token).await,
            None => Err(TokenRefused::Unavailable),
        }
    }
}

/// The token of an `Authorization: Bearer` header; the scheme in any letter case, one space.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// Compares secrets in a time that depends on their lengths only.
pub fn same_secret(one: &[u8], other: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one, other).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_one_word_after_one_space() {
        for (header, token) in [
            ("Bearer owner", Some("owner")),
            ("bearer a.b.c", Some("a.b.c")),
            ("Basic owner", None),
            ("Bearer", None),
            ("owner", None),
        ] {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, header.parse().unwrap())]);
            assert_eq!(bearer(&headers), token, "{header}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }

    #[test]
    fn secrets_are_compared_whole() {
        assert!(same_secret(b"abc", b"abc"));
        assert!(!same_secret(b"abc", b"abd") && !same_secret(b"abc", b"ab") && !same_secret(b"", b"a"));
    }
}
