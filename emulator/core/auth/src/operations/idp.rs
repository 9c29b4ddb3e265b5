//! What an identity provider says of a user: reading its answer, and what clients are told of it. Must not know: what
//! becomes of an account by it.
//!
//! An emulator asks no provider: the answer is whatever the client brings, a JWT of anyone or strict JSON. What a server
//! in earnest believes is settled by `idp_credential`.

use super::Call;
use crate::account::{Account, is_email};
use crate::errors::Error;
use crate::oidc::is_hash_of;
use crate::store::Accounts;
use crate::token::payload;
use crate::uri::Uri;
use serde_json::{Map, Value, json};

/// A page shows so many users at most.
const MOST_KNOWN: usize = 1000;
/// Google's user ids as URIs begin like this.
const GOOGLE_ID: &str = "https://accounts.google.com/";

/// A provider's answer as the client brings it: the parameters of the URI the provider came back to, and of a form.
pub(super) struct Brought {
    uri: Uri,
}

impl Brought {
    /// Reads what the client brings.
    pub(super) fn read(request_uri: Option<&str>, post_body: Option<&str>) -> Result<Self, Error> {
        let request_uri = request_uri.filter(|uri| !uri.is_empty()).ok_or(Error::MissingRequestUri)?;
        let mut uri = Uri::parse(request_uri).ok_or(Error::InvalidRequestUri)?;
        uri.set_all(post_body.unwrap_or_default());
        if let Some(fragment) = uri.take_fragment() {
            uri.set_all(&fragment);
        }
        Ok(Self { uri })
    }

    /// Which provider is said to have answered.
    pub(super) fn provider_id(&self) -> Result<&str, Error> {
        self.given("providerId").ok_or_else(|| Error::InvalidCredentialOrProviderId(self.uri.to_string()))
    }

    /// A parameter that is not empty.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        self.uri.parameter(name).filter(|value| !value.is_empty())
    }
}

/// What a provider has answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Assertion {
    /// The provider, in lower case.
    pub(super) provider_id: String,
    /// Who the user is there.
    pub(super) raw_id: String,
    /// The email, in lower case.
    pub(super) email: Option<String>,
    /// Whether the provider vouches for the email.
    pub(super) email_verified: bool,
    pub(super) display_name: Option<String>,
    pub(super) photo_url: Option<String>,
    pub(super) screen_name: Option<String>,
    /// What a SAML provider says of the user.
    pub(super) attributes: Option<Value>,
    federated_id: String,
    first_name: Option<String>,
    last_name: Option<String>,
    raw_user_info: Option<String>,
    id_token: Option<String>,
    access_token: Option<String>,
    /// For so many seconds the access token is good.
    access_token_lasts: Option<u64>,
    /// What the ID token's nonce has been made from, where the client does not know it yet.
    nonce: Option<String>,
    /// The access token is this user's: nobody has to believe the client.
    pub(super) vouches_for_access_token: bool,
}

/// By what a user is known to a provider.
#[derive(Default)]
pub(super) struct Credential {
    pub(super) id_token: Option<String>,
    pub(super) access_token: Option<String>,
    /// Seconds that the access token is good for.
    pub(super) lasts: Option<u64>,
    /// A nonce that the client is to be told, so that it can show the ID token again.
    pub(super) nonce: Option<String>,
    /// The access token is known to be this user's.
    pub(super) is_the_users: bool,
}

impl Assertion {
    /// Takes a client at its word.
    pub(super) fn read(brought: &Brought) -> Result<Self, Error> {
        let given = |name: &str| brought.given(name);
        let provider_id = brought.provider_id()?.to_lowercase();
        let [id_token, access_token] = ["id_token", "access_token"].map(given);
        let claims = match claims(id_token)? {
            Some(claims) => claims,
            None => claims(access_token)?.ok_or_else(|| no_claims(&provider_id, id_token, access_token))?,
        };
        let saml = given("SAMLResponse").map(saml).transpose()?;
        let mut assertion = Self::of(provider_id, &claims, saml)?;
        // SDKs make credentials from it.
        let made_up = || format!("FirebaseAuthEmulatorFakeAccessToken_{}", assertion.provider_id);
        assertion.access_token = Some(access_token.map_or_else(made_up, str::to_owned));
        assertion.vouches_for_access_token = true;
        assertion.id_token = id_token.map(str::to_owned);
        Ok(assertion)
    }

