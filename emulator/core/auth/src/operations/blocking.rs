//! Functions that are asked before an account is created and before its owner comes in. They can change the account,
//! disable it, add claims to the session, or refuse by an error of their own. Must not know: how a question is sent.

use super::Call;
use crate::account::Account;
use crate::entropy::base64url;
use crate::errand::{Question, Reply};
use crate::errors::Error;
use crate::settings::Trigger;
use crate::store::Accounts;
use crate::token::claims::{self, issuer};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Characters of an event's id.
const EVENT_ID: usize = 16;
/// Seconds that the official emulator lets a question live.
const LIFETIME: u64 = 600;

/// When functions are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Before an account is kept for the first time.
    BeforeCreate,
    /// Before its owner gets tokens.
    BeforeSignIn,
}

impl Event {
    fn name(self) -> &'static str {
        match self {
            Self::BeforeCreate => "beforeCreate",
            Self::BeforeSignIn => "beforeSignIn",
        }
    }
}

/// What functions are told besides the account.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// `password`, `emailLink`, `phone`, or the identity provider.
    pub(super) method: String,
    /// The kind of the second factor.
    pub(super) second_factor: Option<String>,
    /// What the identity provider said, as JSON.
    pub(super) raw_user_info: Option<String>,
    /// What a SAML provider said, as JSON.
    pub(super) attributes: Option<String>,
    /// The identity provider's access token.
    pub(super) access_token: Option<String>,
    /// The identity provider's ID token.
    pub(super) id_token: Option<String>,
}

