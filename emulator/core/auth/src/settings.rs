//! What admins settle for a project and its tenants, in the Identity Toolkit's shapes. Must not know: how it is changed.

use crate::schema::{Kind, Schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A tenant: accounts of their own, and what they may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tenant {
    /// `projects/{project}/tenants/{tenant}`.
    pub name: String,
    /// Its id.
    pub tenant_id: String,
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Emails with passwords are welcome.
    pub allow_password_signup: bool,
    /// Links in emails are welcome.
    pub enable_email_link_signin: bool,
    /// Accounts that give no credential are welcome.
    pub enable_anonymous_user: bool,
    /// Nobody can sign in, and nothing can be changed.
    pub disable_auth: bool,
    /// Second factors.
    pub mfa_config: MfaConfig,
    /// What passwords must be like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_policy_config: Option<PasswordPolicyConfig>,
}

impl Tenant {
    /// A tenant that nobody has created, as the official emulator has it: everything is allowed.
    pub fn made_up(project: &str, tenant_id: &str) -> Self {
        Self {
            name: name(project, tenant_id),
            tenant_id: tenant_id.to_owned(),
            allow_password_signup: true,
            enable_email_link_signin: true,
            enable_anonymous_user: true,
            mfa_config: MfaConfig {
                state: MfaState::Enabled,
                enabled_providers: vec![MfaProvider::PhoneSms],
                provider_configs: None,
            },
            ..Self::default()
        }
    }
}

/// A tenant's name as a resource.
pub fn name(project: &str, tenant_id: &str) -> String {
    format!("projects/{project}/tenants/{tenant_id}")
}

/// Second factors: whether, and which.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MfaConfig {
    /// Whether.
    pub state: MfaState,
    /// Text messages, if they are named.
    pub enabled_providers: Vec<MfaProvider>,
    /// The others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_configs: Option<Vec<ProviderConfig>>,
}

/// Whether there are second factors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MfaState {
    /// Nobody has said.
    StateUnspecified,
    /// There are none.
    #[default]
    Disabled,
    /// Whoever wants can have one.
    Enabled,
    /// Everyone has to have one.
    Mandatory,
}

/// Second factors without settings of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MfaProvider {
    /// None.
    ProviderUnspecified,
    /// Text messages.
    PhoneSms,
}

/// A kind of second factor with settings of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProviderConfig {
    /// Whether.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<MfaProviderState>,
    /// One-time passwords that follow the clock (RFC 6238).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totp_provider_config: Option<TotpProviderConfig>,
}

/// Whether there is a kind of second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MfaProviderState {
    /// Nobody has said.
    MfaStateUnspecified,
    /// There is not.
    Disabled,
    /// There is.
    Enabled,
    /// There is, and everyone has to have one.
    Mandatory,
}

/// Settings of one-time passwords.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TotpProviderConfig {
    /// So many intervals before and after the present one are accepted, 0 to 10; 5 unless it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adjacent_intervals: Option<u8>,
}

/// What new passwords must be like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PasswordPolicyConfig {
    /// Whether passwords that are not are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_policy_enforcement_state: Option<EnforcementState>,
    /// Whether sign-in with an old password that is not is refused, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force_upgrade_on_signin: Option<bool>,
    /// The policy; there is one at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub password_policy_versions: Vec<PasswordPolicyVersion>,
}

/// Whether a policy is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EnforcementState {
    /// Nobody has said.
    PasswordPolicyEnforcementStateUnspecified,
    /// It is not.
    Off,
    /// It is.
    Enforce,
}

/// A policy for passwords.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PasswordPolicyVersion {
    /// The rules.
    pub custom_strength_options: StrengthOptions,
    /// Which schema the rules follow; 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<u32>,
}

/// Rules for passwords.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StrengthOptions {
    /// A to Z.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains_uppercase_character: Option<bool>,
    /// a to z.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains_lowercase_character: Option<bool>,
    /// 0 to 9.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains_numeric_character: Option<bool>,
    /// A punctuation mark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains_non_alphanumeric_character: Option<bool>,
    /// The fewest characters, 6 to 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_password_length: Option<u32>,
    /// The most characters, up to 4096.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_password_length: Option<u32>,
}

/// Functions that are asked before an account is created or its owner comes in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BlockingFunctions {
    /// By event: `beforeCreate`, `beforeSignIn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub triggers: Option<BTreeMap<String, Trigger>>,
    /// What of an identity provider's answer they are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_inbound_credentials: Option<ForwardInboundCredentials>,
}

/// A function that is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Trigger {
    /// Where it is.
    pub function_uri: String,
}

/// What of an identity provider's answer blocking functions are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ForwardInboundCredentials {
    /// Its access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token: Option<bool>,
    /// Its ID token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<bool>,
    /// Its refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<bool>,
}

/// The shape of [`MfaConfig`].
pub const MFA_CONFIG: Kind = Kind::Object(&[
    ("enabledProviders", Kind::List(&Kind::Name(&["PROVIDER_UNSPECIFIED", "PHONE_SMS"]))),
    (
        "providerConfigs",
        Kind::List(&Kind::Object(&[
            ("state", Kind::Name(&["MFA_STATE_UNSPECIFIED", "DISABLED", "ENABLED", "MANDATORY"])),
            ("totpProviderConfig", Kind::Object(&[("adjacentIntervals", Kind::Any)])),
        ])),
    ),
    ("state", Kind::Name(&["STATE_UNSPECIFIED", "DISABLED", "ENABLED", "MANDATORY"])),
]);

/// The shape of [`PasswordPolicyConfig`].
pub const PASSWORD_POLICY_CONFIG: Kind = Kind::Object(&[
    ("forceUpgradeOnSignin", Kind::Flag),
    (
        "passwordPolicyEnforcementState",
        Kind::Name(&["PASSWORD_POLICY_ENFORCEMENT_STATE_UNSPECIFIED", "OFF", "ENFORCE"]),
    ),
    (
        "passwordPolicyVersions",
        Kind::List(&Kind::Object(&[(
            "customStrengthOptions",
            Kind::Object(&[
                ("containsLowercaseCharacter", Kind::Flag),
                ("containsNonAlphanumericCharacter", Kind::Flag),
                ("containsNumericCharacter", Kind::Flag),
                ("containsUppercaseCharacter", Kind::Flag),
            ]),
        )])),
    ),
]);

/// The shape of [`Tenant`].
pub const TENANT: Schema = &[
    ("allowPasswordSignup", Kind::Flag),
    ("disableAuth", Kind::Flag),
    ("displayName", Kind::Text),
    ("enableAnonymousUser", Kind::Flag),
    ("enableEmailLinkSignin", Kind::Flag),
    ("mfaConfig", MFA_CONFIG),
    ("passwordPolicyConfig", PASSWORD_POLICY_CONFIG),
    ("updateMask", Kind::Text),
];