    /// What verified claims say, and by what credential they have been had.
    pub(super) fn verified(
        provider_id: &str,
        claims: &Map<String, Value>,
        credential: Credential,
    ) -> Result<Self, Error> {
        let mut assertion = Self::of(provider_id.to_owned(), claims, None)?;
        // Apple writes it as text. Nothing else that is not `true` is.
        assertion.email_verified =
            claims.get("email_verified").is_some_and(|value| *value == true || value.as_str() == Some("true"));
        assertion.email = assertion.email.filter(|email| is_email(email));
        let hash = claims.get("at_hash").and_then(Value::as_str);
        let is_hashed =
            hash.zip(credential.access_token.as_deref()).is_some_and(|(hash, token)| is_hash_of(hash, token));
        assertion.vouches_for_access_token = is_hashed || credential.is_the_users;
        let Credential { id_token, access_token, lasts, nonce, is_the_users: _ } = credential;
        Ok(Self { id_token, access_token, access_token_lasts: lasts, nonce, ..assertion })
    }

    /// The same, of a provider that has no ID tokens but a profile of its own form. `home` is how ids become URIs.
    pub(super) fn with_profile(self, home: &str, profile: &Value) -> Self {
        Self { federated_id: format!("{home}{}", self.raw_id), raw_user_info: Some(profile.to_string()), ..self }
    }

    fn of(provider_id: String, claims: &Map<String, Value>, saml: Option<Saml>) -> Result<Self, Error> {
        let raw_id = subject(claims)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let email = text("email").filter(|email| !email.is_empty()).map(|email| email.to_lowercase());
        let mut assertion = Self {
            email_verified: claims.get("email_verified").is_some_and(is_true),
            display_name: text("name"),
            photo_url: text("picture"),
            screen_name: text("screen_name"),
            federated_id: raw_id.clone(),
            raw_id,
            email,
            provider_id,
            ..Self::default()
        };
        if assertion.provider_id == "google.com" {
            assertion.federated_id = format!("{GOOGLE_ID}{}", assertion.raw_id);
            assertion.first_name = text("given_name");
            assertion.last_name = text("family_name");
            assertion.raw_user_info = Some(google_profile(&assertion));
        } else if assertion.provider_id.starts_with("saml.") {
            let (name_id, attributes) = saml.map(|saml| (saml.name_id, saml.attributes)).unwrap_or_default();
            assertion.email = Some(name_id).filter(|name_id| is_email(name_id)).or(assertion.email);
            assertion.email_verified = true;
            assertion.raw_user_info = attributes.as_ref().map(Value::to_string);
            assertion.attributes = attributes;
        } else {
            assertion.raw_user_info = Some(Value::Object(claims.clone()).to_string());
            assertion.attributes = saml.and_then(|saml| saml.attributes);
        }
        Ok(assertion)
    }

    /// What clients are told whoever the account is.
    pub(super) fn told(&self) -> Map<String, Value> {
        let mut told = Map::new();
        let mut tell = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                told.insert(name.to_owned(), value);
            }
        };
        let text = |text: &Option<String>| text.clone().map(Value::from);
        tell("kind", Some("identitytoolkit#VerifyAssertionResponse".into()));
        tell("context", Some("".into()));
        tell("providerId", Some(self.provider_id.clone().into()));
        tell("displayName", text(&self.display_name));
        tell("fullName", text(&self.display_name));
        tell("screenName", text(&self.screen_name));
        tell("email", text(&self.email));
        tell("emailVerified", Some(self.email_verified.into()));
        tell("photoUrl", text(&self.photo_url));
        tell("firstName", text(&self.first_name));
        tell("lastName", text(&self.last_name));
        tell("rawUserInfo", text(&self.raw_user_info));
        tell("federatedId", Some(self.federated_id.clone().into()));
        tell("oauthAccessToken", text(&self.access_token));
        tell("oauthIdToken", text(&self.id_token));
        tell("oauthExpireIn", self.access_token_lasts.map(Value::from));
        tell("nonce", text(&self.nonce));
        told
    }
}

