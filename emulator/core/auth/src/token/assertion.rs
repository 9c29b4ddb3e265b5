//! What the holder of a service-account key signs: requests for access tokens (RFC 7523) and custom tokens. Must not
//! know: how keys are handed out.

use super::compact::Compact;
use super::keys::VerifyingKey;
use super::{LIFETIME, SKEW};
use crate::Millis;
use crate::errors::StoreError;
use crate::store::{Accounts, ServiceAccountKey};
use serde_json::{Map, Value};

/// The audience of custom tokens.
pub const CUSTOM_TOKEN_AUDIENCE: &str =
    "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit";
/// Paths of token endpoints: ours, and those that Admin SDKs name whatever the key says.
pub const TOKEN_PATHS: [&str; 3] = ["/token", "/o/oauth2/token", "/oauth2/v4/token"];

/// A statement that names no key is tried with so many of the latest issued.
const MOST_CANDIDATES: usize = 16;

/// What a signed statement is for. A statement for one purpose is none for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// A token endpoint: an access token is wanted.
    TokenEndpoint,
    /// Sign-in with a custom token.
    CustomToken,
}

/// Why a statement is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Disbelieved {
    /// It is no JSON Web Token.
    #[error("Invalid assertion format")]
    Form,
    /// No key of a service account has signed it with RS256.
    #[error("Invalid JWT Signature.")]
    Signature,
    /// It is another account's than the key's.
    #[error("Invalid issuer or subject: must be the service account's email.")]
    Issuer,
    /// It is for something else.
    #[error("Invalid audience.")]
    Audience,
    /// It is past its time, from the future, or made to last for more than an hour.
    #[error("Token must be a short-lived token (60 minutes) and in a reasonable timeframe.")]
    Time,
    /// The store failed.
    #[error("INTERNAL_ERROR : The accounts cannot be read or written")]
    Store(#[from] StoreError),
}

/// The claims of a statement that one of the store's service-account keys has signed, and the key.
///
/// # Errors
/// The first of these that is wrong.
pub fn verify(
    store: &(impl Accounts + ?Sized),
    token: &str,
    audience: Audience,
    now: Millis,
) -> Result<(Map<String, Value>, ServiceAccountKey), Disbelieved> {
    let token = Compact::parse(token).ok_or(Disbelieved::Form)?;
    let kept = signer(store, &token)?.ok_or(Disbelieved::Signature)?;
    let text = |name: &str| token.claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(&kept.email) || text("sub").is_some_and(|sub| sub != kept.email) {
        return Err(Disbelieved::Issuer);
    }
    if !text("aud").is_some_and(|given| audience.accepts(given)) {
        return Err(Disbelieved::Audience);
    }
    let seconds = |name: &str| token.claims.get(name).and_then(Value::as_u64).ok_or(Disbelieved::Time);
    let (issued, expires, now) = (seconds("iat")?, seconds("exp")?, now / 1000);
    let lasts = expires.saturating_sub(issued);
    if expires <= now || issued > now.saturating_add(SKEW) || lasts > LIFETIME {
        return Err(Disbelieved::Time);
    }
    Ok((token.claims, kept))
}

/// Some Admin SDKs don't name the key.
fn signer(store: &(impl Accounts + ?Sized), token: &Compact<'_>) -> Result<Option<ServiceAccountKey>, StoreError> {
    let candidates = match token.header.get("kid") {
        None => store.service_account_keys()?,
        Some(id) => id.as_str().map(|id| store.service_account_key(id)).transpose()?.flatten().into_iter().collect(),
    };
    let has_signed = |kept: &ServiceAccountKey| {
        VerifyingKey::new(&kept.id, &kept.public).is_ok_and(|key| key.has_signed(token).is_ok())
    };
    // The latest issued is the likeliest.
    Ok(candidates.into_iter().rev().take(MOST_CANDIDATES).find(has_signed))
}

impl Audience {
    /// A server doesn't always know by which names it is reached, so of a token endpoint the path decides. The key is
    /// this server's own in any case.
    fn accepts(self, given: &str) -> bool {
        let path = || given.split_once("://").and_then(|(_, rest)| rest.find('/').and_then(|slash| rest.get(slash..)));
        match self {
            Self::CustomToken => given == CUSTOM_TOKEN_AUDIENCE,
            Self::TokenEndpoint => path().is_some_and(|path| TOKEN_PATHS.contains(&path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audience_is_for_one_thing() {
        for (given, endpoint, custom) in [
            (CUSTOM_TOKEN_AUDIENCE, false, true),
            ("https://oauth2.googleapis.com/token", true, false),
            ("http://127.0.0.1:9099/token", true, false),
            ("https://accounts.google.com/o/oauth2/token", true, false),
            ("/token", false, false),
            ("https://token", false, false),
            ("https://a/token/", false, false),
            ("https://securetoken.google.com/demo", false, false),
        ] {
            assert_eq!(
                (Audience::TokenEndpoint.accepts(given), Audience::CustomToken.accepts(given)),
                (endpoint, custom)
            );
        }
    }
}
