//! What a server in earnest believes of an ID token of OpenID Connect: one that the provider's keys have signed, for this
//! app and this sign-in. Must not know: how the token has come here, or what becomes of an account by it.

use super::Call;
use super::providers::OpenId;
use crate::errand::KeysWanted;
use crate::errors::Error;
use crate::oidc::{Disbelieved, Expected, Nonce, ProviderToken};
use serde_json::{Map, Value};

/// What the provider says of the user, once its keys have been asked for. `raw_nonce` is what the token's nonce has been
/// made from, if anybody knows.
///
/// # Errors
/// The provider cannot be asked, or the token is not believed.
pub(super) fn claims(
    call: &Call<'_>,
    provider: &OpenId,
    id_token: &str,
    raw_nonce: Option<&str>,
) -> Result<Map<String, Value>, Error> {
    let issuers: Vec<_> = [Some(provider.issuer.as_str()), provider.alias].into_iter().flatten().collect();
    let audiences: Vec<_> = provider.audiences.iter().map(String::as_str).collect();
    let nonce = Nonce { raw: raw_nonce, required: provider.needs_nonce };
    let expected = Expected { issuers: &issuers, audiences: &audiences, nonce, now: call.now };
    let token = ProviderToken::read(id_token, &expected).map_err(refused)?;
    let wanted = KeysWanted { issuer: provider.issuer.clone(), key_id: token.key_id().map(str::to_owned) };
    let keys = call.passwords.outcomes.provider_keys(wanted)?;
    token.verified(&keys).map_err(refused)
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
    use crate::idp_config::DefaultSupportedIdpConfig;
    use crate::oidc::Issuer;
    use crate::operations::{idp_configs, sign_in_idp};
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

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
        let without = "OPERATION_NOT_ALLOWED : The configuration of microsoft.com has no addresses.issuer";
        check("microsoft.com", of(google, "web"), Err(without));
        check(
            "apple.com",
            of("appleid.apple.com", "web"),
            Err("INVALID_IDP_RESPONSE : The ID token has been issued by"),
        );
    }

    #[test]
    fn a_provider_may_be_elsewhere() {
        let directory = "https://login.microsoftonline.com/1/v2.0";
        let config = json!({"clientId": "c", "enabled": true, "addresses": {"issuer": directory}});
        let of = |issuer: &str| json!({"iss": issuer, "aud": "c"});
        check("microsoft.com", config.clone(), of(directory), "", Ok(directory));
        check("google.com", config.clone(), of(directory), "", Ok(directory));
        for other in ["accounts.google.com", "https://accounts.google.com", "https://login.microsoftonline.com/2/v2.0"]
        {
            let expected = Err("INVALID_IDP_RESPONSE : The ID token has been issued by");
            check("google.com", config.clone(), of(other), "", expected);
            check("microsoft.com", config.clone(), of(other), "", expected);
        }
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
