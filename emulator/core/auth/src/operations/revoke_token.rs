//! `accounts:revokeToken`: has an identity provider end a token that it gave one of its users, as Apple wants of apps
//! whose users delete their accounts. Must not know: how a provider is asked.
//!
//! The provider is asked at its `revocation_endpoint` (RFC 7009; RFC 8414, section 2), as the app that an admin has
//! configured. Google's, Apple's and most OpenID Connect providers' descriptions name one.

use super::idp_code::{in_form, reason};
use super::providers::{Kind, Provider, provider};
use super::{Answer, Call, given, signed_in};
use crate::errand::KeysWanted;
use crate::errors::Error;
use crate::inquiry::{Inquired, Inquiry, basic};
use crate::oidc::Endpoints;
use crate::schema::{Kind as Shape, Schema};
use crate::store::Accounts;
use serde::Deserialize;
use serde_json::Value;

/// The longest token, in bytes.
const LONGEST: usize = 8192;

/// The request's shape.
pub const SCHEMA: Schema = &[
    ("idToken", Shape::Text),
    ("providerId", Shape::Text),
    ("redirectUri", Shape::Text),
    ("tenantId", Shape::Text),
    ("token", Shape::Text),
    ("tokenType", Shape::Text),
];

/// The request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    id_token: Option<String>,
    provider_id: Option<String>,
    redirect_uri: Option<String>,
    token: Option<String>,
    token_type: Option<String>,
}

/// What is to be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenType {
    RefreshToken,
    AccessToken,
    /// A code; the token that it stands for.
    Code,
}

impl TokenType {
    /// By its name, or as Apple's SDK has it by its number, as text.
    fn read(text: &str) -> Option<Self> {
        match text {
            "REFRESH_TOKEN" | "1" => Some(Self::RefreshToken),
            "ACCESS_TOKEN" | "2" => Some(Self::AccessToken),
            "CODE" | "3" => Some(Self::Code),
            _ => None,
        }
    }
}

/// Has the token revoked. The caller has to have an identity at the provider; whose token it is, the provider knows.
///
/// # Errors
/// The request lacks something, the caller has no identity at the provider, nobody has configured it, it has no way to
/// revoke tokens, it refuses, or it does not answer.
pub fn revoke(store: &(impl Accounts + ?Sized), call: &Call<'_>, request: Request) -> Result<Answer, Error> {
    let provider_id = given(&request.provider_id).ok_or(Error::MissingProviderId)?;
    let token_type = given(&request.token_type).and_then(TokenType::read).ok_or(Error::InvalidReqType)?;
    let token = given(&request.token).filter(|token| token.len() <= LONGEST).ok_or(Error::InvalidReqType)?;
    let id_token = given(&request.id_token).ok_or(Error::MissingIdToken)?;
    let (account, _) = signed_in(store, call, id_token)?;
    if !account.providers().iter().any(|info| info.provider_id == provider_id) {
        return Err(Error::UnsupportedProvider("The user has no identity at this provider."));
    }
    let provider = provider(store, call, provider_id)?;
    let open_id = match &provider.kind {
        Kind::OpenId(open_id) => open_id,
        Kind::Github(_) | Kind::Facebook(_) => {
            return Err(Error::UnsupportedProvider("This server revokes tokens of OpenID Connect providers only."));
        }
    };
    let wanted = KeysWanted { issuer: open_id.issuer.clone(), key_id: None };
    let published = call.passwords.outcomes.provider_keys(wanted)?;
    let endpoints = published.endpoints();
    let url = endpoints.revocation.clone().ok_or(Error::UnsupportedProvider(
        "The identity provider does not say where tokens are revoked (revocation_endpoint).",
    ))?;
    let redirect_uri = given(&request.redirect_uri);
    let (token, hint) = match token_type {
        TokenType::RefreshToken => (token.to_owned(), "refresh_token"),
        TokenType::AccessToken => (token.to_owned(), "access_token"),
        TokenType::Code => redeem(call, &provider, endpoints, token, redirect_uri)?,
    };
    let inquiry = asked(&provider, endpoints, url, &[("token", &token), ("token_type_hint", hint)]);
    let [inquired] = call.passwords.outcomes.inquire([inquiry])?;
    // What it answers to a token that is none is the same as to one (RFC 7009, section 2.2); Google says so.
    match &inquired {
        Inquired::Answered { status: 200..=299, .. } => Ok(Answer::default()),
        Inquired::Answered { status: 400..=499, .. } => Err(refused(&inquired)),
        Inquired::Answered { .. } | Inquired::Silent | Inquired::TicketUsed => Err(Error::ProviderSilent),
    }
}

