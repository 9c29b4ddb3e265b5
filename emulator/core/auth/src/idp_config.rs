//! What admins say of identity providers, in the shapes of the Identity Toolkit's v2 API, and what of it cannot be.
//!
//! As in all of Google's JSON what has its default (`false`, `""`, `[]`) is left out. Must not know: who signs in by it.

use crate::errors::Error;
use crate::oidc::Issuer;
use crate::schema::{Kind, Schema};
use crate::uri::Uri;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Providers that have no configuration but the app's registration with them.
pub const DEFAULT_SUPPORTED: [&str; 10] = [
    "apple.com",
    "facebook.com",
    "gc.apple.com",
    "github.com",
    "google.com",
    "linkedin.com",
    "microsoft.com",
    "playgames.google.com",
    "twitter.com",
    "yahoo.com",
];

/// The longest id of a configuration, in bytes.
const LONGEST_ID: usize = 128;
/// The longest id of a client, in bytes.
const LONGEST_CLIENT_ID: usize = 256;
/// The longest text of any other field, in bytes.
const LONGEST_TEXT: usize = 16 * 1024;
/// The most certificates, and the most other ids of an app.
const MOST_LISTED: usize = 100;

/// What a configuration is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IdpKind {
    /// A provider that Firebase knows by name, like `google.com`.
    DefaultSupported,
    /// A SAML provider of the app's choice.
    InboundSaml,
    /// An OpenID Connect provider of the app's choice.
    Oauth,
}

impl IdpKind {
    /// The collection in paths and lists.
    pub fn collection(self) -> &'static str {
        match self {
            Self::DefaultSupported => "defaultSupportedIdpConfigs",
            Self::InboundSaml => "inboundSamlConfigs",
            Self::Oauth => "oauthIdpConfigs",
        }
    }
}

/// A configuration as an admin writes it; its id is not part of it.
pub trait IdpConfig: Serialize + DeserializeOwned {
    /// What it is of.
    const KIND: IdpKind;
    /// The parameter that names a new one.
    const ID_PARAMETER: &'static str;

    /// Whether a configuration may have this id.
    ///
    /// # Errors
    /// It may not.
    fn check_id(id: &str) -> Result<(), Error>;

    /// Whether the fields make a configuration.
    ///
    /// # Errors
    /// The first that does not.
    fn check(&self) -> Result<(), Error>;
}

/// An OpenID Connect provider.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OauthIdpConfig {
    /// The app's id there.
    #[serde(skip_serializing_if = "is_default")]
    pub client_id: String,
    /// Who the provider is: its `iss`, by which its keys are found, too.
    #[serde(skip_serializing_if = "is_default")]
    pub issuer: String,
    /// A name for people.
    #[serde(skip_serializing_if = "is_default")]
    pub display_name: String,
    /// Users may sign in by it.
    #[serde(skip_serializing_if = "is_default")]
    pub enabled: bool,
    /// The app's secret there; for the code flow only.
    #[serde(skip_serializing_if = "is_default")]
    pub client_secret: String,
    /// What the provider is asked for.
    #[serde(skip_serializing_if = "is_default")]
    pub response_type: ResponseType,
}

impl fmt::Debug for OauthIdpConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OauthIdpConfig").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// What a provider is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResponseType {
    /// An ID token.
    #[serde(skip_serializing_if = "is_default")]
    pub id_token: bool,
    /// A code, for which the server gets an ID token.
    #[serde(skip_serializing_if = "is_default")]
    pub code: bool,
    /// An access token: not supported, as the original has it.
    #[serde(skip_serializing_if = "is_default")]
    pub token: bool,
}

impl IdpConfig for OauthIdpConfig {
    const KIND: IdpKind = IdpKind::Oauth;
    const ID_PARAMETER: &'static str = "oauthIdpConfigId";

    fn check_id(id: &str) -> Result<(), Error> {
        check_prefixed(id, "oidc.")
    }

