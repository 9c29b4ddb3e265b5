//! Token refresh: `securetoken.googleapis.com/v1/token`.

use super::{Answer, Call, IdTokenFor, PROJECT_NUMBER, given};
use crate::account::iso;
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::store::Store;
use crate::token::refresh::RefreshToken;
use crate::token::{LIFETIME, claims};
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

/// Exchanges a refresh token for a new ID token. The refresh token stays the same.
///
/// # Errors
/// As the official emulator; a server's opaque tokens also end with the account's revocation (`TOKEN_EXPIRED`).
pub fn grant(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    if given(&request.grant_type).ok_or(Error::MissingGrantType)? != "refresh_token" {
        return Err(Error::InvalidGrantType);
    }
    let text = given(&request.refresh_token).ok_or(Error::MissingRefreshToken)?;
    let (token, issued) = if call.tokens.are_unsigned() {
        (RefreshToken::decode(text).ok_or(Error::InvalidRefreshToken)?, None)
    } else {
        let (token, issued) = store.refresh_token(text)?.ok_or(Error::InvalidRefreshToken)?;
        (token, Some(issued))
    };
    if token.scope != *call.scope {
        return Err(Error::InvalidRefreshToken);
    }
    let account = store.by_local_id(&token.scope, &token.local_id)?;
    let mut account = account.ok_or(Error::InvalidRefreshToken)?;
    if account.disabled == Some(true) {
        return Err(Error::UserDisabled);
    }
    if let (Some(issued), Some(valid_since)) = (issued, account.valid_since_seconds())
        && i64::try_from(issued / 1000).is_ok_and(|issued| issued < valid_since)
    {
        return Err(Error::TokenExpired);
    }
    account.last_refresh_at = Some(iso(call.now));
    store.put(call.scope, &account)?;
    let claims = claims::of(&account, call.scope, &token.provider, &token.extra_claims, call.now);
    let mut answer = Answer::default()
        .with("expires_in", LIFETIME.to_string())
        .with("refresh_token", text)
        .with("token_type", "Bearer")
        .with("user_id", account.local_id)
        .with("project_id", PROJECT_NUMBER);
    answer.id_token = Some(IdTokenFor { claims, fields: &["id_token", "access_token"], at: 0 });
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
