//! ID tokens and session cookies: which are issued, and which are accepted.
//!
//! One policy per server decides the algorithm; a token's own header never does (RFC 8725). Must not know: where keys
//! are kept, nor whether a token's account still exists (operations and the service ask the store).

pub mod assertion;
mod certificate;
pub mod claims;
mod compact;
mod der;
mod keys;
pub mod refresh;
pub mod rotation;
pub mod session;

pub use certificate::armour;
pub(crate) use compact::Compact;
pub use keys::{Key, KeyRing, Signer, UnusableKey, VerifyingKey};

use crate::Millis;
use crate::errors::Error;
use claims::IdTokenClaims;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Seconds an ID token lasts.
pub const LIFETIME: u64 = 3600;
/// Seconds a session cookie lasts at most.
pub const LONGEST_COOKIE: u64 = 14 * 24 * 3600;
/// Seconds another server's clock may be ahead.
pub(crate) const SKEW: u64 = 60;
/// The longest account id, in bytes.
pub const LONGEST_LOCAL_ID: usize = 128;

/// What a token is for. Each purpose has an issuer and keys of its own, so that none passes for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Says to every service who is asking.
    IdToken,
    /// Says so to the app's own server, which checks it by the public keys.
    SessionCookie,
}

impl Purpose {
    /// Both.
    pub const ALL: [Self; 2] = [Self::IdToken, Self::SessionCookie];

    /// A name for the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::IdToken => "id_token",
            Self::SessionCookie => "session_cookie",
        }
    }

    /// Seconds that such a token lasts at most.
    pub fn longest_life(self) -> u64 {
        match self {
            Self::IdToken => LIFETIME,
            Self::SessionCookie => LONGEST_COOKIE,
        }
    }
}

/// The keys of a server that signs.
#[derive(Debug)]
pub struct Keys {
    /// Of ID tokens.
    pub id_tokens: KeyRing,
    /// Of session cookies.
    pub session_cookies: KeyRing,
}

impl Keys {
    fn ring(&self, purpose: Purpose) -> &KeyRing {
        match purpose {
            Purpose::IdToken => &self.id_tokens,
            Purpose::SessionCookie => &self.session_cookies,
        }
    }
}

/// The policy for ID tokens and session cookies.
#[derive(Debug)]
pub enum Tokens {
    /// Tokens carry no signature. Whoever can reach the server can be anyone: for emulators only.
    Unsigned,
    /// Tokens are signed with RS256; nothing else is accepted.
    Signed(Keys),
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is no ID token.
    Malformed,
    /// Its algorithm, key or signature is not this server's.
    Signature,
    /// It is another project's, or for another purpose.
    Project,
    /// It is past its time.
    Expired,
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Malformed | Refused::Signature | Refused::Project => Self::InvalidIdToken,
            Refused::Expired => Self::TokenExpired,
        }
    }
}

impl Tokens {
    /// Whether everyone can forge tokens.
    pub fn are_unsigned(&self) -> bool {
        matches!(self, Self::Unsigned)
    }

