//! ID tokens of OpenID Connect providers: what has to be true of one before it is believed (OpenID Connect Core 1.0,
//! section 3.1.3.7). Must not know: what becomes of an account by it.
//!
//! Issuer, audience, times and nonce are looked at before the signature: what fails by them has no keys fetched.

use super::keys::ProviderKeys;
use crate::Millis;
use crate::token::{Compact, SKEW};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The longest token, in bytes.
const LONGEST: usize = 32 * 1024;
/// The longest subject, in bytes (section 2).
const LONGEST_SUBJECT: usize = 255;

/// What a token has to be for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    /// Who has issued it: one of these.
    pub(crate) issuers: &'a [&'a str],
    /// The app's ids there.
    pub(crate) audiences: &'a [&'a str],
    /// What binds it to this sign-in.
    pub(crate) nonce: Nonce<'a>,
    /// The time.
    pub(crate) now: Millis,
}

/// What binds a token to a sign-in: its `nonce` is the SHA-256, in hexadecimal, of what the client brings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nonce<'a> {
    /// What the client brings.
    pub(crate) raw: Option<&'a str>,
    /// A token that has one is worth nothing without it.
    pub(crate) required: bool,
}

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disbelieved {
    /// It is no ID token.
    Form,
    /// It is signed in a way that is not accepted, or not at all.
    Algorithm,
    /// Somebody else has issued it.
    Issuer,
    /// It is for another app.
    Audience,
    /// It has expired.
    Expired,
    /// It is from the future.
    TooEarly,
    /// It is bound to something that the client does not bring.
    NonceMissing,
    /// It is bound to something else, or to nothing.
    OtherNonce,
    /// None of the issuer's keys has signed it.
    Signature,
}

/// A token on its way to being believed.
pub(crate) struct ProviderToken<'t>(Compact<'t>);

impl<'t> ProviderToken<'t> {
    /// Reads a token and looks at all but its signature.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn read(token: &'t str, expected: &Expected<'_>) -> Result<Self, Disbelieved> {
        if token.len() > LONGEST {
            return Err(Disbelieved::Form);
        }
        let token = Compact::parse(token).ok_or(Disbelieved::Form)?;
        // An extension that has to be understood is not (RFC 7515, section 4.1.11).
        if !matches!(token.algorithm(), Some("RS256" | "ES256")) || token.header.contains_key("crit") {
            return Err(Disbelieved::Algorithm);
        }
        if token.header.get("kid").is_some_and(|id| !id.is_string()) {
            return Err(Disbelieved::Form);
        }
        let claims = &token.claims;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if !text("sub").is_some_and(|subject| (1..=LONGEST_SUBJECT).contains(&subject.len())) {
            return Err(Disbelieved::Form);
        }
        if !text("iss").is_some_and(|issuer| expected.issuers.contains(&issuer)) {
            return Err(Disbelieved::Issuer);
        }
        if !is_for(claims, expected.audiences) {
            return Err(Disbelieved::Audience);
        }
        let seconds = |name: &str| claims.get(name).and_then(Value::as_f64);
        #[expect(clippy::cast_precision_loss, reason = "times are far below 2^52")]
        let (now, skew) = ((expected.now / 1000) as f64, SKEW as f64);
        if seconds("exp").ok_or(Disbelieved::Form)? <= now {
            return Err(Disbelieved::Expired);
        }
        let begun = seconds("iat").ok_or(Disbelieved::Form)?.max(seconds("nbf").unwrap_or(0.0));
        if begun > now + skew {
            return Err(Disbelieved::TooEarly);
        }
        check_nonce(claims.get("nonce"), expected.nonce)?;
        Ok(Self(token))
    }

    /// Which key it names.
    pub(crate) fn key_id(&self) -> Option<&str> {
        self.0.key_id()
    }

    /// The claims, if one of these keys has signed them.
    ///
    /// # Errors
    /// None has.
    pub(crate) fn verified(self, keys: &ProviderKeys) -> Result<Map<String, Value>, Disbelieved> {
        if keys.have_signed(&self.0) { Ok(self.0.claims) } else { Err(Disbelieved::Signature) }
    }
}

/// Whether an ID token's `at_hash` is of this access token: the left half of its SHA-256 (section 3.1.3.6).
pub(crate) fn is_hash_of(hash: &str, access_token: &str) -> bool {
    let digest = Sha256::digest(access_token);
    digest.first_chunk::<16>().is_some_and(|half| URL_SAFE_NO_PAD.encode(half) == hash)
}

/// A token may be for several; then the one that has asked for it is named.
fn is_for(claims: &Map<String, Value>, audiences: &[&str]) -> bool {
    let is_ours = |value: &Value| value.as_str().is_some_and(|one| audiences.contains(&one));
    match claims.get("aud") {
        Some(Value::Array(all)) if all.len() > 1 => all.iter().any(is_ours) && claims.get("azp").is_some_and(is_ours),
        Some(Value::Array(one)) => one.first().is_some_and(is_ours),
        Some(value) => is_ours(value),
        None => false,
    }
}