    fn check(&self) -> Result<(), Error> {
        check_client_id(&self.client_id)?;
        if self.issuer.is_empty() {
            return Err(Error::MissingIssuer);
        }
        if Issuer::parse(&self.issuer).is_none() {
            let why =
                "issuer must be an https URL without query and fragment (http only for an issuer on this machine)";
            return Err(Error::InvalidConfig(why));
        }
        let ResponseType { id_token, code, token } = self.response_type;
        if token {
            return Err(Error::InvalidConfig("the response type token is not supported"));
        }
        if code && id_token {
            return Err(Error::InvalidConfig("the response types code and idToken exclude each other"));
        }
        if code && self.client_secret.is_empty() {
            return Err(Error::InvalidConfig("the response type code needs a clientSecret"));
        }
        check_lengths([&self.issuer, &self.display_name, &self.client_secret])
    }
}

/// A SAML provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InboundSamlConfig {
    /// The provider.
    #[serde(skip_serializing_if = "is_default")]
    pub idp_config: SamlProvider,
    /// The app, as the provider knows it.
    #[serde(skip_serializing_if = "is_default")]
    pub sp_config: SamlApp,
    /// A name for people.
    #[serde(skip_serializing_if = "is_default")]
    pub display_name: String,
    /// Users may sign in by it.
    #[serde(skip_serializing_if = "is_default")]
    pub enabled: bool,
}

/// A SAML provider's side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SamlProvider {
    /// Its name.
    #[serde(skip_serializing_if = "is_default")]
    pub idp_entity_id: String,
    /// Where it signs users in.
    #[serde(skip_serializing_if = "is_default")]
    pub sso_url: String,
    /// Whether it wants requests to be signed.
    #[serde(skip_serializing_if = "is_default")]
    pub sign_request: bool,
    /// By which its responses are verified.
    #[serde(skip_serializing_if = "is_default")]
    pub idp_certificates: Vec<SamlCertificate>,
}

/// A certificate of a SAML provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SamlCertificate {
    /// As PEM.
    #[serde(skip_serializing_if = "is_default")]
    pub x509_certificate: String,
}

/// The app's side of SAML.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SamlApp {
    /// Its name.
    #[serde(skip_serializing_if = "is_default")]
    pub sp_entity_id: String,
    /// Where the provider sends users back to.
    #[serde(skip_serializing_if = "is_default")]
    pub callback_uri: String,
}

impl IdpConfig for InboundSamlConfig {
    const KIND: IdpKind = IdpKind::InboundSaml;
    const ID_PARAMETER: &'static str = "inboundSamlConfigId";

    fn check_id(id: &str) -> Result<(), Error> {
        check_prefixed(id, "saml.")
    }

    fn check(&self) -> Result<(), Error> {
        let (provider, app) = (&self.idp_config, &self.sp_config);
        if provider.idp_entity_id.is_empty() {
            return Err(Error::MissingConfig("idpConfig.idpEntityId"));
        }
        if provider.sso_url.is_empty() {
            return Err(Error::MissingConfig("idpConfig.ssoUrl"));
        }
        if !is_web_address(&provider.sso_url) {
            return Err(Error::InvalidConfig("idpConfig.ssoUrl must be a URL"));
        }
        let certificates = &provider.idp_certificates;
        if certificates.is_empty() {
            return Err(Error::MissingConfig("idpConfig.idpCertificates"));
        }
        if certificates.len() > MOST_LISTED || certificates.iter().any(|one| one.x509_certificate.is_empty()) {
            return Err(Error::InvalidConfig("idpConfig.idpCertificates must be up to 100 certificates"));
        }
        if app.sp_entity_id.is_empty() {
            return Err(Error::MissingSamlRelyingPartyConfig);
        }
        if !app.callback_uri.is_empty() && !is_web_address(&app.callback_uri) {
            return Err(Error::InvalidConfig("spConfig.callbackUri must be a URL"));
        }
        check_lengths([
            &provider.idp_entity_id,
            &provider.sso_url,
            &app.sp_entity_id,
            &app.callback_uri,
            &self.display_name,
        ])?;
        check_lengths(certificates.iter().map(|one| &one.x509_certificate))
    }
}

