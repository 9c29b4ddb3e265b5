//! What a server in earnest believes of a sign-in with an identity provider: an ID token of OpenID Connect that one of the
//! provider's keys has signed for this app. Must not know: what becomes of an account by it.
//!
//! Access tokens alone prove nothing: whoever runs another app has some of its users (RFC 8725, section 3.9). SAML and
//! providers without ID tokens are refused.

use super::Call;
use super::idp::{Assertion, Brought};
use crate::errand::KeysWanted;
use crate::errors::Error;
use crate::idp_config::{DEFAULT_SUPPORTED, DefaultSupportedIdpConfig, IdpConfig, OauthIdpConfig};
use crate::oidc::{Disbelieved, Expected, Issuer, Nonce, ProviderToken};
use crate::store::Accounts;

const GOOGLE: &str = "google.com";
const APPLE: &str = "apple.com";

/// Whom a provider's tokens are from and for.
struct Provider {
    /// Where its keys are; its tokens name it so.
    issuer: String,
    /// How else its tokens name it.
    alias: Option<&'static str>,
    audiences: Vec<String>,
    /// A token with a nonce is worth nothing without what it was made from.
    needs_nonce: bool,
}

/// What the provider says of the user, once its keys have been asked for.
///
/// # Errors
/// The provider is not configured or cannot be asked, or the token is not believed.
pub(super) fn assertion(
    store: &(impl Accounts + ?Sized),
    call: &Call<'_>,
    brought: &Brought,
) -> Result<Assertion, Error> {
    let provider_id = brought.provider_id()?;
    let provider = provider(store, call, provider_id)?;
    let id_token = brought.given("id_token").ok_or(Error::UnsupportedProvider(
        "This server accepts an identity provider's ID token only: no access token, no code.",
    ))?;
    let issuers: Vec<_> = [Some(provider.issuer.as_str()), provider.alias].into_iter().flatten().collect();
    let audiences: Vec<_> = provider.audiences.iter().map(String::as_str).collect();
    let nonce = Nonce { raw: brought.given("nonce"), required: provider.needs_nonce };
    let expected = Expected { issuers: &issuers, audiences: &audiences, nonce, now: call.now };
    let token = ProviderToken::read(id_token, &expected).map_err(refused)?;
    let issuer = Issuer::parse(&provider.issuer).ok_or(Error::ProviderNotConfigured)?;
    let wanted = KeysWanted { issuer, key_id: token.key_id().map(str::to_owned) };
    let keys = call.passwords.outcomes.provider_keys(wanted)?;
    let claims = token.verified(&keys).map_err(refused)?;
    Assertion::verified(provider_id, &claims, brought)
}

fn provider(store: &(impl Accounts + ?Sized), call: &Call<'_>, id: &str) -> Result<Provider, Error> {
    if id.starts_with("oidc.") {
        let config: OauthIdpConfig = configured(store, call, id)?;
        let is_enabled = config.enabled;
        let provider =
            Provider { issuer: config.issuer, alias: None, audiences: vec![config.client_id], needs_nonce: true };
        return Some(provider).filter(|_| is_enabled).ok_or(Error::ProviderNotConfigured);
    }
    let (issuer, alias, needs_nonce) = match id {
        // Google's libraries put nonces into tokens that apps know nothing of.
        GOOGLE => ("https://accounts.google.com", Some("accounts.google.com"), false),
        APPLE => ("https://appleid.apple.com", None, true),
        _ if id.starts_with("saml.") => {
            return Err(Error::UnsupportedProvider("This server does not sign in by SAML."));
        }
        _ if DEFAULT_SUPPORTED.contains(&id) => {
            return Err(Error::UnsupportedProvider(
                "This server signs in by google.com, apple.com and OpenID Connect providers (oidc.*) only.",
            ));
        }
        _ => return Err(Error::ProviderNotConfigured),
    };
    let config: DefaultSupportedIdpConfig = configured(store, call, id)?;
    if !config.enabled {
        return Err(Error::ProviderNotConfigured);
    }
    let mut audiences = vec![config.client_id];
    audiences.extend(config.additional_client_ids);
    if id == APPLE {
        audiences.extend(config.apple_sign_in_config.bundle_ids);
    }
    audiences.retain(|audience| !audience.is_empty());
    Ok(Provider { issuer: issuer.to_owned(), alias, audiences, needs_nonce })
}