/// The token that a code stands for, and what it is: the refresh token, with which all end, where there is one.
fn redeem(
    call: &Call<'_>,
    provider: &Provider,
    endpoints: &Endpoints,
    code: &str,
    redirect_uri: Option<&str>,
) -> Result<(String, &'static str), Error> {
    let url = endpoints.token.clone().ok_or(Error::ProviderSilent)?;
    let mut fields = vec![("grant_type", "authorization_code"), ("code", code)];
    fields.extend(redirect_uri.map(|uri| ("redirect_uri", uri)));
    let [inquired] = call.passwords.outcomes.inquire([asked(provider, endpoints, url, &fields)])?;
    let (status, answer) = inquired.object().ok_or(Error::ProviderSilent)?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    match status {
        200 => {}
        400..=499 => return Err(refused(&inquired)),
        _ => return Err(Error::ProviderSilent),
    }
    let found = ["refresh_token", "access_token"].into_iter().find_map(|name| Some((text(name)?.to_owned(), name)));
    found.ok_or(Error::ProviderSilent)
}

/// A request of the app, which says who it is as the provider wants to have it.
fn asked(provider: &Provider, endpoints: &Endpoints, url: String, fields: &[(&str, &str)]) -> Inquiry {
    let (name, secret) = (provider.client_id.as_str(), provider.client_secret.as_str());
    let mut fields = fields.to_vec();
    fields.push(("client_id", name));
    if secret.is_empty() {
        Inquiry::form(url, &fields)
    } else if endpoints.secret_in_body {
        fields.push(("client_secret", secret));
        Inquiry::form(url, &fields)
    } else {
        let authorization = Some(basic(&in_form(name), &in_form(secret)));
        Inquiry { authorization, ..Inquiry::form(url, &fields) }
    }
}

fn refused(inquired: &Inquired) -> Error {
    let answer = inquired.object().map(|(_, answer)| answer).unwrap_or_default();
    let why = answer.get("error").and_then(Value::as_str).unwrap_or_default();
    let why = if why.is_empty() { "it does not say why" } else { reason(why) };
    Error::InvalidIdpResponse(format!(" : The provider refuses: {why}."))
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::super::{idp_configs, update};
    use super::*;
    use crate::idp_config::{DefaultSupportedIdpConfig, OauthIdpConfig};
    use crate::store::Store;
    use serde_json::json;

    fn run(store: &mut dyn Store, call: &Call<'_>, request: Request) -> Result<Answer, Error> {
        revoke(store, call, request)
    }

    #[test]
    fn users_hear_the_first_complaint() {
        let mut house = House::self_host();
        let (id, token) = house.sign_up();
        let body = |change: Value| {
            let mut body = json!({"providerId": "apple.com", "tokenType": "3", "token": "t", "idToken": token});
            body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            body
        };
        let unlinked = "OPERATION_NOT_ALLOWED : The user has no identity at this provider.";
        for (change, expected) in [
            (json!({"providerId": ""}), "MISSING_PROVIDER_ID"),
            (json!({"tokenType": null}), "INVALID_REQ_TYPE : Unsupported request parameters."),
            (json!({"tokenType": "0"}), "INVALID_REQ_TYPE : Unsupported request parameters."),
            (json!({"tokenType": "ID_TOKEN"}), "INVALID_REQ_TYPE : Unsupported request parameters."),
            (json!({"token": ""}), "INVALID_REQ_TYPE : Unsupported request parameters."),
            (json!({"token": "t".repeat(LONGEST + 1)}), "INVALID_REQ_TYPE : Unsupported request parameters."),
            (json!({"idToken": ""}), "MISSING_ID_TOKEN"),
            (json!({"idToken": "x"}), "INVALID_ID_TOKEN"),
            (json!({}), unlinked),
            (json!({"providerId": "password"}), unlinked),
        ] {
            let refused = house.call(false, run, body(change.clone())).unwrap_err();
            assert_eq!(refused.to_string(), expected, "{change}");
        }
        for (provider, expected) in [
            ("apple.com", "OPERATION_NOT_ALLOWED : The identity provider configuration is not found."),
            ("github.com", "OPERATION_NOT_ALLOWED : This server revokes tokens of OpenID Connect providers only."),
            ("saml.x", "OPERATION_NOT_ALLOWED : This server does not sign in by SAML."),
        ] {
            let link = json!({"providerId": provider, "rawId": "7"});
            house.call(true, update::update, json!({"localId": id, "linkProviderUserInfo": link})).unwrap();
            let config = json!({"idpId": "github.com", "clientId": "c", "clientSecret": "s", "enabled": true});
            let _ = house.call(true, idp_configs::create::<DefaultSupportedIdpConfig>, config);
            let refused = house.call(false, run, body(json!({"providerId": provider}))).unwrap_err();
            assert_eq!(refused.to_string(), expected);
        }
        let link = json!({"providerId": "oidc.x", "rawId": "7"});
        house.call(true, update::update, json!({"localId": id, "linkProviderUserInfo": link})).unwrap();
        let config = json!({"oauthIdpConfigId": "oidc.x", "clientId": "c", "issuer": "https://a.b", "enabled": true});
        house.call(true, idp_configs::create::<OauthIdpConfig>, config).unwrap();
        let refused = house.call(false, run, body(json!({"providerId": "oidc.x"}))).unwrap_err();
        assert!(matches!(refused, Error::Errands(_)), "the provider is asked: {refused}");
    }
}