/// Asks the function of the event, if there is one, and changes the account as it says; the claims of the session that
/// it adds.
///
/// # Errors
/// [`Error::Errands`] until it has answered; then whatever is wrong with the answer.
pub(super) fn ask(
    store: &(impl Accounts + ?Sized),
    call: &Call<'_>,
    event: Event,
    account: &mut Account,
    told: &Told,
) -> Result<Map<String, Value>, Error> {
    let blocking = store.config(&call.scope.project)?.blocking_functions;
    let trigger = blocking.triggers.as_ref().and_then(|triggers| triggers.get(event.name()));
    let Some(Trigger { function_uri: url }) = trigger.filter(|trigger| !trigger.function_uri.is_empty()) else {
        return Ok(Map::new());
    };
    let mut claims = question(call, event, url, account, told);
    let forward = blocking.forward_inbound_credentials.unwrap_or_default();
    let forwarded = [
        ("oauth_access_token", forward.access_token, &told.access_token),
        ("oauth_id_token", forward.id_token, &told.id_token),
    ];
    for (name, wanted, token) in forwarded {
        if let (Some(true), Some(token)) = (wanted, token) {
            claims.insert(name.to_owned(), token.clone().into());
        }
    }
    let jwt = call.tokens.encode(&claims)?;
    let body = json!({"data": {"jwt": jwt}}).to_string();
    let text = match call.passwords.outcomes.ask(Question { url: url.clone(), body })? {
        Reply::Answered { status: 200..=299, text } => text,
        Reply::Answered { status, text } => {
            let why = format!("HTTP request to {url} returned HTTP error {status}: {text}");
            return Err(Error::BlockingFunction(why));
        }
        Reply::TimedOut => {
            return Err(Error::BlockingFunctionFailed(format!("Deadline exceeded making request to {url}.")));
        }
        Reply::Failed => return Err(Error::BlockingFunctionFailed(format!("Failed to make request to {url}."))),
    };
    let answer: Answered = serde_json::from_str(&text)
        .map_err(|_| Error::BlockingFunctionFailed("Response body is not valid JSON.".to_owned()))?;
    match answer.user_record {
        None => Ok(Map::new()),
        Some(record) => apply(event, account, &record),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answered {
    user_record: Option<Map<String, Value>>,
}

/// What `updateMask` names is changed; the rest of the record is ignored.
fn apply(event: Event, account: &mut Account, record: &Map<String, Value>) -> Result<Map<String, Value>, Error> {
    let mask = record.get("updateMask").and_then(Value::as_str).filter(|mask| !mask.is_empty());
    let mask = mask.ok_or_else(|| Error::BlockingFunction("Response UserRecord is missing updateMask.".to_owned()))?;
    let mut session = Map::new();
    for field in mask.split(',') {
        let value = record.get(field);
        match field {
            "displayName" => account.display_name = value.and_then(text),
            "photoUrl" => account.photo_url = value.and_then(text),
            "disabled" => account.disabled = Some(value.is_some_and(is_truthy)),
            "emailVerified" => account.email_verified = Some(value.is_some_and(is_truthy)),
            "customClaims" => {
                let custom = value.unwrap_or(&Value::Null).to_string();
                claims::check_custom(&custom)?;
                account.custom_attributes = Some(custom);
            }
            "sessionClaims" if event == Event::BeforeSignIn => {
                session = value.and_then(Value::as_object).cloned().unwrap_or_default();
            }
            // What else there is cannot be changed.
            _ => {}
        }
    }
    Ok(session)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// As JavaScript has it.
fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// The claims of a question. It is no ID token: its audience is the function.
fn question(call: &Call<'_>, event: Event, url: &str, account: &Account, told: &Told) -> Map<String, Value> {
    let issued = call.now / 1000;
    let claims = json!({
        "iss": issuer(&call.scope.project),
        "aud": url,
        "iat": issued,
        "exp": issued + LIFETIME,
        "event_id": base64url(call.entropy, EVENT_ID),
        "event_type": event.name(),
        "user_agent": "Hearth",
        "ip_address": "127.0.0.1",
        "locale": "en",
        "user_record": user_record(call, account),
        "sub": account.local_id,
        "sign_in_method": told.method,
        "sign_in_second_factor": told.second_factor,
        "sign_in_attributes": told.attributes,
        "raw_user_info": told.raw_user_info,
        "tenant_id": call.scope.tenant,
    });
    without_nulls(claims)
}

fn user_record(call: &Call<'_>, account: &Account) -> Map<String, Value> {
    let custom = account.custom_attributes.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<u64>().ok());
    let providers = account.providers().iter().map(|info| {
        without_nulls(json!({
            "provider_id": info.provider_id,
            "display_name": info.display_name,
            "photo_url": info.photo_url,
            "email": info.email,
            "uid": info.raw_id,
            "phone_number": info.phone_number,
        }))
    });
    let factors = account.mfa_info.as_ref().map(|factors| {
        let factors = factors.iter().filter(|factor| factor.mfa_enrollment_id.is_some()).map(|factor| {
            let kind = if factor.totp_info.is_some() { "totp" } else { "phone" };
            without_nulls(json!({
                "uid": factor.mfa_enrollment_id,
                "display_name": factor.display_name,
                "enrollment_time": factor.enrolled_at,
                "phone_number": factor.phone_info,
                "factor_id": kind,
            }))
        });
        json!({"enrolled_factors": factors.collect::<Vec<_>>()})
    });
    let record = json!({
        "uid": account.local_id,
        "email": account.email,
        "email_verified": account.email_verified,
        "display_name": account.display_name,
        "photo_url": account.photo_url,
        "disabled": account.disabled,
        "phone_number": account.phone_number,
        "custom_claims": custom.unwrap_or_else(|| json!({})),
        "tenant_id": call.scope.tenant,
        "provider_data": providers.collect::<Vec<_>>(),
        "multi_factor": factors,
        "metadata": without_nulls(json!({
            "last_sign_in_time": number(&account.last_login_at),
            "creation_time": number(&account.created_at),
        })),
    });
    without_nulls(record)
}

/// What is absent is left out.
fn without_nulls(value: Value) -> Map<String, Value> {
    let fields = value.as_object().cloned().unwrap_or_default();
    fields.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event: Event, record: Value, expected: Result<(Value, Value), Error>) {
        let mut account =
            Account { local_id: "u".to_owned(), display_name: Some("N".to_owned()), ..Account::default() };
        let result = apply(event, &mut account, record.as_object().unwrap());
        let result = result.map(|session| (serde_json::to_value(&account).unwrap(), Value::Object(session)));
        assert_eq!(result, expected, "{record}");
    }

    #[test]
    fn a_mask_names_what_a_function_changes() {
        let record = |mask: &str| {
            json!({
                "updateMask": mask, "displayName": "M", "photoUrl": 5, "disabled": true, "emailVerified": true,
                "customClaims": {"a": 1}, "sessionClaims": {"s": 1}, "localId": "v",
            })
        };
        check(Event::BeforeSignIn, record("displayName"), Ok((json!({"localId": "u", "displayName": "M"}), json!({}))));
        check(
            Event::BeforeSignIn,
            record("photoUrl,disabled,emailVerified,customClaims,sessionClaims,localId"),
            Ok((
                json!({
                    "localId": "u", "displayName": "N", "photoUrl": "5", "disabled": true, "emailVerified": true,
                    "customAttributes": r#"{"a":1}"#,
                }),
                json!({"s": 1}),
            )),
        );
        let unchanged = json!({"localId": "u", "displayName": "N"});
        check(Event::BeforeCreate, record("sessionClaims"), Ok((unchanged, json!({}))));
        check(
            Event::BeforeCreate,
            json!({"displayName": "M"}),
            Err(Error::BlockingFunction("Response UserRecord is missing updateMask.".to_owned())),
        );
        check(
            Event::BeforeCreate,
            json!({"updateMask": "customClaims", "customClaims": {"sub": 1}}),
            Err(Error::ForbiddenClaim("sub")),
        );
    }
}