/// The app's registration with a provider that Firebase knows.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DefaultSupportedIdpConfig {
    /// Users may sign in by it.
    #[serde(skip_serializing_if = "is_default")]
    pub enabled: bool,
    /// The app's id there.
    #[serde(skip_serializing_if = "is_default")]
    pub client_id: String,
    /// Further ids of the app there, as phones have them. Ours: in production the console knows them.
    #[serde(skip_serializing_if = "is_default")]
    pub additional_client_ids: Vec<String>,
    /// The app's secret there.
    #[serde(skip_serializing_if = "is_default")]
    pub client_secret: String,
    /// What Apple knows the app by, besides.
    #[serde(skip_serializing_if = "is_default")]
    pub apple_sign_in_config: AppleSignInConfig,
    /// Where the provider is, if it is not where everybody knows it to be. Ours.
    #[serde(skip_serializing_if = "is_default")]
    pub addresses: ProviderAddresses,
}

/// Where a provider is that is run by somebody else than usual: a company's own, or a test's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProviderAddresses {
    /// Of a provider with ID tokens: the issuer.
    #[serde(skip_serializing_if = "is_default")]
    pub issuer: String,
    /// Of GitHub and Facebook: what people open (`https://github.com`).
    #[serde(skip_serializing_if = "is_default")]
    pub web: String,
    /// Of GitHub and Facebook: what programs ask (`https://api.github.com`).
    #[serde(skip_serializing_if = "is_default")]
    pub api: String,
}

impl fmt::Debug for DefaultSupportedIdpConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("DefaultSupportedIdpConfig");
        shown.field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// What Apple knows an app by.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AppleSignInConfig {
    /// Apps for Apple's devices, whose ID tokens are for their bundle.
    #[serde(skip_serializing_if = "is_default")]
    pub bundle_ids: Vec<String>,
    /// The key of the code flow.
    #[serde(skip_serializing_if = "is_default")]
    pub code_flow_config: AppleCodeFlow,
}

/// The key by which an app shows Apple who it is.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AppleCodeFlow {
    /// The developers' team.
    #[serde(skip_serializing_if = "is_default")]
    pub team_id: String,
    /// The key's id.
    #[serde(skip_serializing_if = "is_default")]
    pub key_id: String,
    /// The key.
    #[serde(skip_serializing_if = "is_default")]
    pub private_key: String,
}

impl IdpConfig for DefaultSupportedIdpConfig {
    const KIND: IdpKind = IdpKind::DefaultSupported;
    const ID_PARAMETER: &'static str = "idpId";

    fn check_id(id: &str) -> Result<(), Error> {
        if DEFAULT_SUPPORTED.contains(&id) { Ok(()) } else { Err(Error::InvalidProviderId) }
    }

