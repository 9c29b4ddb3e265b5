//! `accounts:createAuthUri` with a provider: where a user goes to sign in there, and what is remembered until the user
//! comes back (RFC 6749, section 4.1.1; OpenID Connect Core 1.0, section 3.1.2.1; RFC 7636). Must not know: who the user
//! will turn out to be.

use super::providers::{Kind, provider};
use super::{Answer, Call, given};
use crate::errand::KeysWanted;
use crate::errors::Error;
use crate::sign_in_session::SignInSession;
use crate::store::Accounts;
use crate::uri::Uri;
use serde::Deserialize;
use serde_json::Value;

/// The longest address to come back to, in bytes.
const LONGEST_URI: usize = 2048;
/// The longest address of a page of the app, in bytes.
const LONGEST_PAGE: usize = 16 * 1024;
/// The most of an app's own parameters, and their longest, in bytes.
const MOST_PARAMETERS: usize = 32;
const LONGEST_PARAMETER: usize = 1024;
/// The most an app can ask for, in bytes.
const LONGEST_SCOPE: usize = 2048;

/// What only the server says: whoever says something else of it begins another sign-in. SDKs promise that such
/// parameters are ignored.
const RESERVED: [&str; 14] = [
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "id_token_hint",
    "nonce",
    "redirect_uri",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

/// The fields that matter to a provider.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Wishes {
    custom_parameter: Value,
    hosted_domain: Option<String>,
    pub(super) identifier: Option<String>,
    oauth_scope: Option<String>,
}

/// Begins a sign-in by a provider.
///
/// # Errors
/// The provider is not configured or cannot be asked, or users may not come back to `continue_uri`.
pub(super) fn begin(
    store: &(impl Accounts + ?Sized),
    call: &Call<'_>,
    provider_id: &str,
    continue_uri: Option<&str>,
    wishes: &Wishes,
) -> Result<Answer, Error> {
    let continue_uri = continue_uri.ok_or(Error::MissingContinueUri)?;
    let provider = provider(store, call, provider_id)?;
    check_return(store, call, continue_uri)?;
    let session = SignInSession::begin(
        provider_id,
        &provider.client_id,
        provider.authority(),
        continue_uri,
        call.entropy,
        call.now,
    );
    let (endpoint, scopes, answers_by_form) = match &provider.kind {
        Kind::OpenId(open_id) => {
            // The app of a provider that is known by name always has a secret.
            if !provider_id.starts_with("oidc.") {
                provider.secret()?;
            }
            let wanted = KeysWanted { issuer: open_id.issuer.clone(), key_id: None };
            let published = call.passwords.outcomes.provider_keys(wanted)?;
            let endpoint = published.endpoints().authorization.clone().ok_or(Error::ProviderSilent)?;
            (endpoint, open_id.scopes, open_id.answers_by_form)
        }
        Kind::Github(place) => {
            provider.secret()?;
            (format!("{}/login/oauth/authorize", place.web), "user:email", false)
        }
        Kind::Facebook(place) => {
            provider.secret()?;
            (format!("{}/dialog/oauth", place.web), "public_profile email", false)
        }
    };
    let mut uri = Uri::parse(&endpoint).ok_or(Error::ProviderSilent)?;
    for (name, value) in custom(&wishes.custom_parameter) {
        uri.set(name, &value);
    }
    for (name, value) in [("login_hint", &wishes.identifier), ("hd", &wishes.hosted_domain)] {
        if let Some(value) = given(value).filter(|value| value.len() <= LONGEST_PARAMETER) {
            uri.set(name, value);
        }
    }
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", provider.client_id.as_str()),
        ("redirect_uri", continue_uri),
        ("scope", &scope(scopes, given(&wishes.oauth_scope))),
        ("state", &session.state),
        ("nonce", &session.hashed_nonce()),
        ("code_challenge", &session.challenge()),
        ("code_challenge_method", "S256"),
    ] {
        uri.set(name, value);
    }
    if answers_by_form {
        uri.set("response_mode", "form_post");
    }
    let session_id = call.sessions.seal(call.scope, &session, call.entropy).map_err(|_| Error::Sealing)?;
    Ok(Answer::kind("identitytoolkit#CreateAuthUriResponse")
        .with("authUri", uri.to_string())
        .with("providerId", provider_id)
        .with("sessionId", session_id))
}

