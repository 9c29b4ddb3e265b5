//! `projects:createSessionCookie`: an ID token made to last, for apps whose own server knows its users by a cookie.

use super::{Answer, Call, IdTokenFor, given, signed_in};
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::store::Accounts;
use crate::token::claims::cookie_issuer;
use crate::token::{LONGEST_COOKIE, Purpose};
use serde::Deserialize;

/// Seconds that a cookie lasts at least.
const SHORTEST_COOKIE: u64 = 300;

/// The request's shape.
pub const SCHEMA: Schema = &[("idToken", Kind::Text), ("tenantId", Kind::Text), ("validDuration", Kind::Int64)];

/// The request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    id_token: Option<String>,
    valid_duration: Option<String>,
}

/// Makes a cookie with the claims of an ID token, but for issuer and times.
///
/// # Errors
/// As the official emulator: `MISSING_ID_TOKEN`, `INVALID_DURATION`, and whatever is wrong with the token.
pub fn create(store: &(impl Accounts + ?Sized), call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let id_token = given(&request.id_token).ok_or(Error::MissingIdToken)?;
    // Zero counts as none.
    let wanted = match given(&request.valid_duration).map(str::parse::<u64>) {
        None | Some(Ok(0)) => LONGEST_COOKIE,
        Some(Ok(wanted)) => wanted,
        Some(Err(_)) => return Err(Error::InvalidDuration),
    };
    if !(SHORTEST_COOKIE..=LONGEST_COOKIE).contains(&wanted) {
        return Err(Error::InvalidDuration);
    }
    signed_in(store, call, id_token)?;
    let mut claims = call.tokens.read(id_token, &call.scope.project, call.now)?.into_claims();
    let issued = call.now / 1000;
    let audience = claims.get("aud").and_then(serde_json::Value::as_str).unwrap_or(&call.scope.project);
    let issuer = cookie_issuer(audience);
    claims.insert("iat".to_owned(), issued.into());
    claims.insert("exp".to_owned(), (issued + wanted).into());
    claims.insert("iss".to_owned(), issuer.into());
    let id_token = IdTokenFor { purpose: Purpose::SessionCookie, claims, fields: &["sessionCookie"], at: 0 };
    Ok(Answer { id_token: Some(id_token), ..Answer::default() })
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::*;
    use serde_json::{Value, json};

    fn run(house: &mut House, body: Value) -> Result<Answer, Error> {
        house.call(true, |store, call, body| create(store, call, body), body)
    }

    #[test]
    fn a_cookie_says_what_the_id_token_said_for_longer() {
        let mut house = House::new();
        let (id, token) = house.sign_up();
        house.now += 5_000;
        for (duration, lasts) in [(json!("300"), 300), (json!("1209600"), LONGEST_COOKIE), (json!("0"), LONGEST_COOKIE)]
        {
            let cookie =
                run(&mut house, json!({"idToken": token, "validDuration": duration})).unwrap().id_token.unwrap();
            assert_eq!((cookie.purpose, cookie.fields), (Purpose::SessionCookie, &["sessionCookie"][..]));
            assert_eq!(
                Value::Object(cookie.claims),
                json!({
                    "provider_id": "anonymous", "auth_time": 1_893_456_000, "user_id": id,
                    "firebase": {"identities": {}, "sign_in_provider": "anonymous"}, "iat": 1_893_456_005,
                    "exp": 1_893_456_005 + lasts, "aud": "demo",
                    "iss": "https://session.firebase.google.com/demo", "sub": id,
                })
            );
        }
    }

    #[test]
    fn complaints_have_an_order() {
        let mut house = House::new();
        let token = house.sign_up().1;
        for (body, expected) in [
            (json!({"validDuration": "1"}), Error::MissingIdToken),
            (json!({"idToken": "x", "validDuration": "299"}), Error::InvalidDuration),
            (json!({"idToken": "x", "validDuration": "1209601"}), Error::InvalidDuration),
            (json!({"idToken": "x", "validDuration": "-1"}), Error::InvalidDuration),
            (json!({"idToken": "x"}), Error::InvalidIdToken),
        ] {
            assert_eq!(run(&mut house, body.clone()), Err(expected), "{body}");
        }
        assert!(run(&mut house, json!({"idToken": token})).is_ok());
    }
}
