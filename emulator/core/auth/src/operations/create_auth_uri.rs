//! `accounts:createAuthUri`: how the owner of an email can sign in, or where a user goes to sign in by a provider.

use super::{Answer, Call, authorize, given, policy};
use crate::account::{self, Account, PASSWORD, PHONE};
use crate::entropy::alphanumeric;
use crate::errors::Error;
use crate::schema::{Kind, Schema};
use crate::store::Accounts;
use crate::uri::Uri;
use serde::Deserialize;

/// What SDKs call the sign-in by a link in an email.
const EMAIL_LINK: &str = "emailLink";
/// Characters of a session's id.
const SESSION: usize = 27;

/// The request's shape.
pub const SCHEMA: Schema = &[
    ("appId", Kind::Text),
    ("authFlowType", Kind::Text),
    ("context", Kind::Text),
    ("continueUri", Kind::Text),
    ("customParameter", Kind::Any),
    ("hostedDomain", Kind::Text),
    ("identifier", Kind::Text),
    ("oauthConsumerKey", Kind::Text),
    ("oauthScope", Kind::Text),
    ("openidRealm", Kind::Text),
    ("otaApp", Kind::Text),
    ("providerId", Kind::Text),
    ("sessionId", Kind::Text),
    ("targetProjectId", Kind::Text),
    ("tenantId", Kind::Text),
];

/// The request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    continue_uri: Option<String>,
    provider_id: Option<String>,
    session_id: Option<String>,
    #[serde(flatten)]
    wishes: authorize::Wishes,
}

/// Says whether an email has an account, and the ways into it; where emails are private, neither. With a provider it
/// begins a sign-in there.
///
/// # Errors
/// As the official emulator.
pub fn create_auth_uri(store: &(impl Accounts + ?Sized), call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let policy = policy::of(store, call)?;
    if let Some(provider) = given(&request.provider_id) {
        if call.emulator {
            return Err(Error::NotImplemented("Sign-in with IDP is not yet supported.".to_owned()));
        }
        return authorize::begin(store, call, provider, given(&request.continue_uri), &request.wishes);
    }
    let identifier = given(&request.wishes.identifier).ok_or(Error::MissingIdentifier)?;
    let continue_uri = given(&request.continue_uri).ok_or(Error::MissingContinueUri)?;
    if !account::is_email(identifier) {
        return Err(Error::InvalidIdentifier);
    }
    Uri::parse(continue_uri).ok_or(Error::InvalidContinueUri)?;
    let session = given(&request.session_id).map_or_else(|| alphanumeric(call.entropy, SESSION), str::to_owned);
    let answer = Answer::kind("identitytoolkit#CreateAuthUriResponse");
    if policy.email_privacy {
        return Ok(answer.with("sessionId", session));
    }
    let email = identifier.to_lowercase();
    let mut owners: Vec<_> = store.by_email(call.scope, &email)?.into_iter().collect();
    owners.extend(store.by_provider_email(call.scope, &email)?);
    let known = if policy.duplicate_emails {
        owners.iter().find(|account| account.email.is_some()).map(|account| {
            let ways = password_ways(account);
            (if ways.is_empty() { vec![] } else { vec![PASSWORD.to_owned()] }, ways)
        })
    } else {
        owners.first().map(ways)
    };
    let registered = known.is_some();
    let (providers, methods) = known.unwrap_or_default();
    Ok(answer
        .with("registered", registered)
        .with("allProviders", providers)
        .with("sessionId", session)
        .with("signinMethods", methods))
}

/// The account's providers, and its ways in.
fn ways(account: &Account) -> (Vec<String>, Vec<String>) {
    let mut providers = Vec::new();
    let mut methods = Vec::new();
    for info in account.providers().iter().filter(|info| info.provider_id != PHONE) {
        providers.push(info.provider_id.clone());
        if info.provider_id == PASSWORD {
            methods.extend(password_ways(account));
        } else {
            methods.push(info.provider_id.clone());
        }
    }
    (providers, methods)
}

fn password_ways(account: &Account) -> Vec<String> {
    let password = account.password_hash.is_some().then_some(PASSWORD);
    let link = (account.email_link_signin == Some(true)).then_some(EMAIL_LINK);
    [password, link].into_iter().flatten().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::super::{config, sign_up, update};
    use super::*;
    use serde_json::{Value, json};

    fn run(house: &mut House, body: Value) -> Result<Answer, Error> {
        house.call(false, |store, call, request| create_auth_uri(store, call, request), body)
    }

    #[test]
    fn complaints_have_an_order() {
        let mut house = House::new();
        for (body, expected) in [
            (json!({"providerId": "x"}), Error::NotImplemented("Sign-in with IDP is not yet supported.".to_owned())),
            (json!({}), Error::MissingIdentifier),
            (json!({"identifier": "x"}), Error::MissingContinueUri),
            (json!({"identifier": "x", "continueUri": "y"}), Error::InvalidIdentifier),
            (json!({"identifier": "a@b", "continueUri": "y"}), Error::InvalidContinueUri),
        ] {
            assert_eq!(run(&mut house, body.clone()), Err(expected), "{body}");
        }
    }

    #[test]
    fn an_emails_ways_in_are_told_unless_emails_are_private() {
        let mut house = House::new();
        house.call(true, sign_up::sign_up, json!({"localId": "u", "email": "a@b", "password": "secret"})).unwrap();
        let link = json!({"providerId": "google.com", "rawId": "g", "email": "g@b"});
        house.call(true, update::update, json!({"localId": "u", "linkProviderUserInfo": link})).unwrap();
        let ask = |house: &mut House, email: &str| {
            run(house, json!({"identifier": email, "continueUri": "http://a", "sessionId": "s"})).unwrap().body
        };
        for (email, registered, ways) in [
            ("A@b", true, json!(["google.com", "password"])),
            ("g@b", true, json!(["google.com", "password"])),
            ("x@b", false, json!([])),
        ] {
            let body = ask(&mut house, email);
            assert_eq!(body["registered"], registered, "{email}");
            let mut told = body["signinMethods"].as_array().unwrap().clone();
            told.sort_by_key(ToString::to_string);
            assert_eq!(Value::Array(told), ways, "{email}");
        }
        house.call(true, config::update, json!({"signIn": {"allowDuplicateEmails": true}})).unwrap();
        assert_eq!(ask(&mut house, "a@b")["signinMethods"], json!(["password"]));
        let privacy = json!({"emailPrivacyConfig": {"enableImprovedEmailPrivacy": true}});
        house.call(true, config::update, privacy).unwrap();
        let private = r#"{"kind":"identitytoolkit#CreateAuthUriResponse","sessionId":"s"}"#;
        assert_eq!(Value::Object(ask(&mut house, "a@b")).to_string(), private);
    }
}