    /// The ID token with these claims.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn encode(&self, claims: &Map<String, Value>) -> Result<String, Error> {
        self.encode_for(Purpose::IdToken, claims)
    }

    /// The token with these claims.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn encode_for(&self, purpose: Purpose, claims: &Map<String, Value>) -> Result<String, Error> {
        match self {
            Self::Unsigned => Ok(compact::unsigned(claims)),
            Self::Signed(keys) => keys.ring(purpose).sign(claims),
        }
    }

    /// The public keys as a JSON Web Key Set; none where nothing is signed.
    pub fn jwks(&self, purpose: Purpose) -> Value {
        match self {
            Self::Unsigned => json!({"keys": []}),
            Self::Signed(keys) => keys.ring(purpose).jwks(),
        }
    }

    /// The public keys as certificates by key id; none where nothing is signed.
    ///
    /// # Errors
    /// A key cannot sign its certificate.
    pub fn certificates(&self, purpose: Purpose) -> Result<Value, Error> {
        match self {
            Self::Unsigned => Ok(json!({})),
            Self::Signed(keys) => keys.ring(purpose).certificates(),
        }
    }

    /// The claims of a token that came in a request to Auth itself. Signed tokens are verified. Unsigned ones are only
    /// decoded, as the official emulator does: its tokens don't expire here, and real ones pass too.
    ///
    /// # Errors
    /// The token is not one that an operation can work with.
    pub fn read(&self, token: &str, project: &str, now: Millis) -> Result<IdTokenClaims, Error> {
        let claims = match self {
            Self::Unsigned => Compact::parse(token).ok_or(Error::InvalidIdToken)?.claims,
            Self::Signed(_) => self.verify(token, project, now)?,
        };
        IdTokenClaims::new(claims).ok_or(Error::InvalidIdToken)
    }

    /// Everything that can be known of a token without asking for its account: form, algorithm, signature, project,
    /// purpose, times.
    ///
    /// # Errors
    /// The first of these that is wrong.
    pub fn verify(&self, token: &str, project: &str, now: Millis) -> Result<Map<String, Value>, Refused> {
        let genuine = self.authenticate(token, project)?;
        genuine.valid_at(now)?;
        Ok(Arc::unwrap_or_clone(genuine.claims))
    }

    /// What of [`Tokens::verify`] no time can change: form, algorithm, signature, project, purpose. So its result may be
    /// kept; the times have to be asked for at every use.
    ///
    /// # Errors
    /// The first of these that is wrong.
    pub fn authenticate(&self, token: &str, project: &str) -> Result<Genuine, Refused> {
        let token = Compact::parse(token).ok_or(Refused::Malformed)?;
        match self {
            Self::Unsigned if token.algorithm() == Some("none") && token.signature.is_empty() => {}
            Self::Unsigned => return Err(Refused::Signature),
            Self::Signed(keys) => keys.id_tokens.verify(&token)?,
        }
        let claims = token.claims;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if text("iss") != Some(&claims::issuer(project)) || text("aud") != Some(project) {
            return Err(Refused::Project);
        }
        let subject =
            text("sub").filter(|sub| (1..=LONGEST_LOCAL_ID).contains(&sub.len())).ok_or(Refused::Malformed)?;
        let seconds = |name: &str| claims.get(name).and_then(Value::as_u64).ok_or(Refused::Malformed);
        let begun = seconds("iat")?.max(seconds("auth_time")?);
        // An emulator's clock may have been set back since; a server's own tokens are never from the future.
        let not_before = if self.are_unsigned() { 0 } else { begun.saturating_sub(SKEW) };
        Ok(Genuine { subject: subject.to_owned(), not_before, expires: seconds("exp")?, claims: Arc::new(claims) })
    }

    /// The account's id and the claims of a token without a signature, where such are accepted; nothing else about it is
    /// checked. Nothing may be granted for them that belongs to an account.
    ///
    /// # Errors
    /// It is signed, has to be, or names nobody.
    pub fn claimed(&self, token: &str) -> Result<(String, Map<String, Value>), Refused> {
        let token = Compact::parse(token).ok_or(Refused::Malformed)?;
        if !self.are_unsigned() || token.algorithm() != Some("none") || !token.signature.is_empty() {
            return Err(Refused::Signature);
        }
        let sub = token.claims.get("sub").and_then(Value::as_str);
        let sub = sub.filter(|sub| (1..=LONGEST_LOCAL_ID).contains(&sub.len())).ok_or(Refused::Malformed)?;
        Ok((sub.to_owned(), token.claims))
    }
}

/// A token of this server for this project. It may have expired, and its account may be gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genuine {
    /// The account's id (`sub`), 1 to 128 bytes.
    pub subject: String,
    /// Every claim.
    pub claims: Arc<Map<String, Value>>,
    not_before: u64,
    expires: u64,
}

impl Genuine {
    /// Whether the token's time has come and not passed.
    ///
    /// # Errors
    /// Which of these is wrong.
    pub fn valid_at(&self, now: Millis) -> Result<(), Refused> {
        let now = now / 1000;
        if self.expires <= now {
            return Err(Refused::Expired);
        }
        if self.not_before > now {
            return Err(Refused::Malformed);
        }
        Ok(())
    }
}

/// What a token says, whoever made it. Nothing may be granted for it but by an emulator.
pub(crate) fn payload(token: &str) -> Option<Map<String, Value>> {
    Some(Compact::parse(token)?.claims)
}

