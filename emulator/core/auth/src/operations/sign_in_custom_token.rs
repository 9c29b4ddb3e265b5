//! `accounts:signInWithCustomToken`.

use super::entry::{Entry, enter};
use super::sign_up::new_account;
use super::{Answer, Call, given, policy};
use crate::account::CUSTOM;
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::store::Store;
use crate::token::assertion::{self, Audience, Disbelieved};
use crate::token::{LONGEST_LOCAL_ID, claims, payload};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Whom a custom token is for
/// (<https://cloud.google.com/identity-platform/docs/use-rest-api#section-verify-custom-token>).
const AUDIENCE: &str = "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit";

/// The request's shape.
pub const SCHEMA: Schema = &[
    ("delegatedProjectNumber", Kind::Int64),
    ("instanceId", Kind::Text),
    ("returnSecureToken", Kind::Flag),
    ("targetProjectId", Kind::Text),
    ("tenantId", Kind::Text),
    ("token", Kind::Text),
];

/// The request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    token: Option<String>,
}

/// Lets in whomever the app's own server vouches for; the account is made if there is none.
///
/// # Errors
/// As the official emulator.
pub fn sign_in(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let policy = policy::of(store, call)?;
    let token = given(&request.token).ok_or(Error::MissingCustomToken)?;
    let payload = if call.emulator { unverified(call, token)? } else { verified(store, call, token)? };
    let text = |name: &str| payload.get(name).and_then(primitive).filter(|text| !text.is_empty());
    let local_id = text("uid").or_else(|| text("user_id")).ok_or(Error::MissingIdentifier)?;
    let claims = match payload.get("claims") {
        Some(Value::Object(custom)) => {
            claims::check_names(custom)?;
            custom.clone()
        }
        Some(_) => return Err(Error::InvalidClaims),
        None => Map::new(),
    };
    let known = store.by_local_id(call.scope, &local_id)?;
    let is_new = known.is_none();
    let mut account = match known {
        Some(account) if account.disabled == Some(true) => return Err(Error::UserDisabled),
        Some(account) => account,
        None => new_account(store, call, Some(&local_id))?,
    };
    account.custom_auth = Some(true);
    account.tenant_id.clone_from(&call.scope.tenant);
    let entry = Entry { provider: CUSTOM, claims, ..Entry::default() };
    let entered = enter(store, call, &policy, &mut account, entry)?;
    Ok(Answer::kind("identitytoolkit#VerifyCustomTokenResponse").with("isNewUser", is_new).with_entered(entered))
}

/// What a token says that the holder of a service-account key has signed.
fn verified(store: &dyn Store, call: &Call<'_>, token: &str) -> Result<Map<String, Value>, Error> {
    let (payload, _) = match assertion::verify(store, token, Audience::CustomToken, call.now) {
        Ok(believed) => believed,
        Err(Disbelieved::Store(error)) => return Err(error.into()),
        Err(refused) => return Err(Error::InvalidCustomToken(refused.to_string())),
    };
    let tenant = payload.get("tenant_id").and_then(Value::as_str);
    if tenant != call.scope.tenant.as_deref() {
        return Err(Error::TenantIdMismatch);
    }
    let uid = payload.get("uid").and_then(Value::as_str).unwrap_or_default();
    if !(1..=LONGEST_LOCAL_ID).contains(&uid.len()) {
        return Err(Error::MissingIdentifier);
    }
    Ok(payload)
}

