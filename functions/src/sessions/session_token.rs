//! Session tokens: who holds one may publish to its session.
//!
//! A JWT signed with HS256, claims `session`, `iat`, `exp`, `sub` in this order. Nothing else is accepted: no other
//! algorithm, no other `sub`, none without an expiry. The time comes in, so that a held clock holds the tokens too.

use crate::ports::Millis;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use serde::{Deserialize, Serialize};

/// A token is good for so many seconds.
pub(super) const LIFETIME_SECONDS: u64 = 30 * 60;
/// The `sub` of every session token.
const SUBJECT: &str = "session";
/// Every token's header, its members in the original's order, which the library's own header does not keep.
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// Issues and reads session tokens.
pub(super) struct SessionTokens {
    sign: EncodingKey,
    verify: DecodingKey,
    validation: Validation,
}

/// What a token that verifies says. It may have expired.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SessionClaims {
    /// The session's code.
    pub(super) session: String,
    /// When the token expires.
    expires: Millis,
}

#[derive(Serialize)]
struct Issued<'a> {
    session: &'a str,
    iat: u64,
    exp: u64,
    sub: &'a str,
}

#[derive(Deserialize)]
struct Given {
    session: String,
    exp: f64,
    sub: String,
    nbf: Option<f64>,
}

impl SessionTokens {
    pub(super) fn new(secret: &str) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // The library would compare with the machine's clock; times are checked here.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        Self {
            sign: EncodingKey::from_secret(secret.as_bytes()),
            verify: DecodingKey::from_secret(secret.as_bytes()),
            validation,
        }
    }

    /// A token for `session`, issued at `now`.
    pub(super) fn issue(&self, session: &str, now: Millis) -> Result<String, jsonwebtoken::errors::Error> {
        let iat = now / 1000;
        let claims = Issued { session, iat, exp: iat.saturating_add(LIFETIME_SECONDS), sub: SUBJECT };
        let claims = serde_json::to_string(&claims)?;
        let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims));
        let signature = jsonwebtoken::crypto::sign(token.as_bytes(), &self.sign, Algorithm::HS256)?;
        token.push('.');
        token.push_str(&signature);
        Ok(token)
    }

    /// Reads a token whose signature and claims are right; whether it has expired is the caller's to ask.
    pub(super) fn read(&self, token: &str, now: Millis) -> Option<SessionClaims> {
        let given = jsonwebtoken::decode::<Given>(token, &self.verify, &self.validation).ok()?.claims;
        let begun = given.nbf.is_none_or(|from| millis(from) <= now);
        (given.sub == SUBJECT && !given.session.is_empty() && begun)
            .then(|| SessionClaims { session: given.session, expires: millis(given.exp) })
    }
}

impl SessionClaims {
    /// For how long the token has been expired at `now`; `None` while it is good.
    pub(super) fn expired_for(&self, now: Millis) -> Option<Millis> {
        now.checked_sub(self.expires)
    }
}

fn millis(seconds: f64) -> Millis {
    // The cast saturates; what is not a time at all becomes 0.
    (seconds * 1000.0) as Millis
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW: Millis = 1_893_456_000_999;

    fn token(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
        jsonwebtoken::encode(
            &jsonwebtoken::Header::new(algorithm),
            claims,
            &EncodingKey::from_secret(secret.as_bytes()),
        )
        .unwrap()
    }

    #[test]
    fn the_claims_are_in_their_order() {
        let issued = Issued { session: "abcde", iat: 5, exp: 1805, sub: SUBJECT };
        assert_eq!(
            serde_json::to_string(&issued).unwrap(),
            r#"{"session":"abcde","iat":5,"exp":1805,"sub":"session"}"#
        );
    }

    #[test]
    fn a_token_expires_after_thirty_minutes() {
        let tokens = SessionTokens::new("secret");
        let issued = tokens.issue("abcde", NOW).unwrap();
        // {"alg":"HS256","typ":"JWT"}
        assert!(issued.starts_with("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."), "{issued}");
        let claims = tokens.read(&issued, NOW).unwrap();
        let expires = (NOW / 1000 + 1800) * 1000;
        assert_eq!(claims.session, "abcde");
        assert_eq!(claims.expired_for(expires - 1), None);
        assert_eq!(claims.expired_for(expires), Some(0));
        assert_eq!(claims.expired_for(expires + 7), Some(7));
    }

    #[test]
    fn only_our_own_tokens_are_read() {
        let tokens = SessionTokens::new("secret");
        let good = json!({"session": "abcde", "exp": 1_893_456_001, "sub": "session"});
        let with = |key: &str, value: Value| {
            let mut claims = good.clone();
            claims[key] = value;
            token(Algorithm::HS256, "secret", &claims)
        };
        let without = |key: &str| {
            let mut claims = good.clone();
            claims.as_object_mut().unwrap().remove(key);
            token(Algorithm::HS256, "secret", &claims)
        };
        let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzZXNzaW9uIjoiYWJjZGUiLCJleHAiOjE4OTM0NTYwMDEsInN1YiI6InNlc3Npb24ifQ.";
        for (name, given, expect) in [
            ("good", token(Algorithm::HS256, "secret", &good), true),
            ("expired is still read", with("exp", json!(1)), true),
            ("nbf passed", with("nbf", json!(1_893_456_000)), true),
            ("an unknown claim", with("aud", json!("x")), true),
            ("another secret", token(Algorithm::HS256, "other", &good), false),
            ("HS384", token(Algorithm::HS384, "secret", &good), false),
            ("HS512", token(Algorithm::HS512, "secret", &good), false),
            ("unsigned", unsigned.to_owned(), false),
            ("nbf ahead", with("nbf", json!(1_893_456_002)), false),
            ("no exp", without("exp"), false),
            ("exp no number", with("exp", json!("1893456001")), false),
            ("no sub", without("sub"), false),
            ("another sub", with("sub", json!("user")), false),
            ("no session", without("session"), false),
            ("empty session", with("session", json!("")), false),
            ("numeric session", with("session", json!(5)), false),
            ("garbage", "garbage".to_owned(), false),
            ("with a scheme", format!("Bearer {}", token(Algorithm::HS256, "secret", &good)), false),
        ] {
            assert_eq!(tokens.read(&given, NOW).is_some(), expect, "{name}");
        }
    }
}