/// Users come back to this server or to the app: whoever else had them sent on would have their codes.
fn check_return(store: &(impl Accounts + ?Sized), call: &Call<'_>, uri: &str) -> Result<(), Error> {
    if uri.len() > LONGEST_URI || uri.contains('#') || !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::InvalidContinueUri);
    }
    let parsed = Uri::parse(uri).filter(|parsed| parsed.parameter("state").is_none());
    let parsed = parsed.ok_or(Error::InvalidContinueUri)?;
    if is_at_home(store, call, &parsed)? { Ok(()) } else { Err(Error::UnauthorizedDomain) }
}

/// Whether a page at this address may be told who has signed in: one of the app (`authorizedDomains`) or of this server.
///
/// # Errors
/// The store failed.
pub fn may_be_told(store: &(impl Accounts + ?Sized), call: &Call<'_>, url: &str) -> Result<bool, Error> {
    // Browsers leave out tabs and line ends, and so go elsewhere than it seems.
    let is_plain = url.len() <= LONGEST_PAGE && url.bytes().all(|byte| byte.is_ascii_graphic());
    match Uri::parse(url).filter(|_| is_plain) {
        Some(uri) => is_at_home(store, call, &uri),
        None => Ok(false),
    }
}

/// The hosts of the app and of this server.
///
/// # Errors
/// The store failed.
pub fn hosts(store: &(impl Accounts + ?Sized), call: &Call<'_>) -> Result<Vec<String>, Error> {
    let own = Uri::parse(call.origin).map(|own| own.host().to_owned());
    Ok(own.into_iter().chain(store.config(&call.scope.project)?.domains()).collect())
}

fn is_at_home(store: &(impl Accounts + ?Sized), call: &Call<'_>, uri: &Uri) -> Result<bool, Error> {
    let is_web = ["http://", "https://"].iter().any(|scheme| uri.to_string().starts_with(scheme));
    Ok(is_web && hosts(store, call)?.iter().any(|host| host == uri.host()))
}

/// The app's own parameters.
fn custom(parameters: &Value) -> impl Iterator<Item = (&str, String)> {
    let known = parameters.as_object().into_iter().flatten().filter_map(|(name, value)| {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        Some((name.as_str(), value))
    });
    known
        .filter(|(name, value)| !RESERVED.contains(name) && name.len().max(value.len()) <= LONGEST_PARAMETER)
        .take(MOST_PARAMETERS)
}

