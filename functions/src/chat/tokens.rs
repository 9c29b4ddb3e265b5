//! The tokens for WebSockets, as the database keeps them: by their hashes, until they are used or expire.
//!
//! `tokens/{hash}` → `{username, expires}`; `expiries/{time}-{hash}` and `holders/{name}/{time}-{hash}` name them in the
//! order in which they expire, all of them and a user's. A copy of the database opens no connection.

use super::refusal::Refusal;
use super::users;
use crate::key::escaped;
use crate::ports::{DatabaseError, Entropy, Millis, Transaction};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Value, json};

/// So long a token is good.
pub(super) const LIFETIME: Millis = 5 * 60 * 1000;
/// A user has at most so many unused ones; the oldest goes.
const MOST: usize = 32;
/// A token's bytes of chance.
const BYTES: usize = 20;

/// A new token, as its user is told of it.
#[derive(Debug, Serialize)]
pub(super) struct Token {
    token: String,
    username: String,
    /// In seconds since the Unix epoch.
    expires: u64,
}

/// Whom a good token lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) name: String,
    pub(super) group: String,
}

/// A token's text.
pub(super) fn draw(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; BYTES];
    entropy.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What is kept of a token, whatever its text is.
pub(super) fn hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()))
}

/// Keeps `token` for a user.
pub(super) fn issue(transaction: &mut dyn Transaction, token: String, name: &str) -> Result<Token, DatabaseError> {
    let holder = format!("holders/{}", escaped(name));
    let held = transaction.children(&holder, None, MOST);
    if held.len() == MOST
        && let Some((_, oldest)) = held.first()
        && let Some(oldest) = oldest.as_str()
    {
        remove(transaction, oldest)?;
    }
    let (hash, expires) = (hash(&token), transaction.now().saturating_add(LIFETIME));
    let key = key(expires, &hash);
    transaction.set(&format!("tokens/{hash}"), json!({"username": name, "expires": expires}))?;
    transaction.set(&format!("expiries/{key}"), json!(hash))?;
    transaction.set(&format!("{holder}/{key}"), json!(hash))?;
    Ok(Token { token, username: name.to_owned(), expires: expires / 1000 })
}

/// Whom the token of this hash would let in.
pub(super) fn look(transaction: &dyn Transaction, hash: &str) -> Result<Holder, Refusal> {
    let (name, expires) = find(transaction, hash).ok_or(Refusal::Token)?;
    let group = users::group(transaction, &name).filter(|_| transaction.now() < expires);
    group.map(|group| Holder { name, group }).ok_or(Refusal::Token)
}

/// Uses the token of this hash up.
pub(super) fn redeem(transaction: &mut dyn Transaction, hash: &str) -> Result<Result<Holder, Refusal>, DatabaseError> {
    let holder = look(transaction, hash);
    remove(transaction, hash)?;
    Ok(holder)
}

/// Removes up to `limit` tokens that have expired; how many, and when the next one does.
pub(super) fn sweep(transaction: &mut dyn Transaction, limit: usize) -> Result<(usize, Option<Millis>), DatabaseError> {
    let now = transaction.now();
    let mut removed = 0;
    // One more than is removed, so that it is known when the next one expires.
    for (key, hash) in transaction.children("expiries", None, limit + 1) {
        let expires = key.split('-').next().and_then(|time| time.parse().ok()).unwrap_or_default();
        if expires > now || removed == limit {
            return Ok((removed, Some(expires)));
        }
        if let Some(hash) = hash.as_str() {
            remove(transaction, hash)?;
        }
        transaction.set(&format!("expiries/{key}"), Value::Null)?;
        removed += 1;
    }
    Ok((removed, None))
}

fn remove(transaction: &mut dyn Transaction, hash: &str) -> Result<(), DatabaseError> {
    let Some((name, expires)) = find(transaction, hash) else { return Ok(()) };
    let key = key(expires, hash);
    transaction.set(&format!("tokens/{hash}"), Value::Null)?;
    transaction.set(&format!("expiries/{key}"), Value::Null)?;
    transaction.set(&format!("holders/{}/{key}", escaped(&name)), Value::Null)
}

fn find(transaction: &dyn Transaction, hash: &str) -> Option<(String, Millis)> {
    let token = transaction.get(&format!("tokens/{hash}"));
    Some((token.get("username")?.as_str()?.to_owned(), token.get("expires")?.as_u64()?))
}

/// Keys of one length, so that they stand in the order of time.
fn key(expires: Millis, hash: &str) -> String {
    format!("{expires:016}-{hash}")
}
