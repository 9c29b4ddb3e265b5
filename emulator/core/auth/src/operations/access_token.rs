//! The OAuth2 token endpoint: whoever holds a service-account key gets an access token for an hour (RFC 6749, RFC 7523).

use super::given;
use crate::Millis;
use crate::entropy::Entropy;
use crate::errors::StoreError;
use crate::schema::{Kind, Schema};
use crate::store::{AccessToken, Accounts, Store};
use crate::token::LIFETIME;
use crate::token::assertion::{self, Audience, Disbelieved};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The one grant there is.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// How Google's access tokens begin, by which some tools tell them from ID tokens.
const PREFIX: &str = "ya29.";

/// The request's shape. Its fields have no other spelling.
pub const SCHEMA: Schema = &[("assertion", Kind::Text), ("grantType", Kind::Text)];

/// The request.
#[derive(Debug, Default)]
pub struct Request {
    /// Which grant.
    pub grant_type: Option<String>,
    /// The signed statement.
    pub assertion: Option<String>,
}

/// Why there is no access token, in OAuth2's terms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// A field is missing.
    #[error("Missing required parameter: {0}")]
    InvalidRequest(&'static str),
    /// The grant is not the one there is.
    #[error("Invalid grant_type: {0}")]
    UnsupportedGrantType(String),
    /// The assertion is not believed.
    #[error(transparent)]
    InvalidGrant(Disbelieved),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Exchanges a statement signed by a service-account key for an access token.
///
/// # Errors
/// See [`Denied`].
pub fn exchange(
    store: &mut dyn Store,
    entropy: &dyn Entropy,
    now: Millis,
    request: &Request,
) -> Result<Map<String, Value>, Denied> {
    let grant = given(&request.grant_type).ok_or(Denied::InvalidRequest("grant_type"))?;
    if grant != JWT_BEARER {
        return Err(Denied::UnsupportedGrantType(grant.to_owned()));
    }
    let assertion = given(&request.assertion).ok_or(Denied::InvalidRequest("assertion"))?;
    let (_, key) = assertion::verify(store, assertion, Audience::TokenEndpoint, now).map_err(Denied::InvalidGrant)?;
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let expires_at = now.saturating_add(LIFETIME * 1000);
    store.forget_access_tokens(now)?;
    store.keep_access_token(&hash(&token), &AccessToken { key_id: key.id, expires_at })?;
    let mut answer = Map::new();
    answer.insert("access_token".to_owned(), token.into());
    answer.insert("expires_in".to_owned(), (LIFETIME - 1).into());
    answer.insert("token_type".to_owned(), "Bearer".into());
    Ok(answer)
}

/// Until when the holder of an access token is an admin; `None` if it is none, or no longer.
///
/// # Errors
/// The store failed.
pub fn admin_until(store: &(impl Accounts + ?Sized), token: &str, now: Millis) -> Result<Option<Millis>, StoreError> {
    if !token.starts_with(PREFIX) {
        return Ok(None);
    }
    let kept = store.access_token(&hash(token))?;
    Ok(kept.map(|kept| kept.expires_at).filter(|expires| *expires > now))
}

/// Tokens are 256 random bits: a plain hash cannot be turned back.
fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}