/// The tenant a token names, whoever made the token: only for choosing whom to ask. Nothing may be granted for it.
pub fn named_tenant(token: &str) -> Option<String> {
    let claims = IdTokenClaims::new(Compact::parse(token)?.claims)?;
    claims.tenant().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    const NOW: Millis = 1_893_456_000_000;

    fn claims(change: &[(&str, Value)]) -> Map<String, Value> {
        let now = NOW / 1000;
        let Value::Object(mut claims) = json!({
            "auth_time": now, "user_id": "u", "firebase": {"identities": {}, "sign_in_provider": "anonymous"},
            "iat": now, "exp": now + 3600, "aud": "demo", "iss": "https://securetoken.google.com/demo", "sub": "u",
        }) else {
            unreachable!()
        };
        for (name, value) in change {
            if value.is_null() {
                claims.shift_remove(*name);
            } else {
                claims.insert((*name).to_owned(), value.clone());
            }
        }
        claims
    }

    fn check(change: &[(&str, Value)], expected: Result<(), Refused>) {
        let token = Tokens::Unsigned.encode(&claims(change)).unwrap();
        assert_eq!(Tokens::Unsigned.verify(&token, "demo", NOW).map(|_| ()), expected, "{change:?}");
    }

    #[test]
    fn claims_decide() {
        check(&[], Ok(()));
        check(&[("iss", json!("https://securetoken.google.com/other"))], Err(Refused::Project));
        check(&[("iss", json!("https://session.firebase.google.com/demo"))], Err(Refused::Project));
        check(&[("aud", json!("other"))], Err(Refused::Project));
        check(&[("aud", json!(["demo"]))], Err(Refused::Project));
        check(&[("iss", Value::Null)], Err(Refused::Project));
        check(&[("sub", json!(""))], Err(Refused::Malformed));
        check(&[("sub", json!("u".repeat(129)))], Err(Refused::Malformed));
        check(&[("sub", json!(1))], Err(Refused::Malformed));
        check(&[("exp", json!(NOW / 1000))], Err(Refused::Expired));
        check(&[("exp", json!(NOW / 1000 + 1))], Ok(()));
        check(&[("exp", Value::Null)], Err(Refused::Malformed));
        check(&[("iat", json!("now"))], Err(Refused::Malformed));
    }

    #[test]
    fn anything_can_be_claimed_without_a_signature_but_to_be_nobody() {
        let claimed = |token: &str| Tokens::Unsigned.claimed(token).map(|(subject, _)| subject);
        let token = |change: &[(&str, Value)]| Tokens::Unsigned.encode(&claims(change)).unwrap();
        let made_up = token(&[("iat", json!(0)), ("exp", json!(3600)), ("aud", json!("demo-project"))]);
        assert_eq!(claimed(&made_up), Ok("u".to_owned()));
        assert_eq!(claimed(&token(&[("sub", json!(""))])), Err(Refused::Malformed));
        assert_eq!(claimed(&format!("{made_up}c2ln")), Err(Refused::Signature));
        assert_eq!(claimed("a.b.c"), Err(Refused::Malformed));
    }

    #[test]
    fn what_is_genuine_is_still_only_good_for_its_time() {
        let token = Tokens::Unsigned.encode(&claims(&[])).unwrap();
        let genuine = Tokens::Unsigned.authenticate(&token, "demo").unwrap();
        assert_eq!((genuine.subject.as_str(), &*genuine.claims), ("u", &claims(&[])));
        for (now, expected) in [
            (0, Ok(())),
            (NOW, Ok(())),
            (NOW + 3_599_999, Ok(())),
            (NOW + 3_600_000, Err(Refused::Expired)),
            (Millis::MAX, Err(Refused::Expired)),
        ] {
            assert_eq!(genuine.valid_at(now), expected, "{now}");
        }
        assert_eq!(Tokens::Unsigned.authenticate(&token, "other"), Err(Refused::Project));
    }

    #[test]
    fn an_emulator_refuses_every_algorithm_but_none() {
        let parts = |header: &str, signature: &str| {
            let claims = serde_json::to_string(&claims(&[])).unwrap();
            format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
        };
        for (header, signature, expected) in [
            (r#"{"alg":"none","typ":"JWT"}"#, "", None),
            (r#"{"alg":"none","typ":"JWT"}"#, "c2ln", Some(Refused::Signature)),
            (r#"{"alg":"HS256","typ":"JWT"}"#, "c2ln", Some(Refused::Signature)),
            (r#"{"alg":"None"}"#, "", Some(Refused::Signature)),
            ("{}", "", Some(Refused::Signature)),
            ("[]", "", Some(Refused::Malformed)),
        ] {
            let token = parts(header, signature);
            assert_eq!(Tokens::Unsigned.verify(&token, "demo", NOW).err(), expected, "{header} {signature}");
        }
        for token in ["", "a", "a.b", "a.b.c", "a.b.c.d", "...", "e30.e30"] {
            assert_eq!(Tokens::Unsigned.verify(token, "demo", NOW).err(), Some(Refused::Malformed), "{token}");
        }
    }

    #[test]
    fn auth_itself_only_decodes_unsigned_tokens() {
        let expired = Tokens::Unsigned.encode(&claims(&[("exp", json!(1))])).unwrap();
        assert_eq!(Tokens::Unsigned.read(&expired, "demo", NOW).unwrap().user_id(), Some("u"));
        let bare = Tokens::Unsigned.encode(&claims(&[("firebase", Value::Null)])).unwrap();
        assert_eq!(Tokens::Unsigned.read(&bare, "demo", NOW), Err(Error::InvalidIdToken));
        assert_eq!(Tokens::Unsigned.read("x", "demo", NOW), Err(Error::InvalidIdToken));
    }
}