fn configured<C: IdpConfig>(store: &(impl Accounts + ?Sized), call: &Call<'_>, id: &str) -> Result<C, Error> {
    let value = store.idp_config(call.scope, C::KIND, id)?.ok_or(Error::ProviderNotConfigured)?;
    serde_json::from_value(value).map_err(|_| Error::ProviderNotConfigured)
}

fn refused(why: Disbelieved) -> Error {
    let response = |why: &str| Error::InvalidIdpResponse(format!(" : {why}"));
    match why {
        Disbelieved::Form => response("The ID token is malformed."),
        Disbelieved::Algorithm => response("The ID token has to be signed with RS256 or ES256."),
        Disbelieved::Issuer => response("The ID token has been issued by somebody else."),
        Disbelieved::Audience => response("The ID token has been issued for another app."),
        Disbelieved::Expired => response("The ID token has expired."),
        Disbelieved::TooEarly => response("The ID token is not valid yet."),
        Disbelieved::Signature => response("None of the provider's keys has signed the ID token."),
        Disbelieved::NonceMissing => Error::MissingOrInvalidNonce("Nonce is missing in the request."),
        Disbelieved::OtherNonce => Error::MissingOrInvalidNonce(
            "The nonce in the ID token is not the SHA-256 hash, in hexadecimal, of the nonce in the request.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::House;
    use super::*;
    use crate::operations::{idp_configs, sign_in_idp};
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    /// Whose keys are asked for, or the refusal.
    fn check(provider: &str, config: Value, claims: Value, credential: &str, expected: Result<&str, &str>) {
        let mut house = House::self_host();
        let mut config = config;
        config["idpId"] = provider.into();
        house.call(true, idp_configs::create::<DefaultSupportedIdpConfig>, config).unwrap();
        let now = house.now / 1000;
        let mut all = json!({"sub": "7", "iat": now, "exp": now + 1});
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let [header, claims] =
            [json!({"alg": "RS256", "kid": "k"}), all].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let post_body = format!("providerId={provider}&id_token={header}.{claims}.c2ln{credential}");
        let body = json!({"requestUri": "http://localhost", "postBody": post_body});
        let got = house.call(false, sign_in_idp::sign_in, body).unwrap_err();
        match (&got, expected) {
            (Error::Errands(errands), Ok(issuer)) => {
                let issuer = Issuer::parse(issuer).unwrap();
                let wanted = KeysWanted { issuer, key_id: Some("k".to_owned()) };
                assert_eq!(*errands, [crate::errand::Errand::ProviderKeys(wanted)], "{provider}");
            }
            (error, Err(start)) => assert!(error.to_string().starts_with(start), "{provider}: {error}"),
            (error, Ok(_)) => panic!("{provider}: {error}"),
        }
    }

    #[test]
    fn google_and_apple_are_known_by_name() {
        let (google, apple) = ("https://accounts.google.com", "https://appleid.apple.com");
        let config = json!({
            "clientId": "web", "additionalClientIds": ["ios"], "enabled": true,
            "appleSignInConfig": {"bundleIds": ["org.app"]},
        });
        let of = |issuer: &str, audience: &str| json!({"iss": issuer, "aud": audience});
        let check = |provider: &str, claims: Value, expected| check(provider, config.clone(), claims, "", expected);
        check("google.com", of(google, "web"), Ok(google));
        check("google.com", of("accounts.google.com", "ios"), Ok(google));
        check("google.com", of(google, "org.app"), Err("INVALID_IDP_RESPONSE : The ID token has been issued for"));
        check("google.com", of(apple, "web"), Err("INVALID_IDP_RESPONSE : The ID token has been issued by"));
        check("apple.com", of(apple, "org.app"), Ok(apple));
        check(
            "apple.com",
            of("appleid.apple.com", "web"),
            Err("INVALID_IDP_RESPONSE : The ID token has been issued by"),
        );
    }

    #[test]
    fn googles_own_nonces_need_not_be_known() {
        let bound = |issuer: &str| json!({"iss": issuer, "aud": "c", "nonce": "x"});
        let config = json!({"clientId": "c", "enabled": true});
        let google = "https://accounts.google.com";
        check("google.com", config.clone(), bound(google), "", Ok(google));
        check("google.com", config.clone(), bound(google), "&nonce=raw", Err("MISSING_OR_INVALID_NONCE"));
        check("apple.com", config, bound("https://appleid.apple.com"), "", Err("MISSING_OR_INVALID_NONCE"));
    }
}