/// What an emulator's token says: strict JSON, or a JWT whoever made it and whenever.
fn unverified(call: &Call<'_>, token: &str) -> Result<Map<String, Value>, Error> {
    let refused = |why: &str| Error::InvalidCustomToken(why.to_owned());
    if token.starts_with('{') {
        return serde_json::from_str(token)
            .map_err(|_| refused("((Auth Emulator only accepts strict JSON or JWTs as fake custom tokens.))"));
    }
    let payload = payload(token);
    if let Some(tenant) = &call.scope.tenant {
        let named = payload.as_ref().and_then(|payload| payload.get("tenant_id")).and_then(Value::as_str);
        if named != Some(tenant) {
            return Err(Error::TenantIdMismatch);
        }
    }
    let payload = payload.ok_or_else(|| refused("Invalid assertion format"))?;
    let audience = payload.get("aud").and_then(Value::as_str);
    if audience != Some(AUDIENCE) {
        let named = payload.get("aud").map_or_else(
            || "undefined".to_owned(),
            |aud| match aud {
                Value::String(text) => text.clone(),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => aud.to_string(),
            },
        );
        return Err(Error::InvalidCustomToken(format!(
            "((Invalid aud (audience): {named} Note: Firebase ID Tokens / third-party tokens cannot be used with \
             signInWithCustomToken.))"
        )));
    }
    Ok(payload)
}

fn primitive(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::super::update;
    use super::*;
    use serde_json::json;

    fn run(house: &mut House, token: &str) -> Result<Answer, Error> {
        house.call(false, sign_in, json!({"token": token}))
    }

    #[test]
    fn complaints_have_an_order() {
        let mut house = House::new();
        let strict = "((Auth Emulator only accepts strict JSON or JWTs as fake custom tokens.))";
        let foreign = house.forge(json!({"uid": "u", "aud": "other"}));
        let audience = "((Invalid aud (audience): other Note: Firebase ID Tokens / third-party tokens cannot be used \
                        with signInWithCustomToken.))";
        for (token, expected) in [
            ("", Error::MissingCustomToken),
            ("{'uid': 1}", Error::InvalidCustomToken(strict.to_owned())),
            ("nonsense", Error::InvalidCustomToken("Invalid assertion format".to_owned())),
            (&foreign, Error::InvalidCustomToken(audience.to_owned())),
            ("{}", Error::MissingIdentifier),
            (r#"{"uid": {}}"#, Error::MissingIdentifier),
            (r#"{"uid": "u", "claims": 5}"#, Error::InvalidClaims),
            (r#"{"uid": "u", "claims": {"sub": 1}}"#, Error::ForbiddenClaim("sub")),
        ] {
            assert_eq!(run(&mut house, token), Err(expected), "{token}");
        }
        house.scope.tenant = Some("t".to_owned());
        let other = house.forge(json!({"uid": "u", "aud": AUDIENCE, "tenant_id": "x"}));
        assert_eq!(run(&mut house, &other), Err(Error::TenantIdMismatch));
    }

    #[test]
    fn claims_go_into_every_token_of_the_session() {
        let mut house = House::new();
        let token = house.forge(json!({"user_id": 7, "aud": AUDIENCE, "claims": {"role": "host"}, "exp": 1}));
        let answer = run(&mut house, &token).unwrap();
        assert_eq!((&answer.body["isNewUser"], answer.body.get("localId")), (&json!(true), None));
        let claims = answer.id_token.unwrap().claims;
        assert_eq!((&claims["sub"], &claims["role"]), (&json!("7"), &json!("host")));
        assert_eq!(claims["firebase"]["sign_in_provider"], "custom");
        assert_eq!(house.account("7").custom_auth, Some(true));
        assert_eq!(run(&mut house, r#"{"uid": "7"}"#).unwrap().body["isNewUser"], false);
        house.call(true, update::update, json!({"localId": "7", "disableUser": true})).unwrap();
        assert_eq!(run(&mut house, r#"{"uid": "7"}"#), Err(Error::UserDisabled));
    }

    #[test]
    fn a_server_takes_nobody_at_their_word() {
        let mut house = House::self_host();
        let unsigned = house.forge(json!({"uid": "u", "aud": AUDIENCE}));
        for token in [r#"{"uid": "u"}"#, &unsigned] {
            assert!(matches!(run(&mut house, token), Err(Error::InvalidCustomToken(_))), "{token}");
        }
    }
}
