//! What a server remembers of a user whom it has sent to an identity provider, until the user comes back.
//!
//! It remembers nothing itself: all of it is in the session's id, sealed (AES-256-GCM), for the scope where the sign-in
//! began. So strangers who begin sign-ins fill no table. That a session is used once is seen to where its code is
//! redeemed. Must not know: providers, HTTP.

use crate::Millis;
use crate::entropy::{Entropy, base64url};
use crate::store::Scope;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// A user has so long to come back, in milliseconds.
pub const LIFETIME: Millis = 10 * 60 * 1000;
/// The longest id, in bytes.
const LONGEST: usize = 8 * 1024;
/// Characters of what is drawn for a session: 256 bits and more, and as many as a PKCE verifier needs (RFC 7636,
/// section 4.1).
const DRAWN: usize = 43;

/// The key under which sessions are sealed.
pub struct SessionKey(LessSafeKey);

/// A sign-in that has begun.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInSession {
    /// The provider's id.
    pub provider: String,
    /// The app's id there.
    pub client: String,
    /// Who the provider was then: the start of all of its addresses. Another one gets no code of this one.
    pub authority: String,
    /// Where the user comes back to.
    pub redirect_uri: String,
    /// What the user brings back.
    pub state: String,
    /// What the ID token has the hash of.
    pub nonce: String,
    /// What shows the provider that whoever brings the code has begun the sign-in (RFC 7636).
    pub verifier: String,
    /// Until when the user may come back.
    pub until: Millis,
}

impl SessionKey {
    /// The key with these bytes.
    ///
    /// # Errors
    /// Never, with as many bytes; the library says it may.
    pub fn new(bytes: &[u8; 32]) -> Result<Self, UnusableKey> {
        Ok(Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| UnusableKey)?)))
    }

    /// The session's id.
    ///
    /// # Errors
    /// Never, with what fits in a request; the library says it may.
    pub fn seal(&self, scope: &Scope, session: &SignInSession, entropy: &dyn Entropy) -> Result<String, UnusableKey> {
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce);
        let mut sealed = serde_json::to_vec(session).map_err(|_| UnusableKey)?;
        let place = Aad::from(place(scope));
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), place, &mut sealed)
            .map_err(|_| UnusableKey)?;
        Ok(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// The session with this id, if it was sealed here for this scope.
    pub fn open(&self, scope: &Scope, id: &str) -> Option<SignInSession> {
        if id.len() > LONGEST {
            return None;
        }
        let id = URL_SAFE_NO_PAD.decode(id).ok()?;
        let (nonce, sealed) = id.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.0.open_in_place(nonce, Aad::from(place(scope)), &mut sealed).ok()?;
        serde_json::from_slice(opened).ok()
    }
}

/// The key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key of sign-in sessions cannot be used")]
pub struct UnusableKey;

/// Where a sign-in has begun; ids have no such characters in them.
fn place(scope: &Scope) -> Vec<u8> {
    format!("sign-in\0{}\0{}", scope.project, scope.tenant.as_deref().unwrap_or_default()).into_bytes()
}

impl SignInSession {
    /// A new one.
    pub fn begin(
        provider: &str,
        client: &str,
        authority: &str,
        redirect_uri: &str,
        entropy: &dyn Entropy,
        now: Millis,
    ) -> Self {
        let [state, nonce, verifier] = [(); 3].map(|()| base64url(entropy, DRAWN));
        Self {
            provider: provider.to_owned(),
            client: client.to_owned(),
            authority: authority.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            state,
            nonce,
            verifier,
            until: now.saturating_add(LIFETIME),
        }
    }

    /// What the provider is to put into the ID token: the nonce's SHA-256 in hexadecimal, as clients hash theirs.
    pub fn hashed_nonce(&self) -> String {
        Sha256::digest(&self.nonce).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What the provider is told of the verifier beforehand (method `S256`).
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.verifier))
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SessionKey")
    }
}

impl fmt::Debug for SignInSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SignInSession").field("provider", &self.provider).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Counting;

    #[test]
    fn what_was_sealed_is_opened_where_it_began() {
        let entropy = Counting::default();
        let [key, other] = [[1; 32], [2; 32]].map(|bytes| SessionKey::new(&bytes).unwrap());
        let project = Scope::project("demo");
        let tenant = Scope { tenant: Some("t".to_owned()), ..project.clone() };
        let session = SignInSession::begin("oidc.a", "c", "https://a.b", "https://d.e/f", &entropy, 1000);
        let id = key.seal(&project, &session, &entropy).unwrap();
        assert_eq!(key.open(&project, &id), Some(session.clone()));
        assert_eq!(session.until, 1000 + LIFETIME);
        for (key, scope) in [(&key, &tenant), (&other, &project), (&key, &Scope::project("other"))] {
            assert_eq!(key.open(scope, &id), None);
        }
        let last = if id.ends_with('A') { "B" } else { "A" };
        let damaged = format!("{}{last}", id.get(..id.len() - 1).unwrap());
        for id in ["", "x", "AAAA", damaged.as_str(), &format!("{id}A"), &"A".repeat(LONGEST + 1)] {
            assert_eq!(key.open(&project, id), None, "{id}");
        }
        assert!(!id.contains(&session.verifier) && ![&session.nonce, &session.verifier].contains(&&session.state));
    }

    /// The example of RFC 7636, appendix B.
    #[test]
    fn a_challenge_is_the_verifiers_hash() {
        let mut session = SignInSession::begin("", "", "", "", &Counting::default(), 0);
        session.verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned();
        assert_eq!(session.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