/// Claims by which the users that are known at a provider sign in again, for the page that stands for it.
///
/// # Errors
/// The store failed.
pub fn known_users(store: &(impl Accounts + ?Sized), call: &Call<'_>, provider_id: &str) -> Result<Vec<Value>, Error> {
    let accounts = store.of_provider(call.scope, provider_id, MOST_KNOWN)?;
    let infos = accounts.iter().flat_map(Account::providers).filter(|info| info.provider_id == provider_id);
    let claims = infos.map(|info| {
        let claims = json!({
            "sub": info.raw_id, "iss": "", "aud": "", "exp": 0, "iat": 0,
            "name": info.display_name, "screen_name": info.screen_name, "email": info.email,
            "email_verified": true, "picture": info.photo_url,
        });
        let known = claims.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        Value::Object(known.map(|(name, value)| (name.clone(), value.clone())).collect())
    });
    Ok(claims.collect())
}

/// A flag, or Apple's text for one.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => *flag,
        Value::String(text) => !text.is_empty() && text != "false",
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Null => false,
        Value::Array(_) | Value::Object(_) => true,
    }
}

fn subject(claims: &Map<String, Value>) -> Result<String, Error> {
    let refused = |why: &str| Error::InvalidIdpResponse(why.to_owned());
    match claims.get("sub") {
        Some(Value::String(subject)) if !subject.is_empty() => Ok(subject.clone()),
        Some(Value::Number(_) | Value::Bool(true) | Value::Array(_) | Value::Object(_)) => {
            Err(refused(r#" : ((The "sub" field must be a string.))"#))
        }
        Some(Value::String(_) | Value::Null | Value::Bool(false)) | None => Err(refused(
            " : Invalid Idp Response: id_token missing required fields. ((Missing \"sub\" field. This field is \
             required and must be a unique identifier.))",
        )),
    }
}

fn google_profile(assertion: &Assertion) -> String {
    let mut scopes = "openid https://www.googleapis.com/auth/userinfo.profile".to_owned();
    if assertion.email.is_some() {
        scopes.push_str(" https://www.googleapis.com/auth/userinfo.email");
    }
    let profile = json!({
        "granted_scopes": scopes,
        "id": assertion.raw_id,
        "name": assertion.display_name,
        "given_name": assertion.first_name,
        "family_name": assertion.last_name,
        "verified_email": assertion.email_verified,
        "locale": "en",
        "email": assertion.email,
        "picture": assertion.photo_url,
    });
    let known = profile.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    Value::Object(known.map(|(name, value)| (name.clone(), value.clone())).collect()).to_string()
}

/// Strict JSON, or a JWT's claims; nothing if it is neither.
fn claims(token: Option<&str>) -> Result<Option<Map<String, Value>>, Error> {
    let Some(token) = token else { return Ok(None) };
    let claims = if token.starts_with('{') {
        Some(serde_json::from_str(token).map_err(|_| {
            Error::InvalidIdpResponse(format!(
                " : Unable to parse id_token: {token} ((Auth Emulator failed to parse fake id_token as strict JSON.))"
            ))
        })?)
    } else {
        payload(token)
    };
    if let Some(claims) = &claims {
        subject(claims)?;
    }
    Ok(claims)
}

/// The most helpful complaint.
fn no_claims(provider_id: &str, id_token: Option<&str>, access_token: Option<&str>) -> Error {
    match (id_token, access_token) {
        (Some(token), _) => Error::InvalidIdpResponse(format!(
            " : Unable to parse id_token: {token} ((Auth Emulator only accepts strict JSON or JWTs as fake id_tokens.))"
        )),
        (None, Some(_)) if matches!(provider_id, "google.com" | "apple.com") => Error::NotImplemented(format!(
            "The Auth Emulator only support sign-in with {provider_id} using id_token, not access_token. Please update \
             your code to use id_token."
        )),
        (None, Some(_)) => {
            Error::NotImplemented(format!("The Auth Emulator does not support {provider_id} sign-in with credentials."))
        }
        (None, None) => Error::NotImplemented(
            "The Auth Emulator only supports sign-in with credentials (id_token required).".to_owned(),
        ),
    }
}

/// What an emulator reads of a SAML response, which is JSON there.
#[derive(Default)]
struct Saml {
    name_id: String,
    attributes: Option<Value>,
}

fn saml(text: &str) -> Result<Saml, Error> {
    let refused = |why: &str| Error::InvalidIdpResponse(format!(" (({why}))"));
    let response: Value = serde_json::from_str(text).map_err(|_| refused("SAMLResponse is no JSON."))?;
    let part = |of: &Value, name: &str| of.get(name).filter(|part| is_true(part)).cloned();
    let assertion = part(&response, "assertion").ok_or_else(|| refused("Missing assertion in SAMLResponse."))?;
    let subject = part(&assertion, "subject").ok_or_else(|| refused("Missing assertion.subject in SAMLResponse."))?;
    let name_id =
        part(&subject, "nameId").ok_or_else(|| refused("Missing assertion.subject.nameId in SAMLResponse."))?;
    Ok(Saml {
        name_id: name_id.as_str().unwrap_or_default().to_owned(),
        attributes: assertion.get("attributeStatements").cloned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, body: &str, expected: &str) {
        let told = match Brought::read(Some(uri), Some(body)).and_then(|brought| Assertion::read(&brought)) {
            Ok(assertion) => assertion.raw_id,
            Err(error) => error.to_string(),
        };
        assert!(told.starts_with(expected), "{uri} {body}: {told}");
    }

    #[test]
    fn answers_are_read_wherever_they_are() {
        check("", "", "MISSING_REQUEST_URI");
        check("relative", "", "INVALID_REQUEST_URI");
        check("http://h", "", "INVALID_CREDENTIAL_OR_PROVIDER_ID : Invalid IdP response/credential: http://h/");
        check("http://h", r#"providerId=Google.com&id_token={"sub":"u"}"#, "u");
        check(r#"http://h?providerId=google.com#id_token={"sub":"u"}"#, "", "u");
        check("http://h", r#"providerId=oidc.x&access_token={"sub":"u"}"#, "u");
        check("http://h", "providerId=google.com&id_token=x", "INVALID_IDP_RESPONSE : Unable to parse id_token: x");
        check("http://h", "providerId=google.com&id_token={", "INVALID_IDP_RESPONSE : Unable to parse id_token: {");
        check("http://h", "providerId=google.com&id_token={}", "INVALID_IDP_RESPONSE : Invalid Idp Response");
        check("http://h", r#"providerId=google.com&id_token={"sub":1}"#, "INVALID_IDP_RESPONSE : ((The");
        check("http://h", "providerId=google.com&access_token=x", "The Auth Emulator only support sign-in with google");
        check("http://h", "providerId=github.com&access_token=x", "The Auth Emulator does not support github.com");
        check("http://h", "providerId=google.com", "The Auth Emulator only supports sign-in with credentials");
        let saml = |response: &str| format!(r#"providerId=saml.x&id_token={{"sub":"u"}}&SAMLResponse={response}"#);
        check("http://h", &saml("{}"), "INVALID_IDP_RESPONSE ((Missing assertion in");
        check("http://h", &saml(r#"{"assertion":{"x":1}}"#), "INVALID_IDP_RESPONSE ((Missing assertion.subject in");
        check(
            "http://h",
            &saml(r#"{"assertion":{"subject":{}}}"#),
            "INVALID_IDP_RESPONSE ((Missing assertion.subject.nameId",
        );
        check("http://h", &saml("x"), "INVALID_IDP_RESPONSE ((SAMLResponse is no JSON.))");
        check("http://h", &saml(r#"{"assertion":{"subject":{"nameId":"a@b"}}}"#), "u");
    }

    #[test]
    fn what_google_says_is_told() {
        let claims = r#"{"sub":"7","email":"A@B","email_verified":true,"name":"N","given_name":"G"}"#;
        let brought = Brought::read(Some("http://h"), Some(&format!("providerId=google.com&id_token={claims}")));
        let told = Assertion::read(&brought.unwrap()).unwrap().told();
        assert_eq!(told["federatedId"], "https://accounts.google.com/7");
        assert_eq!((&told["email"], &told["firstName"]), (&json!("a@b"), &json!("G")));
        let profile: Value = serde_json::from_str(told["rawUserInfo"].as_str().unwrap()).unwrap();
        assert_eq!(
            (&profile["id"], &profile["verified_email"], profile.get("picture")),
            (&json!("7"), &json!(true), None)
        );
        assert_eq!(told["oauthAccessToken"], "FirebaseAuthEmulatorFakeAccessToken_google.com");
        assert_eq!(told["oauthIdToken"], claims);
    }
}
