//! By what a user is known to an identity provider, on a server in earnest: a code, an ID token, or an access token.
//! Must not know: what becomes of an account by it.
//!
//! A code comes with the session that this server has begun. An ID token says itself for whom it is. An access token
//! says nothing: it counts only where the provider tells for which app it was given, since whoever runs another app has
//! some of its users (RFC 8725, section 3.9).

use super::Call;
use super::idp::{Assertion, Brought, Credential};
use super::providers::{Kind, provider};
use super::{idp_access_token, idp_code, idp_token};
use crate::errors::Error;
use crate::store::Accounts;

/// What the provider says of the user.
///
/// # Errors
/// The provider is not configured or cannot be asked, or the credential is not believed.
pub(super) fn assertion(
    store: &(impl Accounts + ?Sized),
    call: &Call<'_>,
    brought: &Brought,
    session_id: Option<&str>,
) -> Result<Assertion, Error> {
    // A provider that refuses sends its users back with an error instead of a code.
    let came_back = brought.given("code").is_some() || brought.given("error").is_some();
    if came_back {
        return idp_code::assertion(store, call, brought, session_id);
    }
    let provider = provider(store, call, brought.provider_id()?)?;
    let text = |name: &str| brought.given(name).map(str::to_owned);
    match &provider.kind {
        Kind::OpenId(open_id) => {
            let id_token = brought.given("id_token").ok_or(Error::UnsupportedProvider(
                "This server accepts this provider's ID tokens, and codes of sign-ins that it has begun; an access token \
                 alone proves nothing.",
            ))?;
            let claims = idp_token::claims(call, open_id, id_token, brought.given("nonce"))?;
            let credential =
                Credential { id_token: text("id_token"), access_token: text("access_token"), ..Credential::default() };
            Assertion::verified(&provider.id, &claims, credential)
        }
        Kind::Github(_) | Kind::Facebook(_) => {
            let token = brought.given("access_token").ok_or(Error::UnsupportedProvider(
                "This server accepts this provider's access tokens, and codes of sign-ins that it has begun.",
            ))?;
            let credential = Credential { access_token: text("access_token"), ..Credential::default() };
            idp_access_token::assertion(call, &provider, token, false, credential)
        }
    }
}