fn check_nonce(claim: Option<&Value>, nonce: Nonce<'_>) -> Result<(), Disbelieved> {
    match (claim, nonce.raw) {
        (None, None) => Ok(()),
        (Some(_), None) => {
            if nonce.required {
                Err(Disbelieved::NonceMissing)
            } else {
                Ok(())
            }
        }
        (None, Some(_)) => Err(Disbelieved::OtherNonce),
        (Some(claim), Some(raw)) => {
            let hash: String = Sha256::digest(raw).iter().map(|byte| format!("{byte:02x}")).collect();
            if claim.as_str() == Some(&hash) { Ok(()) } else { Err(Disbelieved::OtherNonce) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Millis = 1_893_456_000_000;
    const HASH: &str = "some hash";

    fn read(header: &Value, claims: &Value, nonce: Nonce<'_>) -> Result<(), Disbelieved> {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let token = format!("{}.{}.c2ln", part(header), part(claims));
        let expected = Expected { issuers: &["https://i"], audiences: &["app", "ios"], nonce, now: NOW };
        ProviderToken::read(&token, &expected).map(|_| ())
    }

    fn check(change: Value, expected: Result<(), Disbelieved>) {
        let mut header = json!({"alg": "RS256", "kid": "k"});
        let mut claims =
            json!({"iss": "https://i", "aud": "app", "sub": "7", "iat": NOW / 1000, "exp": NOW / 1000 + 1});
        for (field, value) in change.as_object().unwrap() {
            let (part, field) = match field.strip_prefix('^') {
                Some(field) => (&mut header, field),
                None => (&mut claims, field.as_str()),
            };
            if value.is_null() {
                part.as_object_mut().unwrap().shift_remove(field);
            } else {
                part[field] = value.clone();
            }
        }
        assert_eq!(read(&header, &claims, Nonce { raw: None, required: true }), expected, "{change}");
    }

    #[test]
    fn claims_decide_before_keys_are_asked_for() {
        let now = NOW / 1000;
        check(json!({}), Ok(()));
        for algorithm in [json!("none"), json!("HS256"), json!("RS384"), json!("rs256"), json!(1), Value::Null] {
            check(json!({"^alg": algorithm}), Err(Disbelieved::Algorithm));
        }
        check(json!({"^alg": "ES256", "^kid": null}), Ok(()));
        check(json!({"^crit": ["x"]}), Err(Disbelieved::Algorithm));
        check(json!({"^kid": 1}), Err(Disbelieved::Form));
        for issuer in [json!("https://i/"), json!("https://other"), json!(["https://i"]), Value::Null] {
            check(json!({"iss": issuer}), Err(Disbelieved::Issuer));
        }
        check(json!({"aud": "ios"}), Ok(()));
        check(json!({"aud": ["app"]}), Ok(()));
        check(json!({"aud": ["app", "other"], "azp": "app"}), Ok(()));
        check(json!({"aud": "app", "azp": "android"}), Ok(()));
        for (audience, party) in [
            (json!("other"), Value::Null),
            (json!("app "), Value::Null),
            (json!([]), Value::Null),
            (json!(["app", "other"]), Value::Null),
            (json!(["app", "other"]), json!("other")),
            (json!(["other"]), json!("app")),
            (Value::Null, json!("app")),
        ] {
            check(json!({"aud": audience, "azp": party}), Err(Disbelieved::Audience));
        }
        check(json!({"exp": now}), Err(Disbelieved::Expired));
        check(json!({"exp": null}), Err(Disbelieved::Form));
        check(json!({"exp": "later"}), Err(Disbelieved::Form));
        check(json!({"iat": now + 60}), Ok(()));
        check(json!({"iat": now + 61}), Err(Disbelieved::TooEarly));
        check(json!({"nbf": now + 61}), Err(Disbelieved::TooEarly));
        check(json!({"iat": null}), Err(Disbelieved::Form));
        for subject in [json!(""), json!(7), json!("x".repeat(256)), Value::Null] {
            check(json!({"sub": subject}), Err(Disbelieved::Form));
        }
        check(json!({"name": "n".repeat(40_000)}), Err(Disbelieved::Form));
        check(json!({"nonce": HASH}), Err(Disbelieved::NonceMissing));
    }

    #[test]
    fn a_nonce_binds() {
        let hash: String = Sha256::digest("raw").iter().map(|byte| format!("{byte:02x}")).collect();
        for (claim, raw, required, expected) in [
            (Value::Null, None, true, Ok(())),
            (json!(hash), Some("raw"), true, Ok(())),
            (json!(hash), Some("raw"), false, Ok(())),
            (json!(hash), None, false, Ok(())),
            (json!(hash), None, true, Err(Disbelieved::NonceMissing)),
            (json!(hash), Some("other"), false, Err(Disbelieved::OtherNonce)),
            (json!("raw"), Some("raw"), true, Err(Disbelieved::OtherNonce)),
            (json!(1), Some("raw"), true, Err(Disbelieved::OtherNonce)),
            (Value::Null, Some("raw"), true, Err(Disbelieved::OtherNonce)),
        ] {
            let claim = Some(&claim).filter(|claim| !claim.is_null());
            assert_eq!(check_nonce(claim, Nonce { raw, required }), expected, "{claim:?} {raw:?}");
        }
    }

    /// The example of OpenID Connect Core 1.0, appendix A.3.
    #[test]
    fn an_access_token_is_known_by_its_hash() {
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert!(is_hash_of("77QmUPtjPfzWtF2AnpK9RQ", token));
        assert!(!is_hash_of("77QmUPtjPfzWtF2AnpK9RQ", "other") && !is_hash_of("", token));
    }
}
