//! Token refresh: `securetoken.googleapis.com/v1/token`.

use super::{Answer, Call, IdTokenFor, PROJECT_NUMBER, given};
use crate::account::iso;
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::store::Store;
use crate::token::refresh::RefreshToken;
use crate::token::{LIFETIME, Purpose, claims, session};
use serde::Deserialize;

/// The request's shape.
pub const SCHEMA: Schema = &[("code", Kind::Text), ("grantType", Kind::Text), ("refreshToken", Kind::Text)];

/// The request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    grant_type: Option<String>,
    refresh_token: Option<String>,
}

/// Exchanges a refresh token for a new ID token. An emulator's refresh token stays the same; an opaque one is good for
/// one use.
///
/// # Errors
/// As the official emulator; an opaque token also ends with the account's revocation, or when it is used a second time
/// (`TOKEN_EXPIRED`).
pub fn grant(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    if given(&request.grant_type).ok_or(Error::MissingGrantType)? != "refresh_token" {
        return Err(Error::InvalidGrantType);
    }
    let text = given(&request.refresh_token).ok_or(Error::MissingRefreshToken)?;
    let (token, opaque) = if call.tokens.are_unsigned() {
        (RefreshToken::decode(text).ok_or(Error::InvalidRefreshToken)?, None)
    } else {
        let presented = session::find(store, text)?;
        (presented.of().clone(), Some(presented))
    };
    // What an emulator's token says of the tenant has been compared; an opaque one is asked here.
    let named = call.scope.tenant.as_ref();
    let scope = &token.scope;
    if scope.project != call.scope.project || named.is_some_and(|named| scope.tenant.as_ref() != Some(named)) {
        return Err(Error::InvalidRefreshToken);
    }
    let account = store.by_local_id(scope, &token.local_id)?;
    let mut account = account.ok_or(Error::InvalidRefreshToken)?;
    if account.disabled == Some(true) {
        return Err(Error::UserDisabled);
    }
    let refresh_token = match opaque {
        None => text.to_owned(),
        Some(presented) => {
            let issued = i64::try_from(presented.issued_at() / 1000).unwrap_or(i64::MAX);
            if account.valid_since_seconds().is_some_and(|valid_since| issued < valid_since) {
                return Err(Error::TokenExpired);
            }
            presented.rotate(store, call.now)?
        }
    };
    account.last_refresh_at = Some(iso(call.now));
    store.put(scope, &account)?;
    let mut claims = claims::of(&account, scope, &token.provider, &token.extra_claims, call.now);
    claims::add_second_factor(&mut claims, token.second_factor.as_ref());
    let mut answer = Answer::default()
        .with("expires_in", LIFETIME.to_string())
        .with("refresh_token", refresh_token)
        .with("token_type", "Bearer")
        .with("user_id", account.local_id)
        .with("project_id", PROJECT_NUMBER);
    answer.id_token =
        Some(IdTokenFor { purpose: Purpose::IdToken, claims, fields: &["id_token", "access_token"], at: 0 });
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::super::{sign_up, update};
    use super::*;
    use crate::store::Scope;
    use serde_json::{Value, json};

    fn refresh_token(house: &mut House) -> (String, String) {
        let answer = house.call(false, sign_up::sign_up, json!({})).unwrap();
        let field = |name: &str| answer.body[name].as_str().unwrap().to_owned();
        (field("localId"), field("refreshToken"))
    }

    #[test]
    fn a_refresh_renews_the_id_token_and_keeps_the_sign_in() {
        let mut house = House::new();
        let (id, token) = refresh_token(&mut house);
        house.now += 7_000;
        let answer = house.call(false, grant, json!({"grantType": "refresh_token", "refreshToken": token})).unwrap();
        assert_eq!(
            Value::Object(answer.body),
            json!({
                "expires_in": "3600", "refresh_token": token, "token_type": "Bearer", "user_id": id,
                "project_id": "12345",
            })
        );
        let new = answer.id_token.unwrap();
        assert_eq!(new.fields, ["id_token", "access_token"]);
        assert_eq!((&new.claims["iat"], &new.claims["auth_time"]), (&json!(1_893_456_007), &json!(1_893_456_000)));
        assert_eq!(new.claims["provider_id"], "anonymous");
        assert_eq!(house.account(&id).last_refresh_at.as_deref(), Some("2030-01-01T00:00:07.000Z"));
    }

    #[test]
    fn complaints_have_an_order() {
        let mut house = House::new();
        let (id, token) = refresh_token(&mut house);
        let foreign = RefreshToken { scope: Scope::project("other"), ..RefreshToken::decode(&token).unwrap() };
        let unknown = RefreshToken { local_id: "x".to_owned(), ..RefreshToken::decode(&token).unwrap() };
        house.call(true, update::update, json!({"localId": id, "disableUser": true})).unwrap();
        for (kind, token, expected) in [
            ("", "x", Error::MissingGrantType),
            ("password", "x", Error::InvalidGrantType),
            ("refresh_token", "", Error::MissingRefreshToken),
            ("refresh_token", "x", Error::InvalidRefreshToken),
            ("refresh_token", &foreign.encode(), Error::InvalidRefreshToken),
            ("refresh_token", &unknown.encode(), Error::InvalidRefreshToken),
            ("refresh_token", &token, Error::UserDisabled),
        ] {
            let result = house.call(false, grant, json!({"grantType": kind, "refreshToken": token}));
            assert_eq!(result, Err(expected), "{kind} {token}");
        }
    }
}