/// What the server wants to know, and what the app wants to.
fn scope(own: &str, wished: Option<&str>) -> String {
    let mut all: Vec<&str> = own.split(' ').collect();
    for one in wished.filter(|wished| wished.len() <= LONGEST_SCOPE).unwrap_or_default().split_whitespace() {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all.join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::super::{config, create_auth_uri, idp_configs};
    use super::*;
    use crate::idp_config::DefaultSupportedIdpConfig;
    use serde_json::{Map, json};

    fn house() -> House {
        let mut house = House::self_host();
        let github = json!({"idpId": "github.com", "clientId": "c", "clientSecret": "s", "enabled": true});
        house.call(true, idp_configs::create::<DefaultSupportedIdpConfig>, github).unwrap();
        house.call(true, config::update_all, json!({"authorizedDomains": ["app.example"]})).unwrap();
        house
    }

    fn run(house: &mut House, change: Value) -> Result<Answer, Error> {
        let mut body = json!({"providerId": "github.com", "continueUri": "https://app.example/back"});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        house.call(false, |store, call, request| create_auth_uri::create_auth_uri(store, call, request), body)
    }

    #[test]
    fn users_come_back_to_the_app_or_this_server_only() {
        let mut house = house();
        for (uri, expected) in [
            ("https://app.example/back?x=y", Ok(())),
            ("https://App.Example:8443/", Ok(())),
            ("http://localhost:5000/", Ok(())),
            ("http://127.0.0.1:9099/__/auth/handler", Ok(())),
            ("https://evil.example/", Err(Error::UnauthorizedDomain)),
            ("https://app.example.evil.example/", Err(Error::UnauthorizedDomain)),
            ("https://app.example@evil.example/", Err(Error::UnauthorizedDomain)),
            ("https://evil.example\\@app.example/", Err(Error::UnauthorizedDomain)),
            ("https://sub.app.example/", Err(Error::UnauthorizedDomain)),
            ("javascript:alert(1)//app.example", Err(Error::UnauthorizedDomain)),
            ("ftp://app.example/", Err(Error::UnauthorizedDomain)),
            ("//evil.example", Err(Error::InvalidContinueUri)),
            ("https://app.example/#here", Err(Error::InvalidContinueUri)),
            ("https://app.example/?state=mine", Err(Error::InvalidContinueUri)),
            ("https://app.example/\n", Err(Error::InvalidContinueUri)),
            ("", Err(Error::MissingContinueUri)),
        ] {
            let got = run(&mut house, json!({"continueUri": uri})).map(|_| ());
            assert_eq!(got, expected, "{uri}");
        }
        let long = format!("https://app.example/{}", "x".repeat(LONGEST_URI));
        assert_eq!(run(&mut house, json!({"continueUri": long})), Err(Error::InvalidContinueUri));
    }

    #[test]
    fn an_app_adds_to_a_request_and_changes_nothing_of_it() {
        let mut house = house();
        let mut wishes: Map<String, Value> =
            RESERVED.map(|name| (name.to_owned(), "mine".into())).into_iter().collect();
        wishes.insert("allow_signup".to_owned(), "false".into());
        let change = json!({"customParameter": wishes, "oauthScope": "repo user:email", "identifier": "a@b", "sessionId": "mine"});
        let body = run(&mut house, change).unwrap().body;
        let uri = Uri::parse(body["authUri"].as_str().unwrap()).unwrap();
        let session =
            house.with_call(|_, call| call.sessions.open(call.scope, body["sessionId"].as_str().unwrap())).unwrap();
        for (name, expected) in [
            ("allow_signup", Some("false")),
            ("login_hint", Some("a@b")),
            ("scope", Some("user:email repo")),
            ("client_id", Some("c")),
            ("redirect_uri", Some("https://app.example/back")),
            ("response_type", Some("code")),
            ("state", Some(session.state.as_str())),
            ("nonce", Some(session.hashed_nonce().as_str())),
            ("code_challenge", Some(session.challenge().as_str())),
            ("code_challenge_method", Some("S256")),
            ("client_secret", None),
            ("code_verifier", None),
            ("request", None),
            ("response_mode", None),
        ] {
            assert_eq!(uri.parameter(name), expected, "{name}");
        }
        assert!(uri.to_string().starts_with("https://github.com/login/oauth/authorize?"));
        assert_eq!((session.provider.as_str(), &body["providerId"]), ("github.com", &json!("github.com")));
    }

    #[test]
    fn only_providers_that_can_be_asked_begin_a_sign_in() {
        let mut house = house();
        let google = json!({"idpId": "google.com", "clientId": "c", "enabled": true});
        house.call(true, idp_configs::create::<DefaultSupportedIdpConfig>, google).unwrap();
        for (provider, expected) in [
            ("oidc.unknown", "OPERATION_NOT_ALLOWED : The identity provider configuration is not found."),
            ("facebook.com", "OPERATION_NOT_ALLOWED : The identity provider configuration is not found."),
            ("google.com", "OPERATION_NOT_ALLOWED : The configuration of this identity provider has no clientSecret"),
            ("saml.a", "OPERATION_NOT_ALLOWED : This server does not sign in by SAML."),
            ("twitter.com", "OPERATION_NOT_ALLOWED : This server signs in by google.com"),
        ] {
            let error = run(&mut house, json!({"providerId": provider})).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{provider}: {error}");
        }
    }
}