    fn check(&self) -> Result<(), Error> {
        let apple = &self.apple_sign_in_config;
        // An app for Apple's devices alone has no other id.
        if !self.client_id.is_empty() || apple.bundle_ids.is_empty() {
            check_client_id(&self.client_id)?;
        }
        if apple.bundle_ids.len() > MOST_LISTED || !apple.bundle_ids.iter().all(|id| is_client_id(id)) {
            return Err(Error::InvalidConfig("appleSignInConfig.bundleIds must be up to 100 ids of apps"));
        }
        let others = &self.additional_client_ids;
        if others.len() > MOST_LISTED || !others.iter().all(|id| is_client_id(id)) {
            return Err(Error::InvalidOauthClientId);
        }
        let ProviderAddresses { issuer, web, api } = &self.addresses;
        if [issuer, web, api].into_iter().any(|url| !url.is_empty() && Issuer::parse(url).is_none()) {
            let why = "addresses must be https URLs without query and fragment (http only on this machine)";
            return Err(Error::InvalidConfig(why));
        }
        let key = &apple.code_flow_config;
        check_lengths([&self.client_secret, &key.team_id, &key.key_id, &key.private_key])
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn check_prefixed(id: &str, prefix: &'static str) -> Result<(), Error> {
    let rest = id.strip_prefix(prefix).ok_or(Error::InvalidConfigId(prefix))?;
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let fits = (1..=LONGEST_ID - prefix.len()).contains(&rest.len());
    if fits && rest.bytes().all(is_fine) { Ok(()) } else { Err(Error::InvalidConfigId(prefix)) }
}

fn check_client_id(id: &str) -> Result<(), Error> {
    if id.is_empty() {
        return Err(Error::MissingOauthClientId);
    }
    if is_client_id(id) { Ok(()) } else { Err(Error::InvalidOauthClientId) }
}

fn is_client_id(id: &str) -> bool {
    (1..=LONGEST_CLIENT_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_web_address(text: &str) -> bool {
    let has_scheme = |scheme: &str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    (has_scheme("https://") || has_scheme("http://")) && Uri::parse(text).is_some()
}

fn check_lengths<'t>(texts: impl IntoIterator<Item = &'t String>) -> Result<(), Error> {
    if texts.into_iter().all(|text| text.len() <= LONGEST_TEXT) {
        Ok(())
    } else {
        Err(Error::InvalidConfig("a field is too long"))
    }
}

/// Lets admins take a name away by `null`.
const NAME: (&str, Kind) = ("displayName", Kind::Any);
const MASK: (&str, Kind) = ("updateMask", Kind::Text);

/// The shape of [`OauthIdpConfig`].
pub const OAUTH: Schema = &[
    ("clientId", Kind::Text),
    ("clientSecret", Kind::Text),
    NAME,
    ("enabled", Kind::Flag),
    ("issuer", Kind::Text),
    ("responseType", Kind::Object(&[("code", Kind::Flag), ("idToken", Kind::Flag), ("token", Kind::Flag)])),
    MASK,
];

/// The shape of [`InboundSamlConfig`].
pub const INBOUND_SAML: Schema = &[
    NAME,
    ("enabled", Kind::Flag),
    (
        "idpConfig",
        Kind::Object(&[
            ("idpCertificates", Kind::List(&Kind::Object(&[("x509Certificate", Kind::Text)]))),
            ("idpEntityId", Kind::Text),
            ("signRequest", Kind::Flag),
            ("ssoUrl", Kind::Text),
        ]),
    ),
    ("spConfig", Kind::Object(&[("callbackUri", Kind::Text), ("spEntityId", Kind::Text)])),
    MASK,
];

/// The shape of [`DefaultSupportedIdpConfig`].
pub const DEFAULT_SUPPORTED_IDP: Schema = &[
    ("additionalClientIds", Kind::List(&Kind::Text)),
    ("addresses", Kind::Object(&[("api", Kind::Text), ("issuer", Kind::Text), ("web", Kind::Text)])),
    (
        "appleSignInConfig",
        Kind::Object(&[
            ("bundleIds", Kind::List(&Kind::Text)),
            (
                "codeFlowConfig",
                Kind::Object(&[("keyId", Kind::Text), ("privateKey", Kind::Text), ("teamId", Kind::Text)]),
            ),
        ]),
    ),
    ("clientId", Kind::Text),
    ("clientSecret", Kind::Text),
    ("enabled", Kind::Flag),
    MASK,
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check<C: IdpConfig>(fields: Value, expected: Result<(), &str>) {
        let config: C = serde_json::from_value(fields.clone()).unwrap();
        let result = config.check().map_err(|error| error.to_string());
        match (&result, expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(start)) => assert!(error.starts_with(start), "{fields}: {error}"),
            _ => panic!("{fields}: {result:?}"),
        }
    }

    #[test]
    fn ids_say_what_they_are_of() {
        let long = format!("oidc.{}", "x".repeat(124));
        for (id, oidc, saml, known) in [
            ("oidc.a-b_c.D", true, false, false),
            ("saml.x", false, true, false),
            ("google.com", false, false, true),
            ("oidc.", false, false, false),
            ("oidc.a/b", false, false, false),
            ("oidc.ä", false, false, false),
            ("", false, false, false),
            (long.as_str(), false, false, false),
        ] {
            let got = [
                OauthIdpConfig::check_id(id).is_ok(),
                InboundSamlConfig::check_id(id).is_ok(),
                DefaultSupportedIdpConfig::check_id(id).is_ok(),
            ];
            assert_eq!(got, [oidc, saml, known], "{id}");
        }
    }

    #[test]
    fn an_openid_provider_has_an_issuer_and_knows_the_app() {
        let good = json!({"clientId": "c", "issuer": "https://a.b/c"});
        let with = |field: &str, value: Value| {
            let mut fields = good.clone();
            fields[field] = value;
            fields
        };
        check::<OauthIdpConfig>(good.clone(), Ok(()));
        for (field, value, expected) in [
            ("clientId", json!(""), Err("MISSING_OAUTH_CLIENT_ID")),
            ("clientId", json!("a b"), Err("INVALID_OAUTH_CLIENT_ID")),
            ("clientId", json!("a".repeat(257)), Err("INVALID_OAUTH_CLIENT_ID")),
            ("issuer", json!(""), Err("MISSING_ISSUER")),
            ("issuer", json!("a.b"), Err("INVALID_CONFIG : issuer must be")),
            ("issuer", json!("http://a.b"), Err("INVALID_CONFIG : issuer must be")),
            ("issuer", json!("http://127.0.0.1:8080/realm"), Ok(())),
            ("displayName", json!("n".repeat(20_000)), Err("INVALID_CONFIG : a field is too long")),
            ("responseType", json!({"idToken": true}), Ok(())),
            ("responseType", json!({"code": true}), Err("INVALID_CONFIG : the response type code needs")),
            ("responseType", json!({"token": true}), Err("INVALID_CONFIG : the response type token")),
            ("responseType", json!({"code": true, "idToken": true}), Err("INVALID_CONFIG : the response types")),
        ] {
            check::<OauthIdpConfig>(with(field, value), expected);
        }
    }

    #[test]
    fn a_saml_provider_has_certificates_and_an_address() {
        let good = json!({
            "idpConfig": {"idpEntityId": "i", "ssoUrl": "https://a.b", "idpCertificates": [{"x509Certificate": "c"}]},
            "spConfig": {"spEntityId": "s", "callbackUri": "https://c.d/__/auth/handler"},
        });
        check::<InboundSamlConfig>(good.clone(), Ok(()));
        for (pointer, value, expected) in [
            ("/idpConfig/idpEntityId", json!(""), "MISSING_CONFIG : idpConfig.idpEntityId"),
            ("/idpConfig/ssoUrl", json!(""), "MISSING_CONFIG : idpConfig.ssoUrl"),
            ("/idpConfig/ssoUrl", json!("javascript:1"), "INVALID_CONFIG : idpConfig.ssoUrl"),
            ("/idpConfig/idpCertificates", json!([]), "MISSING_CONFIG : idpConfig.idpCertificates"),
            ("/idpConfig/idpCertificates", json!([{}]), "INVALID_CONFIG : idpConfig.idpCertificates"),
            ("/spConfig/spEntityId", json!(""), "MISSING_SAML_RELYING_PARTY_CONFIG"),
            ("/spConfig/callbackUri", json!("x"), "INVALID_CONFIG : spConfig.callbackUri"),
        ] {
            let mut fields = good.clone();
            *fields.pointer_mut(pointer).unwrap() = value;
            check::<InboundSamlConfig>(fields, Err(expected));
        }
    }

    #[test]
    fn a_known_provider_knows_the_app() {
        check::<DefaultSupportedIdpConfig>(json!({"clientId": "c"}), Ok(()));
        check::<DefaultSupportedIdpConfig>(json!({"clientId": "c", "additionalClientIds": ["d"]}), Ok(()));
        let spaced = json!({"clientId": "c", "additionalClientIds": ["d e"]});
        check::<DefaultSupportedIdpConfig>(spaced, Err("INVALID_OAUTH_CLIENT_ID"));
        check::<DefaultSupportedIdpConfig>(json!({}), Err("MISSING_OAUTH_CLIENT_ID"));
        check::<DefaultSupportedIdpConfig>(json!({"appleSignInConfig": {"bundleIds": ["org.app"]}}), Ok(()));
        check::<DefaultSupportedIdpConfig>(
            json!({"appleSignInConfig": {"bundleIds": [""]}}),
            Err("INVALID_CONFIG : appleSignInConfig.bundleIds"),
        );
    }

    #[test]
    fn secrets_are_not_shown() {
        let config = OauthIdpConfig { client_secret: "hidden".to_owned(), ..OauthIdpConfig::default() };
        let known = DefaultSupportedIdpConfig { client_secret: "hidden".to_owned(), ..Default::default() };
        assert!(!format!("{config:?} {known:?}").contains("hidden"));
    }
}
