//! The identity providers by which a server in earnest signs users in: who they are, as an admin has configured them.
//! Must not know: how a user is known to one.

use super::Call;
use crate::errors::Error;
use crate::idp_config::{DEFAULT_SUPPORTED, DefaultSupportedIdpConfig, IdpConfig, OauthIdpConfig};
use crate::oidc::Issuer;
use crate::store::Accounts;

const GOOGLE: &str = "google.com";
const APPLE: &str = "apple.com";
const MICROSOFT: &str = "microsoft.com";
const GITHUB: &str = "github.com";
const FACEBOOK: &str = "facebook.com";

/// A provider by which users may sign in.
pub(super) struct Provider {
    /// As clients name it.
    pub(super) id: String,
    /// The app's id there.
    pub(super) client_id: String,
    /// The app's secret there; empty if it has none.
    pub(super) client_secret: String,
    pub(super) kind: Kind,
}

/// What can be asked of a provider.
pub(super) enum Kind {
    /// ID tokens.
    OpenId(OpenId),
    /// Access tokens of GitHub.
    Github(Place),
    /// Access tokens of Facebook.
    Facebook(Place),
}

/// A provider with ID tokens, and what is to be true of them.
pub(super) struct OpenId {
    /// Where its keys are; its tokens name it so.
    pub(super) issuer: Issuer,
    /// How else its tokens name it.
    pub(super) alias: Option<&'static str>,
    pub(super) audiences: Vec<String>,
    /// A token with a nonce is worth nothing without what it was made from.
    pub(super) needs_nonce: bool,
    /// What the app wants to know.
    pub(super) scopes: &'static str,
    /// Users come back with a form, for otherwise the provider does not say who they are.
    pub(super) answers_by_form: bool,
}

/// Where a provider without ID tokens is; no address ends with a slash.
pub(super) struct Place {
    /// For people.
    pub(super) web: String,
    /// For programs.
    pub(super) api: String,
}

impl Provider {
    /// Who this is: the start of all of its addresses, by which it is told from another that had its name before.
    pub(super) fn authority(&self) -> &str {
        match &self.kind {
            Kind::OpenId(provider) => provider.issuer.as_str(),
            Kind::Github(place) | Kind::Facebook(place) => &place.web,
        }
    }

    /// The secret, of a provider that gives nothing without.
    pub(super) fn secret(&self) -> Result<&str, Error> {
        Some(self.client_secret.as_str()).filter(|secret| !secret.is_empty()).ok_or(Error::UnsupportedProvider(
            "The configuration of this identity provider has no clientSecret, without which it gives nothing.",
        ))
    }
}

/// The provider with this id.
///
/// # Errors
/// Nobody has configured it, or it is none of those that can be asked.
pub(super) fn provider(store: &(impl Accounts + ?Sized), call: &Call<'_>, id: &str) -> Result<Provider, Error> {
    if id.starts_with("oidc.") {
        let config: OauthIdpConfig = configured(store, call, id)?;
        if !config.enabled {
            return Err(Error::ProviderNotConfigured);
        }
        let kind = Kind::OpenId(OpenId {
            issuer: Issuer::parse(&config.issuer).ok_or(Error::ProviderNotConfigured)?,
            alias: None,
            audiences: vec![config.client_id.clone()],
            needs_nonce: true,
            scopes: "openid email profile",
            answers_by_form: false,
        });
        let OauthIdpConfig { client_id, client_secret, .. } = config;
        return Ok(Provider { id: id.to_owned(), client_id, client_secret, kind });
    }
    if id.starts_with("saml.") {
        return Err(Error::UnsupportedProvider("This server does not sign in by SAML."));
    }
    if !DEFAULT_SUPPORTED.contains(&id) {
        return Err(Error::ProviderNotConfigured);
    }
    if ![GOOGLE, APPLE, MICROSOFT, GITHUB, FACEBOOK].contains(&id) {
        return Err(Error::UnsupportedProvider(
            "This server signs in by google.com, apple.com, microsoft.com, github.com, facebook.com and OpenID Connect \
             providers (oidc.*) only.",
        ));
    }
    let config: DefaultSupportedIdpConfig = configured(store, call, id)?;
    if !config.enabled {
        return Err(Error::ProviderNotConfigured);
    }
    let kind = match id {
        GITHUB => Kind::Github(place(&config, "https://github.com", "https://api.github.com")),
        FACEBOOK => Kind::Facebook(place(&config, "https://www.facebook.com", "https://graph.facebook.com")),
        _ => Kind::OpenId(open_id(id, &config)?),
    };
    let DefaultSupportedIdpConfig { client_id, client_secret, .. } = config;
    Ok(Provider { id: id.to_owned(), client_id, client_secret, kind })
}

fn open_id(id: &str, config: &DefaultSupportedIdpConfig) -> Result<OpenId, Error> {
    let other = Some(config.addresses.issuer.as_str()).filter(|issuer| !issuer.is_empty());
    let usual = match id {
        GOOGLE => "https://accounts.google.com",
        APPLE => "https://appleid.apple.com",
        // Each of its customers is an issuer, and one for all would be none in particular.
        _ => other.ok_or(Error::UnsupportedProvider(
            "The configuration of microsoft.com has no addresses.issuer, which says whose directory is meant.",
        ))?,
    };
    let mut audiences = vec![config.client_id.clone()];
    audiences.extend(config.additional_client_ids.iter().cloned());
    if id == APPLE {
        audiences.extend(config.apple_sign_in_config.bundle_ids.iter().cloned());
    }
    audiences.retain(|audience| !audience.is_empty());
    Ok(OpenId {
        issuer: Issuer::parse(other.unwrap_or(usual)).ok_or(Error::ProviderNotConfigured)?,
        alias: (id == GOOGLE && other.is_none()).then_some("accounts.google.com"),
        audiences,
        // Google's libraries put nonces into tokens that apps know nothing of.
        needs_nonce: id != GOOGLE,
        scopes: if id == APPLE { "openid name email" } else { "openid email profile" },
        answers_by_form: id == APPLE,
    })
}

fn place(config: &DefaultSupportedIdpConfig, web: &str, api: &str) -> Place {
    let or = |configured: &str, usual: &str| {
        let configured = configured.trim_end_matches('/');
        if configured.is_empty() { usual.to_owned() } else { configured.to_owned() }
    };
    Place { web: or(&config.addresses.web, web), api: or(&config.addresses.api, api) }
}

fn configured<C: IdpConfig>(store: &(impl Accounts + ?Sized), call: &Call<'_>, id: &str) -> Result<C, Error> {
    let value = store.idp_config(call.scope, C::KIND, id)?.ok_or(Error::ProviderNotConfigured)?;
    serde_json::from_value(value).map_err(|_| Error::ProviderNotConfigured)
}
